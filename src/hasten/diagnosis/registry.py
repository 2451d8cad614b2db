"""The rules by symptom, in the order in which causes come before what follows from them.

Rules of the tiers S and M look at a profile, the others at the health of a training. Each has an identifier that is
never given to another rule. Other packages add rules by the entry points `hasten.rules` (of profiles) and
`hasten.health_rules`: the name is the symptom, the value its function.
"""

from enum import StrEnum
from typing import Any

from hasten.base.registry import Registry
from hasten.diagnosis.rule import HealthRule, Rule


class Tier(StrEnum):
    """Kinds of rules by what they look at, the cheapest first."""

    WIRING = "W"
    DATA = "E"
    DYNAMICS = "D"
    TRANSFORMER = "T"
    SPEED = "S"
    MEMORY = "M"


_FOLDERS = {
    Tier.WIRING: "wiring",
    Tier.DATA: "data",
    Tier.DYNAMICS: "dynamics",
    Tier.TRANSFORMER: "attention",
    Tier.SPEED: "speed",
    Tier.MEMORY: "speed",
}

SPEED = {
    "S19": "thermal_or_contention",
    "S1": "input_bound",
    "S2a": "loader_cpu_bound",
    "S2b": "io_bound",
    "S2c": "worker_skew",
    "S3": "h2d_bound",
    "S20": "thread_oversubscription",
    "S4": "host_bound",
    "S5": "small_kernels",
    "S6": "sync_points",
    "S15": "recompiles",
    "S7": "low_compute_efficiency",
    "S8": "precision_unused",
    "S9": "misaligned_shapes",
    "S10": "attention_unfused",
    "S11": "optimizer_heavy",
    "S13": "needless_checkpointing",
    "S12": "backward_anomaly",
    "S14": "padding_waste",
    "S16": "step_outliers",
    "S17": "eval_ckpt_overhead",
    "S18": "cold_start",
    "S21": "static_anti_patterns",
    "M1": "near_memory_limit",
    "M2": "memory_headroom",
    "M3": "memory_fragmentation",
    "M4": "memory_leak",
    "M5": "memory_hog",
}
"""Identifier -> symptom of the rules about time and memory."""

SYMPTOMS = tuple(SPEED.values())

