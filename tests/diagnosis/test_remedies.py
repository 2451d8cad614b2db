"""Each remedy changes what it says of a training, and nothing where it does not apply."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn, optim

from hasten.diagnosis.registry import HEALTH
from hasten.diagnosis.remedies.catalog import BY_SYMPTOM, REMEDIES
from hasten.diagnosis.remedies.trial_watch import TrialWatch, other_seeds
from hasten.diagnosis.watching.hooks import TrainingWatch

X, Y = torch.randn(32, 6, generator=torch.Generator().manual_seed(1)), torch.arange(32) % 3


def perceptron(*more: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), *more)


def train(model: nn.Module, remedy: str = "", *, lr: float = 0.1, steps: int = 3, passes: int = 1) -> TrainingWatch:
    """Make some steps of gradient descent with a remedy."""
    optimizer = optim.SGD(model.parameters(), lr)
    with TrainingWatch([REMEDIES[remedy].make()] if remedy else []) as watch:
        for _ in range(steps):
            for _ in range(passes):
                nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
            optimizer.zero_grad()
    return watch


def after(model: nn.Module, remedy: str = "", **options: float) -> list[Tensor]:
    own = copy.deepcopy(model)
    assert train(own, remedy, **options).failed == {}  # type: ignore[arg-type]
    return [one.detach() for one in own.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))


def test_every_remedy_is_of_a_known_symptom_and_every_name_is_known() -> None:
    assert set(BY_SYMPTOM) <= set(HEALTH.values())
    assert {name for names in BY_SYMPTOM.values() for name in names} == set(REMEDIES)


@pytest.mark.parametrize("name", ["lower_rate", "much_lower_rate", "higher_rate", "much_higher_rate"])
def test_a_rate_is_scaled(name: str) -> None:
    model = perceptron()
    assert same(after(model, name), after(model, lr=0.1 * (REMEDIES[name].factor or 0)))


def test_the_rate_of_the_schedule_is_put_back() -> None:
    model = perceptron()
    optimizer = optim.SGD(model.parameters(), 0.1)
    with TrainingWatch([REMEDIES["lower_rate"].make()]):
        nn.functional.cross_entropy(model(X), Y).backward()
        optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_warm_up_begins_small() -> None:
    model = perceptron()
    assert same(after(model, "warm_up", steps=1), after(model, lr=0.1 / 50, steps=1))


def test_several_passes_are_divided_once() -> None:
    model = perceptron()
    assert same(after(model, "divided", passes=4), after(model))


def test_gradients_are_cleared_where_the_loop_does_not() -> None:
    model = perceptron()
    twin = copy.deepcopy(model)
    train(twin)
    optimizer = optim.SGD(model.parameters(), 0.1)
    with TrainingWatch([REMEDIES["cleared"].make()]):
        for _ in range(3):
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
    assert same(list(model.parameters()), list(twin.parameters()))


def test_gradients_are_clipped() -> None:
    model = perceptron()
    before = [one.detach().clone() for one in model.parameters()]
    changes = [one - old for one, old in zip(after(model, "clipping", lr=1e4, steps=1), before, strict=True)]
    assert torch.linalg.vector_norm(torch.cat([one.flatten() for one in changes])).item() <= 1e4 * 1.001


def test_the_activation_at_the_end_is_left_out() -> None:
    model = perceptron(nn.Softmax(1))
    train(model, "without_output")
    assert isinstance(model[-1], nn.Identity)
    watch = train(perceptron(), "without_output")
    assert "does not end with an activation" in watch.failed["WithoutOutput"]


def test_hidden_activations_are_replaced_and_the_output_stays() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 3), nn.Sigmoid())
    train(model, "unbounded")
    assert [type(one) for one in model] == [nn.Linear, nn.LeakyReLU, nn.Linear, nn.Sigmoid]


def test_layers_are_initialized_anew() -> None:
    model = perceptron()
    with torch.no_grad():
        model.get_parameter("0.weight").mul_(1e3)
    assert after(model, "initialized", steps=1)[0].abs().max() < 1


def test_inputs_are_standardized() -> None:
    seen: list[Tensor] = []
    model = perceptron()
    model[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    optimizer = optim.SGD(model.parameters(), 0.1)
    with TrainingWatch([REMEDIES["standardized"].make()]):
        nn.functional.cross_entropy(model(1000 * X + 50), Y).backward()
        optimizer.step()
    assert torch.allclose(seen[0].std(0), torch.ones(6), atol=1e-4)


@pytest.mark.parametrize(("name", "grad", "training"), [("train_mode", True, True), ("eval_mode", False, False)])
def test_modes_are_put_right(name: str, grad: bool, training: bool) -> None:
    model, modes = perceptron(nn.Dropout()), list[bool]()
    model[-1].register_forward_hook(lambda module, args, output: modes.append(module.training))
    model.train(not training)
    with TrainingWatch([REMEDIES[name].make()]), torch.set_grad_enabled(grad):
        model(X)
    assert modes == [training]
    assert name == "train_mode" or model[-1].training, "the mode of the training comes back"


def test_what_no_optimizer_holds_is_added() -> None:
    model = perceptron()
    optimizer, before = optim.SGD(model[0].parameters(), 0.1), model.get_parameter("2.weight").detach().clone()
    with TrainingWatch([REMEDIES["held"].make()]):
        for _ in range(2):
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
    assert not torch.equal(before, model.get_parameter("2.weight"))


def test_pairs_draw_the_same_numbers_and_each_pair_others() -> None:
    def drawn(pair: int, seeds: Callable[[], object] = lambda: torch.manual_seed(3)) -> float:
        with other_seeds(pair):
            seeds()
            return torch.rand(()).item()

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1, lambda: None) == drawn(1, lambda: None) != drawn(2, lambda: None)
    torch.manual_seed(3)
    plain = torch.rand(()).item()
    assert drawn(0) == plain


def test_a_trial_has_the_losses() -> None:
    model = perceptron()
    optimizer = optim.SGD(model.parameters(), 0.1)
    with TrialWatch(name="loop", pair=0, remedy="higher_rate") as watch:
        for _ in range(4):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
    seen = watch.seen()
    assert seen.dynamics is not None
    assert len(seen.dynamics.losses) == seen.steps == 4
