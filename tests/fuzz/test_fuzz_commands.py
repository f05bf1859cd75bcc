"""Changed suite files, options and lists of own images, many of them, through the command's entry point.

The promise: exit status 0, 1, 2 or 130, no traceback, no line over 500 characters, and an end within 10 seconds of the
processor. `pytest tests/fuzz --long` goes on for an hour. A finding becomes a case in the tests of what it is about.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomli_w
import typer
from command_line import ENVIRONMENT, HOME, Command, Ended

from bench import cli
from datasets import image_check
from tests.fuzz.mutation import VALUES, changed, cut_up
from tests.synthetic_records import make_store
from tests.user_files.case import write_images, write_list

LONGEST_LINE, SECONDS, IDLE_SECONDS = 500, 10, 240
SUITES = ("quick", "all-methods", "car-ablation", "cifar10n-lite", "own-images", "webvision", "wrong-noise-rate")
SUITE_PIECES = [
    b"=", b"[", b"]", b"{", b"}", b'"', b"\n", b"#", b"[[noise]]\n", b"\xff", b"\0", b"nan", b"-1", b"9" * 30, b"'''",
    b"1979-05-27", b".", b"true", b"[methods.x]\n", b"\r", b"\xef\xbb\xbf", b"a" * 3000,
]  # fmt: skip
LIST_PIECES = [
    b",", b";", b"\t", b'"', b"\n", b"\r", b"\0", b"\xff", b"path,label\n", b"label,label", b"nan", b"1.0", b"../",
    b"./", b"/etc/passwd", b"\\", b"=1+1", b"\xef\xbb\xbf", b"\xff\xfe", b"train", b"Test", b"9" * 5000, b"a" * 3000,
    b" ", b"\x1b[2J", "e\u0301".encode(), b"images/p00.png",
]  # fmt: skip
WORDS = [
    *(str(value) for value in VALUES if value not in ("\0", "\ud800", "../x")),
    " ", "-", "--", "=", "\udcff", "0x10", "1_000", "\u0663", "9" * 5000, "x=1", "training.epochs=[", "training={}",
    "data.name=cifar10", "a.b.c.d=1", "noise=[]", "seeds=nan", "methods=1", "training.optimizer={lr=1e400}",
    "training.epochs=1e9", "hyper", "/dev/null", "/dev/full", "/dev/null/x", "/proc/x", "~/x", "auto,", ",", "elr,car",
    "\n", "quick",
]  # fmt: skip
COMMANDS = [
    ("run", "quick", "--dry-run"),
    ("run", "quick", "--dry-run", "--methods", "elr", "--seeds", "1", "--epochs", "3", "--set", "training.epochs=5"),
    ("tune", "elr", "cifar10-lite", "--dry-run", "--trials", "2"),
    ("status", "quick", "--out", "out"),
    ("merge", "out", "--out", "ours"),
    ("export", "quick", "lines", "--out", "out"),
    ("noise", "digits", "symmetric", "0.2", "--seed", "1"),
    ("list", "methods"),
    ("data", "check", "folder", "--data", "d"),
    ("new-method", "mine"),
    ("report", "--out", "nothing"),
    ("suspects", "none", "--out", "out"),
    ("check", "none"),
]
NEVER = {"--probe", "--dry-run", "--install-completion", "--show-completion"}  # they work long, or on the user's shell


class Hangs(BaseException):
    """A command did not end in time."""


@pytest.fixture
def promised(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ended]]:
    """Runs a command that must keep the promise."""
    monkeypatch.setattr(image_check, "default_jobs", lambda: 1)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NOISY_BENCH_DATA", str(tmp_path / "none"))

    def hangs(number: int, frame: object) -> None:
        raise Hangs

    before = {number: signal.signal(number, hangs) for number in (signal.SIGPROF, signal.SIGALRM)}

    def call(*arguments: object) -> Ended:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, IDLE_SECONDS)
        try:
            ended = command(*arguments)
        except BaseException as fault:
            raise AssertionError(f"{type(fault).__name__}: {fault}: {arguments!r:.2000}") from fault
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        kept(ended, arguments)
        return ended

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


def kept(ended: Ended, arguments: object) -> None:
    """Whether the promise was kept."""
    told = ended.out + ended.err
    assert ended.status in (0, 1, 2, 130), (ended, arguments)
    assert "Traceback" not in told, (ended, arguments)
    assert max(map(len, told.splitlines()), default=0) <= LONGEST_LINE, (ended, arguments)
    assert ended.status != 2 or ended.err.startswith("error: "), (ended, arguments)


def test_suite_files(rounds: Iterator[random.Random], promised: Callable[..., Ended], tmp_path: Path) -> None:
    texts = [(HOME / "bench" / "suites" / f"{name}.toml").read_bytes() for name in SUITES]
    taken = 0
    for chance in rounds:
        content = chance.choice(texts)
        if chance.random() < 0.7:
            try:
                content = tomli_w.dumps(changed(tomllib.loads(content.decode()), chance)).encode("utf-8", "replace")
            except (TypeError, ValueError):  # no TOML has null
                continue
        else:
            content = cut_up(content, chance, SUITE_PIECES)
        (tmp_path / "mine.toml").write_bytes(content)
        ended = promised("run", "mine.toml", "--dry-run", "--seeds", "1", "--data", "none")
        taken += ended.status == 0
        assert not (tmp_path / "output").exists()


def _options(words: tuple[str, ...]) -> list[str]:
    """The options of the command that `words` call."""
    found = typer.main.get_command(cli.app)
    for word in words:
        found = getattr(found, "commands", {}).get(word, found)
    return sorted({name for parameter in found.params for name in parameter.opts if name.startswith("-")} - NEVER)


def test_options(rounds: Iterator[random.Random], promised: Callable[..., Ended], tmp_path: Path) -> None:
    cli._register()
    make_store(tmp_path / "out", methods=("elr",), settings=(("symmetric", 0.5),), seeds=(0,))
    write_list(tmp_path / "d", write_images(tmp_path / "d"))
    known = [(words, _options(words)) for words in COMMANDS]
    for chance in rounds:
        words, options = chance.choice(known)
        given = list(words[1:])
        for _ in range(chance.randint(1, 3)):
            kind, place = chance.randrange(4), chance.randrange(len(given) + 1)
            if kind == 0 and given[place:] and given[place] not in NEVER:
                given[place] = chance.choice(WORDS)
            elif kind == 1 and given[place:] and given[place] not in NEVER:
                del given[place]
            elif kind == 2:
                given[place:place] = [chance.choice(options)]
            else:
                given += [chance.choice(options), chance.choice(WORDS)]
        if "--dry-run" in words:  # also where an option has taken it for its value: nothing may be trained
            given = [*given, "--device", "cpu", "--dry-run"]
        promised(words[0], *given)


def test_lists_of_own_images(rounds: Iterator[random.Random], promised: Callable[..., Ended], tmp_path: Path) -> None:
    rows = write_images(tmp_path / "whole")
    write_list(tmp_path / "whole", rows)
    listed = (tmp_path / "whole" / "labels.csv").read_bytes()
    for chance in rounds:
        data = tmp_path / "d"
        shutil.copytree(tmp_path / "whole", data)
        (data / "labels.csv").write_bytes(cut_up(listed, chance, LIST_PIECES))
        if chance.random() < 0.5:
            (data / "classes.txt").write_bytes(cut_up(b"a\nb\nc\n", chance, LIST_PIECES))
        if chance.random() < 0.3:
            image = data / chance.choice(rows)[0]
            image.write_bytes(cut_up(image.read_bytes(), chance, LIST_PIECES))
        promised("data", "check", "folder", "--data", "d")
        shutil.rmtree(data)


FRESH = {
    "a long word": ("run", "a" * 20_000),
    "no text": ("status", "--out", "\udcff\udcfe"),
    "commands to a terminal": ("data", "check", "folder", "--data", "\x1b[2J\x07"),
    "a setting of all kinds": ("run", "quick", "--dry-run", "--set", "\n=\udcff" * 400),
}


@pytest.mark.parametrize("name", FRESH)
def test_fresh_processes(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HOME / "run_benchmark.py"), *map(os.fsencode, FRESH[name])],
        cwd=tmp_path, env=ENVIRONMENT | {"LC_ALL": "C.UTF-8"}, check=False, capture_output=True, timeout=240,
    )  # fmt: skip
    kept(Ended(done.returncode, done.stdout.decode(), done.stderr.decode()), name)
