"""Each wiring rule names its planted fault in a real loop, and is silent on its healthy twin and on hard negatives."""

import copy
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from hasten.base.records.finding import Diagnosis, Severity
from hasten.base.seeds import seed_all
from hasten.diagnosis.registry import Tier
from hasten.diagnosis.wiring.loading import LoadingCollector
from hasten.pipeline.diagnosing import Diagnosing

ROWS, BATCH = 48, 8
FAULTS: list[tuple[str, Callable[[], None]]] = []
HEALTHY: list[Callable[[], None]] = []


def names(symptom: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a faulty training with the symptom that must be named first."""

    def enter(train: Callable[[], None]) -> Callable[[], None]:
        FAULTS.append((symptom, train))
        return train

    return enter


def healthy(train: Callable[[], None]) -> Callable[[], None]:
    """Enter a training of which nothing must be said."""
    HEALTHY.append(train)
    return train


def diagnosed(train: Callable[[], None]) -> Diagnosis:
    """Return what the tier says of a training."""
    seed_all(0)
    with Diagnosing(name="loop", tiers=[Tier.WIRING]) as doctor:
        train()
    assert doctor.failed == {}
    return doctor.diagnosis([Tier.WIRING])


def net(hidden: int = 8, dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 3))


def loader(shuffle: bool = True, rows: int = ROWS, **options: Any) -> DataLoader[Any]:
    inputs = torch.randn(rows, 4)
    return DataLoader(TensorDataset(inputs, inputs[:, :3].argmax(1)), BATCH, shuffle=shuffle, **options)


def epochs(
    model: nn.Module,
    optimizer: optim.Optimizer,
    *,
    number: int = 2,
    after: Callable[[], None] = lambda: None,
    evaluate: Callable[[], None] = lambda: None,
) -> None:
    """Train as a script does."""
    data = loader()
    for _ in range(number):
        model.train()
        for inputs, targets in data:
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
            after()
        evaluate()


# --- parameters ---------------------------------------------------------------------------------------------------


@names("loss_detached")
def loss_made_anew() -> None:
    model = net()
    optimizer = optim.Adam(model.parameters())
    for inputs, targets in loader():
        optimizer.zero_grad()
        loss = torch.tensor(F.cross_entropy(model(inputs), targets).item(), requires_grad=True)
        loss.backward()
        optimizer.step()


@names("loss_detached")
def no_backward() -> None:
    model = net()
    optimizer = optim.Adam(model.parameters())
    for inputs, targets in loader():
        F.cross_entropy(model(inputs), targets)
        optimizer.step()
        optimizer.zero_grad()


@healthy
def gradients_without_backward() -> None:
    weight = torch.randn(4, 3, requires_grad=True)
    optimizer = optim.SGD([weight], 0.1)
    for inputs, targets in loader():
        (weight.grad,) = torch.autograd.grad(F.cross_entropy(inputs @ weight, targets), weight)
        optimizer.step()


@names("not_in_optimizer")
def head_replaced_after_the_optimizer() -> None:
    model = net()
    optimizer = optim.Adam(model.parameters())
    model[3] = nn.Linear(8, 3)
    epochs(model, optimizer)


@names("not_in_optimizer")
def second_model_forgotten() -> None:
    encoder, head = nn.Sequential(nn.Linear(4, 8), nn.ReLU()), nn.Linear(8, 3)
    optimizer = optim.Adam(head.parameters())
    for inputs, targets in loader():
        optimizer.zero_grad()
        F.cross_entropy(head(encoder(inputs)), targets).backward()
        optimizer.step()


def head_only(model: nn.Module, head: nn.Module) -> Diagnosis:
    return diagnosed(lambda: epochs(model, optim.Adam(head.parameters(), 1e-2)))


def stopped(rule: str, length: int = 100) -> list[str]:
    """Return what is said of a training whose schedule is far longer, with or without a rule that may end it."""

    def train() -> None:
        model = net()
        optimizer = optim.SGD(model.parameters(), 0.1)
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, length)
        waited = 0
        if rule == "while":
            while not waited > 3:
                for inputs, targets in loader():
                    optimizer.zero_grad()
                    F.cross_entropy(model(inputs), targets).backward()
                    optimizer.step()
                schedule.step()
                waited += 1
            return
        for _ in range(4):
            for inputs, targets in loader():
                if len(inputs) < 2:
                    break
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), targets).backward()
                optimizer.step()
            schedule.step()

    def with_patience() -> None:
        model = net()
        optimizer = optim.SGD(model.parameters(), 0.1)
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, length)
        for epoch in range(length):
            one_epoch(model, optimizer, schedule)
            if epoch == 3:
                break

    return [one.symptom for one in diagnosed(with_patience if rule == "break" else train).findings]


def one_epoch(model: nn.Module, optimizer: optim.Optimizer, schedule: Any) -> None:
    for inputs, targets in loader():
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    schedule.step()


@pytest.mark.parametrize(("rule", "found"), [("none", ["schedule_wrong"]), ("break", []), ("while", [])])
def test_a_schedule_is_not_too_long_for_a_training_that_its_own_rule_ended(rule: str, found: list[str]) -> None:
    assert stopped(rule) == found


def test_an_optimizer_of_the_head_alone_is_a_note() -> None:
    model = net()
    (found,) = head_only(model, model[3]).findings
    assert (found.symptom, found.severity) == ("not_in_optimizer", Severity.NOTE)
    assert found.sentence == "The optimizer trains 3 alone: 2 trainable parameters before it get gradients for nothing."
    assert found.explains == ()


def test_an_optimizer_that_an_earlier_training_left_is_not_of_this_one() -> None:
    earlier = optim.Adam(net().parameters())
    model = net()
    found = head_only(model, model[3]).findings
    assert [one.symptom for one in found] == ["not_in_optimizer"]
    del earlier


def test_a_head_of_two_layers_is_one_if_the_rest_is_far_larger() -> None:
    body = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 2))
    large = nn.Sequential(body, nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 3))
    assert head_only(large, large[1:]).findings[0].severity is Severity.NOTE
    small = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    assert head_only(small, small[2:]).findings[0].severity is Severity.CRITICAL


def test_a_body_without_its_head_in_the_optimizer_is_a_fault() -> None:
    model = net()
    assert head_only(model, model[:2]).findings[0].severity is Severity.CRITICAL


@names("foreign_in_optimizer")
def model_copied_after_the_optimizer() -> None:
    model = net()
    optimizer = optim.Adam(model.parameters())
    epochs(copy.deepcopy(model), optimizer)


class Detached(nn.Module):
    def __init__(self, cut: str) -> None:
        super().__init__()
        self.encoder, self.head, self.cut = nn.Linear(4, 8), nn.Linear(8, 3), cut

    def forward(self, inputs: Tensor) -> Tensor:
        if self.cut == "no_grad":
            with torch.no_grad():
                hidden = self.encoder(inputs)
        elif self.cut == "detach":
            hidden = self.encoder(inputs).detach()
        elif self.cut == "data":
            hidden = self.encoder(inputs).data
        else:
            hidden = F.pad(inputs, (0, 4))
        return self.head(hidden.relu())


@names("parameter_unreached")
def encoder_without_gradients() -> None:
    model = Detached("no_grad")
    epochs(model, optim.Adam(model.parameters()))


@names("parameter_unreached")
def encoder_detached() -> None:
    model = Detached("detach")
    epochs(model, optim.Adam(model.parameters()))


@names("parameter_unreached")
def encoder_unused() -> None:
    model = Detached("unused")
    epochs(model, optim.Adam(model.parameters()))


@healthy
def features_without_gradients_of_an_encoder_that_no_optimizer_holds() -> None:
    model = Detached("no_grad")
    epochs(model, optim.Adam(model.head.parameters()))


@names("parameter_unchanged")
def learning_rate_of_zero() -> None:
    model = net()
    epochs(model, optim.SGD([{"params": model[0].parameters(), "lr": 0.0}, {"params": model[3].parameters()}], 0.1))


@names("parameter_unchanged")
def cleared_before_the_update() -> None:
    model = net()
    optimizer = optim.Adam(model.parameters())
    for inputs, targets in loader():
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.zero_grad()
        optimizer.step()


@names("parameter_unchanged")
def updates_rounded_away() -> None:
    model = net().bfloat16()
    optimizer = optim.SGD(model.parameters(), 1e-6)
    for inputs, targets in loader():
        optimizer.zero_grad()
        F.cross_entropy(model(inputs.bfloat16()).float(), targets).backward()
        optimizer.step()


@names("frozen_changed")
def frozen_late_with_weight_decay() -> None:
    model = net()
    optimizer = optim.AdamW(model.parameters(), weight_decay=0.1)
    for number, (inputs, targets) in enumerate(loader()):
        if number == 2:
            model[0].requires_grad_(False)
        optimizer.zero_grad(set_to_none=False)
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()


class Listed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(4, 8), nn.ReLU()]
        self.head = nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        for layer in self.layers:
            inputs = layer(inputs)
        return self.head(inputs)


@names("unregistered_parameter")
def layers_in_a_list() -> None:
    model = Listed()
    epochs(model, optim.Adam(model.parameters()))


@names("unregistered_parameter")
def normalization_in_a_list() -> None:
    model = Listed()
    model.layers.append(nn.BatchNorm1d(8))  # stays in training mode where the model is judged, and mixes samples
    epochs(model, optim.Adam(model.parameters()))


class Recreated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(nn.Linear(4, 8)(inputs).relu())


@names("unregistered_parameter")
def layer_made_in_forward() -> None:
    model = Recreated()
    epochs(model, optim.Adam(model.parameters()))


class Attribute(nn.Module):
    def __init__(self, registered: bool) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)
        weight = torch.ones(4)
        self.scale = nn.Parameter(weight) if registered else weight.requires_grad_()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(inputs * self.scale)


@names("unregistered_parameter")
def plain_tensor_as_attribute() -> None:
    model = Attribute(registered=False)
    epochs(model, optim.Adam(model.parameters()))


# --- order of the calls -------------------------------------------------------------------------------------------


@names("gradients_not_cleared")
def never_cleared() -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), 0.01)
    for inputs, targets in loader():
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()


@names("gradients_not_cleared")
def cleared_once_an_epoch() -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), 0.01)
    for _ in range(2):
        optimizer.zero_grad()
        for inputs, targets in loader():
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()


@healthy
def cleared_by_hand() -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), 0.01)
    for inputs, targets in loader():
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        for one in model.parameters():
            one.grad = None


@healthy
def cleared_in_the_closure_of_lbfgs() -> None:
    model, optimizer = net(), None
    optimizer = optim.LBFGS(model.parameters(), max_iter=3)
    for inputs, targets in loader():

        def closure(inputs: Tensor = inputs, targets: Tensor = targets) -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            return loss

        optimizer.step(closure)


def accumulated(divide: Callable[[Tensor], Tensor], *, by_hand: bool = False) -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), 0.01)
    for number, (inputs, targets) in enumerate(loader(rows=96)):
        divide(F.cross_entropy(model(inputs), targets)).backward()
        if number % 4 == 3:
            if by_hand:
                for one in model.parameters():
                    if one.grad is not None:
                        one.grad /= 4
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()


@names("accumulation_not_divided")
def accumulation_as_a_sum() -> None:
    accumulated(lambda loss: loss)


@healthy
def accumulation_divided() -> None:
    accumulated(lambda loss: loss / 4)


@healthy
def accumulation_multiplied() -> None:
    accumulated(lambda loss: loss * 0.25)


@healthy
def accumulation_divided_by_hand() -> None:
    accumulated(lambda loss: loss, by_hand=True)


@healthy
def two_losses_of_one_batch() -> None:
    model, optimizer = net(), None
    optimizer = optim.SGD(model.parameters(), 0.01)
    for inputs, targets in loader():
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        F.cross_entropy(model(inputs * 1.1), targets).backward()
        optimizer.step()


@names("accumulation_not_divided")
def accumulation_over_slices_as_a_sum() -> None:
    inputs, targets = torch.randn(160, 4), torch.randint(0, 3, (160,))
    model = net()
    optimizer = optim.SGD(model.parameters(), 0.01)
    for start in range(0, 160, 16):
        optimizer.zero_grad()
        for at in range(start, start + 16, 4):
            F.cross_entropy(model(inputs[at : at + 4]), targets[at : at + 4]).backward()
        optimizer.step()


@healthy
def two_kinds_of_input_in_an_update() -> None:
    inputs, targets = torch.randn(160, 4), torch.randint(0, 3, (160,))
    model = net()
    optimizer = optim.SGD(model.parameters(), 0.01)
    for start in range(0, 160, 16):
        optimizer.zero_grad()
        for given in (inputs[start : start + 16], inputs[start : start + 16] + 0.1):
            F.cross_entropy(model(given), targets[start : start + 16]).backward()
        optimizer.step()


def clipped(place: str) -> None:
    model, other = net(), net()
    optimizer = optim.SGD(model.parameters(), 0.01)
    scaler = torch.amp.GradScaler("cpu", enabled=place in ("scaled", "unscaled"))
    used_up = model.parameters()
    list(used_up)
    for inputs, targets in loader():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        if place == "before backward":
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.scale(loss).backward()
        if place == "unscaled":
            scaler.unscale_(optimizer)
        if place in ("unscaled", "scaled", "right"):
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if place == "other":
            other(inputs).sum().backward()
            nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        if place == "used up":
            nn.utils.clip_grad_norm_(used_up, 1.0)
        scaler.step(optimizer)
        scaler.update()
        if place == "late":
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)


for _place in ("scaled", "late", "before backward", "used up"):

    def clipped_wrongly(place: str = _place) -> None:
        clipped(place)

    names("clipping_wrong")(clipped_wrongly)


@healthy
def clipped_after_unscale() -> None:
    clipped("unscaled")


@healthy
def clipped_rightly() -> None:
    clipped("right")


def scheduled(make: Callable[[optim.Optimizer], Any], when: str, number: int = 3) -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), 0.1)
    schedule = make(optimizer)
    for _ in range(number):
        for inputs, targets in loader():
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            if when == "before":
                schedule.step()
            optimizer.step()
            if when == "batch":
                schedule.step()
        if when == "epoch":
            schedule.step()


@names("schedule_wrong")
def schedule_never_stepped() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.StepLR(optimizer, 2), "never")


@names("schedule_wrong")
def schedule_before_the_update() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.StepLR(optimizer, 200), "before")


@names("schedule_wrong")
def schedule_of_epochs_stepped_for_each_batch() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.CosineAnnealingLR(optimizer, 3), "batch")


@names("schedule_wrong")
def decay_of_epochs_stepped_for_each_batch() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.StepLR(optimizer, 2, 0.1), "batch")


@names("schedule_wrong")
def one_cycle_stepped_once_an_epoch() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=18), "epoch")


@names("schedule_wrong")
def schedule_of_another_optimizer() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.StepLR(optim.SGD(net().parameters(), 0.1), 2), "epoch")


@healthy
def one_cycle() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=18), "batch")


class Wrapped(optim.Optimizer):
    """Passes everything on to another optimizer, as the wrapper of Accelerate does."""

    def __init__(self, inner: optim.Optimizer) -> None:
        self.inner = inner

    @property
    def param_groups(self) -> Any:
        return self.inner.param_groups

    @property
    def defaults(self) -> Any:
        return self.inner.defaults

    def step(self, closure: Any = None) -> Any:
        return self.inner.step(closure)


@healthy
def schedule_of_a_wrapped_optimizer() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.StepLR(Wrapped(optimizer), 2), "epoch")


@healthy
def cosine_over_the_epochs() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.CosineAnnealingLR(optimizer, 3), "epoch")


@healthy
def warm_up_from_zero_then_decay() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / 5, 1)), "batch")


@healthy
def cyclic() -> None:
    scheduled(lambda optimizer: optim.lr_scheduler.CyclicLR(optimizer, 1e-4, 0.1, step_size_up=3), "batch")


@names("update_missing")
def never_updated() -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), 0.1)
    for inputs, targets in loader():
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()


@names("update_missing")
def one_of_two_never_updated() -> None:
    model = net()
    first, second = optim.SGD(model[0].parameters(), 0.1), optim.SGD(model[3].parameters(), 0.1)
    for inputs, targets in loader():
        first.zero_grad()
        second.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        first.step()


@healthy
def updated_by_hand() -> None:
    model = net()
    for inputs, targets in loader():
        F.cross_entropy(model(inputs), targets).backward()
        with torch.no_grad():
            for one in model.parameters():
                one -= 0.1 * one.grad if one.grad is not None else 0.0
                one.grad = None


@names("optimizer_recreated")
def optimizer_for_each_batch() -> None:
    model = net()
    for inputs, targets in loader():
        optimizer = optim.Adam(model.parameters())
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        optimizer.zero_grad()


@names("optimizer_recreated")
def optimizer_for_each_epoch() -> None:
    model = net()
    for _ in range(4):
        epochs(model, optim.Adam(model.parameters()), number=1)


@healthy
def optimizer_without_state_for_each_epoch() -> None:
    model = net()
    for _ in range(4):
        epochs(model, optim.SGD(model.parameters(), 0.1), number=1)


@healthy
def optimizer_for_a_second_phase() -> None:
    model = net()
    epochs(model, optim.Adam(model.parameters()))
    epochs(model, optim.Adam(model.parameters(), 1e-4))


# --- modes --------------------------------------------------------------------------------------------------------


def validated(model: nn.Module, data: DataLoader[Any], *, mode: str = "eval", grad: bool = False) -> None:
    if mode != "train":
        model.eval()
    if mode == "dropout":
        for one in model.modules():
            if isinstance(one, nn.Dropout):
                one.train()
    with torch.set_grad_enabled(grad):
        for inputs, _ in data:
            model(inputs)


@names("eval_mode_in_training")
def train_never_called_again() -> None:
    model, held_out = net(dropout=0.5), loader(shuffle=False)
    optimizer = optim.Adam(model.parameters())
    for _ in range(3):
        for inputs, targets in loader():
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        validated(model, held_out)


@healthy
def frozen_batch_norm() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters())
    for _ in range(3):
        model.train()
        model[1].eval()
        for inputs, targets in loader():
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()


@names("train_mode_in_evaluation")
def validation_without_eval() -> None:
    model, held_out = net(dropout=0.5), loader(shuffle=False)
    epochs(model, optim.Adam(model.parameters()), evaluate=lambda: validated(model, held_out, mode="train"))


@names("train_mode_in_evaluation")
def validation_without_eval_and_no_grad() -> None:
    model, held_out = net(dropout=0.5), loader(shuffle=False)
    epochs(model, optim.Adam(model.parameters()), evaluate=lambda: validated(model, held_out, mode="train", grad=True))


@names("train_mode_in_evaluation")
def whole_batches_evaluated_without_eval() -> None:
    model = net(dropout=0.5)
    optimizer = optim.Adam(model.parameters())
    inputs, held_out = torch.randn(16, 4), torch.randn(16, 4)
    for _ in range(8):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), torch.arange(16) % 3).backward()
        optimizer.step()
        with torch.no_grad():
            model(held_out)


@healthy
def validation() -> None:
    model, held_out = net(dropout=0.5), loader(shuffle=False)
    epochs(model, optim.Adam(model.parameters()), evaluate=lambda: validated(model, held_out))


@healthy
def dropout_in_evaluation_on_purpose() -> None:
    model, held_out = net(dropout=0.5), loader(shuffle=False)
    epochs(model, optim.Adam(model.parameters()), evaluate=lambda: validated(model, held_out, mode="dropout"))


@names("evaluation_records_gradients")
def validation_without_no_grad() -> None:
    model, held_out = net(dropout=0.5), loader(shuffle=False)
    epochs(model, optim.Adam(model.parameters()), evaluate=lambda: validated(model, held_out, grad=True))


@healthy
def pseudo_labels_of_the_same_batch() -> None:
    model = net(dropout=0.5)
    optimizer = optim.Adam(model.parameters())
    for inputs, _ in loader():
        with torch.no_grad():
            labels = model(inputs).argmax(1)
        optimizer.zero_grad()
        F.cross_entropy(model(inputs + 0.1), labels).backward()
        optimizer.step()


# --- outputs and losses -------------------------------------------------------------------------------------------


class Strange(nn.Module):
    """Does one thing wrong in forward."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.first, self.head, self.fault = nn.Linear(4, 8), nn.Linear(8, 3), fault
        self.average = torch.zeros(1)
        if fault == "registered":
            del self.average
            self.register_buffer("average", torch.zeros(1))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs).relu()
        if self.fault == "dropout":
            hidden = F.dropout(hidden, 0.3)
        if self.fault == "switched dropout":
            hidden = F.dropout(hidden, 0.3, training=self.training)
        if self.fault == "noise":
            hidden = hidden + torch.randn_like(hidden)
        if self.fault == "ignores":
            hidden = torch.ones_like(hidden)
        if self.fault == "centered":
            hidden = hidden - hidden.mean(0, keepdim=True)
        if self.fault in ("average", "registered"):
            if self.training:
                self.average = 0.9 * self.average + 0.1 * hidden.detach().mean()
            hidden = hidden - self.average
        return self.head(hidden).softmax(0) if self.fault == "softmax" else self.head(hidden)


