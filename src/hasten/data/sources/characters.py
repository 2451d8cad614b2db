"""Text as tokens: a vocabulary of characters, and its encoding by one table look-up."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput


@dataclass(frozen=True)
class CharacterVocabulary:
    """Every character that may occur, in the order of their code points; a character's token is its place here."""

    characters: str

    def __len__(self) -> int:
        return len(self.characters)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The narrowest integer type that holds every token."""
        return np.dtype(token_dtype(len(self)))


def token_dtype(num_tokens: int) -> type[np.uint8 | np.uint16 | np.int32]:
    """Return the narrowest type of token that a vocabulary of `num_tokens` fits."""
    return np.uint8 if num_tokens <= 256 else np.uint16 if num_tokens <= 65536 else np.int32


def fit_characters(text: str) -> CharacterVocabulary:
    """Return the vocabulary of the characters that occur in `text`.

    Raises:
        BadInput: if the text is empty.
    """
    if not text:
        raise BadInput("a vocabulary must be made from at least one character; found an empty text.")
    return CharacterVocabulary("".join(sorted(set(text))))


def encode(text: str, vocabulary: CharacterVocabulary) -> NDArray[Any]:
    """Return the tokens of `text`, (len(text),) of `vocabulary.dtype`.

    Raises:
        BadInput: if a character is not in the vocabulary; names it, its place and how many there are.
    """
    known, points = _code_points(vocabulary.characters), _code_points(text)
    table = np.full(int(known.max()) + 2, -1, np.int32)  # the last place stands for all code points beyond
    table[known] = np.arange(len(known), dtype=np.int32)
    tokens = table[np.minimum(points, len(table) - 1)]
    unknown = np.flatnonzero(tokens < 0)
    if unknown.size:
        place = int(unknown[0])
        raise BadInput(
            f"every character must be one of the {len(vocabulary)} of the vocabulary; found {text[place]!r} at "
            f"character {place} (line {text.count(chr(10), 0, place) + 1}) and {unknown.size} unknown ones in all. "
            "Make the vocabulary from all the text."
        )
    return tokens.astype(vocabulary.dtype)


def decode(tokens: NDArray[Any], vocabulary: CharacterVocabulary) -> str:
    """Return the text that `tokens`, (n,) integers, stand for.

    Raises:
        BadInput: if a token is not in the vocabulary.
    """
    wrong = np.flatnonzero((tokens < 0) | (tokens >= len(vocabulary)))
    if wrong.size:
        raise BadInput(
            f"tokens must be from 0 to {len(vocabulary) - 1}; found {tokens[wrong[0]]} at place {wrong[0]}. "
            "Use the vocabulary that the tokens were made with."
        )
    return _code_points(vocabulary.characters)[tokens].tobytes().decode("utf-32-le")


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4"))
