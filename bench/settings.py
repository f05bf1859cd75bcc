"""The keys of a suite file, as typed models. Everything that a suite may say is defined here, with its default."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator


def _whole_as_int(value: int | float) -> int | float:
    """5.0 as 5: what means the same must have the same address."""
    return int(value) if value == int(value) else value


LARGEST = 10**9  # of counts: far more than any run needs, and safe to calculate with
MOST_SEEDS = 1000  # all runs of a suite are planned in memory

# a number of epochs, or a float below 1: that share of the run
Epochs = Annotated[
    int | float,
    Field(ge=0, le=LARGEST),
    AfterValidator(_whole_as_int),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": LARGEST}),
]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1, le=LARGEST)]


class Table(BaseModel):
    """A table of a suite file: unknown keys are refused, types are not coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Validation(Table):
    """Which images are held out for the selection rules that need a validation set."""

    source: Literal["none", "inside", "outside", "official"] = Field(
        "none",
        description="none; inside: part of the training subset is held out; outside: images of the official training "
        "set outside the subset; official: the data set's own validation set",
    )
    size: Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0, description="a number of images, or a float below 1: that share of the training subset"
    )

    def count(self, subset: int) -> int:
        """How many images are held out for a training subset of this size."""
        return round(self.size * subset) if isinstance(self.size, float) else self.size


class Data(Table):
    """The data set, and which of its training images are used."""

    name: str = Field(description="name of a data set (`list datasets`)")
    file: str | None = Field(
        None, description="data set `folder` only: the list of images, in the data directory; none: labels.csv or kin"
    )
    copies: bool = Field(
        False, description="image files only: read copies resized once (JPEG, quality 95) instead of the originals"
    )
    subset: Count | None = Field(None, description="train on this many images, drawn once and for all; none: on all")
    validation: Validation = Field(Validation(), description="the images held out")


class Noise(Table):
    """One noise model, at one or several rates; each rate is a setting of its own."""

    model: str = Field(description="name of a noise model (`list noise`)")
    rate: Fraction | None = Field(None, description="the nominal rate")
    rates: Annotated[list[Fraction], Field(min_length=1)] | None = Field(
        None, description="several rates instead of one"
    )
    options: dict[str, Any] = Field({}, description="options of the model, such as `file` or `sampling`")
    datasets: list[str] | None = Field(None, description="the data sets it is for, of several; none: all")


class Optimizer(Table):
    """The optimiser and its settings."""

    name: Literal["sgd", "adam", "adagrad"] = Field("sgd", description="the optimiser")
    lr: Annotated[float, Field(gt=0)] = Field(0.1, description="learning rate at the start")
    momentum: Fraction = Field(0.9, description="momentum (sgd only)")
    nesterov: bool = Field(False, description="Nesterov momentum (sgd only)")
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="decay rates of the moments (adam only)", strict=False)
    weight_decay: Annotated[float, Field(ge=0)] = Field(5e-4, description="L2 penalty, added to the gradient")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="largest norm of the gradient of a parameter group; none: no clipping"
    )

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.name == "sgd" and self.nesterov and self.momentum == 0:
            raise ValueError("nesterov = true needs a momentum above 0")
        return self


class Schedule(Table):
    """The learning rate over the run, as a factor on `optimizer.lr`."""

    name: Literal["constant", "multi_step", "cosine", "cosine_restarts", "linear"] = Field(
        "cosine", description="the shape of the schedule"
    )
    milestones: list[Epochs] = Field([], description="multi_step: epochs after which the rate is multiplied")
    factor: Annotated[float, Field(gt=0)] = Field(0.1, description="multi_step: what it is multiplied with")
    minimum: Annotated[float, Field(ge=0)] = Field(0.0, description="cosine, cosine_restarts: the lowest rate")
    period: Annotated[Epochs, Field(gt=0)] = Field(10, description="cosine_restarts: length of a cycle in epochs")
    start: Epochs = Field(0, description="linear: the epoch from which the rate falls to zero")
    beta1_after: Decay | None = Field(None, description="linear: Adam's first beta from `start` on")
    warmup: Epochs = Field(0, description="the rate rises linearly over this many epochs first")
    update: Literal["step", "epoch"] = Field("step", description="whether the rate moves every step or every epoch")


class Augmentation(Table):
    """What is done to a "weak" view; a "strong" view adds cut-out and colour jitter of at least the given strength.

    Images that are files are resized and cropped, at a random place in training and in the middle in evaluation.
    """

    resize: Count | None = Field(
        None, description="image files only: what the shorter side is resized to; none: as usual for the data set"
    )
    crop: Count | None = Field(
        None, description="image files only: side of the square that is cropped; none: as usual for the data set"
    )

    crop_padding: Annotated[int, Field(ge=0)] = Field(0, description="pixels of padding before a random crop")
    padding_mode: Literal["zero", "reflect"] = Field("zero", description="what the padding holds")
    flip: bool = Field(False, description="random horizontal flip")
    cutout: Annotated[int, Field(ge=0)] = Field(0, description="side of a square set to the mean, in pixels")
    colour_jitter: Fraction = Field(0.0, description="largest relative change of brightness, contrast and saturation")
    strong_cutout: Annotated[int, Field(ge=0)] = Field(8, description="cut-out of a strong view, in pixels")
    strong_colour_jitter: Fraction = Field(0.4, description="colour jitter of a strong view")


