"""The model whose linear layers several processes compute together (`tensor_parallel`), and its step.

All parameters are `DTensor`s over the processes of one share: those of split layers are divided, all others are whole
in each. So what looks at parameters and gradients of both kinds together, such as a norm for clipping, is right by
torch's own rules, and states are saved and loaded as those of any sharded model. Modules that are not split compute
with plain tensors: their parameters are exchanged for the tensors of this process while their forward pass runs.

A module of its own, since torch's takes a second to import, and the cards of all techniques are read in every tuning.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    RowwiseParallel,
    loss_parallel,
    parallelize_module,
)
from torch.distributed.tensor.placement_types import _StridedShard

from hasten.base.units import plural
from hasten.techniques.parallel.heads import Together, part_of_heads, take_part
from hasten.techniques.parallel.mesh import DATA, mesh_of
from hasten.techniques.parallel.own_numbers import around, install
from hasten.techniques.parallel.parts import ALIKE, rejoined, remember, without_parameters, without_views
from hasten.techniques.parallel.sequence import DIMENSION, Tokens
from hasten.techniques.parallel.splitting import Split, Splitting, divide_heads, divided_share
from hasten.techniques.parallel.vocabulary import Vocabulary
from hasten.training.loss import Loss
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe
from hasten.training.reduction import Reducing, summed_after

TENSOR = "tensor"


@dataclass(frozen=True)
class _Divide:
    """Divide the split layers of a model over the processes of a share."""

    device: str
    processes: Processes
    found: Splitting
    by_rows: Vocabulary
    tokens: Tokens | None

    def __call__(self, model: nn.Module) -> nn.Module:
        """Make `DTensor`s of all parameters. A collective."""
        plain = without_parameters(model)
        mesh = mesh_of(self.device, self.processes, TENSOR)[TENSOR]
        styles = dict[str, ParallelStyle]()
        some = None if self.tokens is None else _SomeTokens(model, self.tokens, mesh)
        for attention in map(model.get_submodule, self.found.attentions):
            _divide_attention(attention, mesh)
        for split in self.found.splits:
            columns, row = [model.get_submodule(name) for name in split.columns], model.get_submodule(split.row)
            inside = some is not None and split in some.found.splits
            take = some.input_of(model, split) if some is not None and inside else partial(_in_all, mesh)
            _share_input(columns, row, take)
            if split.draws:
                install(columns[-1], row, mesh.get_local_rank())
            for name, attribute in split.heads:
                divide_heads(model.get_submodule(name), attribute, self.processes.per_share)
            style = _Pieces(split.pieces) if split.pieces > 1 else ColwiseParallel()
            given = RowwiseParallel(output_layouts=Shard(DIMENSION) if inside else Replicate())
            styles |= {**dict.fromkeys(split.columns, style), split.row: given}
        styles |= {name: RowwiseParallel(input_layouts=Replicate()) for name in self.by_rows.embeddings}
        if self.by_rows.head is not None:
            styles[self.by_rows.head] = ColwiseParallel(output_layouts=Shard(-1), use_local_output=False)
        tied = _tied([model.get_submodule(name) for name in self.by_rows.layers])
        parallelize_module(model, mesh, styles, src_data_rank=None)  # the weights are the same in all: no collective
        for first, *others in tied:
            for one in others:
                one.register_parameter("weight", first.get_parameter("weight"))
        for layer in map(model.get_submodule, styles):
            layer.register_forward_hook(without_views)
            # torch's mark against a second call; a layer that has it looks like another one when a run resumes
            vars(layer).pop("_distribute_module_applied", None)
        _replicate(model, mesh)
        return remember(model, plain)


def _tied(layers: Iterable[nn.Module]) -> list[list[nn.Module]]:
    """Return the layers that have one weight, together."""
    found = dict[int, list[nn.Module]]()
    for one in layers:
        found.setdefault(id(one.get_parameter("weight")), []).append(one)
    return list(found.values())


@dataclass(frozen=True)
class _Scores:
    """Keeps scores of the process's own classes for the loss, and makes them whole where no gradient is computed."""

    call: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        found = self.call(*args)
        if isinstance(found, Loss):
            return Loss(found.sum.to_local(), found.count) if isinstance(found.sum, DTensor) else found
        return found.full_tensor() if isinstance(found, DTensor) and not torch.is_grad_enabled() else found


