"""A model with attention, looked at once when its training ends: maps of one batch, and what changed tokens change."""

import copy
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import torch
from torch import Tensor, nn, optim
from torch.nn.parameter import UninitializedParameter
from torch.optim.lr_scheduler import LRScheduler

from hasten.base.records.attention import AttentionFacts
from hasten.diagnosis.attention.facts import CHANGED
from hasten.diagnosis.attention.layers import ModulesSeen
from hasten.diagnosis.attention.maps import AttentionSeen
from hasten.diagnosis.attention.tokens import Tokens, asks_next_token, document_starts, find_tokens
from hasten.diagnosis.watching.copies import (
    LARGEST,
    aside,
    cloned,
    mapped,
    outputs_of,
    randomized,
    remove_hooks,
    unwrapped,
)
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import terms
from hasten.diagnosis.watching.padding import padding_of
from hasten.measurement.tensors import tensors_in

SECONDS = 3.0
PASSES = 6
_KEPT = 2
"""Models of which a batch is kept."""


class _Kept:
    """A model, and the arguments of a call with the targets of the loss that followed."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.calls = 0
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.rows: int | None = None
        self.targets: list[Tensor] = []
        self.fresh = False  # its loss is still to come


class AttentionCollector(Collector):
    """Keeps arguments of calls 1, 2, 4, 8, ..., and looks at a copy of the model when no more events come."""

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}
        self._rows: int | None = None
        self._steps = 0
        self._facts: AttentionFacts | None = None

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: a batch of the steps that others need is as good."""
        return NEVER

    def unwatched(self, steps: int, schedules: Mapping[LRScheduler, int]) -> None:
        """Count updates."""
        self._steps += steps

    def fetched(self, batch: Any, loader: Any) -> None:
        """Note the number of samples of a batch."""
        first = next((one for one in tensors_in(batch) if one.ndim), None)
        self._rows = None if first is None else len(first)

    def call_begins(self, call: Call) -> None:
        """Keep the arguments of a call for training."""
        if not call.grad or not call.training:
            return
        if id(call.module) not in self._kept and len(self._kept) >= _KEPT:
            return
        kept = self._kept.setdefault(id(call.module), _Kept(call.module))
        kept.calls += 1
        if kept.calls & (kept.calls - 1) == 0:
            kept.args, kept.kwargs = mapped(cloned, (call.args, dict(call.kwargs)))
            kept.rows, kept.fresh = self._rows, True

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Keep the targets of the loss after such a call."""
        for kept in self._kept.values():
            if kept.fresh:
                kept.targets = [term.target.detach().clone() for term in terms(losses) if term.target is not None]
                kept.fresh = False

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Count updates."""
        self._steps += 1

    def ended(self) -> None:
        """Look at the first model in which attention is seen."""
        for kept in self._kept.values():
            with aside():
                self._facts = _looked(kept, self._steps)
            if self._facts is not None:
                break
        self._kept = {}

    def facts(self) -> AttentionFacts | None:
        """Return what was seen; None where no model has attention."""
        return self._facts


def _moved(tokens: Tokens, before: Sequence[Tensor], after: Sequence[Tensor], place: Tensor) -> float | None:
    """Return by how much outputs change that are followed to their new places; None where they cannot be found."""
    one, two = tokens.by_position(before), tokens.by_position(after)
    if one is not None and two is not None:
        return _change(one[:, place], two)
    one, two = tokens.pooled(before), tokens.pooled(after)
    return None if one is None or two is None else _change(one, two)


def _looked(kept: _Kept, steps: int) -> AttentionFacts | None:
    model = unwrapped(kept.model)
    name = type(model).__name__
    numbers = sum(one.numel() for one in model.parameters() if not isinstance(one, UninitializedParameter))
    if numbers > LARGEST:
        return AttentionFacts(model=name, steps=steps, why=f"the model has more than {LARGEST:,} parameters")
    try:
        probe = _Probe(model, kept)
    except Exception as error:  # noqa: BLE001  (the copy or its call may fail in any way)
        return AttentionFacts(model=name, steps=steps, why=f"a copy could not be called: {error}"[:200])
    return probe.facts(name, steps) if probe.layers else None


