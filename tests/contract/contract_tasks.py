"""The tasks and the machine that the contract is checked on."""

from collections.abc import Callable

import msgspec
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.base.records.machine import Machine
from hasten.machine import facts

from tiny_tasks import block_task, cnn_task, computed_task, mlp_task, padded_classes_task, padded_task

LONG = Stop(steps=4000)
"""Long enough for what has to earn its preparation back; nothing trains it to the end."""


def small_images() -> Task:
    def model() -> nn.Module:
        layers = [
            nn.Conv2d(2, 8, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(8, 6, 3),
            nn.AdaptiveMaxPool2d(2),
            nn.MaxPool2d(2),
        ]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(6, 3))

    return cnn_task(model=model, stop=LONG)


def many_classes() -> Task:
    x = torch.randint(0, 300, (24, 5), generator=torch.Generator().manual_seed(5))
    data = Data(train=TensorDataset(x, (x + 1) % 300), valid=TensorDataset(x[:4], (x[:4] + 1) % 300))
    update = Update(optimizer="adagrad", lr=0.05)
    layers: Callable[[], nn.Module] = lambda: nn.Sequential(nn.Embedding(300, 6), nn.Linear(6, 300))  # noqa: E731
    return mlp_task(name="tiny-classes", data=data, model=layers, metric="loss", update=update, stop=LONG)


def wide() -> Task:
    layers: Callable[[], nn.Module] = lambda: nn.Sequential(  # noqa: E731
        nn.Linear(5, 384), nn.ReLU(), nn.Linear(384, 384), nn.ReLU(), nn.Linear(384, 2)
    )
    return mlp_task(name="tiny-wide", model=layers, batch_size=40, stop=LONG)


class Attending(nn.Module):
    """Attention over tokens, then a score for each class; the attention's weights are made and not used."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 12), nn.Linear(12, 11)
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        return self.head(x + self.attention(x, x, x)[0])


def attending() -> Task:
    return block_task(name="tiny-attention", model=Attending, stop=LONG)


class AttendingFused(nn.Module):
    """Causal attention by torch's fused kernel, then a score for each class."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(11, 12), nn.Linear(12, 36), nn.Linear(12, 11)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.unflatten(-1, (3, 4)).transpose(1, 2) for part in self.mix(self.embed(tokens)).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(mixed.transpose(1, 2).flatten(2))


def attending_fused() -> Task:
    return block_task(name="tiny-fused-attention", model=AttendingFused, stop=LONG)


class AttendingWide(nn.Module):
    """Causal attention by torch's fused kernel, one head of 32 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(11, 12), nn.Linear(12, 96), nn.Linear(32, 11)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        q, k, v = self.mix(self.embed(tokens)).unsqueeze(1).chunk(3, -1)
        return self.head(F.scaled_dot_product_attention(q, k, v, is_causal=True).squeeze(1))


def attending_wide() -> Task:
    return block_task(name="tiny-wide-attention", model=AttendingWide, stop=LONG)


def tall_blocks() -> Task:
    def block() -> nn.Module:
        return nn.Sequential(nn.Linear(12, 96), nn.GELU(), nn.Linear(96, 12))

    layers: Callable[[], nn.Module] = lambda: nn.Sequential(  # noqa: E731
        nn.Embedding(11, 12), nn.Sequential(*(block() for _ in range(5))), nn.Linear(12, 11)
    )
    return block_task(name="tiny-tall", model=layers, batch_size=20, stop=LONG)


def few_words() -> Task:
    generator = torch.Generator().manual_seed(6)
    x = (torch.rand(40, 1100, generator=generator) < 0.01).float()
    y = (x.sum(1) > x.sum(1).median()).long()
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x[:10], y[:10]))
    layers: Callable[[], nn.Module] = lambda: nn.Sequential(nn.Linear(1100, 7), nn.ReLU(), nn.Linear(7, 2))  # noqa: E731
    return mlp_task(name="tiny-words", data=data, model=layers, stop=LONG)


def normalized() -> Task:
    layers: Callable[[], nn.Module] = lambda: nn.Sequential(  # noqa: E731
        nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2)
    )
    return mlp_task(name="tiny-normalized", model=layers, stop=LONG)


TASKS: tuple[Callable[[], Task], ...] = (
    lambda: block_task(stop=LONG),
    lambda: mlp_task(stop=LONG),
    small_images,
    many_classes,
    wide,
    attending,
    tall_blocks,
    few_words,
    lambda: computed_task(stop=LONG),
    lambda: padded_task(stop=LONG),
    lambda: padded_classes_task(stop=LONG),
    attending_fused,
    attending_wide,
    normalized,
)
"""In the order in which a technique looks for one that it does not refuse."""


def machine() -> Machine:
    """Return this machine, without a GPU."""
    return msgspec.structs.replace(facts(), gpu=None)


def small_machine() -> Machine:
    """Return this machine with less memory than any data take, for techniques that read them from the disk."""
    return msgspec.structs.replace(machine(), memory_bytes=1)


MACHINES: tuple[Callable[[], Machine], ...] = (machine, small_machine)
"""In the order in which a technique looks for one on which it does not refuse."""
