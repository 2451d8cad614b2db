"""Whatever the data are, 30 steps equal the hand-written loop bit for bit, and a resumed run equals an unbroken one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
)

from hasten import Data, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.base.records.run import Evaluation, Finished, Progress, StopReason
from hasten.data.loading.given_loader import why_no_ids
from hasten.training.building import build
from hasten.training.checkpoint import SCHEMA, load_checkpoint, save_checkpoint
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.session import Session

SAMPLES, STEPS = 100, 30  # as few epochs as make sense: each starts its workers anew
X = torch.randn(SAMPLES, 5, generator=torch.Generator().manual_seed(1))
Y = (X[:, 0] + X[:, 1] > 0).long()
ARRAYS = TensorDataset(X, Y)
HEAD = {"schema": SCHEMA, "identity": {}, "stop": {}, "environment": {"python": ""}}


class Noisy(Dataset[Any]):
    """Samples that draw from the global generator, as augmentation does."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Any:
        return X[index] + 0.1 * torch.randn(5), Y[index]


class Fields(Dataset[Any]):
    """Samples that are dictionaries, with a text."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Any:
        return {"input": X[index], "text": str(index), "labels": Y[index]}


class Streamed(IterableDataset[Any]):
    """Samples one after the other, shared among workers, in another order in each pass."""

    def __init__(self, noise: float = 0.0) -> None:
        self.noise, self.passes = noise, 0

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in range(first, SAMPLES, step):
            place = (index * 7 + self.passes) % SAMPLES
            yield X[place] + self.noise * torch.randn(5), Y[place]


class EveryOther:
    """An iterable of batches without a length; each pass ends with a smaller batch."""

    def __iter__(self) -> Iterator[Any]:
        for first in range(0, SAMPLES, 12):
            yield X[first : first + 12], Y[first : first + 12]


def batches() -> Iterator[Any]:
    for first in torch.randperm(SAMPLES // 5).tolist():
        yield X[5 * first : 5 * first + 5], Y[5 * first : 5 * first + 5]


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        generator = torch.Generator().manual_seed(3)
        while True:
            chosen = torch.randint(SAMPLES, (8,), generator=generator)
            yield X[chosen], Y[chosen]


def joined(samples: list[Any]) -> Any:
    return torch.stack([x for x, _ in samples]), torch.stack([torch.as_tensor(y) for _, y in samples])


def joined_noisily(samples: list[Any]) -> Any:
    x, y = joined(samples)
    return x + 0.1 * torch.rand(len(x), 1), y


class Lazy:
    """A sampler that draws from the global generator as it goes."""

    def __iter__(self) -> Iterator[int]:
        return (int(torch.randint(SAMPLES, ())) for _ in range(SAMPLES))

    def __len__(self) -> int:
        return SAMPLES


def weighted() -> WeightedRandomSampler:
    return WeightedRandomSampler((1.0 + Y).tolist(), 37)


FORMS: dict[str, Callable[[], Any]] = {
    "shuffled loader": lambda: DataLoader(ARRAYS, 8, shuffle=True),
    "loader in order": lambda: DataLoader(ARRAYS, 8),
    "drop_last": lambda: DataLoader(ARRAYS, 8, shuffle=True, drop_last=True),
    "own generator": lambda: DataLoader(ARRAYS, 8, shuffle=True, generator=torch.Generator().manual_seed(5)),
    "own collate": lambda: DataLoader(ARRAYS, 7, shuffle=True, collate_fn=joined),
    "random collate": lambda: DataLoader(ARRAYS, 7, shuffle=True, collate_fn=joined_noisily),
    "weighted sampler": lambda: DataLoader(ARRAYS, 6, sampler=weighted()),
    "with replacement": lambda: DataLoader(ARRAYS, 6, sampler=RandomSampler(ARRAYS, replacement=True, num_samples=40)),
    "lazy sampler": lambda: DataLoader(ARRAYS, 6, sampler=Lazy()),
    "random samples": lambda: DataLoader(Noisy(), 8, shuffle=True),
    "workers": lambda: DataLoader(ARRAYS, 8, shuffle=True, num_workers=2),
    "random samples in workers": lambda: DataLoader(Noisy(), 8, shuffle=True, num_workers=2),
    "persistent workers": lambda: DataLoader(ARRAYS, 8, shuffle=True, num_workers=1, persistent_workers=True),
    "batch sampler": lambda: DataLoader(ARRAYS, batch_sampler=BatchesOfTwoSizes()),
    "data set of batches": lambda: DataLoader(Blocks(), batch_size=None, shuffle=True),
    "iterable data set": lambda: DataLoader(Streamed(), 8),
    "random iterable data set in workers": lambda: DataLoader(Streamed(0.1), 8, num_workers=2),
    "iterable": EveryOther,
    "function": lambda: batches,
}


class BatchesOfTwoSizes:
    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(SAMPLES).tolist()
        for first in range(0, SAMPLES, 10):
            yield order[first : first + 3]
            yield order[first + 3 : first + 10]

    def __len__(self) -> int:
        return SAMPLES // 5


class Blocks(Dataset[Any]):
    def __len__(self) -> int:
        return SAMPLES // 10

    def __getitem__(self, index: int) -> Any:
        return X[10 * index : 10 * index + 10], Y[10 * index : 10 * index + 10]


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))


def task(data: Any, **changes: Any) -> Task:
    made = data if isinstance(data, Data) else Data(train=data, valid=ARRAYS)
    given = {"update": Update(optimizer="adam", lr=1e-2), "stop": Stop(steps=STEPS)} | changes
    return Task(name="forms", data=made, model=model, **given)


def test_a_sampler_that_draws_before_the_epoch_gives_ids() -> None:
    assert why_no_ids(DataLoader(ARRAYS, 6, sampler=weighted())) is None
    assert "during the epoch" in (why_no_ids(DataLoader(ARRAYS, 6, sampler=Lazy())) or "")


def by_hand(loader: Any, steps: int = STEPS) -> tuple[list[float], nn.Module]:
    """The loop that people write, over as many epochs as it takes."""
    torch.manual_seed(0)
    net = model()
    optimizer, losses = optim.Adam(net.parameters(), lr=1e-2), list[float]()
    while True:
        for x, y in loader() if callable(loader) else loader:
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            if len(losses) == steps:
                return losses, net


def trained(run: Session) -> list[float | None]:
    return [loss for event in train(run) if isinstance(event, Progress) for loss in event.losses]


def equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def forms(*fast: str) -> list[Any]:
    """Return the forms to test. Those that start workers, anew for each epoch, are slow but for some."""
    return [pytest.param(one, marks=pytest.mark.slow) if "workers" in one and one not in fast else one for one in FORMS]


@pytest.mark.parametrize("form", forms("random samples in workers", "persistent workers"))
def test_every_step_equals_that_of_the_hand_written_loop(form: str) -> None:
    losses, net = by_hand(FORMS[form]())
    recipe = baseline(task(FORMS[form]()))
    for _ in range(2):  # a second training in one process begins with the same batches
        run = build(recipe)
        assert trained(run) == losses
        assert equal(run.model, net)
    assert psutil.Process().children() == []


@pytest.mark.parametrize("steps", [pytest.param(3, marks=pytest.mark.slow), 17])
@pytest.mark.parametrize("form", [one for one in forms("random iterable data set in workers") if one != "lazy sampler"])
def test_a_resumed_run_equals_an_unbroken_one(form: str, steps: int, tmp_path: Path) -> None:
    whole = build(baseline(task(FORMS[form]())))
    losses = trained(whole)
    first = build(baseline(task(FORMS[form](), stop=Stop(steps=steps, evaluate_every=1000))))
    assert trained(first) == losses[:steps]
    save_checkpoint(first, HEAD, tmp_path / "a")
    rest = build(baseline(task(FORMS[form]())))
    load_checkpoint(rest, HEAD, tmp_path / "a")
    assert trained(rest) == losses[steps:]
    assert equal(rest.model, whole.model)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Data(train=batches(), valid=ARRAYS), "must be iterable many times.*without calling it"),
        (lambda: Data(train=3, valid=ARRAYS), "must be a map-style data set, a DataLoader"),
        (lambda: Data(train=ARRAYS, valid=ARRAYS, steps_per_epoch=3), "steps_per_epoch has no effect"),
        (lambda: task(Data(train=ARRAYS)), "needs validation data or its own evaluation"),
        (lambda: task(DataLoader(ARRAYS, 8), batch_size=9), "is 9 and your DataLoader's is 8"),
        (lambda: task(EveryOther(), batch_size=9), "no effect on training data that come as batches"),
        (lambda: baseline(task(list)), "must give at least one batch"),
    ],
)
def test_what_cannot_be_data_is_refused(make: Callable[[], Any], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        make()


def test_an_endless_stream_has_epochs_of_so_many_steps() -> None:
    run = build(
        baseline(task(Data(train=Endless(), valid=ARRAYS, steps_per_epoch=4), stop=Stop(epochs=3), batch_size=8))
    )
    events = list(train(run))
    assert [event.step for event in events if isinstance(event, Evaluation)] == [4, 8, 12]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason is StopReason.EPOCHS


def test_validate_decides_by_the_value_named_metric() -> None:
    made = task(Data(train=EveryOther()), validate=lambda net: {"score": 2.0, "loss": 1.0}, metric="score",
                higher_is_better=True, stop=Stop(epochs=2))  # fmt: skip
    found = [event for event in train(build(baseline(made))) if isinstance(event, Evaluation)]
    assert [(event.metric, event.valid_loss, event.values["score"]) for event in found] == [(2.0, 1.0, 2.0)] * 2


@pytest.mark.parametrize("size", [None, SAMPLES, SAMPLES + 9])
def test_a_full_batch_of_random_or_collated_samples_is_made_anew_in_each_epoch(size: int | None) -> None:
    run = build(baseline(task(Data(train=Noisy(), valid=ARRAYS), batch_size=size)))
    batches, seen = run.batches(), []
    for _ in range(2):
        seen.append(next(batches)[1][0])
        run.advance(SAMPLES, 0.0)
    assert [len(x) for x in seen] == [SAMPLES, SAMPLES]
    assert not torch.equal(*(x.sort(0).values for x in seen))
    collated: list[int] = []

    def own(samples: list[Any]) -> Any:
        collated.append(len(samples))
        return joined(samples)

    next(build(baseline(task(Data(train=ARRAYS, valid=ARRAYS, collate=own), batch_size=size))).batches())
    assert SAMPLES in collated
