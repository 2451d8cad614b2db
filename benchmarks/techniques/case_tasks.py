"""Small tasks with made-up data of a real shape, each of which some technique is for."""

import zlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset, TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.training.loss import CrossEntropy

Model = Callable[[], nn.Module]
LONG = Stop(steps=4000)
"""So long that what must earn its preparation back may; nothing trains to the end."""


class Compressed(Dataset[Any]):
    """Images that are unpacked one at a time, as decoding does: (3, 64, 64) float32 and one of ten classes."""

    def __init__(self, samples: int) -> None:
        images = made(samples, 3, 64, 64, low=0, high=16).to(torch.uint8)
        self.content = [zlib.compress(image.numpy().tobytes()) for image in images]

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = torch.frombuffer(bytearray(zlib.decompress(self.content[index])), dtype=torch.uint8)
        return pixels.view(3, 64, 64) / 16, index % 10


class ByHand(nn.Module):
    """Causal attention as it is written by hand, on 256 positions of 256 numbers with 4 heads, and scores of 64."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mixed, self.head = nn.Embedding(64, 256), nn.Linear(256, 768), nn.Linear(256, 64)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        q, k, v = (part.unflatten(-1, (4, 64)).transpose(1, 2) for part in self.mixed(x).chunk(3, -1))
        scores = q @ k.transpose(-2, -1) / 8
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        weights = F.softmax(scores.masked_fill(future, -torch.inf), dim=-1)
        return self.head(x + (weights @ v).transpose(1, 2).flatten(2))


class MeanOfWords(nn.Module):
    """Two scores from the mean of the embeddings of a text's words, of 100,000."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(100_000, 64), nn.Linear(64, 2)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.embed(words).mean(1))


def made(*shape: int, low: int, high: int) -> Tensor:
    """Return random integers from `low` to below `high`, always the same."""
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(0))


def task(x: Tensor, y: Tensor, model: Model, **changes: Any) -> Task:
    """Return a task with these data, 32 samples a batch and Adam unless told otherwise."""
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x[:64], y[:64]))
    plain: dict[str, Any] = {
        "name": "case", "data": data, "model": model, "batch_size": 32, "update": Update(optimizer="adam", lr=1e-3),
        "metric": "loss", "stop": LONG,
    }  # fmt: skip
    return Task(**(plain | changes))


def compressed_images() -> Task:
    """Return images that must be unpacked, and a model so light that fetching is the step."""
    layers: Model = lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 10))  # noqa: E731
    data = Data(train=Compressed(1600), valid=Compressed(64))
    return task(torch.empty(64), torch.empty(64), layers, data=data)


def padded_texts() -> Task:
    """Return many short texts and few long ones, with a target for each token."""
    tokens, lengths = made(640, 128, low=1, high=1000), made(640, 1, low=8, high=129)
    behind = torch.arange(128) >= lengths.square() // 128  # many short texts, few long ones
    layers: Model = lambda: nn.Sequential(  # noqa: E731
        nn.Embedding(1000, 128), nn.Linear(128, 512), nn.ReLU(), nn.Linear(512, 1000)
    )
    x, y = tokens.masked_fill(behind, 0), tokens.flip(1).masked_fill(behind, -100)
    return task(x, y, layers, loss=CrossEntropy(ignore_index=-100))


def images(*layers: Callable[[], nn.Module], channels: int = 3) -> Task:
    """Return 32 x 32 images of ten classes, with a model of these layers."""
    model: Model = lambda: nn.Sequential(*(layer() for layer in layers))  # noqa: E731
    x = made(640, channels, 32, 32, low=0, high=256) / 256.0
    return task(x, made(640, low=0, high=10), model)


def convolutions() -> Task:
    """Return a CNN with ReLU and pooling."""
    return images(lambda: nn.Conv2d(3, 64, 3, padding=1), nn.ReLU, lambda: nn.MaxPool2d(2),
        lambda: nn.Conv2d(64, 64, 3, padding=1), nn.ReLU, lambda: nn.AdaptiveAvgPool2d(1), nn.Flatten,
        lambda: nn.Linear(64, 10),
    )  # fmt: skip


