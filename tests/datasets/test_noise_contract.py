"""The contract of a noise model: a plug-in's model has the powers of the suite's own, and nothing tests their names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import registries
from command_line import HOME, Command, write_suite
from comparisons import comparisons_with
from toy_data import TOY

from bench import plugins
from datasets import cifar_n, noise_draw, noise_maps, registry
from datasets.noise import NOISE_MODELS, check_noise, make_noise, resolve_options, stream_seed, title
from results import noise_names
from results.store import Store

PLUG = '''
import numpy as np

from datasets import noise_draw, noise_files
from datasets.plugin import FILE, KEY, SAMPLING, Drawn, NoiseInfo, NoisePlugin, Option


def opposite(facts, options, uniforms):
    """The class half the circle away; the first one is not mistaken."""
    target = (np.arange(facts.num_classes) + facts.num_classes // 2) % facts.num_classes
    target[0] = 0
    return target


def read(path, options, facts):
    return noise_files.read_matrix(path, facts.num_classes)


def mixed(dataset, rate, options, uniforms):
    matrix = options["content"] if options["way"] == "file" else np.eye(dataset.num_classes)
    return noise_draw.from_matrix(dataset.train.labels, matrix, uniforms.seed)


def expected_mixed(facts, rate, options):
    return options["content"] if options["way"] == "file" else np.eye(facts.num_classes)


def dark(dataset, rate, options, uniforms):
    """The darkest images get label 0."""
    labels, pixels = dataset.train.labels.copy(), dataset.train.pixels.reshape(dataset.num_train, -1)
    rows = np.argsort(pixels.mean(axis=1), kind="stable")[: int(rate * options["share"] * len(labels))]
    labels[rows] = 0
    return Drawn(labels, np.eye(dataset.num_classes))


def warn(rate, options):
    return ["dark images are wrong"] if rate > 0.2 else []


NOISE_MODELS = [
    NoisePlugin(NoiseInfo("opposite", "opposite {rate}", "half around", {"sampling": SAMPLING}), target=opposite),
    NoisePlugin(
        NoiseInfo("mixed", "mixed {file}", "by a file", {"file": FILE, "way": Option("file", ("file", "none"))},
                  takes_rate=False),
        draw=mixed, expected=expected_mixed, read=read,
    ),
    NoisePlugin(
        NoiseInfo("dark", "dark {rate}", "dark images", {"share": Option(1.0, bounds=(0.5, 1))}, frozenset({"images"})),
        draw=dark, expected_rate=lambda rate, options: rate * options["share"] * 0.9, warnings=warn,
    ),
    NoisePlugin(
        NoiseInfo("again", "labels again", "as they come", takes_rate=False, needs_truth=False),
        draw=lambda dataset, rate, options, uniforms: dataset.train.labels,
    ),
]
'''  # fmt: skip


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    with registries.as_before():
        yield


@pytest.fixture
def plug(tmp_path: Path) -> Path:
    path = tmp_path / "plug.py"
    path.write_text(PLUG)
    return path


# ---- names -----------------------------------------------------------------------------------------------------------


def test_no_product_module_compares_with_the_name_of_a_noise_model() -> None:
    names = set(NOISE_MODELS.names) - {"matrix"}  # a column and a fact are called so too
    assert comparisons_with(names, [HOME / "datasets" / "noise_models", HOME / "results" / "noise_names.py"]) == []


def test_the_names_that_tables_know_are_those_of_the_declarations() -> None:
    assert [model.name for model in NOISE_MODELS if model.info.is_clean] == [noise_names.CLEAN]
    assert not NOISE_MODELS[noise_names.OWN].info.needs_truth
    published = {(held.dataset, held.key): name for name, held in cifar_n.LABELS.items()}
    assert published == noise_names.HUMAN_LABELS
    assert noise_names.is_clean("clean") and not noise_names.is_clean("symmetric")
    assert (noise_names.words("own"), noise_names.words("pair_flip")) == ("own labels", "pair flip")


# ---- powers ----------------------------------------------------------------------------------------------------------


def test_a_target_map_of_a_plugin_is_applied_like_the_suites_own(plug: Path) -> None:
    plugins.add_file(plug)
    data, options = registry.load("digits"), {"sampling": "exact_per_class"}
    noisy = make_noise(data, "opposite", 0.3, options, 3)
    target = (np.arange(10) + 5) % 10
    target[0] = 0
    stream = stream_seed(data, "opposite", 0.3, options, 3)
    chosen = noise_draw.chosen_rows(data.train.labels, 0.3, "exact_per_class", stream)
    assert (noisy.labels == np.where(chosen, target[data.train.labels], data.train.labels)).all()
    assert noisy.expected_matrix is not None
    assert (noisy.expected_matrix == noise_maps.map_matrix(target, 0.3)).all()
    assert title("opposite", 0.3, options) == "opposite 30%, exact per class"


def test_a_file_of_a_plugins_model_counts_by_its_content(
    plug: Path, command: Command, refused: Callable[..., str], tmp_path: Path
) -> None:
    plugins.add_file(plug)
    matrix = tmp_path / "m.npy"
    np.save(matrix, np.roll(np.eye(10), 1, axis=1))
    data = registry.load("digits")
    resolved = resolve_options(data, "mixed", {"file": str(matrix)})
    assert set(resolved) == {"file", "way", "sha256"}
    assert resolved["sha256"] == resolve_options(data, "matrix", {"file": str(matrix)})["sha256"]
    noisy = make_noise(data, "mixed", 0.0, {"file": str(matrix)}, 0)
    assert (noisy.labels == (data.train.labels + 1) % 10).all()
    assert noisy.expected_rate == noisy.nominal_rate == 1.0

    suite = write_suite(tmp_path / "s.toml", epochs=1)
    own = f'model = "mixed"\noptions = {{ file = "{matrix}" }}'
    suite.write_text(suite.read_text().replace('model = "symmetric"\nrate = 0.5', own))
    assert command("run", "s.toml", "--plugin", plug, "--jobs", 1).status == 0
    store = Store(tmp_path / "output")
    (address,) = store.addresses()
    record = store.load(address)
    assert record["spec"]["noise"]["options"] == {"file": "m.npy", "way": "file", "sha256": resolved["sha256"]}
    assert record["titles"]["noise"] == "mixed m"
    given = ("noise", "digits", "mixed", "--plugin", plug, "--set")
    assert f"{tmp_path / 'absent.npy'}: no such file" in refused(*given, f"file={tmp_path / 'absent.npy'}")
    assert "option 'file' must name a file" in refused(*given, "way=none")
    line = refused(*given, f"file={matrix}", "--set", "way=other")
    assert "option 'way' = 'other' (accepted: file, none)" in line


def test_range_warning_and_expected_rate_of_a_plugins_model(plug: Path, refused: Callable[..., str]) -> None:
    plugins.add_file(plug)
    assert check_noise(TOY, "dark", 0.1, {}) == ()
    assert check_noise(TOY, "dark", 0.4, {"share": 0.5}) == ("dark 40%, share 0.5: dark images are wrong",)
    noisy = make_noise(TOY, "dark", 0.4, {"share": 0.5}, 0)
    assert noisy.expected_rate == pytest.approx(0.18) and noisy.nominal_rate == 0.4
    line = refused("noise", "digits", "dark", 0.3, "--plugin", plug, "--set", "share=0.2")
    assert "option 'share' = 0.2: must be a number in [0.5, 1]" in line


def test_a_model_that_needs_no_truth_is_accepted_where_it_is_not_known(plug: Path) -> None:
    plugins.add_file(plug)
    unknown = registry.info("clothing1m")
    assert check_noise(unknown, "again", 0.0, {}) == ()
    with pytest.raises(Exception, match=r"only its own noise can be used \(accepted: own, again\)"):
        check_noise(unknown, "opposite", 0.3, {})


def test_options_are_listed_by_their_defaults(plug: Path, command: Command) -> None:
    rows = {row["name"]: row for row in json.loads(command("list", "noise", "--json", "--plugin", plug).out)}
    assert rows["mixed"]["options"] == {"file": None, "way": "file"}
    assert rows["dark"]["options"] == {"share": 1.0}
    assert rows["symmetric"]["options"] == {"sampling": "exact"}


FAULTS = {
    "two functions": ("target=opposite", "target=opposite, draw=dark", "either `matrix` or `draw` or `target`"),
    "not a function": ("warnings=warn", "warnings=5", "`warnings` must be a function"),
    "expected without draw": ("target=opposite", "target=opposite, expected=expected_mixed", "goes with `draw`"),
    "no function that reads": (", read=read", "", "a function `read` and an option 'file' = datasets.plugin.FILE go "),
    "no option to read": ('"file": FILE, ', "", "a function `read` and an option 'file' = datasets.plugin.FILE go "),
    "another sampling": ('{"sampling": SAMPLING}', '{"sampling": "exact"}', "option 'sampling': `file`, `key` and"),
    "a default out of bounds": ("Option(1.0, ", "Option(0.1, ", "the default 0.1 is not one that it accepts"),
    "a default that is no choice": ('Option("file", ', 'Option("f", ', "the default 'f' is not one that it accepts"),
    "a name that is taken by content": ('{"share"', '{"content"', "option 'content': needs a plain default"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_a_declaration_is_refused(case: str, refused: Callable[..., str], plug: Path) -> None:
    old, new, expected = FAULTS[case]
    assert old in PLUG
    plug.write_text(PLUG.replace(old, new, 1))
    line = refused("list", "noise", "--plugin", plug)
    assert line.startswith(f"error: {plug}: noise ")
    assert expected in line


RETURNED = {
    "target out of range": ("    target[0] = ", "    target[1] = 10; target[0] = ", "target gave labels from 0 to 10"),
    "target too short": ("    return target", "    return target[1:]", "target gave int64 [9], expected"),
    "target fails": ("    return target", "    return uniforms.sead", "target fails: AttributeError"),
}  # fmt: skip


@pytest.mark.parametrize("case", RETURNED)
def test_a_fault_in_what_a_function_gives_is_refused(case: str, refused: Callable[..., str], plug: Path) -> None:
    old, new, expected = RETURNED[case]
    plug.write_text(PLUG.replace(old, new, 1))
    line = refused("noise", "digits", "opposite", 0.3, "--plugin", plug)
    assert f"{plug}: noise 'opposite': {expected}" in line


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("options: rate *", "options: 7 + rate *", "expected_rate gave 7.27, expected a number in [0, 1]"),
        ("np.eye(dataset.num_classes))\n\n\ndef warn", "np.eye(3))\n\n\ndef warn", "draw gave shape [3, 3]"),
        ('return ["dark', 'return 1 / 0, ["dark', "warnings fails: ZeroDivisionError: division by zero"),
    ],
)
def test_a_fault_in_a_further_function_is_refused(
    old: str, new: str, expected: str, refused: Callable[..., str], plug: Path
) -> None:
    assert old in PLUG
    plug.write_text(PLUG.replace(old, new, 1))
    assert f"{plug}: noise 'dark': {expected}" in refused("noise", "digits", "dark", 0.3, "--plugin", plug)
