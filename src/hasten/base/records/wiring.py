"""How model, loss and optimizer hang together, as the first steps show it."""

from hasten.base.records.record import Record


class Leaf(Record, frozen=True):
    """A trainable or frozen tensor: a parameter of a model, or one that only an optimizer or a loss knows."""

    name: str  # in its model; "" where no model has it
    numel: int
    trainable: bool
    model: int | None  # index of its model; None where no model that was called has it
    held: bool  # by an optimizer
    reached: bool | None = None  # by a loss of the steps looked at; None where that cannot be seen
    gradient: float | None = None  # largest absolute gradient at the updates looked at; None where there was none
    moved: float | None = None  # largest absolute change in those updates; None where no update was seen
    rounded: float = (
        0.0  # in half precision: share of its numbers with a gradient that the last of them left as they were
    )
    rate: float | None = None  # highest learning rate of its group in those updates
    size: float = 0.0  # largest absolute value
    shape: tuple[int, ...] = ()
    resolution: float = 0.0  # relative spacing of its numbers: 1.2e-7 for float32
    called: bool | None = None  # its module was called in a training step; None where that was not looked at
    alternative: bool = False  # a module beside its own, as an expert, was called, or another training reaches its like
    spare: bool = False  # of the last of several blocks alike, for a following one that there is not
    library: bool = False  # its module is unused inside a module of an installed package
    parameter: bool = True  # an `nn.Parameter`, or a tensor that a module has as an attribute
    noise: bool = False  # a frozen embedding whose numbers are like independent draws of one normal distribution
    unfrozen: bool = False  # it was frozen, has gradients now, and what holds it has made no update since then
    cut: bool = False  # called, but without a gradient after the first update of the newest optimizer that holds it
    late: bool = False  # of a model that trained in steps that were not watched, found at the end
    frozen_moves: float | None = None  # largest change in an update while it was frozen
    replaced: float | None = None  # change between the first and the last step of one that no loss reaches


class Model(Record, frozen=True):
    """A module as the training calls it, and in which mode: its own, and that of the layers that the mode changes."""

    name: str  # of its class
    sensitive: int = 0  # layers that the mode changes: dropout with p > 0, batch norm with running statistics
    trained_training: int = 0  # updates after a loss from calls with the model and such layers in training mode
    trained_evaluation: int = 0  # and in evaluation mode
    evaluated: int = 0  # evaluation calls
    evaluated_training: int = 0  # with the model and such layers in training mode
    evaluated_mixed: int = 0  # with only one of both in training mode
    evaluated_recording: int = 0  # that recorded gradients
    sampled: int = 0  # most calls without gradients for the same inputs between two updates
    norm_batches: int = 0  # that its batch norms with running statistics have seen, the fewest
    norm_left: float = 0.0  # share of the statistics of the start in those of now, the largest


class Optimizing(Record, frozen=True):
    """What an optimizer does, and what is done before it."""

    name: str  # of its class
    updates: int
    tensors: int  # that it holds
    gaps: int = 0  # between updates that were looked at
    uncleared: int = 0  # of them, in which the gradients of the last update were added to
    emptied: int = 0  # updates looked at before which the gradients were cleared after the backward pass
    attempts: int = 0  # by `GradScaler.step`
    still_scaled: int = 0  # updates looked at by gradients of a scaled loss, which nothing unscaled
    starved: int = 0  # updates of other optimizers at which its tensors had gradients before it ever stepped
    replaced: bool = False  # other optimizers trained all of its tensors
    passes: int = 0  # backward passes looked at since its first update
    discarded: int = 0  # of them, whose gradients were cleared before an update, while the parameters stayed
    judged: int = 0  # updates looked at that follow losses of their own
    unmet: int = 0  # of them, whose losses reach none of its tensors, while other losses do
    strays: int = 0  # of them, of whose loss a term reached only what others hold, and was cleared without use
    misplaced: int = 0  # tensors of its state in another memory layout than their parameters, where it is fused


