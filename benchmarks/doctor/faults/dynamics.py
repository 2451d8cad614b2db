"""Faults of dynamics: step size, initialization, depth, numbers."""

from benchmarks.doctor.faults.edits import (
    BACKWARD,
    DATA,
    MADE,
    UPDATE,
    after,
    all_of,
    before,
    continuous,
    first_of,
    replace,
    scaled,
    where,
    without,
)
from benchmarks.doctor.faults.fault import Fault
from benchmarks.doctor.faults.wiring import STUCK, WILD

MATRICES = "for parameter in model.parameters():\n    if parameter.dim() > 1:\n        "

SETS_RATE = "OneCycleLR|LambdaLR"
"""Schedules that set the learning rate at each step whatever it was."""

DYNAMICS = (
    Fault(
        "learning_rate_large",
        first_of(scaled(r"max_lr=([\d.e-]+)"), scaled(r"\blr=([\d.e-]+)")),
        root=("update_too_large", "diverging"),
        right=(
            "loss_oscillates",
            "exploding_gradient",
            "nonfinite",
            "loss_spikes",
            "direction_zigzag",
            "edge_of_stability",
        ),
        true=(
            "dead_units",
            "saturated",
            "weight_growth",
            "not_learning",
            "plateau",
            "clip_dominated",
            "layer_imbalance",
        ),
        doses=(3, 10, 30, 100, 1000),
    ),
    Fault(
        "learning_rate_small",
        first_of(scaled(r"max_lr=([\d.e-]+)"), scaled(r"\blr=([\d.e-]+)")),
        root=("update_too_small", "slow_convergence", "not_learning"),
        right=("direction_consistent",),
        true=("plateau", "schedule_mismatch"),
        doses=(0.1, 0.01, 0.001, 0.0001),
    ),
    Fault(
        "learning_rate_grows",
        without(
            SETS_RATE,
            all_of(
                after(MADE, "growing = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=DOSE)"),
                after(UPDATE, "growing.step()"),
            ),
        ),
        root=("update_too_large", "diverging", "schedule_wrong"),
        right=("loss_oscillates", "exploding_gradient", "nonfinite", "loss_spikes", "schedule_mismatch"),
        true=("dead_units", "saturated", "weight_growth", "plateau", "clip_dominated", "layer_imbalance"),
        doses=(1.01, 1.03, 1.06),
    ),
    Fault(
        "schedule_ends_early",
        without(
            SETS_RATE,
            all_of(
                after(MADE, "ending = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=DOSE)"),
                after(UPDATE, "ending.step()"),
            ),
        ),
        root=("schedule_mismatch", "schedule_wrong"),
        right=("update_too_small",),
        true=("plateau", "slow_convergence", "not_learning"),
        doses=(0.97, 0.9, 0.7),
    ),
    Fault(
        "momentum_extreme",
        where(r"SGD", replace(r"momentum=0\.9", "momentum=DOSE")),
        root=("update_too_large", "diverging", "loss_oscillates", "direction_consistent"),
        right=("loss_spikes", "exploding_gradient", "nonfinite"),
        true=("dead_units", "weight_growth", "not_learning", "plateau", "clip_dominated"),
        doses=(0.99, 0.999),
    ),
    Fault(
        "beta_extreme",
        replace(r"(optim\.Adam\w*\(.*?)\)$", r"\1, betas=(DOSE, 0.999))"),
        root=("update_too_large", "diverging", "loss_oscillates", "direction_consistent"),
        right=("loss_spikes", "slow_convergence"),
        true=("not_learning", "plateau", "exploding_gradient"),
        doses=(0.99, 0.999),
    ),
    Fault(
        "weights_large_at_start",
        before(MADE, "for parameter in model.parameters():\n    parameter.data.mul_(DOSE)"),
        root=("poor_init", "initial_loss_off"),
        right=("exploding_gradient", "saturated", "norm_gain_off"),  # gains are multiplied as well
        true=(
            *WILD,
            *STUCK,
            "dead_units",
            "layer_imbalance",
            "clip_dominated",
            "logits_too_large",
            "attention_collapsed",
        ),
        doses=(3, 10, 100),
    ),
    Fault(
        "weights_small_at_start",
        before(MADE, f"{MATRICES}parameter.data.mul_(DOSE)"),
        root=("poor_init", "vanishing_gradient"),
        right=("output_ignores_input",),
        true=(*STUCK, "layer_imbalance", "attention_uniform", "adam_eps_bound"),
        doses=(0.3, 0.1, 0.01),
    ),
    Fault(
        "weights_zero_at_start",
        before(
            MADE,
            f"{MATRICES}torch.nn.init.zeros_(parameter)",
        ),
        root=("poor_init", "vanishing_gradient", "dead_units"),
        right=("output_ignores_input", "parameter_unchanged"),
        true=(*STUCK, "layer_imbalance", "attention_uniform", "heads_alike", "saturated"),
    ),
    Fault(
        "weights_equal_at_start",
        before(
            MADE,
            f"{MATRICES}torch.nn.init.constant_(parameter, 0.05)",
        ),
        root=("poor_init",),
        right=("heads_alike",),
        true=(*STUCK, "layer_imbalance", "attention_uniform", "initial_loss_off", "dead_units", "output_ignores_input"),
    ),
    Fault(
        "deep_sigmoids",
        all_of(
            first_of(replace(r"F\.relu\(", "torch.sigmoid("), replace(r"torch\.tanh\(", "torch.sigmoid(")),
            replace(r"^DEPTH = \d+", "DEPTH = DOSE"),
        ),
        root=("vanishing_gradient",),
        right=("poor_init", "saturated"),
        true=("layer_imbalance", "output_ignores_input", *STUCK),
        doses=(2, 5, 10),
    ),
    Fault(
        "deep_without_normalization",
        replace(r"^DEPTH = \d+", "DEPTH = DOSE"),
        root=("vanishing_gradient", "poor_init"),
        right=("dead_units",),
        true=("layer_imbalance", "output_ignores_input", *STUCK),
        doses=(8, 16, 30),
    ),
    Fault(
        "dead_units",
        where(
            r"relu",
            before(
                MADE,
                "for name, parameter in model.named_parameters():\n"
                "    if name.endswith('bias') and 'head' not in name:\n"
                "        parameter.data.sub_(DOSE)",
            ),
        ),
        root=("dead_units",),
        right=("poor_init",),
        true=("parameter_unchanged", "output_ignores_input", "vanishing_gradient", "layer_imbalance", *STUCK),
        doses=(1, 3, 10),
    ),
    Fault(
        "epsilon_large",
        replace(r"(optim\.Adam\w*\(.*?)\)$", r"\1, eps=DOSE)"),
        root=("adam_eps_bound",),
        right=("update_too_small",),
        true=("slow_convergence", *STUCK),
        doses=(0.001, 0.01, 0.1, 1.0),
    ),
    Fault(
        "clipping_too_tight",
        first_of(
            replace(r"clip_grad_norm_\(model\.parameters\(\), [\d.]+\)", "clip_grad_norm_(model.parameters(), DOSE)"),
            after(BACKWARD, "torch.nn.utils.clip_grad_norm_(model.parameters(), DOSE)"),
        ),
        root=("clip_dominated",),
        right=("update_too_small", "adam_eps_bound"),
        true=("slow_convergence", *STUCK),
        doses=(0.1, 0.01, 0.001),
    ),
    Fault(
        "weight_decay_huge",
        first_of(
            replace(r"weight_decay=[\d.e-]+", "weight_decay=DOSE"),
            replace(r"(optim\.\w+\(model.*?)\)$", r"\1, weight_decay=DOSE)"),
        ),
        root=("weight_decay_dominated", "not_learning", "weight_growth"),
        right=("plateau", "vanishing_gradient", "output_ignores_input"),
        true=(*STUCK, "update_too_large", "dead_units", "layer_imbalance", "attention_uniform"),
        doses=(0.1, 1, 10),
    ),
    Fault(
        "square_root_of_zero",
        before(r"return self\.head\(h\).*", "h = h * (h > 0)\nh = torch.sqrt(h * h)"),
        root=("nonfinite",),
        true=("diverging", *STUCK),
        structural=True,
    ),
    Fault(
        "logarithm_of_zero",
        before(r"return self\.head\(h\).*", "h = torch.log(F.relu(h))"),
        root=("nonfinite",),
        true=("diverging", *STUCK),
        structural=True,
    ),
    Fault(
        "outlier_samples",
        continuous(before(DATA, "x_train = x_train.clone()\nx_train[::97] *= DOSE")),
        root=("exploding_gradient", "loss_spikes", "inputs_unscaled"),
        right=("validation_differs",),
        true=(*WILD, "dead_units", "clip_dominated", "initial_loss_off", "saturated"),
        doses=(30, 300, 3000),
    ),
    Fault(
        "batch_tiny",
        first_of(
            all_of(
                replace(r"batch_size=\d+, shuffle", "batch_size=DOSE, shuffle"),
                replace(r"in (enumerate\()?train_loader(\))?:$", r"in \1list(train_loader)[:24]\2:"),
            ),
            replace(r"order\.split\(BATCH\)", "order.split(DOSE)[:20]"),
        ),
        root=("noise_dominated",),
        right=("loss_oscillates",),
        true=(
            *STUCK,
            "loss_spikes",
            "exploding_gradient",
            "direction_zigzag",
            "schedule_wrong",
        ),
        doses=(8, 4, 2),
    ),
    Fault(
        "training_set_tiny",
        before(
            DATA,
            "few = torch.arange(len(x_train)) % DOSE\nx_train, y_train = x_train[few], y_train[few]",
        ),
        root=("overfit", "repeated_batches"),
        true=("inputs_constant",),
        doses=(300, 100, 30),
    ),
    Fault(
        "head_learns_much_faster",
        without(
            SETS_RATE,
            replace(
                r"(optim\.\w+)\(model\.parameters\(\), lr=([\d.e-]+)",
                r"\1([{'params': model.head.parameters(), 'lr': \2 * DOSE}, "
                r"{'params': [p for n, p in model.named_parameters() if 'head' not in n]}], lr=\2",
            ),
        ),
        root=("layer_imbalance", "update_too_large"),
        right=("diverging", "loss_oscillates", "loss_spikes", "exploding_gradient"),
        true=("weight_growth", "nonfinite", "clip_dominated", "dead_units", *STUCK),
        doses=(30, 300, 3000),
    ),
    Fault(
        "loss_maximized",
        replace(BACKWARD, "(-loss).backward()"),
        root=("loss_sign",),
        right=("diverging", "nonfinite"),
        true=(
            "weight_growth",
            "update_too_large",
            "exploding_gradient",
            "direction_consistent",
            "loss_spikes",
            "clip_dominated",
            *STUCK,
        ),
        structural=True,
    ),
    Fault(
        "logits_scaled",
        replace(r"return self\.head\(h\)", "return DOSE * self.head(h)"),
        root=("initial_loss_off", "poor_init"),
        right=("logits_too_large",),
        true=(*WILD, "clip_dominated", "layer_imbalance", "slow_convergence", "saturated"),
        doses=(3, 10, 100),
    ),
)
"""Faults of dynamics."""