def strange(symptom: str, fault: str) -> None:
    def strange_model() -> None:
        model = Strange(fault)
        epochs(model, optim.Adam(model.parameters()))

    strange_model.__name__ = fault.replace(" ", "_")
    names(symptom)(strange_model) if symptom else healthy(strange_model)


strange("evaluation_not_deterministic", "dropout")
strange("output_ignores_input", "ignores")
strange("samples_mixed", "centered")
strange("samples_mixed", "softmax")
strange("reloaded_differs", "average")
strange("", "switched dropout")
strange("", "noise")
strange("", "registered")


class Recurrent(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(4, 8, batch_first=batch_first), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        output, _ = self.rnn(inputs)
        return self.head(output[:, -1] if self.rnn.batch_first else output[-1])


def recurrent(model: nn.Module, turn: bool) -> None:
    optimizer = optim.Adam(model.parameters())
    inputs = torch.randn(ROWS, 5, 4)
    for rows, targets in DataLoader(TensorDataset(inputs, inputs[:, -1, :3].argmax(1)), BATCH):
        output = model(rows.transpose(0, 1) if turn else rows)
        optimizer.zero_grad()
        F.cross_entropy(output, targets).backward()
        optimizer.step()


class EveryStep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(4, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.rnn(inputs)[0][:, -1])


@names("samples_mixed")
def batch_taken_for_time() -> None:
    recurrent(EveryStep(), turn=False)


def without_loader(model: nn.Module, inputs: Tensor, targets: Tensor) -> None:
    optimizer = optim.Adam(model.parameters())
    for _ in range(4):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()


@names("samples_mixed")
def batch_taken_for_time_without_a_loader() -> None:
    without_loader(EveryStep(), inputs := torch.randn(BATCH, 5, 4), inputs[:, -1, :3].argmax(1))


class Rounded(EveryStep):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * (1 + 1e-6 * torch.rand(1))


@names("samples_mixed")
def batch_taken_for_time_with_rounding() -> None:
    without_loader(Rounded(), inputs := torch.randn(BATCH, 5, 4), inputs[:, -1, :3].argmax(1))


class Hidden(EveryStep):
    def forward(self, inputs: Tensor) -> Tensor:
        state = torch.zeros(1, 5, 8)
        return self.head(self.rnn(inputs.view(BATCH, 5, 4), (state, state))[0][:, -1])


class OnePlace(nn.Module):
    def __init__(self, place: int, both: bool = False) -> None:
        super().__init__()
        self.rnn = nn.GRU(4, 8, batch_first=True, bidirectional=both)
        self.head, self.place = nn.Linear(16 if both else 8, 3), place

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.rnn(inputs)[0][:, self.place])


