"""Leases: who holds a run, when a holder counts as dead, and that taking over never harms another owner."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from command_line import HOME, wait_for

from bench.machine.processes import process_start
from bench.sweep import lease


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leases" / "a.json"


def judge(holder: lease.Holder) -> bool:
    return lease.Observer().is_dead(holder)


def foreign(counter: int, token: str = "t") -> lease.Holder:
    return lease.Holder("another-host", "boot", 1, "0", token, counter)


def test_a_live_lease_is_not_given_twice(path: Path) -> None:
    first = lease.acquire(path, judge)
    assert first is not None
    assert lease.acquire(path, judge) is None
    first.release()
    assert not path.exists()
    second = lease.acquire(path, judge)
    assert second is not None
    second.release()


def test_it_says_who_holds_it_and_beats(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    held = lease.acquire(path, judge)
    assert held is not None
    held.tell(3, 10, 1234.5)
    seen = wait_for(lambda: (h := lease.read(path)) and h.counter > 2 and h)
    assert (seen.pid, seen.epoch, seen.epochs, seen.images_per_second) == (os.getpid(), 3, 10, 1234.5)
    assert lease.live(path.parent, lease.Observer()).keys() == {"a"}
    held.release()


def test_without_proc_a_holder_lives_as_long_as_it_beats_and_no_driver_is_watched(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "process_start", lambda pid: None)  # as on systems without /proc
    now = [0.0]
    observer = lease.Observer(lambda: now[0])
    held = lease.acquire(path, observer.is_dead)
    assert held is not None
    assert not observer.is_dead(held.holder)
    now[0] = lease.DEAD_AFTER_SECONDS + 1
    assert not observer.is_dead(replace(held.holder, counter=held.holder.counter + 1))
    held.release()


def test_the_lease_of_a_killed_process_of_this_machine_is_taken_at_once(path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from bench.sweep import lease\n"
        "held = lease.acquire(Path(sys.argv[1]), lambda h: False); print('held', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, cwd=HOME)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"held\n"
    assert lease.acquire(path, judge) is None
    lease.clear(path)
    assert path.exists(), "its holder lives"
    owner.kill()
    owner.wait()
    taken = lease.acquire(path, judge)
    assert taken is not None
    assert taken.holder.pid == os.getpid()
    path.write_bytes(lease._encoded(replace(taken.holder, started="0")))  # a process that has ended
    lease.clear(path)
    assert not path.exists()
    taken.release()


def test_a_reused_pid_is_told_by_its_start_time() -> None:
    mine = process_start(os.getpid())
    assert mine is not None
    holder = lease.Holder(lease.socket.gethostname(), lease._boot_id(), os.getpid(), mine, "t")
    assert not judge(holder)
    assert judge(replace(holder, started=str(int(mine) + 1)))


def test_on_another_host_only_a_minute_without_a_beat_counts() -> None:
    now = [0.0]
    observer = lease.Observer(clock=lambda: now[0])
    assert not observer.is_dead(foreign(5))
    now[0] = 59.0
    assert not observer.is_dead(foreign(5))
    now[0] = 60.5
    assert not observer.is_dead(foreign(6))  # it beat in between
    now[0] = 119.0
    assert not observer.is_dead(foreign(6))
    now[0] = 121.0
    assert observer.is_dead(foreign(6))


def test_an_owner_that_lost_its_lease_does_not_overwrite_the_new_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    old = lease.acquire(path, judge)
    assert old is not None
    new = lease.acquire(path, lambda holder: True)
    assert new is not None
    counter = new.holder.counter
    wait_for(lambda: new.holder.counter > counter + 3)
    seen = lease.read(path)
    assert seen is not None
    assert seen.token == new.holder.token
    old.release()  # must not remove the new owner's file
    seen = lease.read(path)
    assert seen is not None
    assert seen.token == new.holder.token
    new.release()
    assert list(path.parent.iterdir()) == []


def test_a_takeover_gives_back_a_lease_that_it_did_not_judge(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps(asdict(foreign(1, "dead"))))
    rename = Path.rename

    def slow_rename(self: Path, target: Path) -> Path:
        # Between judgement and rename, another observer took the dead lease over.
        self.write_text(json.dumps(asdict(foreign(1, "alive"))))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", slow_rename)
    assert lease.acquire(path, lambda holder: holder.token == "dead") is None
    monkeypatch.undo()
    kept = lease.read(path)
    assert kept is not None
    assert kept.token == "alive"


def _race(path: Path, wins: list[int], barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    if lease.acquire(path, lambda holder: holder.token == "dead") is not None:
        wins.append(os.getpid())
    barrier.wait()  # type: ignore[attr-defined]


def test_of_several_that_take_over_a_dead_lease_at_most_one_wins(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        for _ in range(3):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(asdict(foreign(1, "dead"))))
            wins, barrier = manager.list(), manager.Barrier(4)
            racers = [context.Process(target=_race, args=(path, wins, barrier)) for _ in range(4)]
            for racer in racers:
                racer.start()
            for racer in racers:
                racer.join(60)
            assert len(wins) <= 1
            path.unlink(missing_ok=True)


def test_an_unreadable_lease_is_busy_until_it_is_old(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"")
    assert lease.acquire(path, judge) is None
    old = path.stat().st_mtime - 2 * lease.DEAD_AFTER_SECONDS
    os.utime(path, (old, old))
    taken = lease.acquire(path, judge)
    assert taken is not None
    taken.release()
