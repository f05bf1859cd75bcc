"""`--plugin` with a folder of files, a package, a project with entry points, or a module's name; what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import registries
from command_line import ENVIRONMENT, HOME, Command, write_suite
from small_runs import FACTOR_METHOD

from bench import plugins
from results.store import Store

NETWORK = """
from torch import nn

from bench.networks import NetworkInfo
from bench.networks.network import Network


def make(num_classes, image_shape):
    size = image_shape[0] * image_shape[1] * image_shape[2]
    return Network([nn.Sequential(nn.Flatten(), nn.Linear(size, 8)), nn.Linear(8, num_classes)])


NETWORKS = [NetworkInfo("tiny", "Tiny", "8 units", make, (1, 8, 8))]
"""
POINTS = """
[project.entry-points."noisy_label_bench.plugins"]
all = "{module}"
"""
BASE = "from methods.base import Method\n"
FOLDERS: dict[str, dict[str, str]] = {
    "loose files": {
        "mine.py": FACTOR_METHOD.format(imported=BASE + "from helper import FACTOR"), "helper.py": "FACTOR = 0.5\n",
        "network.py": NETWORK,
    },
    "a package": {
        "__init__.py": "", "inner/__init__.py": "", "network.py": NETWORK, "helper.py": "FACTOR = 0.5\n",
        "inner/mine.py": FACTOR_METHOD.format(imported=BASE + "from plug_a_package.helper import FACTOR"),
    },
    "a package that imports from itself": {
        "__init__.py": "", "network.py": NETWORK, "helper.py": "FACTOR = 0.5\n",
        "mine.py": FACTOR_METHOD.format(imported=BASE + "from .helper import FACTOR"),
    },
    "a project": {
        "pyproject.toml": POINTS.format(module="one_module"),
        "one_module.py": FACTOR_METHOD.format(imported=BASE + "FACTOR = 0.5") + NETWORK,
    },
    "a project with src": {
        "pyproject.toml": POINTS.format(module="my_bundle"),
        "src/my_bundle/__init__.py": (
            FACTOR_METHOD.format(imported=BASE + "from my_bundle.helper import FACTOR") + NETWORK
        ),
        "src/my_bundle/helper.py": "FACTOR = 0.5\n",
    },
    "a project whose package has it in modules": {
        "pyproject.toml": POINTS.format(module="my_parts"), "src/my_parts/__init__.py": '"""All of it."""\n',
        "src/my_parts/inner/__init__.py": "", "src/my_parts/network.py": NETWORK,
        "src/my_parts/helper.py": "FACTOR = 0.5\n",
        "src/my_parts/inner/mine.py": FACTOR_METHOD.format(imported=BASE + "from my_parts.helper import FACTOR"),
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    with registries.as_before():
        yield


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def call(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, str(HOME / "run_benchmark.py"), *arguments], env=ENVIRONMENT, cwd=folder, check=False,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("case", FOLDERS)
def test_what_a_folder_declares_runs(case: str, tmp_path: Path) -> None:
    name = "plug_" + case.replace(" ", "_")
    write(tmp_path / name, FOLDERS[case])
    write_suite(tmp_path / "s.toml", epochs=1, methods=("mine",))
    call(tmp_path, "run", "s.toml", "--plugin", name, "--jobs", "1", "--set", "training.network=tiny")
    store = Store(tmp_path / "output")
    (address,) = store.addresses()
    record = store.load(address)
    assert (record["spec"]["method"]["name"], record["titles"]["network"]) == ("mine", "Tiny")
    assert "source" in record
    if case == "loose files":
        rows = json.loads(call(tmp_path, "list", "methods", "--json", "--plugin", name))
        assert "mine" in {row["name"] for row in rows}
        assert "none failed" in call(tmp_path, "check", name, "--only", "loss,observed")


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({"a.py": "x = 1\n"}, "no Python file in it declares anything"),
    "an empty folder": ({"read.me": ""}, "no Python file in it declares anything"),
    "no Python": ({"a.py": "def"}, "a.py: not valid Python, line 1"),
    "a name twice": (
        {name: FACTOR_METHOD.format(imported=BASE + "FACTOR = 1") for name in ("a.py", "b.py")},
        "b.py: method name 'mine' is taken by",
    ),
    "no entry point": ({"pyproject.toml": "[project]\nname = 'x'\n"}, "names no entry point of a plug-in"),
    "a module that is not there": (
        {"pyproject.toml": POINTS.format(module="gone.x")}, "there is no file of the module 'gone.x'",
    ),
    "no project": ({"pyproject.toml": "["}, "not a project's file"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_that_cannot_be_used_is_refused(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    files, expected = REFUSED[case]
    write(tmp_path / "refused_plugin", files)
    line = refused("list", "methods", "--plugin", "refused_plugin")
    assert line.startswith(f"error: {tmp_path / 'refused_plugin'}") and expected in line


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, with a package of two modules and a module."""
    for name, text in FOLDERS["a package"].items():
        write(tmp_path / "site" / "plug_named", {name: text.replace("plug_a_package", "plug_named")})
    write(
        tmp_path / "site",
        {"plug_alone.py": FACTOR_METHOD.format(imported=BASE + "FACTOR = 1").replace("mine", "alone")},
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path


@pytest.mark.parametrize(
    ("module", "found"),
    [("plug_named", {"mine", "tiny"}), ("plug_named.inner", {"mine"}), ("plug_alone", {"alone"})],
)
def test_a_module_is_given_by_its_name(module: str, found: set[str], site: Path, command: Command) -> None:
    names = {"mine", "tiny", "alone"} & {
        row["name"]
        for kind in ("methods", "networks")
        for row in json.loads(command("list", kind, "--json", "--plugin", module).out)
    }
    assert names == found


def test_a_module_given_by_its_name_runs(site: Path, command: Command, in_process: list[str]) -> None:
    write_suite(site / "s.toml", epochs=1, methods=("mine",))
    given = ("run", "s.toml", "--plugin", "plug_named", "--set", "training.network=tiny")
    ended = command(*given)
    assert ended.status == 0 and len(Store(site / "output").addresses()) == 1, ended
    assert plugins.added_files() == (Path("plug_named"),)  # which workers are handed


def test_a_module_that_cannot_be_used_is_refused(refused: Callable[..., str]) -> None:
    given = ("list", "methods", "--plugin")
    assert "--plugin plug_gone.x: no such file or folder, and no module of that name" in refused(*given, "plug_gone.x")
    assert "--plugin methods.elr: is a part of this suite" in refused(*given, "methods.elr")
    assert "colorsys: no Python file in it declares anything" in refused(*given, "colorsys")


def test_a_package_whose_name_another_has_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path / "json", {"__init__.py": "", "mine.py": FACTOR_METHOD.format(imported=BASE + "FACTOR = 1")})
    assert "the module 'json' is found at" in refused("list", "methods", "--plugin", "json")