def reading_one_place(place: int, both: bool = False) -> Callable[[], None]:
    return lambda: without_loader(OnePlace(place, both), x := torch.randn(BATCH, 5, 4), x[:, 0, :3].argmax(1))


names("output_ignores_input")(reading_one_place(0))
healthy(reading_one_place(-1))
healthy(reading_one_place(1))
healthy(reading_one_place(0, both=True))


@names("output_ignores_input")
def last_number_of_each_series_only() -> None:
    series = torch.randn(BATCH, 6, 4)
    model = nn.Sequential(LastOnly(), nn.Linear(4, 3))
    without_loader(model, series, series[:, -1, :3].argmax(1))


class LastOnly(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, -1]


@names("samples_mixed")
def batch_taken_for_time_by_a_model_of_one_batch_size() -> None:
    without_loader(Hidden(), inputs := torch.randn(BATCH, 5, 4), inputs[:, -1, :3].argmax(1))


@healthy
def batch_first_without_a_loader() -> None:
    without_loader(Recurrent(batch_first=True), inputs := torch.randn(BATCH, 5, 4), inputs[:, -1, :3].argmax(1))


@healthy
def time_first_without_a_loader() -> None:
    without_loader(Recurrent(batch_first=False), inputs := torch.randn(5, BATCH, 4), inputs[-1, :, :3].argmax(1))


