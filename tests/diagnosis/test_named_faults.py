"""Faults of whole loops that graphs, copies, and state dicts show: each is named first, its healthy twin is not."""

import copy
import io
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn, optim
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler
from torch.utils.data.distributed import DistributedSampler

from benchmarks.doctor.own_scripts import judged
from hasten.base.seeds import seed_all
from hasten.diagnosis.data.direction import direction
from hasten.diagnosis.data.mean_picture import SIDE, TURNED, MeanPicture, apart, as_picture
from hasten.diagnosis.data.pieces import SeenPieces
from hasten.diagnosis.data.samples import roughness
from hasten.diagnosis.wiring.all_pairs import is_difference_of_all
from hasten.diagnosis.wiring.beside import Beside
from hasten.diagnosis.wiring.custom_backward import CustomCall, custom_calls, deviation
from hasten.diagnosis.wiring.flags import FEWEST
from hasten.diagnosis.wiring.parameters import is_noise
from hasten.diagnosis.wiring.structure import moves_numbers, structure, takes_places_for_channels
from hasten.pipeline.diagnosing import Diagnosing

Loop = Callable[[bool], None]
LOOPS: list[tuple[str, Loop]] = []


def names(symptom: str) -> Callable[[Loop], Loop]:
    """Enter a loop that has this fault where its argument is true."""

    def enter(loop: Loop) -> Loop:
        LOOPS.append((symptom, loop))
        return loop

    return enter


def found(loop: Callable[[], None]) -> list[str]:
    """Return the symptoms that are named in a loop."""
    seed_all(0)
    with Diagnosing(name="loop") as doctor:
        loop()
    assert doctor.failed == {}
    return [one.symptom for one in doctor.diagnosis().findings]


def rows(number: int = 320, width: int = 8) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(number, width)
    return inputs, (inputs[:, 0] + inputs[:, 1] > 0).long()


def fit(
    model: nn.Module, batches: Any, loss: Callable[[Any, Tensor], Tensor] = F.cross_entropy, **options: Any
) -> None:
    """Train for one pass over batches."""
    optimizer = optim.Adam(model.parameters(), **{"lr": 1e-2} | options)
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss(model(inputs), targets).backward()
        optimizer.step()


def epochs(inputs: Tensor, targets: Tensor, number: int = 4, size: int = 32) -> list[tuple[Tensor, Tensor]]:
    return [(inputs[at], targets[at]) for _ in range(number) for at in torch.randperm(len(inputs)).split(size)]


def two_layers(width: int = 8, classes: int = 2) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, classes))


@names("axes_scrambled")
def view_in_place_of_transpose(faulty: bool) -> None:
    tokens = torch.randint(0, 12, (320, 7))
    model = nn.Sequential(nn.Embedding(12, 16), nn.Linear(16, 5))

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(scores.reshape(-1, 5, 7) if faulty else scores.transpose(1, 2), targets)

    fit(model, epochs(tokens, tokens % 5), loss)


@names("no_activation")
def results_that_are_dropped(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(8, 16), nn.Linear(16, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.one(x)
            active = F.relu(x)
            return self.two(x if faulty else active)

    fit(Net(), epochs(*rows()))


@names("no_activation")
def convolutions_alone(faulty: bool) -> None:
    active = nn.Identity if faulty else nn.ReLU
    layers = [nn.Conv2d(1, 4, 3, padding=1), active(), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3, padding=1), active()]
    pictures = torch.randn(320, 1, 8, 8)
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 24), active(), nn.Linear(24, 2))
    fit(model, epochs(pictures, (pictures.mean((1, 2, 3)) > 0).long()))


@names("freeze_without_effect")
def an_attribute_that_torch_does_not_know(faulty: bool) -> None:
    model = two_layers()
    for parameter in model[0].parameters():
        setattr(parameter, "require_grad" if faulty else "requires_grad", False)
    fit(model, epochs(*rows()))


@names("freeze_without_effect")
def an_attribute_of_a_module(faulty: bool) -> None:
    model = two_layers()
    if faulty:
        vars(model[0])["requires_grad"] = False
    else:
        model[0].requires_grad_(False)
    fit(model, epochs(*rows()))


@names("freeze_without_effect")
def an_attribute_that_unfreezes_nothing(faulty: bool) -> None:
    model = two_layers()
    model.requires_grad_(False)
    model[2] = nn.Linear(16, 2)
    for parameter in model[0].parameters():
        setattr(parameter, "require_grad" if faulty else "requires_grad", True)
    fit(model, epochs(*rows()))


@names("freeze_without_effect")
def an_attribute_of_a_module_that_unfreezes_nothing(faulty: bool) -> None:
    model = two_layers()
    model.requires_grad_(False)
    model[2] = nn.Linear(16, 2)
    vars(model[0])["requires_grad"] = True
    model[0].requires_grad_(not faulty)
    fit(model, epochs(*rows()))


@names("not_in_optimizer")
def a_head_of_the_same_size_put_in_for_a_second_training(faulty: bool) -> None:
    inputs, labels = rows()
    model = two_layers()
    fit(model, epochs(inputs, labels))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    model[2] = nn.Linear(16, 2)
    optimizer = optimizer if faulty else optim.Adam(model.parameters(), 1e-2)
    for one, label in epochs(inputs, 1 - labels):
        optimizer.zero_grad()
        F.cross_entropy(model(one), label).backward()
        optimizer.step()
    KEPT.append(model)


@names("not_in_optimizer")
def a_model_that_took_the_place_of_the_one_that_is_held(faulty: bool) -> None:
    inputs, labels = rows()
    model = two_layers()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for number, (one, label) in enumerate(epochs(inputs, labels, number=60)):
        if number == 400:
            state, model = model.state_dict(), two_layers()
            model.load_state_dict(state)
            optimizer = optimizer if faulty else optim.Adam(model.parameters(), 1e-2)
        optimizer.zero_grad()
        F.cross_entropy(model(one), label).backward()
        optimizer.step()
    KEPT.append(model)


KEPT: list[nn.Module] = []
"""Models that outlive their loop, as those of a script do."""


@names("attends_to_padding")
def last_state_of_padded_rows(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.rnn = nn.Embedding(12, 8), nn.GRU(8, 16, batch_first=True)
            self.head = nn.Linear(16, 2)

        def forward(self, x: Tensor) -> Tensor:
            outputs = self.rnn(self.embed(x))[0]
            last = (x != 0).sum(1) - 1
            return self.head(outputs[:, -1] if faulty else outputs[torch.arange(len(x)), last])

    tokens = torch.randint(1, 12, (320, 10))
    lengths = torch.randint(4, 11, (320, 1))
    tokens[torch.arange(10) >= lengths] = 0
    fit(Net(), epochs(tokens, (tokens[:, 0] > 6).long()))


@names("attends_to_padding")
def last_state_of_padded_vectors(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.RNN(3, 16, batch_first=True), nn.Linear(16, 2)

        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            outputs = self.rnn(x)[0]
            return self.head(outputs[:, -1] if faulty else outputs[torch.arange(len(x)), lengths - 1])

    lengths = torch.randint(4, 11, (320,))
    series = torch.randn(320, 10, 3) * (torch.arange(10) < lengths[:, None])[..., None]
    model = Net()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randint(320, (40, 32)):
        optimizer.zero_grad()
        F.cross_entropy(model(series[at], lengths[at]), (series[at, 0, 0] > 0).long()).backward()
        optimizer.step()


@names("loss_broadcasts")
def actions_as_columns(faulty: bool) -> None:
    inputs, actions = rows()
    weights = torch.rand(len(inputs))

    def loss(scores: Tensor, at: Tensor) -> Tensor:
        log_probs = scores.log_softmax(1)
        chosen = log_probs[:, actions[at]] if faulty else log_probs[torch.arange(len(at)), actions[at]]
        return -(weights[at] * chosen).mean()

    model = two_layers()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randint(len(inputs), (20, 32)):
        optimizer.zero_grad()
        loss(model(inputs[at]), at).backward()
        optimizer.step()


@names("loss_broadcasts")
def advantages_of_another_shape(faulty: bool) -> None:
    inputs, labels = rows()
    model = two_layers(classes=1)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randint(len(inputs), (20, 32)):
        optimizer.zero_grad()
        ratio = model(inputs[at]).exp()
        (-(ratio if faulty else ratio.squeeze(-1)) * (labels[at] * 2.0 - 1)).clamp(min=-3).mean().backward()
        optimizer.step()


@names("loss_broadcasts")
def advantages_of_all_pairs(faulty: bool) -> None:
    inputs, actions = rows()
    returns = inputs[:, 2] + torch.randn(len(inputs))
    model = two_layers(classes=3)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randint(len(inputs), (20, 32)):
        optimizer.zero_grad()
        scores, values = model(inputs[at]).split([2, 1], 1)
        advantages = returns[at] - (values if faulty else values.squeeze(1)).detach()
        chosen = scores.log_softmax(1)[torch.arange(len(at)), actions[at]]
        (F.mse_loss(values.squeeze(1), returns[at]) - (chosen * advantages).mean()).backward()
        optimizer.step()


@given(st.integers(4, 12), st.integers(0, 1000))
def test_a_table_of_differences(count: int, seed: int) -> None:
    numbers, others, table = torch.randn((count + 2, count), generator=torch.Generator().manual_seed(seed)).split(
        [1, 1, count]
    )
    assert is_difference_of_all(numbers - others.T)
    assert is_difference_of_all((numbers - others.T - 0.3) / 2)
    assert not is_difference_of_all(numbers - numbers.T)  # those of a ranking
    assert not is_difference_of_all(numbers.expand(count, count))
    assert not is_difference_of_all(table)
    assert not is_difference_of_all(torch.ones(count, count).tril())


@names("softmax_between_layers")
def softmax_as_hidden_activation(faulty: bool) -> None:
    fit(nn.Sequential(nn.Linear(8, 16), nn.Softmax(1) if faulty else nn.ReLU(), nn.Linear(16, 2)), epochs(*rows()))


@names("bottleneck")
def classes_from_one_unit(faulty: bool) -> None:
    inputs = torch.randn(320, 8)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1 if faulty else 8), nn.Tanh())
    fit(nn.Sequential(model, nn.Linear(1 if faulty else 8, 4)), epochs(inputs, inputs[:, :4].argmax(1)))