class Sampling(Table):
    """Epochs of a fixed number of batches instead of the whole training set."""

    batches: Count = Field(description="batches of an epoch")
    balanced: bool = Field(True, description="the same number of images of each given class")
    fresh: bool = Field(True, description="drawn anew for every epoch; false: one subset for the whole run")


class Training(Table):
    """The protocol shared by all methods of a suite."""

    network: str = Field(description="name of a network (`list networks`)")
    pretrained: bool = Field(False, description="start from ImageNet weights (large-image networks)")
    epochs: Count = Field(description="length of the run")
    batch_size: Count = Field(128, description="images of a step")
    optimizer: Optimizer = Field(Optimizer(), description="the optimiser")
    schedule: Schedule = Field(Schedule(), description="the learning rate over the run")
    augmentation: Augmentation = Field(Augmentation(), description="what is done to the images")
    sampling: Sampling | None = Field(None, description="epochs of a fixed number of batches; none: of all images")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the device is faster with it, resolved when the run is planned"
    )
    threads: Count = Field(1, description="torch threads of a run; never follows --jobs")
    compile: bool = Field(
        False, description="torch.compile for networks, never for losses; on an accelerator captured as CUDA graphs"
    )
    memorisation_every: Count | None = Field(
        None,
        description="epochs between two measurements of memorisation, the last epoch's aside; none: as few as keep it "
        "to a tenth of the run",
    )


class TrainingOverride(Table):
    """Parts of `training` that one method replaces; in a `compare` suite only the optimiser's lr and weight decay."""

    network: str | None = Field(None, description="another network")
    pretrained: bool | None = Field(None, description="start from ImageNet weights or not")
    epochs: Count | None = Field(None, description="another length")
    batch_size: Count | None = Field(None, description="another batch size")
    optimizer: dict[str, Any] = Field({}, description="keys of `training.optimizer`; the others stay")
    schedule: dict[str, Any] | None = Field(None, description="replaces the whole schedule")
    augmentation: dict[str, Any] = Field({}, description="keys of `training.augmentation`; the others stay")
    sampling: dict[str, Any] | None = Field(None, description="replaces the whole sampling")
    precision: Literal["auto", "fp32", "bf16"] | None = Field(None, description="another precision")


class When(Table):
    """Settings of a method for some noise settings only; the first match wins."""

    dataset: str | None = Field(None, description="the data set it applies to; none: any")
    model: str | None = Field(None, description="the noise model it applies to; none: any")
    rates: Annotated[list[Fraction], Field(min_length=1)] | None = Field(
        None, description="the rates it applies to; none: any"
    )
    hyper: dict[str, Any] = Field({}, description="hyper-parameters over the row's")
    training: TrainingOverride = Field(TrainingOverride(), description="parts of the protocol over the row's")


class MethodRow(Table):
    """One row of the table: a method with its settings. The table's key names the row."""

    method: str | None = Field(None, description="the registered method; none: the row's own name")
    title: str | None = Field(None, description="what tables call the row; none: the method's title")
    hyper: dict[str, Any] = Field({}, description="hyper-parameters over the method's defaults")
    training: TrainingOverride = Field(TrainingOverride(), description="parts of the protocol over the suite's")
    when: list[When] = Field([], description="settings for some noise settings only")
    training_rows: Literal["all", "clean_only"] = Field(
        "all", description="clean_only: train on the rightly labelled images alone (a reference that knows the truth)"
    )
    scored: Literal["default", "mean", "ensemble", "first"] = Field(
        "default", description="of several networks: mean of their accuracies, their ensemble, or the first"
    )
    noise_rate_error: Annotated[float, Field(ge=-1.0, le=1.0)] | None = Field(
        None, description="added to the noise rate that this row is told; none: as the suite says"
    )
    trials: Annotated[int, Field(ge=0)] = Field(0, description="tuning trials spent on this row's settings")
    source: str = Field("", description="where the settings come from")


class Suite(Table):
    """A suite file."""

    title: str = Field(description="heading of its tables")
    purpose: Literal["compare", "reproduce"] = Field(
        description="compare: one protocol for all methods; reproduce: each under its own paper's"
    )
    description: str = Field("", description="what it is for, in a sentence or two")
    remark: str = Field("", description="printed under every table of the suite")
    select: Literal["last", "last_mean", "best_test", "noisy_validation", "clean_validation"] = Field(
        "last", description="the selection rule of the main table"
    )
    paper: str = Field("", description="name of the published table it reproduces (`report --paper`)")
    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)] = Field(3, description="number of seeds, counted from 0")
    data: Data = Field(description="the data set, or a list of several: `[[data]]`")
    noise: Annotated[list[Noise], Field(min_length=1)] = Field(description="noise models with their rates: `[[noise]]`")
    training: Training = Field(description="the protocol shared by all methods")
    methods: Annotated[dict[str, MethodRow], Field(min_length=1)] = Field(
        description="the rows of its tables: `[methods.NAME]`"
    )
    noise_rate: Fraction | None = Field(
        None, description="the noise rate that methods are told; none: the expected one, or the published estimate"
    )
    noise_rate_error: Annotated[float, Field(ge=-1.0, le=1.0)] = Field(
        0.0, description="added to the noise rate that methods are told"
    )
