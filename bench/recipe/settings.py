"""The settings of each optimiser and of each schedule, as models: the keys that it uses, with their defaults."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from bench.recipe.tables import Decay, Epochs, Fraction, Table


class OptimizerSettings(Table):
    """What every optimiser is told."""

    lr: Annotated[float, Field(gt=0)] = Field(0.1, description="learning rate at the start")
    weight_decay: Annotated[float, Field(ge=0)] = Field(5e-4, description="L2 penalty, added to the gradient")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="largest norm of the gradient of a parameter group; none: no clipping"
    )
    sam: Annotated[float, Field(ge=0)] = Field(
        0.0, description="radius of sharpness-aware minimisation, which takes two passes a step; 0: none"
    )
    later: ClassVar[frozenset[str]] = frozenset({"sam"})


class Sgd(OptimizerSettings):
    """Stochastic gradient descent with momentum, or with Nesterov's (Sutskever et al., ICML 2013)."""

    momentum: Fraction = Field(0.9, description="momentum")
    nesterov: bool = Field(False, description="Nesterov momentum")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov = true needs a momentum above 0")
        return self


class Adam(OptimizerSettings):
    """Adam, with the weight decay in the gradient (Kingma & Ba, ICLR 2015)."""

    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="decay rates of the moments", strict=False)


class AdamW(OptimizerSettings):
    """Adam with the weight decay apart from the gradient (Loshchilov & Hutter, ICLR 2019)."""

    weight_decay: Annotated[float, Field(ge=0)] = Field(5e-4, description="share by which weights shrink, times lr")
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="decay rates of the moments", strict=False)


class Adagrad(OptimizerSettings):
    """Adagrad, whose rates fall with the gradients that were seen (Duchi et al., JMLR 2011)."""


class RmsProp(OptimizerSettings):
    """RMSprop: gradients divided by a running mean of their size (Tieleman & Hinton, Coursera 2012, lecture 6.5)."""

    alpha: Decay = Field(0.99, description="decay rate of the mean of squares")
    momentum: Decay = Field(0.0, description="momentum")
    centered: bool = Field(False, description="the variance in place of the mean of squares (Graves 2013)")


class Lars(OptimizerSettings):
    """LARS, with a rate for each layer by the lengths of its weights and gradient (You et al., arXiv 2017)."""

    momentum: Decay = Field(0.9, description="momentum")
    trust_coefficient: Annotated[float, Field(gt=0)] = Field(0.001, description="what the ratio of lengths is times")
    vectors: bool = Field(
        True, description="biases and batch normalisation too, as in the paper; false: these plainly, without decay"
    )


class ScheduleSettings(Table):
    """What every schedule is told."""

    warmup: Epochs = Field(0, description="the rate rises linearly over this many epochs first")
    update: Literal["step", "epoch"] = Field("step", description="whether the rate moves every step or every epoch")


class Constant(ScheduleSettings):
    """The rate stays as it is."""


class MultiStep(ScheduleSettings):
    """The rate is multiplied at each milestone."""

    milestones: list[Epochs] = Field([], description="epochs after which the rate is multiplied")
    factor: Annotated[float, Field(gt=0)] = Field(0.1, description="what it is multiplied with")


class Cosine(ScheduleSettings):
    """The rate falls along half a cosine, over all that follows the warm-up."""

    minimum: Annotated[float, Field(ge=0)] = Field(0.0, description="the lowest rate")


class CosineRestarts(ScheduleSettings):
    """The rate falls along half a cosine, again and again."""

    minimum: Annotated[float, Field(ge=0)] = Field(0.0, description="the lowest rate")
    period: Annotated[Epochs, Field(gt=0)] = Field(10, description="length of a cycle in epochs")


class Linear(ScheduleSettings):
    """The rate stays, and then falls linearly to zero at the end of the run."""

    start: Epochs = Field(0, description="the epoch from which the rate falls")
    beta1_after: Decay | None = Field(None, description="Adam's first beta from `start` on; none: as before")
