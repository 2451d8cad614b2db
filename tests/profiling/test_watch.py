import runpy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.profiling.planting import InBackward
from hasten.base.errors import BadInput
from hasten.diagnosis.diagnose import diagnose
from hasten.machine.facts import facts
from hasten.profiling.watch import Watch, watch
from hasten.profiling.watch_lightning import lightning_watch
from hasten.profiling.watch_transformers import transformers_watch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WAIT_S = 3e-3


class SlowUpdate(optim.SGD):
    before: Callable[[], None]

    def step(self, closure: Any = None) -> Any:
        self.before()
        return super().step(closure)


class Planted:
    """A loop in which one part waits."""

    def __init__(self, slow: str) -> None:
        self.slow = slow
        self.model = nn.Linear(8, 2)
        self.model.register_forward_hook(lambda *given: self.wait("forward"))
        self.optimizer = SlowUpdate(self.model.parameters(), lr=0.1)
        self.optimizer.before = lambda: self.wait("update")

    def wait(self, part: str) -> None:
        if part == self.slow:
            time.sleep(WAIT_S)

    def loader(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(steps):
            self.wait("input")
            yield torch.ones(16, 8), torch.zeros(16, dtype=torch.int64)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        self.wait("loss")
        if self.slow == "backward":
            output = InBackward.apply(output, lambda: time.sleep(WAIT_S))
        return nn.functional.cross_entropy(output, target)


@pytest.mark.parametrize("part", ["input", "forward", "loss", "backward", "gradient", "update", "other"])
def test_a_planted_delay_is_found_in_its_part(part: str) -> None:
    optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # torch now hooks SGD.step, and SlowUpdate.step around it
    planted = Planted(part)
    with watch(planted.model, planted.optimizer, name="planted") as watched:
        for inputs, target in watched.batches(planted.loader(20)):
            planted.optimizer.zero_grad()
            planted.wait("other")
            planted.loss(planted.model(inputs), target).backward()
            planted.wait("gradient")
            planted.optimizer.step()
    found = watched.profile()
    assert found.seconds(part) >= WAIT_S
    assert found.share(part) > 0.6 * (1 - found.share("hiccups"))  # a busy machine adds hiccups of its own
    assert sum(one.share for one in found.parts) == pytest.approx(1)
    assert found.batch_size == 16
    assert found.parameters == 18
    assert found.peak_bytes > 0
    assert found.task == "planted"


def test_watching_changes_no_bit_and_leaves_no_hook() -> None:
    def trained(*, watched: bool) -> list[Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.2), nn.Linear(16, 2))
        optimizer = optim.AdamW(model.parameters())
        data = TensorDataset(torch.randn(64, 8), torch.randint(0, 2, (64,)))
        loader = DataLoader(data, 8, shuffle=True)
        plain = torch.autograd.backward
        if watched:
            with watch(model, optimizer) as watching:
                epoch(model, optimizer, watching.batches(loader))
        else:
            epoch(model, optimizer, loader)
        assert torch.autograd.backward is plain
        assert not model._forward_hooks
        assert not model._forward_pre_hooks
        return [parameter.detach().clone() for parameter in model.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(trained(watched=False), trained(watched=True), strict=True))


def epoch(model: nn.Module, optimizer: optim.Optimizer, batches: Any) -> None:
    for inputs, target in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), target).backward()
        optimizer.step()


def test_an_evaluation_inside_the_loop_is_told_apart_and_spread_over_the_steps() -> None:
    planted = Planted("nothing")
    with watch(planted.model, planted.optimizer) as watched:
        for step, (inputs, target) in enumerate(watched.batches(planted.loader(40))):
            planted.optimizer.zero_grad()
            planted.loss(planted.model(inputs), target).backward()
            planted.optimizer.step()
            if step % 20 == 19:
                planted.model.eval()
                planted.slow = "forward"
                planted.model(inputs)
                planted.slow = "nothing"
                planted.model.train()
    spread_s = 2 * WAIT_S / 40
    assert spread_s <= watched.profile().seconds("evaluation") < 20 * spread_s  # a busy machine sleeps longer


def test_an_optimizer_that_takes_a_closure_is_understood() -> None:
    planted = Planted("backward")
    with watch(planted.model, planted.optimizer) as watched:
        for inputs, target in watched.batches(planted.loader(10)):

            def closure(inputs: Tensor = inputs, target: Tensor = target) -> Tensor:
                planted.optimizer.zero_grad()
                loss = planted.loss(planted.model(inputs), target)
                loss.backward()
                return loss

            planted.optimizer.step(closure)  # type: ignore[arg-type]
    found = watched.profile()
    assert found.share("backward") > 0.6 * (1 - found.share("hiccups"))
    assert found.seconds("gradient") < WAIT_S / 10


