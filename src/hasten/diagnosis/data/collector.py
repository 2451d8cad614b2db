"""What batches, criteria and evaluations show of the data of a training."""

from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.records.data_facts import DataFacts
from hasten.data.batch import has_target, target_of
from hasten.data.tree import tensors_within
from hasten.diagnosis.data.criteria import SeenCriterion, key_of
from hasten.diagnosis.data.entry import SeenEntry
from hasten.diagnosis.data.evaluations import Evaluations, Fetched, Group, Waiting, base_of
from hasten.diagnosis.data.order import SeenOrder
from hasten.diagnosis.data.samples import SAMPLES, SeenPart, fingerprints, inputs_in, of_samples
from hasten.diagnosis.watching.events import Call, Collector
from hasten.diagnosis.watching.loss_graph import Term, entries, terms

PASSES = 24
"""Backward passes whose criteria are looked at in full."""

CRITERIA = 8
"""Criteria that are told apart."""

ENTRIES = 4
"""Backward passes whose inputs of first layers are looked at."""

BUDGET_S = 1.0
"""Time for samples of the training, and as much for those of evaluations."""


class DataCollector(Collector):
    """Looks at the first batches and backward passes, and at evaluations."""

    def __init__(self) -> None:
        self._passes = self._labeled = 0
        self._criteria: dict[tuple[object, ...], SeenCriterion] = {}
        self._entries: dict[tuple[str, int], SeenEntry] = {}
        self._order = SeenOrder()
        self._waiting = Waiting()
        self._training: SeenPart | None = None
        self._datasets: list[Any] = []  # that were trained on
        self._evaluations = Evaluations()
        self._trained_models: set[int] = set()
        self._call: Call | None = None
        self._output: list[Tensor] = []
        self._step = self._printed_step = 0
        self._spent = {"training": 0.0, "evaluation": 0.0}
        self._undecided: tuple[Call, list[Tensor]] | None = None  # a pass with gradients in evaluation mode
        self._given = _Given()

    def step_begins(self, step: int) -> None:
        """Note the step."""
        self._step = step

    def fetched(self, batch: Any, loader: Any) -> None:
        """Note the batch and the data set that it comes from."""
        self._decide()
        sampler = getattr(getattr(loader, "_index_sampler", None), "sampler", None)
        replacement = bool(getattr(sampler, "replacement", False))
        for one in self._waiting.fetched(batch, getattr(loader, "_dataset", None), replacement=replacement):
            self._add_fetched_evaluation(one)

    def call_ended(self, call: Call, output: Any) -> None:
        """Note a forward pass of training until its backward pass; look at one of an evaluation."""
        self._decide()
        if call.grad:
            outputs = [one.detach() for one in tensors_within(output)]
            if call.training:
                self._trains(call, outputs)
            else:
                self._undecided = call, outputs
        else:
            self._evaluated(call, list(tensors_within(output)))

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Look at the criteria behind the losses, and at the samples."""
        if self._undecided is not None:
            self._trains(*self._undecided)
            self._undecided = None
        self._passes += 1
        if self._passes <= PASSES or self._labeled < SAMPLES:
            for term in terms(losses):
                self._add_term(term)
        if self._passes <= ENTRIES:
            for number, entry in enumerate(entries(losses)):
                self._entries.setdefault((entry.layer, number), SeenEntry(entry.layer)).add(entry.values)
        self._add_samples()
        self._call, self._output = None, []

    def ended(self) -> None:
        """Look at the last evaluation."""
        self._decide()
        for one in self._waiting.evaluated():
            self._add_fetched_evaluation(one)

    def _decide(self) -> None:
        """Take a pass that no backward pass followed for an evaluation."""
        if self._undecided is not None:
            call, output = self._undecided
            self._undecided = None
            self._evaluated(call, output)

    def _trains(self, call: Call, output: list[Tensor]) -> None:
        self._waiting.trained()
        self._trained_models.add(id(call.module))
        self._call, self._output = call, output

    def facts(self) -> DataFacts | None:
        """Return what was seen; None where there was no backward pass."""
        self.ended()
        if not self._passes:
            return None
        return DataFacts(
            criteria=tuple(one.criterion() for one in self._criteria.values()),
            entries=tuple(one.entry() for one in self._entries.values()),
            order=self._order.order(),
            training=None if self._training is None else self._training.part(),
            evaluations=tuple(
                group.part.part(
                    same_set=group.dataset
                    and any(group.owner is not None and group.owner() is one for one in self._datasets),
                    temporary=not group.lives(),
                    partly=sum(0 < trained < samples for samples, trained in group.calls),
                    agreement=group.agreement.agreement(),
                )
                for group in self._evaluations.groups()
            ),
        )

    def _add_term(self, term: Term) -> None:
        key = key_of(term)
        if key not in self._criteria and len(self._criteria) < CRITERIA:
            self._criteria[key] = SeenCriterion(term)
        if key not in self._criteria:
            return
        if self._passes <= PASSES:
            self._criteria[key].add(term, self._waiting.recent, self._output)
        if term.kind in ("nll", "cross_entropy") and term.target is not None:
            self._labeled += term.target.numel()
            self._order.add(term.target, term.ignored)
            if self._passes > PASSES:
                self._criteria[key].add_labels(term)

    def _add_samples(self) -> None:
        """Add the samples of the training pass that was made last."""
        if self._call is None or self._spent["training"] > BUDGET_S:
            return
        begin = perf_counter()
        given = of_samples([*tensors_within(self._call.args), *tensors_within(dict(self._call.kwargs))])
        fetched = next((one for one in self._waiting.batches if one.use == "training"), None)
        if fetched is not None and not any(fetched.dataset is one for one in self._datasets):
            self._datasets.append(fetched.dataset)
        if self._training is None:
            dataset = None if fetched is None else fetched.dataset
            self._training = SeenPart(whole=_length(dataset), replacement=fetched is not None and fetched.replacement)
        if given and not self._training.full:
            inputs = given if fetched is None else inputs_in(fetched.batch) or given
            if fetched is None or not fetched.prints:
                prints = fingerprints(inputs)
                if fetched is not None:
                    fetched.prints = prints
            else:
                prints = fetched.prints
            self._training.add_prints(prints, _elements(inputs), counts=self._step != self._printed_step)
            self._printed_step = self._step
            labels = _labels(fetched.batch, len(prints)) if fetched is not None else None
            if labels is not None:
                self._training.add_labels(labels)
        numbers = _numbers(given)
        if numbers is not None:
            self._training.describe(numbers)
        self._spent["training"] += perf_counter() - begin

    def _evaluated(self, call: Call, output: list[Tensor]) -> None:
        """Note a pass of an evaluation; one of a model that was not trained, as of a teacher, is none."""
        given = of_samples([*tensors_within(call.args), *tensors_within(dict(call.kwargs))])
        if not given or id(call.module) not in self._trained_models:
            return
        if self._waiting.batches:
            self._waiting.evaluates(given, output)
        elif len(given[0]) > 1:
            group = self._evaluations.group_of(base_of(given[0]), whole=None, dataset=False)
            self._add_evaluation(group, given, given)

    def _add_fetched_evaluation(self, fetched: Fetched) -> None:
        assert fetched.evaluation is not None, "only such batches are returned"
        given, output = fetched.evaluation
        owner = self._given if fetched.dataset is None else fetched.dataset
        group = self._evaluations.group_of(owner, whole=_length(fetched.dataset), dataset=True)
        inputs = inputs_in(fetched.batch) or given
        self._add_evaluation(group, given, inputs)
        labels = _labels(fetched.batch, len(inputs[0]))
        if group is not None and labels is not None:
            group.part.add_labels(labels)
            if _reads(given, inputs):
                group.agreement.add(output, labels, step=self._step)

    def _add_evaluation(self, group: Group | None, given: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
        """Add the samples of an evaluation, as they were given to the model and as a loader gave them."""
        if group is None or self._spent["evaluation"] > BUDGET_S:
            return
        begin = perf_counter()
        if not group.part.full:
            prints = fingerprints(inputs)
            trained = set() if self._training is None else self._training.prints
            group.calls.append((len(prints), group.part.compare(prints, trained)))
            group.part.add_prints(prints, _elements(inputs))
        numbers = _numbers(given)
        if numbers is not None:
            group.part.describe(numbers)
        self._spent["evaluation"] += perf_counter() - begin


class _Given:
    """What batches come from that no data set of torch gave."""


def _reads(given: Sequence[Tensor], inputs: Sequence[Tensor]) -> bool:
    """Return whether the model got the inputs of this batch: a loader may be one batch ahead."""
    for one in given:
        for other in inputs:
            if one is other or (one.shape == other.shape and torch.equal(one.cpu(), other.cpu().to(one.dtype))):
                return True
    return False


def _elements(inputs: Sequence[Tensor]) -> int:
    return sum(one[0].numel() for one in inputs if len(one))


def _numbers(given: Sequence[Tensor]) -> Tensor | None:
    """Return the first input that holds numbers, not tokens."""
    return next((one for one in given if one.is_floating_point() and one.ndim > 1), None)


def _length(dataset: Any) -> int | None:
    if dataset is None:
        return None
    with suppress(Exception):  # an iterable data set has none, and says so in its own way
        return len(dataset)
    return None


def _labels(batch: Any, samples: int) -> Tensor | None:
    """Return the class of each sample; None where the target is not one whole number per sample."""
    with suppress(BadInput):
        if has_target(batch) and isinstance(target := target_of(batch), Tensor):
            fits = target.numel() == samples and not target.is_floating_point() and not target.is_complex()
            return target.detach().reshape(-1).cpu().long() if fits else None
    return None
