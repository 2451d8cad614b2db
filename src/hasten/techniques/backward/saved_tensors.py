"""Keep what the backward pass needs in fewer bytes.

What it does
    `lossless_saved` packs what autograd saves without losing a bit: tensors of truth values and of two values (dropout
    masks) as bits, ReLUs whose result nobody else keeps as the bits of its sign, index tensors in the narrowest
    integers, and of equal tensors one. `int8_saved` rounds saved activations to int8, with one
    scale per row.

Why it helps
    Memory: a dropout mask takes a thirty-second of its bytes, an activation a quarter.

When it hurts
    Time: packing and unpacking are passes over memory. Networks without dropout, pooling or large activations have
    nothing to pack.

Numerics
    Lossless: bit for bit. int8: gradients with an error of about 1 %; the loss and the outputs keep their bits.

Known problems
    Hooks on saved tensors and compiled code do not go together, and nor do they with sharded parameters: what they keep
    of a parameter that is gathered for one pass would stay in memory. Under autocast, saved copies of weights are
    rounded by `int8_saved` too. Results of whole-tensor statistics (softmax, norms) are rounded like any other.

Source
    Jain et al., 2018, "Gist", doi:10.1109/ISCA.2018.00070 (lossless); Chen et al., 2021, arXiv:2104.14129 (ActNN), with
    8 bits and rows as groups; through torch.autograd.graph.saved_tensors_hooks.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import tensors_of
from hasten.techniques.backward.bits import from_bits, to_bits
from hasten.techniques.backward.lossless import Known, in_bits, keep_bits, lone_relus
from hasten.techniques.blocks import unwrap_forward
from hasten.techniques.source import Source
from hasten.training.calls import Function
from hasten.training.inspection import copy_of
from hasten.training.recipe import Recipe

Unpack: TypeAlias = Callable[[], Tensor]
Pack: TypeAlias = Callable[[Tensor], Unpack | None]
"""A tensor -> how to get it back from something smaller, or None to keep it as it is."""
SMALLEST = 256
"""Elements below which packing is not worth a call."""
NARROW = (torch.uint8, torch.int16, torch.int32)


def pack_lossless(tensor: Tensor) -> Unpack | None:
    """Pack truth values, two-valued masks and indices; bit for bit."""
    if tensor.dtype is torch.bool:
        bits, shape = to_bits(tensor), tensor.shape
        return lambda: from_bits(bits, shape)
    if tensor.dtype is torch.int64:
        low, high = (int(end) for end in tensor.aminmax())
        narrow = next((kind for kind in NARROW if torch.iinfo(kind).min <= low and high <= torch.iinfo(kind).max), None)
        if narrow is None:
            return None
        small = tensor.to(narrow)
        return lambda: small.to(torch.int64)
    return _pack_two_valued(tensor) if tensor.is_floating_point() else None


def _pack_two_valued(tensor: Tensor) -> Unpack | None:
    """Pack a tensor of zeros and one other value. A few elements are looked at first: nearly all tensors end there."""
    few = tensor.flatten()[:SMALLEST]
    value = few.max()
    if value <= 0 or not bool(((few == 0) | (few == value)).all()):
        return None
    mask = tensor == value
    if not bool((mask | ((tensor == 0) & ~tensor.signbit())).all()):
        return None
    bits, shape, value = to_bits(mask), tensor.shape, value.clone()
    return lambda: torch.where(from_bits(bits, shape), value, torch.zeros_like(value))


def pack_int8(tensor: Tensor) -> Unpack | None:
    """Round floating-point activations of two or more dimensions to int8, with one scale per row.

    What is not zero never becomes zero: the backward pass of a ReLU asks for the sign of its result.
    """
    if not tensor.is_floating_point() or tensor.ndim < 2:
        return None
    scale = tensor.abs().amax(-1, keepdim=True).float() / 127
    if not bool(scale.isfinite().all()):
        return None
    sign = tensor.sign()
    codes = ((tensor / scale.clamp_min(1e-30)).abs().round().clamp_min(1) * sign).to(torch.int8)
    kind = tensor.dtype
    return lambda: (codes * scale).to(kind)


def lossless() -> Pack:
    """Return what packs the tensors of one forward pass bit for bit."""
    known = Known()
    return lambda tensor: pack_lossless(tensor) or known.same(tensor)


def with_packed(function: Function, packs: Callable[[], Pack]) -> Function:
    """Return a forward pass, (model, batch) -> output, whose saved tensors are packed; other functions as they are.

    Each forward pass gets what packs its tensors from `packs`.
    Parameters, buffers and the batch are there anyway, and stay as they are.
    """

    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        if not isinstance(args[0], nn.Module) or not torch.is_grad_enabled():
            return function(*args)
        (model, batch), pack = args, packs()
        there = {
            one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers(), *tensors_of(batch))
        }

        def keep(tensor: Tensor) -> Tensor | Unpack:
            if tensor.numel() < SMALLEST or tensor.untyped_storage().data_ptr() in there:
                return tensor
            return pack(tensor.detach()) or tensor

        with saved_tensors_hooks(keep, lambda kept: kept if isinstance(kept, Tensor) else kept()):
            return function(*args)

    return wrapped


def with_hooks(recipe: Recipe, packs: Callable[[], Pack]) -> Recipe:
    """Return the recipe with packed saved tensors."""
    return recipe.wrap(functools.partial(with_packed, packs=packs))


@dataclass(frozen=True)
class LosslessSaved:
    """Keep masks as bits and indices in narrow integers."""

    card: ClassVar[Card] = Card(
        name="lossless_saved",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.EXACT,
        idea="keep masks as bits and indices in narrow integers for the backward pass",
        source="Jain et al., 2018, doi:10.1109/ISCA.2018.00070",
        treats=("near_memory_limit", "memory_hog"),
        needs=("dropout, max pooling, a ReLU whose result nobody else keeps, or tensors that are kept twice",),
        conflicts=("compile", "compile_regions", "fsdp", "fsdp_bf16", "tensor_parallel", "int8_saved"),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse models that save no masks or indices, no signs, and nothing twice."""
        dropout, pooling = nn.modules.dropout._DropoutNd, nn.modules.pooling._MaxPoolNd  # bases of torch's layers
        model = recipe.subject.fresh_model()
        for module in model.modules():
            if isinstance(module, pooling) or (isinstance(module, dropout) and module.p > 0):
                return None
        if signs_alone(model, recipe) or keeps_twice(model, recipe):
            return None
        return "the model keeps no masks or indices, no ReLU's result for its sign alone, and no tensor twice"

    def apply(self, recipe: Recipe) -> Recipe:
        """Pack what the forward pass saves."""
        surgery = functools.partial(bits_for_relus, recipe=recipe)
        return with_hooks(recipe.with_surgery(surgery, undo=whole_relus), lossless)


