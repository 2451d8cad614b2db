"""Evidence that is kept between tunings: read, taken up by a search, and written while it goes on."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

import hasten
from hasten.base.errors import BadInput
from hasten.base.own_code import own_code
from hasten.base.records.known import Keys, Known
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.sealed import load_sealed, save_sealed
from hasten.machine.cache import hardware
from hasten.training.building import build
from hasten.training.description import described
from hasten.training.identity import identity
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique
from hasten.tuning.search.model import Readings

FOLDER = Path("tuning")
"""In the cache folder."""
MOST_BLOCKS = 1000
"""That are kept, the newest: the time that fitting takes grows with their number."""
_OF_THE_RUN = ("seed", "techniques", "validation data", "own evaluation", "metric")
"""What a training's identity has and the speed and exactness of its steps do not depend on."""


class EvidenceStore(Protocol):
    """Where the evidence of tunings of one training on machines of one kind is kept.

    Attributes:
        note: what a person has to know about it; empty for nothing.
        kept: whether the next tuning finds what this one has shown.
    """

    note: str

    @property
    def kept(self) -> bool: ...

    def shown(self, threads: int | None) -> Known:
        """Return what other tunings have shown, with the blocks that were timed on so many threads; see `Known`."""
        ...

    def news(self) -> Known:
        """Return what tunings that go on elsewhere have shown since `shown` or `news` was called last."""
        ...

    def keep(self, own: Known) -> None:
        """Keep what this tuning has shown so far, in place of what it had shown before."""
        ...

    def mark(self, under_way: Keys) -> None:
        """Note that a setting is being set up now, so that the next tuning knows if this one never ends."""
        ...

    def forget(self) -> None:
        """Let no further tuning use what is known: it has led to a plan that is not faster."""
        ...


@dataclass
class FileStore:
    """A file in the cache folder, of one tuning at a time; see `EvidenceStore`. Without a path nothing is kept.

    Attributes:
        known: what earlier tunings have shown.
    """

    path: Path | None = None
    known: Known = field(default_factory=Known)
    note: str = ""
    _written: Known | None = None

    @property
    def kept(self) -> bool:
        """Whether there is a file."""
        return self.path is not None

    def shown(self, threads: int | None) -> Known:
        """Return what earlier tunings have shown."""
        return by_clock(self.known, threads)

    def news(self) -> Known:
        """Return nothing: no other tuning goes on."""
        return Known()

    def keep(self, own: Known) -> None:
        """Write what is known by now."""
        self._write(merged(by_clock(self.known, own.threads), own))

    def mark(self, under_way: Keys) -> None:
        """Note the setting in the file."""
        self._write(msgspec.structs.replace(self._written or self.known, under_way=under_way))

    def forget(self) -> None:
        """Delete the file."""
        self.known, self._written = Known(versions=self.known.versions), None
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _write(self, known: Known) -> None:
        if self.path is None:
            return
        try:
            save_sealed(known, self.path)
            self._written = known
        except BadInput as error:
            self.path, self.note = None, f"The evidence of this tuning is not kept: {error}"


def opened(recipe: Recipe, machine: Machine, folder: Path, *, fresh: bool) -> FileStore:
    """Return the store of a task in a cache folder; `fresh` ignores what it holds.

    Builds the model, whose layers and sizes tell tasks apart. What other versions of hasten, torch or Python have
    found is not used.
    """
    versions = versions_of_evidence(machine)
    store = FileStore(evidence_path(recipe, machine, folder), Known(versions=versions))
    assert store.path is not None
    if fresh or not store.path.exists():
        return store
    try:
        found = load_sealed(Known, store.path)
    except BadInput as error:
        store.note = f"Earlier evidence is not used: {error}"
        return store
    changed = differing(found.versions, versions)
    if changed:
        store.note = f"Earlier evidence is not used: it is from {changed}."
    else:
        store.known = found
    return store


def versions_of(machine: Machine) -> dict[str, str]:
    """Return the versions that decide how fast and how exact a technique is."""
    return {"torch": machine.torch, "hasten": hasten.__version__, "python": machine.python}


