"""Film reviews, for or against: a bag of words on Maas et al., 2011, "Learning word vectors for sentiment analysis".

The model is the mean of the embeddings of a text's words and one linear layer, as in fastText (Joulin et al., 2016,
arXiv:1607.01759) without its pairs of words and its hashing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten.base.errors import BadInput
from hasten.data.names import Names
from hasten.data.sources.on_error import OnBad, left_out_notes
from hasten.data.sources.source import read_texts
from hasten.tasks.splits import learning_parts
from hasten.training.task import Data, Stop, Task, Update

VALID_SHARE = 0.2
LENGTH = 256
PADDING, UNKNOWN = 0, 1
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


class BagOfWords(nn.Module):
    """Scores of the classes, (batch, classes), from the words of texts, (batch, length) int64; 0 is padding.

    Args:
        words: how many there are, padding and unknown ones included.
        classes: how many.
        width: numbers per word.
        dropout: share of the mean's numbers dropped in training.
    """

    def __init__(self, words: int, classes: int, *, width: int = 64, dropout: float = 0.2) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width, padding_idx=PADDING)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)

    def forward(self, words: Tensor) -> Tensor:
        count = (words != PADDING).sum(1, keepdim=True).clamp(min=1)
        return self.head(self.drop(self.embed(words).sum(1) / count))  # padding is embedded as zeros


def task(
    *,
    data: Path,
    words: int = 20_000,
    batch_size: int = 64,
    lr: float = 3e-3,
    target: float | None = 0.85,
    epochs: int = 6,
    on_bad: OnBad = "raise",
) -> Task:
    """Return the task: tell from the first 256 words of a review whether its writer liked the film.

    The validation reviews are those that the source gives, or else a fifth of the training ones. The test reviews stay
    untouched. The words are those of the training reviews alone.

    Args:
        data: a folder or archives of `train/pos/*.txt`, `train/neg/*.txt`, or a store packed from them; other classes
            serve as well.
        words: how many of the most frequent words of the training reviews are told apart.
        batch_size: reviews per update.
        lr: learning rate of Adam.
        target: validation accuracy at which training ends; None to make all epochs.
        epochs: passes over the training reviews at most.
        on_bad: whether a file that is not UTF-8, and a class without files, is an error or left out and noted.

    Raises:
        BadInput: if the source has no class folders of .txt files, or, under "raise", one is not UTF-8.
    """
    texts = read_texts(data, on_bad=on_bad)
    train, valid = learning_parts(texts.splits, texts.labels, VALID_SHARE)
    split_texts = [find_words(text) for text in texts.texts]
    known = fit_words((split_texts[i] for i in train.tolist()), words)
    if not known:
        raise BadInput(f"{data} must hold words to learn from; found none in {len(train)} training texts.")
    labels = torch.from_numpy(texts.labels)
    return Task(
        name="imdb",
        data=Data(
            train=_dataset(split_texts, labels, train, known),
            valid=_dataset(split_texts, labels, valid, known),
            names=Names(tokens=("[padding]", "[unknown]", *known), classes=texts.classes),
        ),
        model=lambda: BagOfWords(len(known) + 2, len(texts.classes)),
        metric="accuracy",
        update=Update(optimizer="adam", lr=lr),
        batch_size=batch_size,
        stop=Stop(epochs=epochs, target=target),
        notes=(*left_out_notes(data, texts.skipped), *texts.remarks),
    )


def find_words(text: str) -> list[str]:
    """Return the words of a text in lower case; an apostrophe inside belongs to the word, tags of HTML are left out."""
    return _WORD.findall(text.lower().replace("<br />", " "))


def fit_words(texts: Iterable[Sequence[str]], limit: int) -> dict[str, int]:
    """Return the `limit` most frequent words with their tokens, from 2 on; equally frequent ones by the alphabet."""
    counts = Counter(word for text in texts for word in text)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[:limit]
    return {word: token for token, word in enumerate(ranked, start=UNKNOWN + 1)}


def encode_words(texts: Sequence[Sequence[str]], known: dict[str, int], length: int = LENGTH) -> NDArray[np.int64]:
    """Return the tokens of the first words of each text, (texts, length) int64: 1 where unknown, 0 behind the end."""
    tokens = np.full((len(texts), length), PADDING, np.int64)
    for row, text in enumerate(texts):
        found = [known.get(word, UNKNOWN) for word in text[:length]]
        tokens[row, : len(found)] = found
    return tokens


def _dataset(
    texts: Sequence[list[str]], labels: Tensor, ids: NDArray[np.int64], known: dict[str, int]
) -> TensorDataset:
    tokens = encode_words([texts[i] for i in ids.tolist()], known)
    return TensorDataset(torch.from_numpy(tokens), labels[torch.from_numpy(ids)])
