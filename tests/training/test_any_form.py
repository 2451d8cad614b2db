"""Trainings of every form: the empty plan is the hand-written loop bit for bit, and parts add up or are refused."""

from collections import UserDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, Dataset, default_collate

from hasten import CrossEntropy, Data, Stop, Task, Update
from hasten.base.records.run import Evaluation, Progress
from hasten.machine import facts
from hasten.techniques.backward.micro_batch import MicroBatch
from hasten.training.building import build
from hasten.training.check import check
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.training.session import Session

STEPS, SAMPLES, BATCH = 50, 42, 8
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(SAMPLES, 6, generator=GENERATOR)
Y = torch.arange(SAMPLES) % 3
IDS = torch.randint(11, (SAMPLES, 7), generator=GENERATOR)
MASK = (torch.arange(7) < 3 + torch.arange(SAMPLES)[:, None] % 5).long()


class Samples(Dataset[Any]):
    """Samples of any form."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def __getitem__(self, index: int) -> Any:
        return self.make(index)

    def __len__(self) -> int:
        return SAMPLES


@dataclass(frozen=True)
class Form:
    """A training as its owner writes it.

    Args:
        name: of the test.
        make: the number of a sample -> the sample.
        model: builds the model.
        by_hand: (model, batch) -> what the hand-written loop calls backward on.
        task: what the task says of it: loss, predict, objective.
        refused: what accumulation is refused with; empty where parts add up.
        collate: makes a batch.
        optimizer: of the model.
        dry_run: what the hand-written loop calls once before the optimizer is made.
    """

    name: str
    make: Callable[[int], Any]
    model: Callable[[], nn.Module]
    by_hand: Callable[[nn.Module, Any], Tensor]
    task: dict[str, Any]
    refused: str = ""
    collate: Callable[[Sequence[Any]], Any] = default_collate
    optimizer: Callable[[nn.Module], optim.Optimizer] = field(default=lambda model: optim.SGD(model.parameters(), 0.05))
    dry_run: Callable[[nn.Module], Any] | None = None


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))


class Transformer(nn.Module):
    """What a model of transformers looks like from outside: keywords in, an object with `loss` and `logits` out."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 8), nn.Linear(8, 11)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> Any:
        logits = self.head((self.embed(input_ids) * attention_mask[..., None]).cumsum(1))
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].reshape(-1, 11), labels[:, 1:].reshape(-1))
        return SimpleNamespace(loss=loss, logits=logits)


