"""Advice from the peaks of a machine: which formats, layouts and sizes are fast here.

Advice names the feature that was measured to be faster. Which techniques make use of it is on their cards (`exploits`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hasten.base.records.machine import Machine, Peak
from hasten.base.units import plural
from hasten.machine.comparison import BySize, by_size, is_clear, pairs, rate_text, short, size_text

_NARROW = ("bfloat16", "float16", "int8", "tf32", "float8")
ONEDNN, CHANNELS_LAST, PINNED = "oneDNN matmul", "channels_last convolution", "pinned memory"
FEATURES = (*(f"{form} matmul" for form in _NARROW), ONEDNN, CHANNELS_LAST, PINNED)
"""What advice may find to be faster; techniques name under `exploits` what they make use of."""
_HARDWARE: Mapping[str, frozenset[str]] = {  # any one of these instruction sets multiplies the format on a CPU
    "bfloat16": frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert", "arm_bf16"}),
    "float16": frozenset({"avx512_fp16", "amx_fp16", "avx_ne_convert", "arm_fp16"}),
    "int8": frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "arm_i8mm"}),
}
_SCALING = 0.6  # of a core that each further core should add at least


@dataclass(frozen=True)
class Advice:
    """One sentence without its full stop, and the one of `FEATURES` that it finds to be faster, if any."""

    text: str
    feature: str = ""


def advice(machine: Machine) -> tuple[Advice, ...]:
    """Return advice on this machine, the most useful first; only stable peaks and clear ratios count."""
    rules = (_onednn, _cpu_formats, _gpu_formats, _layouts, _odd_sizes, _threads, _pinned, _compiler, _unsteady)
    return tuple(one for rule in rules for one in rule(machine))


def _onednn(machine: Machine) -> Iterator[Advice]:
    default = _default_fp32(machine)
    onednn = by_size(machine, "gemm", "float32", backend="onednn")
    clear = [(fast, slow) for fast, slow in pairs(onednn, default) if is_clear(fast, slow)]
    gains = [pair for pair in clear if pair[0].rate > pair[1].rate]
    if gains:
        fast, slow = gains[-1]
        yield Advice(
            f"fp32 matmul: oneDNN is {_ratio(fast, slow)}x faster than {slow.backend} ({rate_text(fast)} against "
            f"{rate_text(slow)} at {size_text(fast)})",
            ONEDNN,
        )
    losses = [f"{_ratio(*pair)}x at {size_text(pair[0])}" for pair in clear if pair[0].rate < pair[1].rate]
    if losses:
        yield Advice(f"fp32 matmul: oneDNN is slower at some sizes ({', '.join(losses)}) and slows such layers down")
    rounded = [*by_size(machine, "gemm", "bf32", backend="onednn").values()]
    if rounded:
        rate = f"{rate_text(rounded[-1])} at {size_text(rounded[-1])}"
        yield Advice(f"oneDNN computes fp32 matmul in bf16 ({rate}): its fp32 matmul changes precision")


def _default_fp32(machine: Machine) -> BySize:
    others = {peak.backend for peak in machine.peaks if peak.kind == "gemm"} - {"onednn"}
    found = [by_size(machine, "gemm", "float32", backend=backend) for backend in sorted(others)]
    return next((peaks for peaks in found if peaks), {})


def _cpu_formats(machine: Machine) -> Iterator[Advice]:
    fp32 = by_size(machine, "gemm", "float32")
    bf16 = by_size(machine, "gemm", "bfloat16")
    without: list[str] = []
    for form, sets in _HARDWARE.items():
        has_hardware = not sets.isdisjoint(machine.isa)
        base = bf16 if form == "int8" and bf16 and not _HARDWARE["bfloat16"].isdisjoint(machine.isa) else fp32
        both = pairs(by_size(machine, "gemm", form), base)
        if not has_hardware:
            rate = f" ({_ratio(*both[-1])}x of {short(both[-1][1].format)})" if both else ""
            without.append(f"{short(form)}{rate}")
        elif both:
            yield _gain(*both[-1])
    if without:
        yield Advice(f"no matmul instructions on this CPU for {', '.join(without)}")


def _gpu_formats(machine: Machine) -> Iterator[Advice]:
    peaks = {
        form: by_size(machine, "gemm", form, device="cuda")
        for form in ("float32", "tf32", "bfloat16", "float16", "int8", "float8")
    }
    half = peaks["bfloat16"] or peaks["float16"]
    full = peaks["tf32"] or peaks["float32"]
    comparisons = ((peaks["tf32"], peaks["float32"]), (half, full), (peaks["int8"], half), (peaks["float8"], half))
    for narrow, wide in comparisons:
        both = pairs(narrow, wide)
        if both:
            yield _gain(*both[-1], where="GPU: ")


def _gain(narrow: Peak, wide: Peak, where: str = "") -> Advice:
    ratio, names = _ratio(narrow, wide), (short(narrow.format), short(wide.format))
    if narrow.rate > wide.rate and is_clear(narrow, wide):
        return Advice(
            f"{where}{names[0]} matmul is {ratio}x faster than {names[1]} ({rate_text(narrow)} against "
            f"{rate_text(wide)} at {size_text(narrow)})",
            f"{narrow.format} matmul",
        )
    return Advice(f"{where}{names[0]} matmul is not faster than {names[1]} ({ratio}x at {size_text(narrow)})")


def _layouts(machine: Machine) -> Iterator[Advice]:
    """Yield one sentence for each device and direction: formats in which channels_last is faster, or slower."""
    for device in sorted({peak.device for peak in machine.peaks if peak.kind == "conv"}):
        faster, slower = list[str](), list[str]()
        for form in sorted({peak.format for peak in machine.peaks if peak.kind == "conv"}):
            last, first = (
                by_size(machine, "conv", form, device=device, variant=name) for name in ("channels_last", "contiguous")
            )
            both = pairs(last, first)
            clear = sorted((pair for pair in both if is_clear(*pair)), key=lambda pair: pair[0].rate / pair[1].rate)
            if clear:
                ends = "-".join(dict.fromkeys((_ratio(*clear[0]), _ratio(*clear[-1]))))
                told = f"{short(form)} {ends}x ({len(clear)} of {plural(len(both), 'size')})"
                (faster if clear[-1][0].rate > clear[-1][1].rate else slower).append(told)
        where = "GPU: " if device == "cuda" else ""
        if faster:
            yield Advice(f"{where}channels_last speeds up convolutions: {', '.join(faster)}", CHANNELS_LAST)
        if slower:
            yield Advice(f"{where}channels_last slows convolutions down: {', '.join(slower)}")


def _odd_sizes(machine: Machine) -> Iterator[Advice]:
    """Compare products whose sizes differ by one at most: what is left is how well they fit the hardware's tiles."""
    slower: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    families = sorted({(p.device, p.format, p.backend) for p in machine.peaks if p.kind == "gemm"})
    for device, form, backend in families:
        peaks = [*by_size(machine, "gemm", form, device=device, backend=backend).values()]
        for odd, even in ((a, b) for a in peaks for b in peaks if _is_odd_twin(a.size, b.size)):
            if odd.rate < even.rate and is_clear(odd, even):
                sizes = (device, size_text(odd), size_text(even))
                slower.setdefault(sizes, []).append((odd.rate / even.rate, short(form)))
    for (device, odd_size, even_size), found in slower.items():
        where = "GPU: " if device == "cuda" else ""
        told = ", ".join(f"{form} {ratio:.2f}x" for ratio, form in found)
        yield Advice(f"{where}use sizes that are multiples of 16: {odd_size} against {even_size} runs at {told}")


