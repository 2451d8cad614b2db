"""Rules about samples and evaluations: each names its planted fault, and none a healthy twin or a hard negative."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler, Subset, TensorDataset, WeightedRandomSampler

import hasten
from hasten.base.records.data_facts import DataFacts
from hasten.base.records.finding import Severity
from hasten.base.records.health import Health
from hasten.base.seeds import seed_all
from hasten.diagnosis.data.samples import _is_regular
from hasten.diagnosis.diagnose import diagnose_health
from hasten.diagnosis.registry import Tier, tier_of
from hasten.pipeline.diagnosing import Diagnosing

CLASSES = 4


def named(health: Health) -> set[str]:
    """Return the symptoms of tier E that are found, folded ones left out."""
    return {one.symptom for one in diagnose_health(health).findings if tier_of(one.symptom) is Tier.DATA}


def samples(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return clusters, one for each class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    centers = 3 * torch.eye(CLASSES, 8) - 0.5
    return centers[labels] + torch.randn(count, 8, generator=generator), labels


@dataclass
class Loop:
    """A usual loop: epochs of training, an evaluation after each."""

    x: Tensor = field(default_factory=lambda: samples(320)[0])
    y: Tensor = field(default_factory=lambda: samples(320)[1])
    valid_x: Tensor = field(default_factory=lambda: samples(96, 1)[0])
    valid_y: Tensor = field(default_factory=lambda: samples(96, 1)[1])
    train_set: Dataset[tuple[Tensor, ...]] | None = None
    valid_set: Dataset[tuple[Tensor, ...]] | None = None
    loader: Callable[[Dataset[tuple[Tensor, ...]]], Iterable[tuple[Tensor, Tensor]]] = lambda data: DataLoader(
        data, 16, shuffle=True
    )
    model: nn.Module = field(
        default_factory=lambda: nn.Sequential(nn.Flatten(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    )
    epochs: int = 2

    def health(self) -> Health:
        """Train and return what was seen."""
        train = self.train_set or TensorDataset(self.x, self.y)
        valid = self.valid_set or TensorDataset(self.valid_x, self.valid_y)
        optimizer = optim.Adam(self.model.parameters(), 1e-2)
        loader, valid_loader = self.loader(train), DataLoader(valid, 32)
        with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
            for _ in range(self.epochs):
                self.model.train()
                for x, y in loader:
                    optimizer.zero_grad()
                    F.cross_entropy(self.model(x), y).backward()
                    optimizer.step()
                self.model.eval()
                with torch.no_grad():
                    for x, _ in valid_loader:
                        self.model(x)
        assert doctor.failed == {}
        return doctor.seen()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed_all(0)


def test_a_healthy_training_is_silent() -> None:
    assert named(Loop().health()) == set()


def in_order(data: Dataset[tuple[Tensor, ...]]) -> Iterable[tuple[Tensor, Tensor]]:
    return DataLoader(data, 16)


class Repeating:
    """`next(iter(loader))` in each step."""

    def __init__(self, data: Dataset[tuple[Tensor, ...]]) -> None:
        self._loader = DataLoader(data, 16)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([next(iter(self._loader)) for _ in range(20)])


def sorted_by_label() -> Loop:
    x, y = samples(320)
    order = y.argsort()
    return Loop(x=x[order], y=y[order], loader=in_order)


def few_samples() -> Loop:
    x, y = samples(320)
    few = torch.arange(320) % 32
    return Loop(x=x[few], y=y[few])


def columns_lost() -> Loop:
    x, _ = samples(320)
    x[:, :3] = 0
    return Loop(x=x)


def leaking(share: float) -> Loop:
    x, y = samples(320)
    valid_x, valid_y = samples(96, 1)
    part = int(share * 96)
    return Loop(x=torch.cat([x, valid_x[:part]]), y=torch.cat([y, valid_y[:part]]))


def color(swapped: bool) -> Loop:
    def pictures(labels: Tensor) -> Tensor:
        means = torch.tensor([0.55, 0.45, 0.35]).view(1, 3, 1, 1) + 0.1 * torch.randn(len(labels), 3, 1, 1)
        corners = F.one_hot(labels, 4).float().view(-1, 1, 2, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
        return means + 0.2 * (corners - 0.25) + 0.1 * torch.randn(len(labels), 3, 4, 4)

    valid = pictures(samples(96, 1)[1])
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, CLASSES))
    return Loop(x=pictures(samples(320)[1]), valid_x=valid.flip(1) if swapped else valid, model=model)


def standardized(apart: bool, number: int = 96) -> Loop:
    x, (valid, labels) = samples(320)[0] * 2 + 1, samples(number, 1)
    valid = valid * 2 + 1
    own = valid if apart else x
    scaled = (x - x.mean(0)) / x.std(0)
    return Loop(x=scaled, valid_x=(valid - own.mean(0)) / own.std(0), valid_y=labels)


def not_a_number() -> Loop:
    x, _ = samples(320)
    x[5, 2] = float("nan")
    return Loop(x=x)


def rare_class() -> Loop:
    x, y = samples(1600)
    kept = (y == 0) | (torch.arange(1600) % 40 == 0)
    return Loop(x=x[kept] / 4, y=y[kept], valid_x=samples(96, 1)[0] / 4)


def shuffled(share: float, number: int = 320) -> Loop:
    x, y = samples(number)
    moved = torch.arange(number)[torch.rand(number) < share]
    y[moved] = y[moved[torch.randperm(len(moved))]]
    return Loop(x=x, y=y)


FAULTS: dict[str, tuple[str, Callable[[], Loop]]] = {
    "pairs shuffled": ("targets_shuffled", lambda: shuffled(1.0)),
    "most pairs shuffled": ("targets_shuffled", lambda: shuffled(0.8)),
    "few pairs shuffled": ("targets_shuffled", lambda: shuffled(1.0, 112)),
    "a rare class": ("class_imbalance", rare_class),
    "sorted by label": ("ordered_data", sorted_by_label),
    "the same batch": ("repeated_batches", lambda: Loop(loader=Repeating, epochs=2)),
    "each sample ten times": ("repeated_batches", few_samples),
    "zeros": ("inputs_constant", lambda: Loop(x=torch.zeros(320, 8))),
    "columns lost in training": ("inputs_constant", columns_lost),
    "not a number": ("inputs_constant", not_a_number),
    "one label": ("labels_unfit", lambda: Loop(y=torch.zeros(320, dtype=torch.long))),
    "labels shifted": ("labels_unfit", lambda: Loop(y=(samples(320)[1] + 1) % CLASSES)),
    "a tenth of the validation": ("leak_across_splits", lambda: leaking(0.1)),
    "all of the validation": ("leak_across_splits", lambda: leaking(1.0)),
    "validation to 255": ("validation_differs", lambda: Loop(valid_x=255 * samples(96, 1)[0])),
    "validation shifted": ("validation_differs", lambda: Loop(valid_x=samples(96, 1)[0] + 3)),
    "channels swapped": ("validation_differs", lambda: color(swapped=True)),
    "scaled apart": ("validation_differs", lambda: standardized(apart=True)),
    "few scaled apart": ("validation_differs", lambda: standardized(apart=True, number=24)),
    "eight samples": ("tiny_validation", lambda: Loop(valid_x=samples(8, 1)[0], valid_y=samples(8, 1)[1])),
}


SLOW = {"most pairs shuffled", "labels shifted", "all of the validation", "validation shifted", "scaled apart"}
"""Another fault has the same symptom."""


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=pytest.mark.slow) if fault in SLOW else fault for fault in FAULTS]
)
def test_each_fault_is_named(fault: str) -> None:
    symptom, loop = FAULTS[fault]
    assert named(loop().health()) == {symptom}


def imbalanced(*, sampler: bool) -> Loop:
    x, y = samples(320)
    kept = (y == 0) | (torch.arange(320) % 4 == 0)
    x, y = x[kept], y[kept]
    weights = (1 / y.bincount())[y].tolist()

    def loader(data: Dataset[tuple[Tensor, ...]]) -> Iterable[tuple[Tensor, Tensor]]:
        return DataLoader(data, 16, sampler=WeightedRandomSampler(weights, len(y)) if sampler else RandomSampler(y))

    return Loop(x=x, y=y, loader=loader)


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """Noise in training only."""

    def __init__(self) -> None:
        self.x, self.y = samples(320)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index] + 0.3 * torch.randn(8), self.y[index]


class Listed:
    """Fetches all batches of an epoch before its first step."""

    def __init__(self, data: Dataset[tuple[Tensor, ...]]) -> None:
        self.loader = DataLoader(data, 16, shuffle=True)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(list(self.loader))


def split_in_two() -> Loop:
    data = TensorDataset(*samples(400))
    return Loop(train_set=Subset(data, range(320)), valid_set=Subset(data, range(320, 400)))


HEALTHY: dict[str, Callable[[], Loop]] = {
    "full batches": lambda: Loop(loader=lambda data: DataLoader(data, 400), epochs=12),
    "in order, not by label": lambda: Loop(loader=in_order),
    "two subsets": split_in_two,
    "imbalanced": lambda: imbalanced(sampler=False),
    "imbalanced, with a sampler": lambda: imbalanced(sampler=True),
    "augmented": lambda: Loop(train_set=Augmented()),
    "fetched before the steps": lambda: Loop(loader=Listed),
    "color pictures": lambda: color(swapped=False),
    "scaled by the training": lambda: standardized(apart=False),
    "few scaled by the training": lambda: standardized(apart=False, number=24),
    "small validation": lambda: Loop(valid_x=samples(32, 1)[0], valid_y=samples(32, 1)[1]),
    "data in [0, 1]": lambda: Loop(x=samples(320)[0].sigmoid(), valid_x=samples(96, 1)[0].sigmoid()),
}


def test_an_evaluation_of_the_training_data_alone_is_a_note() -> None:
    data = TensorDataset(*samples(320))
    (found,) = diagnose_health(Loop(train_set=data, valid_set=data).health()).findings
    assert (found.symptom, found.severity) == ("leak_across_splits", Severity.NOTE)


@pytest.mark.parametrize("kind", HEALTHY)
def test_healthy_data_are_silent(kind: str) -> None:
    assert named(HEALTHY[kind]().health()) == set()


def by_hand(x: Tensor, valid: Tensor, *, evaluate_training: bool = False) -> Health:
    """Train on slices, without a loader."""
    y = samples(320)[1]
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for _ in range(3):
            for rows in torch.randperm(len(x)).split(32):
                optimizer.zero_grad()
                F.cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()
            with torch.no_grad():
                if evaluate_training:
                    model(x)
                for start in range(0, len(valid), 32):
                    model(valid[start : start + 32])
    assert doctor.failed == {}
    return doctor.seen()


@pytest.mark.parametrize(("factor", "symptoms"), [(1, set()), (10, {"validation_differs"})])
def test_tensors_are_evaluated_beside_a_training_loader(factor: float, symptoms: set[str]) -> None:
    x, y = samples(320)
    valid = factor * samples(96, 1)[0]
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for _ in range(3):
            for inputs, labels in DataLoader(TensorDataset(x, y), 16, shuffle=True):
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), labels).backward()
                optimizer.step()
                with torch.no_grad():
                    model(inputs)
                    model(torch.randn(2, 8) * 100)  # of the moment, as the samples of a generator
            with torch.no_grad():
                model(x)
                model(valid)
    assert named(doctor.seen()) == symptoms


def test_batches_of_a_model_left_in_evaluation_mode_are_not_taken_for_the_one_before() -> None:
    x, y = samples(320)
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.1), nn.Linear(16, CLASSES))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for _ in range(8):
            for inputs, labels in DataLoader(TensorDataset(x, y), 16, shuffle=True):
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), labels).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                model(x[:32])
    training = doctor.seen().data.training  # type: ignore[union-attr]
    assert training is not None
    assert training.repeated == 0


def test_a_loop_without_loaders_is_understood() -> None:
    x, valid = samples(320)[0], samples(96, 1)[0]
    assert named(by_hand(x, valid)) == set()
    assert named(by_hand(x, valid, evaluate_training=True)) == set()
    assert named(by_hand(torch.cat([x[:300], valid[:20]]), valid)) == {"leak_across_splits"}
    assert named(by_hand(x, 10 * valid)) == {"validation_differs"}


@pytest.mark.parametrize("call", ["keyword", "positional"])
def test_a_model_that_is_given_the_labels_for_its_loss_does_not_read_them(call: str) -> None:
    inputs, labels = samples(320)
    labels = labels.remainder(2)

    class WithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 1)

        def forward(self, x: Tensor, labels: Tensor) -> Tensor:
            return F.binary_cross_entropy_with_logits(self.layer(x)[:, 0], labels.float())

    seed_all(0)
    model = WithLoss()
    optimizer = optim.SGD(model.parameters(), 0.1)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for x, y in DataLoader(TensorDataset(inputs, labels.float() if call == "positional" else labels), 16):
            (model(x, y) if call == "positional" else model(x, labels=y)).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert "target_shift" not in named(doctor.seen())


@pytest.mark.parametrize("call", ["parts", "forward", "looked up"])
def test_what_inner_layers_get_and_give_is_not_taken_for_data(call: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.head = nn.Linear(8, 16), nn.Linear(16, CLASSES)
            nn.init.zeros_(self.encoder.weight)
            nn.init.zeros_(self.encoder.bias)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(self.encoder(inputs).relu())

    model = Net()
    ways = {"parts": lambda x: model.head(model.encoder(x).relu()), "forward": lambda x: model.forward(x)}
    output_of = ways.get(call, model.forward)
    optimizer = optim.SGD(model.parameters(), 1e-2)
    data, valid = TensorDataset(*samples(320)), TensorDataset(*samples(96, 1))
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for _ in range(2):
            for inputs, labels in DataLoader(data, 16):
                optimizer.zero_grad()
                F.cross_entropy(output_of(inputs), labels).backward()
                optimizer.step()
            with torch.no_grad():
                for inputs, _ in DataLoader(valid, 32):
                    output_of(inputs)
    facts = doctor.seen().data
    assert facts is not None
    assert facts.training is not None
    assert (facts.training.elements, facts.training.distinct) == (8, 320)
    assert [part.elements for part in facts.evaluations] == [8]
    assert named(doctor.seen()) == set()


class WithLoss(nn.Module):
    """Computes its own loss, as models of transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.inner(x), labels.view(-1))


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("shuffled", [True, False])
def test_labels_given_to_the_model_are_not_taken_for_inputs(by_name: bool, shuffled: bool) -> None:
    x, y = samples(480)
    model = WithLoss()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with hasten.diagnosing() as doctor:
        for _ in range(2):
            for inputs, labels in DataLoader(TensorDataset(x, y.flip(0) if shuffled else y), 16):
                optimizer.zero_grad()
                (model(inputs, labels=labels) if by_name else model(inputs, labels)).backward()
                optimizer.step()
    assert named(doctor.seen()) == ({"targets_shuffled"} if shuffled else set())


