"""Where `auto` was another precision on the machine that made the records, all would be run again: that is said."""

from __future__ import annotations

from pathlib import Path

from command_line import Command, write_suite


def test_runs_that_are_there_in_another_precision_are_told(
    command: Command, in_process: list[str], tmp_path: Path
) -> None:
    write_suite(tmp_path / "s.toml", epochs=1, seeds=2)
    assert command("run", "s.toml", "--seeds", "1", "--precision", "fp32").status == 0
    for arguments in (("--dry-run",), ("--seeds", "1", "--dry-run"), ()):
        ended = command("run", "s.toml", "--precision", "bf16", *arguments)
        assert ended.status == 0
        told = [line for line in ended.out.splitlines() if "--precision" in line]
        assert told == ["1 of the missing runs is there in fp32: --precision fp32 goes on with what was done so"]
    assert "--precision" not in command("run", "s.toml", "--precision", "bf16", "--dry-run").out  # they are done now
    assert "1 of the missing runs is there in bf16" in command("run", "s.toml", "--precision", "fp32", "--dry-run").out
    assert len(in_process) == 3