def _is_odd_twin(odd: tuple[int, ...], even: tuple[int, ...]) -> bool:
    return all(abs(a - b) == 1 and b % 2 == 0 for a, b in zip(odd, even, strict=True))


def _threads(machine: Machine) -> Iterator[Advice]:
    if machine.threads != machine.cores:
        threads, cores = plural(machine.threads, "thread"), plural(machine.cores, "core")
        yield Advice(f"torch uses {threads}; this process may use {cores}")
    rates = by_size(machine, "threads", "float32")
    now, best = rates.get((machine.threads,)), max(rates.values(), key=lambda peak: peak.rate, default=None)
    if now is not None and best is not None and best.rate > now.rate and is_clear(best, now):
        yield Advice(
            f"matmul with {plural(best.size[0], 'thread')} is {_ratio(best, now)}x faster than with "
            f"{now.size[0]}: call `torch.set_num_threads({best.size[0]})`"
        )
    one, all_cores = rates.get((1,)), rates.get((machine.cores,))
    if one is not None and all_cores is not None and machine.cores > 1:
        expected = 1 + _SCALING * (machine.cores - 1)
        if all_cores.rate / one.rate < expected:
            yield Advice(f"{machine.cores} cores multiply matrices only {_ratio(all_cores, one)}x faster than 1 core")


def _pinned(machine: Machine) -> Iterator[Advice]:
    for direction in ("to device", "to host"):
        pinned, pageable = (
            by_size(machine, "copy", "", device="cuda", variant=f"{direction}, {kind}")
            for kind in ("pinned", "pageable")
        )
        for fast, slow in pairs(pinned, pageable):
            if fast.rate > slow.rate and is_clear(fast, slow):
                yield Advice(
                    f"copies {direction} are {_ratio(fast, slow)}x faster from pinned memory "
                    f"({rate_text(fast)} against {rate_text(slow)})",
                    PINNED,
                )


def _compiler(machine: Machine) -> Iterator[Advice]:
    if machine.compiler is None:
        yield Advice("no C++ compiler found: `torch.compile` cannot generate CPU kernels")


def _unsteady(machine: Machine) -> Iterator[Advice]:
    unsteady = sum(not peak.stable for peak in machine.peaks)
    if unsteady:
        yield Advice(f"{unsteady} of {len(machine.peaks)} rates are too noisy to report; re-measure on an idle machine")


def _ratio(over: Peak, under: Peak) -> str:
    ratio = over.rate / under.rate
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