def versions_of_evidence(machine: Machine) -> dict[str, str]:
    """Return the same with a hash of hasten's code: what was refused for a fault is free when that is mended."""
    return versions_of(machine) | {"code": own_code()}


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return the versions that have changed, `torch 2.12.0 (now 2.13.0)`, or nothing."""
    names = [name for name in now if before.get(name) != now[name]]
    return ", ".join(f"{name} {before.get(name, 'unknown')} (now {now[name]})" for name in names)


def evidence_path(recipe: Recipe, machine: Machine, folder: Path) -> Path:
    """Return the file for a training on a machine; see `evidence_name`."""
    return folder / FOLDER / f"{evidence_name(recipe, machine)}.json"


def evidence_name(recipe: Recipe, machine: Machine) -> str:
    """Return a name for a training on machines of one kind, with what decides how long its steps take.

    Builds the model.
    """
    whole = identity(build(recipe), Plan(task=recipe.task.name))
    told = {name: value for name, value in whole.items() if name not in _OF_THE_RUN}
    content = msgspec.json.encode((hardware(machine), recipe.parallel.device, told))
    return f"{recipe.task.name}-{hashlib.sha256(content).hexdigest()[:16]}"


def key_of(one: Technique) -> str:
    """Return the key of a technique: its name, its knobs and, of code that is not hasten's, the hash of its code."""
    return f"{one.card.name}: {described(one)}"


def readings_of(known: Known, number: Mapping[str, int]) -> Readings:
    """Return the blocks of settings whose techniques all have a number, the numbers in place of the keys."""
    found, numbered = Readings(), [[number.get(key) for key in keys] for keys in known.settings]
    for setting, group, log_s in known.blocks:
        ones = [one for one in numbered[setting] if one is not None]
        if len(ones) == len(numbered[setting]):
            found.add(frozenset(ones), group, log_s)
    return found


def known_of(readings: Readings, key: Mapping[int, str]) -> Known:
    """Return readings as evidence, the keys in place of the numbers; groups are numbered from 0."""
    numbers: dict[Keys, int] = {}
    groups = {group: number for number, group in enumerate(sorted(set(readings.groups)))}
    blocks = list[tuple[int, int, float]]()
    for setting, group, log_s in zip(readings.settings, readings.groups, readings.logs, strict=True):
        if math.isfinite(log_s):
            keys = tuple(sorted(key[one] for one in setting))
            blocks.append((numbers.setdefault(keys, len(numbers)), groups[group], log_s))
    return Known(settings=tuple(numbers), blocks=tuple(blocks))


def by_clock(known: Known, threads: int | None) -> Known:
    """Return what is known without blocks that were timed on another number of threads, by another clock."""
    return known if known.threads == threads else msgspec.structs.replace(known, settings=(), blocks=(), spent_s=0.0)


def merged(before: Known, more: Known) -> Known:
    """Return what both show together, as of the versions of the first; the newest `MOST_BLOCKS` blocks of it."""
    offset = first_group(before)
    blocks = [(before.settings[setting], group, log_s) for setting, group, log_s in before.blocks]
    blocks += [(more.settings[setting], offset + group, log_s) for setting, group, log_s in more.blocks]
    blocks = sorted(blocks, key=lambda block: block[1])[-MOST_BLOCKS:]
    number: dict[Keys, int] = {}
    for keys, _, _ in blocks:
        number.setdefault(keys, len(number))
    proofs = {frozenset(one.plan): one for one in (*before.proofs, *more.proofs)}
    return Known(
        versions=before.versions,
        threads=more.threads,
        spent_s=before.spent_s + more.spent_s,
        settings=tuple(number),
        blocks=tuple((number[keys], group, log_s) for keys, group, log_s in blocks),
        unusable=before.unusable | more.unusable,
        proofs=tuple(proofs.values()),
        setup_s=before.setup_s | more.setup_s,
    )


def first_group(known: Known) -> int:
    """Return the number of the first group of blocks to come."""
    return 1 + max((group for _, group, _ in known.blocks), default=-1)


def share_known(known: Known, keys: Iterable[str]) -> float:
    """Return the share of techniques that took part in an earlier search."""
    seen = {key for keys_on in known.settings for key in keys_on} | known.unusable.keys()
    asked = list(keys)
    return sum(key in seen for key in asked) / max(len(asked), 1)
