"""What a model returned: which of it is compared with the target, and which is the loss."""

import functools
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from hasten.base.errors import BadInput
from hasten.data.batch_text import kind_of


def compared(output: Any) -> Any:
    """Return what a loss or metric compares with the target: `.logits`, ["logits"], the first of a tuple, or all."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        return output.get("logits", output)
    logits = getattr(output, "logits", None)
    if logits is not None:
        return logits
    return output[0] if isinstance(output, (tuple, list)) and output and isinstance(output[0], Tensor) else output


def itself(output: Any) -> Any:
    """Return what an objective returned."""
    return output


def loss_among(output: Any) -> Any:
    """Return what a model returned as its loss: all of it, `.loss`, ["loss"] or the first of a tuple; else None."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        return output.get("loss")
    return getattr(output, "loss", output[0] if isinstance(output, tuple) and output else None)


def own_loss(output: Any) -> Tensor:
    """Return the loss that a model computed: a scalar tensor, `.loss`, ["loss"] or the first of a tuple.

    Raises:
        BadInput: if there is none.
    """
    found = loss_among(output)
    if not isinstance(found, Tensor) or found.ndim:
        what = kind_of(output if found is None else found)
        raise BadInput(
            f'with loss="model" the model must return its loss, a scalar tensor, as `.loss`, ["loss"], or the first of '
            f"a tuple; found {what}. Is the target in the batch that it is called with? Or give "
            "Task(objective=function of (model, batch) that returns the loss)."
        )
    return found


def is_of_torch(function: Any) -> bool:
    """Return whether a loss is one of torch's own: a module, a function, or a partial of one."""
    source = function.func if isinstance(function, functools.partial) else function
    module = getattr(source, "__module__", None) or type(source).__module__
    return module == "torch" or module.startswith(("torch.nn", "torch._C"))
