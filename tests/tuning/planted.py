"""A small task and techniques whose effect is known, because it was planted."""

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.training.recipe import Recipe, Surgery
from hasten.training.task import Data, Stop, Task, Update

MACHINE = Machine(
    cpu="planted",
    isa=("avx2",),
    cores=1,
    threads=1,
    memory_bytes=1 << 30,
    gpu=None,
    compiler=None,
    platform="",
    python="",
    torch="",
)


class Time:
    """A clock that moves only where something is planted to cost time, so that no test depends on the machine's load.

    A cost varies by a few percent, as on a real machine, from a generator of its own.
    """

    __slots__ = ("_noise", "now")  # a description of a layer that uses it then has not the time of the day in it

    def __init__(self) -> None:
        self.now = 0
        self.restart()

    def restart(self) -> None:
        self._noise = random.Random(7)

    def pass_s(self, duration_s: float) -> None:
        self.now += round(duration_s * self._noise.gauss(1.0, 0.03) * 1e9)

    def now_ns(self) -> int:
        self.now += 100
        return self.now


TIME = Time()


class Work(nn.Module):
    """Takes time in training and changes nothing."""

    def __init__(self, duration_s: float) -> None:
        super().__init__()
        self.duration_s = duration_s

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            TIME.pass_s(self.duration_s)
        return x


class Pause(Work):
    """Work that is not needed."""


def small_task(*, pause: bool = False, dropout: float = 0.0, **changes: Any) -> Task:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(240, 6, generator=generator)
    labels = (inputs @ torch.randn(6, 3, generator=generator)).argmax(1)

    def model() -> nn.Module:
        layers = [nn.Linear(6, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 3), Work(0.02)]
        return nn.Sequential(*layers, Pause(0.03)) if pause else nn.Sequential(*layers)

    values: dict[str, Any] = {
        "name": "small",
        "data": Data(train=TensorDataset(inputs[:200], labels[:200]), valid=TensorDataset(inputs[200:], labels[200:])),
        "model": model,
        "update": Update(optimizer="sgd", lr=0.1),
        "batch_size": 32,
        "stop": Stop(steps=20_000),
    }
    return Task(**(values | changes))


def card(name: str, guarantee: Guarantee = Guarantee.EXACT, **more: Any) -> Card:
    return Card(name=name, stage=Stage.FORWARD, guarantee=guarantee, idea="planted", source="the tests", **more)


class Planted:
    """What planted techniques share: none refuses."""

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        return None


def around(recipe: Recipe, wrap: Callable[..., Any]) -> Recipe:
    return replace(recipe, forward=replace(recipe.forward, wrappers=(*recipe.forward.wrappers, wrap)))


@dataclass(frozen=True)
class Slower(Planted):
    card: ClassVar[Card] = card("slower")

    def apply(self, recipe: Recipe) -> Recipe:
        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def late(*args: Any) -> Any:
                TIME.pass_s(0.02)
                return function(*args)

            return late

        return around(recipe, wrap)


@dataclass(frozen=True)
class Nothing(Planted):
    card: ClassVar[Card] = card("nothing")

    def apply(self, recipe: Recipe) -> Recipe:
        return recipe


@dataclass(frozen=True)
class Protects(Nothing):
    card: ClassVar[Card] = card("protects", saves_time=False)


def _awake(model: nn.Module) -> nn.Module:
    return nn.Sequential(*(nn.Identity() if isinstance(layer, Pause) else layer for layer in model))


@dataclass(frozen=True)
class NoPause(Planted):
    card: ClassVar[Card] = card("no_pause")

    def apply(self, recipe: Recipe) -> Recipe:
        return replace(recipe, model=(*recipe.model, Surgery(_awake)))


@dataclass(frozen=True)
class NoPauseEither(Planted):
    """Does the same, so that one of the two is not needed."""

    card: ClassVar[Card] = card("no_pause_either", Guarantee.ROUNDING)

    def apply(self, recipe: Recipe) -> Recipe:
        return replace(recipe, model=(*recipe.model, Surgery(_awake)))


@dataclass(frozen=True)
class NoPauseConflicting(Planted):
    card: ClassVar[Card] = card("no_pause_conflicting", conflicts=("no_pause",))

    def apply(self, recipe: Recipe) -> Recipe:
        return replace(recipe, model=(*recipe.model, Surgery(_awake)))