class Accumulation(Record, frozen=True):
    """An update after several backward passes."""

    passes: int
    batches: int  # fetched since the last update
    scales: tuple[float, ...]  # number that each loss was multiplied with at last
    mean: bool  # every loss is a mean
    alike: bool  # they are computed the same way, as far as their last functions tell
    divided: float  # gradients at the update / gradients after the last backward pass


class Clipping(Record, frozen=True):
    """Calls of clip_grad_norm_ or clip_grad_value_ in the steps looked at."""

    calls: int
    empty: int  # without any gradient to clip, or without parameters
    scaled: int  # before the scaler's `unscale_`
    late: int  # after the update and before the next backward pass
    foreign: int  # of parameters that the next update did not touch
    partial: int = 0  # of less than half of the tensors that the next update touched, with all calls before it


class Watched(Record, frozen=True):
    """A number that a scheduler watches, after a number of steps."""

    step: int
    value: float
    rate: float  # highest learning rate after it


class Schedule(Record, frozen=True):
    """A learning rate scheduler, its steps, and what they did."""

    name: str  # of its class
    steps: int
    updates: int  # of its optimizer
    reached: int = 0  # its last step, counted from the start of a training that it was loaded from
    early: int = 0  # steps before the first update
    attached: bool = True  # its optimizer made an update
    length: int | None = None  # steps that it is made for
    beside: int = 0  # steps of other schedulers of its optimizer, one of which may follow it
    finished: int = 0  # updates at a learning rate below 0.1 % of the highest, after that one
    highest: float = 0.0
    base: float = 0.0  # of the first group, which a factor of LambdaLR is multiplied with
    last: float = 0.0
    rises: bool = False  # the learning rate rose evenly, by the same amounts, from the first update to the last
    scaled: bool = False  # a GradScaler may have skipped updates
    epochs: int = 0  # passes over the training loader that began
    leaves_early: bool = False  # the code of the loop that steps it can leave it before its end
    mode: str = ""  # whether what it watches shall fall, "min", or rise, "max"; "" where it watches nothing
    watched: tuple[Watched, ...] = ()


class Probe(Record, frozen=True):
    """What copies of a model gave in evaluation mode for the first training batch. None: it could not be measured."""

    model: int
    ignores_input: bool | None = None  # with random weights, the outputs are equal for other inputs
    one_place: tuple[str, int] | None = None  # with random weights, the only place that matters, "first" or "last", of
    whole: bool = False  # it fails for a part of the batch
    mixes: float | None = None  # with random weights, largest change without the other samples / largest output
    padding: float | None = None  # of a recurrent model, largest change with what its padding is / largest output
    random: bool | None = None  # two calls differ
    drops: bool | None = None  # and dropout is computed
    backwards: dict[str, float] = {}  # own autograd function -> share of its gradient that is not the derivative
    stateful: bool | None = None  # a second call of the same copy differs: it keeps a state from call to call
    carries: bool = False  # a call of the training began with the state that the one before left in an attribute
    reloads: float | None = None  # largest difference of a copy with the trained state dict / largest output
    why: str = ""  # the model was not called


class Criterion(Record, frozen=True):
    """What a loss of the first backward passes compares."""

    kind: str  # as in the graph: cross_entropy, bce_logits, mse, ...
    loss: float | None = None  # mean over the samples, without weights; None where it is not known
    chance: float | None = None  # the same of a constant guess
    outputs: float | None = None  # root mean square
    targets: float | None = None  # root mean square
    own_target: bool = False  # the targets are the outputs, or the classes that they prefer
    no_target: bool = False  # the loss is a mean of the outputs of a model, of several units
    tied: bool = False  # the last layer shares its weight with an embedding
    normalized: bool = False  # the last product is of a weight that is divided by its length
    paired: bool = False  # logits are products or distances of two outputs
    dropped: bool = False  # dropout made the outputs
    drops: float = 0.0  # largest share that dropout drops anywhere behind the loss


