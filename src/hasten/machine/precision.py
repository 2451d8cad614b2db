"""Which arithmetic an fp32 matmul or convolution may use, for a while, leaving every flag as it was found."""

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
    mkldnn: Any = torch.backends.mkldnn  # these modules are replaced at run time by objects that have more names
    cudnn: Any = torch.backends.cudnn
    backend, own = {
        ("cpu", "matmul"): (mkldnn, mkldnn.matmul),
        ("cpu", "conv"): (mkldnn, mkldnn.conv),
        ("cuda", "matmul"): (cudnn, torch.backends.cuda.matmul),
        ("cuda", "conv"): (cudnn, cudnn.conv),
    }[device, operation]
    with held(general, "fp32_precision", "none"), held(backend, "fp32_precision", precision):
        if own.fp32_precision == precision:
            yield
        else:
            with held(own, "fp32_precision", precision):
                yield


@contextmanager
def held(owner: Any, name: str, value: object) -> Generator[None]:
    """Hold an attribute at a value inside the block, and put the old one back after it."""
    found = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, found)
