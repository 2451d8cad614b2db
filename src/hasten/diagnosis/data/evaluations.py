"""Which batches are trained on and which are evaluated, and on which data set."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from hasten.diagnosis.data.agreement import SeenAgreement
from hasten.diagnosis.data.samples import SeenPart, inputs_in, is_same

GROUPS = 16
"""Evaluations that are told apart."""


@dataclass(eq=False)
class Fetched:
    """A batch that a loader gave, and what it was used for so far."""

    batch: Any
    dataset: Any  # that the loader reads; None where it does not tell
    use: Literal["", "training", "evaluation"] = ""
    replacement: bool = False  # its sampler draws samples more than once
    drawn: int | None = None  # samples that its sampler draws in a pass
    shuffles: bool = False  # its sampler says that it shuffles
    left_out: int = 0  # samples of an incomplete last batch, which its loader leaves out
    prints: list[int] = field(default_factory=list[int])
    got: list[int] = field(
        default_factory=list[int]
    )  # fingerprints of the first rows that the model got in the first step
    evaluation: tuple[list[Tensor], list[Tensor]] | None = None  # inputs and outputs of a pass without gradients
    model: nn.Module | None = None  # that made it


class Waiting:
    """The batches that were fetched and not replaced yet: a loop may hold one of each of several loaders."""

    def __init__(self) -> None:
        self.batches: list[Fetched] = []
        self.recent: list[Any] = []  # batches fetched last: some loops fetch one ahead
        self._begun = False

    def fetched(
        self,
        batch: Any,
        dataset: Any,
        *,
        replacement: bool = False,
        drawn: int | None = None,
        shuffles: bool = False,
        left_out: int = 0,
    ) -> list[Fetched]:
        """Add a batch; return those that were evaluated, which are done with as all that were used."""
        done = self.evaluated()
        kept = [one for one in self.batches if not one.use and (dataset is None or one.dataset is not dataset)]
        made = Fetched(batch, dataset, replacement=replacement, drawn=drawn, shuffles=shuffles, left_out=left_out)
        self.batches = [*kept[-3:], made]
        self.recent = [*self.recent[-2:], batch]
        return done

    def evaluated(self) -> list[Fetched]:
        """Return the batches that only passes without gradients used; each is returned once."""
        done = [one for one in self.batches if one.use == "evaluation" and one.evaluation is not None]
        self.batches = [one for one in self.batches if one not in done]
        return done

    def trained(self, given: list[Tensor]) -> None:
        """Note that a training pass used them; a pass without gradients before it was a part of the training.

        Those fetched before the batch that the first training pass reads were fetched for an evaluation later on.
        """
        if not self._begun:
            self._begun = True
            read = (at for at, one in enumerate(self.batches) if _reads(given, one.batch))
            self.batches = self.batches[next(read, 0) :]
        for one in self.batches:
            one.use, one.evaluation = "training", None

    def evaluates(self, given: list[Tensor], output: list[Tensor], model: nn.Module) -> None:
        """Note a pass without gradients: of an evaluation, unless a training pass uses the same batch after it."""
        unused = [one for one in self.batches if not one.use]
        for one in unused:
            one.use = "evaluation"
        if len(unused) == 1:
            unused[0].evaluation, unused[0].model = (given, output), model

    def is_training(self, given: list[Tensor]) -> bool | None:
        """Return whether a pass reads a batch that was trained on; None where a batch waits that it may evaluate."""
        if any(one.use != "training" for one in self.batches):
            return None
        return any(_reads(given, one.batch) for one in self.batches)

    def continues(self, output: list[Tensor]) -> None:
        """Note the output of a model that was given what the one before it computed for the newest batch."""
        for one in reversed(self.batches):
            if one.use == "evaluation" and one.evaluation is not None:
                one.evaluation = one.evaluation[0], output
                return


@dataclass(eq=False)
class Group:
    """An evaluation: what it reads, and its samples."""

    part: SeenPart
    owner: Callable[[], Any]  # data set, or the tensor that the batches are slices of; None once it is gone
    dataset: bool
    again: bool = False  # it was evaluated more than once
    left_out: int = 0  # samples that its loader never gives
    later: bool = False  # it began in a training after the first one, whose data may be others
    beside: bool = False  # it is of a tensor while a loader gives the batches of the training
    agreement: SeenAgreement = field(default_factory=SeenAgreement)
    calls: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])  # samples, and those trained on before

    def reads(self, owner: object) -> bool:
        """Return whether this is the evaluation of a data set."""
        return self.owner() is owner

    def lasts(self) -> bool:
        """Return whether this is a fixed part of the data, as far as one beside a loader can tell."""
        return not self.beside or self.again or self.agreement.seen or self.lives()

    def lives(self) -> bool:
        """Return whether what it reads is still there: a batch made for one call is not."""
        return self.owner() is not None


class Evaluations:
    """Groups evaluated batches by the data set, or the tensor, that they come from."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, int], Group] = {}
        self._gone: list[Group] = []  # what they read is no longer there
        self._run: tuple[int, int, int, Group] | None = None  # of slices: step, storage, where the next one begins

    def of_dataset(self, owner: Any, *, whole: int | None) -> Group | None:
        """Return the group of a data set; None where there are too many."""
        return self._group((id(owner), -1), _reference(owner), whole=whole, dataset=True, owner=owner)

    def of_tensor(self, tensor: Tensor, step: int, *, beside: bool = False) -> Group | None:
        """Return the group of a batch that no loader gave; None where there are too many.

        Beside a loader, those of a moment are forgotten: samples of a generator are no evaluation.
        A batch that begins where the one before ended, in the same evaluation, is a further slice of the same tensor.
        """
        if beside:
            self._groups = {key: one for key, one in self._groups.items() if one.lasts()}
            self._gone = [one for one in self._gone if one.lasts()]
        storage = tensor.untyped_storage()
        key, begin = storage._cdata, int(tensor.storage_offset())
        end = begin + tensor.numel()
        if self._run is not None and self._run[:3] == (step, key, begin):
            group = self._run[3]
        else:
            weak = StorageWeakRef(storage)
            rows = len(tensor) if begin == 0 and storage.nbytes() == tensor.nbytes else None  # all of it at once
            group = self._group((key, begin), lambda: None if weak.expired() else weak, whole=rows, dataset=False)
            if group is not None:
                group.beside = beside
        self._run = None if group is None else (step, key, end, group)
        return group

    def groups(self) -> list[Group]:
        """Return all groups that last."""
        return [one for one in (*self._gone, *self._groups.values()) if one.lasts()]

    def _group(
        self,
        key: tuple[int, int],
        reference: Callable[[], Any],
        *,
        whole: int | None,
        dataset: bool,
        owner: Any = None,
    ) -> Group | None:
        known = self._groups.get(key)
        if known is not None and known.lives() and (owner is None or known.reads(owner)):
            known.again = True
            return known
        if known is not None:  # another object has its address now
            self._gone.append(self._groups.pop(key))
        if len(self._groups) + len(self._gone) >= GROUPS:
            return None
        self._groups[key] = made = Group(SeenPart(whole=whole), reference, dataset)
        return made


def _reads(given: list[Tensor], batch: Any) -> bool:
    return any(is_same(one, other) for one in given for other in inputs_in(batch))


def _reference(owner: Any) -> Callable[[], Any]:
    """Return what gives an object while it lives; a list, which cannot be referred to weakly, is kept alive."""
    try:
        return weakref.ref(owner)
    except TypeError:
        return lambda: owner
