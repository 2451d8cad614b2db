"""Random numbers: seeds derived from names, and the state of every generator as a plain value."""

import hashlib
import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def derive(seed: int, *words: object) -> int:
    """Return a 63-bit seed that depends on `seed` and every word, the same on every machine.

    Source: the first 8 bytes of BLAKE2b over the words' `repr`, so that neighboring seeds are unrelated.
    """
    text = repr((seed, *words)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def seed_all(seed: int) -> None:
    """Seed Python's, numpy's and torch's global generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:  # `torch.manual_seed` formats the stack for each kind of device that is not there, which takes milliseconds
        torch.default_generator.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """Return the state of every global generator as tensors, numbers and strings (loads with `weights_only=True`)."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "python": {"version": version, "internal": list(internal), "gauss": gauss},
        "numpy": {
            "name": str(name),
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Put every global generator back to a state that `random_state` returned."""
    torch.set_rng_state(state["torch"])
    python = state["python"]
    random.setstate((python["version"], tuple(python["internal"]), python["gauss"]))
    part = state["numpy"]
    keys = part["keys"].numpy().astype(np.uint32)
    np.random.set_state((part["name"], keys, part["position"], part["has_gauss"], part["cached"]))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def same_random_state(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two states of the global generators of the CPU are equal."""
    first, second = one["numpy"], other["numpy"]
    return (
        torch.equal(one["torch"], other["torch"])
        and one["python"] == other["python"]
        and torch.equal(first["keys"], second["keys"])
        and (first["position"], first["cached"]) == (second["position"], second["cached"])
    )


@contextmanager
def preserved() -> Generator[None]:
    """Leave every global generator as it was found, also when the body fails."""
    before = random_state()
    try:
        yield
    finally:
        set_random_state(before)
