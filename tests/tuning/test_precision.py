"""The gate of PRECISION passes harmless changes of the numerics and refuses harmful ones, which are planted here."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import Data, Task, Update
from hasten.base.records.trial import Gate
from hasten.base.stages import Guarantee
from hasten.techniques.forward.autocast import Autocast
from hasten.training.building import build
from hasten.training.loss import CrossEntropy
from hasten.training.recipe import Recipe, baseline
from hasten.tuning.branch import Branch, branch, harm, twins
from hasten.tuning.gates import Reference, judge
from hasten.tuning.precision import compare_gradients
from hasten.tuning.reference_step import state_of
from hasten.tuning.tolerances import BRANCH_STEPS

from planted import small_task

Change = Callable[[Recipe], Recipe]
LAYERS = {"": "the model", "l": "l (Linear)"}


def gate_of(candidate: Change, task: Task) -> Gate:
    recipe = baseline(task)
    return judge(candidate(recipe), Guarantee.PRECISION, Reference(recipe))


def on_gradients(change: Callable[[Tensor], object], *layers: str) -> Change:
    """Return a candidate that changes gradients in place: of all parameters, or of those that are named."""

    def apply(parameters: Any) -> bool:
        for name, parameter in parameters.items():
            if not layers or name in layers:
                change(parameter.grad)
        return True

    return lambda recipe: recipe.with_gradient(apply)


def noise_of(share: float) -> Change:
    return on_gradients(lambda g: g.add_(torch.randn_like(g), alpha=share * float(g.norm()) / math.sqrt(g.numel())))


class Rounded:
    """Leaves parameters as bfloat16 holds them after every update, so that small updates are lost."""

    def init(self, parameters: Any) -> dict[str, Any]:
        return {}

    def update(self, parameters: Any, state: Any, info: Any) -> None:
        with torch.no_grad():
            for parameter in parameters.values():
                parameter.copy_(parameter.bfloat16().float())


def in_bf16(recipe: Recipe) -> Recipe:
    return recipe.wrap(Autocast("cpu", torch.bfloat16))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cell, self.head = nn.Embedding(12, 16), nn.LSTMCell(16, 16), nn.Linear(16, 12)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = memory = torch.zeros(len(tokens), 16)
        found = []
        for x in self.embed(tokens).unbind(1):
            hidden, memory = self.cell(x, (hidden, memory))
            found.append(self.head(hidden))
        return torch.stack(found, 1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(12, 16), nn.Linear(16, 48), nn.Linear(16, 12)

    causal = True

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        q, k, v = self.mix(x).chunk(3, -1)
        return self.head(x + nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal))


def sequence_task(model: Callable[[], nn.Module], **changes: Any) -> Task:
    """Counting modulo 12 in steps of 1 to 3, with a tenth of the tokens at random."""
    generator = torch.Generator().manual_seed(5)
    start, stride = torch.randint(12, (400, 1), generator=generator), torch.randint(1, 4, (400, 1), generator=generator)
    tokens = (start + stride * torch.arange(9)) % 12
    noise = torch.rand(tokens.shape, generator=generator) < 0.1
    tokens = torch.where(noise, torch.randint(12, tokens.shape, generator=generator), tokens)
    data = TensorDataset(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
    return small_task(
        model=model,
        data=Data(train=data, valid=data),
        loss=CrossEntropy(ignore_index=None, class_dim=-1),
        metric="loss",
        update=Update(optimizer="adam", lr=5e-3),
        **changes,
    )


def images_task(**changes: Any) -> Task:
    """Three classes of 8 x 8 images, and a residual network with batch norm."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(300) % 3
    images = torch.randn(300, 1, 8, 8, generator=generator)
    images[:, 0, :, 0] += labels[:, None] - 1.0
    data = TensorDataset(images, labels)

    def model() -> nn.Module:
        first = [nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
        return nn.Sequential(
            *first, nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3)
        )

    update = Update(optimizer="momentum", lr=0.02)
    return small_task(model=model, data=Data(train=data, valid=data), update=update, **changes)


TASKS: dict[str, Callable[[], Task]] = {
    "perceptron": small_task,
    "lstm": lambda: sequence_task(Recurrent),
    "attention": lambda: sequence_task(Attention),
    "batch norm": images_task,
}


def slow(*values: object) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize("task", ["perceptron", "attention", slow("lstm"), slow("batch norm")])
@pytest.mark.parametrize("candidate", [in_bf16, noise_of(0.05)], ids=["bf16", "noise"])
def test_harmless_numerics_pass(task: str, candidate: Change) -> None:
    gate = gate_of(candidate, TASKS[task]())
    assert gate.passed, gate.detail


def unstable_task(lr: float, optimizer: str) -> Task:
    """Labels at random, and a rate so large that two branches which differ by a rounding soon differ by far more."""
    generator = torch.Generator().manual_seed(3)
    inputs, labels = torch.randn(256, 6, generator=generator), torch.randint(3, (256,), generator=generator)
    data = TensorDataset(inputs, labels)

    def model() -> nn.Module:
        hidden = [layer for _ in range(2) for layer in (nn.Linear(24, 24), nn.Tanh())]
        return nn.Sequential(nn.Linear(6, 24), nn.Tanh(), *hidden, nn.Linear(24, 3))

    update = Update(optimizer=optimizer, lr=lr)
    return small_task(model=model, data=Data(train=data, valid=data), update=update, batch_size=64)


