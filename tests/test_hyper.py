"""How declared hyper-parameters are read."""

from __future__ import annotations

from typing import Any

import pytest

from methods.hyper import HyperParameter, MethodError, check_declarations, in_epochs, resolve_hyper

SHARE: HyperParameter = {"default": 0.1, "unit": "epochs", "bounds": (0, 1000), "source": "test"}


@pytest.mark.parametrize(("value", "epochs"), [(5, 5), (1, 1), (1.0, 30), (0.5, 15), (0, 0)])
def test_epochs_are_whole_numbers_or_shares_whatever_the_default_is(value: float, epochs: int) -> None:
    for default in (0.1, 20):
        declared: dict[str, HyperParameter] = {"start": {**SHARE, "default": default}}
        assert in_epochs(declared, resolve_hyper(declared, {"start": value}, "m"), 30) == {"start": epochs}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"type": "float"}, r"m: hyper-parameter 'start': epochs are whole numbers or shares of the run"),
        ({"default": 1.5}, r"m: hyper-parameter 'start' = 1\.5: a share of the run must lie in \[0, 1\]"),
        ({"unit": "steps"}, r"m: hyper-parameter 'start': `unit` = 'steps' \(accepted: epochs\)"),
    ],
)
def test_a_wrong_declaration_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(MethodError, match=told):
        check_declarations({"start": {**SHARE, **changed}}, "m")
