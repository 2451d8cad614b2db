"""Which linear layers of a model can be divided over processes: found in its graph, and proven by passes in parts.

A *split* is a linear layer, whose weight is divided by the features that it takes (rows, in Megatron's words), with all
linear layers that those features come from, divided by the features that they give (columns). Between them each process
computes on its features alone: an activation function, gating, or the attention of its heads.

What feeds what is read from the graph of a pass: the output of every linear layer is cut off, and a gradient of a
layer's input then reaches the layers, and the parameters, that it was computed from. That the computation in between
works in parts is no matter of names, so it is tried: with a part of the weights each, the outputs of all parts must add
up to the whole one, and nothing else in the model may change. Nothing here talks to another process.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.errors import error_text
from hasten.base.seeds import preserved, seed_all
from hasten.data.batch import tensors_of
from hasten.techniques.parallel.heads import divided_attentions, part_of_heads
from hasten.techniques.parallel.own_numbers import own_numbers
from hasten.training.recipe import Recipe

_SAMPLES = 2


@dataclass(frozen=True)
class Split:
    """Linear layers, by name, that processes compute together: each has a part of the features between them.

    Args:
        columns: layers whose outputs are divided.
        row: the layer whose input is divided; the outputs of all parts add up.
        pieces: how many pieces the output of the one column layer has, each of which is divided: 3 for queries, keys
            and values of one layer.
        heads: (module, attribute) that hold a number of heads, of which each process has a part.
        draws: whether random numbers are drawn in between in training: dropout.
    """

    columns: tuple[str, ...]
    row: str
    pieces: int = 1
    heads: tuple[tuple[str, str], ...] = ()
    draws: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """All its layers."""
        return (*self.columns, self.row)


@dataclass(frozen=True)
class Splitting:
    """What can be divided, and why other linear layers and attentions cannot: name -> reason."""

    splits: tuple[Split, ...]
    left: Mapping[str, str]
    attentions: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether anything can be divided."""
        return bool(self.splits or self.attentions)


@dataclass
class _Seen:
    """One linear layer in a pass: what fed its input, and the parameters between those layers and it."""

    feeders: list[str] = field(default_factory=list[str])
    between: list[str] = field(default_factory=list[str])
    draws: bool = False  # random numbers after the last of its feeders
    draws_among: bool = False  # random numbers after the first and before the last of them
    calls: int = 0
    given_on: bool = False  # the model's output is computed from its output without another linear layer


def splitting(recipe: Recipe, parts: int) -> Splitting:
    """Return what of a recipe's model can be divided in so many parts.

    Cost: a pass with its graph, and some 1 + 2 x `parts` forward passes of two samples on the CPU.
    """
    model, batch = recipe.subject.fresh_model(), recipe.subject.batch(_SAMPLES)
    predict = recipe.forward.predict
    linears = {name: one for name, one in model.named_modules() if type(one) is nn.Linear and _is_plain(one)}
    with preserved():
        seed_all(0)
        for one in linears.values():  # layers that start as zeros would hide a wrong part
            for parameter in one.parameters():
                nn.init.normal_(parameter, std=one.in_features**-0.5)
        seen = _traced(model, linears, lambda: predict(model, batch))
        attentions, whole = divided_attentions(model, lambda: predict(model, batch), parts)
        trial = _Trial(model, linears, parts, lambda: list(tensors_of(predict(model, batch))))
        wrong = dict[str, str]()
        while True:  # a layer of a split that does not work may be one of another
            proposed, left = _proposed(model, linears, seen, parts, wrong)
            good, failed = trial.working(proposed)
            if not failed:
                return Splitting(tuple(good), left | whole, attentions)
            wrong |= failed


def _is_plain(linear: nn.Linear) -> bool:
    """Return whether a linear layer has its weight and its bias, and nothing that looks at its calls."""
    return linear._parameters.keys() == {"weight", "bias"} and not (linear._forward_hooks or linear._forward_pre_hooks)


