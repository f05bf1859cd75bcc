"""Two sets of runs side by side: how a reproduction elsewhere, or an earlier state, is checked."""

from __future__ import annotations

from typing import Any

import pandas as pd

from results.aggregate import rule
from results.inference import TIE, paired_interval, welch_interval

_LIKE = ["dataset", "noise", "method", "network", "epochs"]
_NOTED = ("subset", "batch_size", "precision", "protocol", "noise_specification")
_COLUMNS = [
    "dataset", "noise", "method", "title", "network", "epochs", "n_a", "mean_a", "std_a", "collapsed_a", "n_b",
    "mean_b", "std_b", "collapsed_b", "difference", "low", "high", "interval", "equal", "differs",
]  # fmt: skip


def compare(frame_a: pd.DataFrame, frame_b: pd.DataFrame, select: str = "last") -> pd.DataFrame:
    """Cells of two frames (`results.load`) side by side: one row a configuration, frame_a's first, then b's own.

    Configurations are matched where all but the seed is equal, else where data set, noise, method, network and epochs
    are and name one configuration on either side; `differs` then says in what they are unlike.

    | column | meaning |
    |---|---|
    | dataset, noise, method, title, network, epochs | the configuration |
    | n_a, mean_a, std_a, n_b, mean_b, std_b | runs with a value, mean, sample deviation; n 0 where one side lacks it |
    | collapsed_a, collapsed_b | of the runs with a value, those that collapsed |
    | difference | mean of b minus mean of a; over the paired runs where `interval` is "paired" |
    | low, high | its 95% interval; NaN where neither form is possible |
    | interval | "paired" (2 or more shared seeds and fingerprints), "unpaired" (Welch; 2 or more runs each) or "" |
    | equal | runs of the same specification with the same value on both sides |
    | differs | in what the protocols are unlike, empty where nothing is |

    Raises StoreError for an unknown rule.
    """
    column = rule(select).column
    sides = [dict(iter(frame.groupby("configuration", sort=False))) for frame in (frame_a, frame_b)]
    partners = _partners(*sides)
    rows = [_row(group, sides[1].get(partners.get(name, "")), column) for name, group in sides[0].items()]
    taken = set(partners.values())
    rows += [_row(None, group, column) for name, group in sides[1].items() if name not in taken]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _partners(first: dict[Any, pd.DataFrame], second: dict[Any, pd.DataFrame]) -> dict[Any, Any]:
    partners = {name: name for name in first if name in second}
    left = _by_likeness({name: group for name, group in first.items() if name not in partners})
    right = _by_likeness({name: group for name, group in second.items() if name not in partners})
    for likeness, names in left.items():
        others = right.get(likeness, [])
        if len(names) == len(others) == 1:
            partners[names[0]] = others[0]
    return partners


def _by_likeness(groups: dict[Any, pd.DataFrame]) -> dict[tuple[Any, ...], list[Any]]:
    alike: dict[tuple[Any, ...], list[Any]] = {}
    for name, group in groups.items():
        alike.setdefault(tuple(group.iloc[0][_LIKE]), []).append(name)
    return alike


def _row(first: pd.DataFrame | None, second: pd.DataFrame | None, column: str) -> dict[str, Any]:
    shown = first if first is not None else second
    assert shown is not None
    sides = [_values(frame, column) for frame in (first, second)]
    row: dict[str, Any] = {name: shown[name].iloc[0] for name in _LIKE}
    row["title"] = shown["method_title"].iloc[0]
    for letter, values in zip("ab", sides, strict=True):
        row |= {f"n_{letter}": len(values), f"mean_{letter}": values["value"].mean(),
                f"std_{letter}": values["value"].std(ddof=1),
                f"collapsed_{letter}": int(values["collapsed"].sum())}  # fmt: skip
    both = sides[0].merge(sides[1], on=["seed", "fingerprint"], suffixes=("_a", "_b"))
    gaps = both["value_b"] - both["value_a"]
    row |= {"difference": row["mean_b"] - row["mean_a"], "interval": ""}
    row["low"], row["high"] = welch_interval(sides[1]["value"], sides[0]["value"])
    if len(gaps) >= 2:
        row |= {"difference": gaps.mean(), "interval": "paired"}
        row["low"], row["high"] = paired_interval(gaps)
    elif not pd.isna(row["low"]):
        row["interval"] = "unpaired"
    row["equal"] = int(((both["address_a"] == both["address_b"]) & (gaps.abs() <= TIE)).sum())
    row["differs"] = _differs(first, second)
    return row


def _values(frame: pd.DataFrame | None, column: str) -> pd.DataFrame:
    if frame is None:
        kinds = {"seed": "int64", "fingerprint": "str", "address": "str", "value": "float64", "collapsed": "bool"}
        return pd.DataFrame({name: [] for name in kinds}).astype(kinds)
    values = frame[["seed", "fingerprint", "address"]].assign(value=frame[column].astype(float))
    return values.assign(collapsed=frame["collapsed_epoch"].notna()).dropna(subset=["value"])


def _differs(first: pd.DataFrame | None, second: pd.DataFrame | None) -> str:
    if first is None or second is None:
        return f"only in {'b' if first is None else 'a'}"
    one, two = first.iloc[0], second.iloc[0]
    if one["configuration"] == two["configuration"]:
        return ""
    unlike = [name for name in _NOTED if str(one[name]) != str(two[name])]
    return ", ".join(unlike) if unlike else "other settings"
