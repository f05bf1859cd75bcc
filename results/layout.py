"""Where things lie below `--out`: the one place that knows the names of folders and files there.

records/<address>.json|.npz   plans/<suite>.json   failed/<address>.txt    results
checkpoints/<address>.pt      leases/<address>.json                        of runs that go on
epochs/<address>.jsonl                                                     of those that trackers follow
tuned/<suite>-tuned.toml|...csv                                            of `tune`
jobs/                                                                      logs of jobs of a job system
report/     paper/            cache/                                       made from the results, safe to delete
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RECORD_SUFFIX, ARRAYS_SUFFIX, PLAN_SUFFIX, FAILURE_SUFFIX = ".json", ".npz", ".json", ".txt"
LINES_SUFFIX, LINES_PLAN_SUFFIX, LINES_DIVERGED_SUFFIX = ".jsonl", ".plan.json", ".diverged.json"
"""Of records as lines of one file, and beside it of the plan and of runs that diverged: how results are handed on."""

DEFAULT_OUT = Path("output")
"""`--out` where none is typed."""


@dataclass(frozen=True)
class Layout:
    """The folders and files below `root`; asking creates nothing."""

    root: Path

    @property
    def records(self) -> Path:
        return self.root / "records"

    @property
    def plans(self) -> Path:
        return self.root / "plans"

    @property
    def failed(self) -> Path:
        return self.root / "failed"

    @property
    def leases(self) -> Path:
        return self.root / "leases"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def report(self) -> Path:
        return self.root / "report"

    @property
    def paper(self) -> Path:
        """The figures and tables of a report for a paper."""
        return self.root / "paper"

    def record(self, address: str) -> Path:
        """The record of a run."""
        return self.records / f"{address}{RECORD_SUFFIX}"

    def arrays(self, address: str) -> Path:
        """The per-sample arrays beside it."""
        return self.records / f"{address}{ARRAYS_SUFFIX}"

    def plan(self, suite: str) -> Path:
        """The plan of a started suite."""
        return self.plans / f"{suite}{PLAN_SUFFIX}"

    def failure(self, address: str) -> Path:
        """The traceback of a failed run."""
        return self.failed / f"{address}{FAILURE_SUFFIX}"

    def lease(self, address: str) -> Path:
        """Who executes a run."""
        return self.leases / f"{address}.json"

    def epochs(self, address: str) -> Path:
        """The epochs of a run that is followed, a line each."""
        return self.root / "epochs" / f"{address}.jsonl"

    def checkpoint(self, address: str) -> Path:
        """The state of a run that was cut off."""
        return self.checkpoints / f"{address}.pt"

    def cached(self, name: str) -> Path:
        """A table that was made from the records."""
        return self.root / "cache" / name

    def tuned(self, name: str) -> Path:
        """A file that `tune` writes."""
        return self.root / "tuned" / name

    def noise(self, name: str) -> Path:
        """A file that `noise` writes where it is told no other place."""
        return self.root / "noise" / name
