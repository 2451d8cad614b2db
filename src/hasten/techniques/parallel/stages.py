"""Which parts of a model can be the stages of a pipeline: found in the graph of a pass, and proven by running them.

A *cut* is a module whose first input is all that the rest of the pass needs of what was computed before it: a block of
a transformer, a layer of a sequence, but nothing inside of a residual connection. What needs what is read from the
graph of one pass, in which every input is cut off: the gradient of what comes later then reaches the inputs that it was
computed from directly. Stages of about equal work are chosen among the cuts. Then they run one after the other, with
NaN for whatever belongs to another stage, and must give the outputs and gradients of the whole model.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hasten.base.errors import error_text
from hasten.base.seeds import preserved, seed_all
from hasten.data.batch import Batch, tensors_of
from hasten.measurement.bytes_moved import bytes_moved
from hasten.measurement.formulas import flops_of
from hasten.techniques.example_pass import dropout_off, far_off, move_parameters
from hasten.techniques.parallel.balance_stages import balanced
from hasten.techniques.parallel.stage_pass import Stage, exchanged, places_of, run_stage, unknown
from hasten.training.inspection import silence_dropout
from hasten.training.recipe import Recipe

SAMPLES = 8
"""Of the pass that is watched: so many that the work of a layer is not that of reading its weights."""
_PER_BYTE = 10
"""Operations that take as long as moving a byte, about, on CPUs and accelerators."""


@dataclass(frozen=True)
class Staging:
    """A model divided into stages.

    Args:
        stages: in their order.
        used: name of each parameter -> the numbers of the stages that compute with it; several where it is tied.
        work: of each stage, as a share of the whole forward pass.
    """

    stages: tuple[Stage, ...]
    used: Mapping[str, frozenset[int]]
    work: tuple[float, ...]


@dataclass
class _Call:
    """One call of a module."""

    begin: int
    end: int = -1
    has_gradient: bool = False  # what it returns is computed from parameters, or from other inputs that were cut off


@dataclass
class _Input:
    """The first input of a module, cut off from what it was computed from."""

    name: str
    time: int
    taken: Tensor
    leaf: Tensor
    work: float  # before it


@dataclass
class _Traced:
    """What is seen of one pass."""

    inputs: list[_Input] = field(default_factory=list[_Input])
    calls: dict[str, list[_Call]] = field(default_factory=dict[str, list[_Call]])
    output: list[Tensor] = field(default_factory=list[Tensor])
    work: float = 0.0


class _Work(TorchDispatchMode):
    """Adds up the work of every operator: its floating-point operations, and what it moves."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        self.done += flops_of(func, args, kwargs or {}, output) or 0
        self.done += _PER_BYTE * bytes_moved(func, args, kwargs or {}, output)
        return output


def owner_of(parameter: Tensor, used: frozenset[int], size: int) -> int | None:
    """Return which of `size` processes alone has a parameter; None where all have it: used by several, or a scalar."""
    owners = {stage % size for stage in used}
    return owners.pop() if len(owners) == 1 and parameter.ndim else None


def staged(recipe: Recipe, count: int) -> Staging | str:
    """Return a recipe's model in so many stages, or why that cannot be.

    Cost: building the model twice, and three passes of eight samples on the CPU.
    """
    with preserved():
        seed_all(0)
        found = divided(recipe.subject.fresh_model(), recipe, recipe.subject.batch(SAMPLES), count)
        if isinstance(found, str):
            return found
        wrong = why_wrong(recipe, found)
        return found if wrong is None else wrong


def divided(model: nn.Module, recipe: Recipe, batch: Batch, count: int) -> Staging | str:
    """Return a model in so many stages as its graph allows, not proven, or why that cannot be.

    Args:
        model: an example; its parameters are left with a gradient. Tensors without memory are enough.
        recipe: its training.
        batch: of a few samples.
        count: how many stages.
    """
    for one in model.parameters():
        one.requires_grad_(one.is_floating_point())  # the graph shows frozen ones, too
    try:
        traced = _trace(model.train(), recipe, batch)
    except Exception as error:  # noqa: BLE001  (the model is anybody's code)
        return f"its layers cannot be watched one by one: {error_text(error)}"
    names = {id(one): name for name, one in model.named_parameters()}
    needs = [_sources([one.taken]) for one in traced.inputs] + [_sources(traced.output)]
    cuts = _cuts(traced, needs)
    if len(cuts) < count - 1:
        return (
            f"{count} stages need {count - 1} places in the model where one tensor is all that the rest needs of "
            f"what was computed before; it has {len(cuts)}"
        )
    chosen = _chosen(traced, cuts, count)
    used = _users(needs, chosen, names)
    stages = _stages(model, traced, chosen, used)
    begins = [0.0, *(traced.inputs[place].work for place in chosen), traced.work]
    work = tuple((end - begin) / traced.work for begin, end in pairwise(begins))
    return Staging(stages, used, work)