class EachPosition(EveryStep):
    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.rnn(inputs)[0]).flatten(0, 1)


@healthy
def a_label_for_each_position_of_one_series() -> None:
    without_loader(EachPosition(), inputs := torch.randn(12, 1, 4), inputs[:, 0, :3].argmax(1))


@healthy
def a_label_for_each_position_of_several_series() -> None:
    without_loader(EachPosition(), inputs := torch.randn(12, BATCH, 4), inputs[:, :, :3].argmax(2).flatten())


def dropping(*layers: nn.Module) -> Callable[[], None]:
    def train() -> None:
        model = nn.Sequential(*layers)
        epochs(model, optim.Adam(model.parameters()))

    return train


names("dropout_too_strong")(dropping(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Dropout(0.5)))
names("dropout_too_strong")(dropping(nn.Linear(4, 64), nn.ReLU(), nn.Dropout(0.95), nn.Linear(64, 3)))
names("dropout_too_strong")(
    dropping(
        nn.Linear(4, 64), nn.ReLU(), nn.Dropout(0.85), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.85), nn.Linear(64, 3)
    )
)
healthy(dropping(nn.Dropout(0.2), nn.Linear(4, 64), nn.ReLU(), nn.Dropout(0.8), nn.Linear(64, 3)))


class Around(nn.Module):
    """A layer with dropout, called again and again; with a residual connection around it, or none."""

    def __init__(self, residual: bool) -> None:
        super().__init__()
        self.layer, self.drop, self.residual = nn.Linear(16, 16), nn.Dropout(0.85), residual
        self.first, self.head = nn.Linear(4, 16), nn.Linear(16, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)
        for _ in range(3):
            new = self.drop(torch.relu(self.layer(hidden)))
            hidden = hidden + new if self.residual else new
        return self.head(hidden)