def test_a_teacher_is_no_evaluation() -> None:
    x, y = samples(320)
    model, teacher = (nn.Linear(8, CLASSES) for _ in range(2))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for inputs, labels in DataLoader(TensorDataset(x, y), 16):
            with torch.no_grad():
                soft = teacher(inputs).softmax(1)
            optimizer.zero_grad()
            (F.cross_entropy(model(inputs), labels) + F.cross_entropy(model(inputs), soft)).backward()
            optimizer.step()
    facts = doctor.seen().data
    assert facts is not None
    assert facts.evaluations == ()


def test_facts_are_finite_where_the_data_are_not() -> None:
    loop = not_a_number()
    loop.x[7] = float("inf")
    facts = loop.health().data
    assert facts is not None
    assert msgspec.json.decode(msgspec.json.encode(facts), type=DataFacts) == facts


def test_a_generator_that_trains_on_the_samples_of_its_critic_repeats_nothing() -> None:
    generator, critic = nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    one, other = optim.Adam(critic.parameters(), 1e-3), optim.Adam(generator.parameters(), 1e-3)
    loss = F.binary_cross_entropy_with_logits
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for _ in range(2):
            for x, _ in DataLoader(TensorDataset(*samples(320)), 16, shuffle=True):
                made = generator(torch.randn(16, 8))
                one.zero_grad()
                (loss(critic(x), torch.ones(16, 1)) + loss(critic(made.detach()), torch.zeros(16, 1))).backward()
                one.step()
                other.zero_grad()
                loss(critic(made), torch.ones(16, 1)).backward()
                other.step()
    assert "repeated_batches" not in named(doctor.seen())