class Encoding(UserDict[str, Any]):
    """A mapping that is no dict, as a tokenizer returns."""


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(6, 4), nn.Linear(2, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, spread = self.encode(x).chunk(2, 1)
        return self.decode(mean + spread.exp() * torch.randn_like(mean)), mean, spread


def evidence(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    found, mean, spread = model(x)
    apart = 0.5 * (mean.square() + (2 * spread).exp() - 1 - 2 * spread).sum(1).mean()
    return {"reconstruction": F.mse_loss(found, x), "divergence": apart}


class Tasks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.kind, self.size = nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = self.trunk(x).relu()
        return {"kind": self.kind(hidden), "size": self.size(hidden).squeeze(1)}


def both(model: nn.Module, batch: Any) -> dict[str, Tensor]:
    x, targets = batch
    found = model(x)
    return {
        "kind": F.cross_entropy(found["kind"], targets["kind"]),
        "size": F.mse_loss(found["size"], targets["size"]),
    }


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, images: Sequence[Tensor]) -> list[Tensor]:
        return [self.layer(image.flatten(1).mean(1)) for image in images]


def boxes_off(model: nn.Module, batch: Any) -> Tensor:
    images, targets = batch
    found = model(images)
    each = [(one - target["boxes"]).abs().mean() for one, target in zip(found, targets, strict=True)]
    return torch.stack(each).mean()


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells, self.head = nn.LSTM(2, 8), nn.Linear(8, 3)

    def forward(self, texts: Any) -> Tensor:
        return self.head(self.cells(texts)[1][0][-1])


def packed(samples: Sequence[Any]) -> Any:
    return pack_sequence([x for x, _ in samples], enforce_sorted=False), torch.tensor([y for _, y in samples])


class Graphs:
    """A graph batch as libraries make it: nodes of all graphs in one tensor, moved by a method of its own."""

    def __init__(self, nodes: Tensor, of: Tensor, y: Tensor) -> None:
        self.nodes, self.of, self.y, self.num_graphs = nodes, of, y, len(y)

    def to(self, device: Any) -> "Graphs":
        return Graphs(self.nodes.to(device), self.of.to(device), self.y.to(device))


def joined(samples: Sequence[Any]) -> Graphs:
    sizes = torch.tensor([len(nodes) for nodes, _ in samples])
    nodes = torch.cat([nodes for nodes, _ in samples])
    return Graphs(nodes, torch.arange(len(samples)).repeat_interleave(sizes), torch.tensor([y for _, y in samples]))


class GraphModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(2, 8), nn.Linear(8, 3)

    def forward(self, graphs: Graphs) -> Tensor:
        pooled = torch.zeros(graphs.num_graphs, 8).index_add(0, graphs.of, self.layer(graphs.nodes).relu())
        return self.head(pooled)


class Pair(NamedTuple):
    x: Tensor
    y: Tensor


@dataclass
class Record:
    input: Tensor
    label: Tensor


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 2, dtype=torch.complex64) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 8), nn.Linear(8, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.embed(ids))


def contrastive(output: Tensor, target: Tensor) -> Tensor:
    unit = F.normalize(output)
    return F.cross_entropy(unit @ unit.T / 0.2, torch.arange(len(unit)))


def language(index: int) -> dict[str, Tensor]:
    labels = IDS[index].masked_fill(MASK[index] == 0, -100)
    return {"input_ids": IDS[index], "attention_mask": MASK[index], "labels": labels}


def row(index: int) -> tuple[Tensor, Tensor]:
    return X[index], Y[index]


WEIGHT = torch.tensor([1.0, 3.0, 0.5])
SMOOTHED = nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.1)

