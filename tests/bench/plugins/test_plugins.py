"""Plug-ins: methods, data sets and noise models from a file or an installed package; each planted fault is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import registries
from command_line import ENVIRONMENT, HOME, Command, write_suite

from bench import plugins
from bench.sweep.cluster import prove_shared
from datasets.data_contract import Choice
from methods import registry as methods
from results.store import Store

METHOD = """
import torch.nn.functional as F

from methods.base import Method


class Mine(Method):
    name = "mine"
    title = "My idea"
    year = 2026
    reference = "none"

    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)
"""

DATA = '''
import numpy as np

from datasets.base import DataSetInfo, Images, assemble
from datasets.noise_models import NoiseInfo
from datasets.plugin import DataSetPlugin, NoisePlugin

INFO = DataSetInfo(
    name="stripes", title="Stripes", version=1, num_classes=3, num_train=90, num_test=30, image_shape=(8, 8, 1),
    description="bars", class_names=("left", "middle", "right"), mean=(0.3,), std=(0.4,),
)


def images(count):
    labels = np.arange(count, dtype=np.int64) % 3
    pixels = np.zeros((count, 8, 8, 1), np.uint8)
    for row, label in enumerate(labels):
        pixels[row, :, 3 * label : 3 * label + 2] = 200 + row % 50
    return Images(pixels, labels)


def load(info, root):
    return assemble(info, images(90), images(30))


def to_next(num_classes, rate, options):
    return (1 - rate) * np.eye(num_classes) + rate * np.roll(np.eye(num_classes), 1, axis=1)


def early(dataset, rate, options, uniforms):
    """Labels of the first rows are drawn anew."""
    labels = dataset.train.labels.copy()
    count = int(rate * len(labels) * options["share"])
    labels[:count] = np.floor(uniforms("labels", count) * dataset.num_classes)
    return labels


DATASETS = [DataSetPlugin(INFO, load)]
NOISE_MODELS = [
    NoisePlugin(NoiseInfo("to_next", "to the next {rate}", "the next class"), matrix=to_next),
    NoisePlugin(NoiseInfo("early", "early {rate}", "the first rows", {"share": 1.0}), draw=early),
]
'''


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    with registries.as_before():
        yield


def method(old: str = "", new: str = "") -> str:
    """The method with one thing changed."""
    assert old in METHOD
    return METHOD.replace(old, new, 1)


def hyper(text: str) -> str:
    return method("    def loss", f"    hyper = {text}\n\n    def loss")


DECLARED = {
    "syntax error": (method("class Mine(Method):", "class Mine(Method)"), "not valid Python, line 7: expected ':'"),
    "not text": ("\0", "not valid Python"),
    "nothing": ("x = 1\n", "declares nothing: no method"),
    "missing loss": (method("def loss", "def lost"), "class Mine does not define `loss`"),
    "missing title": (method('    title = "My idea"\n', ""), "class Mine lacks `title`"),
    "name clash": (method('"mine"', '"elr"'), "method name 'elr' is taken by"),
    "a name twice": (METHOD + method(), "method name 'mine' is taken by"),
    "not a method": (method("(Method)", ""), "class Mine is not a subclass of methods.base.Method"),
    "a bare module": (method("(Method)", "(nn.Module)"), "class Mine is not a subclass of methods.base.Method"),
    "not a literal": (method("2026", "int('2026')"), "`year` must be a plain literal"),
    "wrong kind": (method("2026", '"2026"'), "`year` = '2026': must be of type int"),
    "odd name": (method('"mine"', '"My idea"'), "must be of small letters"),
    "unknown fact": (method("    def", '    needs = frozenset({"truth"})\n\n    def'), "unknown fact 'truth'"),
    "unknown type": (hyper("{'a': {'default': [1], 'source': ''}}"), "'a': unknown hyper-parameter type list"),
    "unknown named type": (
        hyper("{'a': {'default': None, 'type': 'tensor', 'source': ''}}"),
        "'a': unknown hyper-parameter type 'tensor' (accepted: bool, int, float, str)",
    ),
    "no source": (hyper("{'a': {'default': 1.0}}"), "'a' needs a dictionary with `default` and `source`"),
    "unknown key": (hyper("{'a': {'default': 1.0, 'source': '', 'bound': (0, 1)}}"), "'a' has unknown keys: bound"),
    "bounds the wrong way": (
        hyper("{'a': {'default': 1.0, 'source': '', 'bounds': (2, 0)}}"), "'a': `bounds` must be a pair of numbers",
    ),
    "default out of bounds": (
        hyper("{'a': {'default': 5.0, 'source': '', 'bounds': (0, 1)}}"), "'a' = 5.0: must lie in [0, 1]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DECLARED)
def test_a_fault_in_what_a_file_declares_is_refused(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    text, expected = DECLARED[case]
    (tmp_path / "plug.py").write_text(text)
    line = refused("list", "methods", "--plugin", "plug.py")
    assert line.startswith(f"error: {tmp_path / 'plug.py'}")
    assert expected in line


IMPORTED = {
    "import fails": (method("import torch", "import tortch"), ", line 2: fails on import: ModuleNotFoundError"),
    "exits": ("import sys\nsys.exit(0)\n" + METHOD, ", line 2: fails on import: SystemExit"),
    "another base": (
        method("class Mine(Method)", "class Method:\n    pass\n\n\nclass Mine(Method)"),
        "class Mine is not a subclass of methods.base.Method",
    ),
    "loss left out further up": (
        method("class Mine(Method)", "class Base(Method):\n    pass\n\n\nclass Mine(Base)").replace("loss(", "lost("),
        "class Mine does not define `loss`",
    ),
}


@pytest.mark.parametrize("case", IMPORTED)
def test_a_fault_found_on_import_is_refused_before_anything_runs(
    case: str, refused: Callable[..., str], in_process: list[str], tmp_path: Path
) -> None:
    text, expected = IMPORTED[case]
    (tmp_path / "plug.py").write_text(text)
    write_suite(tmp_path / "s.toml", methods=("mine",))
    line = refused("run", "s.toml", "--plugin", "plug.py")
    assert line.startswith(f"error: {tmp_path / 'plug.py'}")
    assert expected in line
    assert in_process == []


DATA_FAULTS = {
    "import fails": ("import numpy as np", "import numpie as np", "line 2: fails on import"),
    "not a list": ("DATASETS = [DataSetPlugin(INFO, load)]", "DATASETS = 5", "DATASETS must be a list, not int"),
    "not an entry": ("[DataSetPlugin(INFO, load)]", "[INFO]", "must be a list of datasets.plugin.DataSetPlugin"),
    "data set clash": ('name="stripes"', 'name="digits"', "data set name 'digits' is taken by a built-in"),
    "noise clash": ('NoiseInfo("early"', 'NoiseInfo("symmetric"', "model name 'symmetric' is taken by a built-in"),
    "no function": ("(INFO, load)", "(INFO, 5)", "`load` must be a function"),
    "channels": ("mean=(0.3,)", "mean=(0.3, 0.3)", "have a value per channel"),
    "class names": ("num_classes=3", "num_classes=4", "3 class_names for num_classes = 4"),
    "both functions": (", draw=early", ", draw=early, matrix=to_next", "either `matrix` or `draw`"),
    "no function of noise": (", draw=early", "", "either `matrix` or `draw`"),
    "rate not in the title": ("early {rate}", "early", "must say where the rate stands"),
    "reserved option": ('"share": 1.0', '"file": "x"', "option 'file'"),
}


@pytest.mark.parametrize("case", DATA_FAULTS)
def test_a_fault_in_declared_data_is_refused(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    old, new, expected = DATA_FAULTS[case]
    assert old in DATA
    (tmp_path / "plug.py").write_text(DATA.replace(old, new, 1))
    line = refused("list", "datasets", "--plugin", "plug.py")
    assert line.startswith(f"error: {tmp_path / 'plug.py'}")
    assert expected in line


RETURNED = {
    "not a data set": ("return assemble(info, images(90), images(30))", "return None", "load gave NoneType"),
    "too few": ("images(90), images(30)", "images(60), images(30)", "train has 60 labels, declared are 90"),
    "float pixels": ("np.uint8", "np.float32", "pixels are float32 [90, 8, 8, 1], declared are uint8"),
    "label too large": ("% 3\n", "% 4\n", "labels must be int64 from 0 to 2"),
    "load fails": ("return assemble", "raise OSError('gone'); return assemble", "load fails: OSError: gone"),
    "rows": ("(1 - rate) * np.eye", "np.eye", "row 0 sums to 1.5; rows (true class) must sum to one"),
    "shape": ("np.roll(np.eye(num_classes), 1, axis=1)", "np.ones(3)[None, None]", "gave shape [1, 3, 3]"),
    "matrix fails": ("return (1 - rate)", "raise ValueError('no'); return (1 - rate)", "matrix fails: ValueError: no"),
}


@pytest.mark.parametrize("case", RETURNED)
def test_a_fault_in_what_a_function_returns_is_refused(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    old, new, expected = RETURNED[case]
    assert old in DATA
    (tmp_path / "plug.py").write_text(DATA.replace(old, new, 1))
    line = refused("noise", "stripes", "to_next", 0.5, "--plugin", "plug.py")
    assert str(tmp_path / "plug.py") in line
    assert expected in line


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("labels[0] = 7; return labels", "gave labels from 0 to 7, expected 0 to 2"),
        ("return labels[1:]", "gave int64 [89], expected whole numbers [90]"),
        ("return labels.astype(float)", "gave float64 [90], expected whole numbers [90]"),
    ],
)
def test_wrong_labels_of_a_drawing_function_are_refused(
    change: str, expected: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "plug.py").write_text(DATA.replace("    return labels\n", f"    {change}\n"))
    assert expected in refused("noise", "stripes", "early", 0.5, "--plugin", "plug.py")


def test_a_data_set_of_a_plugin_is_checked_like_others(command: Command, tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text(DATA)
    ended = command("data", "check", "stripes", "--plugin", "plug.py")
    assert (ended.status, ended.out) == (0, "stripes: ok, 90 training and 30 test images\n")


def test_a_worker_of_a_cluster_proves_that_it_has_the_plugin(tmp_path: Path) -> None:
    (tmp_path / ".token").write_text("token")
    plug = tmp_path / "plug.py"
    assert prove_shared(tmp_path, "token", [], None, (plug,)) == f"--plugin: {plug}: No such file or directory"
    plug.write_text(DATA)
    assert prove_shared(tmp_path, "token", [("stripes", Choice())], None, (plug,)) == ""


def test_options_of_a_noise_model_are_checked(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text(DATA)
    arguments = ("noise", "stripes", "early", 0.5, "--plugin", "plug.py", "--set")
    assert "option 'share' = 'much': must be of type float" in refused(*arguments, "share=much")
    assert "unknown option 'shares'; did you mean 'share'" in refused(*arguments, "shares=1.0")


def test_noise_of_a_plugin_is_a_function_of_the_seed(command: Command, tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text(DATA)
    drawn = []
    for number, arguments in enumerate([("--seed", 0), ("--seed", 0), ("--seed", 1), ("--set", "share=0.5")]):
        out = tmp_path / f"{number}.npz"
        ended = command("noise", "stripes", "early", 0.6, *arguments, "--plugin", "plug.py", "--out", out)
        assert ended.status == 0, ended.err
        drawn.append(np.load(out)["labels"])
    assert "early 60%, share 0.5, " in ended.out
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()
    assert (drawn[0][54:] == np.arange(54, 90) % 3).all()
    assert (drawn[3][27:] == np.arange(27, 90) % 3).all()

    assert command("noise", "digits", "to_next", 0.3, "--plugin", "plug.py", "--out", out).status == 0
    held = np.load(out)
    assert set((held["labels"] - held["true_labels"]) % 10) == {0, 1}
    assert held["actual_rate"] == pytest.approx(0.3, abs=0.04)
    assert held["expected_matrix"][9, 0] == pytest.approx(0.3)


def test_two_files_of_one_name_and_an_edited_file_are_told_apart(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "plug.py").write_text(method("mine", f"mine_{number}"))
        plugins.add_file(tmp_path / str(number) / "plug.py")
    first, second = methods.load("mine_1"), methods.load("mine_2")
    assert (first.name, second.name) == ("mine_1", "mine_2")
    (tmp_path / "1" / "plug.py").write_text(method("mine", "mine_1").replace("My idea", "Another idea"))
    plugins.add_file(tmp_path / "1" / "plug.py")
    assert methods.load("mine_1").title == methods.info("mine_1").title == "Another idea"
    assert plugins.added_files() == (tmp_path / "1" / "plug.py", tmp_path / "2" / "plug.py")
    (tmp_path / "1" / "plug.py").write_text(method("mine", "renamed"))
    plugins.add_file(tmp_path / "1" / "plug.py")
    assert {"renamed", "mine_2"} <= methods.registered().keys() and "mine_1" not in methods.registered()


WITHOUT_TORCH = """
import sys
from bench.cli import main
sys.argv = ["run_benchmark.py", "list", "methods", "--json", "--plugin", "plug.py"]
try:
    main()
