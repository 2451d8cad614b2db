"""What a kind of fault is, and what a doctor may say of it."""

from dataclasses import dataclass

from benchmarks.doctor.faults.edits import Edit


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Args:
        kind: its name.
        edit: plants it.
        root: symptoms of which one must be named first.
        right: further symptoms that count as the right diagnosis.
        true: symptoms that follow from it, which may be told besides but do not count as the diagnosis.
        doses: from mild to strong; one of 1 where the fault is there or not.
        structural: whether it is wrong by itself, so that worse quality need not be shown.
        mended: makes the program that does right what the fault does wrong; None where that is the program as it was.
    """

    kind: str
    edit: Edit
    root: tuple[str, ...]
    right: tuple[str, ...] = ()
    true: tuple[str, ...] = ()
    doses: tuple[float, ...] = (1.0,)
    structural: bool = False
    mended: Edit | None = None
