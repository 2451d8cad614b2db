"""Set the CPU for training: as many threads as physical cores, and no denormal numbers.

What it does
    While the run is on, torch uses `threads` threads within an operation (0: the physical cores that the process may
    use) and, with `flush_denormals`, numbers too small to be normal count as zero.

Why it helps
    Two threads on one core wait for the same arithmetic units. Arithmetic with denormal numbers, which appear where
    activations, gradients or moments fade away, can take a hundred times as long.

When it hurts
    Where torch found the right number of threads already, it makes no difference. Small models can be faster with
    fewer threads than cores: that is what the knob is for.

Numerics
    Sums are split among another number of threads; numbers below 1.2e-38 become zero.

Known problems
    The processor's flag for denormals belongs to a thread: worker threads that were started before keep theirs. A
    number of threads, once set, also fixes how MKL chooses its own. Pinning and the allocator belong to the start of
    a process (`OMP_PROC_BIND`, `LD_PRELOAD`) and are not set here.

Source
    torch.set_num_threads and torch.set_flush_denormal; onnxruntime pull request 5391 (2020) on denormals and threads.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar

import torch
from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.machine.facts import usable_cores
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe

SMALLEST_NORMAL = torch.tensor(2.0**-126)
"""Of float32."""


def denormals_flushed() -> bool:
    """Return whether denormal numbers count as zero in this thread; torch itself has no way to ask."""
    return float(SMALLEST_NORMAL * 0.5) == 0.0


@contextmanager
def runtime(*, threads: int, flush_denormals: bool) -> Generator[None]:
    """Let torch use so many threads and flush denormal numbers for the body.

    Tuning inside a training enters this around each step: 5 us, since what is so already is left alone.
    """
    threads_before, flush = torch.get_num_threads(), flush_denormals and not denormals_flushed()
    if threads != threads_before:
        torch.set_num_threads(threads)
    if flush:
        torch.set_flush_denormal(True)
    try:
        yield
    finally:
        if threads != threads_before:
            torch.set_num_threads(threads_before)
        if flush:
            torch.set_flush_denormal(False)


@dataclass(frozen=True)
class CpuRuntime:
    """Set the CPU for training."""

    threads: Annotated[int, Meta(ge=0, description="threads within an operation; 0 for the physical cores")] = 0
    flush_denormals: bool = True

    card: ClassVar[Card] = Card(
        name="cpu_runtime",
        stage=Stage.FORWARD,
        guarantee=Guarantee.ROUNDING,
        idea="one thread per physical core, and denormal numbers flushed to zero",
        source="torch.set_num_threads, torch.set_flush_denormal; onnxruntime pull request 5391 (2020)",
        treats=("thread_oversubscription", "low_compute_efficiency"),
        needs=("a run on the CPU",),
        search=({}, {"threads": 1}),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse GPUs."""
        if not recipe.device.is_host:
            return f"the run is on {recipe.device}, but this technique is for CPUs"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """ContextFactory the settings on for the run."""
        threads = self.threads or usable_cores()  # 0.8 ms: asked here, not in each step
        switch = partial(runtime, threads=threads, flush_denormals=self.flush_denormals)
        return recipe.with_context(switch)

    def nearby(self) -> tuple["CpuRuntime", ...]:
        """Return half of the cores, and twice as many threads as one or few."""
        threads = 2 * self.threads if self.threads else usable_cores() // 2
        return (replace(self, threads=threads),) if 0 < threads < usable_cores() else ()

    def source(self, recipe: Recipe) -> Source:
        """Return the settings of the process."""
        lines = [f"torch.set_num_threads({self.threads or usable_cores()})"]
        lines += ["torch.set_flush_denormal(True)"] if self.flush_denormals else []
        return Source(settings="\n".join(lines))
