"""Values of knobs, tried in the same factorial: each is a factor of its own, which conflicts with the others."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from hasten.base.records.machine import Machine
from hasten.techniques.applying import knobs_of, why_refused
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique

FARTHEST = 2
"""Steps of a knob away from where its search starts."""


class Level(NamedTuple):
    """A technique with the knobs that are tried, and the number of the one from which it is the next step."""

    technique: Technique
    after: int | None


def levels_of(chosen: Sequence[Technique], recipe: Recipe, machine: Machine) -> list[Level]:
    """Return the techniques, and after them their other knobs: those of the card, and steps from them (`nearby`).

    A technique whose knobs a person has set keeps them.
    """
    found = [Level(one, None) for one in chosen]
    names = [one.card.name for one in chosen]
    for one in chosen:
        if knobs_of(one) or names.count(one.card.name) > 1:
            continue
        starts = [replace(one, **knobs) for knobs in one.card.search if knobs]  # type: ignore[type-var]
        found += [Level(start, None) for start in _fit(starts, found, recipe, machine)]
        reached = [(at, level.technique) for at, level in enumerate(found) if level.technique in (one, *starts)]
        for _ in range(FARTHEST):
            further = list[tuple[int, Technique]]()
            for at, before in reached:
                for step in _fit(nearby(before), found, recipe, machine):
                    further.append((len(found), step))
                    found.append(Level(step, at))
            reached = further
    return found


def nearby(one: Technique) -> Sequence[Technique]:
    """Return the technique with the next values of its knobs, where it says which they are."""
    steps = getattr(one, "nearby", None)
    return () if steps is None else steps()


def _fit(variants: Sequence[Technique], found: Sequence[Level], recipe: Recipe, machine: Machine) -> list[Technique]:
    """Return those that are new and do not refuse."""
    known = [level.technique for level in found]
    return [one for one in variants if one not in known and why_refused(one, recipe, machine) is None]