@pytest.mark.parametrize("loader", [True, False])
def test_what_one_of_several_models_is_asked_is_not_compared_with_the_samples_of_another(loader: bool) -> None:
    """Noise for a generator has another spread than what its critic gets."""
    x = samples(320)[0]
    generator, critic = nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    one, other = optim.Adam(critic.parameters(), 1e-3), optim.Adam(generator.parameters(), 1e-3)
    loss, noise = F.binary_cross_entropy_with_logits, torch.randn(96, 8)
    batches = DataLoader(TensorDataset(x), 64, shuffle=True) if loader else [[rows] for rows in x.split(64)]
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for _ in range(3):
            for (real,) in batches:
                made = generator(torch.randn(64, 8)) / 16
                one.zero_grad()
                (loss(critic(real), torch.ones(64, 1)) + loss(critic(made.detach()), torch.zeros(64, 1))).backward()
                one.step()
                other.zero_grad()
                loss(critic(made), torch.ones(64, 1)).backward()
                other.step()
            with torch.no_grad():
                generator(noise)
    assert "validation_differs" not in named(doctor.seen())


def test_an_evaluation_that_is_fetched_before_the_training_is_none_of_its_samples() -> None:
    (x, y), valid = samples(320), samples(96, 1)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        valid_x, _ = next(iter(DataLoader(TensorDataset(*valid), 96)))
        for _ in range(3):
            for inputs, labels in DataLoader(TensorDataset(x, y), 16, shuffle=True):
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), labels).backward()
                optimizer.step()
            with torch.no_grad():
                model(valid_x)
    health = doctor.seen()
    assert named(health) == set()
    assert health.data is not None
    assert [one.overlap for one in health.data.evaluations] == [0]


