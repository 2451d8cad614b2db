"""Shakespeare, character by character: a small GPT as people write it, in plain torch.

The model is that of Radford et al., 2019 ("Language models are unsupervised multitask learners"), as in nanoGPT
(Karpathy, 2022): learned positions, layer norm before attention and before the MLP, GELU, no biases, the output layer
tied to the embedding.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name
from hasten.data.datasets import Windows
from hasten.data.names import Names
from hasten.data.sources.characters import encode, fit_characters
from hasten.data.sources.source import read_prose
from hasten.training.loss import CrossEntropy
from hasten.training.schedule import Schedule
from hasten.training.task import Data, Stop, Task, Update

VALID_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a GPT is; the default trains on two cores in minutes.

    Args:
        layers: transformer blocks.
        width: numbers per position; divisible by `heads`.
        heads: attention heads per block.
        length: characters that the model sees.
        dropout: share of activations dropped in training.
    """

    layers: int = 4
    width: int = 128
    heads: int = 4
    length: int = 64
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise BadInput(f"the width of a GPT must be divisible by its heads; found {self.width} and {self.heads}.")


class Attention(nn.Module):
    """Causal self-attention with several heads; (batch, length, width) in and out."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads, self.dropout = size.heads, size.dropout
        self.query_key_value = nn.Linear(size.width, 3 * size.width, bias=False)
        self.out = nn.Linear(size.width, size.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        B, T, _ = x.shape
        q, k, v = (part.view(B, T, self.heads, -1).transpose(1, 2) for part in self.query_key_value(x).chunk(3, dim=-1))
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then an MLP, each added to what came in."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size.width, bias=False)
        self.attention = Attention(size)
        self.norm2 = nn.LayerNorm(size.width, bias=False)
        self.up = nn.Linear(size.width, 4 * size.width, bias=False)
        self.down = nn.Linear(4 * size.width, size.width, bias=False)
        self.drop = nn.Dropout(size.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.attention(self.norm1(x)))
        return x + self.drop(self.down(F.gelu(self.up(self.norm2(x)))))


class GPT(nn.Module):
    """Characters in, (batch, length) int64; scores of the next one out, (batch, length, characters)."""

    def __init__(self, characters: int, size: Size) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, size.width)
        self.position = nn.Embedding(size.length, size.width)
        self.drop = nn.Dropout(size.dropout)
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width, bias=False)
        self.head = nn.Linear(size.width, characters, bias=False)
        self.apply(self._initialize)
        for block in self.blocks:  # the sum over 2 x layers additions keeps the scale of one
            for last in (block.get_submodule("attention.out"), block.get_submodule("down")):
                nn.init.normal_(last.get_parameter("weight"), std=0.02 / math.sqrt(2 * size.layers))
        self.head.weight = self.embed.weight

    def forward(self, characters: Tensor) -> Tensor:
        place = torch.arange(characters.shape[1], device=characters.device)
        x = self.drop(self.embed(characters) + self.position(place))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    @staticmethod
    def _initialize(module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)


def task(
    *,
    data: Path,
    size: Size = Size(),
    batch_size: int = 32,
    lr: float = 2e-3,
    target: float | None = None,
    epochs: int = 3,
) -> Task:
    """Return the task: predict each next character; the last tenth of the text is for validation.

    Args:
        data: a text file in UTF-8, compressed or not, or a store packed from one.
        size: of the model; its `length` is also that of the windows.
        batch_size: windows per update.
        lr: learning rate of AdamW at its highest.
        target: validation loss (nats per character) at which training ends; None to make all epochs.
        epochs: passes over the training text at most.

    Raises:
        BadInput: if the file cannot be read or is too short for one window in either part.
    """
    text = read_prose(data)
    needed = math.ceil((size.length + 1) / VALID_SHARE)
    if int(VALID_SHARE * len(text)) <= size.length:
        raise BadInput(
            f"{printable_name(data)} must hold at least {needed} characters, so that its last tenth holds a window of "
            f"{size.length}; found {len(text)}. Pass a longer text."
        )
    vocabulary = fit_characters(text)
    tokens = torch.from_numpy(encode(text, vocabulary))
    cut = len(tokens) - int(VALID_SHARE * len(tokens))
    train, valid = Windows(tokens[:cut], size.length), Windows(tokens[cut:], size.length)
    steps = epochs * -(-len(train) // batch_size)
    return Task(
        name="shakespeare",
        data=Data(train=train, valid=valid, names=Names(tokens=vocabulary.characters, classes=vocabulary.characters)),
        model=lambda: GPT(len(vocabulary), size),
        loss=CrossEntropy(ignore_index=None, class_dim=-1),
        metric="loss",
        update=Update(
            optimizer="adamw",
            lr=lr,
            options={"betas": (0.9, 0.95), "weight_decay": 0.1},
            schedule=Schedule(name="cosine", warmup=min(100, steps // 10), options={"final": 0.1}),
        ),
        batch_size=batch_size,
        stop=Stop(epochs=epochs, target=target),
    )