HEALTH = {
    "W21": "update_missing",
    "W1": "loss_detached",
    "W13": "output_ignores_input",
    "W14": "loss_ignores_target",
    "W4": "foreign_in_optimizer",
    "W2": "not_in_optimizer",
    "W20": "unregistered_parameter",
    "W3": "parameter_unreached",
    "W6": "parameter_unchanged",
    "W7": "frozen_changed",
    "W49": "freeze_without_effect",
    "W23": "replicas_differ",
    "W5": "gradients_not_cleared",
    "W8": "accumulation_not_divided",
    "W18": "clipping_wrong",
    "W25": "optimizer_recreated",
    "W19": "schedule_wrong",
    "W9": "eval_mode_in_training",
    "W10": "train_mode_in_evaluation",
    "W11": "evaluation_not_deterministic",
    "W12": "evaluation_records_gradients",
    "W15": "samples_mixed",
    "W24": "reloaded_differs",
    "W17": "autocast_without_effect",
    "W22": "same_random_numbers",
    "W26": "dropout_too_strong",
    "W36": "softmax_over_queries",
    "W45": "term_without_gradient",
    "W47": "target_not_detached",
    "W56": "gradients_still_scaled",
    "W57": "mean_within_loss",
    "W58": "loss_terms_unbalanced",
    "W59": "mask_as_indices",
    "W60": "terms_overwritten",
    "W50": "weights_cancel",
    "W51": "ratio_always_one",
    "W52": "returns_misordered",
    "W53": "terminal_bootstrapped",
    "W27": "no_activation",
    "W37": "softmax_between_layers",
    "W38": "bottleneck",
    "W39": "norm_batch_tiny",
    "W40": "penalty_dominates",
    "W28": "load_without_effect",
    "W46": "resumed_without_state",
    "W48": "state_misplaced",
    "W33": "backward_wrong",
    "W32": "gradients_discarded",
    "W34": "loss_of_other_optimizer",
    "W35": "frozen_at_random",
    "W29": "target_never_updated",
    "W30": "evaluates_untrained",
    "W31": "norm_statistics_stale",
    "W16": "initial_loss_off",
    "E19": "axes_scrambled",
    "E5": "loss_broadcasts",
    "E1": "double_softmax",
    "E2": "log_of_probabilities",
    "E3": "wrong_loss_family",
    "E4": "bounded_output",
    "E18": "padding_in_loss",
    "E10": "inputs_constant",
    "E11": "ordered_data",
    "E27": "targets_inverted",
    "E30": "positive_is_self",
    "E6": "labels_unfit",
    "E16": "target_shift",
    "E7": "targets_shuffled",
    "E25": "order_repeats",
    "E12": "repeated_batches",
    "E31": "stored_changes",
    "E8": "inputs_unscaled",
    "E9": "targets_unscaled",
    "E26": "evaluation_augmented",
    "E14": "validation_differs",
    "E13": "leak_across_splits",
    "E17": "tiny_validation",
    "E28": "evaluation_wrong",
    "E15": "class_imbalance",
    "T2": "attends_to_future",
    "T1": "attends_to_padding",
    "T9": "positions_unused",
    "T10": "crosses_documents",
    "T11": "scale_missing",
    "T8": "norm_gain_off",
    "T6": "logits_too_large",
    "T7": "residual_collapsed",
    "T4": "attention_uniform",
    "T3": "attention_collapsed",
    "T5": "heads_alike",
    "D28": "loss_sign",
    "D12": "poor_init",
    "D3": "overflow_risk",
    "D18": "weight_growth",
    "D17": "clip_dominated",
    "D26": "schedule_mismatch",
    "D9": "layer_imbalance",
    "D19": "gradient_scale",
    "D8": "update_too_large",
    "D1": "nonfinite",
    "D2": "scaler_skips",
    "D10": "dead_units",
    "D11": "saturated",
    "D4": "exploding_gradient",
    "D5": "vanishing_gradient",
    "D29": "gradient_zero",
    "D6": "adam_eps_bound",
    "D7": "update_too_small",
    "D13": "noise_dominated",
    "D16": "edge_of_stability",
    "D14": "direction_zigzag",
    "D22": "diverging",
    "D23": "loss_spikes",
    "D24": "loss_oscillates",
    "D27": "slow_convergence",
    "D30": "too_few_steps",
    "D15": "direction_consistent",
    "D21": "plateau",
    "D20": "not_learning",
    "D25": "overfit",
}
"""Identifier -> symptom of the rules about health; the letter is the tier."""

IDENTIFIERS = {symptom: identifier for identifier, symptom in (HEALTH | SPEED).items()}


def tier_of(symptom: str) -> Tier | None:
    """Return the tier of a rule; None for one that is not built in."""
    return Tier(IDENTIFIERS[symptom][0]) if symptom in IDENTIFIERS else None


def module_of(symptom: str) -> str:
    """Return the module of a built-in rule, whose docstring is its page."""
    return f"hasten.diagnosis.{_FOLDERS[Tier(IDENTIFIERS[symptom][0])]}.{symptom}"


def _adapt(name: str, offered: Any) -> Any:
    if not callable(offered):
        raise TypeError("a rule must be a function")
    return offered


RULES: Registry[Rule] = Registry(
    "rule",
    group="hasten.rules",
    built_in={symptom: f"{module_of(symptom)}:find" for symptom in SPEED.values()},
    adapt=_adapt,
)
"""Symptom -> its rule about profiles. Techniques name the symptoms under `treats`."""

HEALTH_RULES: Registry[HealthRule] = Registry(
    "health rule",
    group="hasten.health_rules",
    built_in={symptom: f"{module_of(symptom)}:find" for symptom in HEALTH.values()},
    adapt=_adapt,
)
"""Symptom -> its rule about health."""


def register(symptom: str, rule: Rule) -> Rule:
    """Make a rule of one's own about profiles known in this process.

    Raises:
        BadInput: if the symptom has another rule.
    """
    return RULES.register(symptom, rule)


def register_health(symptom: str, rule: HealthRule) -> HealthRule:
    """Make a rule of one's own about the health of a training known in this process.

    Raises:
        BadInput: if the symptom has another rule.
    """
    return HEALTH_RULES.register(symptom, rule)
