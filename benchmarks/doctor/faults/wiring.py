"""Faults of wiring: how model, loss, optimizer and loop hang together."""

from benchmarks.doctor.faults.edits import (
    BACKWARD,
    CLASSES,
    MADE,
    UPDATE,
    after,
    all_of,
    before,
    continuous,
    delete,
    first_of,
    replace,
    where,
    without,
)
from benchmarks.doctor.faults.fault import Fault

STUCK = ("not_learning", "plateau", "slow_convergence", "update_too_small", "initial_loss_off")
"""What is also true of a training that does not move."""
UNTRAINED = ("parameter_unreached", "parameter_unchanged", "not_in_optimizer", *STUCK)
WILD = ("diverging", "nonfinite", "loss_oscillates", "loss_spikes", "exploding_gradient", "update_too_large")
"""What is also true of a training whose updates are too large."""

NOISY = """\
import numpy


class Noisy(torch.utils.data.Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y
        self.generator = numpy.random.default_rng(0)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        noise = self.generator.normal(0.0, 0.1, self.x[index].shape)
        return self.x[index] + torch.as_tensor(noise, dtype=torch.float32), self.y[index]


"""
"""A dataset that augments by a generator of its own, which every worker gets a copy of."""

DECAYS = all_of(
    replace(r"optimizer\.zero_grad\(\)", "optimizer.zero_grad(set_to_none=False)"),
    replace(r"(optim\.(?:SGD|AdamW|Adam)\(.*?)(?:, weight_decay=[\d.e-]+)?\)$", r"\1, weight_decay=0.1)"),
)
"""Gradients of 0 instead of none, and a weight decay that moves what has them."""

