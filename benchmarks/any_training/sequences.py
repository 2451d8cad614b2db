"""An LSTM over packed sequences, a GPT, a BERT with dictionary batches, tied weights, LoRA."""

from collections import UserDict
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.any_training.training import STEPS, Training, adam, normal, plain_loop, whole_numbers
from hasten import Data, Stop, Task, Update

SAMPLES, WORDS, LENGTH, WIDTH = 64, 20, 12, 16
STOP = Stop(steps=STEPS)


class Sentences(Dataset[Any]):
    """Sequences of numbers of different lengths, with a class."""

    def __init__(self) -> None:
        self.lengths = (3 + whole_numbers(LENGTH - 3, SAMPLES)).tolist()

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return normal(self.lengths[index], 4, seed=index), index % 2


def padded(samples: list[Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Return (batch, time, 4), lengths and classes."""
    sequences, labels = zip(*samples, strict=True)
    return pad_sequence(sequences, batch_first=True), torch.tensor([*map(len, sequences)]), torch.tensor(labels)


def packed(samples: list[Any]) -> tuple[PackedSequence, Tensor]:
    """Return the sequences packed, and classes."""
    sequences, labels = zip(*samples, strict=True)
    return pack_sequence(sequences, enforce_sorted=False), torch.tensor(labels)


class Recurrent(nn.Module):
    """An LSTM whose last state tells the class."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, WIDTH, batch_first=True), nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor | PackedSequence, lengths: Tensor | None = None) -> Tensor:
        """Return class scores of padded sequences with lengths, or of packed ones."""
        if isinstance(x, Tensor):
            assert lengths is not None, "padded sequences have lengths"
            x = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (state, _) = self.lstm(x)
        return self.head(state[-1])


def lstm(name: str, collate: Any) -> Training:
    """Return the training of the LSTM on batches that `collate` makes."""

    def loader() -> DataLoader[Any]:
        return DataLoader(Sentences(), 10, shuffle=True, collate_fn=collate)

    def loss(net: nn.Module, batch: Any) -> Tensor:
        *inputs, target = batch
        return F.cross_entropy(net(*inputs), target)

    return Training(
        name,
        lambda: plain_loop(Recurrent, adam, loader(), loss),
        lambda: Task(
            name=name,
            data=Data(train=loader(), valid=Sentences(), collate=collate),
            model=Recurrent,
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


class Attention(nn.Module):
    """Self-attention, causal or with a mask of what is no padding."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal, self.qkv, self.out = causal, nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return (batch, time, width) for the same."""
        q, k, v = (one.unflatten(2, (2, -1)).transpose(1, 2) for one in self.qkv(x).chunk(3, 2))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal)
        return self.out(y.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """One block of a transformer."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.attention, self.norm_one, self.norm_two = Attention(causal), nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 32), nn.GELU(), nn.Linear(32, WIDTH), nn.Dropout(0.1))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (batch, time, width) for the same."""
        x = x + self.attention(self.norm_one(x), mask)
        return x + self.mlp(self.norm_two(x))


class GPT(nn.Module):
    """Next word of each place; the embedding and the last layer may share their weight."""

    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.layers, self.norm = nn.ModuleList([Layer(causal=True) for _ in range(2)]), nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Return scores (batch, time, words)."""
        x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def text() -> TensorDataset:
    """Return sequences of words and the next word of each place."""
    ids = whole_numbers(WORDS, SAMPLES, LENGTH + 1)
    return TensorDataset(ids[:, :-1], ids[:, 1:])


def adamw(net: nn.Module) -> optim.Optimizer:
    """Return AdamW with the settings of most language models."""
    return optim.AdamW(net.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1)


def gpt(name: str, tied: bool) -> Training:
    """Return the training of a GPT with the loss of a script: scores and targets flattened."""

    def loader() -> DataLoader[Any]:
        return DataLoader(text(), 8, shuffle=True, drop_last=True)

    def loss(scores: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(scores.view(-1, WORDS), target.reshape(-1))

    return Training(
        name,
        lambda: plain_loop(lambda: GPT(tied), adamw, loader(), lambda net, batch: loss(net(batch[0]), batch[1])),
        lambda: Task(
            name=name,
            data=Data(train=loader(), valid=text()),
            model=lambda: GPT(tied),
            loss=loss,
            metric="loss",
            update=Update(optimizer=adamw),
            stop=STOP,
        ),
    )


class Masked(Dataset[Any]):
    """Tokenized texts of different lengths, as a tokenizer gives them; 15 % of the words are to be told."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        ids = whole_numbers(WORDS - 1, 4 + index % (LENGTH - 3), seed=index)
        hidden = normal(len(ids), seed=index) > 1.0
        hidden[0] = True
        return {"input_ids": ids.masked_fill(hidden, WORDS - 1), "labels": ids.masked_fill(~hidden, -100)}


class Encoded(UserDict[str, Any]):
    """A mapping with `to`, as the batches of transformers are."""

    def to(self, device: Any, **options: Any) -> "Encoded":
        """Return this with its tensors on a device."""
        self.data = {name: value.to(device, **options) for name, value in self.data.items()}
        return self


def encoded(samples: list[dict[str, Tensor]]) -> Encoded:
    """Return a padded batch with a mask."""
    ids = pad_sequence([one["input_ids"] for one in samples], batch_first=True)
    labels = pad_sequence([one["labels"] for one in samples], batch_first=True, padding_value=-100)
    mask = pad_sequence([torch.ones_like(one["input_ids"]) for one in samples], batch_first=True)
    return Encoded({"input_ids": ids, "attention_mask": mask, "labels": labels})


class MaskedOutput(NamedTuple):
    """What the model returns."""

    loss: Tensor | None
    logits: Tensor


class BERT(nn.Module):
    """A small stand-in of a model of transformers: keywords in, its own loss out."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH + 1, WIDTH)
        self.layers, self.head = nn.ModuleList([Layer(causal=False) for _ in range(2)]), nn.Linear(WIDTH, WORDS)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> MaskedOutput:
        """Return the loss over the words to be told, if labels are given, and scores (batch, time, words)."""
        x = self.words(input_ids) + self.places(torch.arange(input_ids.shape[1], device=input_ids.device))
        mask = attention_mask[:, None, None, :].bool()
        for layer in self.layers:
            x = layer(x, mask)
        logits = self.head(x)
        loss = None if labels is None else F.cross_entropy(logits.view(-1, WORDS), labels.view(-1))
        return MaskedOutput(loss, logits)


def bert() -> Training:
    """Dictionary batches and a model that computes its loss."""

    def loader() -> DataLoader[Any]:
        return DataLoader(Masked(), 8, shuffle=True, collate_fn=encoded)

    return Training(
        "bert",
        lambda: plain_loop(BERT, adamw, loader(), lambda net, batch: net(**batch).loss),
        lambda: Task(
            name="bert",
            data=Data(train=loader(), valid=Masked(), collate=encoded),
            model=BERT,
            loss="model",
            update=Update(optimizer=adamw),
            stop=STOP,
        ),
    )


def bert_of_transformers() -> Training:
    """A model of transformers; fails to import without the package."""
    from transformers import BertConfig, BertForMaskedLM  # ty: ignore  (an optional package)

    def model() -> nn.Module:
        return BertForMaskedLM(
            BertConfig(
                vocab_size=WORDS,
                hidden_size=WIDTH,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=32,
                max_position_embeddings=LENGTH + 1,
            )
        )

    def loader() -> DataLoader[Any]:
        return DataLoader(Masked(), 8, shuffle=True, collate_fn=encoded)

    return Training(
        "bert-of-transformers",
        lambda: plain_loop(model, adamw, loader(), lambda net, batch: net(**batch).loss),
        lambda: Task(
            name="bert-of-transformers",
            data=Data(train=loader(), valid=Masked(), collate=encoded),
            model=model,
            loss="model",
            update=Update(optimizer=adamw),
            stop=STOP,
        ),
    )


class LoRA(nn.Module):
    """A frozen linear layer and a trained product of two thin matrices."""

    def __init__(self, layer: nn.Linear, rank: int = 2) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features)
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer gives, plus the product."""
        return self.layer(x) + F.linear(F.linear(x, self.down), self.up)


def lora() -> Training:
    """A frozen GPT with LoRA in its attention."""

    def model() -> nn.Module:
        net = GPT().requires_grad_(False)
        for layer in net.layers:
            assert isinstance(layer, Layer), "the layers of a GPT"
            layer.attention.qkv = LoRA(layer.attention.qkv)  # type: ignore[assignment]
        return net

    def optimizer(net: nn.Module) -> optim.Optimizer:
        return optim.AdamW([one for one in net.parameters() if one.requires_grad], lr=1e-2)

    def loader() -> DataLoader[Any]:
        return DataLoader(text(), 8, shuffle=True)

    return Training(
        "lora",
        lambda: plain_loop(model, optimizer, loader(), lambda net, batch: F.cross_entropy(net(batch[0]).mT, batch[1])),
        lambda: Task(
            name="lora",
            data=Data(train=loader(), valid=text()),
            model=model,
            loss=lambda scores, target: F.cross_entropy(scores.mT, target),
            metric="loss",
            update=Update(optimizer=optimizer),
            stop=STOP,
        ),
    )


TRAININGS = (
    lstm("lstm-padded", padded),
    lstm("lstm-packed", packed),
    gpt("gpt", tied=False),
    gpt("tied-weights", tied=True),
    bert(),
    lora(),
)