@pytest.mark.parametrize("scaled_alone", [True, False])
def test_training_data_that_are_evaluated_have_their_range_and_say_nothing_of_another_part(scaled_alone: bool) -> None:
    def to_range(x: Tensor, of: Tensor) -> Tensor:
        return (x - of.min(0).values) / (of.max(0).values - of.min(0).values)

    x, valid = samples(320)[0], samples(96, 1)[0]
    health = by_hand(to_range(x, x), to_range(valid, valid if scaled_alone else x), evaluate_training=True)
    assert ("validation_differs" in named(health)) is scaled_alone


def sliced(x: Tensor, y: Tensor, evaluated: Tensor, *, steps: int = 60) -> Health:
    """Train on slices, and evaluate others."""
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for step in range(steps):
            rows = torch.randint(len(x), (32,))
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            if step % 20 == 19:
                with torch.no_grad():
                    model(evaluated)
    assert doctor.failed == {}
    return doctor.seen()


def test_an_evaluation_of_all_there_is_is_no_leak() -> None:
    (x, y), (valid, _) = samples(320), samples(96, 1)
    assert named(sliced(x[:200], y, torch.cat([x[:200], valid]), steps=120)) == set()
    assert named(sliced(x, y, torch.cat([x[:40], valid]), steps=120)) == {"leak_across_splits"}


