"""Healthy trainings that look odd: the whole doctor says nothing of them. Each was an alarm once."""

import copy
import io
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from hasten.base.seeds import seed_all
from hasten.pipeline.diagnosing import Diagnosing

LOOPS: list[Callable[[], None]] = []


def healthy(loop: Callable[[], None]) -> Callable[[], None]:
    LOOPS.append(loop)
    return loop


def rows(number: int = 320, width: int = 8) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(number, width)
    return inputs, (inputs[:, 0] + inputs[:, 1] > 0).long()


def batches(inputs: Tensor, targets: Tensor, epochs: int = 4, size: int = 32) -> Iterator[tuple[Tensor, Tensor]]:
    for _ in range(epochs):
        for at in torch.randperm(len(inputs)).split(size):
            yield inputs[at], targets[at]


def step(optimizer: optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@healthy
def copies_that_adapt_to_tasks() -> None:
    model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.Adam(model.parameters(), 1e-3)
    for _ in range(60):
        inputs, phase = 6 * torch.rand(16, 1) - 3, 3 * torch.rand(())
        adapted = copy.deepcopy(model)
        loss = F.mse_loss(adapted(inputs), (inputs + phase).sin())
        gradients = torch.autograd.grad(loss, list(adapted.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(adapted.parameters(), gradients, strict=True):
                weight -= 0.05 * gradient
        loss = F.mse_loss(adapted(inputs), (inputs + phase).sin())
        optimizer.zero_grad()
        loss.backward()
        for weight, other in zip(model.parameters(), adapted.parameters(), strict=True):
            weight.grad = other.grad
        optimizer.step()


@healthy
def a_mask_of_minus_infinity_beside_as_many_tokens() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.places = nn.Embedding(9, 16), nn.Parameter(0.1 * torch.randn(12, 1, 16))
            self.layer, self.head = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0), nn.Linear(16, 9)

        def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
            return self.head(self.layer(self.embed(tokens) + self.places, src_mask=mask))

    model, mask = Reader(), nn.Transformer.generate_square_subsequent_mask(12)
    optimizer = optim.Adam(model.parameters(), 3e-3)
    for _ in range(80):
        begin = torch.randint(9, (1, 16))
        tokens = (begin + 2 * torch.arange(13)[:, None] * (1 + begin % 2)) % 9
        step(optimizer, F.cross_entropy(model(tokens[:-1], mask).flatten(0, 1), tokens[1:].flatten()))


@healthy
def few_long_streams_of_labels() -> None:
    symbols = torch.randint(2, (8, 600))
    labels = symbols.roll(2, 1)
    model, head = nn.GRU(2, 24, batch_first=True), nn.Linear(24, 2)
    optimizer = optim.Adam([*model.parameters(), *head.parameters()], 1e-2)
    for _ in range(4):
        state = None
        for at in range(0, 600, 24):
            hidden, state = model(F.one_hot(symbols[:, at : at + 24], 2).float(), state)
            state = state.detach()
            step(optimizer, F.cross_entropy(head(hidden).flatten(0, 1), labels[:, at : at + 24].flatten()))
    with torch.no_grad():
        head(model(F.one_hot(symbols, 2).float())[0])


@healthy
def lbfgs_on_an_equation() -> None:
    model = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
    places = torch.linspace(0, 1, 60)[:, None].requires_grad_()
    ends = torch.tensor([[0.0], [1.0]])
    optimizer = optim.LBFGS(model.parameters(), 1.0, max_iter=4, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        (slope,) = torch.autograd.grad(model(places).sum(), places, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), places, create_graph=True)
        wanted = math.pi**2 * (math.pi * places).sin()
        loss = (bend + wanted).square().mean() + 10 * model(ends).square().mean()
        loss.backward()
        return loss

    for _ in range(70):
        optimizer.step(closure)


@healthy
def a_schedule_that_goes_on_after_a_whole_one() -> None:
    def made() -> tuple[nn.Module, optim.Optimizer, optim.lr_scheduler.CosineAnnealingLR]:
        seed_all(1)
        model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 1))
        optimizer = optim.AdamW(model.parameters(), 3e-3)
        return model, optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)

    inputs = torch.randn(350, 8)
    targets = inputs[:, :1] + 0.5 * torch.randn(350, 1)

    def trained(parts: Any, first: int, last: int) -> None:
        model, optimizer, schedule = parts
        for _ in range(first, last):
            for batch, wanted in batches(inputs, targets, 1, 50):
                step(optimizer, F.mse_loss(model(batch), wanted))
            schedule.step()

    trained(made(), 0, 20)
    trained(broken := made(), 0, 9)
    kept = io.BytesIO()
    torch.save([one.state_dict() for one in broken], kept)
    kept.seek(0)
    for one, state in zip(going_on := made(), torch.load(kept), strict=True):
        one.load_state_dict(state)
    trained(going_on, 9, 20)


