import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.data.sources.characters import CharacterVocabulary, decode, encode, fit_characters
from hasten.data.sources.content import read_text


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_back_as_it_was(text):
    vocabulary = fit_characters(text)
    tokens = encode(text, vocabulary)
    assert decode(tokens, vocabulary) == text
    assert tokens.tolist() == [vocabulary.characters.index(character) for character in text]


@pytest.mark.parametrize(("size", "dtype"), [(256, np.uint8), (257, np.uint16), (65537, np.int32)])
def test_tokens_are_as_narrow_as_they_may(size, dtype):
    characters = "".join(map(chr, range(0x10000, 0x10000 + size)))
    tokens = encode(characters, CharacterVocabulary(characters))
    assert tokens.dtype == dtype
    assert tokens.tolist() == list(range(size))


@pytest.mark.parametrize("stranger", ["é", "B", "\U0001f600"])
def test_an_unknown_character_is_named_with_its_place(stranger):
    with pytest.raises(BadInput, match=rf"found '{stranger}' at character 4 \(line 2\) and 2 unknown"):
        encode(f"ab\na{stranger}b{stranger}", fit_characters("abC\n"))


def test_a_token_without_a_character_is_named():
    with pytest.raises(BadInput, match="from 0 to 1; found 2 at place 1"):
        decode(np.array([0, 2]), fit_characters("ab"))


def test_an_empty_text_has_no_vocabulary():
    with pytest.raises(BadInput, match="at least one character"):
        fit_characters("")


def test_shakespeare_has_65_characters(shared_data):
    text = read_text(shared_data / "tinyshakespeare" / "input.txt")
    vocabulary = fit_characters(text)
    assert (len(vocabulary), len(text)) == (65, 1_115_394)
    assert decode(encode(text, vocabulary)[:15], vocabulary) == "First Citizen:\n"