@pytest.mark.parametrize(("optimizer", "lr"), [("adam", 0.3), slow("momentum", 1.5)])
def test_another_rounding_passes_where_it_grows_to_another_loss(optimizer: str, lr: float) -> None:
    task = unstable_task(lr, optimizer)
    recipe = baseline(task)
    run, other, state = build(recipe), build(noise_of(1e-6)(recipe)), Reference(recipe).states[-1]
    apart = np.abs(branch(run, state).losses - branch(other, state).losses)
    assert apart.max() > 1000 * apart[:4].max(), "small differences grow, or this tests nothing"
    gate = gate_of(noise_of(1e-6), task)
    assert gate.passed, gate.detail


def weight_of(task: Task) -> str:
    return next(name for name, value in build(baseline(task)).named_parameters.items() if value.ndim > 1)


@pytest.mark.parametrize("task", ["attention", slow("batch norm")])
@pytest.mark.parametrize(
    "change",
    [Tensor.zero_, Tensor.neg_, lambda g: g.add_(3 * g.norm() / math.sqrt(g.numel()))],
    ids=["zero", "negative", "biased"],
)
def test_a_broken_gradient_of_one_layer_is_refused_and_named(task: str, change: Callable[[Tensor], object]) -> None:
    made = TASKS[task]()
    name = weight_of(made)
    gate = gate_of(on_gradients(change, name), made)
    assert not gate.passed
    assert name.rpartition(".")[0] in gate.detail


@pytest.mark.parametrize("task", ["perceptron", slow("batch norm")])
@pytest.mark.parametrize(
    "candidate",
    [
        noise_of(0.7),
        on_gradients(lambda g: g.mul_(0.9)),
        on_gradients(lambda g: g.mul_(1.1)),
        on_gradients(lambda g: g.div_(1 + 1e4 * g.norm())),
        on_gradients(lambda g: g.copy_((g * 1e-6).half().float() * 1e6)),
        lambda recipe: recipe.with_update(lr=recipe.update.lr / 3),
        lambda recipe: recipe.with_update(lr=recipe.update.lr * 30),
    ],
    ids=["noise", "too small", "too large", "clipped", "underflow", "slower updates", "updates too large"],
)
def test_harmful_numerics_are_refused(task: str, candidate: Change) -> None:
    assert not gate_of(candidate, TASKS[task]()).passed


def test_a_lost_attention_mask_is_refused() -> None:
    def unmask(model: nn.Module) -> nn.Module:
        model.causal = False  # type: ignore[assignment]
        return model

    assert not gate_of(lambda recipe: recipe.with_surgery(unmask), sequence_task(Attention)).passed


@pytest.mark.parametrize(("lr", "passes"), [(1e-5, False), (5e-3, True)])
def test_bf16_parameters_are_refused_where_their_updates_are_lost(lr: float, passes: bool) -> None:
    task = replace(small_task(), update=Update(optimizer="adam", lr=lr))
    gate = gate_of(lambda recipe: recipe.with_post_step(Rounded()), task)
    assert gate.passed is passes, gate.detail
    assert passes or "of the way" in gate.detail


def test_gradients_are_compared_along_the_branch_of_the_baseline() -> None:
    recipe = baseline(small_task())
    run, other = build(recipe), build(on_gradients(lambda g: g.mul_(1.25))(recipe))
    layers, walked = compare_gradients(run, other, state_of(build(recipe)))
    assert [layer.name for layer in layers] == ["0 (Linear)", "3 (Linear)"]
    for layer in layers:
        assert layer.error == pytest.approx(0.25 * layer.gradient, rel=1e-4)
        assert layer.mean_error == pytest.approx(0.25 * layer.mean_gradient, rel=1e-4)
        assert layer.along == pytest.approx(0.25 * layer.mean_gradient**2, rel=1e-4)
    plain = branch(run, state_of(build(recipe)))
    assert (plain.losses == walked.losses).all()
    assert all(torch.equal(plain.moved[name], value) for name, value in walked.moved.items())


def made_branch(losses: np.ndarray, way: float = 1.0) -> Branch:
    return Branch(losses, {"l.weight": torch.full((4,), way)}, LAYERS)


def test_a_branch_is_compared_with_others_only_where_it_is_worse() -> None:
    plain = np.linspace(1.0, 0.9, BRANCH_STEPS) + 0.01 * np.cos(np.arange(BRANCH_STEPS))
    asked: list[int] = []

    def others() -> list[Branch]:
        asked.append(1)
        return [made_branch(plain + shift) for shift in (0.2, -0.2, 0.1)]

    def passes(one: Branch) -> bool:
        return all(measured <= bound for measured, bound, _ in harm(one, made_branch(plain), others))

    assert passes(made_branch(plain + 1e-5))
    assert not asked
    assert passes(made_branch(plain + 0.2)), "the baseline's own branches differ as much"
    assert not passes(made_branch(plain + 2.0))
    assert not passes(made_branch(plain * math.nan))
    assert not passes(made_branch(plain, way=0.3)), "they all move the whole way"


def test_twins_differ_from_each_other_and_leave_the_session_as_it_was() -> None:
    recipe = baseline(small_task())
    run = build(recipe)
    state = state_of(run)
    found = [float(one.losses[-1]) for one in twins(run, state)]
    assert len(set(found)) == len(found)
    assert found == [float(one.losses[-1]) for one in twins(run, state)]
    assert not run.gradient
