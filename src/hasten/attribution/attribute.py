"""Attributions of a trained model's predictions: samples chosen, explained, and the explanations checked."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from hasten.attribution.choosing import Choice, Chosen
from hasten.attribution.inputs import Inputs, calls
from hasten.attribution.methods import Attributed, attributed, captum_class
from hasten.attribution.outputs import Reader
from hasten.base.errors import BadInput
from hasten.base.records.attribution import AttributedSample, Attribution, InputKind, Method
from hasten.base.seeds import derive, preserved
from hasten.base.units import digits3, percent_at_most
from hasten.data.batch import Batch
from hasten.data.names import Names
from hasten.training.session import Session

LOOKED_AT = 2000
"""Validation samples that the shown ones are chosen from, at most: the first ones."""
SAME = 0.9
"""Rank correlation from which attributions of a model with a random last layer count as the same."""


def attribute(run: Session, *, of: str, method: Method, samples: int, seed: int) -> Attribution:
    """Return the attributions of some predictions of a session's model, which is as before when this returns.

    Args:
        run: with the weights to explain.
        of: the run folder, for the record.
        method: of attribution.
        samples: of each group (`choosing.Choice`).
        seed: of the samples chosen at random, and of the random weights of the sanity check.

    Raises:
        BadInput: if the task has no tensor to attribute to or no output to explain, or captum is not installed.
    """
    captum_class(method)
    reader = Reader(run.recipe.task)
    with preserved(), _evaluating(run):
        inputs, choice = _looked_at(run, reader, samples, seed)
        chosen = list(choice.chosen())
        explained = [_explained(reader, inputs, one, method) for one in chosen]
        names = run.recipe.task.data.names
        shown = tuple(_sample(reader, inputs, names, one, found) for one, found in zip(chosen, explained, strict=True))
        layer = last_layer(run, chosen[0].batch)
        with _randomized(layer.module, seed):
            others = [_explained(reader, inputs, one, method) for one in chosen]
    similarity = _similarity([(a.values, b.values) for a, b in zip(explained, others, strict=True)])
    return Attribution(
        run=of,
        task=run.recipe.task.name,
        sentence=_sentence(shown, similarity, layer.name),
        method=method,
        kind=inputs.kind,
        explained=_what(reader, chosen[0]),
        baseline=inputs.baseline_words,
        looked_at=choice.looked_at,
        samples=shown,
        randomized_layer=layer.name,
        similarity=similarity,
    )


@contextmanager
def _evaluating(run: Session) -> Generator[None]:
    """Let the model be in evaluation mode, with parameters that collect no gradients of their own."""
    modes = {module: module.training for module in run.model.modules()}
    recurrent = any(isinstance(module, nn.RNNBase) for module in modes)
    run.model.eval()
    try:
        # cuDNN has no backward pass of recurrent layers in evaluation mode
        with run.contexts, torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not recurrent):
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def _looked_at(run: Session, reader: Reader, samples: int, seed: int) -> tuple[Inputs, Choice]:
    """Pass over validation data once: what the input is, its average, and the samples to explain."""
    choice, inputs, total = Choice(reader, samples, derive(seed, "attribution")), None, None
    for batch in run.validation_batches():
        inputs = inputs or Inputs(run, batch)
        with torch.no_grad():
            choice.see(reader.read(run.predict(batch), batch), batch)
        if inputs.kind is InputKind.TABLE:
            rows = inputs.values(batch).double().sum(0)
            total = rows if total is None else total + rows
        if choice.looked_at >= LOOKED_AT:
            break
    if inputs is None:
        raise BadInput("attribution explains predictions for validation data; the task has none. Give Data(valid=...).")
    if total is not None:
        inputs.set_average(total / choice.looked_at)
    return inputs, choice


def _explained(reader: Reader, inputs: Inputs, one: Chosen, method: Method) -> Attributed:
    """Return the attributions of the score of a sample, one for each pixel, token or column."""

    def score(places: Tensor) -> Tensor:
        return reader.read(*inputs.output(one.batch, places)).scores[:, one.label]

    found = attributed(method, score, inputs.place(one.batch), inputs.baseline(one.batch))
    values = found.values[0]
    if inputs.kind is InputKind.TOKENS:
        values = values.sum(-1)
    elif inputs.kind is InputKind.IMAGE and values.ndim > 2:
        values = values.sum(0)  # of the channels
    return replace(found, values=values.cpu())


def _sample(reader: Reader, inputs: Inputs, names: Names, one: Chosen, found: Attributed) -> AttributedSample:
    with torch.no_grad():
        at = torch.cat([inputs.place(one.batch), inputs.baseline(one.batch)])
        output, base = reader.read(*inputs.output(one.batch, at)).scores[:, one.label].tolist()
    values = inputs.values(one.batch)[0].cpu()
    if inputs.kind is InputKind.TOKENS:
        called = tuple(map(names.token, values.tolist()))
    elif inputs.kind is InputKind.TABLE:
        called = tuple(map(names.column, range(len(values))))
    else:
        called = ()
    say = digits3 if one.confidence is None else lambda number: names.class_(int(number))
    return AttributedSample(
        index=one.index,
        group=one.group,
        target=say(one.target),
        predicted=say(one.predicted),
        confidence=one.confidence,
        output=output,
        baseline_output=base,
        shape=tuple(values.shape),
        inputs=tuple(values.flatten().tolist()),
        names=called,
        attributions=tuple(found.values.flatten().tolist()),
        incompleteness=found.incompleteness,
        steps=found.steps,
    )


@dataclass(frozen=True)
class Layer:
    """A layer by its name."""

    name: str
    module: nn.Module


def last_layer(run: Session, batch: Batch) -> Layer:
    """Return the last layer with parameters that a forward pass calls.

    Raises:
        BadInput: if the model calls none.
    """
    layers = {
        module: name
        for name, module in run.model.named_modules()
        if next(module.parameters(recurse=False), None) is not None and next(module.children(), None) is None
    }
    called = [module for module, _ in calls(run, batch, layers)]
    if not called:
        raise BadInput("the model calls no layer with parameters: nothing was learned that attribution could explain.")
    return Layer(layers[called[-1]], called[-1])


@contextmanager
def _randomized(layer: nn.Module, seed: int) -> Generator[None]:
    """Let the parameters of a layer be normal random numbers of their own size for the body."""
    draws = torch.Generator().manual_seed(derive(seed, "random layer"))
    kept = [(parameter, parameter.detach().clone()) for parameter in layer.parameters(recurse=False)]
    with torch.no_grad():
        for parameter, value in kept:
            size = float(value.std(correction=0)) or float(value.abs().mean()) or 1.0
            parameter.copy_(torch.randn(value.shape, generator=draws) * size)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in kept:
                parameter.copy_(value)


def _similarity(pairs: Sequence[tuple[Tensor, Tensor]]) -> float | None:
    """Return the mean rank correlation of attributions, over the samples where both vary; None if there is none."""
    from scipy.stats import spearmanr  # a second of import

    varying = [(a.flatten(), b.flatten()) for a, b in pairs if a.unique().numel() > 1 and b.unique().numel() > 1]
    correlation: Any = spearmanr
    found = [float(correlation(a, b).statistic) for a, b in varying]
    return sum(found) / len(found) if found else None


def _what(reader: Reader, one: Chosen) -> str:
    if one.confidence is None:
        return "the predicted number"
    if reader.two_classes:
        return "the probability of class 1" if reader.gives_probabilities else "the score (logit) of class 1"
    return "the score (logit) of the predicted class"


def _sentence(shown: Sequence[AttributedSample], similarity: float | None, layer: str) -> str:
    """Return both checks in words."""
    missed = [one.incompleteness for one in shown if one.incompleteness is not None]
    sum_words = f"add up to the change of the output within {percent_at_most(max(missed))}" if missed else ""
    if similarity is None:
        sanity = "are the same for all parts of a sample, so that the sanity check says nothing"
    else:
        depend = "hardly depend" if similarity > SAME else "depend"
        sanity = f"{depend} on what the model learned (rank correlation {similarity:.2f} with a random layer {layer!r})"
    return f"The attributions {' and '.join(filter(None, (sum_words, sanity)))}."
