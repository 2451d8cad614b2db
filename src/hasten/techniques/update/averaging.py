"""Judge and keep the average of the weights over the last part of the run instead of the last weights.

What it does
    `ema` keeps an exponential moving average of every parameter, `swa` an equally weighted mean over the last part of
    the run. Training goes on with the weights themselves; validation and the result use the average.

Why it helps
    The average lies in the middle of the valley that the weights bounce in: at a high learning rate it is as good as
    weights after a long decay, so the target is reached earlier.

When it hurts
    It costs one more copy of the parameters and a pass over them per update. With a rate that falls to zero anyway
    there is nothing left to average away. A slow average lags behind in short runs.

Numerics
    The training itself keeps its bits.

Known problems
    Running statistics of batch normalization stay those of the trained weights; `swa` refuses such models, for its
    average is far from them, and would need one more pass over the data.

Source
    Polyak and Juditsky, 1992, doi:10.1137/0330046 (ema with the start-up correction (1 + n) / (10 + n) of TensorFlow);
    Izmailov et al., 2018, arXiv:1803.05407 (swa).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe
from hasten.training.transforms import Parameters, State, StepInfo

_IMPORTS = ("from collections.abc import Generator", "from contextlib import contextmanager", "from typing import Any")
_SWAPPED = '''@contextmanager
def swapped(parameters: dict[str, nn.Parameter], averages: dict[str, Tensor]) -> Generator[None]:
    """Let the model hold the averages for the body, and the trained weights again after it."""
    trained = {name: parameters[name].detach().clone() for name in averages}
    with torch.no_grad():
        for name, average in averages.items():
            parameters[name].copy_(average)
    yield
    with torch.no_grad():
        for name, weights in trained.items():
            parameters[name].copy_(weights)'''
"""What an ejected script evaluates and ends with."""


class _Average:
    """The average of every trained parameter; until the first update it is the parameter itself."""

    def init(self, parameters: Parameters) -> State:
        """Return no averages: the first update makes them."""
        return {"updates": 0, "averages": {}}

    def averages(self, state: State) -> Mapping[str, Tensor]:
        """Return name -> average."""
        return state["averages"]

    def _begin(self, parameters: Parameters, state: State) -> None:
        state["averages"] = {name: parameter.detach().clone() for name, parameter in parameters.items()}


@dataclass(frozen=True)
class ExponentialAverage(_Average):
    """Moves every average toward its parameter by 1 - `decay`; with `correction` faster in the first updates."""

    decay: float
    correction: bool = True

    @torch.no_grad()
    def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
        """Take the new parameters into the averages."""
        seen = state["updates"]
        if seen:
            move = get_ema_multi_avg_fn(min(self.decay, (1 + seen) / (10 + seen)) if self.correction else self.decay)
            move(list(state["averages"].values()), list(parameters.values()), seen)
        else:
            self._begin(parameters, state)
        state["updates"] = seen + 1


@dataclass(frozen=True)
class EqualAverage(_Average):
    """Keeps the mean of every parameter over the updates from the fraction `start` of the run on."""

    start: float

    @torch.no_grad()
    def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
        """Take the new parameters into the averages."""
        if info.progress < self.start:
            return
        if state["updates"]:
            move = get_swa_multi_avg_fn()
            move(list(state["averages"].values()), list(parameters.values()), state["updates"])
        else:
            self._begin(parameters, state)
        state["updates"] += 1


@dataclass(frozen=True)
class Ema:
    """Judge and keep an exponential moving average of the weights."""

    decay: Annotated[float, Meta(gt=0, lt=1, description="share of the old average kept at each update")] = 0.999
    correction: Annotated[
        bool, Meta(description="a smaller share, (1 + n) / (10 + n), in the first updates; without, as AveragedModel")
    ] = True

    card: ClassVar[Card] = Card(
        name="ema",
        stage=Stage.UPDATE,
        guarantee=Guarantee.TRAJECTORY,
        idea="exponential moving average (EMA) of the weights for validation and the result",
        source="Polyak and Juditsky, 1992, doi:10.1137/0330046",
        treats=("noise_dominated", "slow_convergence"),
        conflicts=("swa", "schedule_free", "optimizer_in_backward"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Weights can always be averaged."""
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add the averaging after each update."""
        return recipe.with_post_step(ExponentialAverage(self.decay, self.correction))

    def source(self, recipe: Recipe) -> Source:
        """Return the average, and what puts it into the model for each evaluation."""
        decay = f"min({self.decay!r}, (1 + seen) / (10 + seen))" if self.correction else repr(self.decay)
        return Source(
            imports=(*_IMPORTS, "from torch.optim.swa_utils import get_ema_multi_avg_fn"),
            definitions=_SWAPPED,
            setup="averages, seen = dict[str, Tensor](), 0",
            update="\n".join(
                [
                    "if averages:",
                    f"    decay = {decay}",
                    "    with torch.no_grad():",
                    "        get_ema_multi_avg_fn(decay)(list(averages.values()), list(parameters.values()), seen)",
                    "else:",
                    "    averages = {name: one.detach().clone() for name, one in parameters.items()}",
                    "seen += 1",
                ]
            ),
            evaluation="swapped(parameters, averages)",
        )


@dataclass(frozen=True)
class Swa:
    """Judge and keep the mean of the weights over the last part of the run."""

    start: Annotated[float, Meta(ge=0, lt=1, description="share of the run before averaging begins")] = 0.75

    card: ClassVar[Card] = Card(
        name="swa",
        stage=Stage.UPDATE,
        guarantee=Guarantee.TRAJECTORY,
        idea="stochastic weight averaging (SWA): mean of the weights over the last part of the run",
        source="Izmailov et al., 2018, arXiv:1803.05407",
        treats=("noise_dominated",),
        needs=("a run with a length", "no batch normalization"),
        conflicts=("schedule_free", "optimizer_in_backward"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse runs without a length, and batch normalization."""
        if not recipe.subject.has_length:
            return "needs a run with a known length (epochs, steps or seconds)"
        for name, module in recipe.subject.model().named_modules():
            if isinstance(module, _BatchNorm):
                return f"the statistics of the layer {name!r} would not fit the averaged weights"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add the averaging after each update."""
        return recipe.with_post_step(EqualAverage(self.start))

    def source(self, recipe: Recipe) -> Source:
        """Return the average, and what puts it into the model for each evaluation."""
        return Source(
            imports=(*_IMPORTS, "from torch.optim.swa_utils import get_swa_multi_avg_fn"),
            definitions=_SWAPPED,
            setup="averages, seen = dict[str, Tensor](), 0",
            update="\n".join(
                [
                    f"if progress >= {self.start!r}:",
                    "    if averages:",
                    "        with torch.no_grad():",
                    "            get_swa_multi_avg_fn()(list(averages.values()), list(parameters.values()), seen)",
                    "    else:",
                    "        averages = {name: one.detach().clone() for name, one in parameters.items()}",
                    "    seen += 1",
                ]
            ),
            evaluation="swapped(parameters, averages)",
        )
