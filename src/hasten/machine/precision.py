"""Which arithmetic float32 products use: reading torch's precision flags, and setting them for a while."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def fp32_precision(device: str, operation: str, precision: str) -> Generator[None]:
    """Let fp32 operations use `precision` inside the block; every flag is put back after it, unset ones to unset.

    A flag of torch that is unset follows the back end's, and that the general one. So the back end's is set here, with
    the general one cleared in order to read what is its own, and an operation's own flag is touched only where it was
    set to something else. The older `torch.set_float32_matmul_precision` would leave set what was unset, and reading it
    fails where the caller has used the newer flags. The flags are global: other threads see them meanwhile.

    Args:
        device: "cpu" or "cuda".
        operation: "matmul" or "conv".
        precision: "ieee" (fp32 as such), "tf32", or "bf16", which on the CPU is what routes a matmul to oneDNN.
    """
    general: Any = torch.backends
    backend, own = _flags(device, operation)
    with held(general, "fp32_precision", "none"), held(backend, "fp32_precision", precision):
        if own.fp32_precision == precision:
            yield
        else:
            with held(own, "fp32_precision", precision):
                yield


def product_format(operation: str, dtype: str, device: str) -> str:
    """Return the number format that products of this dtype are multiplied in, as torch's flags stand now.

    float32 operands are multiplied in "tf32" on an NVIDIA GPU from Ampere on where the flag of the operation allows it,
    which it does for convolutions by default, and in "bf32" on a CPU whose oneDNN may round them to bfloat16.

    Args:
        operation: "matmul" or "conv".
        dtype: of the operands, such as "float32".
        device: "cpu" or a CUDA device.
    """
    if dtype != "float32":
        return dtype
    kind = "cpu" if device == "cpu" else "cuda"
    _, own = _flags(kind, operation)
    allowed = own.fp32_precision  # where it is unset, torch returns the back end's or the general flag
    if kind == "cuda":
        return "tf32" if allowed == "tf32" and _has_tf32() else dtype
    return "bf32" if allowed == "bf16" and _onednn_has_bf16() else dtype


def _has_tf32() -> bool:
    return torch.version.hip is None and torch.cuda.get_device_capability() >= (8, 0)


def _onednn_has_bf16() -> bool:
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _flags(device: str, operation: str) -> tuple[Any, Any]:
    """Return the objects with the flags of the back end and of the operation."""
    mkldnn: Any = torch.backends.mkldnn  # these modules are replaced at run time by objects that have more names
    cudnn: Any = torch.backends.cudnn
    return {
        ("cpu", "matmul"): (mkldnn, mkldnn.matmul),
        ("cpu", "conv"): (mkldnn, mkldnn.conv),
        ("cuda", "matmul"): (cudnn, torch.backends.cuda.matmul),
        ("cuda", "conv"): (cudnn, cudnn.conv),
    }[device, operation]


@contextmanager
def held(owner: Any, name: str, value: object) -> Generator[None]:
    """Hold an attribute at a value inside the block, and put the old one back after it."""
    found = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, found)
