"""Trainings whose model several processes hold in stages, and the same in one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from divided import Transformer, encoder, tokens_task, vectors_task
from together import clipped, counted_objective, joined, most_allocated, shared, trained
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import TensorDataset

from hasten import CrossEntropy, Data, Task, Update
from hasten.machine.facts import facts
from hasten.tasks.shakespeare import GPT, Size
from hasten.techniques.applying import apply_all, make
from hasten.techniques.parallel.pipeline_parallel import PipelineParallel
from hasten.techniques.registry import techniques
from hasten.training.building import build
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.step import step

LAYERS = 4


def gpt() -> nn.Module:
    """Return embeddings, blocks, a norm and an output layer whose weight is the embedding's."""
    return GPT(11, Size(layers=LAYERS, width=16, heads=4, length=7))


def convolutions() -> nn.Module:
    """Return a small convolutional network whose activations are changed in place."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.GroupNorm(2, 6),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 8),
        nn.ReLU(inplace=True),
        nn.Linear(8, 3),
    )


class Recurrent(nn.Module):
    """Two recurrent layers, which keep lists of their parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 8), nn.Linear(8, 11)
        self.first, self.second = nn.LSTM(8, 8, batch_first=True), nn.LSTM(8, 8, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.first(self.embed(tokens))
        x, _ = self.second(x)
        return self.head(x)


class Unused(nn.Module):
    """Four layers, and one that takes part in no loss."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Linear(8, 3)
        )
        self.unused = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def beginning_frozen() -> nn.Module:
    """Return four layers of which the first two are not trained."""
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 16), nn.Linear(16, 3))
    model[:3].requires_grad_(requires_grad=False)
    return model


def images_task() -> Task:
    """Return three classes of images."""
    seeded = torch.Generator().manual_seed(6)
    x, y = torch.randn(37, 1, 4, 4, generator=seeded), torch.randint(0, 3, (37,), generator=seeded)
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x[:13], y[:13]))
    update = Update(optimizer="momentum", lr=0.05)
    return tokens_task(convolutions, name="images", data=data, loss="cross_entropy", metric="accuracy", update=update)


def weighted_task() -> Task:
    """Return tokens whose classes have weights, in batches that two groups cannot share equally."""
    weight = tuple(0.25 + number for number in range(11))
    loss = CrossEntropy(weight=weight, class_dim=-1)
    return tokens_task(gpt, loss=loss, update=Update(optimizer="momentum", lr=0.05), batch_size=7)


def rarely_labeled_task() -> Task:
    """Return tokens of which few have a label: micro-batches and batches without any."""
    seeded = torch.Generator().manual_seed(8)
    x = torch.randint(0, 11, (37, 7), generator=seeded)
    y = torch.where(torch.rand(x.shape, generator=seeded) < 0.02, (3 * x + 1) % 11, -100)
    return tokens_task(gpt, data=Data(train=TensorDataset(x, y), valid=TensorDataset(x[:10], (3 * x[:10] + 1) % 11)))


def objective_task() -> Task:
    """Return a task whose objective alone counts its labels, of a model with an unused layer."""
    return replace(vectors_task(Unused), objective=counted_objective, metric=None)


@dataclass(frozen=True)
class Case:
    """One training: its task, how its share goes through the stages, and whether gradients are clipped."""

    task: Callable[[], Task]
    micro_batches: int = 4
    schedule: str = "1f1b"
    clip: bool = False
    stages: int = 1

    def recipe(self) -> Recipe:
        """Return it as one process makes it."""
        made = baseline(self.task())
        return made.with_gradient(clipped) if self.clip else made

    def technique(self, size: int) -> PipelineParallel:
        """Return the technique for groups of so many processes."""
        return PipelineParallel(size, self.micro_batches, self.schedule, self.stages)  # type: ignore[arg-type]


CASES = {
    "gpt": Case(lambda: tokens_task(gpt), clip=True),
    "weighted": Case(weighted_task, micro_batches=2, schedule="gpipe"),
    "transformer": Case(lambda: tokens_task(Transformer), micro_batches=2, clip=True),
    "encoder": Case(lambda: tokens_task(encoder, update=Update(optimizer="momentum", lr=0.05)), schedule="gpipe"),
    "recurrent": Case(lambda: tokens_task(Recurrent), clip=True),
    "rarely labeled": Case(rarely_labeled_task, clip=True),
    "perceptron": Case(lambda: replace(vectors_task(), batch_size=12), clip=True, schedule="gpipe"),
    "convolutions": Case(images_task),
    "objective": Case(objective_task, micro_batches=3),
    "beginning frozen": Case(lambda: vectors_task(beginning_frozen), schedule="gpipe"),
    "gpt, interleaved": Case(lambda: tokens_task(gpt), stages=2, clip=True),
    "perceptron, interleaved": Case(vectors_task, stages=2, schedule="gpipe"),
}


def work(rank: int, size: int, group: int, names: list[str], folder: str) -> None:
    """Be one of several processes, `group` of which hold a model together; each writes what it found in each case."""
    joined(rank, size, folder)
    found = {
        name: trained(shared(CASES[name].recipe(), Processes(rank, size), [CASES[name].technique(group)]))
        for name in names
    }
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


class Sent(TorchDispatchMode):
    """Counts what is sent: name of the operator -> how many numbers each time.

    torch's `CommDebugMode` follows modules, and a stage ends in the middle of one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numbers = dict[str, list[int]]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "c10d" in (name := func._schema.name):
            self.numbers.setdefault(name, []).append(args[0][0].numel())
        return func(*args, **(kwargs or {}))


def volume_work(rank: int, size: int, group: int, schedule: str, folder: str) -> None:
    """Count what one step sends."""
    joined(rank, size, folder)
    technique = PipelineParallel(group, micro_batches=4, schedule=schedule)  # type: ignore[arg-type]
    run = build(shared(baseline(tokens_task(gpt)), Processes(rank, size), [technique]))
    with run.contexts:
        _, batch = next(run.batches())
        step(run, batch)
        marks = list[int]()
        with (counted := Sent()):
            run.forward_backward(run, batch, marks.append)
    held = [one.to_local().numel() for one in run.parameters]  # type: ignore[attr-defined]
    torch.save({"numbers": counted.numbers, "held": held, "marks": marks}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def uniform() -> nn.Module:
    """Return a perceptron of layers that are alike, with more parameters than activations."""
    hidden = (nn.Sequential(nn.Linear(128, 128), nn.Tanh()) for _ in range(8))
    return nn.Sequential(nn.Linear(6, 128), *hidden, nn.Linear(128, 3))


PREDICTED: dict[str, Callable[[], Task]] = {
    "perceptron": lambda: vectors_task(uniform),
    "gpt": lambda: tokens_task(lambda: GPT(11, Size(layers=LAYERS, width=64, heads=4, length=7))),
}


def predicted_work(rank: int, size: int, group: int, folder: str) -> None:
    """Write what this process sends in a step, and the most that it has allocated, from building the model on."""
    joined(rank, size, folder)
    found = dict[str, Any]()
    for name, task in PREDICTED.items():
        recipe = shared(baseline(task()), Processes(rank, size), [PipelineParallel(group)])

        def steps() -> None:
            run = build(recipe)  # noqa: B023  (called at once)
            with run.contexts:
                _, batch = next(run.batches())
                for _ in range(2):
                    with (sent := Sent()):
                        step(run, batch)
                    found[name] = sent.numbers  # noqa: B023

        peak = most_allocated(steps, Path(folder) / f"{rank}.json")
        found[name] = {"sent": 4 * sum(found[name]["c10d::send"]), "peak": peak}
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def dropped_work(rank: int, size: int, folder: str) -> None:
    """Write which units this process's stage drops in each micro-batch of two steps."""
    joined(rank, size, folder)
    layers: Callable[[], nn.Module] = lambda: nn.Sequential(  # noqa: E731
        nn.Linear(6, 64), nn.Dropout(0.5), nn.Linear(64, 64), nn.Dropout(0.5), nn.Linear(64, 3)
    )
    recipe = shared(baseline(vectors_task(layers)), Processes(rank, size), [PipelineParallel(micro_batches=2)])
    run, seen = build(recipe), list[Tensor]()
    own = run.model.get_submodule("1" if rank == 0 else "3")
    batches = run.batches()
    with run.contexts:
        for number in range(3):
            ids, batch = next(batches)
            if number == 1:  # before the first step one pass finds out what is sent
                own.register_forward_hook(lambda module, args, given: seen.append(given == 0))
            step(run, batch)
            run.advance(len(ids), 0.0)
    torch.save(seen, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def optimizers_work(rank: int, size: int, names: list[str], folder: str) -> None:
    """Train with each of some optimizers, gradients changed in each of some ways."""
    joined(rank, size, folder)
    found = {
        name: trained(shared(changed(name), Processes(rank, size), [PipelineParallel(micro_batches=2)]))
        for name in names
    }
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def changed(name: str) -> Recipe:
    """Return a training with an optimizer of that name, or with the technique that changes gradients."""
    if name in techniques():
        recipe = baseline(vectors_task())
        return apply_all([make(name)], recipe, facts())
    return baseline(replace(vectors_task(), update=Update(optimizer=getattr(torch.optim, name), lr=0.01)))
