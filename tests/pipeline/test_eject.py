"""An ejected script trains as hasten does: the same losses from a process in which hasten cannot be imported."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch

from hasten import Stop, Task
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.run import Progress
from hasten.pipeline.eject.ejecting import Ejected, eject
from hasten.techniques.applying import apply_plan, make, plan_of
from hasten.techniques.registry import techniques
from hasten.techniques.source import Ejectable
from hasten.training.recipe import baseline
from hasten.training.running import Trained, run_training

sys.path.append(str(Path(__file__).parent.parent / "contract"))
from contract_tasks import MACHINES, TASKS, machine

STEPS = Stop(steps=50, evaluate_every=50)
RUNNER = """
import json, os, runpy, sys
sys.modules["hasten"] = None  # an import of it raises ImportError
import torch
torch.optim.SGD([torch.zeros(1, requires_grad=True)]).step()  # imports torch's compiler, once for all
for folder in sys.argv[1:]:
    child = os.fork()
    if child == 0:  # settings of one script must not reach the next
        os.chdir(folder)
        try:
            losses = runpy.run_path("train.py")["main"]()
            json.dump(losses, open("losses.json", "w"))
        except BaseException as error:
            open("error.txt", "w").write(f"{type(error).__name__}: {error}")
        os._exit(0)
    os.waitpid(child, 0)
"""


def bold() -> Machine:
    """Return this machine as if it had instructions for bfloat16: torch computes the same without, only slower."""
    return msgspec.structs.replace(machine(), isa=(*machine().isa, "avx512", "avx512_bf16"))


def trained(task: Task, plan: Plan, here: Machine) -> tuple[list[float], Trained]:
    losses: list[float] = []

    def keep(event: object) -> None:
        if isinstance(event, Progress):
            losses.extend(loss or 0.0 for loss in event.losses)

    done = run_training(apply_plan(plan, baseline(task), here), plan, show=keep)
    return losses, done


def run_scripts(*scripts: tuple[Path, Ejected]) -> None:
    for folder, ejected in scripts:
        folder.mkdir(parents=True, exist_ok=True)
        ejected.write(folder / "train.py")
    folders = [str(folder) for folder, _ in scripts]
    subprocess.run([sys.executable, "-c", RUNNER, *folders], check=True, timeout=900, capture_output=True)


def losses_of(folder: Path) -> list[float]:
    error = folder / "error.txt"
    assert not error.exists(), f"{error.read_text()}\n{(folder / 'train.py').read_text()}"
    return json.loads((folder / "losses.json").read_text())


def assert_same(folder: Path, task: Task, plan: Plan, here: Machine, *, bits: bool) -> None:
    found, (expected, done) = losses_of(folder), trained(task, plan, here)
    assert len(found) == len(expected)
    one, other = torch.tensor(found), torch.tensor(expected)
    if bits:
        assert torch.equal(one, other)
    else:
        assert torch.allclose(one, other, rtol=1e-3)
    weights = torch.load(folder / "final.pt", weights_only=True)
    for name, value in done.model.state_dict().items():
        assert torch.equal(value, weights[name]) if bits else torch.allclose(value, weights[name], atol=1e-2), name


EJECTABLE = sorted(name for name, kind in techniques().items() if isinstance(kind(), Ejectable))
COMPILED = {"compile", "compile_regions"}


def usable(name: str) -> tuple[Task, Machine] | None:
    stop = Stop(steps=600, evaluate_every=600) if name in COMPILED else STEPS
    for here, make_task in itertools.product((*MACHINES, bold), TASKS):
        task = replace(make_task(), stop=stop)
        if make(name).refuse(baseline(task), here()) is None:
            return task, here()
    return None


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Task, Plan, Machine]]:
    """Run the script of every technique once, in one process."""
    root = tmp_path_factory.mktemp("ejected")
    cases: dict[str, tuple[Path, Task, Plan, Machine]] = {}
    scripts: list[tuple[Path, Ejected]] = []
    for name in EJECTABLE:
        found = usable(name) if name not in COMPILED else None
        if found is not None:
            task, here = found
            plan = plan_of(task.name, [name])
            scripts.append((root / name, eject(task, plan, here)))
            cases[name] = root / name, task, plan, here
    run_scripts(*scripts)
    return cases


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("name", EJECTABLE)
def test_a_script_with_a_technique_has_the_losses_of_a_training_with_it(
    name: str, ran: dict[str, tuple[Path, Task, Plan, Machine]]
) -> None:
    if name not in ran:
        pytest.skip(f"{name} refuses every small task on this machine, or takes a compiler")
    folder, task, plan, here = ran[name]
    assert_same(folder, task, plan, here, bits=name not in {"micro_batch", "delayed_update"})