def _trace(model: nn.Module, recipe: Recipe, batch: Batch) -> _Traced:
    """Return what is seen in one pass, in which the first input of every module is cut off."""
    seen, time = _Traced(), 0
    under_way = list[_Call]()

    def enters(name: str, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        nonlocal time
        time += 1
        under_way.append(_Call(time))
        seen.calls.setdefault(name, []).append(under_way[-1])
        if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
            return None
        leaf = args[0].detach().clone().requires_grad_()
        seen.inputs.append(_Input(name, time, args[0], leaf, work.done))
        return leaf.clone(), *args[1:]  # which may be changed in place

    def leaves(module: nn.Module, args: object, output: Any) -> None:
        nonlocal time
        time += 1
        call = under_way.pop()
        call.end, call.has_gradient = time, any(one.requires_grad for one in tensors_of(output))

    hooks = [
        hook
        for name, one in model.named_modules()
        if name
        for hook in (one.register_forward_pre_hook(partial(enters, name)), one.register_forward_hook(leaves))
    ]
    with torch.enable_grad(), _Work() as work:
        output = recipe.forward.predict(model, batch)
        seen.output = [one for one in tensors_of(output) if one.requires_grad]
        recipe.forward.loss(output, batch)
    seen.work = work.done
    for hook in hooks:
        hook.remove()
    return seen


def _sources(results: Iterable[Tensor]) -> set[int]:
    """Return the ids of the leaves of the graph, parameters among them, that tensors were computed from."""
    found, seen = set[int](), set[Any]()
    waiting: list[Any] = []
    for one in results:
        if one.grad_fn is not None:
            waiting.append(one.grad_fn)
        elif one.requires_grad:
            found.add(id(one))
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (variable := getattr(node, "variable", None)) is not None:
            found.add(id(variable))
        waiting.extend(following for following, _ in node.next_functions)
    return found


def _cuts(traced: _Traced, needs: Sequence[set[int]]) -> list[int]:
    """Return the inputs through which everything goes that later ones need of earlier ones."""
    places = {id(one.leaf): place for place, one in enumerate(traced.inputs)}
    last = [0] * len(traced.inputs)  # the last that needs each input directly
    for later, sources in enumerate(needs):
        for place in {places[one] for one in sources if one in places}:
            last[place] = max(last[place], later)
    cuts, reach = list[int](), 0
    for place, one in enumerate(traced.inputs):
        if one.taken.requires_grad and len(traced.calls[one.name]) == 1 and reach <= place:
            cuts.append(place)
        reach = max(reach, last[place])
    return cuts


def _chosen(traced: _Traced, cuts: Sequence[int], count: int) -> list[int]:
    """Return the cuts of stages of about equal work."""
    done = [0.0, *(traced.inputs[place].work for place in cuts), traced.work]
    work = [after - before for before, after in pairwise(done)]
    sent = [float(traced.inputs[place].taken.nbytes) for place in cuts]
    return [cuts[number] for number in balanced(work, sent, count)]


def _users(needs: Sequence[set[int]], chosen: Sequence[int], names: Mapping[int, str]) -> dict[str, frozenset[int]]:
    """Return the stages that compute with each parameter; one that none computes with is held by the first."""
    used = {name: set[int]() for name in names.values()}
    for place, sources in enumerate(needs):
        stage = sum(cut < place for cut in chosen)
        for name in (names[one] for one in sources if one in names):
            used[name].add(stage)
    return {name: frozenset(stages or {0}) for name, stages in used.items()}


def _stages(
    model: nn.Module, traced: _Traced, chosen: Sequence[int], used: Mapping[str, frozenset[int]]
) -> tuple[Stage, ...]:
    begins = [traced.inputs[place] for place in chosen]
    names = [None, *(one.name for one in begins), None]
    skipped = [(), *(_skipped(model, traced, one.time, number, used) for number, one in enumerate(begins, 1))]
    return tuple(map(Stage, names[:-1], names[1:], skipped))


def _skipped(
    model: nn.Module, traced: _Traced, begin: int, number: int, used: Mapping[str, frozenset[int]]
) -> tuple[str, ...]:
    """Return the outermost modules that a stage skips: all that they return is for the stages before.

    What is computed from the inputs alone, such as masks and positions, and what has parameters of this stage or a
    later one, is not skipped: it may be used again.
    """
    first_names = {id(one): name for name, one in model.named_parameters()}

    def is_skipped(name: str, module: nn.Module) -> bool:
        calls = traced.calls.get(name, [])
        earlier = all(max(used[first_names[id(one)]]) < number for one in module.parameters())
        return bool(calls) and earlier and all(one.end < begin and one.has_gradient for one in calls)

    found, waiting = list[str](), [("", model)]
    while waiting:
        inside, module = waiting.pop()
        for own, child in module.named_children():
            name = f"{inside}.{own}".lstrip(".")
            if is_skipped(name, child):
                found.append(name)
            else:
                waiting.append((name, child))
    return tuple(found)


def why_wrong(recipe: Recipe, staging: Staging) -> str | None:
    """Return why stages that run one after the other do not compute what the whole model does, or None.

    Parameters of other stages are NaN while one runs. Dropout is off, since stages draw numbers of their own.
    """
    model, batch = silence_dropout(recipe.subject.fresh_model()), recipe.subject.batch(SAMPLES)
    move_parameters(model)
    parameters = dict(model.named_parameters())
    call = partial(recipe.forward.predict, model, batch)
    judge = partial(_judged, recipe, batch)
    for training in (False, True):
        model.train(training)
        with dropout_off(), torch.set_grad_enabled(training):
            buffers = {name: one.clone() for name, one in model.named_buffers()}
            expected = judge(call())
            if training:
                expected.backward()
            for name, one in model.named_buffers():
                if not torch.equal(one, buffers[name]):
                    return f"the buffer {name!r} changes in training: a layer looks at the batch as a whole"
            gradients = _taken_gradients(parameters)
            try:
                found = _in_stages(staging, model, call, judge)
            except Exception as error:  # noqa: BLE001  (the model is anybody's code)
                return f"the model fails in stages: {error_text(error)}"
        if not torch.allclose(found, expected.detach(), rtol=1e-4):  # NaN where something of another stage was used
            return "the model computes something else in stages: one uses what only another knows"
        if (off := far_off(gradients, _taken_gradients(parameters))) is not None:
            return f"the gradient of {off[0]!r} is another one in stages"
    return None


def _in_stages(staging: Staging, model: nn.Module, call: Callable[[], Any], judge: Callable[[Any], Tensor]) -> Tensor:
    """Run forward pass, and backward pass in training, stage by stage; return what `judge` makes of the output."""
    places, parameters = places_of(model), dict(model.named_parameters())
    sent, received = list[Tensor](), list[Tensor]()
    result: Any = None
    for number, stage in enumerate(staging.stages):
        others = {
            name: nn.Parameter(unknown(one.shape, one.dtype, one.device), requires_grad=False)
            for name, one in parameters.items()
            if number not in staging.used[name]
        }
        with exchanged(places, others):
            result = run_stage(model, stage, call, received[-1] if received else None, {})
        if stage.end is not None:
            sent.append(result)
            received.append(result.detach().clone().requires_grad_())
    judged = judge(result)
    if model.training:
        judged.backward()
        for output, later in zip(reversed(sent), reversed(received), strict=True):
            if output.requires_grad and later.grad is not None:
                output.backward(later.grad)
    return judged.detach()


def _judged(recipe: Recipe, batch: Batch, output: Any) -> Tensor:
    """Return a number that depends on all of an output, also where no label counts."""
    loss = recipe.forward.loss(output, batch)
    outputs = [one.double().square().sum() for one in tensors_of(output) if one.is_floating_point()]
    return torch.stack([*outputs, *([loss.sum.double()] if loss.count else [])]).sum()


def _taken_gradients(parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return the gradients that a pass has left, and leave none."""
    found = dict[str, Tensor]()
    for name, one in parameters.items():
        if one.grad is not None:
            found[name], one.grad = one.grad, None
    return found
