"""Targets of token models, and columns of tables, that are their own inputs."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from hasten.base.records.health import Health
from hasten.base.seeds import seed_all
from hasten.diagnosis.data.copies import padded
from hasten.diagnosis.diagnose import diagnose_health
from hasten.diagnosis.registry import Tier, tier_of
from hasten.diagnosis.watching.padding import padding_by
from hasten.pipeline.diagnosing import Diagnosing

LENGTH, TOKENS = 16, 12


def named(health: Health) -> set[str]:
    """Return the symptoms of tier E that are found, folded ones left out."""
    return {one.symptom for one in diagnose_health(health).findings if tier_of(one.symptom) is Tier.DATA}


class Recurrent(nn.Module):
    """A language model: no output depends on later tokens."""

    def __init__(self, *, both_ways: bool = False) -> None:
        super().__init__()
        self.tokens = nn.Embedding(TOKENS, 16)
        self.inner = nn.GRU(16, 16, batch_first=True, bidirectional=both_ways)
        self.head = nn.Linear(32 if both_ways else 16, TOKENS)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.inner(self.tokens(x))[0])


def text(count: int = 640) -> Tensor:
    """Return a walk through the tokens, which the token before tells half of."""
    steps = torch.randint(1, 3, (count, LENGTH + 4))
    return (steps.cumsum(1) + torch.randint(0, TOKENS, (count, 1))).remainder(TOKENS)


def health_of(
    model: nn.Module, x: Tensor, y: Tensor, ignored: int = -100, flat: Callable[[Tensor], Tensor] = Tensor.flatten
) -> Health:
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for inputs, targets in DataLoader(TensorDataset(x, y), 40, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs).flatten(0, 1), flat(targets), ignore_index=ignored).backward()
            optimizer.step()
    assert doctor.failed == {}
    return doctor.seen()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed_all(0)


def shifted(by: int) -> tuple[Tensor, Tensor]:
    tokens = text()
    return tokens[:, 2 : LENGTH + 2], tokens[:, 2 + by : LENGTH + 2 + by]


def shuffled() -> tuple[Tensor, Tensor]:
    x, y = shifted(1)
    return x, y[torch.randperm(len(y))]


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, Tensor]], set[str]]] = {
    "next token": (Recurrent, lambda: shifted(1), set()),
    "same token": (Recurrent, lambda: shifted(0), {"target_shift"}),
    "token before": (Recurrent, lambda: shifted(-1), {"target_shift"}),
    "two further on": (Recurrent, lambda: shifted(2), {"target_shift"}),
    "autoencoder": (lambda: Recurrent(both_ways=True), lambda: shifted(0), set()),
    "pairs shuffled": (Recurrent, shuffled, {"targets_shuffled"}),
}


SLOW = {"token before", "two further on", "pairs shuffled"}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow) if case in SLOW else case for case in CASES]
)
def test_targets_must_be_the_next_token(case: str) -> None:
    model, data, expected = CASES[case]
    assert named(health_of(model(), *data())) == expected


def test_targets_flattened_in_another_order_than_the_output_are_named() -> None:
    health = health_of(Recurrent(), *shifted(1), flat=lambda targets: targets.T.flatten())
    (found,) = [one for one in diagnose_health(health).findings if tier_of(one.symptom) is Tier.DATA]
    assert (found.symptom, "flattened in two orders" in found.sentence) == ("target_shift", True)


def test_masked_tokens_are_no_copies() -> None:
    x, _ = shifted(0)
    masked = torch.rand(x.shape) < 0.3
    health = health_of(Recurrent(both_ways=True), x.masked_fill(masked, 0), x.masked_fill(~masked, -100))
    assert named(health) == set()


def test_a_column_that_is_the_target_is_named() -> None:
    x, y = torch.randn(320, 5), torch.randn(320, 1)
    found = set[str]()
    for inputs in (torch.cat([x, 2 * y + 1], 1), torch.cat([x, y + 0.5 * torch.randn(320, 1)], 1)):
        model = nn.Linear(6, 1)
        optimizer = optim.SGD(model.parameters(), 1e-2)
        with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
            for rows, targets in DataLoader(TensorDataset(inputs, y), 32):
                optimizer.zero_grad()
                F.mse_loss(model(rows), targets).backward()
                optimizer.step()
        assert named(doctor.seen()) == ({"target_shift"} if not found else set())
        found |= named(doctor.seen())


class Series(nn.Module):
    """Forecasts a series: no output depends on later inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.head = nn.GRU(1, 16, batch_first=True), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.inner(x)[0])


