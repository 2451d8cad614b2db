"""Which embeddings, and whether the output layer, can be divided by rows of their weights: entries of a vocabulary.

The output layer gives each process the scores of its own classes, which are the output of the model and go into a
cross-entropy that needs no others: only maxima and sums over the classes are sent. That nothing else looks at these
scores, or at a weight that is divided, is tried: with NaN in place of the weights, and the layers' own outputs put in
place of theirs, the model must compute the same. Nothing here talks to another process.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.seeds import preserved, seed_all
from hasten.data.batch import has_target, target_of, tensors_of
from hasten.training.loss import CrossEntropy, class_dimension
from hasten.training.recipe import Recipe

_SAMPLES = 2


@dataclass(frozen=True)
class Vocabulary:
    """Layers that are divided by the rows of their weights, and why others are not: name -> reason.

    Args:
        embeddings: names of embeddings.
        head: name of the output layer; None where it stays whole.
        left: the others.
    """

    embeddings: tuple[str, ...]
    head: str | None
    left: Mapping[str, str]

    @property
    def layers(self) -> tuple[str, ...]:
        """All that is divided."""
        return self.embeddings if self.head is None else (*self.embeddings, self.head)


NO_VOCABULARY = Vocabulary((), None, {})


@dataclass
class _Seen:
    """What is seen of some layers in one pass."""

    taken: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    given: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    calls: Counter[str] = field(default_factory=Counter[str])
    output: Any = None

    @property
    def scores(self) -> str | None:
        """The layer whose output is that of the model."""
        return next((name for name, one in self.given.items() if one is self.output), None)


def vocabulary(recipe: Recipe, parts: int, divided: Collection[str]) -> Vocabulary:
    """Return what of a recipe's model can be divided by rows in so many parts.

    Args:
        recipe: the training.
        parts: how many.
        divided: names of layers that are divided otherwise.

    Cost: four forward passes of two samples on the CPU.
    """
    model, batch = recipe.subject.fresh_model(), recipe.subject.batch(_SAMPLES)
    kinds = (nn.Embedding, nn.Linear)
    layers = {name: one for name, one in model.named_modules() if type(one) in kinds and name not in divided}
    passes = {training: _seen(recipe, model.train(training), batch, layers) for training in (True, False)}
    heads = {one.scores for one in passes.values()}
    head = heads.pop() if len(heads) == 1 else None
    calls = passes[True].calls
    candidates = [name for name, one in layers.items() if isinstance(one, nn.Embedding) or name == head]
    left = {name: why for name in candidates if (why := _why_whole(layers[name], parts, calls[name]))}
    if head is not None and (why := why_not_cross_entropy(recipe, passes[True].output, batch)):
        left[head] = why
    chosen = [name for name in candidates if name not in left]
    shared = _shared(model, chosen)
    chosen = [name for name in chosen if name not in shared]
    left |= dict.fromkeys(shared, "its weight is also that of a layer that stays whole")
    if not all(_works_without(recipe, model.train(training), batch, chosen, one) for training, one in passes.items()):
        left |= dict.fromkeys(chosen, "its weight, or what it gives, is used elsewhere, too")
        chosen = []
    return Vocabulary(tuple(name for name in chosen if name != head), head if head in chosen else None, left)


@torch.no_grad()
def _seen(recipe: Recipe, model: nn.Module, batch: Any, layers: Mapping[str, nn.Module]) -> _Seen:
    seen = _Seen()

    def leaves(name: str, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        seen.calls[name] += 1
        seen.taken[name], seen.given[name] = args[0].clone(), output

    with preserved(), ExitStack() as stack:
        seed_all(0)
        for name, one in layers.items():
            stack.callback(one.register_forward_hook(partial(leaves, name)).remove)
        seen.output = recipe.forward.predict(model, batch)
    return seen


def why_not_cross_entropy(recipe: Recipe, output: Any, batch: Any) -> str:
    """Return why the loss of some scores cannot be computed by processes that have some classes each; "" if it can."""
    loss = recipe.forward.loss
    if type(loss) is not CrossEntropy:
        return "the loss is no cross-entropy of torch.nn.functional"
    if loss.weight is not None or loss.label_smoothing:
        return "class weights and label smoothing look at all classes"
    if recipe.forward.wrappers:
        return "what is around the loss may look at all classes"
    if not has_target(batch) or target_of(batch).is_floating_point():
        return "class probabilities are targets of all classes"
    if class_dimension(output, target_of(batch), loss.class_dim) != output.ndim - 1:
        return "its classes are not the last dimension of the output"
    return ""


def _why_whole(layer: nn.Module, parts: int, calls: int) -> str:
    """Return why a layer, whatever is around it, is not divided by rows; nothing where it is."""
    rows = layer.get_parameter("weight").shape[0]
    each = -(-rows // parts)
    if calls != 1:
        return f"it is called {calls} times in a pass"
    if each * (parts - 1) >= rows:
        return f"{rows} rows leave one of {parts} processes without any"
    if layer._forward_hooks or layer._forward_pre_hooks or layer._parameters.keys() - {"weight", "bias"}:
        return "something looks at its calls or its weights"
    if not isinstance(layer, nn.Embedding):
        return ""
    if layer.padding_idx is not None or layer.max_norm is not None or layer.sparse or layer.scale_grad_by_freq:
        return "padding_idx, max_norm, sparse and scale_grad_by_freq look at the whole weight"
    return ""


def _shared(model: nn.Module, chosen: list[str]) -> list[str]:
    """Return which of some layers have a weight that a layer not among them has, too."""
    places = Counter(id(one) for _, one in model.named_parameters(remove_duplicate=False))
    within = Counter(id(model.get_submodule(name).weight) for name in chosen)
    return [name for name in chosen if places[id(one := model.get_submodule(name).weight)] > within[id(one)]]


@torch.no_grad()
def _works_without(recipe: Recipe, model: nn.Module, batch: Any, chosen: Iterable[str], seen: _Seen) -> bool:
    """Return whether a model computes the same where some layers have no weights, but give what they gave."""
    taken = dict[str, Tensor]()

    def leaves(name: str, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        taken[name] = args[0].clone()
        return seen.given[name].clone()

    with preserved(), ExitStack() as stack:
        seed_all(0)
        for name in chosen:
            layer = model.get_submodule(name)
            layer.get_parameter("weight").fill_(torch.nan)
            stack.callback(layer.register_forward_hook(partial(leaves, name)).remove)
        found = recipe.forward.predict(model, batch)
    same = all(map(torch.equal, tensors_of(found), tensors_of(seen.output)))
    return same and all(torch.equal(one, seen.taken[name]) for name, one in taken.items())