names("dropout_too_strong")(dropping(Around(residual=False)))
healthy(dropping(Around(residual=True)))


@pytest.mark.parametrize("direct", [True, False])
def test_parameters_have_their_names_where_a_loop_calls_forward_itself(direct: bool) -> None:
    def train() -> None:
        model = Detached("detach")
        optimizer = optim.Adam(model.parameters())
        for inputs, targets in loader():
            optimizer.zero_grad()
            F.cross_entropy(model.forward(inputs) if direct else model(inputs), targets).backward()
            optimizer.step()

    (found,) = diagnosed(train).findings
    assert found.symptom == "parameter_unreached"
    assert found.where == "encoder.weight"
    assert Detached.forward.__qualname__ == "Detached.forward"


@healthy
def time_first() -> None:
    recurrent(Recurrent(batch_first=False), turn=True)


@healthy
def batch_first() -> None:
    recurrent(Recurrent(batch_first=True), turn=False)


@names("loss_ignores_target")
def classes_of_the_model_itself() -> None:
    model = net()
    optimizer = optim.Adam(model.parameters())
    for inputs, _ in loader():
        output = model(inputs)
        optimizer.zero_grad()
        F.cross_entropy(output, output.argmax(1)).backward()
        optimizer.step()


@names("loss_ignores_target")
def classes_of_the_model_itself_at_a_high_rate() -> None:
    model = net()
    optimizer = optim.Adam(model.parameters(), 0.5)  # it is sure of itself after one step
    for inputs, _ in loader():
        output = model(inputs)
        optimizer.zero_grad()
        F.cross_entropy(output, output.argmax(1)).backward()
        optimizer.step()


