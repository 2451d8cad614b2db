"""The techniques by name: one line each, and those of other packages by the entry point group `hasten.techniques`."""

from typing import Any

from hasten.base.errors import unknown_name
from hasten.base.records.card import Card
from hasten.base.registry import Registry
from hasten.training.technique import Technique

BUILT_IN = {
    "batched_gather": "input.batched_gather:BatchedGather",
    "resident": "input.resident:Resident",
    "fastest_loader": "input.fastest_loader:FastestLoader",
    "loader_threads": "input.loader_threads:LoaderThreads",
    "loader_process": "input.loader_threads:LoaderProcess",
    "loader_workers": "input.loader_threads:LoaderWorkers",
    "packed_store": "input.packed_store:PackedStore",
    "prefetch": "input.prefetch:Prefetch",
    "channels_last_delivery": "input.channels_last_delivery:ChannelsLastDelivery",
    "block_shuffle": "input.block_shuffle:BlockShuffle",
    "length_bucketing": "input.length_bucketing:LengthBucketing",
    "sequence_packing": "input.sequence_packing:SequencePacking",
    "augmentation": "input.augmentation:Augmentation",
    "batch_size": "input.batch_size:BatchSize",
    "infobatch": "input.infobatch:InfoBatch",
    "progressive_length": "input.curriculum:ProgressiveLength",
    "progressive_resolution": "input.curriculum:ProgressiveResolution",
    "light_activations": "model.light_activations:LightActivations",
    "low_rank_linear": "model.low_rank_linear:LowRank",
    "depthwise_separable": "model.depthwise_separable:DepthwiseSeparable",
    "freezing": "model.freezing:Freezing",
    "magnitude_pruning": "model.magnitude_pruning:MagnitudePruning",
    "semi_structured": "model.semi_structured:SemiStructured",
    "sparse_embedding": "model.sparse_embedding:SparseEmbedding",
    "sparse_input": "model.sparse_input:SparseInput",
    "onednn_fp32": "forward.onednn_fp32:OneDnnFp32",
    "channels_last": "forward.channels_last:ChannelsLast",
    "bf16": "forward.bf16:Bf16",
    "compile": "forward.compile:Compile",
    "cpu_runtime": "forward.cpu_runtime:CpuRuntime",
    "malloc_tuning": "forward.malloc_tuning:MallocTuning",
    "tf32": "forward.tf32:Tf32",
    "fp16": "forward.fp16:Fp16",
    "fp8": "forward.fp8:Fp8",
    "compile_regions": "forward.compile_regions:CompileRegions",
    "cuda_graphs": "forward.cuda_graphs:CudaGraphs",
    "fused_linear_cross_entropy": "forward.fused_linear_cross_entropy:FusedLinearCrossEntropy",
    "int8_linear": "forward.int8_linear:Int8Training",
    "sdpa": "forward.sdpa:Sdpa",
    "cpu_flash_attention": "forward.cpu_flash_attention:CpuFlashAttention",
    "math_attention": "forward.math_attention:MathAttention",
    "recorded_pass": "backward.recorded_pass:RecordedPass",
    "micro_batch": "backward.micro_batch:MicroBatch",
    "activation_checkpointing": "backward.activation_checkpointing:ActivationCheckpointing",
    "activation_checkpointing_selective": "backward.activation_checkpointing:ActivationCheckpointingSelective",
    "activation_checkpointing_budget": "backward.activation_checkpointing_budget:ActivationCheckpointingBudget",
    "optimizer_in_backward": "backward.optimizer_in_backward:OptimizerInBackward",
    "lossless_saved": "backward.saved_tensors:LosslessSaved",
    "int8_saved": "backward.saved_tensors:Int8Saved",
    "clip_norm": "gradient.clip:ClipNorm",
    "clip_value": "gradient.clip:ClipValue",
    "clip_adaptive": "gradient.clip:ClipAdaptive",
    "centralize": "gradient.centralize:Centralize",
    "nonfinite_guard": "gradient.nonfinite_guard:NonfiniteGuard",
    "fused_optimizer": "update.fused_optimizer:FusedOptimizer",
    "bf16_state": "update.low_precision_state:Bf16State",
    "int8_state": "update.low_precision_state:Int8State",
    "one_cycle": "update.one_cycle:OneCycle",
    "delayed_update": "update.delayed_update:DelayedUpdate",
    "ema": "update.averaging:Ema",
    "swa": "update.averaging:Swa",
    "schedule": "update.schedule:FallingRate",
    "optimizer_choice": "update.optimizers:OptimizerChoice",
    "muon_hybrid": "update.optimizers:MuonHybrid",
    "schedule_free": "update.optimizers:ScheduleFree",
    "prodigy": "update.optimizers:Prodigy",
    "soap": "update.optimizers:Soap",
    "ddp": "parallel.ddp:Ddp",
    "bf16_reduction": "parallel.ddp:Bf16Reduction",
    "shares_by_speed": "parallel.shares_by_speed:SharesBySpeed",
    "powersgd": "parallel.powersgd:PowerSgd",
    "fsdp": "parallel.fsdp:Fsdp",
    "fsdp_bf16": "parallel.fsdp:FsdpBf16",
    "tensor_parallel": "parallel.tensor_parallel:TensorParallel",
    "pipeline_parallel": "parallel.pipeline_parallel:PipelineParallel",
    "sync_batch_norm": "parallel.sync_batch_norm:SyncBatchNorm",
    "local_sgd": "parallel.local_sgd:LocalSgd",
    "diloco": "parallel.local_sgd:DiLoCo",
}
"""Name -> "module:class", the module relative to this package."""


def _adapt(name: str, offered: Any) -> type[Technique]:
    if not isinstance(offered, type) or not isinstance(getattr(offered, "card", None), Card):
        raise TypeError("it must be a class with a `card`")
    for method in ("refuse", "apply"):
        if not callable(getattr(offered, method, None)):
            raise TypeError(f"it lacks the method `{method}`")
    return offered


_TECHNIQUES: Registry[type[Technique]] = Registry(
    "technique",
    group="hasten.techniques",
    built_in={name: f"hasten.techniques.{place}" for name, place in BUILT_IN.items()},
    adapt=_adapt,
    name_of=lambda kind: kind.card.name,
)


def techniques() -> Registry[type[Technique]]:
    """Return name -> technique, hasten's own first, then those that installed packages offer."""
    return _TECHNIQUES


def own_techniques() -> list[type[Technique]]:
    """Return hasten's own techniques, in their order."""
    return [_TECHNIQUES[name] for name in BUILT_IN]


def technique(name: str) -> type[Technique]:
    """Return the technique of that name.

    Raises:
        BadInput: if there is none; the message has the nearest names.
    """
    if name not in techniques():
        raise unknown_name("technique", name, techniques())
    return techniques()[name]


def register(kind: type[Technique]) -> type[Technique]:
    """Make a technique of one's own known in this process, by the name on its card. May be used as a decorator.

    Raises:
        BadInput: if another technique has the name, or the class lacks a card, `refuse` or `apply`.
    """
    card = getattr(kind, "card", None)
    return techniques().register(card.name if isinstance(card, Card) else kind.__name__, kind)
