"""Which blocks of a model can be computed on a part of each sequence by each process, between their divided layers.

Norms, dropout and residual additions work on each token by itself. Where several processes divide the layers between
them by features, each can have these activations of some tokens alone (sequence parallel): the tokens are gathered
where a divided layer takes them, and what the parts give is added up and scattered again, which sends as much as adding
it up for all does (Korthikanti et al., 2022, arXiv:2205.05198).

The blocks are those of the model that repeat and follow each other directly. That all in them but the divided layers
works token by token is tried: on each part of the sequences, and with what the divided layers take and give put in, a
part of the whole outputs must come out. What is in the blocks must not be used elsewhere, nor they use what is not:
that is tried with NaN in the weights of the one and of the other. Nothing here talks to another process.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn

from hasten.base.errors import error_text
from hasten.base.seeds import preserved, seed_all
from hasten.data.batch import tensors_of
from hasten.techniques.blocks import repeated_blocks
from hasten.techniques.parallel.splitting import Split, Splitting, close
from hasten.training.recipe import Recipe

DIMENSION = 1
"""Of an activation, which is divided: samples x tokens x features. Where the tokens come first it is the samples."""
_SAMPLES = 2


@dataclass(frozen=True)
class Tokens:
    """Blocks that follow each other, in whose activations each process has some tokens.

    Args:
        blocks: their names, in the order in which they run.
        splits: the divided layers in them.
        gathers: for each of these, names of the modules whose input is gathered: the one that holds its layers and no
            other parameters, since its code may count the tokens; where there is none, those that give columns.
        shared: names of the parameters that see some tokens in each process: those of the blocks that are not divided.
        draws: whether random numbers are drawn in them in training.
    """

    blocks: tuple[str, ...]
    splits: tuple[Split, ...]
    gathers: tuple[tuple[str, ...], ...]
    shared: tuple[str, ...]
    draws: bool


@dataclass
class _Call:
    """What a module took and gave in its last call, and how often it was called."""

    taken: Any = None
    given: Any = None
    count: int = 0


def tokens(recipe: Recipe, parts: int, found: Splitting) -> Tokens | str:
    """Return the blocks of a recipe's model that can be computed on so many parts of each sequence, or why none can.

    Args:
        recipe: the training.
        parts: how many.
        found: the layers that are divided.

    Cost: 4 + `parts` forward passes of two samples on the CPU.
    """
    model, batch = recipe.subject.fresh_model(), recipe.subject.batch(_SAMPLES)
    run = partial(recipe.forward.predict, model, batch)
    with preserved():
        chain = _chain(model.eval(), run, found)
        if isinstance(chain, str):
            return chain
        splits = tuple(one for one in found.splits if any(one.row.startswith(f"{block}.") for block in chain))
        trial = _Trial(model, run, chain, splits)
        try:
            why = trial.why_wrong(parts)
        except Exception as error:  # noqa: BLE001  (the model is anybody's code)
            why = f"the model fails on a part of a sequence: {error_text(error)}"
        dropouts = trial.dropouts()
        if not why and dropouts is None:
            why = "the blocks draw random numbers in training otherwise than by nn.Dropout"
        return why or Tokens(
            tuple(chain), splits, tuple(trial.gathers), trial.shared(), any(one.p > 0 for one in dropouts or ())
        )


@torch.no_grad()
def _chain(model: nn.Module, run: Callable[[], Any], found: Splitting) -> list[str] | str:
    """Return the longest row of blocks of which each takes what the one before gave and has divided layers."""
    blocks, calls, order = repeated_blocks(model), dict[str, _Call](), list[str]()

    def leaves(name: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        calls.setdefault(name, _Call()).count += 1
        calls[name].taken, calls[name].given = args[0] if args else None, output
        order.append(name)

    with ExitStack() as stack:
        for name, one in blocks.items():
            stack.callback(one.register_forward_hook(partial(leaves, name)).remove)
        seed_all(0)
        run()
    longest, under_way = list[str](), list[str]()
    for name in order:
        one = calls[name]
        fits = one.count == 1 and _is_sequence(one.taken) and _is_sequence(one.given)
        fits = fits and one.taken.shape == one.given.shape and _divided(name, found)
        follows = bool(under_way) and fits and calls[under_way[-1]].given is one.taken
        under_way = [*under_way, name] if follows else [name] if fits else []
        longest = under_way if len(under_way) > len(longest) else longest
    if longest:
        return longest
    if found.attentions:
        return "nn.MultiheadAttention takes whole sequences"
    return "no blocks with divided layers take and give one tensor of samples x tokens x features"


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim > DIMENSION + 1 and value.is_floating_point()


def _divided(block: str, found: Splitting) -> bool:
    """Return whether a block has divided linear layers, and no attention that is divided by heads."""
    inside = f"{block}."
    has = any(
        one.row.startswith(inside) and all(name.startswith(inside) for name in one.layers) for one in found.splits
    )
    return has and not any(name == block or name.startswith(inside) for name in found.attentions)


class _Trial:
    """Runs a model with parts of sequences in some blocks."""

    def __init__(
        self, model: nn.Module, run: Callable[[], Any], blocks: Sequence[str], splits: Sequence[Split]
    ) -> None:
        self.model, self.run, self.blocks, self.splits = model, run, blocks, splits
        self.gathers = [self._gathered(one) for one in splits]
        self.taking = [name for names in self.gathers for name in names]
        self.rows = [one.row for one in splits]

    def _gathered(self, split: Split) -> tuple[str, ...]:
        """Return the modules whose input is gathered for a split."""
        paths = [name.split(".") for name in split.layers]
        common = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))]
        around, own = ".".join(common), {id(one) for name in split.layers for one in self._parameters(name)}
        inside = any(around.startswith(f"{block}.") for block in self.blocks)
        return (around,) if inside and all(id(one) in own for one in self._parameters(around)) else split.columns

    def _parameters(self, name: str) -> Iterable[nn.Parameter]:
        return self.model.get_submodule(name).parameters()

    def shared(self) -> tuple[str, ...]:
        """Return the names of the parameters that see some tokens only."""
        layers = [name for one in self.splits for name in one.layers]
        # a row's bias is added before the sum is scattered, by all processes to all tokens
        divided = {f"{name}.{kind}" for name in layers for kind in ("weight", "bias")}
        return tuple(name for name in self._inside() if name not in divided)

    def _inside(self) -> list[str]:
        return [
            f"{block}.{name}" for block in self.blocks for name, _ in self.model.get_submodule(block).named_parameters()
        ]

    @torch.no_grad()
    def why_wrong(self, parts: int) -> str:
        """Return why the blocks do not compute a part of the tokens from a part of them; nothing where they do."""
        seen = {name: _Call() for name in (*self.blocks, *self.taking, *self.rows)}

        def leaves(name: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            seen[name] = _Call(args[0].clone(), output.clone(), seen[name].count + 1)

        expected = self._run((name, "after", partial(leaves, name)) for name in seen)
        length = seen[self.blocks[0]].taken.shape[DIMENSION]
        for name in (*self.taking, *self.rows):
            both = (seen[name].taken, seen[name].given)
            if seen[name].count != 1 or any(
                one.ndim <= DIMENSION + 1 or one.shape[DIMENSION] != length for one in both
            ):
                return f"{name} does not take and give samples x tokens x features"
        for part in range(parts):
            wrong = self._compared(seen, expected, parts, part)
            if wrong:
                return wrong
        return self._why_tied(seen, expected)

    def _compared(self, seen: dict[str, _Call], expected: Sequence[Tensor], parts: int, part: int) -> str:
        """Return what is wrong where the blocks get one part of the tokens."""
        wrong, first, last = list[str](), self.blocks[0], self.blocks[-1]

        def piece(whole: Tensor) -> Tensor:
            length = whole.shape[DIMENSION]
            begin, end = (min(length, number * -(-length // parts)) for number in (part, part + 1))
            return whole.narrow(DIMENSION, begin, end - begin).clone()

        def enters(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return piece(args[0]), *args[1:]

        def gathered(name: str, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            if not close(args[0], piece(seen[name].taken)):
                wrong.append(f"what {name} takes is not computed token by token")
            return seen[name].taken.clone(), *args[1:]

        def scattered(name: str, module: nn.Module, args: object, output: Tensor) -> Tensor:
            return piece(seen[name].given)

        def leaves(module: nn.Module, args: object, output: Tensor) -> Tensor:
            if not close(output, piece(seen[last].given)):
                wrong.append(f"what {last} gives is not computed token by token")
            return seen[last].given.clone()

        found = self._run(
            [
                (first, "before", enters),
                *((name, "before", partial(gathered, name)) for name in self.taking),
                *((name, "after", partial(scattered, name)) for name in self.rows),
                (last, "after", leaves),
            ]
        )
        if not wrong and not _alike(found, expected):
            wrong.append("the rest of the model looks into the blocks")
        return wrong[0] if wrong else ""

    def _why_tied(self, seen: dict[str, _Call], expected: Sequence[Tensor]) -> str:
        """Return why weights inside and outside of the blocks depend on each other; nothing where they do not."""
        first, last = self.blocks[0], self.blocks[-1]
        inside = set(self._inside())
        given = list[Tensor]()

        def put_out(module: nn.Module, args: object, output: Tensor) -> Tensor:
            given.append(output)
            return seen[last].given.clone()

        def put_in(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return seen[first].taken.clone(), *args[1:]

        parameters = dict(self.model.named_parameters())
        own = {id(self.model.get_parameter(name)) for name in inside}
        with _as_nan(one for one in parameters.values() if id(one) in own):
            if not _alike(self._run([(last, "after", put_out)]), expected):
                return "a weight of the blocks is used outside of them, too"
        given.clear()
        with _as_nan(one for one in parameters.values() if id(one) not in own):
            self._run([(first, "before", put_in), (last, "after", put_out)])
        return "" if _alike(given, [seen[last].given]) else "the blocks use weights from outside of them"

    @torch.no_grad()
    def dropouts(self) -> list[nn.Dropout] | None:
        """Return what drops single numbers of the tokens in training; None where the blocks draw otherwise, too.

        What is drawn between divided layers is for these alone already. Leaves training mode on.
        """
        found, states, inside = list[nn.Dropout](), list[Tensor](), dict[str, Tensor]()
        self.model.train()
        places = [
            f"{block}.{name}" for block in self.blocks for name, one in self._named(block) if type(one) is nn.Dropout
        ]
        shapes = dict[str, torch.Size]()

        def sees(name: str, module: nn.Module, args: tuple[Tensor, ...]) -> None:
            shapes[name] = args[0].shape

        self._run((name, "before", partial(sees, name)) for name in (self.blocks[0], *places))
        for name in places:
            if name in shapes and shapes[name][: DIMENSION + 1] == shapes[self.blocks[0]][: DIMENSION + 1]:
                one = self.model.get_submodule(name)
                assert isinstance(one, nn.Dropout)
                found.append(one)
                one.eval()

        def note(*args: object) -> None:
            states.append(torch.get_rng_state())

        def keep(row: str, *args: object) -> None:
            inside[row] = torch.get_rng_state()

        def put_back(row: str, *args: object) -> None:
            torch.set_rng_state(inside[row])

        self._run(
            [
                (self.blocks[0], "before", note),
                *((one.columns[-1], "after", partial(keep, one.row)) for one in self.splits),
                *((one.row, "before", partial(put_back, one.row)) for one in self.splits),
                (self.blocks[-1], "after", note),
            ]
        )
        return found if torch.equal(*states) else None

    def _named(self, block: str) -> Iterable[tuple[str, nn.Module]]:
        return self.model.get_submodule(block).named_modules()

    def _run(self, hooks: Iterable[tuple[str, str, Callable[..., Any]]]) -> list[Tensor]:
        """Return the model's outputs in a pass with hooks: (module, "before" or "after", what is called)."""
        with ExitStack() as stack:
            for name, when, call in hooks:
                module = self.model.get_submodule(name)
                register = module.register_forward_pre_hook if when == "before" else module.register_forward_hook
                stack.callback(register(call).remove)  # type: ignore[arg-type]
            seed_all(0)
            return [one.clone() for one in tensors_of(self.run())]


def _alike(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    return len(found) == len(expected) and all(map(close, found, expected))


@contextmanager
def _as_nan(parameters: Iterable[Tensor]) -> Generator[None]:
    """Let parameters be NaN for the body."""
    before = [(one, one.detach().clone()) for one in parameters]
    with torch.no_grad():
        for one, _ in before:
            one.fill_(torch.nan)
        try:
            yield
        finally:
            for one, value in before:
                one.copy_(value)
