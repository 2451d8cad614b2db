"""An attribution in words and as the parts that are shown of it."""

from dataclasses import dataclass

import numpy as np

from hasten.base.records.attribution import AttributedSample, InputKind
from hasten.base.units import digits3, percent


def headline(sample: AttributedSample) -> str:
    """Return what the model said of a sample: "#12: predicted 3 (97 %), is 8"."""
    sure = "" if sample.confidence is None else f" ({percent(sample.confidence)})"
    return f"#{sample.index}: predicted {sample.predicted}{sure}, is {sample.target}"


@dataclass(frozen=True)
class Part:
    """A token or a column: its name, its input, its attribution, and that over the largest."""

    name: str
    value: str
    attribution: float
    share: float

    @property
    def number(self) -> str:
        """The attribution with its sign."""
        return f"{'+' if self.attribution > 0 else ''}{digits3(self.attribution)}"


def strongest(sample: AttributedSample, most: int) -> list[Part]:
    """Return the tokens or columns with the largest attributions, the largest first."""
    order = np.argsort(-np.abs(sample.attributions), kind="stable")[:most]
    return [_part(sample, int(place)) for place in order]


def in_order(sample: AttributedSample, most: int) -> tuple[list[Part], int]:
    """Return neighboring tokens, those that hold most of the attributions, and how many are left out.

    Trailing tokens without any, padding for one, are not counted.
    """
    sizes = np.abs(sample.attributions)
    end = int(np.flatnonzero(sizes)[-1]) + 1 if sizes.any() else len(sizes)
    sums = np.concatenate([[0.0], np.cumsum(sizes[:end])])
    first = int(np.argmax(sums[most:] - sums[:-most])) if end > most else 0
    return [_part(sample, place) for place in range(first, min(end, first + most))], max(0, end - most)


def _part(sample: AttributedSample, place: int) -> Part:
    value, largest = sample.attributions[place], max(map(abs, sample.attributions)) or 1.0
    return Part(sample.names[place], digits3(sample.inputs[place]), value, value / largest)


def kind_words(kind: InputKind) -> str:
    """Return what the parts of an input are called."""
    return {InputKind.IMAGE: "pixel", InputKind.TOKENS: "token", InputKind.TABLE: "column"}[kind]
