"""What a step costs by counting, and the fastest that this machine could do it: the roofline."""

from collections.abc import Mapping

from hasten.base.device import Device
from hasten.base.records.complexity import Complexity, LayerCost
from hasten.base.records.machine import Machine
from hasten.base.records.profile import LayerBound, Roofline
from hasten.data.batch import Batch
from hasten.machine.bandwidth import last_level_cache_bytes
from hasten.measurement.flops import complexity_of
from hasten.profiling.stepping import weights_kept
from hasten.training.loop import step
from hasten.training.session import Session


def count_work(run: Session, batch: Batch) -> Complexity:
    """Return what forward and backward pass cost on a batch, counted; the update is left out. Switches must be on."""
    with weights_kept(run):
        return complexity_of(run.model, lambda: step(run, batch), inputs=batch)


def roofline(
    complexity: Complexity,
    machine: Machine,
    *,
    number_format: str,
    measured_s: float,
    device: str,
    layer_s: Mapping[str, float] | None = None,
) -> Roofline | None:
    """Return the fastest that forward and backward pass could run here, or None where the peaks are not known.

    Each layer takes at least the time of its operations at the machine's peak rate, and at least that of its bytes at
    the bandwidth of the memory. Bytes count only where a layer moves more of them than all caches hold: what fits may
    never leave them.

    Args:
        complexity: counted on one batch.
        machine: with measured peaks.
        number_format: in which the products are computed.
        measured_s: what forward, loss and backward of that batch take.
        device: "cpu" or a CUDA device.
        layer_s: what the operators of each layer took, where known.

    Source: Williams, Waterman and Patterson (2009), doi:10.1145/1498765.1498785, applied layer by layer.
    """
    kind = Device(device).kind
    gemm = machine.peak("gemm", number_format, device=kind)
    conv = machine.peak("conv", number_format, device=kind) or gemm
    memory = machine.peak("memory", device=kind)
    if gemm is None or conv is None or memory is None:
        return None
    cached_bytes = last_level_cache_bytes() if Device(device).is_host else 0
    layers = tuple(
        _bound(
            layer,
            flops_per_s=conv.rate if "Conv" in layer.kind else gemm.rate,
            bytes_per_s=memory.rate,
            cached_bytes=cached_bytes,
            measured_s=layer_s.get(layer.name) if layer_s is not None else None,
        )
        for layer in complexity.layers
    )
    bound_s = sum(layer.seconds for layer in layers)
    return Roofline(
        number_format=number_format,
        peak_flops=gemm.rate,
        peak_bandwidth=memory.rate,
        bound_s=bound_s,
        achieved=bound_s / measured_s,
        layers=layers,
    )


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