@pytest.mark.parametrize(("by", "expected"), [(0, {"target_shift"}), (1, set()), (3, set())])
def test_a_series_is_not_its_own_forecast(by: int, expected: set[str]) -> None:
    series = (torch.rand(320, 1, 1) * 6 + torch.arange(LENGTH + 4).view(1, -1, 1) / 3).sin()
    model = Series()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for rows in series.split(32):
            optimizer.zero_grad()
            F.mse_loss(model(rows[:, :LENGTH]), rows[:, by : LENGTH + by]).backward()
            optimizer.step()
    assert doctor.failed == {}
    assert named(doctor.seen()) == expected


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("label", "expected"), [(0, {"padding_in_loss"}), (-100, set())])
def test_labels_of_padding_that_count_are_named(label: int, expected: set[str], masked: bool) -> None:
    x = torch.randint(1, TOKENS, (320, LENGTH))
    padding = torch.arange(LENGTH) >= torch.randint(4, LENGTH, (320, 1))
    x, y = x.masked_fill(padding, 0), (x % 3).masked_fill(padding, label)
    model = Recurrent(both_ways=True)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for inputs, labels in DataLoader(TensorDataset(x, y), 32):
            optimizer.zero_grad()
            output = model(inputs).transpose(1, 2)
            if masked:  # what counts is seen by the loop, not by the criterion
                loss = F.cross_entropy(output, labels, reduction="none")[inputs > 0].mean()
            else:
                loss = F.cross_entropy(output, labels)
            loss.backward()
            optimizer.step()
    assert doctor.failed == {}
    assert named(doctor.seen()) == (set() if masked else expected)


class Masked(Recurrent):
    """Is given a mask, and computes its loss itself, of a padding that is a token elsewhere."""

    def forward(self, tokens: Tensor, mask: Tensor, counts: bool = True) -> Tensor:
        scores = super().forward(tokens)[:, :-1].transpose(1, 2)
        losses = F.cross_entropy(scores, tokens[:, 1:], reduction="none")
        return losses.mean() if counts else (losses * mask[:, 1:]).sum() / mask[:, 1:].sum()


@pytest.mark.parametrize(("counts", "expected"), [(True, {"padding_in_loss"}), (False, set())])
def test_a_mask_tells_padding_from_the_same_token(counts: bool, expected: set[str]) -> None:
    tokens = text()[:, :LENGTH]
    mask = (torch.arange(LENGTH) < torch.randint(4, LENGTH, (len(tokens), 1))).long()
    model = Masked()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for rows, marks in zip((tokens * mask).split(40), mask.split(40), strict=True):
            optimizer.zero_grad()
            model(rows, mask=marks, counts=counts).backward()
            optimizer.step()
    assert doctor.failed == {}
    assert named(doctor.seen()) == expected


@given(st.integers(0, 1000), st.booleans(), st.booleans())
def test_a_mask_says_where_padding_is_whatever_it_marks(seed: int, left: bool, marks_padding: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, TOKENS, (16, LENGTH), generator=generator)
    padding = torch.arange(LENGTH) >= torch.randint(2, LENGTH, (16, 1), generator=generator)
    padding = padding.flip(1) if left else padding
    segments = (~padding if marks_padding else padding).long()
    found = padding_by(tokens.masked_fill(padding, 0), [tokens, segments.bool()])
    assert found is not None
    assert torch.equal(found, padding)
    assert padding_by(tokens, [tokens, segments]) is None  # two sentences, and no padding


@pytest.mark.parametrize(("part", "expected"), [(slice(1, None), set()), (slice(None, -1), {"target_shift"})])
def test_the_output_that_has_no_target_may_be_the_first_or_the_last(part: slice, expected: set[str]) -> None:
    tokens, model = text(), Recurrent()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    with Diagnosing(name="loop", tiers=[Tier.DATA]) as doctor:
        for rows in tokens.split(40):
            optimizer.zero_grad()
            scores, targets = model(rows[:, :LENGTH])[:, part], rows[:, 2 : LENGTH + 1]
            F.cross_entropy(scores.flatten(0, 1), targets.flatten()).backward()
            optimizer.step()
    assert doctor.failed == {}
    assert named(doctor.seen()) == expected


@pytest.mark.parametrize(("more", "expected"), [(1, 0.0), (2, 0.25)])
def test_one_label_behind_the_end_of_each_row_is_no_padding(more: int, expected: float) -> None:
    tokens, labels = torch.randint(3, 9, (8, LENGTH)), torch.randint(3, 9, (8, LENGTH))
    for row in range(8):
        length = 6 if row % 2 else 7
        tokens[row, length:] = 0
        labels[row, length : length + more] = 2
        labels[row, length + more :] = 0
    assert padded([tokens], labels, 0) == pytest.approx(expected, abs=0.03)