class Structure(Record, frozen=True):
    """What the graph of a loss tells of the forward pass."""

    scrambled: tuple[tuple[int, ...], tuple[int, ...]] | None = None  # shapes before and after a view for a transpose
    softmax: tuple[int, ...] | None = None  # shape of attention weights whose softmax runs over another dimension
    affine: int = 0  # layers of a model in which nothing is nonlinear and no layer is a bottleneck; else 0
    severed: str = ""  # function that lets no gradient through to parameters behind it
    constant: str = ""  # loss function that got nothing with a gradient, beside a loss that adds a constant
    latent_weight: float | None = None  # of a latent number's divergence from its prior / of an output's error
    latent_divergence: float | None = None  # of a sample, the last one that was looked at, in nats
    latent_unbounded: bool = False  # the logarithm of its variance has no best value
    early: str = ""  # function of a loss that comes after the mean over the batch: exp, pow
    bootstraps: bool = False  # a target that is made of a further output of the model has a gradient
    bootstraps_in_time: bool = False  # the same of further steps of one output
    cancelled: int = 0  # samples whose weights are multiplied with a mean over them; else 0
    alike: int = 0  # components of a mixture that have one likelihood together; else 0
    flags: int = 0  # whole numbers, all 0 or 1, that pick rows of as many; else 0
    softmax_between: int = 0  # units of a softmax between two layers
    narrow: tuple[int, int] | None = None  # units of the narrowest hidden layer that all data pass, and classes
    norm_numbers: int | None = None  # that a batch norm takes a mean of, the fewest
    penalty: float | None = None  # share of the first loss that is a penalty on weights; None without one
    keeps: float = 1.0  # product of what dropouts one after the other keep that drop half or more
    pairs: int = 0  # samples of which each meets the weight or the label of each, near the loss; else 0
    dropped: tuple[str, int] | None = None  # class of blocks whose numbers the loss leaves out but for the last's


class Policy(Record, frozen=True):
    """What losses do with the log-probabilities of actions, in the passes that weigh them by numbers that differ."""

    passes: int
    like: str = ""  # name of the rewards, returns or advantages that the weights are like
    likeness: tuple[float, ...] = ()  # correlation with those, of each pass that could be compared
    costs: bool = False  # the program names costs
    orders: dict[str, int] = {}  # "backward", "forward" or "reversed" sums of rewards -> passes with such weights
    entropy_falls: int = 0  # passes of which a step makes the entropy smaller
    logits_are_shares: bool = False  # what is normalized as logits comes from a softmax
    attached: int = 0  # passes in which a return less a value is a weight, and the value has a gradient
    ratios: int = 0  # ratios to old probabilities that were looked at
    ratios_are_one: bool = False  # all of them
    old_attached: bool = False  # and the old probabilities have a gradient
    repeated: int = 0  # passes with the weights and the inputs of one before


class Critic(Record, frozen=True):
    """A value that is fit to targets, and what is done with it."""

    like: str = ""  # name of the rewards that its targets grow with
    rewarded: bool = False  # its targets grow with them in all passes looked at
    costs: bool = False  # the program names costs
    lowered: int = 0  # updates of another optimizer whose loss falls where the value does
    raised: int = 0  # and where it grows
    compared: int = 0  # passes in which the program names ends of episodes and the targets could be taken apart
    bootstrapped: int = 0  # samples that end an episode and whose target has the value of the next state
    ends: str = ""  # name of those ends


class Twin(Record, frozen=True):
    """A model of the class of a trained one that is called without gradients only and that no optimizer holds."""

    name: str  # of its class
    calls: int
    others: int  # of them, on inputs of the size of those of the trained model, but other ones
    updates: int  # of the trained one since its first call
    while_training: bool  # it was called before the last update
    copied: bool  # it was equal to the trained one at the start
    changed: bool  # its parameters are others than at its first call
    cosine: float  # between its weights and those of the trained one, at the end
    evaluated: int  # calls of the trained one without gradients
    way: float | None = None  # that it went from its first call, over that to the trained one; None without any
    fresh_norms: bool = False  # its batch norms have the statistics of the start, and those of the trained one do not
    evaluating: bool = False  # it was called in evaluation mode last

    @property
    def moves_targets(self) -> bool:
        """Whether it gives the targets of its twin: called beside it, on inputs of its own."""
        return self.while_training and 2 * self.others > self.calls

    @property
    def follows(self) -> bool:
        """Whether it does so from the same start."""
        return self.moves_targets and self.copied


