"""Faults of attention and of what stands around it."""

from benchmarks.doctor.faults.edits import MADE, after, all_of, before, first_of, replace, where
from benchmarks.doctor.faults.fault import Fault
from benchmarks.doctor.faults.wiring import STUCK, WILD

SCALED = r" / math\.sqrt\(width // self\.heads\)"
PROJECTED = r"q, k, v = .*"
POSITIONS = r" \+ self\.positions\(torch\.arange\(x\.shape\[1\]\)\)"
NORMS = (
    "for module in model.modules():\n    if isinstance(module, nn.LayerNorm):\n        module.weight.data.mul_(DOSE)"
)

TRANSFORMER = (
    Fault(
        "attends_to_future",
        replace(r"triu\(diagonal=1\)", "triu(diagonal=DOSE)"),
        root=("attends_to_future",),
        right=("target_shift", "targets_are_inputs"),
        true=("positions_unused",),
        doses=(2, 6, 24),
        structural=True,
    ),
    Fault(
        "attends_to_padding",
        replace(r"present = x != PADDING", "present = torch.ones_like(x, dtype=torch.bool)"),
        root=("attends_to_padding",),
        structural=True,
    ),
    Fault(
        "mask_inverted",
        first_of(
            replace(r"mask = present\[", "mask = ~present["),
            replace(r"masked_fill\(self\.mask", "masked_fill(~self.mask"),
        ),
        root=("nonfinite", "attends_to_padding", "attends_to_future"),
        true=("diverging", *STUCK),
        structural=True,
    ),
    Fault(
        "softmax_over_queries",
        replace(r"scores\.softmax\(dim=-1\)", "scores.softmax(dim=-2)"),
        root=("softmax_over_queries", "attends_to_future"),
        right=("attention_wrong_axis",),
        true=STUCK,
        structural=True,
    ),
    Fault(
        "scale_missing",
        first_of(replace(SCALED, ""), replace(r"attn_mask=mask\)", "attn_mask=mask, scale=1.0)")),
        root=("scale_missing",),
        right=("logits_too_large",),
        structural=True,
    ),
    Fault(
        "attention_logits_large",
        first_of(replace(SCALED, " * DOSE"), replace(r"attn_mask=mask\)", "attn_mask=mask, scale=DOSE)")),
        root=("logits_too_large", "attention_collapsed", "scale_missing"),
        true=(*WILD, *STUCK, "saturated", "heads_alike", "layer_imbalance", "clip_dominated"),
        doses=(10, 100, 1000),
    ),
    Fault(
        "queries_zero",
        after(PROJECTED, "q = torch.zeros_like(q)"),
        root=("attention_uniform",),
        right=("parameter_unreached",),
        true=("parameter_unchanged", "heads_alike", "positions_unused", *STUCK),
        structural=True,
    ),
    Fault(
        "heads_tied",
        after(PROJECTED, "q, k = q[:, :1].expand_as(q), k[:, :1].expand_as(k)"),
        root=("heads_alike",),
        structural=True,
    ),
    Fault(
        "residual_missing",
        first_of(
            replace(r"x = x \+ self\.attention\(", "x = self.attention("),
            replace(r"x = x \+ self\.out\(", "x = self.out("),
        ),
        root=("residual_collapsed", "vanishing_gradient"),
        right=("positions_unused",),
        true=(*STUCK, "poor_init", "layer_imbalance", "attention_uniform", "targets_shuffled"),
    ),
    Fault(
        "residual_branch_large",
        replace(r"return x \+ self\.mlp\(", "return x + DOSE * self.mlp("),
        root=("residual_collapsed", "poor_init"),
        right=("exploding_gradient", "vanishing_gradient"),
        true=(*WILD, *STUCK, "layer_imbalance", "clip_dominated", "attention_collapsed", "logits_too_large"),
        doses=(10, 100, 1000),
    ),
    Fault(
        "norm_gains_large",
        where("LayerNorm", before(MADE, NORMS)),
        root=("norm_gain_off",),
        right=("initial_loss_off", "poor_init", "logits_too_large"),
        true=(*WILD, *STUCK, "layer_imbalance", "clip_dominated", "attention_collapsed", "residual_collapsed"),
        doses=(3, 10, 50),
    ),
    Fault(
        "norm_gains_small",
        where("LayerNorm", before(MADE, NORMS)),
        root=("norm_gain_off",),
        right=("vanishing_gradient", "poor_init"),
        true=(*STUCK, "layer_imbalance", "attention_uniform", "residual_collapsed", "positions_unused"),
        doses=(0.3, 0.03, 0.001),
    ),
    Fault(
        "positions_left_out",
        replace(POSITIONS, ""),
        root=("positions_unused", "parameter_unreached"),
        true=("parameter_unchanged", *STUCK),
        structural=True,
    ),
    Fault(
        "positions_zero",
        all_of(replace(POSITIONS, " + 0.0 * self.positions(torch.arange(x.shape[1]))")),
        root=("positions_unused", "gradient_zero"),
        right=("parameter_unreached",),
        true=("parameter_unchanged", "layer_imbalance", *STUCK),
        structural=True,
    ),
    Fault(
        "targets_are_inputs",
        replace(r"x, y = windows\[:, :-1\], windows\[:, 1:\]", "x, y = windows[:, :-1], windows[:, :-1]"),
        root=("target_shift",),
        structural=True,
    ),
    Fault(
        "targets_shifted_by_two",
        replace(r"x, y = windows\[:, :-1\], windows\[:, 1:\]", "x, y = windows[:, :-2], windows[:, 2:]"),
        root=("target_shift",),
        structural=True,
    ),
)
"""Faults of transformers."""
