"""What a plug-in's author gets wrong, and where each fault that was once let through has its test.

1. An edited file keeps its old record: `test_edited_plugin.py`.
2. A subclass loses its parent's declaration: `test_inherited_declarations.py`.
3. `Stage(restart=False, ...)` ignores settings: AGAINST_THE_CONTRACT there; at the top level of a file: here.
4. `Phase.rows` with duplicates, out of range, empty, or of no rows' kind: here, and `test_epochs_and_phases.py`.
5. `Stage(.5)`: as 3; stages that do not fit into the run: here.
6. A hyper-parameter hides an attribute: UNREADABLE in `test_inherited_declarations.py`; is overwritten: here.
7. A whole number is the default of a real one, or a real one that of a whole: UNREADABLE there.
8. `check` takes probabilities for logits: "probabilities ..." of `planted_faults.py`.
9. `check` does not miss what is never observed: "nothing is observed" there.
10. `check` believes in networks that are not there: "two networks declared, one there" and the two after it.
11. `check` finds fault with heads of two layers: `correct_methods.py`.
12. `check` is misled by its 61 samples: "a hundred neighbours" and the case after it.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

import correct_methods
import numpy as np
import planted_faults
import pytest
import registries
import torch
from command_line import HOME, Command, write_suite

from bench.api.functions import plan
from bench.api.proved import prove
from bench.training.foreseen import check_stages
from methods.hyper import MethodError
from results.store import Store

BODY = """
    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)
"""
HEAD = """
import torch.nn.functional as F
import torch
from methods.base import Method, Phase, Stage
from methods.hyper import epochs, real
{top}

class Mine(Method):
    name = "mine"
    title = "Mine"
    year = 2026
    reference = "none"
    hyper = {{"first": epochs(2, source="a test"), "strength": real(1.0, 0, 2, source="a test")}}
