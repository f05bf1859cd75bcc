"""A class has what it does not declare from its parents, read without importing anything."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import ENVIRONMENT, HOME, write_suite
from torch import nn

from methods import registry
from methods.base import Stage
from methods.contract_checks import taken_names
from methods.declaration import read_file
from methods.hyper import MethodError, choice, epochs, flag, integer, real
from results.store import Store

PARENT = '''
import torch.nn.functional as F

from methods.base import Method
from methods.hyper import epochs, flag, real

AUTHORS = "their code"


class Parent(Method):
    """A parent that is no method of its own: it has no name."""

    year = 2020
    reference = "the parent's"
    version = 3
    needs = frozenset({"noise_rate"})
    passes_per_step = 2.0
    hyper = {
        "strength": real(1.0, 0, 10, source=AUTHORS),
        "start": epochs(0.5, source=AUTHORS),
        "sharp": flag(False, source=AUTHORS),
    }

    def loss(self, batch):
        return self.strength * F.cross_entropy(self.network(batch.views[0]), batch.labels)
'''

CHILDREN = """
from methods.elr import EarlyLearningRegularization
{imported}


class Plain(Parent):
    name = "plain"
    title = "Plain"


class Changed(Parent):
    name = "changed"
    title = "Changed"
    year = 2021
    hyper = {{**Parent.hyper, "start": {{**Parent.hyper["start"], "default": 0.25}}, "more": real(2, 0, 5, source="x")}}


class United(EarlyLearningRegularization):
    name = "united"
    title = "United"
    hyper = EarlyLearningRegularization.hyper | {{"more": {{"default": 1.0, "bounds": (0.0, 5.0), "source": "x"}}}}
