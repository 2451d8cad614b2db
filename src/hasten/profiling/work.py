"""Counted work of a step, and the roofline: the minimum time on this machine."""

from collections.abc import Mapping

from hasten.base.device import Device
from hasten.base.records.complexity import Complexity, LayerCost
from hasten.base.records.machine import Machine
from hasten.base.records.profile import LayerBound, Roofline
from hasten.data.batch import Batch, tensors_of
from hasten.machine.bandwidth import last_level_cache_bytes
from hasten.measurement.flops import complexity_of
from hasten.profiling.stepping import weights_kept
from hasten.training.session import Session
from hasten.training.step import step


def count_work(run: Session, batch: Batch) -> Complexity:
    """Return what forward and backward pass cost on a batch, counted; the update is left out. Switches must be on."""
    with weights_kept(run):
        return complexity_of(run.model, lambda: step(run, batch), inputs=tensors_of(batch))


def roofline(
    complexity: Complexity,
    machine: Machine,
    *,
    number_formats: Mapping[str, str],
    measured_s: float,
    device: str,
    layer_s: Mapping[str, float] | None = None,
) -> Roofline | None:
    """Return the fastest that forward and backward pass could run here, or None where the peaks are not known.

    Each layer takes at least the time of its operations at the machine's peak rate, and at least that of its bytes at
    the bandwidth of the memory. Bytes count only where a layer moves more of them than all caches hold: what fits may
    never leave them. The limit of a convolution is the higher of the peaks of convolutions and of matmuls in its
    format: both run on the same arithmetic units, and the measured sizes of convolutions are few.

    Args:
        complexity: counted on one batch.
        machine: with measured peaks.
        number_formats: in which products are computed, by kind ("matmul", "conv"), and "" for most of their time.
        measured_s: what forward, loss and backward of that batch take.
        device: "cpu" or a CUDA device.
        layer_s: what the operators of each layer took, where known.

    Source: Williams, Waterman and Patterson (2009), doi:10.1145/1498765.1498785, applied layer by layer.
    """
    kind = Device(device).kind
    usual = number_formats[""]
    rates = {
        product: _peak_rate(machine, product, number_formats.get(product, usual), device=kind)
        for product in ("matmul", "conv")
    }
    overall, memory = _peak_rate(machine, "matmul", usual, device=kind), machine.peak("memory", device=kind)
    if memory is None or overall is None or rates["matmul"] is None or rates["conv"] is None:
        return None
    cached_bytes = last_level_cache_bytes() if Device(device).is_host else 0
    layers = tuple(
        _bound(
            layer,
            flops_per_s=_rate_of(layer.kind, rates["matmul"], rates["conv"] if "conv" in number_formats else 0.0),
            bytes_per_s=memory.rate,
            cached_bytes=cached_bytes,
            measured_s=layer_s.get(layer.name) if layer_s is not None else None,
        )
        for layer in complexity.layers
    )
    bound_s = sum(layer.seconds for layer in layers)
    return Roofline(
        number_format=usual,
        peak_flops=overall,
        peak_bandwidth=memory.rate,
        bound_s=bound_s,
        achieved=bound_s / measured_s,
        layers=layers,
    )


def _rate_of(layer_kind: str, matmul: float, conv: float) -> float:
    """Return the peak rate for a layer: a module of the user's own may hold products of either kind."""
    if "Conv" in layer_kind and conv:
        return conv
    return matmul if layer_kind == "Linear" else max(matmul, conv)


def _peak_rate(machine: Machine, product: str, number_format: str, *, device: str) -> float | None:
    """Return the operations per second that products of this kind and format reach at most; None if not measured."""
    kinds = ("gemm", "conv") if product == "conv" else ("gemm",)
    peaks = [machine.peak(kind, number_format, device=device) for kind in kinds]
    return max((peak.rate for peak in peaks if peak is not None), default=None)


def _bound(
    layer: LayerCost, *, flops_per_s: float, bytes_per_s: float, cached_bytes: int, measured_s: float | None
) -> LayerBound:
    flops = layer.flops_forward + layer.flops_backward
    moved = layer.bytes_forward + layer.bytes_backward
    compute_s = flops / flops_per_s
    memory_s = moved / bytes_per_s if moved > cached_bytes else 0.0
    return LayerBound(
        name=layer.name,
        flops=flops,
        bytes_moved=moved,
        seconds=max(compute_s, memory_s),
        by="compute" if compute_s >= memory_s else "memory",
        measured_s=measured_s,
    )
