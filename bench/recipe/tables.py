"""What tables of a suite file are made of: the base of their models, and the values that several have."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema


def _epochs_or_share(value: int | float) -> int | float:
    """A number below 1 is a share of the run; 5.0 is 5, as what means the same must have the same address.

    1.0 is refused: elsewhere, in a hyper-parameter, it is all of the run.
    """
    if isinstance(value, float) and value == 1:
        raise ValueError("1.0 could be all of the run: write 1 for one epoch")
    return int(value) if value == int(value) else value


LARGEST = 10**9  # of counts: far more than any run needs, and safe to calculate with

# a whole number of epochs, or a float below 1: that share of the run
Epochs = Annotated[
    int | float,
    Field(ge=0, le=LARGEST),
    AfterValidator(_epochs_or_share),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": LARGEST}),
]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]


class Table(BaseModel):
    """A table of a suite file: unknown keys are refused, types are not coerced.

    later: keys that came when there were records. At its default such a key is left out of specifications, so that the
        records keep their addresses.
    """

    later: ClassVar[frozenset[str]] = frozenset()
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
