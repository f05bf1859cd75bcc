"""Files that commands write where they are told: never over what is not theirs; paths as shells leave them to us."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Command

from bench.cli import _path_given
from common.errors import UserError, escaped, shortened
from results.csv_text import formula_free
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec

NOISE = ("noise", "digits", "symmetric", "0.2", "--out")


def test_noise_replaces_its_own_files_alone(command: Command, tmp_path: Path) -> None:
    assert command(*NOISE, "a.npz").status == 0
    assert command(*NOISE, "a.npz").status == 0
    (tmp_path / "b.npz").write_text("mine")
    ended = command(*NOISE, "b.npz")
    assert ended.status == 2
    assert "--out b.npz: a file that this command has not written is there (--force replaces it)" in ended.err
    assert (tmp_path / "b.npz").read_text() == "mine"
    assert command(*NOISE, "b.npz", "--force").status == 0
    assert (tmp_path / "b.npz").read_bytes() == (tmp_path / "a.npz").read_bytes()


def test_noise_refuses_what_is_no_file_of_arrays(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\n")
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "link.npz").symlink_to(tmp_path / "labels.csv")
    assert "must end in .npz" in refused(*NOISE, "labels.csv")
    assert "not a regular file" in refused(*NOISE, "pipe.npz", "--force")
    assert "not a regular file" in refused(*NOISE, "link.npz", "--force")
    assert (tmp_path / "labels.csv").read_text() == "path,label\n"


def test_suspects_replace_their_own_files_alone(command: Command, tmp_path: Path) -> None:
    spec = make_spec("elr", "symmetric", 0.5, 0, epochs=2)
    record, arrays = make_record(spec, size=40)
    record["data"]["class_names"] = ["=1+1", "@x", "-3", *map(str, range(3, 10))]
    store = Store(tmp_path / "output")
    store.publish(record, arrays)
    store.write_plan(make_plan([spec]))
    (tmp_path / "labels.csv").write_text("path,label\n")
    ended = command("suspects", "quick", "--csv", "labels.csv")
    assert ended.status == 2
    assert "--csv labels.csv: a file that this command has not written" in ended.err
    assert (tmp_path / "labels.csv").read_text() == "path,label\n"
    for _ in range(2):
        assert command("suspects", "quick", "--csv", "found.csv").status == 0
    rows = list(csv.DictReader((tmp_path / "found.csv").open()))
    assert len(rows) == 40
    assert {"'=1+1", "'@x"} <= {row["true"] for row in rows} <= {"'=1+1", "'@x", "-3", *map(str, range(3, 10))}


def test_no_text_is_a_formula() -> None:
    for text in ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1"):
        assert formula_free(text) == f"'{text}"
    for value in ("-0.5", "+1.25", "−3", "1e-5", "plain", "", 3, -0.5, None):
        assert formula_free(value) == value


def test_the_home_folder_and_empty_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert _path_given("--out=~/x", "noise") == "--out=/home/me/x"
    assert _path_given("--out=~", "noise") == "--out=/home/me"
    assert _path_given("--out=a~b", "noise") == "--out=a~b"
    assert _path_given("--set=a=~", "noise") == "--set=a=~"
    for argument, before in (("--out=", "run"), ("", "--out"), ("--records=", "report")):
        with pytest.raises(UserError, match="the path is empty"):
            _path_given(argument, before)
    assert _path_given("", "--set") == ""


@pytest.mark.parametrize("arguments", [("status", "--out="), ("status", "--out", ""), ("merge", "x", "--out", "a\nb")])
def test_paths_that_are_none_are_refused(
    refused: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "x").mkdir()
    assert "--out" in refused(*arguments)


def test_messages_are_short_and_hold_no_commands() -> None:
    assert escaped("a\x1b[2J\x07\x9b\u202eé\n\ud800") == "a\\x1b[2J\\x07\\x9b\\u202eé\n\\ud800"
    assert shortened("a short line") == "a short line"
    assert shortened("word " + "x" * 20_000) == f"word {'x' * 200}...(20000 characters)"
    assert len(shortened("word " * 5000)) < 500
