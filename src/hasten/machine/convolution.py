"""Peak rates of two-dimensional convolutions, per number format and memory layout."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F

from hasten.machine.benchmark import Benchmark
from hasten.machine.precision import fp32_precision, held
from hasten.machine.readings import Clock, host_clock

_LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True, kw_only=True)
class ConvSize:
    """A convolution with stride 1 over square images, padded so that the output is as large as the input."""

    batch: int
    channels_in: int
    side: int
    channels_out: int
    kernel: int = 3

    @property
    def operations(self) -> float:
        """Multiplications and additions of the forward pass, the padding counted as if it were image."""
        positions = self.batch * self.side**2
        return 2.0 * positions * self.channels_in * self.channels_out * self.kernel**2

    @property
    def numbers(self) -> tuple[int, ...]:
        """Batch, channels in, height, width, channels out, kernel."""
        return (self.batch, self.channels_in, self.side, self.side, self.channels_out, self.kernel)


def conv_benchmarks(
    formats: Sequence[str], sizes: Sequence[ConvSize], device: str, clock: Clock = host_clock
) -> list[Benchmark]:
    """Return a benchmark per size, format and layout, in the order given.

    Formats are "float32", "tf32", "bfloat16" and "float16"; layouts "contiguous" and "channels_last".
    """
    return [
        Benchmark(
            kind="conv",
            format=name,
            backend=_backend(device),
            size=size.numbers,
            work=size.operations,
            ready=partial(_ready, name, layout, size, device),
            variant=layout,
            device=device,
            clock=clock,
        )
        for size in sizes
        for name in formats
        for layout in _LAYOUTS
    ]


@contextmanager
def _ready(name: str, layout: str, size: ConvSize, device: str) -> Generator[Callable[[], object]]:
    dtype = torch.float32 if name == "tf32" else getattr(torch, name)
    generator = torch.Generator(device).manual_seed(0)
    shapes = (
        (size.batch, size.channels_in, size.side, size.side),
        (size.channels_out, size.channels_in, size.kernel, size.kernel),
    )
    images, weights = (
        torch.randn(shape, generator=generator, device=device, dtype=torch.float32)
        .to(dtype)
        .to(memory_format=_LAYOUTS[layout])
        for shape in shapes
    )
    precision = "tf32" if name == "tf32" else "ieee"
    # cuDNN tries its kernels and keeps the fastest, as it would in a training with fixed shapes.
    with fp32_precision(device, "conv", precision), held(torch.backends.cudnn, "benchmark", True):
        yield partial(F.conv2d, images, weights, padding=size.kernel // 2)


def _backend(device: str) -> str:
    if device == "cuda":
        return "cudnn" if torch.version.hip is None else "miopen"
    return "onednn" if torch.backends.mkldnn.is_available() else "native"
