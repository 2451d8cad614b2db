"""Which global values a person's functions read: what they compute may change with them."""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType, ModuleType
from typing import Any, TypeAlias

from hasten.base.user_code import is_theirs

Place: TypeAlias = tuple[Mapping[str, Any], str, object]
"""Where a value is: names and what they stand for, one of the names, and what it stood for."""

PLAIN = frozenset({str, int, float, bool, type(None)})


@contextmanager
def globals_read(found: list[Place]) -> Generator[None]:
    """Note the plain values that functions of the person's, called in the body, may read by a global name.

    These are the values of such names, entries of their dictionaries, and attributes of the objects and classes of the
    person's that they stand for. A list is replaced by a new one in most code, and is noted as such.

    Args:
        found: is added to at the end.
    """
    called = dict[CodeType, dict[str, Any]]()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and is_theirs(frame.f_code.co_filename):
            called[frame.f_code] = frame.f_globals

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
    for code, names in called.items():
        for name in code.co_names:
            if name in names:
                found += _places(names, name)


def _places(names: Mapping[str, Any], name: str) -> list[Place]:
    value = names[name]
    if type(value) in PLAIN or isinstance(value, list | tuple):
        return [(names, name, value)]
    if isinstance(value, ModuleType) or not hasattr(value, "__dict__"):
        inside: Mapping[str, Any] = value if type(value) is dict else {}
    else:
        inside = vars(value)
    return [(inside, one, held) for one, held in inside.items() if type(held) in PLAIN]
