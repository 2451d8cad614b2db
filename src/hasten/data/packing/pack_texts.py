"""Texts and token streams as the store takes them."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.data.sources.characters import CharacterVocabulary, encode, fit_characters
from hasten.data.sources.content import read_text
from hasten.data.sources.texts import Texts
from hasten.data.store.fingerprint import hash_values
from hasten.data.store.manifest import Layout
from hasten.data.store.pack import LABEL, Chunk, Packing, split_codes, split_columns, split_details
from hasten.data.store.writer import ColumnSchema

_CHUNK_ITEMS = 4096
_CHUNK_TOKENS = 4 << 20


def pack_texts(texts: Texts) -> Packing:
    """Return labeled texts, ready to be packed.

    Columns: "text", the UTF-8 bytes of each (which are tokens of a vocabulary of 256, too), "label", and "split" where
    the source has splits.
    """
    return Packing(
        kind="texts",
        source=texts.source,
        columns=(
            ColumnSchema(name="text", layout=Layout.VARIABLE, dtype="|u1"),
            LABEL,
            *split_columns(texts.splits),
        ),
        num_items=len(texts),
        chunks=partial(_text_chunks, texts),
        preprocessing={"content": hash_values(texts.texts, texts.labels.tolist())},
        classes=texts.classes,
        details=split_details(texts.splits),
    )


def pack_characters(path: Path, vocabulary: CharacterVocabulary | None = None, *, text: str | None = None) -> Packing:
    """Return a text file as one stream of character tokens, ready to be packed.

    The stream is called "tokens", and `vocabulary` among the details holds the characters in the order of their tokens.

    Args:
        path: a UTF-8 text file, compressed or not.
        vocabulary: its characters; made from the file where None.
        text: what the path holds, if that is known already.

    Raises:
        BadInput: if the file cannot be read or, while packing, holds a character that is not in the vocabulary.
    """
    text = read_text(path) if text is None else text
    known = vocabulary or fit_characters(text)
    return Packing(
        kind="tokens",
        source=path,
        columns=(ColumnSchema(name="tokens", layout=Layout.STREAM, dtype=known.dtype.str),),
        num_items=len(text),
        chunks=partial(_token_chunks, text, known),
        preprocessing={"vocabulary": known.characters},
        details={"vocabulary": tuple(known.characters)},
    )


def pack_tokens(tokens: NDArray[Any], source: Path) -> Packing:
    """Return a stream of tokens, ready to be packed, as the stream "tokens".

    Args:
        tokens: (n,) of any integer type.
        source: the file that they were read from.
    """
    return Packing(
        kind="tokens",
        source=source,
        columns=(ColumnSchema(name="tokens", layout=Layout.STREAM, dtype=tokens.dtype.str),),
        num_items=len(tokens),
        chunks=partial(_slices, tokens),
    )


def _slices(tokens: NDArray[Any], position: int) -> Iterator[Chunk]:
    for start in range(position, len(tokens), _CHUNK_TOKENS):
        part = tokens[start : start + _CHUNK_TOKENS]
        yield Chunk(start + len(part), {"tokens": part})


def _text_chunks(texts: Texts, position: int) -> Iterator[Chunk]:
    splits = split_codes(len(texts), texts.splits)
    for start in range(position, len(texts), _CHUNK_ITEMS):
        part = slice(start, min(start + _CHUNK_ITEMS, len(texts)))
        rows = [np.frombuffer(text.encode(), np.uint8) for text in texts.texts[part]]
        columns = {"text": rows, "label": texts.labels[part]} | {name: codes[part] for name, codes in splits.items()}
        yield Chunk(part.stop, columns, texts.skipped if start == 0 else ())


def _token_chunks(text: str, vocabulary: CharacterVocabulary, position: int) -> Iterator[Chunk]:
    for start in range(position, len(text), _CHUNK_TOKENS):
        part = text[start : start + _CHUNK_TOKENS]
        yield Chunk(start + len(part), {"tokens": encode(part, vocabulary)})
