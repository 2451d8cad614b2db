"""Attention as a forward pass computes it: torch's kernels, `nn.MultiheadAttention`, softmax between two products."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hasten.base.records.attention import AttentionLayer

MOST = 1 << 24
"""Numbers in the maps of a layer; above, fewer samples are looked at."""
_PRODUCTS = (
    torch.matmul, torch.bmm, torch.einsum, Tensor.matmul, Tensor.__matmul__, Tensor.bmm, torch.baddbmm, Tensor.baddbmm,
)  # fmt: skip
_SOFTMAX = (F.softmax, torch.softmax, Tensor.softmax)
_PASSES_ON = frozenset(("dropout", "to", "type_as", "float", "half", "bfloat16", "contiguous", "reshape", "view"))
_SCALES = frozenset(("mul", "rmul", "imul", "div", "truediv", "itruediv", "true_divide", "multiply", "divide"))
_ADDS_UP, _SAME = 1e-3, 1e-2


class AttentionSeen(TorchFunctionMode):
    """Notes every attention that is computed inside of it, and changes nothing that is computed.

    Softmax is attention where it follows a product of two activations and a product follows it.

    Args:
        where: returns the name of the module that computes, and whether it is of an installed package.
    """

    def __init__(self, where: Any) -> None:
        super().__init__()
        self.layers: list[AttentionLayer] = []
        self.embedded: list[tuple[Tensor, Tensor]] = []  # (tokens, weight) of each look-up in an embedding
        self._where = where
        self._products: dict[int, tuple[Tensor, int, Tensor, Tensor]] = {}  # scores, their version, queries, keys
        self._scaling: set[str] = set()  # modules that multiply or divide by a number
        self._maps: dict[int, tuple[Tensor, Tensor, int]] = {}  # map -> itself, logits, id of the scores
        self._origin: dict[int, tuple[Tensor, int]] = {}  # what was made of scores -> itself, id of the scores

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Make a call and look at it."""
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention:
            self._fused(*args, **kwargs)
        elif function is F.multi_head_attention_forward:
            return self._multi_head(function, args, kwargs)
        elif function in (F.embedding, torch.embedding):
            pair = args[:2] if function is F.embedding else args[1::-1]
            if len(pair) == 2 and not any(weight is pair[1] and tokens is pair[0] for tokens, weight in self.embedded):
                self.embedded.append((pair[0], pair[1]))
        output = function(*args, **kwargs)
        if isinstance(output, Tensor):
            self._follow(function, args, kwargs, output)
        return output

    def _fused(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> None:
        factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
        rows = max(1, MOST * len(query) // max(1, query.numel() // query.shape[-1] * key.shape[-2]))
        query, key = query[:rows].float(), key[:rows].float()
        if enable_gqa and key.ndim > 2 and key.shape[-3] != query.shape[-3]:
            key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        logits = query @ key.transpose(-2, -1) * factor
        hidden = torch.zeros_like(logits, dtype=torch.bool)
        if is_causal:
            hidden |= ~torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
        if attn_mask is not None:
            mask = attn_mask[:rows] if attn_mask.ndim == query.ndim and len(attn_mask) > 1 else attn_mask
            logits = logits if mask.dtype is torch.bool else logits + mask
            hidden |= ~mask if mask.dtype is torch.bool else mask < -1e4
        scaled = factor * math.sqrt(query.shape[-1])
        logits = logits.masked_fill(hidden, -math.inf)
        self._note("scaled_dot_product_attention", logits, scaled, query.shape[-1], _uneven(query))

    def _multi_head(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output, _ = made = function(*args, **kwargs)
        options = {**kwargs, "need_weights": True, "average_attn_weights": False}
        _, maps = function(*args, **options)
        if maps is not None:
            size = output.shape[-1] // maps.shape[1]
            self._note("multi_head_attention", maps.float().log(), 1.0, size, None)
        return made

    def _follow(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> None:
        operands = [one for one in args if isinstance(one, Tensor)]
        if function in _SOFTMAX and output.ndim >= 3 and operands:
            known = self._origin.get(id(operands[0]))
            if known is not None and _adds_up(output, -1):
                self._maps[id(output)] = output, operands[0], known[1]
            elif known is not None and _adds_up(output, -2):  # over the queries: changed tokens will show it
                name, library = self._where()
                self.layers.append(_unread(name, library, output))
        elif function in _PRODUCTS and len(operands) >= 2:
            seen = next((self._maps.pop(id(one)) for one in operands if id(one) in self._maps), None)
            if seen is not None:
                self._by_hand(*seen)
            elif not any(isinstance(one, torch.nn.Parameter) for one in operands) and output.ndim >= 3:
                self._products[id(output)] = output, output._version, operands[-2], operands[-1]
                self._origin[id(output)] = output, id(output)
        else:
            self._pass_on(function, args, operands, output)

    def _pass_on(self, function: Any, args: tuple[Any, ...], operands: Sequence[Tensor], output: Tensor) -> None:
        """Follow scores through scaling and masks, and maps through dropout and casts."""
        name = getattr(function, "__name__", "")
        if name.strip("_") in _SCALES and operands and operands[0].numel() > 1 and _is_number(args[-1]):
            self._scaling.add(self._where()[0])
        for one in operands[:2]:
            if id(one) in self._maps and name in _PASSES_ON:
                _, logits, scores = self._maps.pop(id(one))
                self._maps[id(output)] = output, logits, scores
                return
            if id(one) in self._origin and output.shape[-2:] == one.shape[-2:] and name != "softmax":
                self._origin[id(output)] = output, self._origin[id(one)][1]
                return

    def _by_hand(self, maps: Tensor, logits: Tensor, scores: int) -> None:
        product, version, left, right = self._products[scores]
        size = next((one for one in (left.shape[-1],) if one in right.shape[-2:]), None)
        hidden = (maps == 0) | (logits < -1e4)
        known = product._version == version and product.numel() == logits.numel()  # not changed in place
        plain = product.reshape(logits.shape) if known else None
        factor = None
        if plain is not None:
            usable = ~hidden & (plain.abs() > 1e-3 * plain.abs().max())
            if bool(usable.any()):
                ratios = logits[usable] / plain[usable]
                factor = float(ratios.median()) if _agree(ratios) else None
        if factor is not None and abs(factor - 1) < _SAME and self._where()[0] in self._scaling:
            factor = None  # queries or keys may have been scaled before their product
        if logits.ndim == 3:
            logits, hidden = logits.unsqueeze(1), hidden.unsqueeze(1)
        scaled = None if factor is None or size is None else factor * math.sqrt(size)
        uneven = _uneven(left) if size == left.shape[-1] else None
        self._note("softmax", logits.float().masked_fill(hidden, -math.inf), scaled, size, uneven)

    def _note(self, how: str, logits: Tensor, scale: float | None, size: int | None, uneven: float | None) -> None:
        logits = logits if logits.ndim == 4 else logits.reshape(-1, 1, *logits.shape[-2:])
        rows = max(1, MOST // max(1, logits[0].numel()))
        name, library = self._where()
        made = _layer(name, how, logits[:rows].double(), scale, size, library)
        self.layers.append(msgspec.structs.replace(made, uneven=uneven))


def _uneven(queries: Tensor) -> float:
    """Return by how much the lengths of queries differ, relative to their mean."""
    lengths = queries.float().norm(dim=-1).flatten()
    return float(lengths.std() / lengths.mean().clamp(min=1e-30)) if lengths.numel() > 1 else 0.0


def _is_number(value: Any) -> bool:
    """Return whether this is one number, and not 1."""
    one = isinstance(value, (int, float)) or (isinstance(value, Tensor) and value.numel() == 1)
    return one and float(value) != 1


def _adds_up(maps: Tensor, dim: int) -> bool:
    """Return whether a dimension is the one that a softmax normalized."""
    return bool(((maps.sum(dim) - 1).abs() < _ADDS_UP).all())


def _unread(name: str, library: bool, maps: Tensor) -> AttentionLayer:
    """Return a layer whose maps are no weights over the keys."""
    heads = maps.shape[1] if maps.ndim == 4 else 1
    return AttentionLayer(
        name=name, how="softmax", heads=heads, queries=maps.shape[-2], keys=maps.shape[-1], library=library
    )


def _agree(ratios: Tensor) -> bool:
    """Return whether scores are the products times one factor: most ratios are equal."""
    middle = ratios.median()
    return bool(((ratios - middle).abs() <= 1e-2 * middle.abs()).float().mean() > 0.9)


def _layer(name: str, how: str, logits: Tensor, scale: float | None, size: int | None, library: bool) -> AttentionLayer:
    visible = logits > -math.inf
    keys = visible.sum(-1)
    several = keys > 1
    maps = logits.softmax(-1).nan_to_num()
    entropy = torch.special.entr(maps).sum(-1) / keys.clamp(min=2).log()
    means = logits.masked_fill(~visible, 0).sum(-1) / keys.clamp(min=1)
    centered = (logits - means.unsqueeze(-1)).masked_fill(~visible, 0)
    deviation = (centered.square().sum(-1) / keys.clamp(min=1)).sqrt()
    span = logits.masked_fill(~visible, -math.inf).amax(-1) - logits.masked_fill(~visible, math.inf).amin(-1)
    enough = bool(several.any())
    return AttentionLayer(
        name=name,
        how=how,
        heads=logits.shape[1],
        queries=logits.shape[2],
        keys=logits.shape[3],
        entropies=tuple(float(entropy[:, head][several[:, head]].mean()) for head in range(logits.shape[1]))
        if enough
        else (),
        spread=float(deviation[several].median()) if enough else None,
        widest=float(span[several].median()) if enough else None,
        alike=_alike(centered) if enough and logits.shape[1] > 1 else None,
        scale=scale,
        head_size=size,
        library=library,
    )


def _alike(centered: Tensor) -> float | None:
    """Return the least correlation of two heads' logits; None where a head has none."""
    heads = centered.transpose(0, 1).flatten(1)
    lengths = heads.norm(dim=1)
    if not bool((lengths > 0).all()):
        return None
    heads = heads / lengths.unsqueeze(1)
    return float((heads @ heads.T).min())