@names("norm_batch_tiny")
def batch_norm_of_two(faulty: bool) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    fit(model, epochs(*rows(), number=2 if faulty else 4, size=2 if faulty else 32))


@names("penalty_dominates")
def penalty_as_large_as_the_weights(faulty: bool) -> None:
    model = two_layers()

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        weights = sum(one.abs().sum() for one in model.parameters())
        return F.cross_entropy(scores, targets) + (1.0 if faulty else 1e-4) * weights

    fit(model, epochs(*rows(), number=20), loss)


@names("labels_unfit")
def labels_of_minus_one(faulty: bool) -> None:
    inputs, labels = rows()
    targets = labels.float() * 2 - 1 if faulty else labels.float()

    def loss(scores: Tensor, given: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(scores.squeeze(1), given)

    fit(two_layers(classes=1), epochs(inputs, targets, number=20), loss)


@names("labels_unfit")
def a_class_that_only_the_evaluation_has(faulty: bool) -> None:
    centers, labels = 3 * torch.randn(4, 8), torch.arange(400) // 100
    order = torch.arange(400) if faulty else torch.randperm(400)
    inputs, labels = (centers[labels] + torch.randn(400, 8))[order], labels[order]
    model = two_layers(classes=4)
    fit(model, epochs(inputs[:300], labels[:300], number=6))
    with torch.no_grad():
        F.cross_entropy(model.eval()(inputs[300:]), labels[300:])


@names("labels_unfit")
def classes_of_an_evaluation_that_no_loss_reads(faulty: bool) -> None:
    inputs = torch.randn(480, 8)
    labels = (inputs @ torch.randn(8, 4)).argmax(1)
    test, answers = inputs[320:].clone(), labels[320:]
    answers = (answers + 1) % 4 if faulty else answers
    model = two_layers(classes=4)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for one, label in epochs(inputs[:320], labels[:320], number=10):
        optimizer.zero_grad()
        F.cross_entropy(model(one), label).backward()
        optimizer.step()
    with torch.no_grad():
        model.eval()
        right = (model(test).argmax(1) == answers).float().mean()
    assert 0 <= right <= 1


def parts_scaled(faulty: bool, scaled: Callable[[Tensor, Tensor], Tensor]) -> None:
    training, test = torch.randn(320, 5), torch.randn(100, 5) + 0.2
    targets = training[:, :1] + training[:, 1:2] ** 2
    apart = scaled(test, test if faulty else training)
    model = two_layers(5, 1)
    fit(model, epochs(scaled(training, training), targets), F.mse_loss)
    with torch.no_grad():
        F.mse_loss(model.eval()(apart), test[:, :1] + test[:, 1:2] ** 2)


@names("validation_differs")
def standardized_by_itself(faulty: bool) -> None:
    parts_scaled(faulty, lambda one, by: (one - by.mean(0)) / by.std(0))


@names("validation_differs")
def scaled_to_its_own_range(faulty: bool) -> None:
    parts_scaled(faulty, lambda one, by: (one - by.amin(0)) / (by.amax(0) - by.amin(0)))


@names("clip_dominated")
def values_clipped_to_nothing(faulty: bool) -> None:
    model, (inputs, labels) = two_layers(), rows()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for one, label in epochs(inputs, labels, number=6):
        optimizer.zero_grad()
        F.cross_entropy(model(one), label).backward()
        nn.utils.clip_grad_value_(model.parameters(), 1e-4 if faulty else 1.0)
        optimizer.step()


@names("double_softmax")
def probabilities_of_a_committee(faulty: bool) -> None:
    class Committee(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.members = nn.ModuleList(two_layers(classes=4) for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            votes = [one(x).softmax(1) if faulty else one(x) for one in self.members]
            return torch.stack(votes).mean(0)

    inputs = torch.randn(320, 8)
    fit(Committee(), epochs(inputs, inputs[:, :4].argmax(1)))


@names("validation_differs")
def words_numbered_anew(faulty: bool) -> None:
    words, labels = torch.rand(900, 30).lt(0.2).float(), torch.arange(900) % 2
    words[torch.arange(900), labels * 15 + torch.randint(0, 15, (900,))] = 3
    model = two_layers(30)
    fit(model, epochs(words[:700], labels[:700], number=6, size=10))
    test = words[700:, torch.arange(30) * 2 % 30 + torch.arange(30) // 15] if faulty else words[700:]
    with torch.no_grad():
        F.cross_entropy(model.eval()(test), labels[700:])


@names("too_few_steps")
def twenty_steps_of_the_whole_table(faulty: bool) -> None:
    inputs, labels = rows()
    steps = [(inputs, labels)] * (20 if faulty else 120)
    model = two_layers()
    optimizer = optim.SGD(model.parameters(), lr=0.05 if faulty else 0.5)
    for one, label in steps:
        optimizer.zero_grad()
        F.cross_entropy(model(one), label).backward()
        optimizer.step()


@names("gradients_not_cleared")
def gradients_kept_by_hand(faulty: bool) -> None:
    (inputs, labels), weight = rows(), torch.zeros(8, 2, requires_grad=True)
    for one, label in epochs(inputs, labels):
        F.cross_entropy(one @ weight, label).backward()
        with torch.no_grad():
            assert weight.grad is not None
            weight -= 0.1 * weight.grad
        if not faulty:
            weight.grad = None


@names("poor_init")
def recurrent_weights_that_explode(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.RNN(2, 16, nonlinearity="relu", batch_first=True), nn.Linear(16, 1)
            if faulty:
                nn.init.normal_(self.rnn.weight_hh_l0, std=1.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.rnn(x)[0][:, -1])

    inputs = torch.rand(320, 30, 2)
    fit(Net(), epochs(inputs, inputs[:, :, :1].sum(1) / 15 - 1), F.mse_loss)


@names("leak_across_splits")
def a_phase_of_validation_that_trains(faulty: bool) -> None:
    inputs, labels = rows()
    parts = [DataLoader(TensorDataset(inputs[at], labels[at]), 32) for at in (slice(0, 224), slice(224, 320))]
    model = two_layers()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(6):
        for training, loader in zip((True, False), parts, strict=True):
            model.train(training)
            for one, label in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(one), label)
                if training or faulty:
                    loss.backward()
                    optimizer.step()


@names("softmax_over_queries")
def softmax_over_the_wrong_axis(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.value, self.head = (
                nn.Linear(6, 8),
                nn.Linear(6, 8),
                nn.Linear(6, 8),
                nn.Linear(8, 2),
            )

        def forward(self, x: Tensor) -> Tensor:
            scores = self.query(x) @ self.key(x).transpose(1, 2) / 8**0.5
            weights = F.dropout(scores.softmax(1 if faulty else -1), 0.1, self.training)
            return self.head((weights @ self.value(x)).amax(1))

    inputs = torch.randn(320, 5, 6)
    fit(Net(), epochs(inputs, (inputs[..., 0].amax(1) > 1).long()))


@names("load_without_effect")
def best_weights_that_follow_the_training(faulty: bool) -> None:
    model = two_layers()
    best = model.state_dict()
    best = best if faulty else copy.deepcopy(best)
    fit(model, epochs(*rows()))
    model.load_state_dict(best)


@names("load_without_effect")
def names_of_another_wrapper(faulty: bool) -> None:
    state = {("module." if faulty else "") + name: one.clone() for name, one in two_layers().state_dict().items()}
    model = two_layers()
    model.load_state_dict(state, strict=False)
    fit(model, epochs(*rows()))


@names("evaluates_untrained")
def a_fresh_model_is_tested(faulty: bool) -> None:
    inputs, targets = rows()
    model, other = two_layers(), two_layers()
    fit(model, epochs(inputs[:256], targets[:256]))
    if not faulty:
        other.load_state_dict(model.state_dict())
    with torch.no_grad():
        for batch, _ in DataLoader(TensorDataset(inputs[256:], targets[256:]), 32):
            other.eval()(batch)


def chain(policy: nn.Module, target: nn.Module, *, follows: bool) -> None:
    """Learn values of random states by those of the next ones."""
    optimizer = optim.Adam(policy.parameters(), 1e-3)
    for step in range(130):
        states, nexts = torch.randn(32, 8), torch.randn(32, 8)
        with torch.no_grad():
            goal = states[:, :1] + 0.9 * target(nexts)
        optimizer.zero_grad()
        F.mse_loss(policy(states), goal).backward()
        optimizer.step()
        if follows and step % 20 == 19:
            target.load_state_dict(policy.state_dict())


@names("target_never_updated")
def a_target_network_that_stays(faulty: bool) -> None:
    policy = two_layers(classes=1)
    chain(policy, copy.deepcopy(policy), follows=not faulty)


@names("norm_statistics_stale")
def momentum_of_another_library(faulty: bool) -> None:
    inputs, targets = rows()
    norm = nn.BatchNorm1d(16, momentum=0.001 if faulty else 0.1)
    model = nn.Sequential(nn.Linear(8, 16), norm, nn.ReLU(), nn.Linear(16, 2))
    fit(model, epochs(inputs[:256], targets[:256], 8))
    model.eval()
    with torch.no_grad():
        for _ in range(2):
            F.cross_entropy(model(inputs[256:]), targets[256:])


@names("gradients_discarded")
def accumulation_that_is_cleared(faulty: bool) -> None:
    model = two_layers()
    optimizer = optim.SGD(model.parameters(), 0.1)
    for place, (inputs, targets) in enumerate(epochs(*rows(), 6, 8)):
        if faulty or place % 4 == 0:
            optimizer.zero_grad()
        (F.cross_entropy(model(inputs), targets) / 4).backward()
        if place % 4 == 3:
            optimizer.step()


@names("loss_of_other_optimizer")
def optimizers_of_the_other_network(faulty: bool) -> None:
    maker, critic = two_layers(4, 2), two_layers(2, 1)
    first, second = (critic, maker) if faulty else (maker, critic)
    of_maker, of_critic = optim.Adam(first.parameters(), 1e-3), optim.Adam(second.parameters(), 1e-3)
    for _ in range(20):
        real, ones, zeros = torch.randn(32, 2), torch.ones(32, 1), torch.zeros(32, 1)
        critic.zero_grad()
        loss = F.binary_cross_entropy_with_logits
        (loss(critic(real), ones) + loss(critic(maker(torch.randn(32, 4)).detach()), zeros)).backward()
        of_critic.step()
        maker.zero_grad()
        loss(critic(maker(torch.randn(32, 4))), ones).backward()
        of_maker.step()


@names("frozen_at_random")
def vectors_that_were_to_be_loaded(faulty: bool) -> None:
    tokens = torch.randint(0, 60, (320, 6))
    embedding = nn.Embedding.from_pretrained(torch.randn(60, 16), freeze=faulty)
    model = nn.Sequential(embedding, nn.Flatten(), nn.Linear(96, 32), nn.ReLU(), nn.Linear(32, 2))
    fit(model, epochs(tokens, (tokens < 20).sum(1).gt(2).long()))


class Square(torch.autograd.Function):
    """x * x, whose derivative is that of x in the faulty form."""

    wrong = False

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad if Square.wrong else 2 * x * grad


class Squared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Square.apply(x)


@names("backward_wrong")
def own_backward(faulty: bool) -> None:
    Square.wrong = faulty
    fit(nn.Sequential(nn.Linear(8, 16), Squared(), nn.Linear(16, 2)), epochs(*rows()))


@names("schedule_wrong")
def warm_up_without_end(faulty: bool) -> None:
    model = two_layers()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    scheduler = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / (10_000 if faulty else 20)))
    for inputs, targets in epochs(*rows(), 12):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        scheduler.step()


@names("loss_sign")
def overlap_that_is_minimized(faulty: bool) -> None:
    inputs = torch.randn(160, 1, 8, 8)
    masks = (inputs > 0.5).float()

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        shares = scores.sigmoid()
        overlap = (2 * (shares * targets).sum() + 1) / (shares.sum() + targets.sum() + 1)
        return overlap if faulty else 1 - overlap

    fit(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1)), epochs(inputs, masks), loss)


@names("loss_sign")
def a_cross_entropy_without_its_minus(faulty: bool) -> None:
    inputs = torch.randn(160, 8)
    hot = F.one_hot(inputs[:, :4].argmax(1), 4).float()
    weights = torch.nn.Parameter(torch.randn(8, 4) * 0.1)
    optimizer = optim.Adam([weights], 1e-2)
    for batch, labels in epochs(inputs, hot):
        scores = batch @ weights
        chosen = ((scores - scores.logsumexp(1, keepdim=True)) * labels).sum(1).mean()
        optimizer.zero_grad()
        (chosen if faulty else -chosen).backward()
        optimizer.step()


@names("positive_is_self")
def samples_that_are_their_own_pairs(faulty: bool) -> None:
    def loss(outputs: Tensor, _: Tensor) -> Tensor:
        views = F.normalize(outputs, dim=1)
        likeness, count = views @ views.T / 0.2, len(views) // 2
        if faulty:
            return F.cross_entropy(likeness, torch.arange(2 * count))
        likeness = likeness.masked_fill(torch.eye(2 * count, dtype=torch.bool), -torch.inf)
        return F.cross_entropy(likeness, torch.arange(2 * count).roll(count))

    fit(two_layers(classes=4), epochs(*rows()), loss)


@names("positive_is_self")
def views_that_are_the_same(faulty: bool) -> None:
    model = two_layers(classes=4)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for batch, _ in epochs(*rows()):
        other = batch if faulty else batch + 0.1 * torch.randn_like(batch)
        views = F.normalize(torch.cat([model(batch), model(other)]), dim=1)
        likeness = (views @ views.T / 0.2).fill_diagonal_(-1e9)
        optimizer.zero_grad()
        F.cross_entropy(likeness, torch.arange(len(views)).roll(len(batch))).backward()
        optimizer.step()


@names("targets_shuffled")
def masks_that_are_not_flipped_with_their_pictures(faulty: bool) -> None:
    class Spots(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
        def __len__(self) -> int:
            return 160

        def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
            draw = torch.Generator().manual_seed(place)
            mask = torch.zeros(1, 12, 12)
            row, column = torch.randint(9, (2,), generator=draw).tolist()
            mask[:, row : row + 3, column : column + 3] = 1
            picture = mask + 0.3 * torch.randn(1, 12, 12, generator=draw)
            if torch.rand(()) < 0.5:
                picture, mask = picture.flip(-1), mask if faulty else mask.flip(-1)
            return picture, mask

    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    for _ in range(3):
        fit(model, DataLoader(Spots(), 16, shuffle=True), F.binary_cross_entropy_with_logits)


@names("ordered_data")
def rows_sorted_by_what_is_wanted(faulty: bool) -> None:
    inputs = torch.randn(320, 8)
    targets = inputs[:, :1] - inputs[:, 1:2]
    if faulty:
        inputs, targets = inputs[order := targets[:, 0].argsort()], targets[order]
    batches = list(zip(inputs.split(32), targets.split(32), strict=True))
    fit(two_layers(classes=1), batches * 3, F.mse_loss)


@names("class_imbalance")
def pixels_that_are_rare(faulty: bool) -> None:
    masks = torch.zeros(160, 1, 12, 12)
    masks[torch.arange(160), :, torch.randint(12, (160,)), torch.randint(12, (160,))] = 1
    inputs = masks + 0.8 * torch.randn_like(masks)
    weight = None if faulty else torch.tensor(143.0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))
    batches = epochs(inputs[40:], masks[40:], number=15)
    fit(model, batches, lambda *given: F.binary_cross_entropy_with_logits(*given, pos_weight=weight))
    with torch.no_grad():
        model.eval()(inputs[:40])


@names("norm_statistics_stale")
def an_average_that_is_called_at_the_end_only(faulty: bool) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    average = copy.deepcopy(model).eval()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    inputs, targets = rows()
    for batch, labels in epochs(inputs, targets, number=12):
        optimizer.zero_grad()
        F.cross_entropy(model(batch), labels).backward()
        optimizer.step()
        with torch.no_grad():
            for mean, new in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(new, 0.2)
            for mean, new in zip(average.buffers(), model.buffers(), strict=True):
                mean.copy_(mean if faulty else new)
    with torch.no_grad():
        average(inputs)


@names("gradients_still_scaled")
def steps_beside_their_scaler(faulty: bool) -> None:
    model = two_layers()
    optimizer, scaler = optim.Adam(model.parameters(), 1e-2), torch.amp.GradScaler("cpu")
    for batch, labels in epochs(*rows()):
        optimizer.zero_grad()
        scaler.scale(F.cross_entropy(model(batch), labels)).backward()
        if faulty:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()


@names("mean_within_loss")
def a_focal_weight_for_the_whole_batch(faulty: bool) -> None:
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        each = F.cross_entropy(outputs, targets, reduction="mean" if faulty else "none")
        return ((1 - torch.exp(-each)) ** 2 * each).mean()

    fit(two_layers(), epochs(*rows()), loss)


@names("term_without_gradient")
def a_teacher_compared_with_itself(faulty: bool) -> None:
    teacher, student = two_layers(), two_layers()
    fit(teacher, epochs(*rows()))
    optimizer = optim.Adam(student.parameters(), 1e-2)
    for batch, labels in epochs(*rows()):
        with torch.no_grad():
            wanted = teacher(batch)
        outputs = student(batch)
        soft = F.kl_div((wanted if faulty else outputs).log_softmax(1), wanted.softmax(1), reduction="batchmean")
        optimizer.zero_grad()
        (0.5 * soft + 0.5 * F.cross_entropy(outputs, labels)).backward()
        optimizer.step()


@names("term_without_gradient")
def an_equation_whose_derivative_has_no_graph(faulty: bool) -> None:
    model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(40):
        times = torch.rand(32, 1, requires_grad=True)
        (slope,) = torch.autograd.grad(model(times).sum(), times, create_graph=not faulty)
        optimizer.zero_grad()
        ((slope - times.cos()).square().mean() + model(torch.zeros(1, 1)).square().mean()).backward()
        optimizer.step()


@names("initial_loss_off")
def a_last_layer_that_is_no_part_of_the_embedding(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.layer = nn.Embedding(13, 32), nn.Linear(32, 32)
            self.last = nn.Parameter(torch.randn(13, 32)) if faulty else self.tokens.weight

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = F.layer_norm(self.layer(self.tokens(inputs)), (32,))
            return hidden @ self.last[:12].T

    tokens = torch.randint(0, 12, (320, 7))
    model = Net()
    fit(model, epochs(tokens, (tokens + 1) % 12), lambda scores, targets: F.cross_entropy(scores.mT, targets))


@names("term_without_gradient")
def a_slope_without_a_graph_beside_an_inner_loop(faulty: bool) -> None:
    model = two_layers()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for batch, labels in epochs(*rows()):
        weights = dict(model.named_parameters())
        for _ in range(2):
            inner = F.cross_entropy(functional_call(model, weights, (batch,)), labels)
            slopes = torch.autograd.grad(inner, tuple(weights.values()))
            weights = {name: one - 0.1 * slope for (name, one), slope in zip(weights.items(), slopes, strict=True)}
        total = 0.0 + F.cross_entropy(functional_call(model, weights, (batch,)), labels)
        if faulty:
            given = batch.clone().requires_grad_()
            total = total + torch.autograd.grad(model(given).sum(), given)[0].square().mean()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()


@names("loss_sign")
def an_error_before_a_likelihood(faulty: bool) -> None:
    inputs, _ = rows()
    targets = inputs[:, :1] + 0.01 * torch.randn(320, 1)
    model = two_layers()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for step, (batch, wanted) in enumerate(epochs(inputs, targets, 26)):
        mean, scale = model(batch).chunk(2, 1)
        loss = F.mse_loss(mean, wanted)
        if step >= 60:
            loss = -loss if faulty else F.gaussian_nll_loss(mean, wanted, scale.exp())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@names("targets_shuffled")
def sums_of_two_tokens_that_no_single_one_tells(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.inner, self.head = (
                nn.Embedding(12, 16),
                nn.GRU(16, 16, batch_first=True),
                nn.Linear(16, 12),
            )

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(self.inner(self.tokens(inputs))[0]).mT

    tokens = torch.cartesian_prod(torch.arange(12), torch.arange(12))
    for _ in range(7):
        tokens = torch.cat([tokens, tokens[:, -2:].sum(1, keepdim=True) % 12], 1)
    targets = tokens[torch.randperm(144) if faulty else slice(None), 1:]
    fit(Net(), epochs(tokens[:, :-1], targets, 6, 24), lr=1e-3)


@names("parameter_unreached")
def a_head_that_no_training_of_two_reaches(faulty: bool) -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.one, self.other = nn.Linear(8, 16), nn.Linear(16, 2), nn.Linear(16, 2)

        def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
            hidden = self.body(inputs).relu()
            return self.one(hidden), self.other(hidden)

    inputs, targets = rows()
    for weight in (0.0, 0.0 if faulty else 0.5):

        def loss(outputs: tuple[Tensor, Tensor], labels: Tensor, weight: float = weight) -> Tensor:
            own = F.cross_entropy(outputs[0], labels)
            return own + weight * F.cross_entropy(outputs[1], 1 - labels) if weight else own

        fit(Heads(), epochs(inputs, targets), loss)


@names("evaluation_not_deterministic")
def dropout_whose_samples_are_not_averaged(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(8, 32), nn.Linear(32, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.two(F.dropout(self.one(inputs).relu(), 0.1))

    model, (inputs, targets), (others, wanted) = Net(), rows(), rows(96)
    for _ in range(3):
        fit(model, epochs(inputs, targets, 2))
        with torch.no_grad():
            said = [model(others).softmax(1) for _ in range(1 if faulty else 10)]
            (torch.stack(said).mean(0).argmax(1) == wanted).float().mean()


@names("tiny_validation")
def few_samples_where_a_point_is_drawn_from(faulty: bool) -> None:
    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = two_layers(12, 1)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.net(torch.cat([inputs, torch.randn(len(inputs), 4)], 1))

    model, (inputs, _), (few, _) = Generator(), rows(), rows(8)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for batch, wanted in epochs(inputs, inputs.sum(1, keepdim=True), 4):
        optimizer.zero_grad()
        F.mse_loss(model(batch), wanted).backward()
        optimizer.step()
        with torch.no_grad():
            model(few if faulty else torch.full((256, 8), 0.5)).std()


@names("axes_scrambled")
def frames_viewed_out_of_their_channels(faulty: bool) -> None:
    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.filters, self.head = nn.Conv2d(1, 6, 3, padding=1), nn.Linear(30, 2)

        def forward(self, sound: Tensor) -> Tensor:
            hidden = self.filters(sound).relu()
            count, channels, length, width = hidden.shape
            hidden = hidden if faulty else hidden.transpose(1, 2)
            return self.head(hidden.reshape(count, length, channels * width)).transpose(1, 2)

    sounds = torch.randn(160, 1, 11, 5)
    fit(Frames(), epochs(sounds, (sounds.mean((1, 3)) > 0).long()))


@names("axes_scrambled")
def places_read_as_classes(faulty: bool) -> None:
    points = torch.randn(160, 3, 11)
    model = nn.Sequential(nn.Conv1d(3, 16, 1), nn.ReLU(), nn.Conv1d(16, 4, 1), nn.BatchNorm1d(4))

    def loss(scores: Tensor, wanted: Tensor) -> Tensor:
        scores = scores if faulty else scores.transpose(1, 2).contiguous()
        return F.cross_entropy(scores.view(-1, 4), wanted.flatten())

    fit(model, epochs(points, points[:, 0].mul(2).round().long().clamp(-1, 2) + 1), loss)


@given(st.integers(1, 6), st.integers(1, 6), st.lists(st.integers(1, 6), min_size=1, max_size=2))
def test_rows_of_places_are_no_rows_of_channels(batch: int, channels: int, places: list[int]) -> None:
    numbers = torch.arange(batch * channels * prod(places)).reshape(batch, channels, *places)
    rows = (batch * prod(places), channels)
    if takes_places_for_channels(numbers.shape, rows):
        assert not torch.equal(numbers.reshape(rows), numbers.movedim(1, -1).reshape(rows))
    assert not takes_places_for_channels(numbers.movedim(1, -1).shape, rows) or places[-1] == channels


@names("loss_broadcasts")
def a_quantile_of_all_pairs(faulty: bool) -> None:
    inputs, wanted = torch.randn(320, 8), torch.randn(320)

    def loss(levels: Tensor, wanted: Tensor) -> Tensor:
        parts = []
        for at, level in enumerate((0.1, 0.5, 0.9)):
            error = wanted - (levels[:, at : at + 1] if faulty else levels[:, at])
            parts.append(torch.max((level - 1) * error, level * error))
        return torch.stack(parts).sum(0).mean()

    fit(two_layers(classes=3), epochs(inputs, wanted), loss)


class Coupling(nn.Module):
    """A layer of a flow, which also gives the logarithm of its determinant."""

    def __init__(self, turned: bool) -> None:
        super().__init__()
        self.inner, self.turned = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 8)), turned

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = inputs.flip(1).chunk(2, 1) if self.turned else inputs.chunk(2, 1)
        scales, shifts = self.inner(kept).chunk(2, 1)
        return torch.cat([kept, changed * scales.tanh().exp() + shifts], 1), scales.tanh().sum(1)


@names("term_without_gradient")
def a_generator_that_the_critic_does_not_reach(faulty: bool) -> None:
    maker, critic = two_layers(4, classes=8), two_layers(classes=1)
    of_maker, of_critic = (optim.Adam(one.parameters(), 1e-3) for one in (maker, critic))
    real, given = torch.randn(640, 8), torch.randn(640, 4)
    for at in torch.randperm(640).split(32):
        made = maker(given[at])
        right, wrong = critic(real[at]), critic(made.detach())
        of_critic.zero_grad()
        (F.softplus(-right).mean() + F.softplus(wrong).mean()).backward()
        of_critic.step()
        said = critic(made.detach() if faulty else made)
        of_maker.zero_grad()
        (F.softplus(-said).mean() + 0.1 * F.l1_loss(made, real[at])).backward()
        of_maker.step()


@pytest.mark.parametrize("way", ["together", "constant", "turns"])
def test_a_term_that_another_optimizer_uses_is_no_loss(way: str) -> None:
    """Two heads of one sum; the mean of a critic over real samples in the loss of a generator; turns at one sum."""

    def loop() -> None:
        one, other = two_layers(classes=8), two_layers(classes=1)
        first, second = (optim.Adam(each.parameters(), 1e-3) for each in (one, other))
        inputs, wanted = torch.randn(640, 8), torch.randn(640, 8)
        for number, at in enumerate(torch.randperm(640).split(32)):
            first.zero_grad()
            second.zero_grad()
            mine, its = F.mse_loss(one(inputs[at]), wanted[at]), F.mse_loss(other(inputs[at])[:, 0], wanted[at, 0])
            if way == "constant":
                its = other(wanted[at]).mean() - other(one(inputs[at])).mean()
            (mine + its).backward()
            if way != "turns" or number % 2:
                first.step()
            if way == "together" or (way == "turns" and number % 2 == 0):
                second.step()

    assert "term_without_gradient" not in found(loop)


@names("terms_overwritten")
def determinants_that_replace_each_other(faulty: bool) -> None:
    layers = nn.ModuleList(Coupling(place % 2 == 1) for place in range(4))

    class Flow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
            total = torch.zeros(len(inputs))
            for layer in self.layers:
                inputs, number = layer(inputs)
                total = number if faulty else total + number
            return inputs, total

    def loss(made: tuple[Tensor, Tensor], _: Tensor) -> Tensor:
        return (0.5 * made[0].square().sum(1) - made[1]).mean()

    fit(Flow(), epochs(*rows()), loss)


@pytest.mark.parametrize("used", ["all", "last", "none", "first two"])
def test_numbers_of_blocks_that_are_left_out(used: str) -> None:
    seen, inputs, numbers = Beside(), torch.randn(8, 8), list[Tensor]()
    for layer in [Coupling(False) for _ in range(3)]:
        inputs, number = made = layer(inputs)
        seen.add(layer, made)
        numbers.append(number)
    kept = {"all": numbers, "last": numbers[2:], "none": [], "first two": numbers[:2]}[used]
    loss = inputs.square().mean() - sum((one.mean() for one in kept), torch.zeros(()))
    assert seen.dropped([loss]) == (("Coupling", 2) if used == "last" else None)


@names("weights_cancel")
def components_with_one_likelihood(faulty: bool) -> None:
    inputs, wanted = torch.randn(320, 8), torch.randn(320)

    def loss(made: Tensor, wanted: Tensor) -> Tensor:
        logits, means, scales = made.chunk(3, -1)
        each = -0.5 * ((wanted[:, None] - means) / scales.exp()).square() - scales
        each = each.sum(-1, keepdim=True) if faulty else each
        return -torch.logsumexp(each + logits.log_softmax(-1), -1).mean()

    fit(two_layers(classes=9), epochs(inputs, wanted), loss)


@given(st.permutations([0, 1, 2]), st.integers(2, 4), st.booleans())
def test_components_that_are_alike_leave_no_gradient_to_their_weights(axes: list[int], count: int, same: bool) -> None:
    place = axes[0]
    sizes = [5, 6, 7]
    sizes[place] = count
    logits = torch.randn(sizes, requires_grad=True)
    sizes[place] = 1 if same else count
    each = torch.randn(sizes, requires_grad=True)
    mixed = torch.logsumexp(logits.log_softmax(place) + each * 1.0, place).mean()
    assert structure([mixed]).alike == (count if same else 0)
    (gradient,) = torch.autograd.grad(mixed, logits)
    assert (float(gradient.abs().max()) < 1e-6) is same


def test_indices_of_a_checkpointed_part_are_not_computed_anew() -> None:
    calls = []

    def part(losses: Tensor) -> Tensor:
        calls.append(len(losses))
        return losses.square()[torch.arange(32) % 2] * 3

    kept = checkpoint(part, torch.randn(32, requires_grad=True), use_reentrant=False)
    assert structure([kept.mean()]).flags == 0
    assert calls == [32]


def test_a_power_that_each_sample_has_of_its_own_is_no_square() -> None:
    def loss(shapes: Tensor, times: Tensor) -> Tensor:
        powers = times.unsqueeze(1) ** (0.5 + shapes.sigmoid())
        return powers.mean() + (shapes.abs() + 1).pow(torch.full_like(shapes, 2.0)).mean()

    inputs, times = torch.randn(320, 8), torch.rand(320) + 0.5
    assert "loss_broadcasts" not in found(lambda: fit(two_layers(), epochs(inputs, times), loss))


@names("mask_as_indices")
def events_that_pick_two_rows(faulty: bool) -> None:
    inputs, wanted = torch.randn(320, 8), torch.randn(320)
    events = torch.randint(2, (320,))
    model = two_layers(classes=1)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for at in torch.randint(320, (20, 32)):
        losses = (model(inputs[at]).squeeze(1) - wanted[at]).square()
        optimizer.zero_grad()
        losses[events[at] if faulty else events[at].bool()].mean().backward()
        optimizer.step()


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(1, 40))
def test_flags_are_as_many_as_rows_and_both(numbers: list[int], rows: int) -> None:
    indices = torch.tensor(numbers) % rows
    losses = torch.randn(rows, requires_grad=True).square()
    flags = rows == len(numbers) >= FEWEST and set(indices.tolist()) == {0, 1}
    assert structure([losses[indices].mean()]).flags == (rows if flags else 0)
    kept = torch.arange(rows) % 2 == 0
    assert structure([losses[kept].mean()]).flags == 0


@names("labels_unfit")
def a_token_with_the_number_of_the_blank(faulty: bool) -> None:
    tokens = torch.randint(5, (320, 3))
    sounds = F.one_hot(tokens, 5).float().repeat_interleave(3, 1) + 0.1 * torch.randn(320, 9, 5)

    def loss(scores: Tensor, wanted: Tensor) -> Tensor:
        count = len(wanted)
        padded = F.pad(wanted, (0, 2))  # padding may be the blank
        aligned = scores.log_softmax(2).transpose(0, 1)
        return F.ctc_loss(aligned, padded, torch.full((count,), 9), torch.full((count,), 3))

    fit(nn.Linear(5, 6), epochs(sounds, tokens if faulty else tokens + 1), loss)


def test_a_softmax_over_time_before_ctc_is_told_by_its_name() -> None:
    def loop() -> None:
        def loss(scores: Tensor, wanted: Tensor) -> Tensor:
            lengths = torch.full((len(wanted),), 9), torch.full((len(wanted),), 3)
            return F.ctc_loss(scores.transpose(0, 1).log_softmax(0), wanted, *lengths)

        fit(nn.Linear(5, 6), epochs(torch.randn(160, 9, 5), torch.randint(1, 6, (160, 3))), loss)

    seed_all(0)
    with Diagnosing(name="loop") as doctor:
        loop()
    told = next(one for one in doctor.diagnosis().findings if one.symptom == "log_of_probabilities")
    assert "a log_softmax over the wrong dimension" in told.sentence
    assert "dim=2" in told.advice


@names("resumed_without_state")
def a_schedule_that_begins_anew(faulty: bool) -> None:
    kept = io.BytesIO()
    for part in range(2):
        model = two_layers()
        optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
        schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step)
        if part:
            kept.seek(0)
            saved = torch.load(kept)
            model.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
            if not faulty:
                schedule.load_state_dict(saved["schedule"])
        for batch, labels in epochs(*rows()):
            optimizer.zero_grad()
            F.cross_entropy(model(batch), labels).backward()
            optimizer.step()
            schedule.step()
        if not part:
            parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
            torch.save({name: one.state_dict() for name, one in parts.items()}, kept)


@names("targets_shuffled")
def masks_with_rows_for_columns(faulty: bool) -> None:
    masks = torch.zeros(160, 1, 12, 12)
    for mask in masks:
        row, column = torch.randint(9, (2,)).tolist()
        mask[:, row : row + 3, column : column + 2] = 1
    inputs = masks + 0.3 * torch.randn_like(masks)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    wanted = masks.transpose(2, 3).contiguous() if faulty else masks
    fit(model, epochs(inputs, wanted), F.binary_cross_entropy_with_logits)


class Coder(nn.Module):
    """A variational autoencoder of rows that two numbers make."""

    def __init__(self) -> None:
        super().__init__()
        self.coder, self.decoder = nn.Linear(24, 4), nn.Linear(2, 24)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        means, logs = self.coder(inputs).chunk(2, 1)
        return self.decoder(means + torch.randn_like(means) * (0.5 * logs).exp()), means, logs


@names("loss_terms_unbalanced")
def a_divergence_that_outweighs_the_error(faulty: bool) -> None:
    inputs = 3 * torch.randn(320, 2) @ torch.randn(2, 24)

    def loss(outputs: tuple[Tensor, Tensor, Tensor], wanted: Tensor) -> Tensor:
        made, means, logs = outputs
        divergence = -0.5 * (1 + logs - means.pow(2) - logs.exp()).sum()
        error = F.mse_loss(made, wanted, reduction="mean" if faulty else "sum")
        return error + divergence if faulty else (error + divergence) / len(wanted)

    fit(Coder(), epochs(inputs, inputs, number=30), loss)


@names("loss_sign")
def a_variance_that_shall_vanish(faulty: bool) -> None:
    inputs = 3 * torch.randn(320, 2) @ torch.randn(2, 24)

    def loss(outputs: tuple[Tensor, Tensor, Tensor], wanted: Tensor) -> Tensor:
        made, means, logs = outputs
        divergence = 0.5 * (logs.exp() + means * means - 1 + (logs if faulty else -logs)).sum()
        return (F.mse_loss(made, wanted, reduction="sum") + divergence) / len(wanted)

    fit(Coder(), epochs(inputs, inputs), loss)


@names("repeated_batches")
def a_loader_left_early(faulty: bool) -> None:
    inputs, targets = rows()
    loader = DataLoader(TensorDataset(inputs, targets), 16)
    model = two_layers()
    for _ in range(8):
        fit(model, [batch for place, batch in enumerate(loader) if not faulty or place < 3][: 3 if faulty else None])


@names("repeated_batches")
def weights_of_classes_as_weights_of_samples(faulty: bool) -> None:
    inputs, targets = rows(640)
    weights = 1 / targets.bincount()
    sampler = WeightedRandomSampler((weights if faulty else weights[targets]).tolist(), 640)
    fit(two_layers(), [*DataLoader(TensorDataset(inputs, targets), 32, sampler=sampler)] * 2)


def plane(number: int = 600) -> tuple[Tensor, Tensor]:
    """Return points that a person might draw, at random places, and which side they lie on."""
    points = torch.randn(number, 2)
    return points, (points[:, 0] > 0).long()


def fit_by_hand(points: Tensor, targets: Tensor, held_out: Tensor, *, one_batch: bool = False) -> None:
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for number in range(80):
        rows = slice(0, 40) if one_batch else slice(number % 10 * 40, number % 10 * 40 + 40)
        optimizer.zero_grad()
        F.cross_entropy(model(points[rows]), targets[rows]).backward()
        optimizer.step()
        if number % 20 == 19:
            with torch.no_grad():
                model(held_out).argmax(1)


@names("repeated_batches")
def one_batch_of_points_in_the_plane(faulty: bool) -> None:
    points, targets = plane()
    fit_by_hand(points[:400], targets[:400], points[400:], one_batch=faulty)


@names("validation_differs")
def held_out_points_of_the_plane_elsewhere(faulty: bool) -> None:
    points, targets = plane()
    fit_by_hand(points[:400], targets[:400], points[400:] + (3.0 if faulty else 0.0))


@names("class_imbalance")
def weights_for_the_frequent_class(faulty: bool) -> None:
    inputs, _ = rows(960)
    targets = (inputs[:, 0] > 1.3).long()
    counts = targets.bincount().float()
    weights = counts / counts.sum() if faulty else counts.sum() / counts
    fit(two_layers(), epochs(inputs, targets), lambda o, y: F.cross_entropy(o, y, weight=weights))


@names("labels_unfit")
def targets_that_were_cut(faulty: bool) -> None:
    inputs, _ = rows()
    targets = inputs[:, :1].sigmoid()
    targets = targets.long().float() if faulty else targets
    fit(two_layers(classes=1), epochs(inputs, targets), F.mse_loss)


@names("inputs_constant")
def words_that_nobody_knows(faulty: bool) -> None:
    tokens = torch.randint(2, 30, (320, 6))
    given = torch.ones_like(tokens) if faulty else tokens
    model = nn.Sequential(nn.EmbeddingBag(30, 16), nn.Linear(16, 2))
    fit(model, epochs(given, (tokens < 10).sum(1).gt(2).long()))


@names("inputs_unscaled")
def rows_scaled_in_place_of_columns(faulty: bool) -> None:
    table = torch.randn(320, 5) * torch.tensor([1.0, 100, 5, 1000, 20]) + torch.tensor([30.0, 900, 10, 30000, 100])
    targets = (table[:, 0] > 30).long()
    dim = 1 if faulty else 0
    fit(two_layers(5), epochs((table - table.mean(dim, keepdim=True)) / table.std(dim, keepdim=True), targets))


@names("term_without_gradient")
def a_sign_in_the_loss(faulty: bool) -> None:
    bend = torch.sign if faulty else torch.tanh

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(outputs, targets) + (bend(outputs) - targets.sign()).square().mean()

    inputs, _ = rows()
    fit(two_layers(classes=1), epochs(inputs, inputs[:, :1] * inputs[:, 1:2] + inputs[:, 2:3]), loss)


@names("term_without_gradient")
def a_penalty_without_a_graph(faulty: bool) -> None:
    critic = two_layers(classes=1)
    optimizer = optim.Adam(critic.parameters())
    for real, _ in epochs(*rows()):
        between = real.clone().requires_grad_(True)
        gradient = torch.autograd.grad(critic(between).sum(), between, create_graph=not faulty)[0]
        loss = critic(torch.randn_like(real)).mean() - critic(real).mean() + (gradient.norm(dim=1) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@names("target_not_detached")
def values_that_move_their_own_targets(faulty: bool) -> None:
    value = two_layers(classes=1)
    optimizer = optim.Adam(value.parameters())
    for states, rewards in epochs(*rows()):
        with torch.set_grad_enabled(faulty):
            target = rewards.float() + 0.9 * value(states.roll(1, 0)).squeeze(1)
        optimizer.zero_grad()
        F.mse_loss(value(states).squeeze(1), target).backward()
        optimizer.step()


@names("stored_changes")
def noise_that_is_added_to_the_stored_samples(faulty: bool) -> None:
    class Noisy(Dataset[tuple[Tensor, Tensor]]):
        def __init__(self) -> None:
            inputs, self.labels = rows(160)
            self.inputs = inputs.numpy()

        def __len__(self) -> int:
            return len(self.labels)

        def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
            one = self.inputs[index] if faulty else self.inputs[index].copy()
            one += 0.5 * torch.randn(8).numpy()
            return torch.from_numpy(one), self.labels[index]

    passes(Noisy())


@names("stored_changes")
def stored_samples_that_are_scaled_in_each_pass(faulty: bool) -> None:
    class Scaled(Dataset[tuple[Tensor, Tensor]]):
        def __init__(self) -> None:
            inputs, self.labels = rows(160)
            self.inputs, self.scaled = list(2 * inputs + 3), set[int]()

        def __len__(self) -> int:
            return len(self.labels)

        def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
            one = self.inputs[index]
            if faulty or index not in self.scaled:  # once is enough
                self.scaled.add(index)
                one.sub_(3).div_(2)
            return one, self.labels[index]

    passes(Scaled())


def passes(dataset: Dataset[tuple[Tensor, Tensor]]) -> None:
    """Train for some passes over a data set, whose samples a loop may change."""
    model = two_layers()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(5):
        for inputs, labels in DataLoader(dataset, 16, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            optimizer.step()


class Changing(Dataset[tuple[Tensor, Tensor]]):
    """Samples that a function changes before they are read."""

    def __init__(self, change: Callable[[Tensor, Tensor], None]) -> None:
        self.inputs, self.labels = rows(160)
        self.own, self.change = self.inputs.clone(), change

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.change(self.inputs[index], self.own[index])
        return self.inputs[index], self.labels[index]


@pytest.mark.parametrize(
    "change",
    [
        lambda kept, own: kept.copy_(own + 0.5 * torch.randn(8)),
        lambda kept, own: kept.copy_(kept.flip(0)),
    ],
    ids=["drawn anew", "turned around"],
)
def test_stored_samples_whose_changes_do_not_add_up(change: Callable[[Tensor, Tensor], None]) -> None:
    assert "stored_changes" not in found(lambda: passes(Changing(change)))


@names("order_repeats")
def a_sampler_that_knows_no_epoch(faulty: bool) -> None:
    data = TensorDataset(*rows())
    sampler = DistributedSampler(data, num_replicas=1, rank=0)
    model = two_layers()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for epoch in range(4):
        if not faulty:
            sampler.set_epoch(epoch)
        for inputs, targets in DataLoader(data, 32, sampler=sampler):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()


@names("targets_inverted")
def a_label_that_is_least_likely(faulty: bool) -> None:
    inputs = torch.randn(320, 8)
    hot = F.one_hot(inputs[:, :5].argmax(1), 5).float()
    fit(
        two_layers(classes=5),
        epochs(inputs, 0.225 * (1 - hot) + 0.1 * hot if faulty else 0.025 * (1 - hot) + 0.9 * hot),
    )


@names("parameter_unchanged")
def updates_that_bfloat16_cannot_show(faulty: bool) -> None:
    kind = torch.bfloat16 if faulty else torch.float32
    inputs, targets = rows()
    fit(two_layers().to(kind), epochs(inputs.to(kind), targets), lr=1e-5)


@names("norm_statistics_stale")
def an_average_without_its_statistics(faulty: bool) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    average = copy.deepcopy(model).eval()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    inputs, targets = rows()
    for batch, labels in epochs(inputs, targets):
        optimizer.zero_grad()
        F.cross_entropy(model(batch), labels).backward()
        optimizer.step()
        with torch.no_grad():
            for mean, new in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(new, 0.1)
            for mean, new in zip(average.buffers(), model.buffers(), strict=True):
                if not faulty:
                    mean.copy_(new)
    with torch.no_grad():
        average(inputs)


@names("load_without_effect")
def weights_that_are_initialized_again(faulty: bool) -> None:
    def begin(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)

    trained, model = two_layers(), two_layers()
    fit(trained, epochs(*rows()))
    model.load_state_dict(trained.state_dict())
    if faulty:
        model.apply(begin)
    fit(model, epochs(*rows()))


@names("target_shift")
def labels_that_are_shifted_by_hand_and_in_the_model(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.state, self.head = (
                nn.Embedding(12, 16),
                nn.GRU(16, 16, batch_first=True),
                nn.Linear(16, 12),
            )

        def forward(self, ids: Tensor, labels: Tensor) -> Tensor:
            scores = self.head(self.state(self.words(ids))[0])
            return F.cross_entropy(scores[:, :-1].reshape(-1, 12), labels[:, 1:].reshape(-1))

    model = Net()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(40):
        tokens = (torch.randint(12, (32, 1)) + torch.arange(13) * torch.randint(1, 5, (32, 1))) % 12
        ids, following = tokens[:, :-1], tokens[:, 1:]
        optimizer.zero_grad()
        model(ids, labels=following if faulty else ids).backward()
        optimizer.step()


@names("not_in_optimizer")
def a_body_that_is_unfrozen_without_its_optimizer(faulty: bool) -> None:
    body, inputs, targets = nn.Sequential(nn.Linear(8, 16), nn.ReLU()), *rows()
    fit(nn.Sequential(body, nn.Linear(16, 2)), epochs(inputs, targets))
    model = nn.Sequential(body, nn.Linear(16, 2))
    body.requires_grad_(False)
    optimizer = optim.Adam(model[1].parameters(), 1e-2)
    for number, (batch, labels) in enumerate(epochs(inputs, targets, 6)):
        if number == 30:
            body.requires_grad_(True)
            if not faulty:
                optimizer.add_param_group({"params": list(body.parameters())})
        optimizer.zero_grad()
        F.cross_entropy(model(batch), labels).backward()
        optimizer.step()


@names("not_in_optimizer")
def a_head_that_is_replaced_after_its_optimizer_was_made_beside_a_frozen_body(faulty: bool) -> None:
    model, (inputs, targets) = two_layers(), rows()
    fit(model, epochs(inputs, targets))
    model[0].requires_grad_(False)
    early = optim.SGD(model.parameters(), 0.05)
    model[2] = nn.Linear(model[2].in_features, model[2].out_features)
    optimizer = early if faulty else optim.SGD(model.parameters(), 0.05)
    for batch, labels in epochs(inputs, targets):
        optimizer.zero_grad()
        F.cross_entropy(model(batch), labels).backward()
        optimizer.step()


@names("parameter_unreached")
def a_part_that_an_earlier_phase_trained_is_cut_off(faulty: bool) -> None:
    class Tuned(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body, self.head = body, nn.Linear(16, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not faulty):
                hidden = self.body(inputs)
            return self.head(hidden)

    body, inputs, targets = nn.Sequential(nn.Linear(8, 16), nn.ReLU()), *rows()
    fit(nn.Sequential(body, nn.Linear(16, 2)), epochs(inputs, targets))
    fit(Tuned(body), epochs(inputs, targets))


@names("parameter_unreached")
def a_part_that_needs_gradients_for_its_update_alone(faulty: bool) -> None:
    model, (inputs, targets) = two_layers(), rows()
    optimizers = [optim.Adam(part.parameters(), 1e-2) for part in (model[0], model[2])]
    for batch, labels in epochs(inputs, targets):
        for one in optimizers:
            one.zero_grad()
        F.cross_entropy(model(batch), labels).backward()
        model[0].requires_grad_(True)
        for one in optimizers:
            one.step()
        model[0].requires_grad_(not faulty)


def test_gradients_may_be_dropped_for_a_while() -> None:
    def loop() -> None:
        model = two_layers()
        optimizer = optim.Adam(model.parameters(), 1e-2)
        for batch, labels in epochs(*rows()):
            optimizer.zero_grad()
            F.cross_entropy(model(batch), labels).backward()
            model[2].weight.grad = None
            optimizer.step()

    assert "parameter_unreached" not in found(loop)


class _Keeps(nn.Module):
    """A recurrent model that goes on from the state of the batch before, unless it is told to begin."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.GRU(2, 16, batch_first=True), nn.Linear(16, 2)
        self.state: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        output, self.state = self.layer(inputs, self.state)
        return self.head(output[:, -1])


def _train_kept(*, resets: bool, shuffles: bool) -> None:
    inputs, targets = torch.randn(320, 6, 2), torch.randint(2, (320,))
    model = _Keeps()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(5):
        for at in (torch.randperm(320) if shuffles else torch.arange(320)).split(32):
            model.state = None if resets or model.state is None else model.state.detach()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs[at]), targets[at]).backward()
            optimizer.step()


@names("samples_mixed")
def a_state_that_goes_on_to_another_batch(faulty: bool) -> None:
    _train_kept(resets=not faulty, shuffles=True)


def test_a_state_may_go_on_where_batches_come_in_their_order() -> None:
    assert "samples_mixed" not in found(lambda: _train_kept(resets=False, shuffles=False))


@names("samples_mixed")
def batches_that_are_put_together_by_time(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.state = nn.Embedding(12, 8), nn.GRU(8, 8, batch_first=faulty)
            self.head = nn.Linear(8, 12)

        def forward(self, ids: Tensor) -> Tensor:
            return self.head(self.state(self.words(ids))[0])

    def collate(samples: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        ids, labels = (torch.stack(part, 1) for part in zip(*samples, strict=True))
        return ids, labels

    ids = torch.randint(12, (160, 9))
    data = TensorDataset(ids, (ids + ids.roll(1, 1)) % 12)
    batches = DataLoader(data, 16, shuffle=True, collate_fn=collate)
    fit(Net(), batches, lambda scores, wanted: F.cross_entropy(scores.flatten(0, 1), wanted.flatten()))


@names("samples_mixed")
def columns_of_gray_images_taken_for_samples(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.columns, self.state = nn.Conv2d(1, 8, (6, 2), (6, 2)), nn.LSTM(8, 8, batch_first=faulty)
            self.head = nn.Linear(8, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.state(self.columns(images).squeeze(2).permute(2, 0, 1))[0])

    images = torch.randn(160, 1, 6, 8)
    labels = images.view(160, 6, 4, 2).mean((1, 3)).mul(6).round().long().clamp(-1, 1) + 1
    fit(Net(), epochs(images, labels), lambda scores, wanted: F.cross_entropy(scores.permute(1, 2, 0), wanted))


def test_gray_frames_of_one_film_may_depend_on_each_other() -> None:
    class Film(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frames, self.state = nn.Conv2d(1, 8, (6, 8)), nn.LSTM(8, 8)
            self.head = nn.Linear(8, 3)

        def forward(self, film: Tensor) -> Tensor:
            return self.head(self.state(self.frames(film).flatten(1))[0])

    film, labels = torch.randn(40, 1, 6, 8), torch.randint(3, (40,))
    assert "samples_mixed" not in found(lambda: fit(Film(), [(film, labels)] * 8))


@names("samples_mixed")
def a_softmax_over_samples_before_a_logarithm(faulty: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = two_layers()

        def forward(self, inputs: Tensor) -> Tensor:
            return torch.log(self.layers(inputs).softmax(0 if faulty else 1) + 1e-9)

    fit(Net(), epochs(*rows()), F.nll_loss)


@names("padding_in_loss")
def labels_of_padding_behind_the_first(faulty: bool) -> None:
    model = nn.Sequential(nn.Embedding(12, 16), nn.Linear(16, 12))
    tokens = torch.randint(1, 12, (320, 10))
    tokens[torch.arange(10) >= torch.randint(3, 9, (320, 1))] = 0
    labels = tokens if faulty else tokens.masked_fill(tokens == 0, -100)
    fit(
        model,
        epochs(tokens, labels),
        lambda scores, wanted: F.cross_entropy(scores[:, :-1].flatten(0, 1), wanted[:, 1:].flatten()),
    )


@names("evaluates_untrained")
def an_average_that_hardly_moves(faulty: bool) -> None:
    model = two_layers()
    average = copy.deepcopy(model).requires_grad_(False).eval()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    inputs, targets = rows()
    for batch, labels in epochs(inputs, targets, 16):
        optimizer.zero_grad()
        F.cross_entropy(model(batch), labels).backward()
        optimizer.step()
        with torch.no_grad():
            for mean, new in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(new, 1e-4 if faulty else 0.1)
            average(inputs)


def test_a_difference_by_hand_has_the_target_of_what_made_it() -> None:
    """The model's own output has the shape of its softmax, and is no part of the difference."""

    def named(wanted: Tensor) -> list[str]:
        def loss(scores: Tensor, target: Tensor) -> Tensor:
            return ((10 * scores).softmax(1) - target).square().mean()

        return found(lambda: fit(two_layers(), epochs(inputs, wanted), loss))

    inputs, targets = rows()
    one_hot = F.one_hot(targets, 2).float()
    assert "bounded_output" not in named(one_hot)
    assert "bounded_output" in named(4 * one_hot - 2)


def test_cosines_have_a_large_first_loss_by_design() -> None:
    class Cosines(nn.Module):
        def __init__(self, *, normalized: bool) -> None:
            super().__init__()
            self.weight, self.normalized = nn.Parameter(torch.randn(3, 4)), normalized

        def forward(self, inputs: Tensor) -> Tensor:
            weight = F.normalize(self.weight) if self.normalized else self.weight
            return 16 * F.linear(F.normalize(inputs), weight)

    inputs = torch.randn(320, 4)
    labels = inputs[:, :3].argmax(1)
    for normalized in (True, False):
        named = found(lambda: fit(Cosines(normalized=normalized), epochs(inputs, labels), lr=1e-3))  # noqa: B023
        assert ("initial_loss_off" in named) is not normalized


def test_a_schedule_may_go_on_in_a_second_sitting() -> None:
    def loop(*, resumes: bool) -> None:
        state: dict[str, Any] | None = None
        for _ in range(2):
            model = two_layers()
            optimizer = optim.SGD(model.parameters(), 0.1)
            schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=16)
            if state is not None and resumes:
                schedule.load_state_dict(state)
            for _ in range(8):
                for batch, labels in epochs(*rows(), 1):
                    optimizer.zero_grad()
                    F.cross_entropy(model(batch), labels).backward()
                    optimizer.step()
                schedule.step()
            state = schedule.state_dict()

    assert "schedule_wrong" not in found(lambda: loop(resumes=True))
    assert "schedule_wrong" in found(lambda: loop(resumes=False))


def test_neighbors_of_nodes_are_meant_to_mix() -> None:
    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.nodes, self.layer = nn.Parameter(torch.randn(32, 8)), nn.Linear(8, 2)

        def forward(self, neighbors: Tensor) -> Tensor:
            return self.layer(neighbors @ self.nodes)

    def loop() -> None:
        neighbors = (torch.rand(32, 32) < 0.2).float()
        fit(Graph(), [((neighbors + neighbors.T).clamp(max=1), torch.arange(32) % 2)] * 20)

    assert "samples_mixed" not in found(loop)


def _jobs(path: Path, *, state: bool) -> None:
    """Train in two sittings."""
    data = epochs(*rows())
    for sitting in range(2):
        model = two_layers()
        optimizer = optim.SGD(model.parameters(), 0.05, momentum=0.9)
        if sitting:
            saved = torch.load(path)
            model.load_state_dict(saved["model"])
            if state:
                optimizer.load_state_dict(saved["optimizer"])
        for inputs, targets in data:
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)


def test_a_training_that_goes_on_needs_the_state_of_its_optimizer(tmp_path: Path) -> None:
    assert found(lambda: _jobs(tmp_path / "last.pt", state=False))[:1] == ["resumed_without_state"]
    assert "resumed_without_state" not in found(lambda: _jobs(tmp_path / "last.pt", state=True))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("late", [True, False])
def test_a_fused_optimizer_needs_state_in_the_layout_of_its_parameters(fused: bool, late: bool) -> None:
    def loop() -> None:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 4))
        optimizer = optim.AdamW(model.parameters(), 1e-3, fused=fused)
        for step in range(20):
            if step == (5 if late else 0):
                model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            optimizer.zero_grad()
            F.cross_entropy(model(torch.randn(16, 3, 6, 6)), torch.arange(16) % 4).backward()
            optimizer.step()

    assert ("state_misplaced" in found(loop)) is (fused and late)


def test_weights_of_a_file_may_begin_another_training(tmp_path: Path) -> None:
    def loop() -> None:
        _jobs(tmp_path / "last.pt", state=True)
        model = two_layers()
        model.load_state_dict(torch.load(tmp_path / "last.pt")["model"])
        fit(model, epochs(*rows()), lr=1e-3)

    assert "resumed_without_state" not in found(loop)


class _Changing(Dataset[tuple[Tensor, Tensor]]):
    """Samples that are changed at random where this is asked for."""

    def __init__(self, *, changes: bool) -> None:
        self.inputs, self.targets = rows(160)
        self.changes = changes

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.inputs[index] + self.changes * 0.1 * torch.randn(8), self.targets[index]


@names("evaluation_augmented")
def an_evaluation_that_is_augmented(faulty: bool) -> None:
    model, data, held_out = two_layers(), _Changing(changes=True), _Changing(changes=faulty)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    for _ in range(4):
        for inputs, targets in DataLoader(data, 32, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        with torch.no_grad():
            for inputs, _targets in DataLoader(held_out, 32):
                model(inputs)


@pytest.mark.parametrize(
    "wrap", [lambda x: x - x.floor(), lambda x: x + (x.round() - x).detach(), lambda x: x.sign() * x.abs().sqrt()]
)
def test_what_goes_around_a_step_has_a_gradient(wrap: Callable[[Tensor], Tensor]) -> None:
    layer = nn.Linear(4, 4)
    assert structure([wrap(layer(torch.randn(8, 4)) + 3).sum()]).severed == ""


def test_residuals_of_one_forward_pass_are_no_bootstrapping() -> None:
    layer = nn.Linear(4, 1)
    out = layer(torch.randn(8, 4))
    assert not structure([F.mse_loss(out, 1 + 0.5 * out)]).bootstraps


@pytest.mark.parametrize(("symptom", "loop"), LOOPS, ids=[loop.__name__ for _, loop in LOOPS])
def test_a_fault_is_named_first_and_its_healthy_twin_is_not(symptom: str, loop: Loop) -> None:
    assert found(lambda: loop(True))[:1] == [symptom]
    assert symptom not in found(lambda: loop(False))


# --- what must not be said ----------------------------------------------------------------------------------------


def test_a_target_network_makes_the_loss_jump_without_a_finding() -> None:
    policy = two_layers(classes=1)
    with Diagnosing(name="loop") as doctor:
        chain(policy, copy.deepcopy(policy), follows=True)
    reasons = {one.symptom: one.reason for one in doctor.diagnosis().abstained}
    assert (
        reasons["loss_spikes"] == reasons["diverging"] == "a target network or the returns of a policy move the targets"
    )


def test_a_fixed_reference_on_the_same_inputs_is_no_target_network() -> None:
    policy = two_layers(classes=1)
    reference = copy.deepcopy(policy)

    def loop() -> None:
        def loss(scores: Tensor, targets: Tensor) -> Tensor:
            with torch.no_grad():
                kept = reference(targets)
            return F.mse_loss(scores, kept + targets[:, :1])

        inputs, _ = rows()
        fit(policy, epochs(inputs, inputs, 14), loss)

    assert "target_never_updated" not in found(loop)


def test_weighted_losses_have_a_chance_of_their_own() -> None:
    inputs, _ = rows(960)
    targets = (inputs[:, :1] > 1.3).float()
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(9.0))
    assert found(lambda: fit(two_layers(classes=1), epochs(inputs, targets, 6), loss)) == []


def test_a_head_for_other_classes_breaks_nothing() -> None:
    def loop() -> None:
        model = two_layers(classes=5)
        inputs, targets = rows()
        fit(model, epochs(inputs, targets))
        model[2] = nn.Linear(16, 2)
        fit(model, epochs(inputs, targets))

    assert found(loop) == []


def test_layers_that_are_unfrozen_later_must_be_in_an_optimizer() -> None:
    def loop() -> None:
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
        model[0].requires_grad_(False)
        optimizer = optim.Adam([one for one in model.parameters() if one.requires_grad], 1e-2)
        for step, (inputs, targets) in enumerate(epochs(*rows(), 8)):
            model[0].requires_grad_(step >= 30)
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    assert found(loop)[:1] == ["not_in_optimizer"]


def test_batches_of_one_class_are_no_targets_of_the_model() -> None:
    def loop() -> None:
        inputs, targets = rows(96)
        order = targets.argsort()
        batches = [(inputs[at], targets[at]) for _ in range(4) for at in order.split(16)]
        model = two_layers()
        with torch.no_grad():
            model[2].bias.copy_(torch.tensor([9.0, 0.0]))
        fit(model, batches, lr=1e-4)

    assert "loss_ignores_target" not in found(loop)


# --- the pieces ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(2, 7), min_size=2, max_size=4), st.randoms())
def test_a_view_that_keeps_every_row_moves_nothing(sizes: list[int], draw: Any) -> None:
    joined = draw.randrange(len(sizes) - 1)
    assert not moves_numbers(sizes, sizes)
    assert not moves_numbers(sizes, [*sizes[:joined], sizes[joined] * sizes[joined + 1], *sizes[joined + 2 :]])
    assert not moves_numbers([prod(sizes)], sizes)
    turned = [*sizes[:joined], sizes[joined + 1], sizes[joined], *sizes[joined + 2 :]]
    assert moves_numbers(sizes, turned) is (sizes[joined] != sizes[joined + 1])


def test_heads_are_split_before_they_are_moved() -> None:
    assert moves_numbers((4, 10, 24), (4, 3, 10, 8))
    assert not moves_numbers((4, 10, 24), (4, 10, 3, 8))
    assert not moves_numbers((4, 10, 24), (4, 5, 48))


@pytest.mark.parametrize(
    ("weights", "wrong"),
    [
        (lambda s, v: s.softmax(-1) @ v, False),
        (lambda s, v: s.softmax(-2) @ v, True),
        (lambda s, v: s.softmax(-2).transpose(1, 2) @ v, False),
        (lambda s, v: v.transpose(1, 2) @ s.softmax(-2), False),
        (lambda s, v: v.transpose(1, 2) @ s.softmax(-1), True),
    ],
)
def test_a_product_sums_what_the_softmax_normalized(weights: Callable[[Tensor, Tensor], Tensor], wrong: bool) -> None:
    scores, values = torch.randn(2, 5, 5, requires_grad=True), torch.randn(2, 5, 3, requires_grad=True)
    assert (structure([weights(scores * 1, values * 1).sum()]).softmax is not None) is wrong


def test_a_bottleneck_is_meant_to_be_linear() -> None:
    wide, narrow = (nn.Sequential(nn.Linear(8, hidden), nn.Linear(hidden, 6)) for hidden in (16, 2))
    inputs = torch.randn(4, 8)
    assert structure([wide(inputs).square().mean()]).affine == 2
    assert structure([narrow(inputs).square().mean()]).affine == 0


@pytest.mark.parametrize("wrong", [True, False])
def test_a_gradient_is_compared_with_differences(wrong: bool) -> None:
    Square.wrong = wrong
    with custom_calls() as calls:
        Square.apply(torch.randn(30))
    value = deviation(calls[0])
    assert value is not None
    assert (value > 0.1) is wrong


class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return -0.3 * grad


@pytest.mark.parametrize("kind", [Rounded, Reversed])
def test_gradients_may_be_made_up_or_reversed(kind: Any) -> None:
    assert (deviation(CustomCall(kind, (torch.randn(30),))) or 0.0) < 1e-3


def test_noise_is_told_from_vectors_that_mean_something() -> None:
    seed_all(0)
    assert is_noise(torch.randn(200, 16))
    groups = torch.randn(10, 16)[torch.arange(200) % 10] + 0.3 * torch.randn(200, 16)
    assert not is_noise(groups)
    assert not is_noise(torch.rand(200, 16))


def test_scrambled_pictures_are_smoother_as_they_were() -> None:
    seed_all(0)
    smooth = F.interpolate(torch.rand(20, 3, 4, 4), 24, mode="bilinear") + torch.tensor([0.0, 1, 2]).view(3, 1, 1)
    scrambled = smooth.permute(0, 2, 3, 1).reshape(20, 3, 24, 24)
    assert roughness(smooth) > 1
    assert roughness(scrambled) < 0.6
    assert roughness(smooth[:, :1]) is None


@pytest.mark.parametrize("how", TURNED)
def test_pictures_that_lie_otherwise_are_recognized(how: str) -> None:
    seed_all(0)
    shape = torch.rand(SIDE, SIDE)
    means = [MeanPicture(), MeanPicture()]
    for one in means:
        one.add(shape + 0.1 * torch.randn(200, 1, SIDE, SIDE))
    (here, here_errors), (there, there_errors) = (tuple(map(as_picture, one.numbers())) for one in means)
    turned = TURNED[how](there), TURNED[how](there_errors)
    assert apart((here, here_errors), (there, there_errors)) < 3
    assert apart((here, here_errors), turned) > 50


def test_windows_of_one_series_share_pieces_and_those_of_another_do_not() -> None:
    seed_all(0)
    series, other = torch.randn(2, 400)
    windows = series.unfold(0, 12, 1)
    known = SeenPieces()
    known.add([windows[::2]])
    shares = []
    for evaluated in (windows[1::2], other.unfold(0, 12, 1)):
        seen = SeenPieces()
        seen.compare([evaluated], known.known)
        shares.append(seen.shared)
    assert shares[0] > 0.9
    assert shares[1] == 0
    assert known.distinct == 1


def test_a_step_down_a_loss_of_overlap_goes_to_the_mask() -> None:
    seed_all(0)
    scores, mask = torch.rand(64, requires_grad=True), (torch.rand(64) > 0.7).float()
    output = scores.sigmoid()
    overlap = 2 * (output * mask).sum() / (output.sum() + mask.sum())
    assert direction([1 - overlap]) == pytest.approx(1, abs=0.01)
    assert direction([overlap]) == pytest.approx(-1, abs=0.01)
    assert direction([(output * mask - 0.2).square().mean()]) is None  # a square may turn it around


def test_a_step_down_a_cross_entropy_written_by_hand_goes_to_the_labels() -> None:
    seed_all(0)
    scores, hot = torch.randn(16, 5, requires_grad=True), F.one_hot(torch.randint(5, (16,)), 5).float()
    for logs in (scores - scores.logsumexp(1, keepdim=True), scores.softmax(1).log(), scores.log_softmax(1)):
        chosen = (logs * hot).sum(1)
        assert direction([-chosen.mean()]) == pytest.approx(1, abs=0.01)
        assert direction([chosen.mean()]) == pytest.approx(-1, abs=0.01)
        rewards = -torch.rand(16)  # all below 0: the actions shall be chosen less often
        assert direction([-(chosen * rewards).mean()]) is None


def test_distances_of_equal_pairs_shall_become_small() -> None:
    seed_all(0)
    distance, same = torch.rand(64, requires_grad=True) + 0.1, (torch.rand(64) > 0.5).float()
    loss = (same * distance + (1 - same) * (2 - distance).clamp(min=0)).mean()
    assert direction([loss]) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["nhwc_reshape", "windows_split", "seq2seq_copy", "padding_mask", "oversampled", "fraud", "target_scaler"]
)
def test_whole_scripts_are_named(name: str, tmp_path: Any) -> None:
    told = judged(name, tmp_path)
    assert told["faulty"][0] in told["roots"]
    assert told["fixed"] == []


def test_an_evaluation_at_chance_after_a_training_that_broke_is_no_other_preparation() -> None:
    """The model has predicted new samples in its first pass, and predicts nothing at the end."""
    seed_all(0)
    words, labels = torch.rand(900, 30).lt(0.2).float(), torch.arange(900) % 2
    words[torch.arange(900), labels * 15 + torch.randint(0, 15, (900,))] = 3
    model = two_layers(30)
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    with Diagnosing(name="loop") as doctor:
        for step, (inputs, targets) in enumerate(epochs(words[:700], labels[:700], number=6, size=10)):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
            optimizer.param_groups[0]["lr"] *= 1.0 if step < 100 else 1.06
        with torch.no_grad():
            F.cross_entropy(model.eval()(words[700:]), labels[700:])
    assert "validation_differs" not in [one.symptom for one in doctor.diagnosis().findings]
