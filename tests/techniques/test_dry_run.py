"""What torch would raise in the first step is refused before training, by technique and layer, and leaves no trace."""

import random
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import weight_norm
from torch.utils.data import TensorDataset

import hasten
from hasten import Choice, Data, Plan, Stop, Task, Update
from hasten.base.errors import Refused
from hasten.base.records.card import Card
from hasten.base.records.trial import Verdict
from hasten.base.seeds import random_state
from hasten.base.stages import Guarantee, Stage
from hasten.machine import facts
from hasten.techniques.applying import apply_each, apply_plan, make
from hasten.techniques.dry_run import dry_run, why_it_fails
from hasten.training.recipe import Recipe, Surgery, baseline
from hasten.tuning.tune import tune

from tiny_tasks import block_task, cnn_task, mlp_task


class Viewed(nn.Module):
    """A convolution whose result is flattened by `.view`, which needs the default layout in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 8, 3), nn.Linear(8 * 7 * 5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.head(x.view(len(x), -1))


class Scatter(nn.Module):
    """Writes the result of a linear layer into a float32 tensor by index."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = torch.zeros(len(x), 2)
        made[torch.arange(len(x))] = self.layer(x)
        return made


class Inner(nn.Module):
    """The failing layer inside of two others."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.inside = nn.Sequential(layer, nn.Identity())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inside(x)


class Rotated(nn.Module):
    """A complex parameter beside real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(5, 2)
        self.phase = nn.Parameter(torch.ones(5, dtype=torch.complex64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head((x * self.phase).real)


BF16 = msgspec.structs.replace(facts(), isa=("avx2", "avx512", "avx512_bf16"))


def plan_of(task: Task, *names: str) -> Plan:
    return Plan(task=task.name, choices=tuple(Choice(technique=name) for name in names))


def sparse_task(**changes: Any) -> Task:
    """Tokens whose embedding has sparse gradients."""
    x = torch.randint(0, 50, (40, 3), generator=torch.Generator().manual_seed(0))

    def model() -> nn.Module:
        return nn.Sequential(nn.Embedding(50, 4, sparse=True), nn.Flatten(), nn.Linear(12, 2))

    data = Data(train=TensorDataset(x, x[:, 0] % 2), valid=TensorDataset(x[:9], x[:9, 0] % 2))
    return mlp_task(data=data, model=model, update=Update(optimizer="sgd", lr=0.1), **changes)


@pytest.mark.parametrize(
    ("task", "name", "where"),
    [
        (cnn_task(model=Viewed), "channels_last", "in the model Viewed: RuntimeError: view size is not compatible"),
        (
            cnn_task(model=lambda: Inner(Viewed())),
            "channels_last",
            "in the layer 'inside.0': RuntimeError: view size is not compatible",
        ),
        (mlp_task(model=lambda: Inner(Scatter())), "bf16", "in the layer 'inside.0': RuntimeError: Index put requires"),
        (mlp_task(model=Rotated), "fused_optimizer", "in the update of 'phase': RuntimeError"),
        (sparse_task(), "fused_optimizer", "in the update of '0.weight'"),
    ],
    ids=["channels_last and view", "in a layer", "bf16 and index_put", "fused and complex", "fused and sparse"],
)
def test_raw_errors_become_refusals_that_name_technique_and_layer(task: Task, name: str, where: str) -> None:
    plan = plan_of(task, "clip_value", name) if name != "fused_optimizer" else plan_of(task, name)
    with pytest.raises(Refused) as refused:
        apply_plan(plan, baseline(task), BF16)
    message = str(refused.value)
    assert message.startswith(f"{name} cannot be used on {task.name!r}: a dry run of one step failed {where}"), message
    assert message.endswith("Leave it out of the plan.")


class Breaking(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no gradient here")


class BreaksBackward:
    """A technique under which the third layer cannot be differentiated."""

    card = Card(name="breaks_backward", stage=Stage.FORWARD, guarantee=Guarantee.EXACT, idea="fail", source="a test")

    def refuse(self, recipe: Recipe, machine: object) -> str | None:
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        def change(model: nn.Module) -> nn.Module:
            class Broken(nn.Linear):
                def forward(self, x: torch.Tensor) -> torch.Tensor:
                    return Breaking.apply(super().forward(x))

            model[3].__class__ = Broken
            return model

        return recipe.__class__(**{**vars(recipe), "model": (*recipe.model, Surgery(change))})


def test_a_failing_backward_pass_names_its_layer() -> None:
    recipe = baseline(mlp_task())
    with pytest.raises(Refused, match="breaks_backward .* the backward pass of the layer '3': RuntimeError: no"):
        dry_run(list(apply_each([BreaksBackward(), make("clip_norm")], recipe, facts())), recipe)


def test_what_fails_without_the_plan_is_not_laid_on_a_technique() -> None:
    recipe = baseline(mlp_task(model=lambda: nn.Linear(4, 2)))
    with pytest.raises(Refused, match="with or without the plan"):
        dry_run(list(apply_each([make("clip_norm")], recipe, facts())), recipe)


@pytest.mark.parametrize("name", ["bf16", "channels_last", "fused_optimizer", "prefetch", "ema"])
def test_a_dry_run_leaves_no_trace(name: str) -> None:
    task = cnn_task(update=Update(optimizer="adam", lr=1e-2))
    random.random(), np.random.rand(), torch.rand(1)
    before, threads = random_state(), torch.get_num_threads()
    apply_plan(plan_of(task, name), baseline(task), BF16)
    after = random_state()
    assert torch.equal(before["torch"], after["torch"])
    assert before["python"] == after["python"]
    assert torch.equal(before["numpy"]["keys"], after["numpy"]["keys"])
    assert before["numpy"]["position"] == after["numpy"]["position"]
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == threads


def test_a_dry_run_sees_the_first_validation_batch() -> None:
    class OnlyTrains(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.training:
                raise RuntimeError("not in evaluation")
            return super().forward(x)

    assert "in the model OnlyTrains: RuntimeError: not in evaluation" in str(
        why_it_fails(baseline(mlp_task(model=lambda: OnlyTrains(5, 2))))
    )


class Attention(nn.Module):
    """Attention written by hand, whose projection has a weight norm."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.project = nn.Embedding(11, 12), weight_norm(nn.Linear(12, 36))
        self.head = nn.Linear(12, 11)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.project(self.tokens(x)).view(len(x), -1, 3, 2, 6).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1) / 6**0.5).softmax(-1)
        return self.head((scores @ v).transpose(1, 2).flatten(2))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("name", ["sdpa", "activation_checkpointing_budget", "lossless_saved", "sparse_input"])
def test_a_weight_norm_hinders_no_technique_that_copies_the_model(name: str) -> None:
    task = block_task(model=Attention, stop=Stop(steps=2))
    why = make(name).refuse(baseline(task), facts())
    if name == "sdpa":
        assert why is None
        hasten.train(task, plan_of(task, name), runs=None)
    else:
        assert why is None or "deepcopy" not in why


def test_tuning_names_the_layer_too() -> None:
    task = cnn_task(model=lambda: Inner(Viewed()))
    *_, tuning = tune(baseline(task), facts(), budget_s=2.0, only=["channels_last"])
    (trial,) = tuning.trials
    assert trial.verdict is Verdict.NOT_APPLICABLE
    assert "channels_last cannot be used" in trial.reason
    assert "in the layer 'inside.0': RuntimeError: view size is not compatible" in trial.reason


def test_a_task_that_evaluates_itself_needs_no_validation_data() -> None:
    task = mlp_task()
    train = task.data.train
    own = mlp_task(data=Data(train=train), validate=lambda model: {"score": 1.0}, metric="score", higher_is_better=True)
    assert why_it_fails(make("centralize").apply(baseline(own))) is None