def smooth_convolutions() -> Task:
    """Return a CNN with an expensive activation."""
    return images(lambda: nn.Conv2d(3, 32, 3, padding=1), nn.SiLU,
        lambda: nn.Conv2d(32, 32, 3, padding=1), nn.SiLU, lambda: nn.AdaptiveAvgPool2d(1), nn.Flatten,
        lambda: nn.Linear(32, 10),
    )  # fmt: skip


def many_words() -> Task:
    """Return a large embedding of which a batch touches few rows."""
    words = made(640, 64, low=0, high=100_000)
    update = Update(optimizer="adagrad", lr=0.05)
    return task(words, words[:, 0] % 2, MeanOfWords, update=update)


def many_words_adam() -> Task:
    """Return the same with Adam, whose states are twice the weights."""
    words = made(640, 64, low=0, high=100_000)
    return task(words, words[:, 0] % 2, MeanOfWords)


def wide_rows() -> Task:
    """Return rows that are nearly all zeros, into one wide layer."""
    rows = (made(640, 20_000, low=0, high=500) == 0).float()
    layers: Model = lambda: nn.Sequential(nn.Linear(20_000, 64), nn.ReLU(), nn.Linear(64, 2))  # noqa: E731
    return task(rows, made(640, low=0, high=2), layers)


def many_classes() -> Task:
    """Return a vocabulary whose scores are the largest tensor of the step."""
    tokens = made(320, 64, low=0, high=8192)
    layers: Model = lambda: nn.Sequential(nn.Embedding(8192, 128), nn.Linear(128, 8192))  # noqa: E731
    return task(tokens, tokens.flip(1), layers, batch_size=16)


def wide_layers() -> Task:
    """Return layers wide enough for int8, and large batches."""
    layers: Model = lambda: nn.Sequential(  # noqa: E731
        nn.Linear(768, 3072), nn.ReLU(), nn.Linear(3072, 768), nn.ReLU(), nn.Linear(768, 10)
    )
    x = made(4096, 768, low=-100, high=101) / 100
    return task(x, made(4096, low=0, high=10), layers, batch_size=1024)


def tall_blocks() -> Task:
    """Return blocks whose activations are most of the memory."""

    def block() -> nn.Module:
        return nn.Sequential(nn.LayerNorm(128), nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 128))

    layers: Model = lambda: nn.Sequential(  # noqa: E731
        nn.Linear(16, 128), nn.Sequential(*(block() for _ in range(8))), nn.Linear(128, 10)
    )
    x = made(8192, 16, low=-100, high=101) / 100
    return task(x, made(8192, low=0, high=10), layers, batch_size=2048)


def many_masks() -> Task:
    """Return a model that keeps a mask of ReLU and one of dropout for each layer."""
    layers: Model = lambda: nn.Sequential(  # noqa: E731
        *(layer for _ in range(4) for layer in (nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.2))), nn.Linear(512, 10)
    )
    x = made(8192, 512, low=-100, high=101) / 100
    return task(x, made(8192, low=0, high=10), layers, batch_size=2048)


def deep_perceptron() -> Task:
    """Return a model whose gradients are as large as all else in the step."""
    layers: Model = lambda: nn.Sequential(  # noqa: E731
        *(layer for _ in range(6) for layer in (nn.Linear(1024, 1024), nn.ReLU())), nn.Linear(1024, 10)
    )
    x = made(640, 1024, low=-100, high=101) / 100
    update = Update(optimizer="sgd", lr=0.01)
    return task(x, made(640, low=0, high=10), layers, update=update)


def attention() -> Task:
    """Return a model whose attention torch's kernel could do."""
    tokens = made(64, 256, low=0, high=64)
    return task(tokens, tokens.flip(1), ByHand, batch_size=8)


class Fused(nn.Module):
    """Causal attention by torch's fused kernel, on 256 positions with 6 heads of 64, and scores of 64."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(64, 384), nn.Linear(384, 3 * 384), nn.Linear(384, 64)

    def forward(self, tokens: Tensor) -> Tensor:
        mixed = self.mix(self.embed(tokens)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (6, 64)).transpose(1, 2) for part in mixed)
        return self.head(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


def fused_attention() -> Task:
    """Return a model whose attention torch's kernel does."""
    tokens = made(64, 256, low=0, high=64)
    return task(tokens, tokens.flip(1), Fused, batch_size=4)