@dataclass(frozen=True)
class FasterButWrong(Planted):
    """Takes the pause away and adds a bias to every gradient."""

    card: ClassVar[Card] = card("faster_but_wrong", Guarantee.PRECISION)

    def apply(self, recipe: Recipe) -> Recipe:
        def add_bias(parameters: Any) -> bool:
            for parameter in parameters.values():
                parameter.grad.add_(0.05)
            return True

        awake = replace(recipe, model=(*recipe.model, Surgery(_awake)))
        return awake.with_gradient(add_bias)


@dataclass(frozen=True)
class Costly(Planted):
    """Takes the pause away; its first step takes 5 s, as a compilation does."""

    card: ClassVar[Card] = card("costly")

    def apply(self, recipe: Recipe) -> Recipe:
        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            once = iter([2.5])  # predict and loss are wrapped each

            @functools.wraps(function)
            def compiled(*args: Any) -> Any:
                TIME.pass_s(next(once, 0.0))
                return function(*args)

            return compiled

        return around(replace(recipe, model=(*recipe.model, Surgery(_awake))), wrap)


def _quicker(model: nn.Module) -> nn.Module:
    for layer in model.modules():
        if isinstance(layer, Work) and not isinstance(layer, Pause):
            layer.duration_s /= 2
    return model


@dataclass(frozen=True)
class HalfTheWork(Planted):
    card: ClassVar[Card] = card("half_the_work")

    def apply(self, recipe: Recipe) -> Recipe:
        return replace(recipe, model=(*recipe.model, Surgery(_quicker)))


def _longer(model: nn.Module) -> nn.Module:
    for layer in model.modules():
        if isinstance(layer, Work):
            layer.duration_s *= 1.9
    return model


@dataclass(frozen=True)
class DoubleBatch(Planted):
    """Twice the samples in 1.9 times the time."""

    card: ClassVar[Card] = card("double_batch", Guarantee.TRAJECTORY)

    def apply(self, recipe: Recipe) -> Recipe:
        larger = replace(recipe.input, batch_size=2 * recipe.input.batch_size)
        return replace(recipe, input=larger, model=(*recipe.model, Surgery(_longer)))


@dataclass(frozen=True)
class Raises(Planted):
    card: ClassVar[Card] = card("raises")

    def apply(self, recipe: Recipe) -> Recipe:
        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            def fail(*args: Any) -> Any:
                raise RuntimeError("planted failure")

            return fail

        return around(recipe, wrap)


@dataclass(frozen=True)
class Refuses:
    card: ClassVar[Card] = card("refuses")

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        return f"{machine.cpu} is not for this"

    def apply(self, recipe: Recipe) -> Recipe:
        return recipe


@dataclass(frozen=True)
class AnotherPath(Planted):
    """Trains at ten times the rate."""

    card: ClassVar[Card] = card("another_path", Guarantee.TRAJECTORY)

    def apply(self, recipe: Recipe) -> Recipe:
        rate = recipe.update.lr
        assert rate is not None
        return replace(recipe, update=replace(recipe.update, lr=10 * rate))


class Ground:
    """What `OnGround` stands on: it changes nothing."""

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function


@dataclass(frozen=True)
class LaysGround(Planted):
    card: ClassVar[Card] = card("lays_ground")

    def apply(self, recipe: Recipe) -> Recipe:
        return around(recipe, Ground())


@dataclass(frozen=True)
class OnGround(Planted):
    """Takes the pause away where the ground is laid, and does nothing elsewhere."""

    card: ClassVar[Card] = card("on_ground", after=("lays_ground",), best_with=("lays_ground",))

    def apply(self, recipe: Recipe) -> Recipe:
        if not any(isinstance(one, Ground) for one in recipe.forward.wrappers):
            return recipe
        return replace(recipe, model=(*recipe.model, Surgery(_awake)))


EVERY = (
    LaysGround,
    OnGround,
    Slower,
    Nothing,
    Protects,
    NoPause,
    NoPauseEither,
    NoPauseConflicting,
    FasterButWrong,
    Costly,
    HalfTheWork,
    Raises,
    Refuses,
    AnotherPath,
)