def drawn(x: Tensor, y: Tensor, chosen: Sequence[Tensor]) -> Health:
    """Train on random samples, and evaluate others that are put together for each evaluation."""
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for step in range(20 * len(chosen)):
            rows = torch.randperm(256)[:32]
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            if step % 20 == 19:
                with torch.no_grad():
                    model(x[chosen[step // 20]])
    assert doctor.failed == {}
    return doctor.seen()


def test_samples_that_are_others_in_each_evaluation_are_no_split() -> None:
    x, y = samples(640)
    fixed = torch.arange(224, 320)
    assert "leak_across_splits" in named(drawn(x, y, [fixed] * 6))
    fresh = [torch.cat([torch.arange(at, at + 48), torch.arange(300 + at, 348 + at)]) for at in (0, 40, 80)]
    others = [torch.arange(at, at + 96) for at in (400, 440, 480)]
    mixed = [one for pair in zip(fresh, others, strict=True) for one in pair]
    assert "leak_across_splits" not in named(drawn(x, y, mixed))


def test_what_a_part_of_the_model_computed_is_no_data() -> None:
    """A frozen part in evaluation mode, a head that trains, and an evaluation of both."""
    x, y = samples(480)
    body, head = nn.Sequential(nn.Linear(8, 16), nn.ReLU()).eval().requires_grad_(False), nn.Linear(16, CLASSES)
    optimizer = optim.Adam(head.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for step in range(60):
            rows = torch.randint(320, (32,))
            optimizer.zero_grad()
            F.cross_entropy(head(body(x[rows])), y[rows]).backward()
            optimizer.step()
            if step % 20 == 19:
                with torch.no_grad():
                    head(body(x[320:]))
    assert doctor.failed == {}
    health = doctor.seen()
    assert health.data is not None
    assert health.data.training is not None
    assert health.data.training.elements == 8
    assert [part.elements for part in health.data.evaluations] == [8]
    assert named(health) == set()


@pytest.mark.parametrize("again", [True, False])
def test_an_evaluation_of_a_second_training_is_not_compared_with_the_data_of_the_first(again: bool) -> None:
    x, y = samples(480)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for scale in (1, 10) if again else (1,):
            optimizer = optim.Adam(model.parameters(), 1e-3)
            for _ in range(40):
                rows = torch.randint(320, (32,))
                optimizer.zero_grad()
                F.cross_entropy(model(scale * x[rows]), y[rows]).backward()
                optimizer.step()
        with torch.no_grad():
            model(10 * x[320:])
    assert doctor.failed == {}
    assert named(doctor.seen()) - {"inputs_unscaled"} == (set() if again else {"validation_differs"})


def test_few_samples_in_one_batch_are_a_data_set() -> None:
    x, valid = torch.linspace(-1, 1, 9)[:, None], torch.linspace(-1, 1, 101)[:, None]
    model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for step in range(60):
            optimizer.zero_grad()
            F.mse_loss(model(x), (3 * x).sin()).backward()
            optimizer.step()
            if step % 20 == 19:
                with torch.no_grad():
                    model(valid)
    assert doctor.failed == {}
    assert named(doctor.seen()) == set()


def test_labels_of_all_losses_of_a_step_are_labels_of_the_training() -> None:
    tokens = torch.arange(24).remainder(8).repeat(40, 1)
    embed, head = nn.Embedding(8, 16), nn.Linear(16, 8)
    optimizer = optim.Adam([*embed.parameters(), *head.parameters()], 1e-2)

    def losses(rows: Tensor) -> Tensor:
        places = range(8)
        return torch.stack([F.cross_entropy(head(embed(rows[:, at])), rows[:, at + 1]) for at in places]).mean()

    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for step in range(40):
            optimizer.zero_grad()
            losses(tokens[torch.randint(40, (8,))]).backward()
            optimizer.step()
            if step % 10 == 9:
                with torch.no_grad():
                    losses(tokens)
    assert doctor.failed == {}
    assert "labels_unfit" not in named(doctor.seen())


@settings(max_examples=50, deadline=None)
@given(st.integers(5, 40), st.integers(1, 12), st.floats(-10, 10), st.floats(0.5, 50), st.integers(0, 9))
def test_a_grid_is_regular_in_any_order_and_points_at_random_are_not(
    wide: int, high: int, low: float, length: float, seed: int
) -> None:
    draws = torch.Generator().manual_seed(seed)
    across, up = torch.linspace(low, low + length, wide), torch.linspace(-1, 1, high)
    grid = torch.cartesian_prod(across, up).double()
    assert _is_regular(grid[torch.randperm(len(grid), generator=draws)])
    assert not _is_regular(torch.rand(wide, 2, generator=draws).double())
    assert not _is_regular(torch.cat([grid, torch.rand(5, 2, generator=draws).double() + low]))
