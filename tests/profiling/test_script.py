"""A training script runs as it would without hasten, and its time is found in the right parts."""

import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.profiling.planting import InBackward
from hasten.base.records.profile import PartTime, Profile
from hasten.base.records.record import Interval
from hasten.pipeline.script import examined, lines_for
from hasten.profiling.script import Seen, profile_script
from hasten.profiling.script_watch import ScriptWatch
from hasten.scripts.files import is_script
from hasten.scripts.running import ScriptRun
from hasten.scripts.watch import StopScript

from forked import Forked

WAIT_S = 1e-2  # two samples of the stack, of which a busy machine leaves some out
STEPS = 12

TRAINING = """
import os, sys
os.environ["HASTEN_TEST_SETTING"] = "set before torch"
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

if __name__ == "__main__":
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=float(sys.argv[1]))
    data = TensorDataset(torch.randn(96, 8), torch.randint(0, 2, (96,)))
    for epoch in range(1):
        model.train()
        for x, y in DataLoader(data, 8, shuffle=True, num_workers=1, multiprocessing_context=sys.argv[3]):
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        model.eval()
        with torch.no_grad():
            model(data.tensors[0])
    torch.save(model.state_dict(), sys.argv[2])
    print("trained", __file__, sys.argv[1], [*model.parameters()][0].sum().item())
"""


