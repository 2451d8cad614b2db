"""`hasten.apply(tune=...)` finds a plan in the steps of somebody's loop, which stays the same training."""

import copy
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import hasten
from hasten.base.errors import BadInput, HastenError
from hasten.base.records.card import Card
from hasten.base.records.effect import Outcome
from hasten.base.records.trial import Verdict
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe

STEPS = 12_000


class Clock:
    """Moves where a step is planted to take time, by a few percent more or less."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.now, self.random = 0, random.Random(3)

    def pass_s(self, duration_s: float) -> None:
        self.now += round(duration_s * self.random.gauss(1.0, 0.03) * 1e9)

    def read(self) -> int:
        self.now += 100
        return self.now


CLOCK = Clock()
ON: list[str] = []
"""Settings of the process that are on."""
LOSSES: list[str] = []
"""Losses that were computed inside of a technique."""


class Work(nn.Module):
    """Takes time and changes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        CLOCK.pass_s(0.03)
        return x


def made(name: str, *, saved_s: float = 0.0, factor: float = 1.0, guarantee: Guarantee = Guarantee.EXACT) -> Any:
    """Return a technique that saves time in the call of the model, and computes a factor too much."""

    class Planted:
        card: ClassVar[Card] = Card(name=name, stage=Stage.FORWARD, guarantee=guarantee, idea="planted", source="none")

        def refuse(self, recipe: Recipe, machine: Any) -> str | None:
            return None

        def apply(self, recipe: Recipe) -> Recipe:
            def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
                def call(first: Any, *rest: Any) -> Any:
                    found = function(first, *rest)
                    if isinstance(first, nn.Sequential):  # the model, else what goes into the loss
                        CLOCK.pass_s(-saved_s)
                    else:
                        LOSSES.append(name)
                    return found * factor if factor != 1.0 else found

                return call

            @contextmanager
            def process_wide() -> Iterator[None]:
                ON.append(name)
                try:
                    yield
                finally:
                    ON.remove(name)

            forward = recipe.wrap(wrap).forward
            return replace(recipe, forward=replace(forward, contexts=(*forward.contexts, process_wide)))

    return dataclass(frozen=True)(Planted)


KINDS = {
    one.card.name: one
    for one in (made("quick", saved_s=0.01), made("late", saved_s=-0.01), made("wrong", saved_s=0.02, factor=1.01))
}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    CLOCK.restart()
    monkeypatch.setattr("hasten.tuning.budget.read_clock", CLOCK.read)
    for name, kind in KINDS.items():
        monkeypatch.setitem(techniques(), name, kind)


def objects(**changes: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3), Work())
    given = {
        "model": model,
        "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-2),
        "loader": DataLoader(TensorDataset(x, x[:, :3].argmax(1)), batch_size=8),
        "loss": nn.functional.cross_entropy,
    }
    return given | changes


def trained(fast: Any, steps: int, seen: Callable[[int], object] = lambda number: None) -> list[float]:
    """Make so many steps of a loop; return their losses."""
    losses, loss_of = list[float](), fast.loss  # a loop may take it out once
    while len(losses) < steps:
        for inputs, targets in fast.loader:
            loss = loss_of(fast.model(inputs), targets)
            loss.backward()
            fast.optimizer.step()
            fast.optimizer.zero_grad()
            losses.append(loss.item())
            seen(len(losses))
            if len(losses) == steps:
                break
    return losses


def tuned(names: Any = tuple(KINDS), *, steps: int = STEPS, **changes: Any) -> Any:
    return hasten.apply(**objects(**changes), steps=steps, tune=names)


@pytest.mark.parametrize("loss", [nn.functional.cross_entropy, nn.CrossEntropyLoss()])
def test_what_is_faster_is_kept_and_the_losses_keep_every_bit(loss: Any) -> None:
    plain = hasten.apply(**objects(loss=loss))
    with plain:
        expected = trained(plain, 600)
    fast = tuned(loss=loss)
    kind = type(fast.model)
    with fast:
        assert {line.outcome for line in fast.report().lines} == {Outcome.TRIED}
        assert trained(fast, 600) == expected
        assert fast.tuning is not None
        assert fast.tuning.plan.names == ("quick",)
        assert ON == ["quick"], "what a plan sets for the process stays on in the block"
        lines = {line.technique: line for line in fast.report().lines}
        LOSSES.clear()
        began = CLOCK.now
        trained(fast, 100)
        assert (CLOCK.now - began) / 100e9 == pytest.approx(0.02, rel=0.05)
        assert LOSSES == ["quick"] * 100
    assert ON == []
    assert type(fast.model) is kind
    assert fast.loss is loss
    assert fast.tuning.speedup.low > 1.2
    assert lines["quick"].outcome is Outcome.APPLIED
    assert "as fast" in lines["quick"].detail
    assert lines["late"].outcome is Outcome.NOT_KEPT
    assert lines["wrong"].outcome is Outcome.REFUSED
    assert "has other bits" in lines["wrong"].detail
    assert str(fast.report()).endswith("steps of this loop, which count as any others.")
    assert fast.tuning.spent_s < 0.1 * STEPS * 0.03


