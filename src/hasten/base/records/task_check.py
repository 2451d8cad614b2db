"""What was understood of a task."""

from hasten.base.records.record import Record


class Leaf(Record, frozen=True):
    """One leaf of a batch: how Python reaches it, what it is, and whether it belongs to the target."""

    path: str
    what: str
    target: bool = False


class TaskCheck(Record, frozen=True):
    """What `hasten check` found out about a task: how it is trained today, and what a plan may change.

    `divides_by` is what the mean of the loss is taken over, None where that is not known; `not_additive` is why the
    loss of a batch cannot be computed in parts, empty where it can.
    """

    task: str
    batch: tuple[Leaf, ...]  # the first one of the training
    batch_kind: str
    batch_size: int
    target: str | None  # path of the target
    model: str
    parameters: int
    frozen: int  # parameters without gradient by intent
    call: str
    output: str
    loss: str
    divides_by: str | None
    not_additive: str
    first_loss: float | None
    first_step_s: float
    train: str  # how the training data are read
    train_samples: int | None
    steps_per_epoch: int | None
    valid: str
    valid_samples: int | None
    optimizer: str
    schedule: str
    metric: str
    stop: str
    without_gradient: tuple[str, ...]  # trained parameters that the first step gave no gradient
    not_in_optimizer: tuple[str, ...]  # trained parameters that no optimizer holds
    not_in_model: tuple[str, ...]  # tensors that the optimizer holds and the model does not
    replaceable: tuple[str, ...]  # what a plan may replace
    kept: tuple[str, ...]  # what no plan replaces, and why
    notes: tuple[str, ...] = ()
