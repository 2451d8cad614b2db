"""Faults of data, of losses that do not fit them, and of evaluation."""

from benchmarks.doctor.faults.edits import (
    CLASSES,
    DATA,
    REGRESSION,
    all_of,
    before,
    continuous,
    first_of,
    replace,
    where,
    without,
)
from benchmarks.doctor.faults.fault import Fault
from benchmarks.doctor.faults.wiring import STUCK, WILD

DATA_FAULTS = (
    Fault(
        "double_softmax",
        where(CLASSES, replace(r"(loss = .*)\(output, y\)", r"\1(output.softmax(-1), y)")),
        root=("double_softmax",),
        right=("log_of_probabilities",),
        true=("bounded_output", "vanishing_gradient", "weight_growth", *STUCK),
        structural=True,
    ),
    Fault(
        "softmax_in_model",
        where(CLASSES, replace(r"return self\.head\(h\)$", "return torch.softmax(self.head(h), dim=-1)")),
        root=("double_softmax",),
        right=("log_of_probabilities",),
        true=("bounded_output", "vanishing_gradient", "weight_growth", *STUCK),
        structural=True,
    ),
    Fault(
        "nll_of_probabilities",
        where(CLASSES, replace(r"loss = .*\(output, y\)", "loss = F.nll_loss(output.softmax(-1), y)")),
        root=("log_of_probabilities",),
        right=("wrong_loss_family",),
        true=("overfit", "bounded_output", "weight_growth", *STUCK),
        structural=True,
    ),
    Fault(
        "nll_of_logits",
        where(CLASSES, replace(r"loss = .*\(output, y\)", "loss = F.nll_loss(output, y)")),
        root=("log_of_probabilities", "wrong_loss_family"),
        true=("overfit", *WILD, "weight_growth", *STUCK, "direction_consistent"),
        structural=True,
    ),
    Fault(
        "bce_over_exclusive_classes",
        without(
            r"self\.head = nn\.Linear\(\d+, 2\)",
            where(
                CLASSES,
                replace(
                    r"loss = .*\(output, y\)",
                    "loss = F.binary_cross_entropy_with_logits(output, F.one_hot(y, output.shape[-1]).float())",
                ),
            ),
        ),
        root=("wrong_loss_family",),
        structural=True,
    ),
    Fault(
        "mse_of_class_indices",
        where(
            CLASSES,
            replace(r"loss = .*\(output, y\)", "loss = F.mse_loss(output, y.unsqueeze(-1).expand_as(output).float())"),
        ),
        root=("wrong_loss_family",),
        true=STUCK,
        structural=True,
    ),
    Fault(
        "cross_entropy_of_single_unit",
        where(
            r"binary_cross_entropy_with_logits\(output, y\)|BCEWithLogits",
            replace(
                r"loss = .*\(output, y\)",
                "loss = F.cross_entropy(output.unsqueeze(1), torch.zeros(len(y), dtype=torch.long))",
            ),
        ),
        root=("wrong_loss_family",),
        right=("loss_ignores_target", "double_softmax"),
        true=("vanishing_gradient", "parameter_unchanged", "labels_unfit", "targets_shuffled", *STUCK),
        structural=True,
    ),
    Fault(
        "relu_before_targets_below_zero",
        where(REGRESSION, replace(r"return self\.head\(h\)(.*)$", r"return torch.relu(self.head(h)\1)")),
        root=("bounded_output",),
        true=("dead_units", *STUCK),
    ),
    Fault(
        "sigmoid_before_unbounded_targets",
        where(REGRESSION, replace(r"return self\.head\(h\)(.*)$", r"return torch.sigmoid(self.head(h)\1)")),
        root=("bounded_output",),
        true=("saturated", *STUCK),
    ),
    Fault(
        "relu_before_cross_entropy",
        where(CLASSES, replace(r"return self\.head\(h\)$", "return torch.relu(self.head(h))")),
        root=("bounded_output",),
        true=("dead_units", *STUCK),
        structural=True,
    ),
    Fault(
        "sigmoid_before_cross_entropy",
        where(CLASSES, replace(r"return self\.head\(h\)$", "return torch.sigmoid(self.head(h))")),
        root=("bounded_output",),
        right=("double_softmax",),
        true=("saturated", "weight_growth", *STUCK),
        structural=True,
    ),
    Fault(
        "loss_broadcasts",
        where(REGRESSION, where(r"squeeze", replace(r"(loss = .*)\(output, y\)", r"\1(output.unsqueeze(1), y)"))),
        root=("loss_broadcasts",),
        true=STUCK,
        structural=True,
    ),
    Fault(
        "labels_constant",
        where("argmax|binary_cross", before(DATA, "y_train = torch.zeros_like(y_train)")),
        root=("labels_unfit",),
        right=("class_imbalance",),
        true=(
            "inputs_constant",
            "targets_shuffled",
            "validation_differs",
            "loss_ignores_target",
            "output_ignores_input",
            "overfit",
        ),
        structural=True,
    ),
    Fault(
        "labels_shifted",
        where(
            "argmax|cross_entropy",
            where(r"long|randint", before(DATA, "y_train = (y_train + 1) % (int(y_train.max()) + 1)")),
        ),
        root=("labels_unfit", "validation_differs", "target_shift"),
        true=("overfit",),
        structural=True,
    ),
    Fault(
        "targets_shuffled",
        before(
            DATA,
            "moved = torch.rand(len(y_train)) < DOSE\n"
            "y_train = y_train.clone()\n"
            "y_train[moved] = y_train[moved][torch.randperm(int(moved.sum()))]",
        ),
        root=("targets_shuffled",),
        true=(*STUCK, "overfit", "noise_dominated"),
        doses=(0.25, 0.5, 1.0),
    ),
    Fault(
        "inputs_unscaled",
        continuous(before(DATA, "x_train, x_valid = x_train * DOSE, x_valid * DOSE")),
        root=("inputs_unscaled",),
        right=("initial_loss_off",),
        true=(*WILD, "poor_init", "saturated", "dead_units", "layer_imbalance", "clip_dominated", *STUCK),
        doses=(5, 30, 255),
    ),
    Fault(
        "inputs_off_center",
        continuous(before(DATA, "x_train, x_valid = x_train + DOSE, x_valid + DOSE")),
        root=("inputs_unscaled",),
        right=("initial_loss_off",),
        true=("overfit", *WILD, "poor_init", "saturated", "dead_units", "layer_imbalance", "clip_dominated", *STUCK),
        doses=(3, 30, 300),
    ),
    Fault(
        "targets_unscaled",
        where(REGRESSION, before(DATA, "y_train, y_valid = y_train * DOSE, y_valid * DOSE")),
        root=("targets_unscaled",),
        true=(*WILD, "clip_dominated", "initial_loss_off", *STUCK),
        doses=(30, 300, 3000),
        structural=True,
    ),
    Fault(
        "inputs_zero",
        continuous(before(DATA, "x_train = torch.zeros_like(x_train)")),
        root=("inputs_constant",),
        right=("output_ignores_input", "targets_shuffled"),
        true=("validation_differs", "dead_units", "parameter_unchanged", "vanishing_gradient", *STUCK),
        structural=True,
    ),
    Fault(
        "features_constant",
        continuous(where(r"nn\.Linear\(\d\d+", before(DATA, "x_train[:, : int(x_train.shape[1] * DOSE)] = 0.0"))),
        root=("inputs_constant",),
        right=("validation_differs",),
        true=STUCK,
        doses=(0.25, 0.5, 0.9),
    ),
    Fault(
        "inputs_not_a_number",
        continuous(before(DATA, "x_train[5] = float('nan')")),
        root=("nonfinite", "inputs_constant"),
        true=("diverging", *STUCK),
        structural=True,
    ),
    Fault(
        "order_is_label_order",
        where(
            "argmax",
            all_of(
                before(DATA, "order = y_train.argsort(stable=True)\nx_train, y_train = x_train[order], y_train[order]"),
                first_of(
                    replace(r"shuffle=True", "shuffle=False"),
                    replace(r"torch\.randperm\((len\(x_train\))\)", r"torch.arange(\1)"),
                ),
            ),
        ),
        root=("ordered_data",),
        true=("loss_oscillates", "loss_spikes", "overfit", "direction_consistent", "exploding_gradient", *STUCK),
        structural=True,
    ),
    Fault(
        "same_batch_every_step",
        first_of(
            replace(r"in (enumerate\()?train_loader", r"in \1[next(iter(train_loader))] * len(train_loader)"),
            replace(
                r"for batch in order\.split\(BATCH\)", "for batch in [torch.arange(BATCH)] * (len(order) // BATCH)"
            ),
        ),
        root=("repeated_batches",),
        right=("overfit",),
        true=("inputs_constant", "ordered_data", "direction_consistent"),
        structural=True,
    ),
    Fault(
        "samples_duplicated",
        before(
            DATA,
            "few = max(16, int(len(x_train) * DOSE))\n"
            "x_train = x_train[torch.arange(len(x_train)) % few]\n"
            "y_train = y_train[torch.arange(len(y_train)) % few]",
        ),
        root=("repeated_batches",),
        right=("overfit",),
        true=("inputs_constant",),
        doses=(0.5, 0.1, 0.02),
    ),
    Fault(
        "validation_in_training",
        before(
            DATA,
            "part = int(len(x_valid) * DOSE)\n"
            "x_train, y_train = torch.cat([x_train, x_valid[:part]]), torch.cat([y_train, y_valid[:part]])",
        ),
        root=("leak_across_splits",),
        doses=(0.1, 0.5, 1.0),
        structural=True,
    ),
    Fault(
        "validation_scaled_differently",
        continuous(before(DATA, "x_valid = x_valid * DOSE")),
        root=("validation_differs",),
        true=("overfit",),
        doses=(0.1, 3, 16),
        structural=True,
    ),
    Fault(
        "validation_not_centered",
        continuous(before(DATA, "x_valid = x_valid + DOSE")),
        root=("validation_differs",),
        true=("overfit",),
        doses=(1, 3),
        structural=True,
    ),
    Fault(
        "validation_mirrored",
        where("Conv2d", before(DATA, "x_valid = x_valid.flip(-1)")),
        root=("validation_differs",),
        true=("overfit",),
        structural=True,
    ),
    Fault(
        "class_imbalance",
        where(
            "argmax",
            before(
                DATA,
                "kept = (y_train == 0) | (torch.rand(len(y_train)) < 1 / DOSE)\n"
                "x_train, y_train = x_train[kept], y_train[kept]\n"
                "again = torch.arange(1200) % len(x_train)\n"
                "x_train, y_train = x_train[again], y_train[again]",
            ),
        ),
        root=("class_imbalance",),
        right=("labels_unfit",),
        true=("repeated_batches", "overfit", "validation_differs"),
        doses=(10, 30, 100),
    ),
    Fault(
        "tiny_validation",
        before(DATA, "x_valid, y_valid = x_valid[:DOSE], y_valid[:DOSE]"),
        root=("tiny_validation",),
        doses=(20, 8),
        structural=True,
    ),
    Fault(
        "sum_instead_of_mean",
        first_of(
            replace(r"CrossEntropyLoss\(\)", "CrossEntropyLoss(reduction='sum')"),
            replace(r"MSELoss\(\)", "MSELoss(reduction='sum')"),
            replace(r"(loss = F\.\w+)\(output, (\w)\)", r"\1(output, \2, reduction='sum')"),
        ),
        root=("gradient_scale",),
        right=("update_too_large",),
        true=(*WILD, "clip_dominated", "initial_loss_off", *STUCK),
    ),
)
"""Faults of data, losses and evaluation."""