except SystemExit as ended:
    assert ended.code == 0
assert "torch" not in sys.modules
"""


def test_listing_a_method_of_a_plugin_imports_no_torch(tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text(METHOD)
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], env=ENVIRONMENT, cwd=tmp_path, check=False, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "mine" in {row["name"] for row in json.loads(ended.stdout)}


INSTALLED = {
    "noisy_label_bench.methods": "my_package.my_methods",
    "noisy_label_bench.datasets": "my_package.my_data",
    "noisy_label_bench.noise": "my_package.my_data",
}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder as an installed package of plug-ins leaves it; the package itself must not be imported for a list."""
    site = tmp_path / "site"
    (site / "my_package").mkdir(parents=True)
    (site / "my_package" / "__init__.py").write_text("")
    (site / "my_package" / "my_methods.py").write_text(METHOD)
    (site / "my_package" / "my_data.py").write_text(DATA)
    information = site / "my_package-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    points = "".join(f"[{group}]\nmine = {module}\n" for group, module in INSTALLED.items())
    (information / "entry_points.txt").write_text(points)
    return site


def with_installed(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HOME / "run_benchmark.py"), *arguments],
        env={**ENVIRONMENT, "PYTHONPATH": f"{HOME}{os.pathsep}{site}"}, cwd=site.parent,
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_runs_find_plugins_in_worker_processes_and_reports_do_without(installed: Path, command: Command) -> None:
    home = installed.parent
    (home / "plug.py").write_text(method('"mine"', '"other"').replace("My idea", "Another idea"))
    write_suite(home / "s.toml", epochs=1, methods=("mine", "other"))
    text = (home / "s.toml").read_text().replace('"digits"', '"stripes"').replace('"symmetric"', '"to_next"')
    (home / "s.toml").write_text(text)
    ended = with_installed(installed, "run", "s.toml", "--plugin", "plug.py", "--jobs", "1")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    store = Store(home / "output")
    titles = [store.load(address)["titles"] | {"network": ""} for address in store.addresses()]
    shared = {"dataset": "Stripes", "noise": "to the next 50%", "network": ""}
    assert sorted(one["method"] for one in titles) == ["Another idea", "My idea"]
    assert all(one | {"method": ""} == {**shared, "method": ""} for one in titles)

    # neither the file nor the package is known from here on
    (home / "plug.py").unlink()
    assert "other" not in methods.registered()
    ended = command("report")
    assert ended.status == 0, ended.err
    table = (home / "output" / "report" / "tables" / "s-accuracy.md").read_text()
    assert "to the next 50%" in table
    for title in ("My idea", "Another idea"):
        assert title in ended.out
        assert f"| {title} |" in table
    assert command("status").status == 0


