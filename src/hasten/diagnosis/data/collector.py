"""What batches, criteria and evaluations show of the data of a training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from time import thread_time
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import LRScheduler

from hasten.base.records.data_facts import DataFacts, Part, Signed
from hasten.data.tree import tensors_within
from hasten.diagnosis.data.copies import copies, is_causal, leaves_out_first, padded, transposed
from hasten.diagnosis.data.counting import counting
from hasten.diagnosis.data.criteria import OVER_CLASSES, SeenCriterion, key_of, narrowed
from hasten.diagnosis.data.direction import direction
from hasten.diagnosis.data.entry import SeenEntry
from hasten.diagnosis.data.evaluations import Evaluations, Fetched, Group, Waiting
from hasten.diagnosis.data.folds import SeenFolds
from hasten.diagnosis.data.given import (
    dense_within,
    differs_beside,
    elements_in,
    given_to,
    labels_in,
    labels_of,
    numbers_in,
    rows_given,
    target_in,
    was_given,
)
from hasten.diagnosis.data.label_reading import LabelReader
from hasten.diagnosis.data.loaders import is_shuffled, length_of, samples_left_out
from hasten.diagnosis.data.order import SeenOrder
from hasten.diagnosis.data.said import REGRESSION
from hasten.diagnosis.data.samples import SeenPart, fingerprints, inputs_in, is_same, without_target
from hasten.diagnosis.data.stored import SeenStored
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import Term, completed, entries, terms

PASSES = 24
"""Backward passes whose criteria are looked at in full."""

TRAININGS = 4
"""Optimizers whose first backward passes are looked at."""

CRITERIA = 8
"""Criteria that are told apart."""

DIRECTIONS = 3
"""Losses of one's own whose direction is looked at."""

ENTRIES = 4
"""Backward passes whose inputs of first layers are looked at."""

AFTER = 3
"""Steps after the first pass over the data that are looked at, since batches of an evaluation may train, too."""

ONE_TRAINING = 10
"""Steps after which an optimizer that makes its first update begins another training, perhaps with other data."""

BUDGET_S = 1.0
"""Time for samples of the training, and as much for those of evaluations."""


