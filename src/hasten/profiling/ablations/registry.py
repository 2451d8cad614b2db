"""Every ablation."""

from hasten.profiling.ablations import (
    cached_batch,
    doubled_batch,
    fused_attention,
    no_logging,
    padded_products,
    skipped_update,
    thread_sweep,
)
from hasten.profiling.ablations.running import Kind

ABLATIONS: tuple[Kind, ...] = (
    Kind("cached_batch", "the wait for data", cached_batch.measure),
    Kind("doubled_batch", "what a step costs whatever its size", doubled_batch.measure),
    Kind("skipped_update", "the update", skipped_update.measure),
    Kind("thread_sweep", "the present number of threads", thread_sweep.measure),
    Kind("no_logging", "reports and bookkeeping", no_logging.measure),
    Kind("padded_products", "products with awkward sides", padded_products.measure),
    Kind("fused_attention", "attention in several kernels", fused_attention.measure),
)
