"""How a training moved: losses, and statistics of parameters, activations and updates in the sampled steps."""

from hasten.base.records.record import Record

Series = tuple[float | None, ...]
"""One number for each sample; None where it was not finite or could not be seen."""


class ParameterTrack(Record, frozen=True):
    """One trainable tensor over the samples; rms is the root of the mean of the squares."""

    name: str  # in the model; "" where no module has it
    kind: str  # class of its module: "Linear"; "" where no module has it
    shape: tuple[int, ...]
    optimizer: int  # number of the optimizer that holds it, from 0
    depth: int | None  # place in the forward pass, from 0; None where the graph does not tell
    start: float  # rms before the first update
    start_spread: float = 1.0  # their standard deviation over their rms; 0 where all are equal
    number_format: str = "float32"
    gradient: Series = ()  # rms, unscaled and before clipping
    zeros: Series = ()  # share of gradients that are exactly 0
    weight: Series = ()  # rms before the update
    update: Series = ()  # rms of the change by the update
    rate: float | None = None  # highest learning rate of its group in the samples
    below_eps: Series = ()  # share of entries whose second moment in Adam is smaller than its epsilon


class ActivationTrack(Record, frozen=True):
    """What one node of the forward pass gave or got, over the samples."""

    name: str  # of the parameter that feeds it, or that it multiplies
    kind: str  # "relu", "sigmoid", "tanh", or "input": what a layer with weights multiplies
    depth: int  # place in the forward pass
    hidden: bool  # whether a layer with weights follows
    units: int
    rows: int  # samples times positions that a unit was seen on in each sample
    number_format: str
    rms: Series = ()
    largest: Series = ()
    dead: Series = ()  # share of units that were 0 in this and the seven samples before; of "relu"
    saturated: Series = ()  # share of units whose mean slope is below 10 % of the steepest; of "sigmoid" and "tanh"


class Criterion(Record, frozen=True):
    """The loss function as the graph tells it, and what the best constant output would reach."""

    name: str  # of the node of autograd: "NllLossBackward0"
    reduction: str  # "mean", "sum" or "none"
    chance: float | None  # loss of the best constant output on the targets seen; None where it cannot be told
    rows: int  # targets seen
    replaced: bool = False  # the newest loss that was read is of another function


class Evaluation(Record, frozen=True):
    """One evaluation: the mean of the losses that it computed."""

    step: int  # training steps made before
    loss: float | None
    batches: int


class Nonfinite(Record, frozen=True):
    """Where NaN or infinity appeared first."""

    step: int
    what: str  # "loss", "gradient" or "parameter"
    layer: str = ""  # first module whose output is not finite, or parameter nearest to the loss whose gradient is not
    operation: str = ""  # its class
    inputs_finite: bool | None = None  # whether the batch was finite; None where it was not seen
    earliest: int | None = None  # first step in which it may have begun, where losses between were not read


class Dynamics(Record, frozen=True):
    """How the training moved. Series have one entry for each sampled step, in the order of `samples`."""

    losses: tuple[float | None, ...] = ()  # of each step; None where it was not finite, not read, or there was none
    thinned: tuple[tuple[int, int], ...] = ()  # (first step, k): from there on, losses of every k-th step are read
    samples: tuple[int, ...] = ()  # steps, counted from 1
    rates: Series = ()  # the largest learning rate of the first optimizer
    norms: Series = ()  # norm of all gradients, unscaled and before clipping
    gradient_cosines: Series = ()  # between the gradient of this step and that of the next
    update_cosines: Series = ()
    overshoots: Series = ()  # curvature along the update over its slope: above 2 the loss rises (quadratic model)
    clip_norms: Series = ()  # norm that was clipped in each noted step in which clipping by norm was seen
    clip_limit: float | None = None  # of that norm, or of each value
    clips_values: bool = False  # `clip_norms` are then the limit times norm before over norm after, of sampled steps
    parameters: tuple[ParameterTrack, ...] = ()
    activations: tuple[ActivationTrack, ...] = ()
    criterion: Criterion | None = None
    evaluations: tuple[Evaluation, ...] = ()
    optimizers: tuple[str, ...] = ()  # class of each
    momentum: float | None = None  # of the first optimizer: momentum, or Adam's beta1
    decay: float | None = None  # its largest weight decay
    epsilon: float | None = None  # of Adam and its like
    batch_rows: int | None = None  # of the first tensor that a model got
    passes: int = 1  # backward passes for each step, at the median
    loaded: tuple[int, ...] = ()  # steps after which a model loaded weights
    skips: tuple[int, ...] = ()  # steps in which a GradScaler found infinities and left out the update
    scaled: bool = False  # whether a GradScaler was seen
    nonfinite: Nonfinite | None = None
    cost_share: float = 0.0  # share of the time that was spent on sampling
