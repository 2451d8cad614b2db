"""Batches that are no tuple of tensors are profiled; what cannot be measured on them is absent, with its reason."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import torch
from tests.sample_evidence import make_profile
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from benchmarks.any_training.catalog import TRAININGS
from hasten import Data, Stop, Task
from hasten.data.batch import tensors_of
from hasten.machine import facts
from hasten.profiling import memory
from hasten.profiling.growth import growths, image_side
from hasten.profiling.memory import memory_account
from hasten.profiling.padding import padding_share
from hasten.profiling.stepping import one_batch, why_one_size
from hasten.profiling.work import count_work
from hasten.report.depths import profile_sentences
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.session import Session


def session(name: str) -> Session:
    return build(baseline(TRAININGS[name].task()))


class Messages(nn.Module):
    """A graph network whose batches are plain tuples: rows of the edges point to rows of the nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        gathered = torch.zeros_like(nodes).index_add(0, edges[1], nodes[edges[0]])
        return self.layer(gathered).squeeze(1)


def graphs() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    nodes = torch.arange(6)
    for _ in range(4):
        yield torch.randn(6, 4), torch.stack([nodes, nodes.roll(1)]), torch.randn(6)


def graph_task() -> Task:
    data = Data(train=graphs, valid=graphs)
    return Task(name="graphs", data=data, model=Messages, loss=F.mse_loss, metric="loss", stop=Stop(steps=4))


def own_step_task() -> Task:
    """An autoencoder: its batches have no target, and its step alone knows what is done with them."""

    def step(session: Session, batch: tuple[torch.Tensor]) -> torch.Tensor:
        loss = F.mse_loss(session.model(batch[0]), batch[0])
        loss.backward()
        session.optimizers["optimizer"].step()
        return loss

    return Task(
        name="auto", data=Data(train=TensorDataset(torch.randn(40, 3))), model=lambda: nn.Linear(3, 3), step=step,
        validate=lambda model: {"error": 1.0}, metric="error", higher_is_better=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (lambda: TRAININGS["mlp"].task(), None),
        (lambda: TRAININGS["detection"].task(), None),
        (lambda: TRAININGS["bert"].task(), None),
        (lambda: TRAININGS["graph-network"].task(), "the batch holds a Graphs"),
        (lambda: TRAININGS["lstm-packed"].task(), "the batch holds a PackedSequence at [0]"),
        (graph_task, "the model fails on a part of a batch (IndexError: "),
        (own_step_task, "the task's own step may not take a part of a batch"),
    ],
)
def test_whether_steps_on_other_sizes_say_anything(task: Any, reason: str | None) -> None:
    found = why_one_size(baseline(task()))
    assert found is None if reason is None else found is not None and found.startswith(reason)


@pytest.mark.parametrize("name", ["bert", "graph-network", "detection"])
def test_the_memory_of_a_batch_is_that_of_its_tensors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MOST_WATCHED", 3)  # not to where an epoch begins: there each look draws another order
    run = session(name)
    one_size = name == "graph-network"
    with run.contexts:
        found = memory_account(run, facts(), activation_bytes=0, step_s=1.0, budget_s=0.0, one_size=one_size)
        assert found.inputs == sum(tensor.nbytes for tensor in tensors_of(one_batch(run))) > 0
    assert (found.predicted_peak is None) is (found.largest_batch is None) is one_size
    (said,) = profile_sentences(msgspec.structs.replace(make_profile(), memory=found))
    assert ("predicted" in said) is ("Largest batch size" in said) is not one_size


def test_inputs_are_no_activations_whatever_holds_them() -> None:
    def kept(train: Any, predict: Any) -> int:
        model = lambda: nn.Linear(64, 2, bias=False)  # noqa: E731
        data = Data(train=train, valid=train)
        task = Task(name="rows", data=data, model=model, predict=predict, loss="mse", stop=Stop(steps=2))
        run = build(baseline(task))
        with run.contexts:
            return count_work(run, one_batch(run)).activation_bytes

    x, y = torch.randn(32, 64), torch.randn(32, 2)
    named = kept([{"x": x, "y": y}] * 2, lambda net, batch: net(batch["x"]))
    assert named == kept([(x, y)] * 2, lambda net, batch: net(batch[0]))


def test_growth_over_sizes_that_a_batch_cannot_have_is_not_measured() -> None:
    run, remarks = session("graph-network"), list[str]()
    with run.contexts:
        assert image_side(one_batch(run)) is None
        assert growths(run, budget_s=0.1, remarks=remarks, one_size=True) == ()
    assert remarks == []


def test_a_model_that_fails_at_one_size_ends_the_growth_with_the_reason() -> None:
    class Limited(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002
            assert len(input) <= 8, "made for 8 samples"
            return super().forward(input)

    data = [(torch.randn(8, 4), torch.randn(8, 1))] * 4
    task = Task(
        name="limited", data=Data(train=data, valid=data), model=lambda: Limited(4, 1), loss="mse", stop=Stop(steps=4)
    )
    run, remarks = build(baseline(task)), list[str]()
    with run.contexts:
        (time, _) = growths(run, budget_s=5.0, remarks=remarks)
    assert time.sizes == (2, 4, 8)
    assert remarks == ["batch size 16 could not be measured: AssertionError: made for 8 samples"]


def test_padding_is_found_in_named_and_nested_inputs() -> None:
    tokens = torch.tensor([[1, 2, 3, 0, 0, 0]])
    assert padding_share([{"ids": tokens, "labels": tokens}]) == padding_share([((tokens, 3), tokens)]) == 0.5
