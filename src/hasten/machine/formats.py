"""The number formats that torch may multiply matrices in, and the back end that would do it."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor

from hasten.machine.facts import instruction_sets
from hasten.machine.precision import fp32_precision

BF16_ERROR = 1e-2
"""Largest relative error of a product whose operands or result are rounded to bfloat16's 8 bits."""

_FP16_ERROR = 2e-3  # 11 bits
_TF32_ERROR = 2e-3
_FP32_ERROR = 1e-5  # 24 bits, and a sum of thousands in any order
_INT8_SETS = frozenset({"avx512_vnni", "amx_int8", "arm_i8mm"})  # without one, torch multiplies int8 by its own loop


@dataclass(frozen=True, kw_only=True)
class GemmFormat:
    """One number format multiplied by one back end."""

    name: str
    backend: str
    dtype: torch.dtype
    multiply: Callable[[Tensor, Tensor], Tensor]
    error: float  # the largest relative error (Frobenius norm) of a product that is right
    scope: Callable[[], AbstractContextManager[None]] = nullcontext
    multiple: int = 1  # every size must be divisible by this
    smallest: int = 1  # and be at least this


def gemm_formats(device: str) -> tuple[GemmFormat, ...]:
    """Return every format that torch may multiply on "cpu" or "cuda"; `gemm.examine` tells which it can."""
    return _cpu_formats() if device == "cpu" else _cuda_formats()


def _cpu_formats() -> tuple[GemmFormat, ...]:
    # The three operators with a leading underscore are the only way to ask; a test pins them.
    ops = torch.ops.mkldnn
    has_onednn = torch.backends.mkldnn.is_available()
    bf16 = "onednn" if has_onednn and ops._is_mkldnn_bf16_supported() else "native"
    fp16 = "onednn" if has_onednn and ops._is_mkldnn_fp16_supported() else "native"
    int8 = "native" if _INT8_SETS.isdisjoint(instruction_sets()) else "onednn"
    default = partial(fp32_precision, "cpu", "matmul", "ieee")
    onednn = partial(fp32_precision, "cpu", "matmul", "bf16")
    forms = [
        _float("float32", _blas(), torch.float32, _FP32_ERROR, default),
        _float("float32", "onednn", torch.float32, _FP32_ERROR, onednn),
        _float("bfloat16", bf16, torch.bfloat16, BF16_ERROR),
        _float("float16", fp16, torch.float16, _FP16_ERROR),
        # Below 32 the overhead of a call is all there is, and size-1 dimensions can give wrong products silently
        # (pytorch issue 195066).
        GemmFormat(name="int8", backend=int8, dtype=torch.int8, multiply=torch._int_mm, error=0.0, smallest=32),
    ]
    return tuple(form for form in forms if has_onednn or form.backend != "onednn")


def _cuda_formats() -> tuple[GemmFormat, ...]:
    library = "cublas" if torch.version.hip is None else "hipblas"
    ieee = partial(fp32_precision, "cuda", "matmul", "ieee")
    tf32 = partial(fp32_precision, "cuda", "matmul", "tf32")
    return (
        _float("float32", library, torch.float32, _FP32_ERROR, ieee),
        _float("tf32", library, torch.float32, _TF32_ERROR, tf32),
        _float("bfloat16", library, torch.bfloat16, BF16_ERROR),
        _float("float16", library, torch.float16, _FP16_ERROR),
        GemmFormat(
            name="int8", backend=library, dtype=torch.int8, multiply=torch._int_mm, error=0.0, multiple=8, smallest=32
        ),
        GemmFormat(
            name="float8",
            backend=library,
            dtype=torch.float8_e4m3fn,
            multiply=_scaled_product,
            error=BF16_ERROR,
            multiple=16,
            smallest=32,
        ),
    )


def _float(
    name: str,
    backend: str,
    dtype: torch.dtype,
    error: float,
    scope: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> GemmFormat:
    return GemmFormat(name=name, backend=backend, dtype=dtype, multiply=torch.mm, error=error, scope=scope)


def _scaled_product(left: Tensor, right: Tensor) -> Tensor:
    one = _one(left.device)
    return torch._scaled_mm(left, right, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)


@lru_cache(maxsize=1)
def _one(device: torch.device) -> Tensor:
    return torch.ones((), device=device, dtype=torch.float32)  # made once: making it is a kernel of its own


def _blas() -> str:
    if torch.backends.mkl.is_available():
        return "mkl"
    named = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    return named[1] if named else "native"
