"""Text from data, made safe to print."""

_KEPT = frozenset(" \n\t\u00a0\u2009\u202f\u3000")


def printable(text: str) -> str:
    r"""Return the text with control and formatting characters escaped: ESC becomes \x1b.

    A column name, a class or a path may hold terminal escape sequences, overrides of the writing direction, or bytes
    that are not UTF-8; printed raw, they could move the cursor, hide what follows, or fail to be encoded.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char in _KEPT or char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def printable_name(name: object) -> str:
    """Return the name of a file, folder or class on one line, with everything escaped that does not print."""
    text = str(name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