@names("loss_ignores_target")
def outputs_as_targets() -> None:
    model = net()
    optimizer = optim.Adam(model.parameters())
    for inputs, _ in loader():
        output = model(inputs)
        optimizer.zero_grad()
        F.mse_loss(output, output.detach()).backward()
        optimizer.step()


@names("loss_ignores_target")
def mean_of_the_outputs() -> None:
    model = net()
    optimizer = optim.SGD(model.parameters(), 1e-3)
    for inputs, _ in loader():
        optimizer.zero_grad()
        model(inputs).mean().backward()
        optimizer.step()


@healthy
def likelihood_of_each_sample() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
    optimizer = optim.SGD(model.parameters(), 1e-3)
    for inputs, _ in loader():
        optimizer.zero_grad()
        (-model(inputs).mean()).backward()
        optimizer.step()


@healthy
def contrastive_pairs() -> None:
    model = nn.Linear(4, 8)
    optimizer = optim.SGD(model.parameters(), 1e-3)
    for inputs, _ in loader():
        optimizer.zero_grad()
        one, other = F.normalize(model(inputs)), F.normalize(model(inputs + 0.01))
        F.cross_entropy(one @ other.T, torch.arange(len(inputs))).backward()
        optimizer.step()


@healthy
def hooks_that_compute() -> None:
    model = net()
    model[0].register_forward_hook(lambda module, inputs, output: output * 0.5)
    epochs(model, optim.Adam(model.parameters()))


