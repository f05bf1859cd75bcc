"""Outputs that are no UTF-8, names that are no text, users without a home: a word with escapes, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, HOME, Command, Ended

from bench import cli
from common.files import expanded
from datasets import registry
from tests.synthetic_records import make_store
from tests.user_files.case import write_images, write_list

ASCII = {"PYTHONIOENCODING": "ascii"}
STRICT = {"PYTHONIOENCODING": "utf-8:strict"}
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NO_TEXT = "o\udcff"  # a file name with a byte that is no UTF-8


def start(folder: Path, given: dict[str, str], *arguments: str) -> Ended:
    """The command in a process of its own, its output as bytes that are shown as Latin-1."""
    done = subprocess.run(
        [sys.executable, str(HOME / "run_benchmark.py"), *map(os.fsencode, arguments)],
        cwd=folder, env=ENVIRONMENT | given, check=False, capture_output=True, timeout=240,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, and own images whose class has letters of its own."""
    folder = tmp_path_factory.mktemp("place")
    make_store(folder / "out", methods=("elr",), settings=(("symmetric", 0.5),), seeds=(0,))
    rows = [[path, {"a": "b\u00e9gonia"}.get(label, label), split] for path, label, split in write_images(folder / "d")]
    write_list(folder / "d", rows)
    return folder


CHECK = ("data", "check", "folder", "--data", "d")


@pytest.mark.parametrize(
    ("given", "arguments", "said"),
    [
        (ASCII, ("run", "--help"), "Execute what is missing"),
        pytest.param(ASCII, CHECK, "b\\xe9gonia", marks=pytest.mark.slow),
        pytest.param(C_LOCALE, CHECK, "b\\xe9gonia", marks=pytest.mark.slow),
        pytest.param(STRICT, ("status", "--out", f"out{NO_TEXT}"), "", marks=pytest.mark.slow),
        pytest.param(STRICT, ("merge", "out", "--out", f"m{NO_TEXT}"), "1 added", marks=pytest.mark.slow),
        pytest.param(STRICT, ("noise", "digits", "symmetric", "0.2", "--out", f"{NO_TEXT}.npz"), "o\\udcff.npz",
                     marks=pytest.mark.slow),
    ],
    ids=["help, ASCII", "check, ASCII", "check, C locale", "status", "merge", "noise"],
)  # fmt: skip
def test_every_command_says_what_it_has_to(
    given: dict[str, str], arguments: tuple[str, ...], said: str, place: Path
) -> None:
    ended = start(place, given, *arguments)
    assert "Traceback" not in ended.out + ended.err
    assert said in ended.out
    if not said:
        assert ended.status == 2 and ended.err.startswith("error: --out outo\\udcff: no suite was started there")
    else:
        assert ended.status == 0, ended


def test_a_suite_whose_name_is_no_text_is_refused_or_run(command: Command, place: Path) -> None:
    suite = Path(f"s{NO_TEXT}.toml")
    suite.write_bytes((HOME / "bench" / "suites" / "quick.toml").read_bytes())
    ended = command("run", suite, "--dry-run", "--methods", "elr", "--seeds", 1)
    assert ended.status in (0, 2)
    (ended.out + ended.err).encode("utf-8")


def test_names_that_the_locale_cannot_write_are_said(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_run_quick", lambda: "b\u00e9gonia".encode("ascii"))
    line = "error: 'b\u00e9gonia' cannot be written in the encoding ascii of this locale: set PYTHONUTF8=1\n"
    assert command() == Ended(2, "", line)


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of whom nobody knows a home: no HOME, and no entry among the users."""
    for name in ("HOME", "XDG_CACHE_HOME", registry.ROOT_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)


def test_a_user_without_a_home_has_a_cache_below_the_temporary_files(no_home: None, command: Command) -> None:
    assert str(os.getuid()) in registry.default_root().name
    assert command("run", "quick", "--dry-run").status == 0


def test_homes_that_nobody_knows_are_names_of_files(refused: Callable[..., str]) -> None:
    assert expanded("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    assert "~nobody-of-this-name/x" in refused("noise", "digits", "labels_file", "--set", "file=~nobody-of-this-name/x")


@pytest.mark.slow
def test_a_report_needs_no_home_that_can_be_written(place: Path) -> None:
    ended = start(place, {"HOME": "/proc", "XDG_CACHE_HOME": ""}, "report", "--out", "out")
    assert ended.status == 0, ended
    assert "Traceback" not in ended.err and "Matplotlib" not in ended.err


@pytest.mark.slow
def test_images_whose_names_have_letters_of_their_own_are_found_in_the_c_locale(tmp_path: Path) -> None:
    rows = write_images(tmp_path / "d")
    first = Path(rows[0][0])
    renamed = str(first.with_name("fl\u00e9che.png"))
    (tmp_path / "d" / first).rename(tmp_path / "d" / renamed)
    write_list(tmp_path / "d", [[renamed, *rows[0][1:]], *rows[1:]])
    ended = start(tmp_path, C_LOCALE, *CHECK)
    assert (ended.status, ended.err) == (0, "")
    assert "fl\\xe9che.png" in ended.out
