"""What a profile found beside the parts of the step, in sentences; what was not measured is left out."""

from hasten.base.records.profile import Growth, MemoryAccount, Profile, Roofline
from hasten.base.units import count, nbytes, percent
from hasten.report.wording import whole

_ABOVE_LIMIT = 1.05  # beyond the uncertainty of a peak
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
    predicted = f" ({nbytes(account.predicted_peak)} predicted)" if account.predicted_peak is not None else ""
    largest = f" Largest batch size that fits: {whole(account.largest_batch)}{tried}." if account.largest_batch else ""
    remark = f" {account.remark[0].upper()}{account.remark[1:]}." if account.remark else ""
    return f"Peak memory of a step {nbytes(account.measured_peak)}{predicted}: {made_of}.{largest}{remark}"


def _limit(roofline: Roofline) -> str:
    limits = (
        f"{roofline.number_format}, {count(roofline.peak_flops, 'FLOP/s')}, {count(roofline.peak_bandwidth, 'B/s')}"
    )
    if roofline.achieved > _ABOVE_LIMIT:
        return (
            f"Forward and backward run faster than the measured peaks allow ({limits}): the peaks are too low. "
            "Re-measure on an idle machine: hasten machine --refresh."
        )
    return f"Forward and backward reach {percent(roofline.achieved)} of the roofline of this machine ({limits})."


def _growth(growth: Growth) -> str:
    exponent = growth.exponent
    if exponent.high - exponent.low > _TOO_WIDE:
        return (
            f"Growth of step {growth.cost} with {growth.over}: interval too wide to report, n = {exponent.n} sizes "
            f"(in theory to the power {growth.theory:.2f})."
        )
    return (
        f"Step {growth.cost} grows with {growth.over} to the power {exponent.value:.2f} "
        f"[{exponent.low:.2f}, {exponent.high:.2f}], n = {exponent.n} (in theory {growth.theory:.2f})."
    )