"""
DO_NOT_FIT = {
    "too long": (
        "def stages(self): return [Stage(self.first + 9), Stage()]",
        "Mine.stages: the method's stages need more than the 4 epochs of this run",
    ),
    "too short": (
        "def stages(self): return [Stage(self.first)]",
        "Mine.stages: the method's stages cover 2 of the run's 4 epochs",
    ),
    "by what build makes": (
        "def stages(self): return [Stage(self.long), Stage()]\n"
        "    def build(self): super().build(); self.long = 5 * len(self.network.blocks)",
        "Mine.stages: the method's stages need more than the 4 epochs of this run",
    ),
    "fewer than none": (
        "def stages(self): return [Stage(self.first - 3), Stage()]",
        "Mine.stages: Stage(-1): a stage is of 0 epochs at least",
    ),
    "the rest twice": (
        'def stages(self): return [Stage(1), Stage(), Stage(None, {"lr": 0.1})]',
        "Mine.stages: two stages have no number of epochs: the first of them takes the rest of the run",
    ),
    "no list": ("def stages(self): pass", "Mine.stages: gives nothing, not a list of Stage"),
    "no stages": ("def stages(self): return [4]", "Mine.stages: gives a int among its stages"),
    "no setting": (
        'def stages(self): return [Stage(None, {"weight_dekay": 1.0})]',
        "Mine.stages: stage 1: unknown key 'optimizer.weight_dekay'; did you mean 'weight_decay'?",
    ),
}


def write(folder: Path, function: str = "", top: str = "", body: str = BODY) -> Path:
    path = folder / "mine.py"
    path.write_text(f"{HEAD.format(top=top)}\n    {function}\n{body}")
    return path


def line_of(path: Path, text: str) -> str:
    number = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)
    return f"error: {path}, line {number}: "


@pytest.mark.parametrize("case", DO_NOT_FIT)
def test_stages_that_cannot_be_trained_are_refused_before_anything_is_written(
    case: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    function, told = DO_NOT_FIT[case]
    path = write(tmp_path, function)
    write_suite(tmp_path / "s.toml", methods=("cross_entropy", "mine"))
    line = refused("run", "s.toml", "--plugin", "mine.py")
    assert line.startswith(line_of(path, "def stages") + told)


NO_WALK = {
    "a row twice": ("[Phase(torch.tensor([4, 4, 5]))]", "a phase has `rows` with 2 different of 3"),
    "a row that is not there": ("[Phase(torch.arange(9999))]", "a phase has `rows` with row 9998; they go from 0 to "),
    "a mask": ("[Phase(self.task.labels == 0)]", "a phase has `rows` of torch.bool [1397]; they must be [n] int64"),
    "no rows": ("[Phase(torch.zeros(0).long())]", "no phase of the first epoch has rows, so that nothing would be"),
    "no phase": ("[]", "no phase of the first epoch has rows, so that nothing would be trained"),
    "no batch": ("[Phase(batch_size=0)]", "a phase has a batch size of 0"),
    "half a sample": ("[Phase(batch_size=2.5)]", "a phase has a batch size of 2.5"),
    "half a batch": ("[Phase(batches=2.5)]", "a phase has a number of batches of 2.5"),
    "no list": ("Phase()", "gives a Phase, not a list of Phase"),
}


@pytest.mark.parametrize("case", NO_WALK)
def test_a_first_epoch_that_cannot_be_walked_over_is_refused_before_anything_is_written(
    case: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    given, told = NO_WALK[case]
    path = write(tmp_path, f"def epoch_start(self, epoch): print('asked'); return {given}")
    write_suite(tmp_path / "s.toml", methods=("cross_entropy", "mine"))
    line = refused("run", "s.toml", "--plugin", "mine.py")
    assert line.startswith(line_of(path, "def epoch_start") + "Mine.epoch_start: " + told)


@pytest.mark.parametrize(
    "rows",
    [
        "self.task.evaluate(self.network).argmax(1).nonzero()[:, 0]",  # looks at images
        "(self.task.labels == 0).nonzero()[:, 0]",
        "((self.task.labels.bincount()[self.task.labels] - 139.5).abs() > 1).nonzero()[:, 0]",  # even: none
        "(torch.tensor([4, 4]) if self.task.labels.bincount().unique().numel() < 3 else None)",
    ],
)
def test_phases_that_follow_from_data_are_left_to_the_run(
    rows: str, command: Command, in_process: list[str], tmp_path: Path
) -> None:
    write(tmp_path, f"def epoch_start(self, epoch): return [Phase({rows})]")
    write_suite(tmp_path / "s.toml", epochs=1, methods=("mine",))
    ended = command("run", "s.toml", "--plugin", "mine.py")
    assert ended.status == 0, ended


def test_asking_for_stages_draws_nothing(tmp_path: Path) -> None:
    write(tmp_path, DO_NOT_FIT["by what build makes"][0])
    with registries.as_before():
        planned = plan(write_suite(tmp_path / "s.toml", methods=("mine",)), plugins=[tmp_path / "mine.py"])
        drawn = []
        for asked in (True, False):
            random.seed(1)
            np.random.seed(1)
            torch.manual_seed(1)
            if asked:
                with pytest.raises(MethodError, match="need more than the 4 epochs"):
                    check_stages(planned.cells[0].spec, 10, 100, (1, 8, 8))
            drawn.append((random.random(), np.random.random(), torch.rand(()).item()))
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    "function",
    [
        "def stages(self): return [Stage(self.first), Stage()]",
        "def stages(self): return [Stage(min(2, len(self.task.labels.unique()))), Stage()]",
        "def stages(self): return [Stage(1), Stage()]\n"
        "    def build(self): super().build(); self.task.logits(self.network)",
    ],
)
def test_stages_that_fit_are_taken_and_what_the_data_tell_is_left_to_the_run(
    function: str, command: Command, in_process: list[str], tmp_path: Path
) -> None:
    write(tmp_path, function)
    write_suite(tmp_path / "s.toml", epochs=2, methods=("mine",))
    ended = command("run", "s.toml", "--plugin", "mine.py")
    assert ended.status == 0, ended


def test_of_several_suites_all_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    write(tmp_path, DO_NOT_FIT["too long"][0])
    for name, method in (("s", "cross_entropy"), ("t", "mine")):
        write_suite(tmp_path / f"{name}.toml", methods=(method,))
    for options in ((), ("--dry-run",)):
        assert "need more than the 4 epochs" in refused("run", "s.toml", "t.toml", "--plugin", "mine.py", *options)


def test_trials_that_cannot_be_are_left_to_fail(tmp_path: Path) -> None:
    """A search may draw lengths that do not fit together: the others of its trials are to run."""
    write(tmp_path, DO_NOT_FIT["too long"][0])
    with registries.as_before():
        planned = plan(write_suite(tmp_path / "s.toml", methods=("mine",)), plugins=[tmp_path / "mine.py"])
        assert prove(dataclasses.replace(planned, tuning=True), Store(tmp_path / "output"), redo=False)
        with pytest.raises(MethodError, match="need more than the 4 epochs"):
            prove(planned, Store(tmp_path / "output"), redo=False)


TOP = {
    "PLAN = [Stage(.5), Stage()]": "Stage(0.5): `epochs` is a whole number",
    'PLAN = [Stage(restart=False, optimizer={"lr": 1.0})]': "Stage(restart=False): the optimiser goes on",
}


@pytest.mark.parametrize("top", TOP)
def test_a_stage_at_the_top_level_is_refused_with_file_and_line(
    top: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    path = write(tmp_path, top=top)
    assert refused("list", "methods", "--plugin", "mine.py").startswith(line_of(path, top) + TOP[top])


def test_a_stage_that_only_an_import_shows_is_refused_with_file_and_line(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    path = write(tmp_path, top="PLAN = [Stage(share) for share in (0.5,)]")
    write_suite(tmp_path / "s.toml", methods=("mine",))
    line = refused("run", "s.toml", "--plugin", "mine.py")
    assert line.startswith(line_of(path, "PLAN") + "fails on import: Stage(0.5): `epochs` is a whole number")


@pytest.mark.parametrize(
    "statement",
    [
        "self.strength = 0.5", "self.strength *= 0.5", "self.other, self.strength = 1, 2", "del self.strength",
        'self.register_buffer("strength", torch.zeros(()))', 'setattr(self, "strength", 0.5)',
        'self.add_module("strength", self.network)',
    ],
)  # fmt: skip
def test_a_hyper_parameter_that_is_overwritten_is_refused_with_file_and_line(
    statement: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    path = write(tmp_path, f"def build(self): super().build(); {statement}", top="import torch")
    told = "class Mine: overwrites its hyper-parameter 'strength': it keeps its value throughout"
    assert refused("list", "methods", "--plugin", "mine.py").startswith(line_of(path, "def build") + told)


def test_what_is_told_of_them_is_there() -> None:
    folders = (HOME / "tests" / "bench", HOME / "tests" / "methods")
    there = {file.name for folder in folders for file in folder.rglob("*.py")}
    assert {"test_edited_plugin.py", "test_inherited_declarations.py", "test_epochs_and_phases.py"} <= there
    assert {
        "a row twice in a walk", "a hyper-parameter is overwritten", "probabilities instead of logits",
        "probabilities of each member", "probabilities are observed", "nothing is observed",
        "two networks declared, one there", "one network declared, two there", "the second network never learns",
    } <= planted_faults.FAULTS.keys()  # fmt: skip
    assert {
        "a classifier of two layers", "a projection with batch normalisation", "a hundred neighbours",
        "64 further samples each step, a share of many",
    } <= correct_methods.CORRECT.keys()  # fmt: skip