FAULTY = {
    "my_methods.py": {
        "syntax error": ("class Mine(Method):", "class Mine(Method)", "not valid Python, line 7"),
        "missing loss": ("def loss", "def lost", "does not define `loss`"),
        "name clash": ('"mine"', '"elr"', "method name 'elr' is taken by"),
    },
    "my_data.py": {"import fails": ("import numpy as np", "import numpie as np", "fails on import")},
}


@pytest.mark.parametrize(
    ("file", "case"), [(file, case) for file, cases in FAULTY.items() for case in cases], ids=lambda part: part
)
def test_a_faulty_installed_plugin_is_left_out_with_a_line(file: str, case: str, installed: Path) -> None:
    old, new, expected = FAULTY[file][case]
    path = installed / "my_package" / file
    path.write_text(path.read_text().replace(old, new, 1))
    ended = with_installed(installed, "list", "methods", "--json")
    assert ended.returncode == 0, ended.stderr
    assert "elr" in {row["name"] for row in json.loads(ended.stdout)}
    lines = ended.stderr.splitlines()
    assert len(lines) == (2 if file == "my_data.py" else 1)  # it is named as data and as noise
    for line in lines:
        assert line.startswith("warning: entry point 'mine' of noisy_label_bench.")
        assert str(path) in line
        assert expected in line
