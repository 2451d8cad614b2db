"""What was seen of the data of a training, of its criteria, and of its evaluation: what the rules of tier E judge."""

from hasten.base.records.record import Record


class Values(Record, frozen=True):
    """Statistics of the finite numbers of a tensor, over all batches looked at."""

    numbers: int = 0
    mean: float = 0.0
    std: float = 0.0
    low: float = 0.0
    high: float = 0.0
    size: float = 0.0  # root mean square of those that are not 0
    zeros: float = 0.0  # share
    nonfinite: float = 0.0  # share of all numbers
    whole: bool = False  # all are whole numbers


class Criterion(Record, frozen=True):
    """A criterion behind the loss, over the backward passes looked at. None: that could not be seen."""

    kind: str  # cross_entropy, soft_cross_entropy, nll, mse, l1, smooth_l1, huber, bce, bce_logits, ctc, ...
    fed_by: str  # softmax, sigmoid, relu, linear, ...: what made the output of the model; "" for anything else
    passes: int
    compared: tuple[int, ...]  # shape in which output and target are compared, after broadcasting
    given: tuple[int, ...]  # shape of the output of the model before it
    target_shape: tuple[int, ...] | None = None  # before broadcasting
    feed_size: int | None = None  # numbers over which the softmax that made the output runs
    classes: int | None = None  # of a criterion over classes
    mass: float | None = None  # mean sum of exp(output) over the classes
    off: float = 0.0  # share of the rows whose sum is not 1, with a tolerance of 0.1
    output: Values | None = None
    target: Values | None = None
    first_output: Values | None = None  # in the first pass
    below: float = 0.0  # share of the targets below what `fed_by` can give
    above: float = 0.0  # and above it
    rows: int = 0  # of targets with several columns
    alike: bool = False  # their columns hold the same numbers
    one_hot: float = 0.0  # share of those with a single 1 and else 0
    several: float = 0.0  # share of those with only 0 and 1 and more than a single 1
    inverted: float = (
        0.0  # share of those of three columns and more in which one is the lowest and all others are equal
    )
    counts: tuple[int, ...] | None = None  # how often targets that are whole numbers are 0, 1, ...; None above 100
    labels: tuple[int, ...] | None = None  # how often each label was seen; None where there are more than 1000
    label_low: int | None = None
    label_high: int | None = None
    weighted: bool = False  # classes or positives have weights
    weights: tuple[float, ...] | None = None  # of the classes, or that of positives; None above 1000
    cut: bool = False  # only some columns of an output of the model are compared
    alone: bool = False  # the loss is the mean squared error of this criterion and nothing else
    ignored: int | None = None  # label that does not count
    from_batch: float | None = None  # share of the passes whose target is a tensor of the batch itself
    accuracy: float | None = None  # share of right classes in the passes looked at
    probabilities: bool = False  # what the model gave to a criterion that takes logits are shares of 1, in all passes
    selves: bool = False  # of similarities of samples with themselves: the right class of each is the sample itself
    twins: bool = False  # or another sample whose similarities to all are the same
    itself: bool = False  # the targets are what the model was given, as of an autoencoder
    copies: dict[int, float] = {}  # k -> share of targets that are the input k places further on, of token models
    transposed: float = 0.0  # share of targets that are the next token if they are read as (length, batch)
    causal: bool | None = None  # an output depends on no later input
    padding: float = 0.0  # share of the labels that count at places of padding
    blank: int | None = None  # class that says nothing in a criterion that aligns: no label may be it
    blanks: float = 0.0  # share of the labels that are it


class Entry(Record, frozen=True):
    """What a trained layer gets from the data, after all preparation."""

    layer: str  # linear, convolution, recurrent, norm
    shape: tuple[int, ...]
    values: Values
    columns: int = 0  # of a table; 0 for anything else
    largest: float = 0.0  # root mean square of the largest column
    smallest: float = 0.0  # of the smallest one that is not constant


class Order(Record, frozen=True):
    """In which order the labels came."""

    batches: int
    samples: int
    classes: int  # that were seen
    top_in_batch: float  # mean share of the most frequent label of a batch
    top: float  # share of the most frequent label of all
    expected: float  # what `top_in_batch` would be in random order


class Learned(Record, frozen=True):
    """How well the model predicts samples that it was not trained on before."""

    samples: int
    score: float  # share of right classes, or squared correlation of output and target
    chance: float  # of saying the most frequent class always; 0 for numbers
    classes: bool


class Probe(Record, frozen=True):
    """Whether real pairs of inputs and targets are easier to predict than permuted ones."""

    pairs: int
    score: float  # share of the variance explained, or of right tokens, on samples left out
    permuted: float  # mean score of permuted pairs
    p: float  # share of permutations at least as good
    kind: str  # classes, numbers, tokens


class Agreement(Record, frozen=True):
    """How the classes that the model said in an evaluation agree with the labels."""

    samples: int
    accuracy: float
    renamed: float  # accuracy after the best renaming of the classes
    counts: tuple[int, ...]  # samples of each class
    said: tuple[int, ...]  # how often the model said each
    recalls: tuple[float, ...]  # share of each class that was found


