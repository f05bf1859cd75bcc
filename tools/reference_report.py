"""Makes the tables, drawings and leaderboard of reports/reference anew from results/reference.

    python tools/reference_report.py

What is committed of a report: its tables without commands.csv (which follows what the suites are today), its figures as
SVG, and index.html. Tests hold the folder to the records.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from bench.api import functions  # noqa: E402 (the checkout's own)
from reports import figure_style  # noqa: E402

RECORDS, REPORT = HOME / "results" / "reference", HOME / "reports" / "reference"


def main() -> None:
    figure_style.SUFFIXES = ("svg",)  # the other forms are of the same pictures
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        functions.report(RECORDS, report)
        for name, kept in (("tables", "*"), ("figures", "*.svg")):
            shutil.rmtree(REPORT / name)
            (REPORT / name).mkdir()
            for path in sorted((report / name).glob(kept)):
                if path.name != "commands.csv":
                    shutil.copyfile(path, REPORT / name / path.name)
        shutil.copyfile(report / "index.html", REPORT / "index.html")


if __name__ == "__main__":
    main()
