"""What the values of a sample are called, for those who read about single samples."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names of what a data set holds as numbers; `hasten attribute` shows them.

    Args:
        columns: of the input of a table, in their order.
        tokens: the text of each token, by its number.
        classes: of each class, by its number.
    """

    columns: Sequence[str] = ()
    tokens: Sequence[str] = ()
    classes: Sequence[str] = ()

    def column(self, place: int) -> str:
        """Return the name of a column, its number where it has none."""
        return _name(self.columns, place, f"column {place}")

    def token(self, number: int) -> str:
        """Return the text of a token, its number where it has none."""
        return _name(self.tokens, number, str(number))

    def class_(self, number: int) -> str:
        """Return the name of a class, its number where it has none."""
        return _name(self.classes, number, str(number))


def _name(names: Sequence[str], place: int, otherwise: str) -> str:
    return str(names[place]) if 0 <= place < len(names) else otherwise
