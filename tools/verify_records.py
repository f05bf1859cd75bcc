"""Verify records that others hand in: `python tools/verify_records.py FOLDER|FILE.jsonl [--seed N] [--data DIR]`.

Each record's address and form are checked as `merge` checks them; its noisy labels are drawn again where the data are
here; what its selection rules say is computed again from its curves; it must name who ran it (`export --run-by`). Of
one record, drawn by `--seed`, the first epoch is trained again on this CPU. Exit status 1 where anything does not hold.
Records of other devices, or of other versions of torch, differ in the last digits: an epoch is held to agree within
`--tolerance`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.api.redraw import redrawer
from bench.training import measure, trainer
from bench.training.build import build_run
from bench.training.data import prepare
from bench.training.selection import selections
from common import specification
from common.record import Record
from results.merge import merge
from results.store import Store

COMPARED = ("train_loss", "test_accuracy", "test_nll")


def selection_faults(record: Record) -> list[str]:
    """Rules whose accuracy is not what the curves say."""
    found = selections(record["curves"])
    return [
        f"{rule}: the record says {record['selection'].get(rule)}, its curves {said}"
        for rule, said in found.items()
        if record["selection"].get(rule) != said
    ]


def first_epoch(record: Record, root: Path | None) -> dict[str, Any]:
    """The curves of the first epoch, trained again on the CPU."""
    spec = specification.read(record["spec"])
    torch.set_num_threads(spec.threads)
    run, measures = build_run(spec, prepare(spec, root), torch.device("cpu"))
    curves: dict[str, Any] = {}
    seen = trainer.train_epoch(run)
    measure.after_epoch(run.method, measures, curves, 1, spec.epochs, seen)
    return curves


def epoch_faults(record: Record, again: dict[str, Any], tolerance: float) -> list[str]:
    """Curves whose first value is another one than that of the epoch trained again."""
    held: Any = record["curves"]
    return [
        f"epoch 1, {name}: the record says {held[name][0]}, here it is {again[name][0]}"
        for name in COMPARED
        if abs(held[name][0] - again[name][0]) > tolerance * max(1.0, abs(again[name][0]))
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the draw of the run whose first epoch is trained")
    parser.add_argument("--data", type=Path, help="the data directory")
    parser.add_argument("--tolerance", type=float, default=0.02)
    given = parser.parse_args()
    if not given.source.exists():
        print(f"error: {given.source}: no such file or folder", file=sys.stderr)
        return 2
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        summary = merge([given.source], store, faults.append, redrawer(given.data))
        for line in summary.lines():
            print(line)
        faults += summary.doubts
        records = [store.load(address) for address in sorted(store.addresses())]
    for record in records:
        where = record["address"][:12]
        faults += [f"{where}: {fault}" for fault in selection_faults(record)]
        if not record["execution"].get("run_by"):
            faults.append(f"{where}: nobody is named who ran it (export --run-by NAME)")
    if not records:
        faults.append(f"{given.source}: no record that can be read")
    else:
        drawn = random.Random(given.seed).choice(records)
        again = first_epoch(drawn, given.data)
        faults += [f"{drawn['address'][:12]}: {fault}" for fault in epoch_faults(drawn, again, given.tolerance)]
        titles = drawn["titles"]
        print(f"first epoch trained again: {titles['method']}, {titles['noise']}, {drawn['address'][:12]}")
    for fault in faults:
        print(f"fault: {fault}")
    print(f"{len(records)} records, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