class Loading(Record, frozen=True):
    """A call of `load_state_dict`."""

    model: str  # class of the module
    given: int  # names in the state dict
    known: int  # of them, that the module has
    itself: bool  # all of these tensors are the module's own
    first: str  # first name in the state dict
    expected: str  # first name of the module
    replaced: float = 0.0  # share of its matrices that had other numbers before the module was called and trained


class Resumed(Record, frozen=True):
    """An optimizer that begins anew although a file that was read holds the state of one like it."""

    name: str  # of its class
    tensors: int
    rate: float  # highest learning rate in its first update
    saved_rate: float  # and in the file


class Restarted(Record, frozen=True):
    """A scheduler that begins anew for an optimizer that goes on, although a file that was read holds one's state."""

    name: str  # of its class
    step: int  # after its first steps
    saved_step: int  # in the file


class Patience(Record, frozen=True):
    """What a loop over a range stops by, as it was at the last evaluation."""

    limit: int  # evaluations without a better one
    left: int  # turns of the loop that were still to come
    best: tuple[float | None, ...] = ()  # numbers that the loop knows as the best so far; None for infinite ones


class Replicas(Record, frozen=True):
    """The parameters of an optimizer beside those of other processes that train together."""

    processes: int
    compared: int  # others that told theirs, of the same shapes
    alike: int  # of them, with the same parameters before the first update, or the same gradients in it
    sharded: bool = False  # each process holds a part
    differ: tuple[float, ...] = ()  # largest difference to those, over the norm, after each update looked at


class Wiring(Record, frozen=True):
    """How model, loss and optimizer hang together. A part that could not be seen is None."""

    updates: int  # by optimizers of torch
    backwards: int = 0  # backward passes
    looked: int = 0  # backward passes looked at
    by_hand: bool = False  # parameters change without an optimizer of torch
    leaves: tuple[Leaf, ...] | None = None
    models: tuple[Model, ...] | None = None
    optimizers: tuple[Optimizing, ...] | None = None
    alternations: int = 0  # updates by another optimizer than the last one, after a backward pass of its own
    lost_states: int = 0  # times an optimizer of the same kind and tensors began anew without its state
    accumulations: tuple[Accumulation, ...] = ()
    clipping: Clipping | None = None
    schedules: tuple[Schedule, ...] = ()
    probes: tuple[Probe, ...] = ()
    autocast: dict[str, int] = {}  # contexts entered "outside" and "inside" of models, and "calls" of models under it
    copied_generators: tuple[str, ...] = ()  # of data sets, in loaders with several workers
    criteria: tuple[Criterion, ...] = ()
    twins: tuple[Twin, ...] = ()
    loadings: tuple[Loading, ...] = ()
    patience: Patience | None = None  # None where no loop that evaluates has one
    resumed: Resumed | None = None  # None where no such file was read, or what it holds is used
    restarted: Restarted | None = None
    loaded_last: bool = False  # a model loaded weights after the last update, as the best ones that were kept
    structure: Structure | None = None  # None where there was no backward pass
    policy: Policy | None = None  # None where no loss weighs log-probabilities of actions
    critic: Critic | None = None  # None where no value is fit to targets
    vain_freeze: tuple[str, str] | None = None  # what was to be frozen by an attribute that does nothing, and that
    vain_unfreeze: tuple[str, str] | None = None  # what was to be unfrozen by such an attribute
    replicas: Replicas | None = None  # None where one process trains alone
