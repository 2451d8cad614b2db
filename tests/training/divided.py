"""Trainings whose model several processes hold in parts, and the same in one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from together import clipped, joined, shared, trained
from torch import Tensor, nn
from torch.distributed.tensor.debug import CommDebugMode
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from hasten import CrossEntropy, Data, Stop, Task, Update
from hasten.base.records.plan import Plan
from hasten.measurement.collectives import Collectives
from hasten.tasks.shakespeare import GPT, Size
from hasten.techniques.parallel.tensor_parallel import TensorParallel
from hasten.training.building import build
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe, baseline
from hasten.training.run_folder import CHECKPOINT
from hasten.training.running import run_training
from hasten.training.sharding import own_part
from hasten.training.step import step
from hasten.training.technique import Technique

STEPS = 20


class Attention(nn.Module):
    """Causal attention with a layer each for queries, keys, values and the output; half as many heads of keys."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.num_key_heads, self.dropout = heads, heads // 2, dropout
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        # a bias of keys changes no weight of attention: its gradient is rounding alone
        self.key, self.value = nn.Linear(width, width // 2, bias=False), nn.Linear(width, width // 2)

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        k, v = (
            one(x).unflatten(-1, (self.num_key_heads, -1)).transpose(1, 2).repeat_interleave(2, 1)
            for one in (self.key, self.value)
        )
        drop = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=drop, is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a gated MLP."""

    def __init__(self, width: int, heads: int, dropout: float, inside: float) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads, inside)
        self.norm2, self.gate, self.up = nn.LayerNorm(width), nn.Linear(width, 24), nn.Linear(width, 24, bias=False)
        self.down = nn.Linear(24, width)
        self.drop1, self.drop2 = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop1(self.attention(self.norm1(x)))
        h = self.norm2(x)
        return x + self.drop2(self.down(F.silu(self.gate(h)) * self.up(h)))


class Transformer(nn.Module):
    """Two blocks between an embedding and an output layer of the same weight."""

    def __init__(self, width: int = 16, heads: int = 8, dropout: float = 0.0, inside: float = 0.0) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, width), nn.Linear(width, 11, bias=False)
        self.blocks = nn.ModuleList(Block(width, heads, dropout, inside) for _ in range(2))
        self.scale = nn.Parameter(torch.ones(()))
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x) * self.scale


def encoder(dropout: float = 0.0) -> nn.Module:
    """Return torch's own encoder layer between an embedding and an output layer."""
    layer = nn.TransformerEncoderLayer(16, 4, 24, dropout=dropout, batch_first=True)
    return nn.Sequential(nn.Embedding(11, 16), layer, nn.Linear(16, 11))


class Recurrent(nn.Module):
    """A recurrent layer, which keeps a list of its parameters, before two linear layers that are divided."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cells = nn.Embedding(11, 8), nn.LSTM(8, 8, num_layers=2, batch_first=True)
        self.head = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 11))

    def forward(self, tokens: Tensor) -> Tensor:
        x, _ = self.cells(self.embed(tokens))
        return self.head(x)


def gpt() -> nn.Module:
    """Return a GPT whose output layer has the weight of its embedding."""
    return GPT(11, Size(layers=2, width=16, heads=4, length=7))


RESUMED: dict[str, Callable[[], nn.Module]] = {"transformer": Transformer, "encoder": encoder, "gpt": gpt}


def tokens_task(model: Callable[[], nn.Module], **changes: Any) -> Task:
    """Return the next of eleven tokens, from 37 sequences of seven, some of them without a label."""
    seeded = torch.Generator().manual_seed(4)
    x = torch.randint(0, 11, (37, 7), generator=seeded)
    y = (3 * x + 1) % 11
    y[torch.rand(y.shape, generator=seeded) < 0.3] = -100
    chosen: dict[str, Any] = {
        "name": "tokens",
        "data": Data(train=TensorDataset(x, y), valid=TensorDataset(x[:10], y[:10])),
        "model": model,
        "loss": CrossEntropy(ignore_index=-100, class_dim=-1),
        "metric": "loss",
        "update": Update(optimizer="adamw", lr=1e-2),
        "batch_size": 8,
        "valid_batch_size": 3,
        "stop": Stop(steps=STEPS, evaluate_every=7),
    }
    return Task(**chosen | changes)


def perceptron() -> nn.Module:
    """Return two pairs of linear layers and one more."""
    widths = (6, 8, 12, 16, 5, 3)
    layers = [part for one, two in pairwise(widths) for part in (nn.Linear(one, two), nn.ReLU(inplace=True))]
    return nn.Sequential(*layers[:-1])


def vectors_task(model: Callable[[], nn.Module] = perceptron) -> Task:
    """Return three classes of vectors."""
    seeded = torch.Generator().manual_seed(5)
    x, y = torch.randn(37, 6, generator=seeded), torch.randint(0, 3, (37,), generator=seeded)
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x[:13], y[:13]))
    update = Update(optimizer="momentum", lr=0.05)  # a gradient of another scale would show, as it does not with Adam
    return tokens_task(model, name="vectors", data=data, loss="cross_entropy", metric="accuracy", update=update)


@dataclass(frozen=True)
class Case:
    """One training: its task, and what is done to it."""

    task: Callable[[], Task]
    clip: bool = False
    micro_batch: int | None = None

    def recipe(self) -> Recipe:
        """Return it as one process makes it."""
        made = baseline(self.task()).with_backward(micro_batch=self.micro_batch)
        return made.with_gradient(clipped) if self.clip else made


CASES = {
    "perceptron": Case(vectors_task),
    "perceptron, clipped": Case(vectors_task, clip=True, micro_batch=3),
    "transformer": Case(lambda: tokens_task(Transformer), clip=True),
    "transformer, in parts": Case(lambda: tokens_task(Transformer), micro_batch=2),
    "encoder": Case(lambda: tokens_task(encoder, update=Update(optimizer="momentum", lr=0.05)), clip=True),
    "recurrent": Case(lambda: tokens_task(Recurrent, update=Update(optimizer="momentum", lr=0.5)), clip=True),
    "gpt": Case(lambda: tokens_task(gpt)),
}


def work(rank: int, size: int, group: int, folder: str) -> None:
    """Be one of several processes, `group` of which hold a model together; each writes what it found in each case."""
    joined(rank, size, folder)
    found = {
        name: trained(shared(case.recipe(), Processes(rank, size), [TensorParallel(group)]))
        for name, case in CASES.items()
    }
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


ROWS = {
    "gpt": CASES["gpt"],
    "gpt, clipped and in parts": Case(lambda: tokens_task(gpt, batch_size=7), clip=True, micro_batch=2),
    "encoder": CASES["encoder"],
    "classes last of two dimensions": Case(lambda: vectors_task(lambda: nn.Sequential(nn.Tanh(), nn.Linear(6, 3)))),
}
"""Whose embeddings and output layers are divided by rows: 11 classes or 3, tied weights or not."""


def rows_work(rank: int, size: int, group: int, names: list[str], folder: str) -> None:
    """Train with the rows of embeddings and output layers divided; write the shape of the scores in a step, too."""
    joined(rank, size, folder)
    found = dict[str, Any]()
    for name in names:
        recipe = shared(ROWS[name].recipe(), Processes(rank, size), [TensorParallel(group, rows=True)])
        run = build(recipe)
        with run.contexts:
            scores = run.predict(next(run.batches())[1])
            with torch.no_grad():
                judged = run.predict(next(run.batches())[1])
        shapes = {"own": scores.to_local().shape, "judged": judged.shape}
        held = sum(own_part(one).numel() for one in run.model.parameters())
        found[name] = trained(recipe) | shapes | {"held": held}
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


SEQUENCES = {
    "transformer": Case(lambda: tokens_task(Transformer), clip=True),
    "gpt": Case(lambda: tokens_task(gpt, update=Update(optimizer="momentum", lr=0.05)), micro_batch=3),
}


def sequence_work(rank: int, size: int, group: int, folder: str) -> None:
    """Be one of several processes in groups that divide sequences; each writes what it found, and its tokens."""
    joined(rank, size, folder)
    found = dict[str, Any]()
    for name, case in SEQUENCES.items():
        chosen = [TensorParallel(group, rows=name == "gpt", sequence=True)]
        found[name] = trained(shared(case.recipe(), Processes(rank, size), chosen))
        run, seen = build(shared(case.recipe(), Processes(rank, size), chosen)), list[int]()
        norm = next(
            one for name, one in run.model.named_modules() if isinstance(one, nn.LayerNorm) and "blocks" in name
        )
        norm.register_forward_hook(lambda module, args, given, seen=seen: seen.append(given.shape[1]))
        with run.contexts:
            step(run, next(run.batches())[1])
        found[name]["tokens"] = seen[0]
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def dropped_tokens_work(rank: int, size: int, group: int, folder: str) -> None:
    """Train with dropout where each process has some tokens; each writes what it found, and what it dropped."""
    joined(rank, size, folder)
    recipe = shared(
        baseline(tokens_task(lambda: Transformer(dropout=0.3))),
        Processes(rank, size),
        [TensorParallel(group, sequence=True)],
    )
    found, run, seen = trained(recipe), build(recipe), list[Tensor]()
    run.model.get_submodule("blocks.0.drop1").register_forward_hook(
        lambda module, args, given: seen.append(given[:, :3] == 0)
    )
    with run.contexts:
        step(run, next(run.batches())[1])
    torch.save({**found, "dropped": seen[0]}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def dropping_work(rank: int, size: int, group: int, folder: str) -> None:
    """Train with dropout outside of divided layers, which drops as one process does, and then inside of them."""
    joined(rank, size, folder)
    found = dict[str, Any]()
    for name, options in (("outside", {"dropout": 0.3}), ("inside", {"inside": 0.3})):
        recipe = baseline(tokens_task(lambda options=options: Transformer(**options)))
        found[name] = trained(shared(recipe, Processes(rank, size), [TensorParallel(group)]))
    found["dropped"] = dropped_inside(Processes(rank, size), group)
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def dropped_inside(processes: Processes, group: int) -> Tensor:
    """Return which features between two divided layers are dropped in one step."""
    layers: Callable[[], nn.Module] = lambda: nn.Sequential(nn.Linear(6, 64), nn.Dropout(0.5), nn.Linear(64, 3))  # noqa: E731
    run, seen = build(shared(baseline(vectors_task(layers)), processes, [TensorParallel(group)])), list[Tensor]()
    run.model.get_submodule("1").register_forward_hook(lambda module, args, given: seen.append(given == 0))
    with run.contexts:
        step(run, next(run.batches())[1])
    return seen[0]


def encoder_work(rank: int, size: int, group: int, folder: str) -> None:
    """Train torch's encoder with dropout, and count what a step of it without dropout sends."""
    joined(rank, size, folder)
    processes, found = Processes(rank, size), dict[str, Any]()
    found["dropping"] = trained(shared(baseline(tokens_task(lambda: encoder(0.3))), processes, [TensorParallel(group)]))
    plain = baseline(tokens_task(encoder))
    run = build(shared(plain, processes, [TensorParallel(group)]))
    with run.contexts, Collectives() as counted:  # CommDebugMode gives each argument of a module a tensor of its own
        run.forward_backward(run, next(run.batches())[1], lambda part: None)
    found["bytes"] = counted.whole_bytes["all_reduce"]
    found["own"] = sum(one.to_local().numel() for one in run.parameters)  # type: ignore[attr-defined]
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


class Volume(CommDebugMode):
    """Counts what is sent by collectives: name -> how often, and how many numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = dict[str, list[int]]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        name = func._schema.name
        if out is not NotImplemented and ("c10d" in name) and "wait" not in name:
            first = args[0][0] if isinstance(args[0], list) else args[0]
            self.numbers.setdefault(name, []).append(first.numel())
        return out


def volume_work(rank: int, size: int, group: int, folder: str) -> None:
    """Count what one step sends."""
    joined(rank, size, folder)
    recipe = shared(baseline(tokens_task(Transformer)), Processes(rank, size), [TensorParallel(group)])
    run = build(recipe)
    with run.contexts:
        _, batch = next(run.batches())
        step(run, batch)
        with (counted := Volume()):
            run.forward_backward(run, batch, lambda part: None)
    own = [one.to_local().numel() for one in run.parameters]  # type: ignore[attr-defined]
    counts = sum(counted.get_comm_counts().values())
    torch.save({"numbers": counted.numbers, "counts": counts, "own": own}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def resumed_task(model: Callable[[], nn.Module], steps: int) -> Task:
    """Return a training to a step; momentum, since Adam makes updates of a bias whose gradient is rounding alone."""
    update = Update(optimizer="momentum", lr=0.05)
    return tokens_task(model, update=update, stop=Stop(steps=steps, evaluate_every=4))


def resuming_work(
    rank: int, size: int, stop: int, model: Callable[[], nn.Module], chosen: Sequence[Technique], folder: str
) -> None:
    """Train a model to a step, from a checkpoint where there is one, and write the weights of the plain model."""
    joined(rank, size, folder)
    runs = Path(folder) / "run"
    begun = (runs / CHECKPOINT).exists()
    dist.barrier()  # before one of them writes it
    recipe = shared(baseline(resumed_task(model, stop)), Processes(rank, size), chosen)
    trained = run_training(recipe, Plan(task="tokens"), show=lambda record: None, folder=runs, resume=begun)
    torch.save([one.detach() for one in trained.model.parameters()], Path(folder) / f"{rank}.pt")
    assert [type(one) for one in trained.model.modules()] == [type(one) for one in model().modules()]
    assert all(type(one) is nn.Parameter for one in trained.model.parameters())
    if model is not encoder:  # which ties no weights
        assert trained.model.head.weight is trained.model.embed.weight
    dist.destroy_process_group()
    (Path(folder) / "store").unlink(missing_ok=True)