WIRING = (
    Fault(
        "loss_detached",
        replace(BACKWARD, "loss.detach().requires_grad_().backward()"),
        root=("loss_detached",),
        true=("clipping_wrong", *UNTRAINED),
        structural=True,
    ),
    Fault(
        "output_detached",
        before(r"loss = .*output.*", "output = output.detach().requires_grad_()"),
        root=("loss_detached",),
        right=("parameter_unreached",),
        true=("clipping_wrong", *UNTRAINED),
        structural=True,
    ),
    Fault(
        "backward_missing",
        delete(BACKWARD),
        root=("loss_detached",),
        right=("update_missing", "parameter_unchanged"),
        true=UNTRAINED,
        structural=True,
    ),
    Fault(
        "update_missing",
        delete(UPDATE),
        root=("update_missing",),
        true=(*UNTRAINED, "gradients_not_cleared", "schedule_wrong"),
        structural=True,
    ),
    Fault(
        "head_not_in_optimizer",
        replace(
            r"(optim\.\w+)\(model\.parameters\(\)", r"\1([p for n, p in model.named_parameters() if 'head' not in n]"
        ),
        root=("not_in_optimizer",),
        true=("parameter_unchanged", "layer_imbalance", *STUCK),
        structural=True,
    ),
    Fault(
        "first_layer_not_in_optimizer",
        where(
            r"self\.first = ",
            replace(
                r"(optim\.\w+)\(model\.parameters\(\)",
                r"\1([p for n, p in model.named_parameters() if 'first' not in n]",
            ),
        ),
        root=("not_in_optimizer",),
        true=("parameter_unchanged", "layer_imbalance", *STUCK),
        structural=True,
    ),
    Fault(
        "head_replaced_after_optimizer",
        after(MADE, "model.head = type(model.head)(model.head.in_features, model.head.out_features)"),
        root=("not_in_optimizer", "foreign_in_optimizer"),
        true=("parameter_unchanged", *STUCK),
        structural=True,
    ),
    Fault(
        "model_copied_after_optimizer",
        after(MADE, "import copy\nmodel = copy.deepcopy(model)"),
        root=("not_in_optimizer", "foreign_in_optimizer"),
        true=(*UNTRAINED, "gradients_not_cleared", "update_missing"),
        structural=True,
    ),
    Fault(
        "block_detached",
        replace(r"^( +)h = (?!h\b)(.+)$", r"\1h = (\2).detach()", count=1),
        root=("parameter_unreached",),
        true=("parameter_unchanged", "layer_imbalance", "vanishing_gradient", *STUCK),
        structural=True,
    ),
    Fault(
        "block_without_gradients",
        replace(r"^( +)h = (?!h\b)(.+)$", r"\1with torch.no_grad():\n\1    h = \2", count=1),
        root=("parameter_unreached",),
        true=("parameter_unchanged", "layer_imbalance", "vanishing_gradient", *STUCK),
        structural=True,
    ),
    Fault(
        "layer_unused",
        before(r"self\.head = .*", "self.middle = nn.Linear(32, 32)"),
        root=("parameter_unreached",),
        true=("parameter_unchanged",),
        structural=True,
    ),
    Fault(
        "gradients_not_cleared",
        delete(r"optimizer\.zero_grad\(.*\)"),
        root=("gradients_not_cleared",),
        true=(
            "overfit",
            *WILD,
            "direction_consistent",
            "clip_dominated",
            "weight_growth",
            "accumulation_not_divided",
            *STUCK,
        ),
        structural=True,
    ),
    Fault(
        "gradients_cleared_before_update",
        all_of(delete(r"optimizer\.zero_grad\(.*\)"), after(BACKWARD, "optimizer.zero_grad()")),
        root=("parameter_unchanged", "update_missing"),
        right=("loss_detached",),
        true=(*UNTRAINED, "frozen_changed", "clipping_wrong"),
        structural=True,
    ),
    Fault(
        "learning_rate_zero",
        without("OneCycleLR", replace(r"\blr=[\d.e-]+", "lr=0.0", count=1)),
        root=("parameter_unchanged",),
        right=("update_too_small",),
        true=UNTRAINED,
        structural=True,
    ),
    Fault(
        "frozen_layer_decays",
        where(
            r"self\.first = nn\.(?:Linear|Conv)",
            all_of(DECAYS, after(UPDATE, "model.first.weight.requires_grad_(False)")),
        ),
        root=("frozen_changed",),
        true=("update_too_large", "overfit", "parameter_unreached", "layer_imbalance", *STUCK),
        structural=True,
        mended=all_of(
            DECAYS, after(UPDATE, "model.first.weight.requires_grad_(False)\nmodel.first.weight.grad = None")
        ),
    ),
    Fault(
        "accumulation_not_divided",
        delete(r"loss = loss / ACCUMULATION"),
        root=("accumulation_not_divided",),
        right=("gradient_scale",),
        true=("clip_dominated", "update_too_large"),
        structural=True,
    ),
    Fault(
        "never_back_to_training_mode",
        where(
            r"Dropout|BatchNorm",
            all_of(delete(r"model\.train\(\)"), after(r"optimizer = torch.*", "model.eval()")),
        ),
        root=("eval_mode_in_training",),
        structural=True,
    ),
    Fault(
        "training_mode_in_evaluation",
        where(r"Dropout|BatchNorm", delete(r"model\.eval\(\)")),
        root=("train_mode_in_evaluation",),
        right=("evaluation_not_deterministic",),
        true=("samples_mixed",),
        structural=True,
    ),
    Fault(
        "dropout_always_on",
        before(r"return self\.head\(h\)", "h = F.dropout(h, DOSE)"),
        root=("evaluation_not_deterministic",),
        right=("train_mode_in_evaluation",),
        doses=(0.1, 0.3, 0.5),
        structural=True,
    ),
    Fault(
        "evaluation_records_gradients",
        replace(r"with torch\.no_grad\(\):", "if True:"),
        root=("evaluation_records_gradients",),
        structural=True,
    ),
    Fault(
        "output_ignores_input",
        before(r"return self\.head\(h\)", "h = torch.zeros_like(h)"),
        root=("output_ignores_input", "parameter_unreached"),
        true=(*UNTRAINED, "dead_units", "vanishing_gradient", "targets_shuffled", "layer_imbalance"),
        structural=True,
    ),
    Fault(
        "samples_subtracted",
        before(r"return .*self\.head\(h\).*", "h = h - h.mean(0, keepdim=True)"),
        root=("samples_mixed",),
        true=STUCK,
        structural=True,
    ),
    Fault(
        "batch_is_taken_for_time",
        replace(r", batch_first=True", ""),
        root=("samples_mixed",),
        true=("targets_shuffled", *STUCK),
        structural=True,
    ),
    Fault(
        "reshape_mixes_samples",
        first_of(
            replace(r"h\.flatten\(1\)", "h.transpose(0, 1).reshape(len(x), -1)"),
            replace(r"z\.transpose\(1, 2\)\.reshape", "z.transpose(0, 1).reshape"),
            replace(r"\(weights @ v\)\.transpose\(1, 2\)\.reshape", "(weights @ v).transpose(0, 1).reshape"),
        ),
        root=("samples_mixed",),
        right=("attends_to_future",),
        true=("targets_shuffled", *STUCK),
        structural=True,
    ),
    Fault(
        "softmax_over_the_batch",
        where(
            CLASSES,
            replace(r"loss = .*\(output, y\)", "loss = F.nll_loss(F.log_softmax(output, dim=0), y)"),
        ),
        root=("samples_mixed", "log_of_probabilities", "wrong_loss_family"),
        right=("initial_loss_off",),
        true=STUCK,
        structural=True,
    ),
    Fault(
        "loss_ignores_target",
        first_of(
            where(r"argmax", replace(r"(loss = .*\(output), y\)", r"\1, output.argmax(-1))")),
            where(r"mse_loss|MSELoss", replace(r"(loss = .*\(output), [xy]\)", r"\1, output.detach())")),
            where(r"cross_entropy\(output, y\)", replace(r"(loss = .*\(output), y\)", r"\1, output.argmax(-1))")),
        ),
        root=("loss_ignores_target",),
        true=(
            "overfit",
            "targets_shuffled",
            "labels_unfit",
            "loss_detached",
            "targets_are_inputs",
            *STUCK,
            *UNTRAINED,
            "weight_growth",
        ),
        structural=True,
    ),
    Fault(
        "initial_head_large",
        before(MADE, "model.head.weight.data.mul_(DOSE)"),
        root=("initial_loss_off", "poor_init"),
        right=("logits_too_large",),
        true=(*WILD, "layer_imbalance", "saturated", "clip_dominated", "slow_convergence"),
        doses=(3, 10, 30, 100),
    ),
    Fault(
        "autocast_without_effect",
        replace(r"^( +)(loss = .*\(output, .*)$", r"\1with torch.autocast('cpu', dtype=torch.bfloat16):\n\1    \2"),
        root=("autocast_without_effect",),
        structural=True,
    ),
    Fault(
        "clipping_after_update",
        all_of(
            delete(r"torch\.nn\.utils\.clip_grad_norm_\(model\.parameters\(\), [\d.]+\)"),
            after(UPDATE, "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"),
        ),
        root=("clipping_wrong",),
        structural=True,
    ),
    Fault(
        "clipping_of_head_only",
        replace(r"clip_grad_norm_\(model\.parameters\(\)", "clip_grad_norm_(model.head.parameters()"),
        root=("clipping_wrong",),
        structural=True,
    ),
    Fault(
        "clipping_before_backward",
        all_of(
            delete(r"torch\.nn\.utils\.clip_grad_norm_\(model\.parameters\(\), [\d.]+\)"),
            before(BACKWARD, "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"),
        ),
        root=("clipping_wrong",),
        structural=True,
    ),
    Fault(
        "schedule_never_stepped",
        delete(r"scheduler\.step\(\)"),
        root=("schedule_wrong",),
        right=("schedule_mismatch",),
        true=("overfit",),
        structural=True,
    ),
    Fault(
        "schedule_stepped_per_batch",
        where(r"StepLR|ExponentialLR", all_of(delete(r"scheduler\.step\(\)"), after(UPDATE, "scheduler.step()"))),
        root=("schedule_wrong", "schedule_mismatch"),
        true=("update_too_small", "plateau", "slow_convergence"),
        structural=True,
    ),
    Fault(
        "schedule_too_long",
        replace(r"T_max=(\w+)", r"T_max=\1 * DOSE"),
        root=("schedule_wrong", "schedule_mismatch"),
        doses=(2, 5, 10),
        structural=True,
    ),
    Fault(
        "schedule_stepped_before_update",
        all_of(delete(r"scheduler\.step\(\)"), before(UPDATE, "scheduler.step()")),
        root=("schedule_wrong",),
        right=("schedule_mismatch",),
        true=("update_too_small", "plateau", "slow_convergence"),
        structural=True,
    ),
    Fault(
        "blocks_in_a_list",
        replace(r"nn\.ModuleList\((\[.*\])\)", r"\1"),
        root=("unregistered_parameter",),
        true=("not_in_optimizer", "parameter_unchanged", *STUCK),
        structural=True,
    ),
    Fault(
        "scale_not_registered",
        all_of(
            before(r"self\.head = .*", "self.scale = torch.ones(1, requires_grad=True)"),
            before(r"return self\.head\(h\)", "h = h * self.scale"),
        ),
        root=("unregistered_parameter",),
        true=("not_in_optimizer",),
        structural=True,
    ),
    Fault(
        "statistics_not_in_state",
        all_of(
            before(r"self\.head = .*", "self.average = torch.zeros(1)"),
            before(
                r"return self\.head\(h\)",
                "if self.training:\n"
                "    self.average = 0.9 * self.average + 0.1 * h.detach().mean()\n"
                "h = h - self.average",
            ),
        ),
        root=("reloaded_differs",),
        structural=True,
    ),
    Fault(
        "optimizer_recreated_every_step",
        without(
            r"ACCUMULATION|Schedule|LRSched|lr_scheduler",
            replace(
                r"^( +)optimizer = (torch\.optim\..*)$((?:.*\n)*?)^( +)optimizer\.step\(\)$",
                r"\1optimizer = \2\3\4optimizer.step()\n\4optimizer = \2",
            ),
        ),
        root=("optimizer_recreated",),
        true=("slow_convergence", "update_too_large", "direction_consistent"),
        structural=True,
    ),
    Fault(
        "random_numbers_of_workers_equal",
        continuous(
            all_of(
                before(r"class Net\(.*", NOISY),
                replace(
                    r"DataLoader\(TensorDataset\(x_train, y_train\), (.*)\)",
                    r"DataLoader(Noisy(x_train, y_train), \1, num_workers=2, persistent_workers=True)",
                ),
            )
        ),
        root=("same_random_numbers",),
        structural=True,
    ),
)
"""Faults of wiring."""
