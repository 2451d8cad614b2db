"""Which parts of its input the predictions of a trained model come from."""

from enum import StrEnum

from hasten.base.records.record import Record


class InputKind(StrEnum):
    """What a sample is."""

    IMAGE = "image"
    TOKENS = "tokens"
    TABLE = "table"


class Method(StrEnum):
    """How a prediction is attributed to the input."""

    INTEGRATED_GRADIENTS = "integrated-gradients"
    GRADIENT_X_INPUT = "gradient-x-input"
    SALIENCY = "saliency"


class Group(StrEnum):
    """Why a sample was chosen."""

    WRONG = "wrong, most confident first"
    UNCERTAIN = "least certain"
    RIGHT = "right, chosen at random"
    ERROR = "largest error"
    ANY = "chosen at random"


class AttributedSample(Record, frozen=True):
    """One sample: what the model says of it, and what each part of the input adds to that.

    `attributions` has one number per pixel (summed over the channels), token or column; `inputs` has one per value.
    """

    index: int  # in the order of the validation data
    group: Group
    target: str
    predicted: str
    confidence: float | None  # probability of the predicted class
    output: float  # the number that is explained
    baseline_output: float  # the same number for the baseline
    shape: tuple[int, ...]  # of the input: (channels, height, width), (tokens,) or (columns,)
    inputs: tuple[float, ...]
    names: tuple[str, ...]  # of tokens or columns; empty for an image
    attributions: tuple[float, ...]
    incompleteness: float | None  # |sum of attributions - change of the output| / |change|; None: no sum is promised
    steps: int | None  # of the integral


class Attribution(Record, frozen=True):
    """Attributions of some predictions, and two checks of them.

    Completeness: integrated gradients add up to the change of the output from the baseline to the sample. Sanity
    (Adebayo et al., 2018, arXiv:1810.03292): with random weights in the last layer the attributions must be others.
    """

    run: str
    task: str
    sentence: str
    method: Method
    kind: InputKind
    explained: str  # the number whose parts the attributions are
    baseline: str
    looked_at: int  # validation samples that the shown ones were chosen from
    samples: tuple[AttributedSample, ...]
    randomized_layer: str
    similarity: float | None  # mean rank correlation of the attributions before and after; None: they were constant
    notes: tuple[str, ...] = ()
