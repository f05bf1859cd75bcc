"""The keys of a suite file, as typed models. Everything that a suite may say is defined here, with its default."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from bench.recipe.tables import Count, Fraction, Table

Asked: TypeAlias = Literal["auto", "fp32", "bf16"]
"""A `common.specification.Precision`, or the choice left to the device."""

MOST_SEEDS = 1000  # all runs of a suite are planned in memory


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
    stratified: bool = Field(
        False, description="inside only: each true class in proportion (given, where the truth is not known)"
    )

    def count(self, subset: int) -> int:
        """How many images are held out for a training subset of this size."""
        return round(self.size * subset) if isinstance(self.size, float) else self.size


class Trusted(Table):
    """Training images set aside, of which methods that need such are told the true labels; others train on them all."""

    size: Count = Field(description="how many images")
    per_class: bool = Field(True, description="as many of each true class; false: drawn without regard to it")


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
    trusted: Trusted | None = Field(
        None, description="images with true labels for the methods that need such; none: no such method can be run"
    )


class Noise(Table):
    """One noise model, at one or several rates; each rate is a setting of its own."""

    model: str = Field(description="name of a noise model (`list noise`)")
    rate: Fraction | None = Field(None, description="the nominal rate")
    rates: Annotated[list[Fraction], Field(min_length=1)] | None = Field(
        None, description="several rates instead of one"
    )
    options: dict[str, Any] = Field({}, description="options of the model, such as `file` or `sampling`")
    datasets: list[str] | None = Field(None, description="the data sets it is for, of several; none: all")


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
    strong: str | None = Field(
        None, description="name of the view policy of strong views (`list views`); none: cut-out and jitter as above"
    )


class Sampling(Table):
    """Epochs of a fixed number of batches instead of the whole training set."""

    batches: Count = Field(description="batches of an epoch")
    balanced: bool = Field(True, description="the same number of images of each given class")
    fresh: bool = Field(True, description="drawn anew for every epoch; false: one subset for the whole run")
    top_up: bool = Field(
        True,
        description="where a class has too few images, others give more; false: the epoch is shorter, as in the "
        "code of DivideMix and ELR+",
    )
    per_network: bool = Field(
        False, description="with fresh = false: networks that learn one after the other each have a subset of their own"
    )

    @model_validator(mode="after")
    def _one_subset_each_is_drawn_once(self) -> Self:
        if self.per_network and self.fresh:
            raise ValueError("per_network = true needs fresh = false")
        return self


class Training(Table):
    """The protocol shared by all methods of a suite."""

    network: str = Field(description="name of a network (`list networks`)")
    pretrained: bool = Field(False, description="start from ImageNet weights (large-image networks)")
    epochs: Count = Field(description="length of the run")
    batch_size: Count = Field(128, description="images of a step")
    optimizer: dict[str, Any] = Field({}, description="the optimiser: its `name`, and the settings that it has")
    schedule: dict[str, Any] = Field({}, description="the learning rate over the run: a `name`, and what this needs")
    augmentation: Augmentation = Field(Augmentation(), description="what is done to the images")
    sampling: Sampling | None = Field(None, description="epochs of a fixed number of batches; none: of all images")
    precision: Asked = Field(
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
    """Parts of `training` that one method replaces; in a `compare` suite only the optimiser's lr, weight decay, sam."""

    network: str | None = Field(None, description="another network")
    pretrained: bool | None = Field(None, description="start from ImageNet weights or not")
    epochs: Count | None = Field(None, description="another length")
    batch_size: Count | None = Field(None, description="another batch size")
    optimizer: dict[str, Any] = Field(
        {}, description="keys of `training.optimizer`; the others stay, as far as another optimiser has them"
    )
    schedule: dict[str, Any] | None = Field(None, description="replaces the whole schedule")
    augmentation: dict[str, Any] = Field({}, description="keys of `training.augmentation`; the others stay")
    sampling: dict[str, Any] | None = Field(None, description="replaces the whole sampling")
    precision: Asked | None = Field(None, description="another precision")


class RowNoise(Table):
    """The noise that one row is trained on in place of the suite's, at the same rate: its authors made theirs so."""

    model: str | None = Field(None, description="another noise model; none: the suite's")
    options: dict[str, Any] = Field({}, description="its options; over the suite's where the model is the same")


class Procedure(Table):
    """What a row of a `reproduce` suite may have of its own, so that it is the procedure of its paper.

    None of it is accepted in a `compare` suite, where all rows share it.
    """

    noise: RowNoise | None = Field(None, description="noise made as the row's authors made it; none: the suite's")
    validation: Validation | None = Field(None, description="images held out; none: as the suite says")
    select: str | None = Field(None, description="the selection rule of the row's published number; none: the suite's")
    deviations: list[Annotated[str, Field(min_length=1)]] = Field(
        [], description="in what the row is not the published procedure, each with its reason; may begin with `KEY: `"
    )
    sources: dict[str, str] = Field({}, description="where single values come from: key of the procedure to source")


class When(Procedure):
    """Settings of a method for some noise settings only; the first match wins."""

    dataset: str | None = Field(None, description="the data set it applies to; none: any")
    model: str | None = Field(None, description="the noise model it applies to; none: any")
    rates: Annotated[list[Fraction], Field(min_length=1)] | None = Field(
        None, description="the rates it applies to; none: any"
    )
    hyper: dict[str, Any] = Field({}, description="hyper-parameters over the row's")
    training: TrainingOverride = Field(TrainingOverride(), description="parts of the protocol over the row's")


class MethodRow(Procedure):
    """One row of the table: a method with its settings. The table's key names the row."""

    method: str | None = Field(None, description="the registered method; none: the row's own name")
    title: str | None = Field(None, description="what tables call the row; none: the method's title")
    hyper: dict[str, Any] = Field({}, description="hyper-parameters over the method's defaults")
    training: TrainingOverride = Field(TrainingOverride(), description="parts of the protocol over the suite's")
    when: list[When] = Field([], description="settings for some noise settings only")
    published: bool = Field(
        False,
        description="as the method's table of its paper says (`show METHOD`); what the row states goes over it",
    )
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
    source: str = Field("", description="where the shared protocol comes from")
    select: str = Field("last", description="the selection rule of the main table")
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
