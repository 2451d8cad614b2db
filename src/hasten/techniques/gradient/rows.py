"""Gradients as tensors that can be changed in place, those of sparse embeddings included."""

from collections.abc import Sequence

from torch import Tensor, nn


def with_rows(parameters: Sequence[nn.Parameter]) -> list[tuple[Tensor, Tensor]]:
    """Return (weights, gradient) of every parameter that has a gradient; changing the gradient changes `.grad`.

    Of a sparse gradient, as `nn.Embedding(sparse=True)` makes, these are the rows that were looked up. Each row is
    summed first (`coalesce`): a limit on its parts would not be one on the row.
    """
    found: list[tuple[Tensor, Tensor]] = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if not parameter.grad.is_sparse:
            found.append((parameter.detach(), parameter.grad))
            continue
        parameter.grad = parameter.grad.coalesce()
        found.append((parameter.detach()[parameter.grad.indices().unbind()], parameter.grad.values()))
    return found


def gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """Return the gradients of `with_rows`."""
    return [gradient for _, gradient in with_rows(parameters)]
