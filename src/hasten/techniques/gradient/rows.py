"""Gradients as tensors that can be changed in place, those of sparse embeddings included."""

from torch import Tensor

from hasten.training.transforms import Parameters


def with_rows(parameters: Parameters) -> list[tuple[Tensor, Tensor]]:
    """Return (weights, gradient) of every parameter that has a gradient; changing the gradient changes `.grad`.

    Of a sparse gradient, as `nn.Embedding(sparse=True)` makes, these are the rows that were looked up. Each row is
    summed first (`coalesce`): a limit on its parts would not be one on the row.
    """
    found: list[tuple[Tensor, Tensor]] = []
    for parameter in parameters.values():
        if parameter.grad is None:
            continue
        if not parameter.grad.is_sparse:
            found.append((parameter.detach(), parameter.grad))
            continue
        parameter.grad = parameter.grad.coalesce()
        found.append((parameter.detach()[parameter.grad.indices().unbind()], parameter.grad.values()))
    return found


def gradients(parameters: Parameters) -> list[Tensor]:
    """Return the gradients of `with_rows`."""
    return [gradient for _, gradient in with_rows(parameters)]
