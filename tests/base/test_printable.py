"""Names from data cannot move the cursor, hide text or fail to be encoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten.base.printable import printable, printable_name


@given(st.text())
def test_what_is_printed_prints_and_what_prints_stays(text):
    one_line, lines = printable_name(text), printable(text)
    assert one_line.isprintable()
    assert all(char.isprintable() or char in " \n\t\u00a0\u2009\u202f\u3000" for char in lines)
    if text.isprintable():
        assert one_line == lines == text


@pytest.mark.parametrize(
    ("text", "name", "lines"),
    [
        ("a\x1b[2J", "a\\x1b[2J", "a\\x1b[2J"),
        ("a\nb\t", "a\\nb\\t", "a\nb\t"),
        ("\u202e", "\\u202e", "\\u202e"),
        ("\udcff", "\\udcff", "\\udcff"),
        ("é\x00", "é\\x00", "é\\x00"),
    ],
)
def test_control_characters_are_escaped(text, name, lines):
    assert (printable_name(text), printable(text)) == (name, lines)