def _divide_attention(attention: nn.Module, mesh: DeviceMesh) -> None:
    """Let each process have a part of the heads of an attention."""
    for module, name, _ in list(part_of_heads(attention, 1, 0)):
        own = [_StridedShard(0, split_factor=3) if module is attention else Shard(1)]
        whole = module.get_parameter(name)
        divided = distribute_tensor(whole.detach(), mesh, own, src_data_rank=None)
        module.register_parameter(name, nn.Parameter(divided, whole.requires_grad))

    def take(x: Tensor) -> Tensor:
        return DTensor.from_local(x, mesh, [Replicate()], run_check=False).to_local(grad_placements=[Partial()])

    def add_up(x: Tensor) -> Tensor:
        return (
            DTensor.from_local(x, mesh, [Partial()], run_check=False).redistribute(placements=[Replicate()]).to_local()
        )

    take_part(attention, Together(mesh.size(), mesh.get_local_rank(), take, add_up))


class _Pieces(ParallelStyle):
    """Divide each of several pieces of a linear layer's output, as `ColwiseParallel` divides one."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        for name, one in list(module.named_parameters(recurse=False)):
            own = [_StridedShard(0, split_factor=self.pieces)]
            divided = distribute_tensor(one.detach(), device_mesh, own, src_data_rank=None)
            module.register_parameter(name, nn.Parameter(divided, one.requires_grad))

        def enter(module: nn.Module, args: tuple[DTensor, ...]) -> tuple[Tensor, ...]:
            return args[0].to_local(grad_placements=[Partial()]), *args[1:]

        module.register_forward_pre_hook(enter)
        _compute_with_plain(module, [(module, name) for name, _ in module.named_parameters(recurse=False)])
        return module


class _SomeTokens:
    """Gives each process some of the tokens that go into blocks, and puts all of them together behind the last."""

    def __init__(self, model: nn.Module, found: Tokens, mesh: DeviceMesh) -> None:
        self.found = found
        self._mesh, self._length = mesh, 0
        first, last = model.get_submodule(found.blocks[0]), model.get_submodule(found.blocks[-1])
        first.register_forward_pre_hook(self._enter)
        if found.draws:
            around(first, last, mesh.get_local_rank())
        last.register_forward_hook(lambda module, args, output: self.made_whole(output).to_local())

    def _enter(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self._length = args[0].shape[DIMENSION]
        some = _in_all(self._mesh, args[0]).redistribute(placements=[Shard(DIMENSION)]).to_local()
        return without_views(module, args, some), *args[1:]

    def input_of(self, model: nn.Module, split: Split) -> Callable[[Tensor], DTensor]:
        """Return what gives the input of columns; a module around them that is to see all tokens sees them then."""
        (first, *_) = names = self.found.gathers[self.found.splits.index(split)]
        if names == split.columns:
            return self.made_whole
        gathered: list[tuple[Tensor, DTensor]] = []

        def enter(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            whole = self.made_whole(args[0])
            gathered[:] = [(whole.to_local(), whole)]
            return gathered[0][0], *args[1:]

        def take(x: Tensor) -> DTensor:
            # what the columns take as it came in is added up and scattered in one; other uses are the same in all
            return gathered[0][1] if gathered and gathered[0][0] is x else _in_all(self._mesh, x)

        module = model.get_submodule(first)
        module.register_forward_pre_hook(enter)
        module.register_forward_hook(lambda module, args, output: gathered.clear())
        return take

    def made_whole(self, some: Tensor) -> DTensor:
        """Return the activations of all tokens. A collective."""
        shape = torch.Size((*some.shape[:DIMENSION], self._length, *some.shape[DIMENSION + 1 :]))
        strides = torch.empty(shape, device="meta").stride()
        own = [Shard(DIMENSION)]
        parts = DTensor.from_local(some, self._mesh, own, run_check=False, shape=shape, stride=strides)
        return parts.redistribute(placements=[Replicate()])


def _in_all(mesh: DeviceMesh, x: Tensor) -> DTensor:
    return DTensor.from_local(x, mesh, [Replicate()], run_check=False)


def _share_input(columns: list[nn.Module], row: nn.Module, take: Callable[[Tensor], DTensor]) -> None:
    """Let layers that take the same tensor take one `DTensor` of it, so that its gradient is added up once."""
    last: list[tuple[Tensor, DTensor]] = []

    def shared(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        taken, *others = args
        if not last or last[0][0] is not taken:
            last[:] = [(taken, take(taken))]
        return last[0][1], *others

    for one in columns:
        one.register_forward_pre_hook(shared)
    row.register_forward_pre_hook(lambda module, args: last.clear())


def _replicate(model: nn.Module, mesh: DeviceMesh) -> None:
    """Make the parameters that are not divided whole in each process, which modules see as plain tensors."""
    made = dict[int, nn.Parameter]()
    for module in model.modules():
        for name, one in module._parameters.items():
            if one is None or isinstance(one, DTensor):
                continue
            if id(one) not in made:
                whole = distribute_tensor(one.detach(), mesh, [Replicate()], src_data_rank=None)
                made[id(one)] = nn.Parameter(whole, one.requires_grad)
            module._parameters[name] = made[id(one)]
    ours = {id(one) for one in made.values()}
    for module in model.modules():
        places = [
            (inner, name)
            for inner in module.modules()
            for name, one in inner._parameters.items()
            if one is not None and id(one) in ours
        ]
        if places:
            _compute_with_plain(module, places)


def _compute_with_plain(module: nn.Module, places: Iterable[tuple[nn.Module, str]]) -> None:
    """Exchange parameters, of a module and those inside of it, for this process's tensors while its forward pass runs.

    A module inside of one whose forward pass runs finds its parameters exchanged already; one that is called by itself
    (when activations are computed again) exchanges them itself.
    """
    exchanged: list[list[tuple[nn.Module, str, Any]]] = []  # of each call under way

    def before(module: nn.Module, args: Any) -> None:
        found: list[tuple[nn.Module, str, Any]] = [
            (inner, name, one) for inner, name in places if isinstance(one := inner._parameters[name], DTensor)
        ]
        local = {id(one): one.to_local() for _, _, one in found}  # a tied one once
        for inner, name, one in found:
            inner._parameters[name] = local[id(one)]  # type: ignore[assignment]  (a tensor with its graph)
        exchanged.append(found)

    def after(module: nn.Module, args: Any, output: Any) -> None:
        for inner, name, one in exchanged.pop():
            inner._parameters[name] = one

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after, always_call=True)


def summed_over_shares(model: nn.Module, processes: Processes, device: str, some: tuple[str, ...]) -> Reducing:
    """Return the step of a divided model: gradients add up over the processes that have the same parts.

    Those of parameters that see `some` of the tokens add up over the processes of a share before.
    """
    mesh = mesh_of(device, processes, TENSOR)
    of_some = [one for one in map(model.get_parameter, some) if one.requires_grad]

    def add_up(parameters: Sequence[nn.Parameter]) -> None:
        if of_some:
            processes.sum_gradients(of_some, group=mesh[TENSOR].get_group())
        if processes.num_shares > 1:
            processes.sum_gradients(parameters, group=mesh[DATA].get_group())

    return Reducing(partial(summed_after, add_up))


def divided(
    recipe: Recipe, processes: Processes, found: Splitting, by_rows: Vocabulary, tokens: Tokens | None
) -> Recipe:
    """Return the recipe whose model is divided before the optimizer is made.

    Args:
        recipe: of several processes.
        processes: the same, and how many of them compute a share together.
        found: what is divided by features.
        by_rows: what is divided by the rows of weights. With an output layer among them the loss is computed from the
            scores of each process's own classes.
        tokens: blocks in which each process has some tokens between the divided layers; None for none.
    """
    device = recipe.device.name
    changed = recipe.with_surgery(_Divide(device, processes, found, by_rows, tokens), undo=rejoined)
    if by_rows.head is not None:
        changed = changed.with_context(loss_parallel).wrap(_Scores)
    some = () if tokens is None else tokens.shared
    reduction: Callable[..., Reducing] = partial(summed_over_shares, device=device, some=some)
    notes = (*recipe.parallel.notes, told(recipe.subject.model(), processes, found, by_rows, tokens))
    return replace(
        changed,
        parallel=replace(
            recipe.parallel, processes=processes, reduction=reduction, sharded=True, notes=notes, relief=ALIKE
        ),
    )


def told(model: nn.Module, processes: Processes, found: Splitting, by_rows: Vocabulary, tokens: Tokens | None) -> str:
    """Return in a sentence what is divided, and why other linear layers are whole in each process."""
    layers = [name for split in found.splits for name in split.layers]
    attentions = f" and {plural(len(found.attentions), 'attention')}" if found.attentions else ""
    text = (
        f"tensor_parallel: {len(layers)} linear layers{attentions} with {divided_share(model, found):.0%} of the "
        f"parameters are divided over {processes.per_share} processes"
    )
    reasons = dict[str, list[str]]()
    if by_rows.layers:
        text += f", and the rows of {_listed(list(by_rows.layers))}"
    if tokens is not None:
        text += f"; in {_listed(list(tokens.blocks))} each has some of the tokens between them"
    for name, reason in {**found.left, **by_rows.left}.items():
        if name not in by_rows.layers:
            reasons.setdefault(reason, []).append(name)
    whole = "; ".join(f"{_listed(names)} ({reason})" for reason, names in reasons.items())
    return f"{text}. Whole in each: {whole}." if whole else f"{text}."


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
