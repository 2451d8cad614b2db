"""Check of the optimizer: that it can be built, and holds parameters of the model."""

from torch import nn, optim

from hasten.base.errors import BadInput
from hasten.training.check.failure import failure
from hasten.training.optimizers import make_optimizer
from hasten.training.task import Task, Update


def check_optimizer(task: Task, model: nn.Module) -> None:
    """Raise if the task's optimizer cannot be built for the model.

    Raises:
        BadInput: if the name is unknown, an option is wrong, or a factory returns something else or an optimizer of
            another model.
    """
    optimizer = _built(task.update, model)
    if not isinstance(optimizer, optim.Optimizer):
        raise BadInput(
            f"Update.optimizer must be a function (model) -> torch.optim.Optimizer; it returned "
            f"{type(optimizer).__name__}."
        )
    ours = {id(parameter) for parameter in model.parameters()}
    if not any(id(parameter) in ours for group in optimizer.param_groups for parameter in group["params"]):
        raise BadInput(
            "Update.optimizer must use the parameters of the model that it is given; found none of them in the "
            "optimizer. Use the function's argument, not a model from outside."
        )


def _built(update: Update, model: nn.Module) -> object:
    if callable(update.optimizer):
        try:
            return update.optimizer(model)
        except Exception as error:
            raise failure("Update.optimizer must return an optimizer", error) from error
    assert update.lr is not None, "Update refuses a named optimizer without a rate"
    try:
        return make_optimizer(update.optimizer, model, lr=update.lr, options=update.options)
    except ValueError as error:
        raise failure(f"the optimizer {update.optimizer!r} must be able to use its options", error) from error
