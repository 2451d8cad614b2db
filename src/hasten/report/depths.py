"""What a profile found beside the parts of the step, in sentences; silent on what was not looked at."""

from hasten.base.records.profile import Growth, MemoryAccount, Profile, Roofline
from hasten.base.units import count, nbytes, percent
from hasten.report.wording import whole

_TOO_WIDE = 2.0
"""An interval of an exponent that leaves open whether a cost grows at all or with the square says nothing."""


def profile_sentences(profile: Profile) -> list[str]:
    """Return memory, distance from the machine's limit, and growth with size, as far as they were measured."""
    sentences: list[str] = []
    if profile.memory is not None:
        sentences.append(_memory(profile.memory))
    if profile.roofline is not None:
        sentences.append(_limit(profile.roofline))
    return sentences + [_growth(growth) for growth in profile.growth]


def _memory(account: MemoryAccount) -> str:
    parts = {
        "parameters": account.parameters,
        "gradients": account.gradients,
        "optimizer": account.optimizer_state,
        "activations": account.activations,
        "inputs": account.inputs,
    }
    made_of = ", ".join(f"{name} {nbytes(size)}" for name, size in parts.items() if size)
    tried = f" ({whole(account.verified_batch)} tried)" if account.verified_batch else ""
    return (
        f"Memory of a step: {nbytes(account.measured_peak)} at its peak ({nbytes(account.predicted_peak)} predicted): "
        f"{made_of}. A batch of {whole(account.largest_batch)} would fit{tried}."
    )


def _limit(roofline: Roofline) -> str:
    return (
        f"Forward and backward run at {percent(roofline.achieved)} of the machine's limit for this model "
        f"({roofline.number_format}, {count(roofline.peak_flops, 'FLOP/s')}, {count(roofline.peak_bandwidth, 'B/s')})."
    )


def _growth(growth: Growth) -> str:
    exponent = growth.exponent
    if exponent.high - exponent.low > _TOO_WIDE:
        return (
            f"How the {growth.cost} of a step grows with the {growth.over} cannot be told from {exponent.n} sizes "
            f"here: to a power from {exponent.low:.1f} to {exponent.high:.1f} (in theory {growth.theory:.2f})."
        )
    return (
        f"The {growth.cost} of a step grows with the {growth.over} to the power {exponent.value:.2f} "
        f"[{exponent.low:.2f}, {exponent.high:.2f}], n = {exponent.n} (in theory {growth.theory:.2f})."
    )
