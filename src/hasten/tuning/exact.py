"""The gate of EXACT: in deterministic mode, losses, gradients and parameters are equal bit for bit."""

import hashlib

import torch
from torch import Tensor

from hasten.base.records.trial import Gate
from hasten.base.stages import Guarantee
from hasten.profiling.stepping import batches_in_turn
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.tuning.reference_step import NoReference, observe
from hasten.tuning.state import deterministic
from hasten.tuning.tolerances import EXACT_STEPS

Fingerprints = dict[str, str]
"""What a step made -> a digest of its bits."""

_GRADIENT = "gradient of "


def fingerprint(tensor: Tensor) -> str:
    """Return a digest of a tensor's type, shape and bits, whatever its layout in memory."""
    bits = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    digest = hashlib.blake2b(bits.numpy().data, digest_size=16)
    digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
    return digest.hexdigest()


def trace(recipe: Recipe, steps: int = EXACT_STEPS) -> list[Fingerprints]:
    """Train a fresh session for some steps in deterministic mode and return the fingerprints of each."""
    run = build(recipe)
    found: list[Fingerprints] = []
    with deterministic():
        for batch in batches_in_turn(run):
            seen = observe(run, batch, seed=None)
            prints = {"loss": seen.loss.hex()}
            prints |= {_GRADIENT + name: fingerprint(value) for name, value in seen.gradients.items()}
            prints |= {f"{name} after the update": fingerprint(value) for name, value in run.model.state_dict().items()}
            found.append(prints)
            if len(found) == steps:
                break
    return found


def exact_gate(candidate: Recipe, recipe: Recipe, expected: list[Fingerprints]) -> Gate:
    """Compare a candidate with the trace of the baseline.

    A candidate that leaves no gradient behind, since it updates inside the backward pass, is judged by its losses and
    its parameters alone.

    Raises:
        NoReference: if the baseline does not repeat itself, so that nobody can equal it.
    """
    found = trace(candidate, len(expected))
    none_left = not any(name.startswith(_GRADIENT) for prints in found for name in prints)
    asked = [
        {name: digest for name, digest in prints.items() if not (none_left and name.startswith(_GRADIENT))}
        for prints in expected
    ]
    wrong = [
        (number + 1, name)
        for number, (ours, theirs) in enumerate(zip(asked, found, strict=True))
        for name in ours
        if ours[name] != theirs.get(name)
    ]
    if wrong and trace(recipe, len(expected)) != expected:
        raise NoReference("the plain training does not repeat itself bit for bit, so exactness cannot be judged")
    total = sum(len(prints) for prints in asked)
    if wrong:
        step, name = wrong[0]
        detail = f"{len(wrong)} of {total} results differ over {len(expected)} steps, first the {name} in step {step}"
    else:
        what = "losses and parameters" if none_left else "losses, gradients and parameters"
        detail = f"all {total} {what} of {len(expected)} steps are equal bit for bit"
    return Gate(guarantee=Guarantee.EXACT, passed=not wrong, measured=len(wrong), bound=0, detail=detail)
