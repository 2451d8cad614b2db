"""What a callable needs in memory: the record of its peak."""

from hasten.base.records.record import Record


class MemoryPeak(Record, frozen=True):
    """The most tensor memory that was in use at one moment, and what it was made of.

    `by_origin` splits `peak_bytes` by where the memory was born: "resident" (there before), "forward", "backward"
    (recomputation included) and "no_grad" (the update, mostly). It is empty where the device counts for itself.
    """

    peak_bytes: int
    resident_bytes: int  # there before the callable ran, and used by it
    by_origin: dict[str, int]
    device: str
