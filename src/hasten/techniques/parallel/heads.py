"""`nn.MultiheadAttention` over processes that have a part of its heads each: found, tried, and computed.

Its four projections are no layers that call each other, so that the graph of a pass says nothing of them; what it
computes is torch's own and known. Of the projections of queries, keys and values each process has the rows of its
heads, of that of the output the columns. What comes out is added up, and then gets the bias.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hasten.base.errors import error_text
from hasten.techniques.parallel.own_numbers import drawn_by_one
from hasten.training.sharding import own_part


def as_it_is(tensor: Tensor) -> Tensor:
    """Return the tensor."""
    return tensor


@dataclass(frozen=True)
class Together:
    """One of the processes that have a part of the heads each.

    Args:
        parts: number of processes.
        part: number of this one.
        take: what all have -> the same tensor, whose gradients of all processes are added up.
        add_up: what each has a part of -> the sum of all.
    """

    parts: int
    part: int
    take: Callable[[Tensor], Tensor] = as_it_is
    add_up: Callable[[Tensor], Tensor] = as_it_is


class HeadsInPart(nn.MultiheadAttention):
    """Attention of the heads of one process, whose parameters hold their part alone, as plain or sharded tensors."""

    together: Together

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return what torch's own returns, added up over the processes; the mean weights where they are asked for."""
        together, heads = self.together, self.num_heads // self.together.parts
        q, k, v = self._projected(query, key, value, heads)
        mask = self._mask(q, key_padding_mask, attn_mask)
        drop = self.dropout if self.training else 0.0
        weights: Tensor | None = None
        with drawn_by_one(together.part) if drop else nullcontext():
            if need_weights:
                scores = (q * self.head_dim**-0.5) @ k.transpose(-2, -1)
                weights = F.dropout(torch.softmax(scores if mask is None else scores + mask, dim=-1), drop)
                mixed = weights @ v
            else:
                mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=drop)
        output = together.add_up(F.linear(mixed.transpose(1, 2).flatten(2), own_part(self.out_proj.weight)))
        if (bias := self.out_proj._parameters["bias"]) is not None:
            output = output + bias
        if weights is not None:
            weights = together.add_up(weights.sum(1)) / self.num_heads
        if query.dim() == 2:
            return output[0], None if weights is None else weights[0]
        return output if self.batch_first else output.transpose(0, 1), weights

    def _projected(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> list[Tensor]:
        """Return queries, keys and values of the own heads: (batch, heads, length, features of a head)."""
        own_weights = own_part(self.in_proj_weight).chunk(3)
        bias = self._parameters["in_proj_bias"]
        biases = (None,) * 3 if bias is None else own_part(bias).chunk(3)
        taken, found = dict[int, Tensor](), list[Tensor]()
        for given, weight, own_bias in zip((query, key, value), own_weights, biases, strict=True):
            if id(given) not in taken:
                taken[id(given)] = self.together.take(given)
            x = taken[id(given)]
            if given.dim() == 2:
                x = x[None]
            elif not self.batch_first:
                x = x.transpose(0, 1)
            found.append(F.linear(x, weight, own_bias).unflatten(-1, (heads, self.head_dim)).transpose(1, 2))
        return found

    def _mask(self, q: Tensor, padding: Tensor | None, mask: Tensor | None) -> Tensor | None:
        """Return what is added to the scores of the own heads, or None."""
        added: Tensor | None = None
        if mask is not None:
            added = _as_added(mask, q.dtype)
            if mask.dim() == 3:  # of each head
                of_heads = added.unflatten(0, (-1, self.num_heads))
                added = of_heads.chunk(self.together.parts, dim=1)[self.together.part]
        if padding is not None:
            of_keys = _as_added(padding, q.dtype).reshape(-1, 1, 1, padding.shape[-1])
            added = of_keys if added is None else added + of_keys
        return added


HeadsInPart.__name__ = nn.MultiheadAttention.__name__  # the layers of a run have the same names in any processes


def _as_added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a mask as numbers to be added; a bool one is true where nothing may be seen."""
    if mask.is_floating_point():
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill(mask, float("-inf"))


def part_of_heads(attention: nn.Module, parts: int, part: int) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Yield (module, name, value) for each parameter of an attention of which one process has a part."""
    for name in ("in_proj_weight", "in_proj_bias"):
        if (value := attention._parameters[name]) is not None:
            yield attention, name, torch.cat([piece.chunk(parts)[part] for piece in value.chunk(3)])
    projection = attention.get_submodule("out_proj")
    yield projection, "weight", projection.get_parameter("weight").chunk(parts, dim=1)[part]


def take_part(attention: nn.Module, together: Together) -> None:
    """Let an attention compute the heads of one process, in place; its parameters must hold their part."""
    attention.__class__ = HeadsInPart
    vars(attention)["together"] = together


@dataclass(frozen=True)
class _Call:
    """One call of an attention, and what it returned."""

    args: tuple[Any, ...]
    options: Mapping[str, Any]
    output: tuple[Tensor, Tensor | None]


@torch.no_grad()
def divided_attentions(
    model: nn.Module, run: Callable[[], object], parts: int
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the attentions of a model whose heads can be divided, by name, and name -> why another one's cannot.

    Each is tried on what one pass gives it: the outputs of all parts must add up to the whole one.

    Args:
        model: the example.
        run: makes a pass.
        parts: in how many parts heads are divided.
    """
    found = {name: one for name, one in model.named_modules() if type(one) is nn.MultiheadAttention}
    if not found:
        return (), {}
    calls = _calls(model, found, run)
    holders = Counter(id(one) for _, one in model.named_parameters(remove_duplicate=False))
    whys = {name: _why_whole(one, calls[name], holders, parts) for name, one in found.items()}
    return tuple(name for name, why in whys.items() if not why), {name: why for name, why in whys.items() if why}


def _calls(model: nn.Module, found: Mapping[str, nn.Module], run: Callable[[], object]) -> dict[str, list[_Call]]:
    calls = {name: list[_Call]() for name in found}

    def see(name: str) -> Callable[..., None]:
        def called(module: nn.Module, args: Any, options: Any, output: Any) -> None:
            calls[name].append(_Call(args, options, output))

        return called

    hooks = [one.register_forward_hook(see(name), with_kwargs=True) for name, one in found.items()]
    model.eval()
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _why_whole(attention: nn.MultiheadAttention, calls: Sequence[_Call], holders: Counter[int], parts: int) -> str:
    if not attention._qkv_same_embed_dim or attention.bias_k is not None or attention.add_zero_attn:
        return "keys or values of another width, and added ones, are not divided"
    if attention.num_heads % parts:
        return f"{attention.num_heads} heads cannot be divided by {parts}"
    if any(holders[id(one)] > 1 for one in attention.parameters()):
        return "its weights are also another layer's"
    if not calls:
        return "it is not called in evaluation mode"
    try:
        wrong = any(not _adds_up(attention, call, parts) for call in calls)
    except Exception as error:  # noqa: BLE001  (masks of any form)
        return f"in {parts} parts it fails: {error_text(error)}"
    return f"in {parts} parts it computes something else" if wrong else ""


def _adds_up(attention: nn.MultiheadAttention, call: _Call, parts: int) -> bool:
    """Return whether the outputs of all parts, each without the bias, add up to the whole output of a call."""
    outputs, weights = list[Tensor](), list[Tensor]()
    for part in range(parts):
        with _in_part(attention, parts, part):
            output, own_weights = attention.forward(*call.args, **call.options)
        outputs.append(output)
        weights += [] if own_weights is None else [own_weights]
    bias, (whole, whole_weights) = attention.out_proj._parameters["bias"], call.output
    total = sum(outputs[1:], outputs[0])
    if not _close(total if bias is None else total + bias, whole) or (whole_weights is None) != (not weights):
        return False
    return whole_weights is None or _close(sum(weights[1:], weights[0]), whole_weights)


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)


@contextmanager
def _in_part(attention: nn.MultiheadAttention, parts: int, part: int) -> Generator[None]:
    """Let an attention compute one part of its heads, without the bias of the output."""
    kept = [(module, dict(module._parameters)) for module in (attention, attention.out_proj)]
    for module, name, value in list(part_of_heads(attention, parts, part)):
        module._parameters[name] = value  # type: ignore[assignment]  (a part of it, for this call)
    attention.out_proj._parameters["bias"] = None
    take_part(attention, Together(parts, part))
    try:
        yield
    finally:
        attention.__class__ = nn.MultiheadAttention
        del vars(attention)["together"]
        for module, parameters in kept:
            module._parameters.update(parameters)
