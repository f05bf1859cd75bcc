"""How the help of each command ends: its exit statuses, and what to see also. A test holds the names to what exists."""

from __future__ import annotations

from dataclasses import dataclass

_STOPPED = "130, 143 or 138 stopped by Ctrl-C, SIGTERM or SIGUSR1"


@dataclass(frozen=True)
class Ending:
    """fault: what status 1 means, where the command has it. see: commands. page: of the documentation."""

    see: tuple[str, ...]
    page: str
    fault: str = ""

    def text(self) -> str:
        """The last paragraphs of the help, in Markdown."""
        one = f"1 {self.fault}; " if self.fault else ""
        status = f"Exit status: 0 all went well; {one}2 unusable input, nothing written; {_STOPPED}."
        return f"{status}\n\nSee also: {', '.join(f'`{name}`' for name in self.see)}; {self.page}."


ENDINGS = {
    "run": Ending(("status", "report", "tune", "list suites"), "docs/first-run.md", "a run failed"),
    "report": Ending(("run", "papers", "list rules"), "docs/selection-and-statistics.md"),
    "status": Ending(("run", "report"), "docs/first-run.md"),
    "suspects": Ending(("run", "data correct"), "docs/own-data.md"),
    "merge": Ending(("export", "report"), "docs/records.md"),
    "export": Ending(("merge",), "docs/hand-in.md"),
    "tune": Ending(("run", "show"), "docs/suite-files.md", "a trial failed, or not all are finished"),
    "speed": Ending(("doctor",), "docs/performance.md", "a case failed"),
    "check": Ending(("new-method", "show"), "docs/add-a-method.md", "the method is at fault"),
    "doctor": Ending(("speed", "data check"), "docs/accelerator.md", "something is at fault"),
    "new-method": Ending(("check", "run"), "docs/add-a-method.md"),
    "schema": Ending(("list suites", "show"), "docs/suite-files.md"),
    "list": Ending(("show", "papers"), "docs/first-run.md"),
    "noise": Ending(("list noise", "show"), "docs/noise-models.md"),
    "papers": Ending(("show", "run", "report"), "docs/reproduce-a-table.md"),
    "show": Ending(("list", "papers"), "docs/first-run.md"),
    "slurm-script": Ending(("run", "status"), "docs/cluster.md"),
    "data import": Ending(("data check", "run"), "docs/own-data.md"),
    "data correct": Ending(("suspects", "run"), "docs/own-data.md"),
    "data fetch": Ending(("data check",), "docs/real-world-data.md"),
    "data check": Ending(("data fetch", "data import"), "docs/own-data.md", "something is wrong with the files"),
}
"""Words of a command -> how its help ends."""
