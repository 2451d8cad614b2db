"""The graph that autograd recorded behind a loss: its nodes, leaves, criteria, and where data enter it.

It is the same for functions, modules and trainers, and so tells of any training which loss it uses and of what.
Inside compiled code it is one node.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


def nodes(losses: Sequence[Tensor]) -> Iterator[tuple[Any, int]]:
    """Yield the nodes behind losses, nearest first, each once with its distance. Cost: about 1 us a node."""
    waiting = deque((loss.grad_fn, 0) for loss in losses if loss.grad_fn is not None)
    seen = {node for node, _ in waiting}
    while waiting:
        node, distance = waiting.popleft()
        yield node, distance
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append((following, distance + 1))


def leaves(losses: Sequence[Tensor]) -> list[Tensor]:
    """Return the leaves that a backward pass from losses would add gradients to."""
    found = [node.variable for node, _ in nodes(losses) if hasattr(node, "variable")]
    return found + [loss for loss in losses if loss.grad_fn is None and loss.requires_grad]


# fmt: off
LINEAR = frozenset((
    "Add", "Sub", "Rsub", "Mul", "Div", "Neg", "Mean", "Sum", "Squeeze", "Unsqueeze", "View", "Select", "Stack",
))
# fmt: on
"""What a loss may be made by of products without turning a direction around, as a square or a logarithm may."""

# fmt: off
_AGGREGATES = frozenset((
    "Add", "Sub", "Mul", "Div", "Neg", "Mean", "Sum", "Sqrt", "Stack", "Cat", "Select", "Squeeze", "Unsqueeze",
    "View", "Expand", "ToCopy", "Clone", "MaskedFill", "MaskedSelect", "Index", "Where",
))
# fmt: on
"""What stands between a loss and its criteria: sums, means, weights, masks."""

_REDUCTIONS = frozenset(("Mean", "Sum"))
_WHOLE = frozenset(("Neg", "Squeeze", "Unsqueeze", "View", "ToCopy", "Clone"))
"""What leaves out no number."""

# fmt: off
_SHAPES = frozenset((
    "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "Permute", "T", "ToCopy", "Clone",
    "Slice", "Select", "Index", "IndexSelect", "MaskedSelect", "Alias", "Expand", "Stack", "Cat", "Split",
    "SplitWithSizes", "Unbind",
))
# fmt: on
"""What only arranges numbers anew: the output of a layer passes through it as it is."""

_CRITERIA = {
    "NllLoss": "nll",
    "NllLoss2D": "nll",
    "MseLoss": "mse",
    "SmoothL1Loss": "smooth_l1",
    "HuberLoss": "huber",
    "BinaryCrossEntropy": "bce",
    "BinaryCrossEntropyWithLogits": "bce_logits",
    "CtcLoss": "ctc",
    "MultiMarginLoss": "multi_margin",
    "SoftMarginLoss": "soft_margin",
}
"""Node -> its criterion, where torch has one node for it."""

FEEDS = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "log_sigmoid",
    "Tanh": "tanh",
    "Relu": "relu",
    "Softplus": "softplus",
    "Exp": "exp",
    "Log": "log",
    "Hardtanh": "clamp",
    "Clamp": "clamp",
    "Addmm": "linear",
    "Mm": "linear",
    "Linear": "linear",
    "Convolution": "linear",
}
"""Node -> what the output of the model comes from; "linear" only where a weight is a leaf."""


@dataclass(frozen=True)
class Term:
    """A criterion behind a loss, with the tensors that autograd saved for it; None where it saved none."""

    kind: str  # cross_entropy, soft_cross_entropy, nll, mse, l1, smooth_l1, huber, bce, bce_logits, ctc, ...
    fed_by: str  # a value of FEEDS: what made the output of the model; "dropout"; "" for anything else
    output: Tensor | None  # what enters the criterion; log-probabilities for the cross-entropies
    target: Tensor | None
    compared: tuple[int, ...]  # shape in which output and target are compared, after broadcasting
    given: tuple[int, ...]  # shape of the output of the model before it
    dim: int = 1  # of the classes
    feed_size: int | None = None  # numbers over which the softmax that made the output runs
    weighted: bool = False  # classes or positives have weights
    weights: Tensor | None = None  # those
    ignored: int | None = None  # label that does not count
    difference: Tensor | None = None  # output minus target, where it was written by hand
    made_by: tuple[int, ...] = ()  # numbers of the nodes that gave that output and only arranged it anew
    blank: int | None = None  # class of a criterion that aligns which says nothing
    blanks: float = 0.0  # share of its labels that are that class
    cut: bool = False  # only some columns of an output are compared
    reduced: bool = False  # all its numbers are summed or averaged, so that no mask comes after it


def terms(losses: Sequence[Tensor]) -> list[Term]:
    """Return the criteria behind losses.

    Only sums, means, weights and masks are looked through: a softmax inside of the model is no criterion.
    """
    waiting = deque((loss.grad_fn, False) for loss in losses if loss.grad_fn is not None)
    seen = {node for node, _ in waiting}
    found: list[Term] = []
    while waiting:
        node, reduced = waiting.popleft()
        name, term = name_of(node), _term(node)
        if term is not None:
            found.append(replace(term, reduced=term.reduced or reduced))
        elif name in _AGGREGATES and len(seen) < _MOST:
            for following, _ in node.next_functions:
                if following is not None and following not in seen:
                    seen.add(following)
                    waiting.append((following, name in _REDUCTIONS or (reduced and name in _WHOLE)))
    if any(term.kind == "cross_entropy" for term in found):  # label smoothing reaches log_softmax beside the NLL, too
        found = [term for term in found if term.kind != "soft_cross_entropy" or term.target is not None]
    return found


_MOST = 200  # nodes between a loss and its criteria
_ROUNDING = 0.01  # of a sum of shares, as of bfloat16
_MASK = 16  # numbers of a mask below which it may be one by chance


def name_of(node: Any) -> str:
    """Return the name of a node without its number: "Addmm" of AddmmBackward0.

    That of a `torch.autograd.Function`, which may be called like one of torch's and do something else, stays as it is:
    "SignBackward".
    """
    name, _, number = node.name().rpartition("Backward")
    return name if number else node.name()


def saved(node: Any, name: str) -> Tensor | None:
    """Return a tensor that a node saved; None where there is none, or reading it would compute.

    Activation checkpointing saves by hooks that run the forward pass again.
    """
    raw = getattr(node, f"_raw_saved_{name}", None)
    if raw is None or getattr(raw, "unpack_hook", None) is not None:
        return None
    with suppress(RuntimeError):  # changed in place since, or freed
        value = getattr(node, f"_saved_{name}")
        return value.detach() if isinstance(value, Tensor) else None
    return None


def saved_indices(node: Any) -> Sequence[Tensor | None]:
    """Return the indices that an Index saved, of each dimension up to the last one; none where `saved` gives none."""
    raw = getattr(node, "_raw_saved_indices", ())
    if any(getattr(one, "unpack_hook", None) is not None for one in raw):
        return ()
    with suppress(RuntimeError):
        return node._saved_indices
    return ()


def shape_of(node: Any) -> tuple[int, ...]:
    """Return the shape of what a node made in the forward pass; () where it does not say."""
    with suppress(AttributeError, IndexError, TypeError, RuntimeError):
        return tuple(int(size) for size in node._input_metadata[0].shape)
    return ()


def _term(node: Any) -> Term | None:
    name = name_of(node)
    kind = _CRITERIA.get(name)
    if kind is not None:
        return _by_node(node, kind)
    if name == "LogSoftmax":
        return _log_softmax(node, "soft_cross_entropy", None)
    if name == "Mul":
        below = beyond_shapes(_next(node, 0) or _next(node, 1))
        if (
            below is not None
            and name_of(below) == "LogSoftmax"
            and math.prod(shape_of(node)) == math.prod(shape_of(below))
        ):
            return _log_softmax(below, "soft_cross_entropy", _factor(node))
        if (
            below is not None
            and name_of(below) == "Softmax"
            and _are_shares(target := _factor(node), _dim(below, target))
        ):
            return replace(_log_softmax(below, "kl_div", target), fed_by="softmax")  # the logarithm is missing
    if name in ("Gather", "Index"):
        return _picked(node, name)
    return _difference(node, name)


def _factor(node: Any) -> Tensor | None:
    """Return the factor of a product that has no gradient."""
    return saved(node, "other") if _next(node, 0) is not None else saved(node, "self")


def _are_shares(target: Tensor | None, dim: int) -> bool:
    """Return whether targets are shares of the classes: none below 0, and a sum of 1 in all rows."""
    if target is None or target.ndim < 2 or dim >= target.ndim or not target.is_floating_point():
        return False
    sums = target.float().sum(dim)
    return bool((target >= 0).all()) and bool(((sums - 1).abs() < _ROUNDING).all()) and target.shape[dim] > 1


def _by_node(node: Any, kind: str) -> Term:
    output, target = saved(node, "self"), saved(node, "target")
    if kind == "ctc":
        output, target = saved(node, "log_probs"), None
    below = _next(node, 0)
    feed = beyond_shapes(below)
    ignored = _signed(getattr(node, "_saved_ignore_index", None))
    if kind == "nll" and feed is not None and name_of(feed) == "LogSoftmax":
        dim = _dim(feed, output)
        if dim == 1 or output is None:
            term = _log_softmax(feed, "cross_entropy", target)
            weights = saved(node, "weight")
            return replace(
                term,
                output=output,
                compared=_size(output),
                dim=1,
                weighted=weights is not None,
                weights=weights,
                ignored=ignored,
                reduced=bool(getattr(node, "_saved_reduction", 0)),
            )
    return Term(
        kind=kind,
        fed_by=_fed_by(feed),
        output=output,
        target=target,
        compared=_size(output),
        given=_before_expansion(below) or _size(output),
        dim=2 if kind == "ctc" else 1,
        feed_size=_softmax_size(feed),
        weighted=any(saved(node, weight) is not None for weight in ("weight", "pos_weight")),
        weights=saved(node, "pos_weight") if kind == "bce_logits" else saved(node, "weight") if kind == "nll" else None,
        ignored=ignored,
        cut=_is_cut(below),
        blank=_signed(getattr(node, "_saved_blank", None)),
        blanks=_blanks(node) if kind == "ctc" else 0.0,
    )


def _blanks(node: Any) -> float:
    """Return how many of the labels that a CTC loss aligns, without padding, are the class of its blank."""
    labels, lengths = saved(node, "targets"), torch.as_tensor(node._saved_target_lengths)
    if labels is None or not lengths.sum():
        return 0.0
    if labels.ndim == 2:
        labels = labels[torch.arange(labels.shape[1]) < lengths.cpu()[:, None]]
    return float((labels[: int(lengths.sum())] == node._saved_blank).float().mean())


def _log_softmax(node: Any, kind: str, target: Tensor | None) -> Term:
    result = saved(node, "result")
    feed = beyond_shapes(_next(node, 0))
    return Term(
        kind=kind,
        fed_by=_fed_by(feed),
        output=result,
        target=target,
        compared=_size(result),
        given=shape_of(node),
        dim=_dim(node, result),
        feed_size=_softmax_size(feed),
    )


def _picked(node: Any, name: str) -> Term | None:
    """Return the NLL that picks the log-probability of each label by an index, as written by hand."""
    below = beyond_shapes(_next(node, 0))
    if below is None or name_of(below) != "LogSoftmax":
        return None
    if name == "Gather":
        label = saved(node, "index")
        label = None if label is None else label.squeeze(-1)
    else:
        picked = [one for one in saved_indices(node) if isinstance(one, Tensor)]
        label = picked[-1] if picked else None
    return replace(_log_softmax(below, "cross_entropy", None), target=label)


_WHOLE_NUMBER_POWERS = (2, 2.0)


def _difference(node: Any, name: str) -> Term | None:
    """Return the squared or absolute difference that is written by hand or by `l1_loss`."""
    if name == "Pow":
        exponent = getattr(node, "_saved_exponent", None)  # a tensor where each number has its own
        if isinstance(exponent, Tensor) or exponent not in _WHOLE_NUMBER_POWERS:
            return None
        kind = "mse"
    elif name == "Abs":
        kind = "l1"
    elif name == "Mul" and _next(node, 0) is _next(node, 1):  # difference * difference
        kind = "mse"
    else:
        return None
    below = _next(node, 0)
    if below is None or name_of(below) != "Sub":
        return None
    parts = [_next(below, 0), _next(below, 1)]
    if (parts[0] is None) == (parts[1] is None):  # two outputs, such as of twins
        return None
    operand = parts[0] if parts[0] is not None else parts[1]
    difference = saved(node, "self")
    difference = -difference if difference is not None and parts[0] is None else difference
    output = saved(operand, "result")  # of an activation, whatever the model itself gave
    known = output is not None and difference is not None and output.shape == difference.shape
    return Term(
        kind=kind,
        fed_by=_fed_by(beyond_shapes(operand)),
        output=output if known else None,
        target=output - difference if output is not None and difference is not None and known else None,
        compared=shape_of(below),
        given=_before_expansion(operand),
        difference=difference,
        made_by=tuple(one._sequence_nr() for one in _arranged_by(operand)),
        cut=_is_cut(operand),
    )


def completed(term: Term, output: Sequence[Tensor], numbers: Sequence[int | None]) -> Term:
    """Return a difference written by hand with its output and target, where the model returned that output.

    Args:
        term: as the graph shows it.
        output: of the model.
        numbers: of the nodes that made it; None for what has no gradient.
    """
    if term.difference is None or term.output is not None or term.compared != term.given:
        return term
    made = [one.detach() for one, number in zip(output, numbers, strict=True) if number in term.made_by]
    found = next((one for one in made if tuple(one.shape) == term.given), None)
    if found is None:  # perhaps without a dimension of one
        found = next((one.reshape(term.given) for one in made if _squeezed(one) == term.given), None)
    return term if found is None else replace(term, output=found, target=found - term.difference)


def _squeezed(tensor: Tensor) -> tuple[int, ...]:
    return tuple(size for size in tensor.shape if size != 1)


def mean_square(loss: Tensor) -> Term | None:
    """Return the squared difference, written by hand, of which a loss is the mean, perhaps over a number of passes."""
    node = loss.grad_fn
    while node is not None and name_of(node) in _SCALED and _next(node, 1) is None:
        node = _next(node, 0)
    if node is None or node.name() != "MeanBackward0":  # over all numbers
        return None
    below = _next(node, 0)
    term = None if below is None else _difference(below, name_of(below))
    return term if term is not None and term.kind == "mse" else None


_SCALED = frozenset(("Div", "Squeeze", "View", "ToCopy", "Clone"))


def _arranged_by(node: Any) -> Iterator[Any]:
    """Yield a node and those behind it, to the first that does more than arrange numbers anew."""
    last = beyond_shapes(node)
    while node is not None:
        yield node
        if node is last:
            break
        node = next((following for following, _ in node.next_functions if following is not None), None)


_CUTS = ("Slice", "Split", "SplitWithSizes")


def _is_cut(node: Any) -> bool:
    """Return whether numbers are columns that were cut from those of a wider tensor: rows and steps are none."""
    columns = shape_of(node)[-1:]
    for one in _arranged_by(node) if columns else ():
        shape = shape_of(one) if name_of(one) in _CUTS else ()
        dim = (_signed(one._saved_dim) or 0) % len(shape) if shape else 0
        if dim and shape[dim : dim + 1] == columns:
            return True
    return False


def _next(node: Any, place: int) -> Any:
    following = node.next_functions
    return following[place][0] if place < len(following) else None


def beyond_shapes(node: Any, most: int = 20) -> Any:
    """Return the first node that does more than arrange numbers anew: a join of what is made differently does."""
    for left in range(most, 0, -1):
        if node is None or name_of(node) not in _SHAPES:
            return node
        parts = [following for following, _ in node.next_functions if following is not None]
        if len(parts) > 1:
            made = [beyond_shapes(one, left - 1) for one in parts]
            return made[0] if len({None if one is None else name_of(one) for one in made}) == 1 else node
        node = next(iter(parts), None)
    return None


def _before_expansion(node: Any) -> tuple[int, ...]:
    if node is None:
        return ()
    if name_of(node) == "Expand":
        with suppress(AttributeError, RuntimeError):
            return tuple(int(size) for size in node._saved_self_sym_sizes)
    return shape_of(node)


def _fed_by(node: Any) -> str:
    if node is None:
        return ""
    name = FEEDS.get(name_of(node), "")
    if name == "linear" and not _has_leaf(node):
        return ""
    return name or ("dropout" if dropped(node) else "")


def dropped(node: Any) -> float:
    """Return the share that dropout drops where a node is one, else 0.

    On a CPU it is a product with numbers that are 0 or 1 / (1 - share).
    """
    name = name_of(node)
    if name == "NativeDropout":
        return float(getattr(node, "_saved_p", 0.0) or 0.0)
    mask = saved(node, "other") if name == "Mul" else None
    if mask is None or not mask.is_floating_point() or mask.numel() < _MASK:
        return 0.0
    largest = float(mask.max())
    share = 1 - 1 / largest if 1 < largest < math.inf else 0.0
    zeros = mask == 0
    if not share or not bool((zeros | (mask == largest)).all()):
        return 0.0
    error = math.sqrt(share * (1 - share) / mask.numel())
    return share if abs(float(zeros.float().mean()) - share) < 5 * error else 0.0


def _has_leaf(node: Any) -> bool:
    """Return whether one of the factors is a leaf, perhaps transposed or cast: the weight of a layer."""
    for following, _ in node.next_functions:
        if following is not None and name_of(following) in ("T", "Transpose", "ToCopy", "View", "Permute"):
            following = beyond_shapes(following)
        if following is not None and hasattr(following, "variable"):
            return True
    return False


def _dim(node: Any, like: Tensor | None) -> int:
    """Return the dimension of a softmax counted from the front, of the tensor that enters the criterion."""
    rank = len(shape_of(node)) or (like.ndim if like is not None else 2)
    dim = _signed(getattr(node, "_saved_dim", 1)) or 0
    dim = dim % rank if rank else dim
    if like is not None and like.ndim != rank and dim == rank - 1:  # (batch, tokens, classes) seen as rows
        return like.ndim - 1
    return dim


def _softmax_size(node: Any) -> int | None:
    """Return over how many numbers a softmax runs; None for another node."""
    if node is None or name_of(node) not in ("Softmax", "LogSoftmax"):
        return None
    shape, dim = shape_of(node), _signed(getattr(node, "_saved_dim", None))
    return shape[dim] if dim is not None and -len(shape) <= dim < len(shape) else None


def signed(number: int) -> int:
    """Return a whole number that a node shows without its sign."""
    return number if number < 2**63 else number - 2**64


def _signed(number: int | None) -> int | None:
    return None if number is None else signed(number)


def _size(tensor: Tensor | None) -> tuple[int, ...]:
    return () if tensor is None else tuple(tensor.shape)


@dataclass(frozen=True)
class Entry:
    """A layer that data enter without a gradient: what the first trained layers get, after all preparation."""

    layer: str  # linear, convolution, recurrent, norm, embedding
    values: Tensor


ENTRIES = {
    "Convolution": ("convolution", 0, "input"),
    "Addmm": ("linear", 1, "mat1"),
    "Mm": ("linear", 0, "self"),
    "MkldnnRnnLayer": ("recurrent", 0, "input"),
    "CudnnRnn": ("recurrent", 0, "input"),
    "NativeBatchNorm": ("norm", 0, "input"),
    "CudnnBatchNorm": ("norm", 0, "input"),
    "NativeLayerNorm": ("norm", 0, "input"),
    "NativeGroupNorm": ("norm", 0, "input"),
}
"""Node -> kind of layer, place of its input among the next nodes, name under which the input is saved."""


def entries(losses: Sequence[Tensor]) -> list[Entry]:
    """Return the layers behind losses that data enter. Cost: a walk over the whole graph."""
    found: list[Entry] = []
    for node, _ in nodes(losses):
        known = ENTRIES.get(name_of(node))
        if known is None:
            continue
        layer, place, name = known
        if _next(node, place) is None and (values := saved(node, name)) is not None and values.is_floating_point():
            found.append(Entry(layer, values))
    return found
