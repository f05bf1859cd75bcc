"""`tune --best-of`: the best trials of one search, tried again on another suite."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Command, write_suite

from bench.tuning.earlier import best_trials, space_of
from bench.tuning.search import Axis
from bench.tuning.tune import Trial
from methods import registry as methods

TRIALS = """\
trial,lr,weight_decay,momentum,penalty,noisy_validation_accuracy,runs,state
0,0.9,0.0005,0.7,3.0,0.99,1,
1,0.01,0.001,0.6,1.5,0.40,1,
2,0.02,0.002,0.8,2.5,0.60,1,
3,0.03,0.003,0.9,3.5,0.95,1,collapsed
4,0.04,0.004,0.5,4.5,0.60,1,
5,0.05,0.005,0.4,5.5,,0,to do
"""


def listed(folder: Path, text: str = TRIALS) -> Path:
    path = folder / "cheap-elr.csv"
    path.write_text(text)
    return path


def tiny(path: Path) -> None:
    """A suite with noisy validation labels."""
    write_suite(path, epochs=1, methods=("cross_entropy", "elr"))
    held_out = 'name = "digits"\nvalidation = { source = "inside", size = 0.2 }\n'
    path.write_text(path.read_text().replace('name = "digits"\n', held_out))


def test_the_best_sound_draws_follow_the_suites_own_settings(tmp_path: Path) -> None:
    second = {"lr": 0.02, "weight_decay": 0.002, "momentum": 0.8, "penalty": 2.5}
    fourth = {"lr": 0.04, "weight_decay": 0.004, "momentum": 0.5, "penalty": 4.5}
    tried = best_trials(listed(tmp_path), methods.info("elr").hyper, 3)
    assert tried == [Trial(0, {}), Trial(1, second), Trial(2, fourth)]
    assert space_of(tried)["lr"] == Axis(values=(0.02, 0.04))
    assert list(space_of(tried)) == ["lr", "weight_decay", "momentum", "penalty"]


def test_they_are_run_and_the_suite_file_says_where_they_are_from(
    command: Command, in_process: list[str], tmp_path: Path
) -> None:
    tiny(tmp_path / "s.toml")
    listed(tmp_path)
    ended = command("tune", "elr", "s.toml", "--trials", 3, "--best-of", "cheap-elr.csv")
    assert ended.status == 0, ended.err
    assert in_process == [f"ELR, trial {number}, symmetric 50%, seed 1000" for number in range(3)]
    assert "  lr: 0.02, 0.04\n" in ended.out
    row = tomllib.loads((tmp_path / "output" / "tuned" / "s-tuned.toml").read_text())["methods"]["elr"]
    assert row["trials"] == 3
    assert "of 3, the suite's own and the best of cheap-elr.csv at symmetric 50%, 1 seed" in row["source"]
    assert (row["training"]["optimizer"]["lr"], row["hyper"]["penalty"]) in {(0.05, 3.0), (0.02, 2.5), (0.04, 4.5)}


def test_what_this_suite_wrote_is_what_another_begins_from(
    command: Command, in_process: list[str], tmp_path: Path
) -> None:
    tiny(tmp_path / "s.toml")
    tiny(tmp_path / "t.toml")
    assert command("tune", "elr", "s.toml", "--trials", 3).status == 0
    ended = command("tune", "elr", "t.toml", "--trials", 2, "--best-of", "output/tuned/s-elr.csv", "--dry-run")
    assert ended.status == 0, ended.err
    assert len(in_process) == 3
    assert "2 trials, 2 runs" in ended.out


FAULTS = {
    "no number": (TRIALS.replace("0.02,", "much,"), "line 4, column 'lr'"),
    "out of bounds": (TRIALS.replace("0.8,", "1.8,"), "line 4, column 'momentum'"),
    "unknown setting": (TRIALS.replace("penalty", "penalti"), "unknown setting 'penalti'; did you mean 'penalty'"),
    "no accuracy": (TRIALS.replace("0.60", "nan"), "line 4, column 'noisy_validation_accuracy'"),
    "percent": (TRIALS.replace("0.60", "60"), "expected a share from 0 to 1, got '60'"),
    "cell too few": (TRIALS.replace("2.5,", ""), "line 4: the number of cells is not that of the header"),
    "no trials": ("a,b\n1,2\n", "column 'trial' is missing: it is no list of trials, which `tune` writes"),
    "empty": ("", "column 'trial' is missing"),
    "no text": ("\0\udcff", "no CSV file in UTF-8"),
    "too few": (TRIALS.split("3,0.03")[0], "has 2 sound trials beside trial 0; --trials 4 needs 3"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_list_that_cannot_be_used_is_refused(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    tiny(tmp_path / "s.toml")
    text, expected = FAULTS[case]
    (tmp_path / "cheap.csv").write_bytes(text.encode(errors="surrogateescape"))
    line = refused("tune", "elr", "s.toml", "--trials", 4, "--best-of", "cheap.csv")
    assert line.startswith("error: --best-of 'cheap.csv'")
    assert expected in line


def test_a_missing_list_and_one_beside_a_space_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    tiny(tmp_path / "s.toml")
    assert "cannot read it: No such file" in refused("tune", "elr", "s.toml", "--best-of", "nowhere.csv")
    assert "cannot read it: " in refused("tune", "elr", "s.toml", "--best-of", ".")
    listed(tmp_path)
    line = refused("tune", "elr", "s.toml", "--best-of", "cheap-elr.csv", "--space", "penalty=1:2")
    assert "--space: with --best-of nothing is drawn" in line
