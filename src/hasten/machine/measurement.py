"""The whole measurement: what is measured, at which sizes, within which time."""

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import torch

from hasten.base.records.machine import Machine, Peak
from hasten.machine.bandwidth import last_level_cache_bytes, memory_benchmarks
from hasten.machine.benchmark import Benchmark, by_turns, run_benchmarks
from hasten.machine.convolution import ConvSize, conv_benchmarks
from hasten.machine.disk import measure_disk
from hasten.machine.facts import facts
from hasten.machine.formats import gemm_formats
from hasten.machine.gemm import GemmSize, examine, gemm_benchmarks
from hasten.machine.gpu import CUDA, cuda_cache_bytes, cuda_clock, gpu_benchmarks
from hasten.machine.readings import host_clock
from hasten.machine.threads import measure_threads, thread_counts


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured. Sizes hold odd numbers, one row, and shapes of real layers; seconds are upper bounds.

    Sizes are in order of priority. On the CPU they grow, since small ones predict how long large ones take. On a GPU a
    large one comes first: small ones measure the launch of a kernel, and no large one takes long.
    """

    cpu_gemm: Sequence[GemmSize]
    gpu_gemm: Sequence[GemmSize]
    cpu_conv: Sequence[ConvSize]
    gpu_conv: Sequence[ConvSize]
    copy_bytes: int
    file_bytes: int
    benchmarks_s: float
    warm_up_s: float  # for the first runs on a GPU, on top
    disk_s: float
    threads_s: float  # 0 where numbers of threads are not compared


_MEMORY_SHARE = 0.2  # of the time, at most
_CPU_SHARE = 0.4  # of the time, where there is a GPU
_ODD_AND_EVEN: tuple[GemmSize, ...] = ((255, 511, 513), (256, 512, 512))
QUICK = Effort(
    cpu_gemm=((32, 128, 128), *_ODD_AND_EVEN, (1024, 1024, 1024)),
    gpu_gemm=((4096, 4096, 4096), (1024, 1024, 1024), (32, 128, 128)),
    cpu_conv=(ConvSize(batch=8, channels_in=64, side=28, channels_out=64),),
    gpu_conv=(ConvSize(batch=256, channels_in=64, side=56, channels_out=64),),
    copy_bytes=64 << 20,
    file_bytes=32 << 20,
    benchmarks_s=2.6,
    warm_up_s=1.0,
    disk_s=0.5,
    threads_s=0.0,
)
FULL = Effort(
    cpu_gemm=(
        (8, 64, 64),
        (33, 65, 129),
        (32, 128, 128),
        (1, 768, 768),
        (64, 256, 256),
        (16, 768, 768),
        (128, 512, 512),
        *_ODD_AND_EVEN,
        (512, 512, 2048),
        (1024, 1024, 1024),
        (2048, 768, 3072),
        (2048, 2048, 2048),
    ),
    gpu_gemm=(
        (4096, 4096, 4096),
        (8192, 8192, 8192),
        (4095, 4095, 4097),
        (2048, 768, 3072),
        (1024, 1024, 1024),
        (128, 512, 512),
        (32, 128, 128),
    ),
    cpu_conv=(
        ConvSize(batch=32, channels_in=3, side=32, channels_out=32),
        ConvSize(batch=7, channels_in=33, side=15, channels_out=65),
        ConvSize(batch=16, channels_in=256, side=14, channels_out=1024, kernel=1),
        ConvSize(batch=8, channels_in=256, side=14, channels_out=256),
        ConvSize(batch=16, channels_in=64, side=56, channels_out=64),
    ),
    gpu_conv=(
        ConvSize(batch=256, channels_in=64, side=56, channels_out=64),
        ConvSize(batch=256, channels_in=256, side=14, channels_out=256),
        ConvSize(batch=256, channels_in=256, side=14, channels_out=1024, kernel=1),
        ConvSize(batch=256, channels_in=3, side=64, channels_out=64),
        ConvSize(batch=32, channels_in=3, side=32, channels_out=32),
    ),
    copy_bytes=256 << 20,
    file_bytes=256 << 20,
    benchmarks_s=16.0,
    warm_up_s=6.0,
    disk_s=2.0,
    threads_s=3.0,
)


def measure(*, quick: bool = False, disk_folder: Path | None = None) -> Machine:
    """Measure this machine and return its facts and peaks; nothing is kept (see `load_cached`).

    Its remarks say what could not be measured.

    Takes at most 30 s, or 5 s if `quick`, which means fewer and smaller sizes; less where nothing else runs. Flags,
    threads and random generators of the process are left as they were found; while it runs, other threads of the
    process see changed precision flags.

    Args:
        quick: measure less.
        disk_folder: where the disk is read; the current folder if None.
    """
    started = time.perf_counter()
    effort = QUICK if quick else FULL
    machine = facts()
    with _plain_arithmetic(("cpu", "cuda") if machine.gpu else ("cpu",)):
        peaks, skipped, notes = _rates(machine, effort)
        if machine.gpu is not None:
            CUDA.empty_cache()
    disk, disk_note = measure_disk(disk_folder or Path(), file_bytes=effort.file_bytes, budget_s=effort.disk_s)
    threads, threads_note = _thread_sweep(machine, effort)
    measured = msgspec.structs.replace(
        machine,
        peaks=(*peaks, *([disk] if disk else []), *threads),
        measured_s=time.perf_counter() - started,
    )
    said = (*notes, _not_measured(skipped), disk_note, threads_note)
    return msgspec.structs.replace(measured, remarks=tuple(filter(None, said)))


def _rates(machine: Machine, effort: Effort) -> tuple[list[Peak], list[Benchmark], list[str]]:
    """Return the rates of CPU and GPU, the benchmarks that were skipped, and notes; each device has its own time."""
    products, notes = _products("cpu", effort.cpu_gemm)
    memory = memory_benchmarks("cpu", memory_bytes=machine.memory_bytes, cache_bytes=last_level_cache_bytes())
    others = by_turns([*products, *_families(conv_benchmarks(("float32", "bfloat16"), effort.cpu_conv, "cpu"))])
    share = _CPU_SHARE if machine.gpu is not None else 1.0
    peaks, skipped = _measured(memory, others, budget_s=share * effort.benchmarks_s)
    if machine.gpu is None:
        return peaks, skipped, notes
    products, gpu_notes = _products("cuda", effort.gpu_gemm)
    convolutions = conv_benchmarks(("float32", "tf32", "bfloat16", "float16"), effort.gpu_conv, "cuda", cuda_clock)
    memory = memory_benchmarks(
        "cuda", memory_bytes=machine.gpu.memory_bytes, cache_bytes=cuda_cache_bytes(), clock=cuda_clock
    )
    others = [*gpu_benchmarks(effort.copy_bytes), *by_turns([*products, *_families(convolutions)])]
    gpu_peaks, gpu_skipped = _measured(
        memory, others, budget_s=(1 - share) * effort.benchmarks_s, warm_up_s=effort.warm_up_s
    )
    return [*peaks, *gpu_peaks], [*skipped, *gpu_skipped], [*notes, *gpu_notes]


def _measured(
    memory: Sequence[Benchmark], others: Sequence[Benchmark], *, budget_s: float, warm_up_s: float = 0.0
) -> tuple[list[Peak], list[Benchmark]]:
    """Run all within the budget, and the memory first: without its rate there is no roofline."""
    begin = time.perf_counter()
    first, first_skipped = run_benchmarks(memory, deadline=begin + _MEMORY_SHARE * budget_s)
    then, then_skipped = run_benchmarks(others, deadline=begin + budget_s, warm_up_s=warm_up_s)
    return [*then, *first], [*then_skipped, *first_skipped]


def _products(device: str, sizes: Sequence[GemmSize]) -> tuple[list[list[Benchmark]], list[str]]:
    """Return the GEMM benchmarks of every format that works, one list for each; and what did not work."""
    examined = [examine(form, device) for form in gemm_formats(device)]
    clock = host_clock if device == "cpu" else cuda_clock
    families = [gemm_benchmarks(form, sizes, device, clock) for form, _ in examined if form]
    return families, [note for _, note in examined if note]


def _families(benchmarks: Sequence[Benchmark]) -> list[list[Benchmark]]:
    families: dict[tuple[str, ...], list[Benchmark]] = {}
    for one in benchmarks:
        families.setdefault(one.family, []).append(one)
    return list(families.values())


def _thread_sweep(machine: Machine, effort: Effort) -> tuple[list[Peak], str]:
    logical = psutil.cpu_count(logical=True) or machine.cores
    counts = thread_counts(cores=machine.cores, threads=machine.threads, logical=logical)
    if not effort.threads_s or len(counts) == 1:
        return [], ""
    return measure_threads(counts, budget_s=effort.threads_s)


def _not_measured(benchmarks: Sequence[Benchmark]) -> str:
    """Return a sentence with the kinds of work of which sizes were skipped and their formats, or ""."""
    formats: dict[str, list[str]] = {}
    for one in benchmarks:
        of_kind = formats.setdefault(f"{one.kind} on {'the GPU' if one.device == 'cuda' else 'the CPU'}", [])
        if one.format and one.format not in of_kind:
            of_kind.append(one.format)
    named = "; ".join(f"{kind} ({', '.join(names)})" if names else kind for kind, names in formats.items())
    sizes = f"{len(benchmarks)} size{'' if len(benchmarks) == 1 else 's'}"
    return f"{sizes} not measured, time or memory ran out: {named}" if named else ""


@contextmanager
def _plain_arithmetic(devices: Sequence[str]) -> Generator[None]:
    """Measure torch as such, whatever the caller has switched on around the call."""
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        for device in devices:
            stack.enter_context(torch.autocast(device, enabled=False))
        yield
