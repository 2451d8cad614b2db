"""Errors are located in the person's own code, where any of it is involved."""

import inspect
import json

import pytest

from hasten.base.user_code import location_of, message_of, sample_of, user_location


class Samples:
    def __getitem__(self, index):
        return json.loads("{")


def raised(function, *args):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        function(*args)
    return caught.value


def line_of(function, offset):
    return f"{__file__}:{inspect.getsourcelines(function)[1] + offset}"


def test_an_error_inside_a_library_is_located_where_the_person_called_it():
    error = raised(Samples().__getitem__, 7)
    assert user_location(error) == location_of(error) == line_of(Samples.__getitem__, 1)
    assert sample_of(error) == 7


def test_an_error_without_any_own_code_is_located_where_it_was_raised():
    error = json.JSONDecodeError("no", "{", 1)
    assert (user_location(error), location_of(error), sample_of(error)) == ("", "", None)
    library = RuntimeError(f'File "{json.__file__}", line 3')
    assert user_location(library) == ""
    assert location_of(library) == f"{json.__file__}:3"


def test_an_error_of_a_worker_is_located_by_its_text():
    frames = "".join(f'  File "{file}", line {line}\n' for file, line in (("/their/data.py", 5), (json.__file__, 3)))
    text = f"Caught\nOriginal Traceback (most recent call last):\n{frames}KeyError: 4"
    error = RuntimeError(text)
    assert user_location(error) == "/their/data.py:5"
    assert message_of(error) == "KeyError: 4"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("first.\nsecond"), "ValueError: first"),
        (KeyError(), "KeyError"),
        (RuntimeError("  all  "), "RuntimeError: all"),
    ],
)
def test_a_message_is_the_type_and_the_first_line(error, text):
    assert message_of(error) == text


def test_the_sample_is_the_argument_of_getitem_only():
    class Empty:
        def __getitem__(self, *args):
            raise KeyError

    def other(index):
        raise KeyError(index)

    assert sample_of(raised(other, 3)) is None
    assert sample_of(raised(Empty().__getitem__, 3)) is None