class Part(Record, frozen=True):
    """The samples of the training, or of one evaluation."""

    batches: int = 0
    samples: int = 0  # told apart
    distinct: int = 0  # of those
    first_pass: int = 0  # samples of the first pass over the data set
    distinct_in_first_pass: int = 0
    uneven: bool = False  # some samples come far more often than the others
    elements: int = 0  # numbers of a sample
    whole: int | None = None  # samples of the data set; None where it does not tell
    size: int | None = None  # the same, or those of the first pass where no loader gives them; None before its end
    replacement: bool = False  # the sampler draws samples more than once
    drawn: int | None = None  # samples that the sampler draws in a pass; None where it does not tell
    shuffles: bool = False  # the sampler says that it shuffles
    same_order: bool = False  # the second pass began with the batch that the first one began with, in its order
    batch_size: int = 0
    distinct_batches: int = 0
    repeated: int = 0  # steps whose batch is that of the step before
    overlap: float = 0.0  # share of an evaluation's samples that were trained on before
    same_set: bool = False  # the evaluation reads the training data set itself
    left_out: int = 0  # samples that an incomplete last batch would have, of an evaluation in a fixed order
    sliced: bool = False  # batches are tensors that no loader gave, of perhaps several data sets
    lives: bool = True  # they are slices of a tensor that is still there; else they were made for one call each
    several: bool = False  # no loader gives them, and a step gives the same model others too, as points on a boundary
    beside: bool = False  # the model is given other tensors with the described ones, as the edges of a graph
    partly: int = 0  # evaluated batches of which a part was trained on before
    later: bool = False  # it began in a training after the first one, whose samples are those of `training`
    inputs: Values | None = None
    described: int = 0  # samples that the following describe
    channels: tuple[float, ...] = ()  # mean of each channel of a picture, or column of a table
    spreads: tuple[float, ...] = ()  # standard deviation of each
    errors: tuple[float, ...] = ()  # standard error of each mean, over samples
    lows: tuple[float, ...] = ()  # smallest number of each, but for pictures
    highs: tuple[float, ...] = ()  # and largest
    changes: tuple[float, ...] = ()  # share of the samples in which each differs from the first sample
    pictures: bool = False
    roughness: float | None = None  # of color pictures read as (height, width, channels) / as they are
    rows_standardized: bool = False  # each row of a table has a mean of 0 and a standard deviation of 1
    continuous: bool = False  # few of the numbers are equal, so that equal samples are copies
    regular: bool = False  # a batch had evenly spaced numbers in each column, as the points of a grid
    smooth: bool = False  # neighboring columns are alike, as the points of a series
    picture: tuple[float, ...] = ()  # mean picture of 8 by 8, row by row
    picture_errors: tuple[float, ...] = ()  # standard error of each of its numbers
    places: int = 1  # outputs of a sample of an evaluation, as of the steps of a series
    upright: int = 0  # samples whose map, as a mask, fits the picture clearly best as it is
    mirrored: int = 0  # those whose map does so mirrored or turned
    shared: float = 0.0  # share of an evaluation's windows a piece of which was trained on
    distinct_pieces: float = 0.0  # share of the training's windows that begin differently
    said: dict[int, int] = {}  # class -> how often it was said in the last evaluation, where no labels were seen
    targets: Values | None = None  # of an evaluation, where they are no classes
    sample_mean: float = 0.0  # mean of the means of whole samples
    sample_spread: float = 0.0  # their standard deviation
    labels: dict[int, int] = {}  # label -> how often
    agreement: Agreement | None = None  # in the last evaluation
    learned: Learned | None = None  # in training: of the later half of the first pass
    probe: Probe | None = None


class Signed(Record, frozen=True):
    """A loss of pairs, which takes targets of -1 and 1, and what it got."""

    name: str  # of the function of torch.nn.functional
    low: float
    high: float
    off: float  # share of the targets that are neither -1 nor 1


class Fold(Record, frozen=True):
    """One of the sets that one model is evaluated on one after the other, each while it trained on."""

    step: int  # of its first evaluation
    samples: int
    known: float  # share that was trained on before
    near: float = 0.0  # share that is in the first training but for the scale of its columns

    @property
    def known_to_it(self) -> float:
        """The share that was trained on before, in the same or in another scale."""
        return max(self.known, self.near)


class Misread(Record, frozen=True):
    """An expression of the person's code that makes a wrong result of outputs that are right."""

    kind: str  # equality, count, threshold, axis, single, repeats
    code: str
    line: int
    used: int = 0  # what a sum over samples is divided by; rows over which a class is taken
    wanted: int = 0  # samples of the sum; classes


class DataFacts(Record, frozen=True):
    """What was seen of data, criteria and evaluation."""

    criteria: tuple[Criterion, ...] = ()
    entries: tuple[Entry, ...] = ()
    order: Order | None = None
    training: Part | None = None
    evaluations: tuple[Part, ...] = ()
    signed: tuple[Signed, ...] = ()
    directions: tuple[float, ...] = ()  # of losses of one's own: correlation of a step with the mask of the targets
    rising: float | None = None  # share of the batches of the first pass whose real targets only rise, or only fall
    target_column: int | None = None  # a column of the inputs that is the target
    misreads: tuple[Misread, ...] = ()
    folds: tuple[Fold, ...] = ()
    changed_by_reading: int = 0  # stored samples that two readings changed, where the changes add up
    validation_trains: int = 0  # updates of a model in evaluation mode by a data set that has no other