class DataCollector(Collector):
    """Looks at the first batches and backward passes, and at evaluations."""

    def __init__(self) -> None:
        self._passes = 0  # since the newest training began
        self._optimizers: list[ref[optim.Optimizer]] = []  # of the trainings that were looked at
        self._began = 0  # step in which the newest of them made its first update
        self._criteria: dict[tuple[object, ...], SeenCriterion] = {}
        self._entries: dict[tuple[str, int], SeenEntry] = {}
        self._order = SeenOrder()
        self._waiting = Waiting()
        self._training: SeenPart | None = None
        self._datasets: list[Any] = []  # that were trained on
        self._evaluations, self._folds = Evaluations(), SeenFolds()
        self._trained_models: set[int] = set()  # and what contains them
        self._sampled: set[int] = set()  # models that the samples of the training were given to
        self._prints: WeakKeyDictionary[nn.Module, list[set[int]]] = (
            WeakKeyDictionary()
        )  # of the models that each is part of
        self._samples_of: WeakKeyDictionary[nn.Module, set[int]] = WeakKeyDictionary()  # that each was trained on
        self._joined: set[int] = set()  # samples evaluated when all of a pass had been trained on, but not they
        self._later: set[int] = set()  # models that are given what others computed
        self._made: list[ref[Tensor]] = []  # outputs of the last call
        self._maker: ref[nn.Module] | None = None  # the model that made them
        self._call: Call | None = None
        self._several = False  # the model of this call was called more than once since the last backward pass
        self._continued: Call | None = None  # the last call since then that is given what it computed
        self._directions: list[float] = []  # of losses of one's own
        self._output: list[Tensor] = []
        self._numbers: list[int | None] = []  # of the nodes that made it
        self._step = self._printed_step = 0
        self._spent = {"training": 0.0, "evaluation": 0.0}
        # a pass with gradients in evaluation mode
        self._undecided: tuple[Call, list[Tensor], list[int | None]] | None = None
        self._sliced: tuple[Group, int] | None = None  # evaluation of the last pass that no loader gave, and its rows
        self._label_reader, self._stored = LabelReader(), SeenStored()
        self._signed: dict[str, list[Tensor]] = {}  # loss function -> its targets
        self._given = _Given()
        self._modes: Counter[tuple[int, int, bool]] = Counter()  # updates by model, data set, and mode of the model
        self._trains_now: tuple[int, int, bool] | None = None  # what the next update counts as
        self._passed_at: int | None = None  # step in which the first pass over the data was over

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step while criteria, or samples of the first pass over the data, are looked at."""
        if self._passes <= PASSES:
            return step + 1
        if self._passed_at is None and self._passes_again():
            self._passed_at = step
        over = self._passed_at is not None and step >= self._passed_at + AFTER
        return NEVER if over or self._is_full() or self._spent["training"] >= BUDGET_S else step + 1

    def unwatched(self, steps: int, schedules: Mapping[LRScheduler, int]) -> None:
        """Forget what waits for a backward pass or an evaluation that was not watched."""
        self._call, self._output, self._numbers, self._undecided = None, [], [], None
        self._continued, self._several = None, False
        self._stored.missed()
        self._waiting.batches = [one for one in self._waiting.batches if one.use]

    def step_begins(self, step: int) -> None:
        """Note the step."""
        self._step = step

    def fetched(self, batch: Any, loader: Any) -> None:
        """Note the batch and the data set that it comes from."""
        self._decide()
        dataset = getattr(loader, "_dataset", None)
        if self._spent["training"] < BUDGET_S:
            begin = thread_time()
            self._stored.fetched(dataset, batch)
            self._spent["training"] += thread_time() - begin
        sampler = getattr(getattr(loader, "_index_sampler", None), "sampler", None)
        replacement, drawn = bool(getattr(sampler, "replacement", False)), length_of(sampler)
        for one in self._waiting.fetched(
            batch,
            dataset,
            replacement=replacement,
            drawn=drawn,
            shuffles=is_shuffled(sampler),
            left_out=samples_left_out(loader, drawn),
        ):
            self._add_fetched_evaluation(one)

    def call_ended(self, call: Call, output: Any) -> None:
        """Note a forward pass of training until its backward pass; look at one of an evaluation."""
        made = list(tensors_within(output))
        if self._undecided is None or not (call.grad and self._continues(call)):
            self._decide()
        elif call.training:  # after a part of the model in evaluation mode, as one that is frozen
            self._trains(*self._undecided)
            self._undecided = None
        if call.grad:
            outputs = [one.detach() for one in made]
            numbers = [None if one.grad_fn is None else one.grad_fn._sequence_nr() for one in made]
            if call.training:
                self._trains(call, outputs, numbers)
            else:
                first = call if self._undecided is None else self._undecided[0]
                self._undecided = first, outputs, numbers
        else:
            before = self._sliced
            self._evaluated(call, made)
            if self._sliced is not None and self._sliced is not before:
                self._read_labels(call, made, *self._sliced)
        self._made, self._maker = [ref(one) for one in made], ref(call.module)

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Look at the criteria behind the losses, and at the samples."""
        if self._undecided is not None:
            self._trains(*self._undecided)
            self._undecided = None
        self._passes += 1
        begin = thread_time()
        if self._passes <= PASSES or (self._spent["training"] < BUDGET_S and not self._is_full()):
            found = [completed(term, self._output, self._numbers) for term in terms(losses)]
            value = float(losses[0]) if len(losses) == 1 and losses[0].numel() == 1 else None
            for term in found:
                self._add_term(term, value)
            if self._call is not None:
                self._add_samples(self._call, [term for term in found if term.target is not None])
            if not any(term.target is not None for term in found) and len(self._directions) < DIRECTIONS:
                way = direction(losses)
                self._directions += [] if way is None else [way]
        if self._passes <= ENTRIES:
            for number, entry in enumerate(one for one in entries(losses) if one.values.layout is torch.strided):
                seen = self._entries.setdefault((entry.layer, number), SeenEntry(entry.layer))
                counts = counting(losses, len(entry.values))
                seen.add(entry.values if counts is None else entry.values[counts.to(entry.values.device)])
        self._spent["training"] += thread_time() - begin
        self._call, self._output, self._numbers, self._sliced = None, [], [], None
        self._continued, self._several = None, False

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Look at the criteria again where another training begins, as of a student after its teacher."""
        if self._trains_now is not None:
            self._modes[self._trains_now] += 1
            self._trains_now = None
        if len(self._optimizers) < TRAININGS and not any(one() is optimizer for one in self._optimizers):
            self._optimizers.append(ref(optimizer))
            self._passes = min(self._passes, 1)
            self._began = self._step

    def loaded(self, module: nn.Module, state: Mapping[str, Any]) -> None:
        """Take note that a model begins with other weights."""
        self._folds.loaded(module)

    def signed_loss(self, name: str, target: Tensor) -> None:
        """Add the targets of a loss of pairs."""
        if self._passes < PASSES:
            self._signed.setdefault(name, []).append(target.detach().reshape(-1).float().cpu())

    def loss_computed(self, loss: Tensor, given: Sequence[Tensor]) -> None:
        """Look at the labels of an evaluation whose batch no loader gave."""
        if self._sliced is None or len(given) < 2:
            return
        group, rows = self._sliced
        output, target = given[0], given[1]
        classes = target.dtype is torch.int64
        if output.ndim and len(output) == rows == target.numel() and target.ndim == 1 and classes:
            self._add_labels(group, output, target.cpu())
        if output.ndim and len(output) == rows and output.shape == target.shape:
            group.part.targets.add(target)
            group.part.answer(output, target, step=self._step, classes=False)

    def _read_labels(self, call: Call, output: Sequence[Tensor], group: Group, rows: int) -> None:
        """Look at the labels that the classes of an evaluation are compared with, whose batch no loader gave."""
        scores = next((one.detach() for one in output if one.ndim and len(one) == rows), None)
        found = None if scores is None else self._label_reader.labels(call.module, rows)
        if scores is not None and found is not None:
            self._sliced = None  # a loss has the same labels
            self._add_labels(group, scores, *found)

    def _add_labels(self, group: Group, output: Tensor, labels: Tensor, threshold: float | None = None) -> None:
        group.agreement.add([output], labels, step=self._step, threshold=threshold)
        group.part.add_labels(labels)
        group.part.answer(output, labels, step=self._step, classes=threshold is None)

    def ended(self) -> None:
        """Look at the last evaluation."""
        self._decide()
        for one in self._waiting.evaluated():
            self._add_fetched_evaluation(one)

    def _decide(self) -> None:
        """Take a pass that no backward pass followed for an evaluation."""
        if self._undecided is not None:
            call, output, _ = self._undecided
            self._undecided = None
            self._evaluated(call, output)

    def _trains(self, call: Call, output: list[Tensor], numbers: list[int | None]) -> None:
        self._waiting.trained(given_to(call))
        self._output, self._numbers = output, numbers
        if self._call is not None and self._continues(call):
            self._later.add(id(call.module))
            self._continued = call
            return
        self._trained_models.add(id(call.module))
        self._several = self._several or (self._call is not None and self._call.module is call.module)
        if self._call is None or self._call.module is not call.module or rows_given(call) >= rows_given(self._call):
            self._call = call  # of several for one backward pass that with the most samples

    def facts(self) -> DataFacts | None:
        """Return what was seen; None where there was no backward pass."""
        self.ended()
        if not self._passes:
            return None
        return DataFacts(
            criteria=tuple(one.criterion() for one in self._criteria.values()),
            entries=tuple(one.entry() for one in self._entries.values()),
            order=self._order.order(),
            rising=self._order.rising(),
            training=None if self._training is None else self._training.part(),
            evaluations=self._parts(),
            signed=tuple(_signed(name, torch.cat(targets)) for name, targets in self._signed.items()),
            directions=tuple(self._directions),
            target_column=None if self._training is None else self._training.pairs.target_column(),
            changed_by_reading=self._stored.changed(),
            validation_trains=_validation_trains(self._modes),
            folds=self._folds.folds(),
        )

    def _parts(self) -> tuple[Part, ...]:
        groups = self._evaluations.groups()
        trained = [one for one in self._datasets if one is not None]
        same = [group.dataset and any(group.reads(one) for one in trained) for group in groups]
        others = [group for group, is_same in zip(groups, same, strict=True) if not is_same]
        largest = max(others, key=lambda group: len(group.part.pairs), default=None)
        return tuple(
            group.part.part(
                same_set=is_same,
                sliced=not group.dataset,
                lives=group.again or group.lives(),
                partly=sum(0 < seen < samples for samples, seen in group.calls),
                later=group.later,
                left_out=group.left_out,
                agreement=group.agreement.agreement(),
                probes=group is largest,
            )
            for group, is_same in zip(groups, same, strict=True)
        )

    def _passes_again(self) -> bool:
        """Return whether samples come that were all seen before: those of a further pass over the data."""
        return self._training is not None and self._training.passed

    def _is_full(self) -> bool:
        return self._training is not None and self._training.full

    def _add_term(self, term: Term, loss: float | None) -> None:
        key = key_of(term)
        if key not in self._criteria and len(self._criteria) < CRITERIA:
            self._criteria[key] = SeenCriterion(term)
        if key not in self._criteria:
            return
        seen, over_classes = self._criteria[key], term.kind in OVER_CLASSES and term.target is not None
        if self._passes <= PASSES:
            seen.add(term, self._waiting.recent, loss, self._output)
            self._add_copies(seen, term)
            if term.kind in REGRESSION and term.target is not None:
                self._order.add_numbers(term.target)
        elif over_classes:
            seen.add_labels(term)
        if over_classes and term.target is not None:
            self._order.add(term.target, term.ignored)

    def _add_copies(self, seen: SeenCriterion, term: Term) -> None:
        call, later = self._call, self._continued
        if call is None or term.target is None:
            return
        inputs = without_target(dense_within((call.args, dict(call.kwargs))), term.target)
        seen.add_itself(any(is_same(one, term.target) for one in inputs))
        left_out = leaves_out_first(self._output, term.output)
        shares = copies(inputs, term.target, term.ignored, first_left_out=left_out)
        if later is not None:  # such as a decoder, whose tokens may be the targets themselves
            other = copies(dense_within((later.args, dict(later.kwargs))), term.target, term.ignored)
            if max(other.values(), default=0.0) > max(shares.values(), default=0.0):
                call, shares = later, other
        reader = call
        seen.add_copies(shares, lambda: is_causal(reader.module, reader.args, dict(reader.kwargs)))
        if term.kind in OVER_CLASSES:
            seen.add_transposed(transposed(inputs, term.target, term.ignored))
            if term.reduced and not term.weighted:
                seen.add_padding(padded(inputs, term.target, term.ignored, dense_within(self._waiting.recent)))

    def _add_samples(self, call: Call, compared: Sequence[Term]) -> None:
        """Add the samples of the training pass that was made last, which have targets in some criteria."""
        term = next(iter(compared), None)
        self._sampled.add(id(call.module))
        given = without_target(given_to(call), None if term is None else term.target)
        fetched = next((one for one in self._waiting.batches if one.use == "training"), None)
        if fetched is not None and not any(fetched.dataset is one for one in self._datasets):
            self._datasets.append(fetched.dataset)
        if fetched is not None and fetched.dataset is not None:
            self._trains_now = id(call.module), id(fetched.dataset), call.training
        if self._training is None:
            dataset = None if fetched is None else fetched.dataset
            self._training = SeenPart(
                whole=length_of(dataset),
                replacement=fetched is not None and fetched.replacement,
                drawn=None if fetched is None else fetched.drawn,
                shuffles=fetched is not None and fetched.shuffles,
                later_half=True,
            )
        part = self._training
        part.several = part.several or (fetched is None and self._several)
        if given and not part.full:
            if fetched is not None and self._step != self._printed_step:
                got = fingerprints([one[:2] for one in given])
                if fetched.prints and got != fetched.got:
                    if not call.training:  # a pass in evaluation mode is also told where fetching is not
                        return
                    fetched = None  # the loop fetched its batches before the steps, or takes parts of one
                else:
                    fetched.got = got
            inputs = given if fetched is None else inputs_in(fetched.batch) or given
            prints = fetched.prints if fetched is not None and fetched.prints else fingerprints(inputs)
            new = fetched is None or not fetched.prints or self._step != self._printed_step
            if fetched is not None:
                fetched.prints = prints
            if term is not None and term.target is not None:
                if self._began and term.output is not None and not any(one in part.prints for one in prints):
                    part.learned.add(term.output, term.target, dim=term.dim, classes=term.kind in OVER_CLASSES)
                if not part.pairs.full:
                    own = prints if len(prints) == len(given[0]) else fingerprints(given)  # a part of a batch
                    part.pairs.add(given, narrowed(term.target), own, classes=term.kind in OVER_CLASSES)
                part.mirrored.add(given[0], narrowed(term.target))
            if new:  # not a further part of the same batch
                part.add_prints(prints, elements_in(inputs), counts=self._step != self._printed_step)
                self._add_trained(call.module, prints)
                if not part.passed:
                    part.pieces.add(inputs)
                found = [labels_of(one) for one in compared]
                found = found if fetched is None else [labels_in(fetched.batch, len(prints))]
                for labels in found:
                    if labels is not None:
                        part.add_labels(labels)
            self._printed_step = self._step
        numbers = numbers_in(given)
        if numbers is not None and self._began <= ONE_TRAINING:
            part.describe(numbers)
            part.beside = part.beside or differs_beside(call, numbers, None if term is None else term.target)

    def _add_trained(self, model: nn.Module, prints: Sequence[int]) -> None:
        """Note what a model and its parts were trained on."""
        if model not in self._samples_of:
            self._samples_of[model] = set()
            for one in model.modules():
                self._prints.setdefault(one, []).append(self._samples_of[model])
        self._samples_of[model].update(prints)

    def _trained_on(self, model: nn.Module) -> set[int]:
        """Return the samples that a model or a part of it was trained on; those of all where that is not known."""
        own = [seen for one in model.modules() for seen in self._prints.get(one, ())]
        everything = set[int]() if self._training is None else self._training.prints
        return set[int]().union(*own) if own else everything

    def _evaluated(self, call: Call, output: list[Tensor]) -> None:
        """Note a pass of an evaluation; one of a model that was not trained, as of a teacher, is none."""
        given = given_to(call)
        if id(call.module) in self._later - self._trained_models or self._continues(call):
            self._waiting.continues(output)
            return
        if not given or not self._is_trained(call.module):
            return
        beside = bool(self._waiting.batches)
        trained = self._waiting.is_training(given) if beside else False
        if trained is None:
            self._waiting.evaluates(given, output, call.module)
        elif not trained and len(given[0]) > 1 and not self._is_other(call, beside=beside):
            group = self._evaluations.of_tensor(given[0], self._step, beside=beside)
            self._add_fold(call.module, given)
            self._add_evaluation(group, call.module, given, given)
            _note_places(group, output, len(given[0]))
            self._sliced = None if group is None else (group, len(given[0]))
            if group is not None:
                group.part.say(_said(output, len(given[0]), {one.kind for one in self._criteria.values()}), self._step)

    def _continues(self, call: Call) -> bool:
        """Return whether a model is given what another one computed; what it made itself is a state beside the data."""
        given = list(tensors_within((call.args, dict(call.kwargs))))
        another = self._maker is not None and self._maker() is not call.module
        made = [one() for one in self._made] if another else []
        return any(one.grad_fn is not None or any(one is other for other in made) for one in given)

    def _is_other(self, call: Call, *, beside: bool) -> bool:
        """Return whether inputs of one of several models cannot be compared with the samples of the training."""
        sampled = any(id(one) in self._sampled for one in call.module.modules())
        return len(self._trained_models) > 1 and (beside or not sampled)

    def _is_trained(self, model: nn.Module) -> bool:
        """Return whether a model was called in training, or contains one that was."""
        trained = self._trained_models
        if id(model) not in trained and any(id(one) in trained for one in model.modules()):
            trained.add(id(model))
        return id(model) in trained

    def _add_fetched_evaluation(self, fetched: Fetched) -> None:
        assert fetched.evaluation is not None, "only such batches are returned"
        given, output = fetched.evaluation
        owner = self._given if fetched.dataset is None else fetched.dataset
        group = self._evaluations.of_dataset(owner, whole=length_of(fetched.dataset))
        inputs = inputs_in(fetched.batch) or given
        if fetched.model is not None:
            self._add_fold(fetched.model, inputs)
        self._add_evaluation(group, fetched.model, given, inputs)
        _note_places(group, output, len(inputs[0]))
        labels = labels_in(fetched.batch, len(inputs[0]))
        if group is None:
            return
        group.left_out = fetched.left_out
        if labels is not None:
            group.part.add_labels(labels)
        if was_given(given, inputs):
            self._add_answers(group, fetched, given, inputs, output)

    def _add_answers(
        self,
        group: Group,
        fetched: Fetched,
        given: Sequence[Tensor],
        inputs: Sequence[Tensor],
        output: list[Tensor],
    ) -> None:
        """Add how the outputs of an evaluation agree with its targets."""
        target, said = target_in(fetched.batch), next(iter(output), None)
        if target is None or said is None or not any(one.from_batch for one in self._criteria.values()):
            return
        kinds = {one.kind for one in self._criteria.values()}
        classes = bool(kinds & set(OVER_CLASSES)) and not target.is_floating_point()
        labels = labels_in(fetched.batch, len(inputs[0]))
        if labels is not None:
            threshold = 0.0 if "bce_logits" in kinds else 0.5 if "bce" in kinds else None
            group.agreement.add(output, labels, step=self._step, threshold=threshold)
        group.part.answer(said, target, step=self._step, classes=classes)
        if not classes:
            group.part.targets.add(target)
        if not group.part.pairs.full:
            group.part.pairs.add(without_target(given, target), target, fingerprints(inputs), classes=classes)

    def _add_fold(self, model: nn.Module, inputs: Sequence[Tensor]) -> None:
        """Add a batch of an evaluation to the set that a model is evaluated on."""
        if self._training is None or self._spent["evaluation"] > BUDGET_S:
            return
        begin = thread_time()
        self._folds.evaluated(model, inputs, fingerprints(inputs), self._step, self._training)
        self._spent["evaluation"] += thread_time() - begin

    def _add_evaluation(
        self, group: Group | None, model: nn.Module | None, given: Sequence[Tensor], inputs: Sequence[Tensor]
    ) -> None:
        """Add the samples of an evaluation, as they were given to the model and as a loader gave them."""
        if group is None or self._spent["evaluation"] > BUDGET_S:
            return
        begin = thread_time()
        if not group.calls:
            group.later = self._began > ONE_TRAINING
        if not group.part.full:
            prints = fingerprints(inputs)
            trained = set[int]() if model is None else self._trained_on(model) - self._joined
            if self._passes_again():
                self._joined |= set(prints) - trained
            group.calls.append((len(prints), group.part.compare(prints, trained)))
            group.part.add_prints(prints, elements_in(inputs))
            if self._training is not None:
                group.part.pieces.compare(inputs, self._training.pieces.known)
        numbers = numbers_in(given)
        if numbers is not None:
            group.part.describe(numbers)
        self._spent["evaluation"] += thread_time() - begin


def _validation_trains(modes: Mapping[tuple[int, int, bool], int]) -> int:
    """Return the updates by data sets that are only used in evaluation mode, beside one only used in training mode."""
    only = {
        (model, dataset, training) for model, dataset, training in modes if (model, dataset, not training) not in modes
    }
    return sum(
        modes[one] for one in only if not one[2] and any(other[0] == one[0] and other[2] for other in only)
    )  # fmt: skip


def _signed(name: str, targets: Tensor) -> Signed:
    return Signed(
        name=name,
        low=float(targets.min()),
        high=float(targets.max()),
        off=float((targets.abs() != 1).float().mean()),
    )


def _said(output: Sequence[Tensor], rows: int, kinds: set[str]) -> Tensor | None:
    """Return the class that a model says of each sample, or of each pixel; None where it is no single classifier."""
    first = next((one.detach() for one in output if one.ndim and len(one) == rows), None)
    if first is None or len(kinds) != 1:
        return None
    if kinds & set(OVER_CLASSES) and first.ndim == 2:
        return first.argmax(1).cpu()
    if kinds <= {"bce", "bce_logits"} and (first.numel() == rows or (first.ndim == 4 and first.shape[1] == 1)):
        return (first.reshape(-1) > (0.5 if "bce" in kinds else 0.0)).byte().cpu()
    return None


def _note_places(group: Group | None, output: Sequence[Tensor], rows: int) -> None:
    """Note how many outputs a sample has: those of the steps of a series, of the items of a list, of pixels."""
    first = next((one for one in output if one.ndim >= 3 and len(one) == rows), None)
    if group is not None and first is not None:
        places = first.shape[1] if first.ndim == 3 else first.shape[2:].numel()
        group.part.places = max(group.part.places, places)


class _Given:
    """What batches come from that no data set of torch gave."""
