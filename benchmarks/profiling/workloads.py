"""Steps from 0.2 ms to 2 s, for the benchmarks of the profiler."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.data.loading.loaders import gathered, per_sample
from hasten.training.recipe import Recipe, baseline


@dataclass(frozen=True)
class Workload:
    """A recipe by name; about how long a step takes is in the name's comment."""

    name: str
    recipe: Recipe


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.mix = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.ff = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = self.mix(self.norms[0](x)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(x.shape)
        x = x + self.out(mixed)
        return x + self.ff(self.norms[1](x))


class Transformer(nn.Module):
    """Blocks over tokens, one class per sequence."""

    def __init__(self, width: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(100, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(blocks)))
        self.head = nn.Linear(width, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.blocks(self.tokens(tokens)).mean(1))


def convolutional(channels: int) -> nn.Module:
    """Return a small convolutional network for (batch, 3, 32, 32)."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * channels, 10),
    )


def task(name: str, inputs: Tensor, model: Callable[[], nn.Module], *, batch: int) -> Task:
    """Return a classification task on random labels."""
    labels = torch.randint(0, 10, (len(inputs),), generator=torch.Generator().manual_seed(1))
    data = TensorDataset(inputs, labels)
    judged = max(32, len(inputs) // 32)
    valid = TensorDataset(inputs[:judged], labels[:judged])
    return Task(
        name=name,
        data=Data(train=data, valid=valid),
        model=model,
        update=Update(optimizer="adamw", lr=1e-4, options={"fused": True}),
        batch_size=batch,
        stop=Stop(epochs=100),
    )


def features(samples: int, *shape: int) -> Tensor:
    """Return normal noise."""
    return torch.randn(samples, *shape, generator=torch.Generator().manual_seed(0))


def tokens(samples: int, length: int) -> Tensor:
    """Return random tokens."""
    return torch.randint(0, 100, (samples, length), generator=torch.Generator().manual_seed(0))


def small_mlp() -> nn.Module:
    """Return the smallest model of the series."""
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 10))


def workloads() -> list[Workload]:
    """Return the series, the shortest step first."""
    wide = lambda: nn.Sequential(nn.Linear(256, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))  # noqa: E731
    made = [
        (task("mlp-0.2ms", features(4096, 16), small_mlp, batch=16), gathered),
        (task("mlp-1ms", features(4096, 16), small_mlp, batch=64), per_sample),
        (task("mlp-10ms", features(4096, 256), wide, batch=128), gathered),
        (task("cnn-50ms", features(1024, 3, 32, 32), lambda: convolutional(32), batch=64), gathered),
        (task("transformer-200ms", tokens(1024, 64), lambda: Transformer(128, 3, 4), batch=64), gathered),
        (task("transformer-2s", tokens(512, 128), lambda: Transformer(384, 4, 6), batch=32), gathered),
    ]
    return [Workload(one.name, with_loader(baseline(one), loader)) for one, loader in made]


def with_loader(recipe: Recipe, loader: object) -> Recipe:
    """Return the recipe with another loader."""
    return replace(recipe, input=replace(recipe.input, loader=loader))  # type: ignore[arg-type]