def test_a_watched_loop_can_be_diagnosed() -> None:
    planted = Planted("input")
    with watch(planted.model, planted.optimizer) as watched:
        epoch(planted.model, planted.optimizer, watched.batches(planted.loader(20)))
    found = watched.profile()
    said = diagnose(found, facts())
    assert found.peak_of == "the process"
    assert said.findings[0].symptom == "input_bound"
    assert "memory_leak" in {one.symptom for one in said.abstained}


def test_a_loop_that_takes_its_batches_elsewhere_is_told() -> None:
    planted = Planted("nothing")
    with watch(planted.model, planted.optimizer) as watched:
        epoch(planted.model, planted.optimizer, planted.loader(10))
    with pytest.raises(BadInput, match=r"at least 4 steps; found 0\. Take the batches from `watched\.batches"):
        watched.profile()


def test_a_model_without_parameters_cannot_be_watched() -> None:
    with pytest.raises(BadInput, match="has no parameters"):
        watch(nn.Flatten())


def test_the_plain_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "watch_plain.py"), run_name="__main__")
    assert capsys.readouterr().out.startswith("A step takes")


@pytest.mark.parametrize(
    ("package", "example"), [("lightning", "watch_lightning.py"), ("transformers", "watch_transformers.py")]
)
@pytest.mark.filterwarnings("ignore")  # trainers warn of much that is not ours
def test_the_examples_of_trainers_run(package: str, example: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(package)
    runpy.run_path(str(EXAMPLES / example), run_name="__main__")
    assert "A step takes" in capsys.readouterr().out


@pytest.mark.parametrize(("package", "make"), [("lightning", lightning_watch), ("transformers", transformers_watch)])
def test_a_missing_trainer_is_named(package: str, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning.pytorch", "pytorch_lightning", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BadInput, match=f"[Ii]nstall {package}"):
        make()


def mlp(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, outputs))


def train_gan(watched: Watch, generator: nn.Module, critic: nn.Module, optimizers: Sequence[optim.Optimizer]) -> None:
    of_generator, of_critic = optimizers
    for real in watched.batches([torch.randn(64, 16)] * 10):
        fake = generator(torch.randn(64, 16))
        of_critic.zero_grad()
        (critic(fake.detach()).mean() - critic(real).mean()).backward()
        of_critic.step()
        of_generator.zero_grad()
        (-critic(fake).mean()).backward()
        of_generator.step()


def test_a_gan_is_told_apart_where_all_models_are_given() -> None:
    generator, critic = mlp(16, 16), mlp(16, 1)
    optimizers = [optim.Adam(model.parameters()) for model in (generator, critic)]
    with watch([generator, critic], optimizers) as watched:
        train_gan(watched, generator, critic, optimizers)
    found = watched.profile()
    assert not any("not watched" in remark or "followed no call" in remark for remark in found.remarks)
    assert found.share("forward") > 0.05
    assert found.share("update") > 0.05


@pytest.mark.parametrize("given", [0, 1])
def test_a_gan_of_which_one_half_is_given_says_what_is_missing(given: int) -> None:
    models = mlp(16, 16), mlp(16, 1)
    optimizers = [optim.Adam(model.parameters()) for model in models]
    with watch(models[given], optimizers[given]) as watched:
        train_gan(watched, *models, optimizers)
    found = watched.profile()
    assert any("1 optimizer stepped that is not watched" in remark for remark in found.remarks)
    assert any("10 of 20 backward passes" in remark for remark in found.remarks) == (given == 0)
    assert "Incomplete" in found.verdict


def test_what_an_optimizer_with_a_closure_does_is_its_update() -> None:
    model = mlp(16, 1)
    optimizer = optim.LBFGS(model.parameters(), max_iter=5)
    batch = torch.randn(64, 16), torch.randn(64, 1)
    with watch(model, optimizer) as watched:
        for inputs, targets in watched.batches([batch] * 10):

            def closure(inputs: Tensor = inputs, targets: Tensor = targets) -> Tensor:
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(inputs), targets)
                loss.backward()
                return loss

            optimizer.step(closure)
    found = watched.profile()
    assert found.share("other") < 0.1
    assert found.share("update") > 0.3
    assert found.share("forward") > 0.01


def test_two_losses_of_two_calls_are_no_reason_for_a_remark() -> None:
    model = mlp(16, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer) as watched:
        for inputs in watched.batches([torch.randn(64, 16)] * 10):
            first, second = model(inputs).mean(), model(-inputs).mean()
            first.backward()
            second.backward()
            optimizer.step()
    assert not any("backward passes followed" in remark for remark in watched.profile().remarks)