FORMS = [
    Form("dict and the model's own loss", language, Transformer, lambda m, b: m(**b).loss, {"loss": "model"}),
    Form(
        "encoding",
        language,
        Transformer,
        lambda m, b: m(**b).loss,
        {"loss": "model"},
        collate=lambda samples: Encoding(default_collate(samples)),
    ),
    Form(
        "dict, and logits against labels",
        language,
        Transformer,
        lambda m, b: F.cross_entropy(
            m(b["input_ids"], b["attention_mask"]).logits.flatten(0, 1), b["labels"].flatten()
        ),
        {"loss": CrossEntropy(class_dim=-1), "metric": "accuracy"},
    ),
    Form(
        "autoencoder that draws noise",
        lambda index: X[index],
        Autoencoder,
        lambda m, b: (lambda parts: parts["reconstruction"] + parts["divergence"])(evidence(m, b)),
        {"objective": evidence},
        refused="random numbers",
    ),
    Form(
        "several tasks",
        lambda index: (X[index], {"kind": Y[index], "size": X[index, 0]}),
        Tasks,
        lambda m, b: (lambda parts: parts["kind"] + parts["size"])(both(m, b)),
        {"objective": both},
    ),
    Form(
        "lists of boxes",
        lambda index: (X[index].expand(3, 4 + index % 3, 6), {"boxes": torch.ones(1 + index % 3, 4)}),
        Detector,
        boxes_off,
        {"objective": boxes_off},
        collate=lambda samples: tuple(zip(*samples, strict=True)),
    ),
    Form(
        "packed sequences",
        lambda index: (X[index].view(3, 2)[: 1 + index % 3], int(Y[index])),
        Recurrent,
        lambda m, b: F.cross_entropy(m(b[0]), b[1]),
        {"metric": "accuracy"},
        collate=packed,
        refused="PackedSequence",
    ),
    Form(
        "graphs",
        lambda index: (X[index].view(3, 2)[: 1 + index % 3], int(Y[index])),
        GraphModel,
        lambda m, b: F.cross_entropy(m(b), b.y),
        {"metric": "accuracy"},
        collate=joined,
        refused="Graphs",
    ),
    Form("namedtuple", lambda index: Pair(*row(index)), mlp, lambda m, b: F.cross_entropy(m(b.x), b.y), {}),
    Form(
        "dataclass",
        row,
        lambda: nn.Linear(6, 3),
        lambda m, b: F.cross_entropy(m(input=b.input), b.label),
        {},
        collate=lambda samples: Record(*default_collate(samples)),
    ),
    Form(
        "complex numbers",
        lambda index: (torch.complex(X[index], -X[index]), X[index, :2]),
        Complex,
        lambda m, b: (m(b[0]).abs() - b[1]).square().mean(),
        {"loss": lambda output, target: (output.abs() - target).square().mean()},
    ),
    Form(
        "float64",
        lambda index: (X[index].double(), X[index, 0].double()),
        lambda: nn.Sequential(nn.Linear(6, 1), nn.Flatten(0)).double(),
        lambda m, b: F.huber_loss(m(b[0]), b[1]),
        {"loss": F.huber_loss},
    ),
    Form(
        "contrastive",
        row,
        mlp,
        lambda m, b: contrastive(m(b[0]), b[1]),
        {"loss": contrastive},
        refused="not the mean of the losses of its parts",
    ),
    Form(
        "tied weights",
        lambda index: (IDS[index, :-1], IDS[index, 1:]),
        Tied,
        lambda m, b: F.cross_entropy(m(b[0]).flatten(0, 1), b[1].flatten()),
        {"loss": CrossEntropy(class_dim=-1)},
    ),
    Form(
        "lazy layers",
        row,
        lambda: nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.Dropout(0.2), nn.LazyLinear(3)),
        lambda m, b: F.cross_entropy(m(b[0]), b[1]),
        {},
        dry_run=lambda model: model(X[:2]),
    ),
    Form("class weights, smoothed", row, mlp, lambda m, b: SMOOTHED(m(b[0]), b[1]), {"loss": SMOOTHED}),
    Form(
        "a sum",
        row,
        mlp,
        lambda m, b: F.cross_entropy(m(b[0]), b[1], reduction="sum") / 100,
        {"objective": lambda m, b: F.cross_entropy(m(b[0]), b[1], reduction="sum") / 100},
    ),
    Form(
        "an objective with its count",
        language,
        Transformer,
        lambda m, b: m(**b).loss,
        {"objective": lambda m, b: (m(**b).loss, int((b["labels"][:, 1:] != -100).sum()))},
    ),
    Form(
        "several labels",
        lambda index: (X[index], (X[index, :3] > 0).float()),
        mlp,
        lambda m, b: F.binary_cross_entropy_with_logits(m(b[0]), b[1]),
        {"loss": nn.BCEWithLogitsLoss()},
    ),
    Form(
        "predict",
        lambda index: {"x": X[index], "name": f"sample {index}", "y": Y[index]},
        mlp,
        lambda m, b: F.cross_entropy(m(b["x"]), b["y"]),
        {"predict": lambda m, b: m(b["x"])},
    ),
    Form(
        "sparse gradients",
        lambda index: (IDS[index], Y[index]),
        lambda: nn.Sequential(nn.EmbeddingBag(11, 3, sparse=True)),
        lambda m, b: F.cross_entropy(m(b[0]), b[1]),
        {},
    ),
]


