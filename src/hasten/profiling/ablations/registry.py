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
    Kind("cached_batch", "data loading", cached_batch.measure),
    Kind("doubled_batch", "fixed overhead", doubled_batch.measure),
    Kind("skipped_update", "the optimizer step", skipped_update.measure),
    Kind("thread_sweep", "the current number of threads", thread_sweep.measure),
    Kind("no_logging", "reports", no_logging.measure),
    Kind("padded_products", "misaligned matmuls", padded_products.measure),
    Kind("fused_attention", "unfused attention", fused_attention.measure),
)
