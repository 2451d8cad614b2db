"""Every technique, one line each; techniques of other packages come in by the entry point group `hasten.techniques`."""

from functools import cache
from importlib.metadata import entry_points

from hasten.base.errors import unknown_name
from hasten.techniques.backward.activation_checkpointing import (
    ActivationCheckpointing,
    ActivationCheckpointingSelective,
)
from hasten.techniques.backward.activation_checkpointing_budget import ActivationCheckpointingBudget
from hasten.techniques.backward.micro_batch import MicroBatch
from hasten.techniques.backward.optimizer_in_backward import OptimizerInBackward
from hasten.techniques.backward.saved_tensors import Int8Saved, LosslessSaved
from hasten.techniques.forward.bf16 import Bf16
from hasten.techniques.forward.channels_last import ChannelsLast
from hasten.techniques.forward.compile import Compile
from hasten.techniques.forward.compile_regions import CompileRegions
from hasten.techniques.forward.cpu_flash_attention import CpuFlashAttention
from hasten.techniques.forward.cpu_runtime import CpuRuntime
from hasten.techniques.forward.cuda_graphs import CudaGraphs
from hasten.techniques.forward.fp8 import Fp8
from hasten.techniques.forward.fp16 import Fp16
from hasten.techniques.forward.fused_linear_cross_entropy import FusedLinearCrossEntropy
from hasten.techniques.forward.int8_linear import Int8Training
from hasten.techniques.forward.malloc_tuning import MallocTuning
from hasten.techniques.forward.math_attention import MathAttention
from hasten.techniques.forward.onednn_fp32 import OneDnnFp32
from hasten.techniques.forward.sdpa import Sdpa
from hasten.techniques.forward.tf32 import Tf32
from hasten.techniques.gradient.centralize import Centralize
from hasten.techniques.gradient.clip import ClipAdaptive, ClipNorm, ClipValue
from hasten.techniques.gradient.nonfinite_guard import NonfiniteGuard
from hasten.techniques.input.augmentation import Augmentation
from hasten.techniques.input.batch_size import BatchSize
from hasten.techniques.input.batched_gather import BatchedGather
from hasten.techniques.input.block_shuffle import BlockShuffle
from hasten.techniques.input.channels_last_delivery import ChannelsLastDelivery
from hasten.techniques.input.curriculum import ProgressiveLength, ProgressiveResolution
from hasten.techniques.input.fastest_loader import FastestLoader
from hasten.techniques.input.infobatch import InfoBatch
from hasten.techniques.input.length_bucketing import LengthBucketing
from hasten.techniques.input.loader_threads import LoaderProcess, LoaderThreads, LoaderWorkers
from hasten.techniques.input.packed_store import PackedStore
from hasten.techniques.input.prefetch import Prefetch
from hasten.techniques.input.resident import Resident
from hasten.techniques.input.sequence_packing import SequencePacking
from hasten.techniques.model.depthwise_separable import DepthwiseSeparable
from hasten.techniques.model.freezing import Freezing
from hasten.techniques.model.light_activations import LightActivations
from hasten.techniques.model.low_rank_linear import LowRank
from hasten.techniques.model.magnitude_pruning import MagnitudePruning
from hasten.techniques.model.semi_structured import SemiStructured
from hasten.techniques.model.sparse_embedding import SparseEmbedding
from hasten.techniques.model.sparse_input import SparseInput
from hasten.techniques.update.averaging import Ema, Swa
from hasten.techniques.update.delayed_update import DelayedUpdate
from hasten.techniques.update.fused_optimizer import FusedOptimizer
from hasten.techniques.update.low_precision_state import Bf16State, Int8State
from hasten.techniques.update.one_cycle import OneCycle
from hasten.techniques.update.optimizers import MuonHybrid, OptimizerChoice, Prodigy, ScheduleFree, Soap
from hasten.techniques.update.schedule import FallingRate
from hasten.training.technique import Technique

OWN: tuple[type[Technique], ...] = (
    BatchedGather,
    Resident,
    FastestLoader,
    LoaderThreads,
    LoaderProcess,
    LoaderWorkers,
    PackedStore,
    Prefetch,
    ChannelsLastDelivery,
    BlockShuffle,
    LengthBucketing,
    SequencePacking,
    Augmentation,
    BatchSize,
    InfoBatch,
    ProgressiveLength,
    ProgressiveResolution,
    LightActivations,
    LowRank,
    DepthwiseSeparable,
    Freezing,
    MagnitudePruning,
    SemiStructured,
    SparseEmbedding,
    SparseInput,
    OneDnnFp32,
    ChannelsLast,
    Bf16,
    Compile,
    CpuRuntime,
    MallocTuning,
    Tf32,
    Fp16,
    Fp8,
    CompileRegions,
    CudaGraphs,
    FusedLinearCrossEntropy,
    Int8Training,
    Sdpa,
    CpuFlashAttention,
    MathAttention,
    MicroBatch,
    ActivationCheckpointing,
    ActivationCheckpointingSelective,
    ActivationCheckpointingBudget,
    OptimizerInBackward,
    LosslessSaved,
    Int8Saved,
    ClipNorm,
    ClipValue,
    ClipAdaptive,
    Centralize,
    NonfiniteGuard,
    FusedOptimizer,
    Bf16State,
    Int8State,
    OneCycle,
    DelayedUpdate,
    Ema,
    Swa,
    FallingRate,
    OptimizerChoice,
    MuonHybrid,
    ScheduleFree,
    Prodigy,
    Soap,
)


@cache
def techniques() -> dict[str, type[Technique]]:
    """Return name -> technique, hasten's own first, then those that installed packages offer."""
    found = {kind.card.name: kind for kind in OWN}
    for point in entry_points(group="hasten.techniques"):
        kind = point.load()
        found.setdefault(kind.card.name, kind)
    return found


def technique(name: str) -> type[Technique]:
    """Return the technique of that name.

    Raises:
        BadInput: if there is none; the message has the nearest names.
    """
    if name not in techniques():
        raise unknown_name("technique", name, techniques())
    return techniques()[name]
