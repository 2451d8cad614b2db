"""Each remedy changes what it says of a training, and nothing where it does not apply."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from torch import Tensor, nn, optim

from hasten.base.records.finding import Finding, Severity
from hasten.diagnosis.registry import HEALTH
from hasten.diagnosis.remedies.catalog import BY_CAUSE, BY_SYMPTOM, LADDERS, REMEDIES, remedies_of
from hasten.diagnosis.remedies.remedied_watch import RemediedWatch
from hasten.diagnosis.remedies.trial_watch import TrialWatch, other_seeds
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.pipeline.diagnosing import judged_quietly

X, Y = torch.randn(32, 6, generator=torch.Generator().manual_seed(1)), torch.arange(32) % 3


def perceptron(*more: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), *more)


Loss = Callable[[Tensor, Tensor], Tensor]


def train(
    model: nn.Module,
    remedy: str = "",
    *,
    loss: Loss = nn.functional.cross_entropy,
    lr: float = 0.1,
    steps: int = 3,
    passes: int = 1,
    clip: float | None = None,
) -> TrialWatch:
    """Make some steps of gradient descent with a remedy."""
    optimizer = optim.SGD(model.parameters(), lr)
    with TrialWatch(name="loop", pair=0, remedy=remedy) as watch:
        for _ in range(steps):
            for _ in range(passes):
                loss(model(X), Y).backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            optimizer.zero_grad()
    return watch


def after(model: nn.Module, remedy: str = "", **options: Any) -> list[Tensor]:
    own = copy.deepcopy(model)
    assert train(own, remedy, **options).failed == {}
    return [one.detach() for one in own.parameters()]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))


def test_every_remedy_is_of_a_known_symptom_and_every_name_is_known() -> None:
    assert set(BY_SYMPTOM) <= set(HEALTH.values())
    measures = {one.measured_by for one in REMEDIES.values() if one.measured_by}
    tried = {name for names in (*BY_SYMPTOM.values(), *BY_CAUSE.values()) for name in names}
    rungs = {one.name for name in LADDERS for one in LADDERS[name]}
    assert set(LADDERS) <= tried
    assert (tried - set(LADDERS)) | rungs | measures == set(REMEDIES)


def test_a_cause_that_a_rule_saw_leads_to_its_own_remedies() -> None:
    found = Finding(
        symptom="inputs_unscaled", severity=Severity.WARNING, sentence="", value=1.0, threshold=0.1, bound=None
    )
    assert remedies_of(found)[0] == "standardized"
    assert remedies_of(replace(found, cause="outliers"))[0] == "clamped"
    assert remedies_of(replace(found, cause="outliers", by_hand=True)) == ()


@pytest.mark.parametrize("name", ["rate_x_0.316", "rate_x_1e-06", "rate_x_10"])
def test_a_rate_is_scaled(name: str) -> None:
    model = perceptron()
    assert same(after(model, name), after(model, lr=0.1 * (REMEDIES[name].factor or 0)))


def test_a_ladder_goes_away_from_the_rate_of_the_training() -> None:
    down, up = ([one.factor or 0.0 for one in LADDERS[name]] for name in ("lower_rate", "higher_rate"))
    assert down[:2] == [0.316, 0.1]
    assert up[:2] == [3.16, 10.0]
    assert down == sorted(down, reverse=True)
    assert up == sorted(up)


@pytest.mark.parametrize(("growth", "kept"), [(2.0, 1.0), (1.0, 1.0), (0.5, 0.5)])
def test_a_rate_goes_no_higher_than_the_first(growth: float, kept: float) -> None:
    models = [perceptron() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, remedy, gamma in zip(models, ("capped_rate", ""), (growth, kept), strict=True):
        optimizer = optim.SGD(model.parameters(), 0.1)
        schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma)
        with TrialWatch(name="loop", pair=0, remedy=remedy):
            for _ in range(4):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(X), Y).backward()
                optimizer.step()
                schedule.step()
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * gamma**4)
    assert same(list(models[0].parameters()), list(models[1].parameters()))


def test_all_groups_get_the_lowest_rate() -> None:
    model = perceptron()
    twin = copy.deepcopy(model)
    train(twin, lr=0.1)
    groups = [{"params": model[0].parameters(), "lr": 50.0}, {"params": model[2].parameters()}]
    optimizer = optim.SGD(groups, 0.1)
    with TrialWatch(name="loop", pair=0, remedy="equal_rates") as watch:
        for _ in range(3):
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert watch.failed == {}
    assert same(list(model.parameters()), list(twin.parameters()))


def test_the_rate_of_the_schedule_is_put_back() -> None:
    model = perceptron()
    optimizer = optim.SGD(model.parameters(), 0.1)
    with TrainingWatch([REMEDIES["rate_x_0.1"].make()]):
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


SOFTMAX = [
    (perceptron(nn.Softmax(1)), nn.functional.cross_entropy),
    (perceptron(), lambda output, labels: nn.functional.cross_entropy(output.softmax(-1), labels)),
    (perceptron(), lambda output, labels: nn.CrossEntropyLoss()(output.sigmoid()[:, None].squeeze(1), labels)),
]


@pytest.mark.parametrize(("model", "loss"), SOFTMAX)
def test_a_loss_gets_scores_wherever_the_activation_is(model: nn.Module, loss: Loss) -> None:
    plain = perceptron()
    plain.load_state_dict(model.state_dict())
    assert same(after(model, "without_output", loss=loss), after(plain))
    assert not same(after(model, loss=loss), after(plain))


def nll_over_the_batch(output: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.nll_loss(output.log_softmax(0), labels)


@pytest.mark.parametrize(
    "loss",
    [
        nll_over_the_batch,
        nn.functional.nll_loss,
        lambda output, labels: nn.NLLLoss()(nn.functional.softmax(output, 1), labels),
    ],
)
def test_the_negative_log_likelihood_of_what_is_no_log_probability_becomes_cross_entropy(loss: Loss) -> None:
    model = perceptron()
    assert same(after(model, "cross_entropy", loss=loss), after(model))


def test_a_loss_that_is_no_likelihood_is_compared_by_the_cross_entropy_and_trains_as_before() -> None:
    model = perceptron()
    options: dict[str, Any] = {"loss": nn.functional.nll_loss}
    assert same(after(model, "cross_entropy_measured", **options), after(model, **options))
    seen = train(copy.deepcopy(model), "cross_entropy_measured", **options).seen()
    assert seen.dynamics is not None
    assert seen.dynamics.losses[0] == pytest.approx(nn.functional.cross_entropy(model(X), Y).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("remedy", "failed", "why"),
    [
        ("without_output", "Scores", "no loss function of torch gets the output of an activation"),
        ("unbounded", "HiddenActivations", "no such activation"),
        ("guarded", "Guarded", "no root or logarithm of 0"),
        ("no_decay", "Option", "SGD has no other weight_decay"),
        ("usual_rate", "Option", "SGD has no other lr"),
        ("small_epsilon", "Option", "SGD has no other eps"),
        ("equal_rates", "EqualRates", "SGD has one learning rate"),
    ],
)
def test_a_remedy_that_would_change_nothing_says_so(remedy: str, failed: str, why: str) -> None:
    assert why in train(perceptron(), remedy).failed[failed]


class Deep(nn.Module):
    def __init__(self, inner: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.inner = nn.Linear(6, 8), nn.Linear(8, 3), inner

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inner(self.first(x))).sigmoid()


@pytest.mark.parametrize("inner", [torch.sigmoid, nn.Tanh()])
def test_hidden_activations_are_replaced_after_the_first_call_and_the_output_stays(
    inner: Callable[..., Tensor],
) -> None:
    model = Deep(inner)
    train(model, "unbounded")
    with TrialWatch(name="loop", pair=0, remedy="unbounded"):
        first, second = model(X), model(X)
    hidden = nn.functional.leaky_relu(model.first(X), 0.01)
    assert torch.allclose(first, model(X))
    assert torch.allclose(second, model.last(hidden).sigmoid())


def test_roots_of_zero_have_a_gradient() -> None:
    def root(output: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(torch.sqrt((output - output.detach()).square()), labels)

    assert not all(one.isfinite().all() for one in after(perceptron(), loss=root))
    assert all(one.isfinite().all() for one in after(perceptron(), "guarded", loss=root))


def test_a_tight_clipping_is_widened() -> None:
    model = perceptron()
    assert same(after(model, "wider_limit", clip=1e-4), after(model, clip=1.0))


def test_a_frozen_layer_is_left_alone() -> None:
    model = perceptron()
    optimizer = optim.SGD(model.parameters(), 0.1, weight_decay=0.5)
    kept = torch.empty(0)
    with TrialWatch(name="loop", pair=0, remedy="left_alone"):
        for step in range(3):
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            if step == 0:
                model[0].requires_grad_(False)
                kept = model.get_parameter("0.weight").clone()
    assert torch.equal(model.get_parameter("0.weight"), kept)


def test_layers_are_initialized_anew() -> None:
    model = perceptron()
    with torch.no_grad():
        model.get_parameter("0.weight").mul_(1e3)
    assert after(model, "initialized", steps=1)[0].abs().max() < 1


def outputs_of(model: nn.Sequential) -> list[list[Tensor]]:
    """Return lists that get what each linear layer gives, call by call."""
    lists: list[list[Tensor]] = []

    def into(seen: list[Tensor]) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, args, output: seen.append(output.detach())

    for layer in (one for one in model if isinstance(one, nn.Linear)):
        lists.append([])
        layer.register_forward_hook(into(lists[-1]))
    return lists


def stack(depth: int) -> nn.Sequential:
    hidden = [part for _ in range(depth) for part in (nn.Linear(8, 8), nn.ReLU())]
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), *hidden, nn.Linear(8, 3))


def test_every_layer_of_a_deep_stack_gives_numbers_of_variance_one() -> None:
    torch.manual_seed(0)
    model = stack(20)
    nn.init.constant_(model.get_parameter("0.bias"), -10.0)
    seen = outputs_of(model)
    assert train(model, "unit_variance", steps=1, lr=0.0).failed == {}
    assert [one[-1].std().item() for one in seen] == pytest.approx([1.0] * 22, rel=1e-4)
    assert not any(one.any() for name, one in model.named_parameters() if name.endswith("bias"))


def test_a_weight_that_layers_share_keeps_its_scale() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    model[2].weight = model[0].weight
    train(model, "unit_variance", steps=1, lr=0.0)
    assert model.get_parameter("0.weight").abs().max() < 6**-0.5, "as torch initializes it"


def test_hidden_layers_are_normalized_by_the_batch_from_the_second_call_on() -> None:
    torch.manual_seed(0)
    model = stack(3)
    assert train(model, "normalized", steps=3, lr=0.0).failed == {}
    hidden = outputs_of(model)
    output = model(X)
    for one in hidden[:-1]:
        assert torch.allclose(one[0].mean(0), torch.zeros(8), atol=1e-5)
        assert torch.allclose(one[0].var(0, correction=0), torch.ones(8), atol=1e-2)
    assert torch.equal(output, nn.functional.linear(model[:-1](X), *model[-1].parameters())), "the last one is not"
    model.eval()
    assert torch.allclose(model(X)[:4], model(X[:4]), atol=1e-6), "evaluation does not depend on the batch"


def test_outputs_are_divided_by_their_first_size() -> None:
    model = perceptron()
    plain = model(X).detach()
    assert train(model, "smaller_outputs", steps=2, lr=0.0).failed == {}
    assert torch.allclose(model(X), plain / plain.square().mean().sqrt(), atol=1e-6)


def test_outputs_that_are_no_tensor_are_not_divided() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = perceptron()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.inner(x), x

    watch = train(Two(), "smaller_outputs", loss=lambda output, labels: nn.functional.cross_entropy(output[0], labels))
    assert "does not return a single tensor" in watch.failed["SmallerOutputs"]


def test_outliers_are_clamped_and_nothing_else() -> None:
    seen: list[Tensor] = []
    model = nn.Sequential(nn.Linear(2, 3))
    model[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    inputs = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)) + torch.tensor([0.0, 50.0])
    spoiled = inputs.clone()
    spoiled[::20] *= 1000
    optimizer = optim.SGD(model.parameters(), 0.1)
    with TrainingWatch([REMEDIES["clamped"].make()]):
        model(spoiled).sum().backward()
        optimizer.step()
    kept = torch.ones(1000, dtype=torch.bool)
    kept[::20] = False
    assert torch.equal(seen[0][kept], inputs[kept])
    assert (seen[0] - torch.tensor([0.0, 50.0])).abs().max() < 9


def test_a_feature_that_hardly_varies_is_clamped_by_the_range_of_all() -> None:
    seen: list[Tensor] = []
    model = nn.Sequential(nn.Linear(2, 3))
    model[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    inputs = torch.zeros(100, 2)
    inputs[:, 0], inputs[::50, 1] = torch.linspace(-1, 1, 100), 1.0
    with TrainingWatch([REMEDIES["clamped"].make()]):
        model(inputs).sum().backward()
    assert torch.equal(seen[0], inputs)


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
    with TrialWatch(name="loop", pair=0, remedy="rate_x_10") as watch:
        for _ in range(4):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
    seen = watch.seen()
    assert seen.dynamics is not None
    assert len(seen.dynamics.losses) == seen.steps == 4


def test_probes_beside_the_training_do_not_take_the_place_of_its_activations() -> None:
    """Probes of the model run between its output and the loss; so many that the output was forgotten."""
    torch.manual_seed(0)
    hidden = [layer for _ in range(6) for layer in (nn.Linear(6, 6), nn.ReLU())]
    model = nn.Sequential(*hidden, nn.Linear(6, 3), nn.Sigmoid())
    optimizer = optim.SGD(model.parameters(), 0.1)
    with RemediedWatch(name="loop", pair=0, remedy="without_output") as watch:
        for _ in range(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X), Y).backward()
            optimizer.step()
    assert "bounded_output" not in {one.symptom for one in judged_quietly(watch.seen()).findings}