def _traced(model: nn.Module, linears: Mapping[str, nn.Linear], run: Any) -> dict[str, _Seen]:
    """Return what is seen of each linear layer in one pass in training mode."""
    seen = {name: _Seen() for name in linears}
    leaves, inputs = dict[str, Tensor](), dict[str, Tensor]()
    random_after, random_before = dict[str, Tensor](), dict[str, Tensor]()

    def enters(name: str, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        inputs[name], random_before[name] = args[0], torch.get_rng_state()

    def leaves_layer(name: str, module: nn.Module, args: object, given: Tensor) -> Tensor:
        seen[name].calls += 1
        random_after[name] = torch.get_rng_state()
        leaves[name] = given.detach().requires_grad_()
        return leaves[name].clone()  # which may be changed in place

    hooks = [
        hook
        for name, one in linears.items()
        for hook in (
            one.register_forward_pre_hook(partial(enters, name)),
            one.register_forward_hook(partial(leaves_layer, name)),
        )
    ]
    model.train()
    with torch.enable_grad():
        output = [one for one in tensors_of(run()) if one.requires_grad]
    for hook in hooks:
        hook.remove()
    parameters = {name: one for name, one in model.named_parameters() if one.requires_grad}
    for name, taken in inputs.items():
        reached = _reached([taken], {**leaves, **parameters})
        seen[name].feeders = [one for one in leaves if one in reached]
        seen[name].between = [one for one in parameters if one in reached]
        if feeders := seen[name].feeders:
            seen[name].draws = not torch.equal(random_after[feeders[-1]], random_before[name])
            seen[name].draws_among = not torch.equal(random_after[feeders[0]], random_after[feeders[-1]])
    for name in _reached(output, leaves):
        seen[name].given_on = True
    return seen


def _reached(results: Sequence[Tensor], sources: Mapping[str, Tensor]) -> set[str]:
    """Return the names of the tensors that some results were computed from, with a gradient."""
    results = [one for one in results if one.requires_grad]
    if not results or not sources:
        return set()
    found: Any = torch.autograd.grad(
        [one.sum() for one in results], list(sources.values()), retain_graph=True, allow_unused=True
    )
    return {name for name, one in zip(sources, found, strict=True) if one is not None}


def _proposed(
    model: nn.Module, linears: Mapping[str, nn.Linear], seen: Mapping[str, _Seen], parts: int, wrong: Mapping[str, str]
) -> tuple[list[Split], dict[str, str]]:
    """Return the splits that the graph allows, none of which has a layer of another, and why other layers have none.

    Args:
        model: the example.
        linears: its linear layers by name.
        seen: what a pass told of each.
        parts: in how many parts they are divided.
        wrong: row layer -> why a split of it that was tried does not work.
    """
    holders = Counter(id(one) for _, one in model.named_parameters(remove_duplicate=False))
    used = Counter(feeder for one in seen.values() for feeder in one.feeders)
    found, taken = list[Split](), set[str]()
    left = dict.fromkeys(linears, "no other linear layer follows that works on its features one by one")
    for name, one in seen.items():
        layers = (*one.feeders, name)
        if not one.feeders or one.between or taken & set(layers):
            continue
        tied = [layer for layer in layers if any(holders[id(own)] > 1 for own in linears[layer].parameters())]
        sizes = [linears[name].in_features, *(linears[feeder].out_features for feeder in one.feeders)]
        reason = None
        if any(used[feeder] > 1 or seen[feeder].given_on for feeder in one.feeders):
            reason = "what goes from one to the next is used elsewhere, too"
        elif one.draws_among:
            reason = "random numbers are drawn among the layers that it takes its features from"
        elif any(seen[layer].calls > 1 for layer in layers):
            reason = "one of them is used several times in a pass"
        elif tied:
            reason = f"the weight of {tied[0]!r} is also another layer's"
        elif odd := next((size for size in sizes if size % parts), None):
            reason = f"{odd} features cannot be divided by {parts}"
        elif name in wrong:
            reason = f"in {parts} parts {wrong[name]}"
        if reason is not None:
            left |= dict.fromkeys(layers, reason)
            continue
        found.append(Split(tuple(one.feeders), name, draws=one.draws))
        taken |= set(layers)
    return found, {name: why for name, why in left.items() if name not in taken}


def _by_heads(model: nn.Module, split: Split, parts: int) -> Split | None:
    """Return a split that divides the numbers of heads that the innermost module around it has as attributes, too."""
    paths = [name.split(".")[:-1] for name in split.layers]
    around = ".".join(
        part for place, part in enumerate(paths[0]) if all(path[: place + 1] == paths[0][: place + 1] for path in paths)
    )
    numbers = {
        key: value
        for key, value in vars(model.get_submodule(around)).items()
        if type(value) is int and "head" in key and not any(word in key for word in ("dim", "size", "width"))
    }
    if not numbers or any(value % parts or value < parts for value in numbers.values()):
        return None
    return replace(split, heads=tuple((around, key) for key in numbers))


def _in_pieces(model: nn.Module, split: Split, parts: int) -> Split | None:
    """Return a split of a layer whose output holds several tensors of the size that the row layer takes."""
    column, row = (model.get_submodule(name) for name in (split.columns[0], split.row))
    assert isinstance(column, nn.Linear)
    assert isinstance(row, nn.Linear)
    pieces, rest = divmod(column.out_features, row.in_features)
    if len(split.columns) > 1 or pieces < 2 or rest:
        return None
    return replace(split, pieces=pieces)


def _by_heads_in_pieces(model: nn.Module, split: Split, parts: int) -> Split | None:
    """Return a split of both kinds: attention whose queries, keys and values are one layer."""
    by_heads = _by_heads(model, split, parts)
    return None if by_heads is None else _in_pieces(model, by_heads, parts)


@dataclass
class _Trial:
    """A model that is run in parts, one after the other."""

    model: nn.Module
    linears: Mapping[str, nn.Linear]
    parts: int
    run: Any  # () -> the tensors of the model's output

    def working(self, proposed: Sequence[Split]) -> tuple[list[Split], dict[str, str]]:
        """Return the splits that work, as they do, and row -> why another one does not."""
        self.model.eval()
        found, wrong = list(proposed), self.why_wrong(proposed)
        for other in (_by_heads, _in_pieces, _by_heads_in_pieces):
            changed = {one.row: other(self.model, one, self.parts) for one in proposed if one.row in wrong}
            tries = {row: one for row, one in changed.items() if one is not None}
            still = self.why_wrong(list(tries.values()))
            found = [tries[one.row] if one.row in tries and one.row not in still else one for one in found]
            wrong = {row: why for row, why in wrong.items() if row not in tries or row in still}
        found = [one for one in found if one.row not in wrong]
        wrong |= self.why_random([one for one in found if one.draws])
        return [one for one in found if one.row not in wrong], wrong

    @torch.no_grad()
    def why_wrong(self, splits: Sequence[Split]) -> dict[str, str]:
        """Return row -> why the parts of that split do not add up to the whole; all are tried at once if that works."""
        if not splits:
            return {}
        try:
            wrong = self._compared(splits)
        except Exception as error:  # noqa: BLE001  (the model is anybody's code)
            if len(splits) == 1:
                return {splits[0].row: f"the model fails: {error_text(error)}"}
            wrong = None
        if wrong is not None:
            return wrong
        return {row: reason for one in splits for row, reason in self.why_wrong([one]).items()}

    def _compared(self, splits: Sequence[Split]) -> dict[str, str] | None:
        """Return row -> what is wrong, or None where the model's output changes and several splits may be why."""
        rows = [one.row for one in splits]
        wholes, sums = dict[str, Tensor](), dict[str, Tensor]()
        with self._hooked(rows, lambda name, given: wholes.__setitem__(name, given.clone())):
            expected = self._run()
        changed = False
        for part in range(self.parts):
            with ExitStack() as stack:
                for one in splits:
                    stack.enter_context(self._in_part(one, part))
                stack.enter_context(self._hooked(rows, lambda name, given: _add(sums, name, given, wholes[name])))
                found = self._run()
            changed |= not all(map(close, found, expected)) or len(found) != len(expected)
        if changed:
            text = "the rest of the model computes something else"
            return {splits[0].row: text} if len(splits) == 1 else None
        biases = {name: self.linears[name]._parameters["bias"] for name in rows}
        totals = {name: one if (bias := biases[name]) is None else one + bias for name, one in sums.items()}
        return {
            name: "they do not add up to the whole: something between them looks at all features"
            for name in rows
            if not close(totals[name], wholes[name])
        }

    @torch.no_grad()
    def why_random(self, splits: Sequence[Split]) -> dict[str, str]:
        """Return row -> why processes cannot draw random numbers of their own in that split; leaves training mode on.

        With other numbers inside the splits, and what comes out of them left as it was, the output must be the same.
        """
        self.model.train()
        return {
            one.row: "the random numbers that are drawn between them are not for them alone"
            for one in splits
            if not all(map(close, *self._with_numbers(one)))
        }

    def _with_numbers(self, split: Split) -> Iterator[list[Tensor]]:
        """Yield the model's outputs with two sorts of random numbers inside of a split, which puts out the same."""
        first: list[Tensor] = []

        def same(name: str, given: Tensor) -> Tensor:
            first.append(given.clone())
            return first[0].clone()

        for own in (1, 2):
            with (
                own_numbers(self.model.get_submodule, split.columns[-1], split.row, own),
                self._hooked([split.row], same),
            ):
                yield self._run()

    def _run(self) -> list[Tensor]:
        seed_all(0)
        return self.run()

    @contextmanager
    def _hooked(self, rows: Sequence[str], see: Any) -> Generator[None]:
        """Call `see(name, output)` for each row layer; what it returns, if anything, takes the output's place."""
        hooks = [self.linears[name].register_forward_hook(partial(_seen_by, see, name)) for name in rows]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def _in_part(self, split: Split, part: int) -> Generator[None]:
        """Let the layers of a split have one part of their weights, and the row layer no bias."""
        with ExitStack() as stack:
            for layer, key, own in part_of_split(self.model, split, self.parts, part):
                stack.enter_context(_replaced(layer, key, own))
            stack.enter_context(_replaced(self.linears[split.row], "bias", None))
            for name, attribute in split.heads:
                stack.callback(divide_heads(self.model.get_submodule(name), attribute, self.parts))
            yield


def _seen_by(see: Callable[[str, Tensor], Any], name: str, module: nn.Module, args: object, given: Tensor) -> Any:
    return see(name, given)


def _add(sums: dict[str, Tensor], name: str, given: Tensor, whole: Tensor) -> Tensor:
    sums[name] = sums[name] + given if name in sums else given
    return whole.clone()  # which may be changed in place


def close(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors differ by rounding alone, of sums of many terms."""
    if one.shape != other.shape:
        return False
    if not one.is_floating_point():
        return bool(torch.equal(one, other))
    allowed = torch.finfo(one.dtype).eps ** 0.5 * other.abs().max() if other.numel() else 0.0
    return bool(((one - other).abs() <= allowed).all())


@contextmanager
def _replaced(module: nn.Module, name: str, value: Tensor | None) -> Generator[None]:
    before = module._parameters[name]
    module._parameters[name] = value  # type: ignore[assignment]  (a part of it, for this pass)
    try:
        yield
    finally:
        module._parameters[name] = before


def part_of_split(model: nn.Module, split: Split, parts: int, part: int) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Yield (layer, name, value) for each parameter of a split of which one process has a part."""
    for column in map(model.get_submodule, split.columns):
        for key, value in column.named_parameters(recurse=False):
            yield column, key, torch.cat([piece.chunk(parts)[part] for piece in value.chunk(split.pieces)])
    row = model.get_submodule(split.row)
    yield row, "weight", row.get_parameter("weight").chunk(parts, dim=1)[part]


def parts_of(model: nn.Module, found: Splitting, parts: int, part: int) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Yield (module, name, value) for each parameter of which one process has a part."""
    for split in found.splits:
        yield from part_of_split(model, split, parts, part)
    for name in found.attentions:
        yield from part_of_heads(model.get_submodule(name), parts, part)


def divided_share(model: nn.Module, found: Splitting) -> float:
    """Return the share of a model's parameters of which each process has a part."""
    divided = sum(value.numel() for _, _, value in parts_of(model, found, 1, 0))
    return divided / sum(one.numel() for one in model.parameters())


def divide_heads(module: nn.Module, attribute: str, parts: int) -> Callable[[], None]:
    """Let a module have a part of its heads while its forward pass runs; return what takes that back."""

    def before(module: nn.Module, args: object) -> None:
        setattr(module, attribute, getattr(module, attribute) // parts)

    def after(module: nn.Module, args: object, output: object) -> None:
        setattr(module, attribute, getattr(module, attribute) * parts)

    hooks = module.register_forward_pre_hook(before), module.register_forward_hook(after, always_call=True)

    def remove() -> None:
        for hook in hooks:
            hook.remove()

    return remove
