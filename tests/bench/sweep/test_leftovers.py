"""What killed commands leave is removed by the next one; what others use, or own, is not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import process, util
from pathlib import Path

import pytest

from bench.sweep import leftovers


@pytest.fixture
def dead() -> int:
    """The number of a process that is gone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Folders of shared memory and of temporary files of its own."""
    found = tmp_path / "shm", tmp_path / "tmp"
    for folder in found:
        folder.mkdir()
    monkeypatch.setattr(leftovers, "SHARED_MEMORY", found[0])
    monkeypatch.setattr(tempfile, "tempdir", str(found[1]))
    return found


def made(path: Path, seconds_ago: float = 60) -> Path:
    path.write_bytes(b"x" * 32)
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return path


def test_of_dead_processes_semaphores_and_shared_memory_are_removed(machine: tuple[Path, Path], dead: int) -> None:
    shared, _ = machine
    gone = [made(shared / name.format(dead)) for name in ("sem.loky-{}-abc_def1", "torch_{}_123_4")]
    stays = [
        *(made(shared / name.format(os.getpid())) for name in ("sem.loky-{}-abc_def1", "torch_{}_123_4")),
        *(made(shared / name.format(dead)) for name in ("sem.other-{}-abc", "loky-{}-abc", "sem.loky-{}", "torch_{}")),
        made(shared / "sem.loky-x-abc"),
        made(shared / f"sem.loky-{dead}-young", seconds_ago=0),
    ]
    (shared / f"sem.loky-{dead}-folder").mkdir()
    leftovers.remove()
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stays)
    assert (shared / f"sem.loky-{dead}-folder").is_dir()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_stays(machine: tuple[Path, Path], dead: int) -> None:
    shared, temporary = machine
    name, folder = f"sem.loky-{dead}-abc", temporary / f"nlb-{dead}-1-{leftovers._namespace()}-x"
    made(shared / name)
    folder.mkdir()
    for path in (shared / name, folder):
        os.chown(path, 65534, 65534)
    os.utime(shared / name, (1.0, 1.0))
    leftovers.remove()
    assert (shared / name).exists() and folder.is_dir()


def test_folders_of_dead_commands_are_removed_and_no_others(machine: tuple[Path, Path], dead: int) -> None:
    _, temporary = machine
    here = leftovers._namespace()
    names = {
        f"nlb-{dead}-1-{here}-x": False,
        f"nlb-{os.getpid()}-1-{here}-x": False,  # the number went to another process
        f"nlb-{leftovers.mark()}-x": True,
        f"nlb-{dead}-1-0-x": True,  # of a container that shares the folder
        f"nlb-{dead}": True,
        "nlb-": True,
        f"pymp-{dead}": True,
    }
    for name in names:
        (temporary / name).mkdir()
        (temporary / name / "listener-abc").touch()
    (temporary / "mine").mkdir()
    (temporary / f"nlb-{dead}-1-{here}-link").symlink_to(temporary / "mine")
    leftovers.remove()
    assert {name: (temporary / name).exists() for name in names} == names
    assert (temporary / "mine").is_dir()


def test_without_proc_nobody_is_held_for_dead(
    machine: tuple[Path, Path], dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = made(machine[0] / f"sem.loky-{dead}-abc")
    monkeypatch.setattr(leftovers, "process_start", lambda pid: None)
    leftovers.remove()
    assert kept.exists()


@pytest.mark.parametrize("name", ["SHARED_MEMORY", "tempdir"])
def test_folders_that_are_not_there_are_no_fault(
    name: str, machine: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*((leftovers, name, Path("/nowhere")) if name.isupper() else (tempfile, name, "/nowhere")))
    leftovers.remove()
    leftovers.check_room()
    with leftovers.folder() as made_folder:
        assert made_folder is None or made_folder.is_dir()


def test_multiprocessing_uses_a_commands_folder_and_it_goes_with_the_command(
    machine: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = process.current_process()._config  # type: ignore[attr-defined]
    monkeypatch.setitem(config, "tempdir", "unset")
    short = tempfile.mkdtemp(dir="/tmp")  # the path of a socket must be short
    monkeypatch.setattr(tempfile, "tempdir", short)
    with leftovers.folder() as folder:
        assert folder is not None and str(folder.parent) == short
        assert folder.stat().st_mode & 0o777 == 0o700
        leftovers.use_folder(folder)
        assert util.get_temp_dir() == str(folder)
    Path(short).rmdir()  # it is empty again
    # sockets have short paths; in a folder of a longer one multiprocessing could make none
    leftovers.use_folder(Path("/" + "x" * 100))
    assert util.get_temp_dir() == str(folder)


def test_shared_memory_without_room_is_refused_before_anything_is_written(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "LEAST_SHARED", 2**60)
    assert "error: /dev/shm has " in refused("run", "quick")
