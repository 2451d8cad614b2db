"""The rules by symptom, in the order in which causes come before what follows from them.

Other packages add rules by the entry point group `hasten.rules`: the name is the symptom, the value its function.
"""

from typing import Any

from hasten.base.registry import Registry
from hasten.diagnosis.rule import Rule

SYMPTOMS = (
    "thermal_or_contention",
    "input_bound",
    "loader_cpu_bound",
    "io_bound",
    "worker_skew",
    "h2d_bound",
    "thread_oversubscription",
    "host_bound",
    "small_kernels",
    "sync_points",
    "recompiles",
    "low_compute_efficiency",
    "precision_unused",
    "misaligned_shapes",
    "attention_unfused",
    "optimizer_heavy",
    "needless_checkpointing",
    "backward_anomaly",
    "padding_waste",
    "step_outliers",
    "eval_ckpt_overhead",
    "cold_start",
    "static_anti_patterns",
    "near_memory_limit",
    "memory_headroom",
    "memory_fragmentation",
    "memory_leak",
    "memory_hog",
)


def _adapt(name: str, offered: Any) -> Any:
    if not callable(offered):
        raise TypeError("a rule must be a function of a profile and a machine")
    return offered


RULES: Registry[Rule] = Registry(
    "rule",
    group="hasten.rules",
    built_in={name: f"hasten.diagnosis.speed.{name}:find" for name in SYMPTOMS},
    adapt=_adapt,
)
"""Symptom -> its rule. Techniques name the symptoms under `treats`."""


def register(symptom: str, rule: Rule) -> Rule:
    """Make a rule of one's own known in this process.

    Raises:
        BadInput: if the symptom has another rule.
    """
    return RULES.register(symptom, rule)