class _Probe:
    """Copies of a model in evaluation mode, called with the kept batch and with changed ones."""

    def __init__(self, model: nn.Module, kept: _Kept) -> None:
        self._model, self._kept = model, kept
        self._deadline = time.perf_counter() + SECONDS
        first = self._copy().eval()
        modules = ModulesSeen(first)
        seen = AttentionSeen(modules.where)
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # it computes a whole layer in one call
        begin = time.perf_counter()
        try:
            with modules, seen, torch.no_grad():
                first(*mapped(cloned, kept.args), **mapped(cloned, kept.kwargs))
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
        self._takes_s = time.perf_counter() - begin
        self.layers, self._blocks, self._norms = tuple(seen.layers), modules.blocks, tuple(modules.norms)
        given = [kept.args, kept.kwargs]
        self._tokens = find_tokens(given, [tokens for tokens, _ in seen.embedded], kept.rows)
        names = {id(one): name for name, one in first.named_parameters()}
        self._embeddings = (
            [
                names[id(weight)]
                for tokens, weight in seen.embedded
                if id(weight) in names
                and tokens.shape == self._tokens.given.shape
                and torch.equal(tokens, self._tokens.given)
            ]
            if self._tokens is not None
            else []
        )

    def facts(self, name: str, steps: int) -> AttentionFacts:
        """Return what the first call shows, and what changed tokens change as far as the time lasts."""
        found = AttentionFacts(
            model=name,
            steps=steps,
            recurrent=any(isinstance(one, (nn.RNNBase, nn.RNNCellBase)) for one in self._kept.model.modules()),
            layers=self.layers,
            blocks=self._blocks,
            norms=self._norms,
        )
        tokens = self._tokens
        if tokens is not None and PASSES * self._takes_s < SECONDS:
            try:
                return msgspec.structs.replace(found, **self._changes(tokens))
            except Exception:  # noqa: BLE001  (a forward pass with changed tokens may fail in any way: not measured)
                return msgspec.structs.replace(found, why="the model could not be called with changed tokens")
        return found

    def _changes(self, tokens: Tokens) -> dict[str, Any]:
        base = self._outputs(tokens.given)
        again = self._outputs(tokens.given)
        if not all(torch.equal(one.nan_to_num(), two.nan_to_num()) for one, two in zip(base, again, strict=True)):
            return {"why": "two calls in evaluation mode differ"}
        if self._kept.rows is None and asks_next_token(
            turned := Tokens(tokens.given, not tokens.first), self._kept.targets
        ):
            tokens = turned
        found: dict[str, Any] = {"next_token": asks_next_token(tokens, self._kept.targets)}
        found["future"] = self._future(tokens, base)
        padding = padding_of(tokens.rows)
        found["padded"] = float(padding[0].float().mean()) if padding is not None else 0.0
        if padding is not None and self._embeddings:
            found["padding"] = self._padding(tokens, base, *padding)
        reaches_back = found["future"] is None or found["future"] > 0
        if reaches_back and not found["next_token"]:
            found["order"] = self._order(tokens, base, None if padding is None else padding[0])
        starts = document_starts([self._kept.args, self._kept.kwargs], tokens)
        if starts is not None:
            found["documents"] = self._documents(tokens, base, starts)
        return found

    def _future(self, tokens: Tokens, base: Sequence[Tensor]) -> float | None:
        """Return by how much outputs of the first half change when tokens of the second half do.

        Of a model that gives its loss only, they are those of the last module that has some for each position.
        """
        rows, half = tokens.rows, tokens.rows.shape[1] // 2
        changed = rows.clone()
        changed[:, half:] = _others(rows)[:, half:]
        if all(one.numel() == 1 for one in base):
            one, two = (tokens.by_position(self._inside(each)) for each in (tokens.given, tokens.arranged(changed)))
        else:
            one, two = tokens.by_position(base), tokens.by_position(self._outputs(tokens.arranged(changed)))
        if one is None or two is None or torch.equal(rows, changed):
            return None
        return _change(one, two, torch.arange(rows.shape[1]).expand(rows.shape) < half)

    def _inside(self, given: Tensor) -> list[Tensor]:
        """Return what the modules inside of the model make of other tokens, the last one first."""
        model, made = self._copy(), list[Tensor]()
        for one in model.modules():
            one.register_forward_hook(lambda module, args, output: made.extend(tensors_in(output)))
        self._outputs(given, model)
        return made[::-1]

    def _padding(self, tokens: Tokens, base: Sequence[Tensor], padding: Tensor, number: int) -> float | None:
        """Return by how much outputs of real tokens change when the embedding of padding does.

        Where another argument has padding, too, as the following tokens that are scored, its outputs are left out.
        """
        for one in tensors_in([self._kept.args, self._kept.kwargs]):
            if one.shape == tokens.given.shape and one.dtype == tokens.given.dtype:
                padding = padding | ((one if tokens.first else one.T) == number)
        model = self._copy()
        parameters = dict(model.named_parameters())
        size = 0
        for name in self._embeddings:
            weight = parameters[name].data
            noise = torch.randn(weight.shape[1], generator=torch.Generator().manual_seed(9)).to(weight)
            weight[number] += noise * weight.square().mean().sqrt()
            size = len(weight)
        outputs = self._outputs(tokens.given, model)
        one, two = tokens.by_position(base), tokens.by_position(outputs)
        if one is not None and two is not None:
            if one.shape[-1] == size:  # a head that shares its weight with the embedding
                one, two = (torch.cat([each[..., :number], each[..., number + 1 :]], -1) for each in (one, two))
            return _change(one, two, ~padding)
        one, two = tokens.pooled(base), tokens.pooled(outputs)
        return None if one is None or two is None else _change(one, two)

    def _order(self, tokens: Tokens, base: Sequence[Tensor], padding: Tensor | None) -> float | None:
        """Return by how much outputs change, each followed to its new place, when real tokens change places.

        The first token stays: a classifier may read its place.
        """
        rows = tokens.rows
        real = rows.shape[1] if padding is None else int((~padding).sum(1).min())
        uncertain = self._kept.rows is None and rows.shape[0] == rows.shape[1]
        if real < 4 or uncertain or (padding is not None and bool(padding[:, 0].any())):
            return None
        place = torch.arange(rows.shape[1])
        place[1:real] = place[1:real].flip(0)
        if torch.equal(rows, rows[:, place]):
            return None
        moved = _moved(tokens, base, self._outputs(tokens.arranged(rows[:, place])), place)
        if moved is None or moved >= CHANGED:
            return moved
        other = self._copy()  # training may have taught the model to leave the order out
        for one, own in zip(other.parameters(), self._model.parameters(), strict=True):
            one.requires_grad_(own.requires_grad)
        randomized(other, seed=11, frozen=False)
        outputs = self._outputs(tokens.given, other), self._outputs(tokens.arranged(rows[:, place]), other)
        return max(moved, _moved(tokens, *outputs, place) or 0.0)

    def _documents(self, tokens: Tokens, base: Sequence[Tensor], starts: Tensor) -> float | None:
        """Return by how much outputs of later documents change when the first one does."""
        rows = tokens.rows
        first = torch.arange(rows.shape[1], device=rows.device) < starts.unsqueeze(1)
        changed = torch.where(first, _others(rows), rows)
        one, two = tokens.by_position(base), tokens.by_position(self._outputs(tokens.arranged(changed)))
        return None if one is None or two is None else _change(one, two, ~first)

    def _outputs(self, given: Tensor, model: nn.Module | None = None) -> list[Tensor]:
        """Return the outputs for other tokens."""
        if time.perf_counter() > self._deadline:
            raise TimeoutError
        old = self._tokens.given if self._tokens is not None else None
        args, kwargs = mapped(lambda one: given if one is old else one, (self._kept.args, self._kept.kwargs))
        return outputs_of(self._copy() if model is None else model, args, kwargs, seed=10)

    def _copy(self) -> nn.Module:
        made = copy.deepcopy(self._model)
        remove_hooks(made)
        return made.requires_grad_(False)


def _others(rows: Tensor) -> Tensor:
    """Return tokens of the batch at other places."""
    order = torch.randperm(rows.numel(), generator=torch.Generator().manual_seed(8)).to(rows.device)
    return rows.flatten()[order].view(rows.shape)


def _change(one: Tensor, other: Tensor, where: Tensor | None = None) -> float | None:
    """Return the largest difference, relative to the largest number; None where numbers are not finite."""
    apart = (one - other).abs()
    if where is not None:
        apart = apart[where.to(apart.device)]
    apart = apart[torch.isfinite(apart)]  # a row all of whose keys are masked gives NaN in some kernels
    known = one[torch.isfinite(one)]
    size = float(known.abs().max()) if known.numel() else 0.0
    if not apart.numel() or not size or not bool(torch.isfinite(torch.tensor(size))):
        return None
    return float(apart.max()) / size
