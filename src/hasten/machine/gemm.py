"""Peak rates of matmuls, per number format and back end, from small and odd sizes to large ones."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from hasten.machine.benchmark import Benchmark
from hasten.machine.formats import BF16_ERROR, GemmFormat
from hasten.machine.precision import fp32_precision
from hasten.machine.readings import Clock, host_clock

GemmSize = tuple[int, int, int]
"""M, N, K of a product of (M, K) by the transpose of (N, K), as a linear layer's forward multiplies."""

_CHECKED: GemmSize = (64, 64, 2048)  # long sums, so that two back ends that add in another order differ in bits


def examine(form: GemmFormat, device: str) -> tuple[GemmFormat | None, str]:
    """Return the format as it proves itself on one product, or None, with a remark on what was found, or "".

    A rate counts only for products that are right, so each format's product is held against float64. Two things come
    to light here: whether oneDNN takes fp32 products at all, and whether it then rounds them to bfloat16 ("bf32").
    """
    left, right = operands(form, _CHECKED, device)
    name = f"{form.name} matmul by {form.backend}"
    try:
        with form.scope():
            product = form.multiply(left, right.t())
    except (RuntimeError, ValueError) as error:  # how torch says that it has no kernel for a dtype or architecture
        return None, f"{name} does not run here: {(str(error) or type(error).__name__).splitlines()[0]}"
    error = relative_error(product, left, right)
    if form.name == "float32" and form.backend == "onednn":
        with fp32_precision(device, "matmul", "ieee"):
            if torch.equal(product, torch.mm(left, right.t())):
                return None, ""  # the same bits: the permission was not used, there is no second back end
        if form.error < error <= BF16_ERROR:
            return replace(form, name="bf32", error=BF16_ERROR), ""
    if not error <= form.error:
        return None, f"{name} gives wrong products here (relative error {error:.2g}): it was not measured"
    return form, ""


def gemm_benchmarks(
    form: GemmFormat, sizes: Sequence[GemmSize], device: str, clock: Clock = host_clock
) -> list[Benchmark]:
    """Return a benchmark of each size that the format can multiply, in the order given."""
    fitting = [size for size in sizes if min(size) >= form.smallest and all(n % form.multiple == 0 for n in size)]
    return [
        Benchmark(
            kind="gemm",
            format=form.name,
            backend=form.backend,
            size=size,
            work=2.0 * size[0] * size[1] * size[2],
            ready=partial(_ready, form, size, device),
            device=device,
            clock=clock,
        )
        for size in fitting
    ]


def operands(form: GemmFormat, size: GemmSize, device: str) -> tuple[Tensor, Tensor]:
    """Return random (M, K) and (N, K) operands, the same on every call and without touching global generators."""
    generator = torch.Generator(device).manual_seed(0)
    shapes = ((size[0], size[2]), (size[1], size[2]))
    if form.dtype == torch.int8:
        parts = [torch.randint(-127, 128, shape, generator=generator, device=device) for shape in shapes]
    else:
        parts = [torch.randn(shape, generator=generator, device=device, dtype=torch.float32) for shape in shapes]
    return parts[0].to(form.dtype), parts[1].to(form.dtype)


def relative_error(product: Tensor, left: Tensor, right: Tensor) -> float:
    """Return the relative error, in the Frobenius norm, of `product` against float64 on the operands as rounded."""
    exact = left.float().double() @ right.float().double().t()
    return float(torch.linalg.norm(product.double() - exact) / torch.linalg.norm(exact))


@contextmanager
def _ready(form: GemmFormat, size: GemmSize, device: str) -> Generator[Callable[[], object]]:
    left, right = operands(form, size, device)
    with form.scope():
        yield partial(form.multiply, left, right.t())
