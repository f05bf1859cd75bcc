"""What a page's dialogs show of its runs, told once where runs are alike: most of a specification is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_ALIKE = ("spec", "results", "execution")


def packed(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The runs as JSON that `page.js` unpacks.

    values: each value that occurs, once. keys: of each part (spec, results, execution) the names in it. runs: the rest
    of each run, and of each part the positions in `values`, in the order of its keys, -1 where the run has none.
    """
    keys = {part: list(dict.fromkeys(key for run in runs for key in run[part])) for part in _ALIKE}
    positions: dict[str, int] = {}

    def position(value: Any) -> int:
        return positions.setdefault(json.dumps(value, sort_keys=True), len(positions))

    packed_runs = [
        {
            **{key: value for key, value in run.items() if key not in _ALIKE},
            **{part: [position(run[part][key]) if key in run[part] else -1 for key in keys[part]] for part in _ALIKE},
        }
        for run in runs
    ]
    return {"values": [json.loads(text) for text in positions], "keys": keys, "runs": packed_runs}