@healthy
def log_probabilities_picked_one_by_one() -> None:
    policy = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3), nn.LogSoftmax(-1))
    optimizer = optim.Adam(policy.parameters(), 5e-3)
    for _ in range(60):
        chosen, gains = list[Tensor](), list[float]()
        for _ in range(24):
            cue = int(torch.randint(3, ()))
            logs = policy(F.one_hot(torch.tensor(cue), 4).float())
            action = int(torch.multinomial(logs.detach().exp(), 1))
            chosen.append(logs[action])
            gains.append(float(action == cue))
        returns = torch.tensor(gains)
        step(optimizer, -(torch.stack(chosen) * (returns - returns.mean()) / (returns.std() + 1e-6)).sum())


@healthy
def the_best_weights_are_put_back() -> None:
    inputs = torch.randn(80, 8)
    labels = (inputs[:, 0] + 1.5 * torch.randn(80) > 0).long()
    model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 2))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    best, kept = math.inf, copy.deepcopy(model.state_dict())
    for _ in range(40):
        for batch, wanted in batches(inputs[:40], labels[:40], 1, 20):
            step(optimizer, F.cross_entropy(model(batch), wanted))
        with torch.no_grad():
            loss = float(F.cross_entropy(model(inputs[40:]), labels[40:]))
        if loss < best:
            best, kept = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)


@healthy
def a_scaler_that_skips_its_first_steps() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = optim.SGD(model.parameters(), 0.2, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    for batch, labels in batches(*rows(), epochs=12):
        optimizer.zero_grad()
        scaler.scale(4 * F.cross_entropy(model(batch), labels)).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        scaler.step(optimizer)
        scaler.update()


class Sign(torch.autograd.Function):
    """A sign whose gradient passes straight through."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        return torch.where(inputs >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


@healthy
def weights_of_two_values() -> None:
    class Binary(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            return F.linear(inputs, Sign.apply(self.weight)) / self.in_features**0.5 + self.bias

    model = nn.Sequential(Binary(8, 32), nn.BatchNorm1d(32), nn.Hardtanh(), nn.Linear(32, 2))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for batch, labels in batches(*rows(), epochs=12):
        step(optimizer, F.cross_entropy(model(batch), labels))


@healthy
def all_nodes_of_a_graph() -> None:
    labels = torch.arange(120) % 3
    near = (torch.rand(120, 120) < torch.where(labels[:, None] == labels, 0.2, 0.01)).float() + torch.eye(120)
    near = near / near.sum(1, keepdim=True)
    nodes = F.one_hot(labels, 3) + torch.randn(120, 3)
    first, second = nn.Linear(3, 16), nn.Linear(16, 3)

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = first, second

        def forward(self, given: Tensor) -> Tensor:
            return near @ self.second((near @ self.first(given)).relu())

    model, known = Graph(), torch.arange(120) < 60
    optimizer = optim.Adam(model.parameters(), 1e-2, weight_decay=5e-3)
    for _ in range(100):
        step(optimizer, F.cross_entropy(model(nodes)[known], labels[known]))


@healthy
def an_overlap_and_a_little_cross_entropy() -> None:
    def spots(number: int) -> tuple[Tensor, Tensor]:
        masks = torch.zeros(number, 1, 12, 12)
        for mask in masks:
            row, column = torch.randint(9, (2,)).tolist()
            mask[:, row : row + 2, column : column + 3] = 1
        return 1.1 * masks + 0.4 * torch.randn_like(masks), masks

    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1), nn.Sigmoid())
    optimizer = optim.SGD(model.parameters(), 0.3, momentum=0.9)
    for batch, masks in batches(*spots(240), epochs=8, size=20):
        shares = model(batch)
        overlap = (2 * (shares * masks).sum((1, 2, 3)) + 1) / (shares.sum((1, 2, 3)) + masks.sum((1, 2, 3)) + 1)
        step(optimizer, (1 - overlap).mean() + 0.1 * F.binary_cross_entropy(shares, masks))


@pytest.mark.parametrize("loop", LOOPS, ids=[loop.__name__ for loop in LOOPS])
def test_nothing_is_said(loop: Callable[[], None]) -> None:
    seed_all(0)
    with Diagnosing(name="loop") as doctor:
        loop()
    assert doctor.failed == {}
    assert [one.sentence for one in doctor.diagnosis().findings] == []