def test_passes_that_are_no_steps_are_not_timed_and_a_copy_under_way_is_plain() -> None:
    fast = tuned(["quick", "late"])

    def look(number: int) -> None:
        with torch.no_grad():
            fast.model(torch.ones(1, 4))
        if number % 10 == 0:
            fast.model.eval()
            fast.model(torch.ones(1, 4)).sum().backward()
            fast.model.train()
            fast.optimizer.zero_grad()
            for one in (copy.deepcopy(fast.model), pickle.loads(pickle.dumps(fast.model))):
                assert type(one) is nn.Sequential
        CLOCK.pass_s(5.0)  # the loop's own work between two steps

    with fast:
        trained(fast, 600, look)
        assert fast.tuning.plan.names == ("quick",)
        assert fast.tuning.spent_s < 600 * 0.05


def test_several_passes_before_an_update_are_one_step() -> None:
    fast = tuned(["quick"])
    with fast:
        while fast.tuning is None:
            for number, (inputs, targets) in enumerate(fast.loader):
                fast.loss(fast.model(inputs), targets).backward()
                if number % 2:
                    fast.optimizer.step()
                    fast.optimizer.zero_grad()
    assert fast.tuning.plan.names == ("quick",)
    assert fast.tuning.speedup.value == pytest.approx(1.5, rel=0.1)


def test_a_loop_that_is_resumed_goes_on_with_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = tuned()
    with fast:
        trained(fast, 600)
        state = fast.state_dict()
        weights, moments = copy.deepcopy((fast.model.state_dict(), fast.optimizer.state_dict()))
        rest = trained(fast, 8)
    again = tuned()
    with again:
        again.model.load_state_dict(weights)
        again.optimizer.load_state_dict(moments)
        for _ in range(2):
            again.load_state_dict(state)
            assert ON == ["quick"]
        assert again.tuning.plan.names == ("quick",)
        assert trained(again, 8) == rest
    assert ON == []
    with again:  # entered anew, what was found is in place
        assert ON == ["quick"]
    plain = hasten.apply(**objects())
    with plain, pytest.raises(BadInput, match="pass tune="):
        plain.load_state_dict(state)
    early = tuned()
    with early:
        trained(early, 20)
        state = early.state_dict()
        assert early.tuning is None
    late = tuned()
    with late:
        late.load_state_dict(state)
        assert {line.outcome for line in late.report().lines} == {Outcome.TRIED}, "one that was cut tunes anew"


def test_a_loop_too_short_to_pay_is_left_alone() -> None:
    short = tuned(steps=500)
    with short:
        assert trained(short, 30) == trained_plainly(30)
    assert str(short.report()) == (
        "No tuning inside the loop: 500 steps are too few to earn an experiment back; 1920 or more are not."
    )
    quick = tuned(steps=2000, model=(model := nn.Linear(4, 3)), optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with quick:  # its blocks need more steps
        trained(quick, 10)
    assert "too short to earn an experiment back" in quick.tuning.remark
    assert {one.verdict for one in quick.tuning.trials} == {Verdict.INACCURATE, Verdict.INCONCLUSIVE}


def trained_plainly(steps: int) -> list[float]:
    with hasten.apply(**objects()) as plain:
        return trained(plain, steps)


def test_what_cannot_be_turned_on_and_off_is_said_where_it_was_named() -> None:
    fast = tuned(["fused_optimizer", "compile", "ema"])
    lines = {line.technique: line for line in fast.report().lines}
    assert {one.outcome for one in lines.values()} == {Outcome.REFUSED}
    assert "more than the calls of model and loss" in lines["fused_optimizer"].detail
    assert "compiles" in lines["compile"].detail
    assert "no technique that can be turned on and off" in fast.tuning.remark


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"plan": ["quick"]}, "leave the plan out, or tune="),
        ({"steps": None}, "tune= needs steps="),
        ({"wrap": nn.Sequential}, "leave wrap= out, or tune="),
        ({"loader": iter(())}, "found an iterator"),
        ({"tune": ["unheard of"]}, "unheard of"),
    ],
)
def test_loops_that_cannot_be_tuned_inside_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(HastenError, match=why):
        hasten.apply(**objects() | {"steps": STEPS, "tune": list(KINDS)} | changes)


def test_a_compiled_model_is_refused() -> None:
    given = objects()
    given["model"].compile()
    with pytest.raises(BadInput, match="a compiled model"):
        hasten.apply(**given, steps=STEPS, tune=["quick"])
