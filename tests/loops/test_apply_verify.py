"""`hasten.apply(verify=...)` catches techniques that break their guarantee, and leaves everything as it was."""

import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import hasten
from hasten.base.errors import BadInput, HastenWarning, Refused
from hasten.base.records.card import Card
from hasten.base.records.effect import Outcome
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe, Surgery

EXACT, ROUNDING, PRECISION = Guarantee.EXACT, Guarantee.ROUNDING, Guarantee.PRECISION


@dataclass(frozen=True)
class Planted:
    """Makes the gradients of the model a factor too large, by hooks on its parameters, and promises what it is told."""

    factor: float = 1.0

    card: ClassVar[Card]

    def refuse(self, recipe: Recipe, machine: Any) -> str | None:
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        return replace(recipe, model=(*recipe.model, Surgery(self._hooked)))

    def _hooked(self, model: nn.Module) -> nn.Module:
        for parameter in model.parameters():
            parameter.register_hook(lambda gradient: gradient * self.factor)
        return model


def kind_of(name: str, guarantee: Guarantee) -> Any:
    card = Card(name=name, stage=Stage.FORWARD, guarantee=guarantee, idea="planted: wrong gradients", source="none")
    return type("Made", (Planted,), {"card": card})


KINDS = {guarantee: kind_of(f"planted_{guarantee.value}", guarantee) for guarantee in (EXACT, ROUNDING, PRECISION)}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS.values():
        monkeypatch.setitem(techniques(), kind.card.name, kind)


def planted(guarantee: Guarantee, factor: float) -> Any:
    return KINDS[guarantee](factor)


def objects(**changes: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    x = torch.randn(40, 6)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 3))
    given = {
        "model": model,
        "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-2),
        "loader": DataLoader(
            TensorDataset(x, x[:, :3].argmax(1)), batch_size=8, shuffle=True, generator=torch.Generator()
        ),
        "loss": nn.CrossEntropyLoss(),
    }
    return given | changes


@pytest.mark.parametrize(
    ("guarantee", "factor", "caught"),
    [
        (EXACT, 1.0, False),
        (EXACT, 1 + 1e-6, True),
        (ROUNDING, 1.0, False),
        (ROUNDING, 1 + 1e-3, True),
        (PRECISION, 1 + 1e-3, False),
        (PRECISION, 1.5, True),
        (PRECISION, float("nan"), True),
    ],
)
def test_wrong_gradients_are_caught_by_the_guarantee_that_they_break(
    guarantee: Guarantee, factor: float, caught: bool
) -> None:
    plan = [planted(guarantee, factor)]
    if caught:
        with pytest.raises(
            Refused, match=rf"planted_{guarantee.value} refused: it breaks its guarantee \({guarantee.value}\): .*"
        ):
            hasten.apply(plan, **objects(), verify=True, strict=True)
    else:
        with hasten.apply(plan, **objects(), verify=3, strict=True) as fast:
            assert fast.report().of(f"planted_{guarantee.value}").detail == f"{guarantee.value} in 3 steps"


def test_only_the_wrong_one_of_several_is_left_out() -> None:
    plan = [planted(EXACT, 2.0), "batched_gather", planted(ROUNDING, 1.0)]
    with pytest.warns(HastenWarning, match="planted_exact refused: it breaks its guarantee"):
        fast = hasten.apply(plan, **objects(), verify=True)
    with fast:
        lines = {line.technique: line for line in fast.report().lines}
    assert lines["planted_exact"].outcome is Outcome.REFUSED
    assert "the gradient of 0.weight of step 1 has other bits" in lines["planted_exact"].detail
    assert lines["batched_gather"].detail == "exact in 5 steps"
    assert lines["planted_rounding"].detail == "rounding in 5 steps"


def test_real_techniques_pass_and_one_that_changes_the_training_is_said_to_be_unverified() -> None:
    plan = ["batched_gather", "fused_optimizer", "clip_norm"]
    with hasten.apply(plan, **objects(), verify=True, strict=True) as fast:
        details = {line.technique: line.detail for line in fast.report().lines}
    assert details == {
        "batched_gather": "exact in 5 steps",
        "fused_optimizer": "rounding in 5 steps",
        "clip_norm": "not verified: it changes the training on purpose",
    }


def test_verification_leaves_model_optimizer_loader_and_generators_as_they_were() -> None:
    given = objects()
    weights, order = copy.deepcopy(given["model"].state_dict()), given["loader"].generator.get_state()
    drawn = torch.get_rng_state()
    hasten.apply(["fused_optimizer", "batched_gather"], **given, verify=True)
    assert all(torch.equal(value, weights[name]) for name, value in given["model"].state_dict().items())
    assert not given["optimizer"].state
    assert torch.equal(torch.get_rng_state(), drawn)
    assert torch.equal(given["loader"].generator.get_state(), order)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loader": iter(())}, "verify= and tune= need batches that can be read more than once; found an iterator"),
        ({"loader": None}, "found neither a loader nor an example"),
        (
            {"loss": nn.BCELoss()},
            r"verify= and tune= make steps of their own, loss\(model\(inputs\), target\).* that failed",
        ),
    ],
)
def test_a_loop_that_cannot_be_tried_says_why(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        hasten.apply([planted(EXACT, 1.0)], **objects(**change), verify=True)


def test_a_model_that_insists_on_float32_is_said_to_be_unverified_for_rounding() -> None:
    class Insists(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            assert x.dtype is torch.float32
            return super().forward(x)

    model = Insists(6, 3)
    given = objects(model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with hasten.apply([planted(ROUNDING, 1.0)], **given, verify=True) as fast:
        assert "not verified: the loop cannot be computed in float64" in fast.report().of("planted_rounding").detail
