"""What attributions belong to: the values of a sample, or the embeddings of its tokens."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.errors import BadInput
from hasten.base.records.attribution import InputKind
from hasten.data.batch import Batch, first_input, input_tensor, select, with_first_input
from hasten.data.batch_text import kind_of
from hasten.training.session import Session


class Inputs:
    """The first input of a model, as the place that a prediction is attributed to.

    Tokens have no gradient: their place is what the first `nn.Embedding` makes of them (layer attribution).

    Args:
        run: whose model it is.
        batch: of its data.

    Raises:
        BadInput: if the input is no tensor, or tokens that no `nn.Embedding` reads.
    """

    def __init__(self, run: Session, batch: Batch) -> None:
        self.run, found = run, input_tensor(batch)
        if found is None:
            raise BadInput(f"attribution needs an input that is a tensor; the batch is {kind_of(batch)}.")
        self.embedding: nn.Embedding | None = None
        if found.is_floating_point():
            if not 2 <= found.ndim <= 4:
                raise BadInput(
                    "attribution takes tables (samples, columns), series (samples, steps, values) and images (samples, "
                    f"channels, height, width); found an input of shape {tuple(found.shape)}."
                )
            self.kind = InputKind.TABLE if found.ndim == 2 else InputKind.IMAGE
            self._average: Tensor | None = None
        else:
            self.kind = InputKind.TOKENS
            self.embedding = _embedding(run, batch, found)

    @property
    def baseline_words(self) -> str:
        """What the baseline is."""
        if self.kind is InputKind.TABLE:
            return "the mean of each column over the validation samples looked at"
        if self.embedding is None:
            return "all values 0"
        return "padding in every place" if self.embedding.padding_idx is not None else "embeddings of 0"

    def values(self, batch: Batch) -> Tensor:
        """Return the input itself, (batch, ...): pixels, tokens or columns."""
        return first_input(batch)

    def set_average(self, average: Tensor) -> None:
        """Take the mean of the samples, (columns,), as the baseline of a table."""
        self._average = average

    def place(self, sample: Batch) -> Tensor:
        """Return the point of a sample: the input, or the embeddings of its tokens; without a gradient."""
        value = self.values(sample)
        return (value if self.embedding is None else self.embedding(value)).detach()

    def baseline(self, sample: Batch) -> Tensor:
        """Return the point that attributions are measured from, of the shape of `place`."""
        place = self.place(sample)
        if self.kind is InputKind.TABLE and self._average is not None:
            return self._average.to(place.dtype).expand_as(place)
        if self.embedding is not None and self.embedding.padding_idx is not None:
            return self.embedding.weight[self.embedding.padding_idx].detach().expand_as(place)
        return torch.zeros_like(place)

    def output(self, sample: Batch, places: Tensor) -> tuple[Any, Batch]:
        """Return the model's output at points, (points, ...), with all else as in the one sample; and their batch."""
        batch = select(sample, torch.zeros(len(places), dtype=torch.int64))
        if self.embedding is None:
            batch = with_first_input(batch, places)
            return self.run.predict(batch), batch
        with _embedded_as(self.embedding, self.values(batch), places):
            return self.run.predict(batch), batch


def calls(run: Session, batch: Batch, modules: Iterable[nn.Module]) -> list[tuple[nn.Module, tuple[Any, ...]]]:
    """Return the calls of some modules in a forward pass, in their order, with their inputs."""
    found = list[tuple[nn.Module, tuple[Any, ...]]]()
    hooks = [one.register_forward_hook(lambda one, inputs, output: found.append((one, inputs))) for one in modules]
    try:
        with torch.no_grad():
            run.predict(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _embedding(run: Session, batch: Batch, tokens: Tensor) -> nn.Embedding:
    """Return the first embedding that is called with the tokens."""
    embeddings = [one for one in run.model.modules() if isinstance(one, nn.Embedding)]
    for module, inputs in calls(run, batch, embeddings):
        if isinstance(module, nn.Embedding) and inputs and _are(inputs[0], tokens):
            return module
    raise BadInput(
        f"the input is whole numbers of shape {tuple(tokens.shape)}, and no nn.Embedding of the model reads them: "
        "there is nothing to take a gradient by. Embed the tokens with nn.Embedding."
    )


@contextmanager
def _embedded_as(embedding: nn.Embedding, tokens: Tensor, places: Tensor) -> Generator[None]:
    """Let the embedding return these points where it is called with the tokens."""

    def replaced(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        return places if _are(inputs[0], tokens) else None

    hook = embedding.register_forward_hook(replaced)
    try:
        yield
    finally:
        hook.remove()


def _are(given: Any, tokens: Tensor) -> bool:
    return isinstance(given, Tensor) and given.shape == tokens.shape and torch.equal(given, tokens)
