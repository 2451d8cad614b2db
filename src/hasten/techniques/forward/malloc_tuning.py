"""Let the C library keep the memory that a step frees, and hand it out again in the next.

What it does
    While the run is on, glibc's `malloc` takes large blocks from its heap too, and gives none of the heap back to the
    system. After it, the settings are as in a process that has freed large blocks, and the heap is given back.

Why it helps
    Outside its heap, glibc asks the system for each block anew, and the system hands it over page by page, each one
    zeroed when it is first written. A step frees all its activations and gradients, so the next one pays again: some
    0.1 to 0.4 ms for each MiB. glibc learns to keep blocks of up to 32 MiB by itself, so what is left to gain differs:
    nothing to 6 % of the step of a GPT whose products are in low precision.

When it hurts
    The process stays as large as its largest step, and gaps that no later block fits are kept as well.

Numerics
    The same bits.

Known problems
    glibc cannot be asked for its settings. Those that were made by `GLIBC_TUNABLES` or `mallopt` are not found again
    after the run. The heaps of other threads hold at most 64 MiB each; what is larger there is mapped anew as before.
    After the run its memory is given back, but blocks still find their places in the heap: plain steps that are timed
    in the same process have fewer pages to wait for than in one of their own, so a comparison tells too small a gain.

Source
    mallopt(3): M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD; the idea of torch's caching allocator for GPUs. PyTorch's
    performance tuning guide does the same by preloading another allocator.
"""

import ctypes
import os
import platform
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.seeds import preserved
from hasten.base.stages import Guarantee, Stage
from hasten.data.batch import size_of
from hasten.measurement.resident import give_free_memory_back
from hasten.measurement.saved import each_saved_storage
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -2, -3, -4
KEPT = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1, M_TOP_PAD: 64 * 2**20}
USUAL = {M_MMAP_MAX: 65536, M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 64 * 2**20, M_TOP_PAD: 128 * 2**10}
"""Where glibc's own adaptation ends in a process that frees large blocks; the number of blocks is its default."""
_NAMES = {M_MMAP_MAX: "M_MMAP_MAX", M_TRIM_THRESHOLD: "M_TRIM_THRESHOLD", M_TOP_PAD: "M_TOP_PAD"}
FROM_HEAP = 128 * 2**10
"""Bytes up to which glibc takes a block from its heap in any case."""


@contextmanager
def kept_heap() -> Generator[None]:
    """Keep freed memory for the body; then give it back."""
    _set(KEPT)
    try:
        yield
    finally:
        _set(USUAL)
        give_free_memory_back()


def _set(values: dict[int, int]) -> None:
    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in values.items():
        if mallopt(parameter, value) != 1:
            raise RuntimeError(f"glibc refused mallopt({parameter}, {value})")


@dataclass(frozen=True)
class MallocTuning:
    """Let the C library keep freed memory."""

    card: ClassVar[Card] = Card(
        name="malloc_tuning",
        stage=Stage.FORWARD,
        guarantee=Guarantee.EXACT,
        idea="let malloc keep the memory that a step frees and reuse it in the next step",
        source="mallopt(3); PyTorch performance tuning guide (on allocators)",
        treats=("low_compute_efficiency",),
        needs=("a run on the CPU", "Linux with glibc and its own malloc"),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse GPUs, other C libraries and allocators, and steps without large blocks."""
        if not recipe.device.is_host:
            return f"the run is on {recipe.device}, whose memory torch keeps itself"
        if platform.libc_ver()[0] != "glibc":
            return f"the C library of {platform.system()} here is not glibc"
        if "malloc" in os.environ.get("LD_PRELOAD", ""):
            return f"another allocator is preloaded ({os.environ['LD_PRELOAD']})"
        largest = largest_block(recipe)
        if largest < FROM_HEAP:
            return (
                f"the largest tensor that a step keeps takes {largest / 1024:.0f} KiB; below "
                f"{FROM_HEAP // 1024} KiB the C library reuses memory anyway"
            )
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Keep the heap for the run."""
        return recipe.with_context(kept_heap)

    def source(self, recipe: Recipe) -> Source:
        """Return the settings of the C library."""
        calls = [f"mallopt({parameter}, {value})  # {_NAMES[parameter]}" for parameter, value in KEPT.items()]
        return Source(imports=("import ctypes",), settings="\n".join(["mallopt = ctypes.CDLL(None).mallopt", *calls]))


def largest_block(recipe: Recipe) -> int:
    """Return the bytes of the largest gradient or saved activation of a step, the latter scaled up from two samples."""
    model, batch = recipe.subject.fresh_model(), recipe.subject.batch()
    scale, largest = recipe.input.batch_size / size_of(batch), max(map(_bytes, model.parameters()), default=0)
    kept: list[int] = []
    with preserved(), each_saved_storage(lambda storage: kept.append(storage.nbytes()), exclude=model.parameters()):
        recipe.forward.predict(model, batch)
    return max(largest, round(scale * max(kept, default=0)))


def _bytes(parameter: Tensor) -> int:
    return parameter.numel() * parameter.element_size() if parameter.requires_grad else 0