def loader(form: Form, batch: int = BATCH) -> DataLoader[Any]:
    return DataLoader(Samples(form.make), batch, shuffle=True, collate_fn=form.collate)


def task_of(form: Form, steps: int = STEPS, batch: int = BATCH) -> Task:
    return Task(
        name="form",
        data=Data(train=loader(form, batch), valid=loader(form, batch)),
        model=form.model,
        update=Update(optimizer=form.optimizer),
        stop=Stop(steps=steps),
        **{"metric": "loss", **form.task},
    )


def by_hand(form: Form, steps: int = STEPS, batch: int = BATCH) -> tuple[list[float], list[Tensor]]:
    torch.manual_seed(0)
    model = form.model()
    if form.dry_run is not None:
        with torch.no_grad():
            form.dry_run(model.eval())
        model.train()
    optimizer, losses = form.optimizer(model), list[float]()
    batches = loader(form, batch)
    while True:
        for one in batches:
            loss = form.by_hand(model, one)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == steps:
                return losses, [parameter.detach() for parameter in model.parameters()]


def trained(run: Session) -> tuple[list[Any], list[Any]]:
    events = list(train(run))
    return [event for event in events if isinstance(event, Progress)], [
        event for event in events if isinstance(event, Evaluation)
    ]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_the_empty_plan_is_the_hand_written_loop_bit_for_bit(form: Form) -> None:
    losses, parameters = by_hand(form)
    run = build(baseline(task_of(form)))
    progress, evaluations = trained(run)
    assert [loss for one in progress for loss in one.losses] == losses
    for mine, theirs in zip(run.model.parameters(), parameters, strict=True):
        assert torch.equal(mine, theirs)
    assert evaluations[-1].metric is not None


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_check_takes_the_form(form: Form) -> None:
    notes = check(task_of(form))
    assert bool(notes) == bool(form.refused) or form.name in ("packed sequences", "graphs")


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_parts_add_up_or_are_refused(form: Form) -> None:
    model = form.model
    form = replace(form, model=lambda: without_dropout(model()))
    recipe, technique = baseline(task_of(form, steps=3)), MicroBatch(size=3)
    reason = technique.refuse(recipe, facts())
    if form.refused:
        assert reason is not None
        assert form.refused in reason
        return
    assert reason is None
    whole = build(recipe)
    (one, *_) = trained(whole)[0]
    parts = build(technique.apply(recipe))
    (other, *_) = trained(parts)[0]
    assert other.losses == pytest.approx(one.losses, rel=1e-4)
    assert {name: pytest.approx(terms, rel=1e-4) for name, terms in one.parts.items()} == other.parts
    for mine, theirs in zip(whole.parameters, parts.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def without_dropout(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def test_the_named_terms_of_an_objective_are_recorded_one_by_one() -> None:
    form = next(form for form in FORMS if form.name == "several tasks")
    progress, evaluations = trained(build(baseline(task_of(form, steps=4))))
    (one,) = progress
    assert list(one.parts) == ["kind", "size"]
    assert [kind + size for kind, size in zip(*one.parts.values(), strict=True)] == pytest.approx(list(one.losses))
    assert sum(evaluations[-1].parts.values()) == pytest.approx(evaluations[-1].valid_loss)


@pytest.mark.parametrize("batch", [41, 21])
def test_a_mean_of_any_number_of_samples_keeps_its_bits(batch: int) -> None:
    """In float32, 41 x (1 / 41) is not 1: a mean that is multiplied by its count and divided again loses a bit."""
    form = next(form for form in FORMS if form.name == "float64")
    double = form.model
    form = replace(form, make=lambda index: (X[index], X[index, 0]), model=lambda: double().float())
    losses, parameters = by_hand(form, steps=6, batch=batch)
    run = build(baseline(task_of(form, steps=6, batch=batch)))
    assert [loss for one in trained(run)[0] for loss in one.losses] == losses
    assert all(map(torch.equal, run.model.parameters(), parameters))
