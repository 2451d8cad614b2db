"""Whether the targets of a model of tokens, or of a series, are its own inputs, some places further on."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hasten.base.seeds import preserved
from hasten.data.tree import tensors_within
from hasten.diagnosis.watching.padding import padding_by, padding_of

SHIFTS = (-1, 0, 1, 2, 3)

SHORTEST = 6
"""Places of a row that tell shifts apart."""


def copies(
    inputs: Sequence[Tensor], target: Tensor, ignored: int | None, *, first_left_out: bool = False
) -> dict[int, float]:
    """Return shift -> share of the targets that are the input so many places further on.

    Only places count where the next token is another one, so that padding does not.

    Args:
        inputs: of the model; those that hold tokens, (batch, length), or a series, (batch, length, features), count,
            the one that fits the targets best.
        target: as many tokens as an input has, or one less in each row, as where the model leaves out its last output
            and the first label; or a series of the same shape.
        ignored: label that does not count.
        first_left_out: of one target less in each row: it is the first output that has none, not the last.
    """
    best: dict[int, float] = {}
    series = [(one[..., 0], target.detach()[..., 0].to(one.device)) for one in inputs if _is_series(one, target)]
    of_tokens = [(one, target.detach().reshape(one.shape).to(one.device)) for one in _of_tokens(inputs, target)]
    of_tokens = of_tokens or [
        (one, target.detach().reshape(one.shape).to(one.device))
        for one in _of_tokens(
            [each[:, 1:] if first_left_out else each[:, :-1] for each in inputs if each.ndim == 2], target
        )
    ]
    for tokens, wanted in (*of_tokens, *series):
        found = {shift: _share(tokens, wanted, shift, ignored) for shift in SHIFTS}
        if max(found.values()) > max(best.values(), default=-1.0):
            best = found
    return best


def leaves_out_first(outputs: Sequence[Tensor], scores: Tensor | None) -> bool:
    """Return whether a cross-entropy gets all outputs of each row but the first.

    Args:
        outputs: of the model; those of (batch, length, classes) count.
        scores: (places, classes), the log-probabilities that the cross-entropy gets.
    """
    if scores is None or scores.ndim != 2:
        return False
    for one in outputs:
        if one.ndim == 3 and one.shape[1] > 1 and scores.numel() == one[:, 1:].numel():
            last_left_out, given = one[0, 0].float().log_softmax(-1), scores[0].float().to(one.device)
            later = one[0, 1].float().log_softmax(-1)
            return float((later - given).abs().max()) < float((last_left_out - given).abs().max())
    return False


def padded(inputs: Sequence[Tensor], target: Tensor, ignored: int | None, masks: Sequence[Tensor] = ()) -> float:
    """Return the share of the labels that are those of padding, one label for all of it, and count in the loss.

    Args:
        inputs: of the model; tokens, (batch, length), and perhaps a mask, which tells padding from the same token.
        target: a label for each token, or for each but the first of a row.
        ignored: label that does not count.
        masks: what else may be a mask.
    """
    later = [one[:, 1:] for one in inputs if one.ndim == 2]
    beside = [part for one in (*inputs, *masks) if one.ndim == 2 for part in (one, one[:, 1:])]
    for tokens in _of_tokens(inputs, target) or _of_tokens(later, target):
        seen = padding_of(tokens)
        found = seen[0] if seen is not None else padding_by(tokens, beside)
        labels = target.detach().reshape(tokens.shape).to(tokens.device)
        counts = labels != ignored if ignored is not None else torch.ones_like(labels, dtype=torch.bool)
        if found is None or not bool(counts.any()):
            continue
        counted = found & counts
        at_padding = labels[counted]
        if int(counted.sum(1).max()) <= 1:  # one more than the input has, as the token that ends a row
            continue
        if at_padding.numel() and bool((at_padding == at_padding[0]).all()):
            return at_padding.numel() / int(counts.sum())
    return 0.0


def transposed(inputs: Sequence[Tensor], target: Tensor, ignored: int | None) -> float:
    """Return the share of the targets that are the next token where they are read as (length, batch).

    Args:
        inputs: of the model; those that hold tokens, (batch, length), count, the one that fits the targets best.
        target: as many tokens as an input has, in one row; others have the order of their shape.
        ignored: label that does not count.
    """
    if target.ndim != 1:
        return 0.0
    return max(
        (
            _share(tokens, target.detach().reshape(tokens.shape[::-1]).T.to(tokens.device), 1, ignored)
            for tokens in _of_tokens(inputs, target)
        ),
        default=0.0,
    )


def _of_tokens(inputs: Sequence[Tensor], target: Tensor) -> list[Tensor]:
    """Return the inputs that hold as many tokens as the target, in rows that are long enough to tell shifts."""
    return [
        one
        for one in inputs
        if not one.is_floating_point() and one.ndim == 2 and one.numel() == target.numel() and one.shape[1] >= SHORTEST
    ]


def _is_series(one: Tensor, target: Tensor) -> bool:
    return one.is_floating_point() and one.ndim == 3 and one.shape == target.shape and one.shape[1] >= SHORTEST


def _share(tokens: Tensor, wanted: Tensor, shift: int, ignored: int | None) -> float:
    length = tokens.shape[1]
    begin, end = max(0, -shift), min(length, length - shift)
    here = wanted[:, begin:end]
    there = tokens[:, begin + shift : end + shift]
    other = 1 if shift <= 0 else -1  # a neighbor that is another token
    places = torch.arange(begin + shift, end + shift, device=tokens.device)
    neighbors = tokens[:, (places + other).clamp(0, length - 1)]
    counts = there != neighbors
    if ignored is not None:
        counts &= here != ignored
    total = int(counts.sum())
    return float((here == there)[counts].double().mean()) if total >= 8 else 0.0


def is_causal(model: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> bool | None:
    """Return whether the output at a place depends on no later token; None where that cannot be tried.

    A copy of the model in evaluation mode is called twice; the model and all random generators stay as they are.
    """
    tokens = next(
        (one for one in tensors_within((args, kwargs)) if one.ndim == (3 if one.is_floating_point() else 2)), None
    )
    if tokens is None or tokens.shape[1] < SHORTEST:
        return None
    try:
        with preserved(), torch.no_grad():
            twin = copy.deepcopy(model).eval()
            half = tokens.shape[1] // 2
            changed = tokens.clone()
            changed[:, half:] = changed[:, half:].flip(1).roll(1, 0)
            plain = _first(twin(*args, **kwargs), tokens)
            new_args, new_kwargs = (
                _with(args, tokens, changed),
                {name: changed if one is tokens else one for name, one in kwargs.items()},
            )
            other = _first(twin(*new_args, **new_kwargs), tokens)
    except Exception:  # noqa: BLE001  (whatever a model of somebody does in a copy: nothing is known then)
        return None
    if plain is None or other is None or torch.equal(plain, other):
        return None
    return bool(torch.allclose(plain[:, :half], other[:, :half], rtol=1e-4, atol=1e-5))


def _with(args: tuple[object, ...], tokens: Tensor, changed: Tensor) -> tuple[object, ...]:
    return tuple(changed if one is tokens else one for one in args)


def _first(output: object, tokens: Tensor) -> Tensor | None:
    """Return the output as (batch, length, ...)."""
    rows, length = tokens.shape[:2]
    for one in tensors_within(output):
        if one.ndim == 3 and one.shape[:2] == (rows, length):
            return one
        if one.ndim == 3 and (one.shape[0], one.shape[2]) == (rows, length):
            return one.transpose(1, 2)
        if one.ndim == 2 and len(one) == rows * length:
            return one.view(rows, length, -1)
    return None