@names("initial_loss_off")
def last_layer_too_large() -> None:
    model = net()
    with torch.no_grad():
        model[3].weight.mul_(50)
    epochs(model, optim.SGD(model.parameters(), 1e-3))


@healthy
def head_of_zeros() -> None:
    model = net()
    nn.init.zeros_(model[3].weight)
    nn.init.zeros_(model[3].bias)
    epochs(model, optim.Adam(model.parameters()))


def half_precision(around: str) -> None:
    model = net()
    optimizer = optim.Adam(model.parameters())
    for inputs, targets in loader():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=around == "both"):
            output = model(inputs)
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(output.float(), targets)
        loss.backward()
        optimizer.step()


@names("autocast_without_effect")
def autocast_around_the_loss() -> None:
    half_precision("loss")


@healthy
def autocast_around_both() -> None:
    half_precision("both")


class Noisy(Dataset[Any]):
    def __init__(self, own: bool) -> None:
        self.inputs = torch.randn(16, 4)
        self.generator = np.random.default_rng(0) if own else None

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Any:
        noise = np.random.normal() if self.generator is None else self.generator.normal()
        return self.inputs[index] + noise, 0


def test_a_generator_that_every_worker_copies_is_named() -> None:
    def looked_at(data: Noisy, workers: int) -> list[str]:
        collector = LoadingCollector()
        collector.fetched(None, SimpleNamespace(_dataset=data, _num_workers=workers, _worker_init_fn=None))
        return collector.copied

    assert looked_at(Noisy(own=True), 2) == ["Noisy.generator"]
    assert looked_at(Noisy(own=True), 0) == looked_at(Noisy(own=False), 2) == []


# --- hard negatives -----------------------------------------------------------------------------------------------


def adversarial(data: Iterator[tuple[Tensor]] | Any) -> None:
    generator = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    critic = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
    first, second = optim.Adam(critic.parameters()), optim.Adam(generator.parameters())
    one, zero = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
    for (real,) in data:
        with torch.no_grad():
            made = generator(torch.randn(BATCH, 2))
        first.zero_grad()
        F.binary_cross_entropy_with_logits(critic(real), one).backward()
        F.binary_cross_entropy_with_logits(critic(made), zero).backward()
        first.step()
        second.zero_grad()
        F.binary_cross_entropy_with_logits(critic(generator(torch.randn(BATCH, 2))), one).backward()
        second.step()
    with torch.no_grad():
        generator(torch.randn(BATCH, 2))


@healthy
def gan() -> None:
    adversarial(DataLoader(TensorDataset(torch.randn(ROWS, 4)), BATCH))


@healthy
def gan_without_loader() -> None:
    adversarial([(torch.randn(BATCH, 4),) for _ in range(6)])


class LoRA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(4, 3).requires_grad_(False)
        self.a, self.b = nn.Linear(4, 2, bias=False), nn.Linear(2, 3, bias=False)
        nn.init.zeros_(self.b.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.base(inputs) + self.b(self.a(inputs))


@healthy
def lora() -> None:
    model = LoRA()
    epochs(model, optim.AdamW(model.parameters(), 1e-2))


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(4, 3) for _ in range(4))
        self.gate = nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        gates = (self.gate(inputs) + torch.tensor([9.0, 0, -9, -9])).softmax(1)
        chosen = gates.argmax(1)
        output = inputs.new_zeros(len(inputs), 3)
        for number in chosen.unique():
            rows = chosen == number
            output[rows] = self.experts[int(number)](inputs[rows]) * gates[rows, number, None]
        return output