def written(folder: Path, text: str, name: str = "training.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def plain(script: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)


def watched(
    script: Path, *arguments: str, capfd: pytest.CaptureFixture[str], **options: Any
) -> tuple[ScriptRun[Seen], str, str]:
    capfd.readouterr()
    run = profile_script(script, arguments, **options)
    out, err = capfd.readouterr()
    return run, out, err


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_a_script_trains_as_without_and_is_profiled(
    start: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = written(tmp_path, TRAINING)
    monkeypatch.setattr(sys, "argv", [str(script), "0.01", str(tmp_path / "alone.pt"), start])
    with Forked(lambda: runpy.run_path(str(script), run_name="__main__")) as alone:
        printed, code = alone.stdout.read(), alone.wait()
    run, output, _ = watched(script, "0.01", str(tmp_path / "watched.pt"), start, capfd=capfd)
    assert run.exit_code == code == 0
    assert output == printed
    one, other = (torch.load(tmp_path / f"{name}.pt") for name in ("alone", "watched"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert run.seen is not None
    assert run.seen.profile.batch_size == 8
    assert run.seen.workers == 1
    assert run.seen.optimizer == "Adam"
    assert all(run.seen.profile.seconds(part) > 0 for part in ("input", "forward", "backward", "update", "evaluation"))
    assert sum(part.share for part in run.seen.profile.parts) == pytest.approx(1)


@pytest.mark.parametrize(
    ("ending", "code"), [("raise ValueError('of its own')", 1), ("sys.exit('bye')", 1), ("sys.exit(7)", 7), ("", 0)]
)
def test_a_script_ends_with_its_own_words_and_exit_code(
    ending: str, code: int, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = written(tmp_path, f"import sys\nprint('begun', __file__)\n{ending}\n").relative_to(tmp_path)
    alone = plain(script)
    run, output, errors = watched(script, capfd=capfd)
    assert (run.exit_code, output, errors) == (alone.returncode, alone.stdout, alone.stderr)
    assert run.exit_code == code
    assert run.seen is None
    assert "before it imported torch" in run.reason
    assert run.why_nothing.startswith(f"the script ended with exit code {code}. " if code else run.reason)


def test_a_termination_is_handed_on_to_the_script(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *given: sys.exit(5))
os.kill(os.getppid(), signal.SIGTERM)
time.sleep(20)
"""
    assert watched(written(tmp_path, text), capfd=capfd)[0].exit_code == 5


def test_a_module_is_run_as_with_m(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package").mkdir()
    written(tmp_path / "package", "print('package')", "__init__.py")
    written(tmp_path / "package", "what = 'imported'", "part.py")
    written(
        tmp_path / "package", "import sys\nfrom .part import what\nprint(what, __spec__.name, sys.argv, sys.path[0])"
    )
    alone = plain(Path("-m"), "package.training", "--rate", "1")
    run, output, errors = watched(Path("package.training"), "--rate", "1", module=True, capfd=capfd)
    assert (run.exit_code, output, errors) == (0, alone.stdout, alone.stderr)
    alone = plain(Path("-m"), "package.missing")
    run, _, errors = watched(Path("package.missing"), module=True, capfd=capfd)
    assert (run.exit_code, errors) == (1, alone.stderr)


def test_steps_end_a_script_early_and_cleanly(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    begin = "import atexit; atexit.register(print, 'cleaned')"
    text = TRAINING.replace("torch.manual_seed", f"{begin}\n    torch.manual_seed")
    # without an optimizer, with which torch imports its compiler
    text = text.replace("torch.optim.Adam(model.parameters(), lr=float(sys.argv[1]))", "None")
    text = text.replace("optimizer.step()", "model[0].weight.data -= 0.01 * model[0].weight.grad")
    text = text.replace("optimizer.zero_grad()", "model.zero_grad()")
    run, output, errors = watched(
        written(tmp_path, text), "0.01", str(tmp_path / "never.pt"), "fork", capfd=capfd, steps=6, tell_every_s=1e-6
    )
    assert run.exit_code == 0
    assert output == "cleaned\n"
    assert "hasten: step 5: A step takes" in errors
    assert not (tmp_path / "never.pt").exists()
    assert run.seen is not None


def test_a_task_file_is_no_script(tmp_path: Path) -> None:
    assert is_script(str(written(tmp_path, TRAINING)))
    trains = "\nimport torch\nloss.backward()"
    for text in ("task = 'mrpc'", "task = options.task", "task = ['a', 'b']", "task = Task.init()" + trains):
        assert is_script(str(written(tmp_path, text, "other.py")))
    made = "task = make()"
    for text in (
        "def task(): ...",
        made,
        f"import hasten\n{made}{trains}",
        "from elsewhere import task",
        "def broken(:",
    ):
        assert not is_script(str(written(tmp_path, text, "other.py")))
    assert not is_script("digits")
    assert not is_script(str(tmp_path / "missing.py"))


class SlowSamples(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, slow: bool) -> None:
        self.slow = slow

    def __len__(self) -> int:
        return 4 * STEPS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if self.slow:
            time.sleep(WAIT_S / 4)
        return torch.ones(8), torch.tensor(0)


def loop(slow: str, *, load: bool) -> None:
    """A loop in which one part waits; with a DataLoader or without."""

    def wait(part: str) -> None:
        if part == slow:
            time.sleep(WAIT_S)

    model = nn.Linear(8, 2)
    model.register_forward_hook(lambda *given: wait("forward"))
    criterion = nn.CrossEntropyLoss()
    criterion.register_forward_hook(lambda *given: wait("loss"))
    optimizer = optim.Adam(model.parameters())
    optimizer.register_step_post_hook(lambda *given: wait("update"))
    batches = (
        DataLoader(SlowSamples(slow == "input"), 4) if load else [(torch.ones(4, 8), torch.zeros(4).long())] * STEPS
    )
    for x, y in batches:
        wait("other")
        output = model(x)
        loss = criterion(InBackward.apply(output, lambda: time.sleep(WAIT_S)) if slow == "backward" else output, y)
        loss.backward()
        wait("gradient")
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        for x, _ in DataLoader(TensorDataset(torch.ones(16, 8), torch.ones(16)), 4):
            model(x)
            wait("evaluation")


@pytest.mark.parametrize("load", [True, False])
@pytest.mark.parametrize("slow", ["forward", "loss", "backward", "gradient", "update", "other", "input"])
def test_the_part_that_waits_is_found(slow: str, load: bool) -> None:
    if slow == "input" and not load:
        pytest.skip("a list is not waited for")
    with ScriptWatch(name="loop") as watch:
        loop(slow, load=load)
    found = watch.profile()
    largest = max(found.parts, key=lambda part: part.seconds if part.name not in ("evaluation", "hiccups") else 0)
    assert largest.name == slow
    assert largest.seconds >= 0.9 * WAIT_S
    assert found.steps == STEPS - 1 - (not load) or found.steps >= STEPS // 2
    if slow in ("other", "loss", "gradient"):
        where = "between the arrival of a batch and the call of the model" if load else "your own code outside model"
        assert (where if slow == "other" else "your own code between") in found.remarks[0]
        assert ", mostly test_script.py:" in found.remarks[0]
        assert found.remarks[0].endswith(": time.sleep(WAIT_S)")


def test_parameters_without_a_module_are_watched_update_by_update() -> None:
    weight = torch.randn(8, 1, requires_grad=True)
    optimizer = optim.SGD([weight], 0.1)
    with ScriptWatch(name="loop") as watch:
        for _ in range(STEPS):
            (weight.grad,) = torch.autograd.grad((torch.ones(4, 8) @ weight).sum(), [weight])
            optimizer.step()
    found = watch.profile()
    assert found.steps >= STEPS // 2
    assert found.seconds("update") > 0


def by_optimizer(model: nn.Module) -> Callable[[], None]:
    optimizer = optim.SGD(model.parameters(), 0.1)
    return lambda: (optimizer.step(), optimizer.zero_grad())[0]


def by_hand(model: nn.Module) -> Callable[[], None]:
    def update() -> None:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * cast(Tensor, parameter.grad)
                parameter.grad = None

    return update


def one_batch_of_a_loader() -> Iterator[Tensor]:
    yield from [next(iter(DataLoader(TensorDataset(torch.ones(32, 8)), 32)))[0]] * STEPS


def own_batches_after_a_validation_by_loader(all_of_them: bool) -> Iterator[Tensor]:
    model = nn.Linear(8, 2).eval()
    for (x,) in DataLoader(TensorDataset(torch.ones(16, 8)), 4):
        model(x)
        if not all_of_them:
            break
    yield from torch.ones(STEPS, 4, 8)


@pytest.mark.parametrize("rule", [by_optimizer, by_hand])
@pytest.mark.parametrize(
    "batches",
    [
        one_batch_of_a_loader,
        partial(own_batches_after_a_validation_by_loader, True),
        partial(own_batches_after_a_validation_by_loader, False),
        lambda: torch.ones(STEPS, 4, 8),
    ],
)
def test_steps_end_with_the_update_where_no_loader_feeds_them(rule: Any, batches: Any) -> None:
    with ScriptWatch(name="loop") as watch:
        model = nn.Linear(8, 2)
        update = rule(model)
        for x in batches():
            model(x).sum().backward()
            update()
    assert STEPS // 2 <= watch.profile().steps < STEPS  # without the first ones, which are warm-up


def test_several_updates_with_one_batch_are_one_step() -> None:
    with ScriptWatch(name="loop") as watch:
        model = nn.Linear(8, 2)
        update = by_optimizer(model)
        for (x,) in DataLoader(TensorDataset(torch.ones(4 * STEPS, 8)), 4):
            for _ in range(5):
                model(x).sum().backward()
                update()
    assert STEPS // 2 <= watch.profile().steps < STEPS


def test_steps_of_an_optimizer_with_a_closure_are_no_slow_steps_of_another() -> None:
    model, inputs = nn.Linear(8, 1), torch.randn(32, 8)
    first, second = optim.SGD(model.parameters(), 0.01), optim.LBFGS(model.parameters(), max_iter=20)

    def closure() -> float:
        model.zero_grad()
        loss = model(inputs).square().mean()
        time.sleep(8e-3)  # longer than a busy neighbour holds a core
        loss.backward()
        return float(loss.detach())

    with ScriptWatch(name="loop") as watch:
        for place in range(60):
            if place < 50:
                closure()
                first.step()
            else:
                with torch.no_grad():
                    model.weight.normal_()
                second.step(closure)
    found = watch.profile()
    assert found.steps < 50
    assert found.spread is not None
    assert found.spread.excess_share < 0.2
    assert found.seconds("hiccups") < 0.2 * found.step_s.value
    assert "they are not in the anatomy" in found.remarks[-1]


def test_a_rollout_is_no_loss_and_its_dearest_line_is_named() -> None:
    model = nn.Linear(8, 1)
    optimizer = optim.SGD(model.parameters(), 0.01)
    with ScriptWatch(name="loop") as watch:
        for _ in range(STEPS):
            for _ in range(3):
                with torch.no_grad():
                    model(torch.ones(4, 8))
                time.sleep(WAIT_S)
                time.sleep(WAIT_S * 0.8)
                time.sleep(WAIT_S * 0.8)
            model(torch.ones(4, 8)).mean().backward()
            optimizer.step()
    found = watch.profile()
    assert found.seconds("other") > 5 * found.seconds("loss")
    assert "% of it test_script.py:" in found.remarks[0]
    assert found.remarks[0].endswith(": time.sleep(WAIT_S)")
    assert "arrival of a batch" not in found.remarks[0]


def test_updates_by_hand_of_tensors_without_a_module_are_watched() -> None:
    weight = torch.ones(8, 1, requires_grad=True)
    with ScriptWatch(name="loop") as watch:
        for _ in range(STEPS):
            (torch.ones(4, 8) @ weight).sum().backward()
            weight.data -= 0.1 * cast(Tensor, weight.grad)
    found = watch.profile()
    assert found.steps >= STEPS // 2
    assert found.seconds("backward") > 0
    assert found.batch_size == 0


def profile_with(**parts: float) -> Profile:
    shares = {"input": 0.0, "other": 0.0} | parts
    shares["forward"] = 1 - sum(shares.values())
    return Profile(
        task="train", plan=(), steps=50, step_s=Interval(value=1e-2, low=9e-3, high=1.1e-2, n=30), samples_per_s=800.0,
        parts=tuple(PartTime(name=name, seconds=1e-2 * share, share=share) for name, share in shares.items()),
        parameters=10, peak_bytes=0, verdict="", batch_size=8,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "verdict", "following"),
    [
        # other is larger than any gain, but small: this broke, for nothing was said of it
        (Seen(profile=profile_with(other=0.1)), "No problem found", "hasten.tune_loop"),
        (
            Seen(profile=profile_with(other=0.5), own={"other": "50 % is own code"}),
            "50 % is own code",
            "make that code",
        ),
        (Seen(profile=profile_with(input=0.5), workers=0), "Data loading costs 50 %", "add this line, then: hasten"),
        (Seen(profile=profile_with(), trainer="lightning"), "No problem found", "hasten.lightning_apply"),
    ],
)
def test_the_next_step_follows_from_what_was_found(seen: Seen, verdict: str, following: str) -> None:
    found = examined(seen, "hasten profile train.py")
    assert found.profile.verdict.startswith(verdict)
    assert following in found.next
    assert bool(found.lines) is following.startswith("add")


def test_the_lines_are_those_of_the_trainer() -> None:
    (line,) = lines_for(Seen(profile=profile_with(input=0.5), workers=0, trainer="transformers"), {"input_bound"})
    assert line.startswith("TrainingArguments(..., dataloader_num_workers=")


def test_the_hooks_are_gone_afterwards() -> None:
    call = nn.Module.__call__
    with pytest.raises(StopScript), ScriptWatch(name="loop", steps=2):
        loop("", load=True)
    assert nn.Module.__call__ is call
    assert torch.autograd.backward.__module__ == "torch.autograd"


def test_a_compiled_model_gives_the_same(tmp_path: Path) -> None:
    def trained() -> Tensor:
        torch.manual_seed(0)
        torch._dynamo.reset()
        model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
        fast = torch.compile(model, backend="aot_eager")
        optimizer = optim.SGD(model.parameters(), 0.1)
        for _ in range(8):
            fast(torch.ones(4, 8)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        return torch.cat([one.detach().flatten() for one in model.parameters()])

    expected = trained()
    with ScriptWatch(name="compiled") as watch:
        assert torch.equal(trained(), expected)
    assert watch.profile().share("forward") > 0


def test_environment_is_as_the_script_sets_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = "import sys\nassert 'torch' not in sys.modules\nimport os\nprint(os.getcwd(), sys.path[0], __name__)\n"
    script = written(tmp_path, text)
    run, output, _ = watched(script, capfd=capfd)
    assert output.split() == [os.getcwd(), str(tmp_path), "__main__"]
    assert run.exit_code == 0
