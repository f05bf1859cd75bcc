"""What a noise model is: a declaration and its functions. The suite's own and those of plug-ins are alike in this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from datasets import noise_draw
from datasets.base import DataError, DataSet, FloatArray, IntArray
from datasets.randomness import derive_seed, uniforms

Options: TypeAlias = Mapping[str, Any]
NEEDS = ("asymmetric_map", "superclass", "blocks_of_five", "images", "own_labels")


class Facts(Protocol):
    """What is known of a data set without its images: both DataSetInfo and DataSet have it."""

    @property
    def name(self) -> str: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def num_train(self) -> int: ...
    @property
    def asymmetric_map(self) -> Mapping[int, int] | None: ...
    @property
    def superclass(self) -> tuple[int, ...] | None: ...
    @property
    def own_labels(self) -> bool: ...
    @property
    def truth(self) -> bool: ...


@dataclass(frozen=True)
class Uniforms:
    """A noise model's only randomness: `uniforms(purpose, count)` is [count] float64, uniform on [0, 1).

    The same for the same run seed and purpose. prefix: what keeps a plug-in's numbers apart from the suite's own.
    """

    stream: int
    prefix: tuple[str, ...] = ()

    def __call__(self, purpose: str, count: int) -> FloatArray:
        return uniforms(derive_seed(self.stream, *self.prefix, purpose), count)

    @property
    def seed(self) -> int:
        """A seed for the functions of `datasets.noise_draw`, `datasets.noise_maps` and `datasets.randomness`."""
        return derive_seed(self.stream, *self.prefix) if self.prefix else self.stream


@dataclass(frozen=True)
class Option:
    """An option of a noise model, with its default. A value is one of `choices`, a number within `bounds` (both ends
    accepted), or else of the default's type (None: anything).
    """

    default: Any
    choices: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None
    in_title = True

    def checked(self, value: Any, where: str) -> Any:
        """The value as a specification holds it. Raises DataError, which begins with `where`."""
        if self.choices:
            if value not in self.choices:
                raise DataError(f"{where} = {value!r} (accepted: {', '.join(self.choices)})")
            return value
        if self.bounds is not None:
            low, high = self.bounds
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise DataError(f"{where} = {value!r}: must be a number in [{low:g}, {high:g}]")
            return float(value)
        if type(self.default) is float and type(value) is int:
            return float(value)
        if self.default is not None and type(value) is not type(self.default):
            raise DataError(f"{where} = {value!r}: must be of type {type(self.default).__name__}")
        return value

    def shown(self, key: str, value: Any) -> str:
        """How a title says that the option has another value than its default; a choice speaks for itself."""
        text = f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
        return text if self.choices else f"{key} {text}"


class _File(Option):
    in_title = False

    def checked(self, value: Any, where: str) -> Any:
        if not (isinstance(value, str) and value):
            raise DataError(f"{where} must name a file")
        return value


class _Key(Option):
    in_title = False

    def checked(self, value: Any, where: str) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)  # a column that pandas has numbered
        if not (value is None or isinstance(value, str)):
            raise DataError(f"{where} = {value!r}: must be a name")
        return value


FILE = _File(None)
"""The option `file` of a model that reads one; specifications hold its name and the hash of its content, no path."""
KEY = _Key(None)
"""The option `key` of a model that reads a file: which array or column of it."""
SAMPLING = Option("exact", tuple(noise_draw.SAMPLINGS))
"""The option `sampling` of a model that has `target`: how the rows are chosen whose label is changed."""


@dataclass(frozen=True)
class NoiseInfo:
    """A noise model: `title` with a place for the rate, `options`, `version` (raised when labels change).

    options: by name, each an `Option` or its plain default. needs: what a data set must have, of NEEDS.
    takes_rate: False where the noise comes with its own rate; the rate must then be 0.
    dataset: the only data set it exists for; None: any. is_clean: no label is ever wrong.
    needs_truth: False where it can be used although the true labels of a data set are not known.
    """

    name: str
    title: str
    convention: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    takes_rate: bool = True
    version: int = 1
    dataset: str | None = None
    is_clean: bool = False
    needs_truth: bool = True

    @property
    def defaults(self) -> dict[str, Any]:
        """The options with their plain defaults."""
        return {key: self.option(key).default for key in self.options}

    @property
    def reads_file(self) -> bool:
        return FILE in self.options.values()

    @property
    def is_redrawn(self) -> bool:
        """Whether the labels follow from the true ones, the specification and the seed alone."""
        return self.dataset is None and not self.reads_file and not self.needs & {"images", "own_labels"}

    def option(self, key: str) -> Option:
        """The declaration of one option."""
        declared = self.options[key]
        return declared if isinstance(declared, Option) else Option(declared)


@dataclass(frozen=True)
class Drawn:
    """Given labels [N] int64 with the transition matrix [C, C] that was expected of this data set."""

    labels: IntArray
    matrix: FloatArray


@dataclass(frozen=True)
class NoisePlugin:
    """A noise model: its declaration and one of three functions; none draws random numbers of its own.

    matrix: `matrix(num_classes, rate, options)`, the transition matrix [C, C], rows (true class) summing to one; the
        harness draws each label by itself.
    target: `target(facts, options, uniforms)`, the class [C] that each class is mistaken for (its own: it is not); the
        harness chooses a share `rate` of the rows, in the way that the option `sampling` says where it is declared.
    draw: `draw(dataset, rate, options, uniforms)`, the given labels [N] int64, or `Drawn`.

    Further functions, each where it is needed. expected: `expected(facts, rate, options)`, with `draw`, the transition
    matrix [C, C] where it is known without drawing. expected_rate: `expected_rate(rate, options)`, with `draw`, the
    expected share of wrong labels where it is not that of the matrix. read: `read(path, options, facts)`, an array of
    numbers from the file that the option `file` names; the other functions find it as `options["content"]`.
    warnings: `warnings(rate, options)`, lines that a user should read.
    """

    info: NoiseInfo
    matrix: Callable[[int, float, Options], FloatArray] | None = None
    draw: Callable[[DataSet, float, Options, Uniforms], IntArray | Drawn] | None = None
    target: Callable[[Facts, Options, Uniforms], IntArray] | None = None
    expected: Callable[[Facts, float, Options], FloatArray] | None = None
    expected_rate: Callable[[float, Options], float] | None = None
    read: Callable[[Path, Options, Facts], FloatArray | IntArray] | None = None
    warnings: Callable[[float, Options], Sequence[str]] | None = None

    @property
    def name(self) -> str:
        return self.info.name