@healthy
def idle_experts() -> None:
    model = Experts()
    epochs(model, optim.AdamW(model.parameters(), 1e-2))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens))


@healthy
def tied_weights_and_sparse_rows() -> None:
    model = Tied()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(6):
        tokens = torch.randint(0, 3, (8, 5))
        optimizer.zero_grad()
        F.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
        optimizer.step()


@healthy
def sparse_embedding() -> None:
    embedding, head = nn.Embedding(10, 4, sparse=True), nn.Linear(4, 3)
    sparse, dense = optim.SparseAdam(embedding.parameters()), optim.Adam(head.parameters())
    for _ in range(6):
        sparse.zero_grad()
        dense.zero_grad()
        F.cross_entropy(head(embedding(torch.randint(0, 3, (8,)))), torch.arange(8) % 3).backward()
        sparse.step()
        dense.step()


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.LazyLinear(8), nn.LazyLinear(3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs).relu())


@healthy
def lazy_layers() -> None:
    model = Lazy()
    model(torch.randn(2, 4))
    epochs(model, optim.Adam(model.parameters()))


@healthy
def parameters_outside_of_modules() -> None:
    model, temperature = net(), nn.Parameter(torch.ones(()))
    optimizer = optim.Adam([*model.parameters(), temperature])
    for inputs, targets in loader():
        optimizer.zero_grad()
        F.cross_entropy(model(inputs) / temperature, targets).backward()
        optimizer.step()


@healthy
def coordinates_that_need_gradients() -> None:
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.Adam(model.parameters())
    place, time = torch.rand(16, 1).requires_grad_(), torch.rand(16, 1).requires_grad_()
    for _ in range(6):
        optimizer.zero_grad()
        value = model(torch.cat([place, time], 1))
        (slope,) = torch.autograd.grad(value.sum(), place, create_graph=True)
        (slope.square().mean() + value.square().mean()).backward()
        optimizer.step()


class Whole(nn.Module):
    """Is never called itself: its parts are."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.head = nn.Parameter(torch.ones(4)), nn.Linear(4, 3)

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self.head(inputs * self.scale), targets)


@healthy
def parts_called_by_a_method() -> None:
    model = Whole()
    optimizer = optim.Adam(model.parameters())
    for inputs, targets in loader():
        optimizer.zero_grad()
        model.loss(inputs, targets).backward()
        optimizer.step()


@healthy
def teacher_in_evaluation_mode() -> None:
    model, teacher = net(), net().eval()
    optimizer = optim.Adam(model.parameters())
    for inputs, _ in loader():
        optimizer.zero_grad()
        F.mse_loss(model(inputs), teacher(inputs).detach()).backward()
        optimizer.step()


@healthy
def fixed_network_that_measures_similarity() -> None:
    model, fixed = nn.Linear(4, 4), net().eval()
    optimizer = optim.Adam(model.parameters())
    for inputs, _ in loader():
        optimizer.zero_grad()
        F.mse_loss(fixed(model(inputs)), fixed(inputs).detach()).backward()
        optimizer.step()


@healthy
def layers_unfrozen_late() -> None:
    model = net()
    model[0].requires_grad_(False)
    optimizer = optim.Adam(model[3].parameters())
    epochs(model, optimizer, number=5)
    model[0].requires_grad_(True)
    optimizer.add_param_group({"params": model[0].parameters(), "lr": 1e-4})
    epochs(model, optimizer, number=3)


@healthy
def optimizer_that_begins_later() -> None:
    model = net()
    first, second = optim.Adam(model[3].parameters()), optim.Adam(model[0].parameters())
    for number, (inputs, targets) in enumerate(loader()):
        first.zero_grad()
        second.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        first.step()
        if number >= 4:
            second.step()


@healthy
def checkpointed() -> None:
    from torch.utils.checkpoint import checkpoint

    body, head = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5)), nn.Linear(8, 3)
    optimizer = optim.Adam([*body.parameters(), *head.parameters()])
    for inputs, targets in loader():
        optimizer.zero_grad()
        hidden = checkpoint(body, inputs.requires_grad_(), use_reentrant=True)
        F.cross_entropy(head(hidden), targets).backward()
        optimizer.step()


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize(("symptom", "train"), FAULTS, ids=[f"{symptom}-{train.__name__}" for symptom, train in FAULTS])
def test_a_planted_fault_is_named_first(symptom: str, train: Callable[[], None]) -> None:
    found = diagnosed(train)
    assert [one.symptom for one in found.findings[:1]] == [symptom], found
    assert len(found.findings) == 1, [one.symptom for one in found.findings]
    assert all(len(one.sentence.split()) <= 25 and one.advice for one in found.findings)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("train", HEALTHY, ids=lambda train: train.__name__)
def test_nothing_is_said_of_a_healthy_training(train: Callable[[], None]) -> None:
    assert [one.sentence for one in diagnosed(train).findings] == []