def signs_alone(model: nn.Module, recipe: Recipe) -> list[str]:
    """Return the ReLU layers of a model whose result nobody else keeps; the model is tried with two samples."""
    batch = recipe.subject.batch()
    with preserved():
        return lone_relus(model, lambda: recipe.forward.predict(model, batch))


def keeps_twice(model: nn.Module, recipe: Recipe) -> bool:
    """Return whether the forward pass of two samples keeps a tensor whose bits are kept already."""
    found: list[Tensor] = []

    def packs() -> Pack:
        known = Known()

        def pack(tensor: Tensor) -> None:
            if known.same(tensor) is not None:
                found.append(tensor)

        return pack

    with preserved():
        with_packed(recipe.forward.predict, packs)(model, recipe.subject.batch())
    return bool(found)


def bits_for_relus(model: nn.Module, *, recipe: Recipe) -> nn.Module:
    """Let ReLU layers whose result nobody else keeps save bits, in place."""
    return keep_bits(model, signs_alone(copy_of(model), recipe))


def whole_relus(model: nn.Module) -> nn.Module:
    """Take `bits_for_relus` back."""
    return unwrap_forward(model, in_bits)


_PACKED = '''def packed(model: nn.Module, batch: tuple[Tensor, ...]) -> saved_tensors_hooks:
    """Let what the forward pass saves be rounded to int8, but for small tensors, weights and the batch."""
    there = {{one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers(), *batch)}}

    def keep(tensor: Tensor) -> Any:
        if tensor.numel() < {smallest} or tensor.untyped_storage().data_ptr() in there:
            return tensor
        return pack_int8(tensor.detach()) or tensor

    return saved_tensors_hooks(keep, lambda kept: kept if isinstance(kept, Tensor) else kept())'''


@dataclass(frozen=True)
class Int8Saved:
    """Keep activations in int8 for the backward pass."""

    smallest: Annotated[int, Meta(ge=SMALLEST, description="elements below which a tensor stays as it is")] = 4096

    card: ClassVar[Card] = Card(
        name="int8_saved",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.PRECISION,
        idea="keep activations in int8 for the backward pass",
        source="Chen et al., 2021, arXiv:2104.14129",
        treats=("near_memory_limit", "memory_hog"),
        conflicts=("compile", "compile_regions", "fsdp", "fsdp_bf16", "tensor_parallel"),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """It can always be tried."""
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Round what the forward pass saves."""

        def pack(tensor: Tensor) -> Unpack | None:
            return pack_int8(tensor) if tensor.numel() >= self.smallest else None

        return with_hooks(recipe, lambda: pack)

    def source(self, recipe: Recipe) -> Source:
        """Return the hooks that round what the forward pass saves."""
        return Source(
            imports=("from torch.autograd.graph import saved_tensors_hooks",),
            copies=(pack_int8,),
            definitions=_PACKED.format(smallest=self.smallest),
            context="packed(model, batch)",
        )
