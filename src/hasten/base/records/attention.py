"""How the attention layers of a model behave on one batch."""

from hasten.base.records.record import Record


class AttentionLayer(Record, frozen=True):
    """One call of attention: maps of (batch, heads, queries, keys), over the keys that its masks leave."""

    name: str  # of the innermost module
    how: str  # "scaled_dot_product_attention", "multi_head_attention", or "softmax" where it is written by hand
    heads: int
    queries: int
    keys: int
    entropies: tuple[float, ...] = ()  # of each head, mean over batch and queries, over the logarithm of visible keys
    spread: float | None = None  # median over queries of the standard deviation of the logits over visible keys
    widest: float | None = None  # median over queries of the range of the logits
    alike: float | None = None  # least correlation of two heads' logits, each centered over the keys; None for one head
    scale: float | None = None  # times the square root of the head's size that products of queries and keys have
    head_size: int | None = None
    uneven: float | None = None  # standard deviation of the lengths of queries over their mean: 0 if normalized
    library: bool = False  # its module is of an installed package


class Block(Record, frozen=True):
    """One of several modules of a class that change a (batch, positions, features) tensor one after another."""

    name: str
    cosine: float  # between a position before and after it, mean
    similar: float  # between two positions after it, mean


class NormLayer(Record, frozen=True):
    """A layer norm or RMS norm, and the root mean square of what it gives."""

    name: str
    output: float


class AttentionFacts(Record, frozen=True):
    """What one training batch shows of a model with attention, with its newest weights, in evaluation mode.

    Changes of outputs are relative to the largest output. None: it could not be measured.
    """

    model: str  # its class
    steps: int  # that it was trained
    recurrent: bool = False  # it has recurrent layers, whose states may be queries and keys
    layers: tuple[AttentionLayer, ...] = ()
    blocks: tuple[Block, ...] = ()
    norms: tuple[NormLayer, ...] = ()
    next_token: bool = False  # the targets are the inputs, one position later
    future: float | None = None  # change of the outputs before a position when later tokens change
    padding: float | None = None  # change of the outputs of real tokens when the embedding of padding changes
    padded: float | None = None  # share of positions that are padding
    order: float | None = None  # change, position by position, when tokens change places
    documents: float | None = None  # change of later documents of a row when the first one changes
    why: str = ""  # it was not looked at