"""
IMPORTS = {
    "one file": PARENT,
    "a file beside": "from methods.hyper import real\nfrom parent import Parent\n",
    "a module beside": "import parent\nfrom methods.hyper import real\n\nParent = parent.Parent\n",
}


def test_the_helpers_write_what_the_dictionaries_say() -> None:
    assert real(1, 0, 10, scale="log", search=None, source="s") == {
        "default": 1.0, "bounds": (0.0, 10.0), "scale": "log", "search": None, "source": "s",
    }  # fmt: skip
    assert real(None, 0, 1, source="s") == {"default": None, "type": "float", "bounds": (0.0, 1.0), "source": "s"}
    assert integer(2, 1, 5, source="s", authors=3) == {"default": 2, "bounds": (1, 5), "authors": 3, "source": "s"}
    assert integer(None, 1, 5, source="s")["type"] == "int"
    assert epochs(0.1, source="s") == {"default": 0.1, "unit": "epochs", "bounds": (0, 100_000), "source": "s"}
    assert choice("a", "b", source="s") == {"default": "a", "choices": ("a", "b"), "source": "s"}
    assert flag(True, source="s") == {"default": True, "source": "s"}


def test_every_method_is_what_was_read_of_it() -> None:
    for name, info in registry.registered().items():
        assert registry.load(name).hyper == info.hyper, name


@pytest.mark.parametrize("case", IMPORTS)
def test_a_class_has_what_it_does_not_declare_from_its_parent(case: str, tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "children.py").write_text(CHILDREN.format(imported=IMPORTS[case]))
    plain, changed, united = read_file(tmp_path / "children.py", "children")
    assert (plain.year, plain.reference, plain.version, plain.needs) == (2020, "the parent's", 3, {"noise_rate"})
    assert plain.passes_per_step == 2.0
    assert list(plain.hyper) == ["strength", "start", "sharp"]
    assert plain.hyper["strength"] == real(1.0, 0, 10, source="their code")
    assert changed.year == 2021
    assert list(changed.hyper) == ["strength", "start", "sharp", "more"]
    assert changed.hyper["start"] == epochs(0.25, source="their code")
    assert changed.hyper["more"]["default"] == 2.0
    assert list(united.hyper) == ["momentum", "penalty", "more"]
    assert (united.year, united.networks) == (2020, 1)


def in_a_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HOME / "run_benchmark.py"), *arguments], env=ENVIRONMENT, cwd=folder, check=False,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.slow
def test_a_parent_in_a_file_beside_is_found_by_workers_and_taken_from_there_alone(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "parent.py").write_text(PARENT)
        text = CHILDREN.format(imported=IMPORTS["a file beside"]).replace('"changed"', f'"changed_{place}"')
        (tmp_path / place / f"{place}.py").write_text(text.replace("plain", f"plain_{place}").replace("united", place))
    write_suite(tmp_path / "s.toml", epochs=1, methods=("plain_one", "changed_one", "one"))
    ended = in_a_process(tmp_path, "run", "s.toml", "--plugin", "one/one.py", "--jobs", "1")
    assert ended.returncode == 0, ended.stderr
    specs = [Store(tmp_path / "output").load(address)["spec"] for address in Store(tmp_path / "output").addresses()]
    hyper = {spec["method"]["name"]: spec["method"]["hyper"] for spec in specs}
    assert hyper["changed_one"] == {"strength": 1.0, "start": 0.25, "sharp": False, "more": 2.0}
    assert {spec["method"]["version"] for spec in specs} == {1, 3}

    write_suite(tmp_path / "t.toml", epochs=1, methods=("plain_one", "plain_two"))
    ended = in_a_process(tmp_path, "run", "t.toml", "--plugin", "one/one.py", "--plugin", "two/two.py")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert f"two.py: imports 'parent' from {tmp_path / 'one' / 'parent.py'}, not from the file beside" in ended.stderr


def test_a_changed_parent_is_read_anew(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "children.py").write_text(CHILDREN.format(imported=IMPORTS["a file beside"]))
    assert read_file(tmp_path / "children.py", "children")[0].version == 3
    (tmp_path / "parent.py").write_text(PARENT.replace("version = 3", "version = 14"))
    assert read_file(tmp_path / "children.py", "children")[0].version == 14


UNREADABLE = {
    "a parent that is not there": ("{**Gone.hyper}", "what 'Gone.hyper' is cannot be told without importing it"),
    "no such entry": ('{"a": Parent.hyper["b"]}', "there is no \"Parent.hyper['b']\""),
    "no dictionary": ("{**Parent.year}", "'Parent.year' is no dictionary"),
    "no union": ("Parent.hyper | 3", "unites what are not two dictionaries or sets"),
    "a strange call": ("dict(a=1)", "the call 'dict' is none"),
    "no source": ('{"a": real(1.0, 0, 1)}', "real() missing 1 required keyword-only argument: 'source'"),
    "an unknown key": ('{"a": flag(True, source="", bound=1)}', "hyper-parameter 'a' has unknown keys: bound"),
    "no number": ('{"a": real("x", 0, 1, source="")}', "could not convert string to float: 'x'"),
    "an expression": ('{"a": real(1.0 * 2, 0, 1, source="")}', "'1.0 * 2' is none"),
    "from itself": ("{**Mine.hyper}", "come from themselves"),
    "a whole number among reals": (
        '{"a": {"default": 1, "bounds": (0.0, 2.0), "source": ""}}',
        "'a' = 1 is a whole number, and no other would be accepted; a real number's default is written 1.0",
    ),
    "a whole number that is annotated": (
        '{"a": integer(1, 0, 2, source="")}\n    a: float', "'a' = 1 is a whole number, and no other",
    ),
    "a real number among whole ones": (
        '{"a": integer(1.0, 0, 2, source="")}', "the default 1.0 is not of type int",
    ),
    "a number as a switch": ('{"a": flag(0, source="")}', "the default 0 is not of type bool"),
    "a number as a word": ('{"a": choice(1, "b", source="")}', "the default 1 is not of type str"),
    "a name of torch's": (
        '{"train": flag(False, source="")}',
        "hyper-parameter 'train' would hide the attribute `train`, which every method has as a torch.nn.Module",
    ),
    "a name of the contract's": ('{"loss": flag(False, source="")}', "`loss`, which is a part of the contract"),
    "a name of its own": (
        '{"ramp": flag(False, source="")}\n    def ramp(self): pass', "`ramp`, which is a function of Mine",
    ),
    "a word of Python's": ('{"lambda": flag(False, source="")}', "its name must be fit for an attribute"),
    "a private name": ('{"_modules": flag(False, source="")}', "its name must be fit for an attribute"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_wrong_declaration_is_refused_with_file_and_line(
    case: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    declared, told = UNREADABLE[case]
    text = PARENT.replace("import epochs, flag, real", "import choice, epochs, flag, integer, real") + (
        f'\n\nclass Mine(Parent):\n    name = "mine"\n    title = "Mine"\n    hyper = {declared}\n'
    )
    path = tmp_path / "plug.py"
    path.write_text(text)
    line = refused("list", "methods", "--plugin", "plug.py")
    assert told in line
    number = 1 + text.splitlines().index(f"    hyper = {declared.splitlines()[0]}")
    assert line.startswith(f"error: {path}, line {number}: class Mine") or case == "from itself"


AGAINST_THE_CONTRACT = {
    "after_step without its batch": (
        "def after_step(self): pass",
        "`after_step` is called with batch: def after_step(self, batch)",
    ),
    "after_backward without its batch": ("def after_backward(self): pass", "def after_backward(self, batch)"),
    "one argument too many": ("def predict(self, images, labels): pass", "def predict(self, images)"),
    "one that must be named": ("def epoch_start(self, epoch, *, rest): pass", "def epoch_start(self, epoch)"),
    "a share as a stage": (
        "def stages(self): return [Stage(.5), Stage()]",
        "Stage(0.5): `epochs` is a whole number, or None for the rest of the run",
    ),
    "a hyper-parameter that has a value": (
        "start: float = 0.25",
        "gives its hyper-parameter 'start' a value of its own, which would not count",
    ),
    "a stage that ignores its settings": (
        'def stages(self): return [Stage(1), Stage(optimizer={"lr": 9.0}, restart=False)]',
        "Stage(restart=False): the optimiser goes on as it is, and would ignore the settings",
    ),
}


@pytest.mark.parametrize("inherited", [False, True])
@pytest.mark.parametrize("case", AGAINST_THE_CONTRACT)
def test_what_is_against_the_contract_is_refused_with_file_and_line(
    case: str, inherited: bool, refused: Callable[..., str], tmp_path: Path
) -> None:
    function, told = AGAINST_THE_CONTRACT[case]
    named = '    name = "mine"\n    title = "Mine"\n'
    classes = f"\n\nclass Mine(Parent):\n{named}    {function}\n"
    if inherited:
        classes = f"\n\nclass Between(Parent):\n    {function}\n\n\nclass Mine(Between):\n{named}"
    text = PARENT.replace("import Method", "import Method, Stage") + classes
    (tmp_path / "plug.py").write_text(text)
    line = refused("list", "methods", "--plugin", "plug.py")
    owner, number = "Between" if inherited else "Mine", 1 + text.splitlines().index(f"    {function}")
    assert line.startswith(f"error: {tmp_path / 'plug.py'}, line {number}: class {owner}: ")
    assert told in line


@pytest.mark.parametrize(
    "function",
    [
        "def after_step(self, batch, more=None): pass",
        "def after_step(self, *given): pass",
        "def stages(self): return [Stage(1), Stage(restart=False), Stage(None, {})]",
        "def step_draws(self, size): return {}",
    ],
)
def test_what_can_be_called_is_taken(function: str, tmp_path: Path) -> None:
    text = PARENT.replace("import Method", "import Method, Stage")
    (tmp_path / "plug.py").write_text(f'{text}\n\nclass Mine(Parent):\n    name = title = "mine"\n    {function}\n')
    assert [info.name for info in read_file(tmp_path / "plug.py", "plug")] == ["mine"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"epochs": 0.5}, r"Stage\(0\.5\): `epochs` is a whole number"),
        ({"epochs": True}, r"Stage\(True\): `epochs` is a whole number"),
        ({"optimizer": {"lr": 1.0}, "restart": False}, r"Stage\(restart=False\): the optimiser goes on as it is"),
    ],
)
def test_a_stage_that_cannot_be_is_refused_where_it_is_made(given: dict[str, Any], told: str) -> None:
    with pytest.raises(MethodError, match=told):
        Stage(**given)


def test_the_names_of_modules_that_no_hyper_parameter_may_have_are_torchs() -> None:
    public = {name for name in dir(nn.Module) if not name.startswith("_")}
    assert public <= taken_names(()).keys()


def test_what_is_no_longer_as_it_was_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    path.write_text(PARENT + '\n\nclass Mine(Parent):\n    name = "mine"\n    title = "Mine"\n\n\nMine.year = 2030\n')
    write_suite(tmp_path / "s.toml", methods=("mine",))
    ended = in_a_process(tmp_path, "run", "s.toml", "--plugin", "plug.py")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {path}: class Mine: `year` = 2030 was read from its source as 2020")
    assert not (tmp_path / "output").exists()


def test_what_cannot_be_inherited_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    path.write_text(PARENT + '\n\nclass Mine(Parent):\n    name = "mine"\n')
    with pytest.raises(MethodError, match=r"plug\.py, line 28: class Mine lacks `title`"):
        read_file(path, "plug")


def test_a_list_with_inherited_declarations_imports_no_torch(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    (tmp_path / "children.py").write_text(CHILDREN.format(imported=IMPORTS["a file beside"]))
    text = (
        "import sys\nfrom bench.cli import main\n"
        "sys.argv = ['run_benchmark.py', 'list', 'methods', '--json', '--plugin', 'children.py']\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert ended.code == 0\n"
        "assert 'torch' not in sys.modules and 'parent' not in sys.modules\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", text], env=ENVIRONMENT, cwd=tmp_path, check=False, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    rows = {row["name"]: row for row in json.loads(ended.stdout)}
    assert rows["changed"]["hyper"]["start"]["default"] == 0.25


def test_a_family_is_one_of_those_known(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    told = 'year = 2020\n    name = "mine"\n    title = "Mine"\n    family = "robust los"\n'
    path.write_text(PARENT.replace("year = 2020\n", told))
    with pytest.raises(MethodError, match=r"class Parent: unknown family 'robust los'; did you mean 'robust loss'\?"):
        read_file(path, "plugin")
    assert all(info.family for info in registry.registered().values())
