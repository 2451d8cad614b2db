"""An ejected script trains as hasten does: the same losses from a process in which hasten cannot be imported."""

import itertools
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hasten import Schedule, Stop, Task, Update
from hasten.base.errors import BadInput, Refused
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.pipeline.eject.difference import difference
from hasten.pipeline.eject.ejecting import eject, write_out
from hasten.tasks.loading import load_task
from hasten.techniques.applying import make, plan_of
from hasten.techniques.plan_file import read_plan, write_plan
from hasten.techniques.registry import techniques
from hasten.techniques.source import Ejectable
from hasten.training.recipe import baseline

sys.path.append(str(Path(__file__).parent.parent / "contract"))
from contract_tasks import MACHINES, TASKS, machine
from ejected import assert_same, clean, run_scripts
from tiny_tasks import cnn_task

STEPS = Stop(steps=30, evaluate_every=30)


def bold() -> Machine:
    """Return this machine as if it had instructions for bfloat16: torch computes the same without, only slower."""
    return msgspec.structs.replace(machine(), isa=(*machine().isa, "avx512", "avx512_bf16"))


EJECTABLE = sorted(name for name, kind in techniques().items() if isinstance(kind(), Ejectable))
COMPILED = {"compile", "compile_regions"}
OF_EACH_STAGE = (
    "activation_checkpointing",
    "bf16",
    "channels_last",
    "clip_norm",
    "delayed_update",
    "ema",
    "low_rank_linear",
    "micro_batch",
    "progressive_length",
    "schedule_free",
)
OTHERS = [name for name in EJECTABLE if name not in OF_EACH_STAGE]
Cases = dict[str, tuple[Path, Task, Plan, Machine]]


def usable(name: str) -> tuple[Task, Machine] | None:
    stop = Stop(steps=600, evaluate_every=600) if name in COMPILED else STEPS
    for here, make_task in itertools.product((*MACHINES, bold), TASKS):
        task = replace(make_task(), stop=stop)
        if make(name).refuse(baseline(task), here()) is None:
            return task, here()
    return None


def with_each(names: Iterable[str], root: Path) -> Cases:
    """Return a case with each technique that does not refuse every small task."""
    cases: Cases = {}
    for name in names:
        found = usable(name) if name not in COMPILED else None
        if found is not None:
            task, here = found
            cases[name] = root / name, task, plan_of(task.name, [name]), here
    return cases


def run_all(cases: Cases) -> Cases:
    """Run the scripts of all cases, in one process, and return the cases."""
    run_scripts(*((folder, eject(task, plan, here)) for folder, task, plan, here in cases.values()))
    return cases


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    root = tmp_path_factory.mktemp("ejected")
    kinds = {
        name: (root / name, task, plan_of(task.name, names), machine())
        for name, (task, names) in tasks_of_all_kinds(root).items()
    }
    return run_all(kinds | with_each(OF_EACH_STAGE, root))


@pytest.fixture(scope="module")
def ran_others(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    return run_all(with_each(OTHERS, tmp_path_factory.mktemp("others")))


def assert_same_with(name: str, cases: Cases) -> None:
    if name not in cases:
        pytest.skip(f"{name} refuses every small task on this machine, or takes a compiler")
    assert_same(*cases[name], bits=name not in {"micro_batch", "delayed_update"})


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("name", OF_EACH_STAGE)
def test_a_script_with_a_technique_has_the_losses_of_a_training_with_it(name: str, ran: Cases) -> None:
    assert_same_with(name, ran)


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("name", OTHERS)
def test_so_has_a_script_with_any_other_technique(name: str, ran_others: Cases) -> None:
    assert_same_with(name, ran_others)


OWN = """
import torch
from torch import nn
from torch.utils.data import Dataset

from hasten import Data, Stop, Task, Update

WIDTH = 8


class Rows(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


def decay(step):
    return 0.99**step


def task():
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    y = (x.sum(1) > 0).long()
    share = 50
    return Task(
        name="mine",
        data=Data(train=Rows(x[:share], y[:share]), valid=Rows(x[share:], y[share:])),
        model=lambda: nn.Sequential(nn.Linear(4, WIDTH), nn.Tanh(), nn.Dropout(0.1), nn.Linear(WIDTH, 2)),
        update=Update(optimizer=torch.optim.Adam, lr=1e-2, schedule=decay),
        batch_size=16,
        stop=Stop(steps=30, evaluate_every=30),
    )


def two_terms(model, batch):
    output = model(batch[0])
    return {"ce": nn.functional.cross_entropy(output, batch[1]), "size": 1e-3 * output.square().mean()}


def of_terms():
    import dataclasses

    return dataclasses.replace(task(), objective=two_terms, metric="loss")
"""


def own_task(folder: Path, function: str = "task") -> Task:
    file = folder / "my_task.py"
    file.write_text(OWN)
    return load_task(f"{file}:{function}")


def tasks_of_all_kinds(folder: Path) -> dict[str, tuple[Task, tuple[str, ...]]]:
    """Return built-in tasks and those of a file, each with the techniques of its plan."""
    return {
        "linear": (replace(load_task("linear"), stop=STEPS), ()),
        "digits": (replace(load_task("digits"), stop=STEPS), ("batched_gather", "prefetch", "nonfinite_guard")),
        "own": (own_task(folder), ("centralize",)),
        "terms": (own_task(folder, "of_terms"), ()),
    }


@pytest.mark.timeout(1000)
def test_built_in_tasks_and_own_files_are_written_out_with_the_same_losses(
    ran: Cases,
) -> None:
    names = ("linear", "digits", "own", "terms")
    for name in names:
        assert_same(*ran[name], bits=True)
    assert "Rows(x[:share], y[:share])" in (ran["own"][0] / "train.py").read_text()
    clean(*(ran[name][0] / "train.py" for name in names))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_tasks_with_data_are_written_out_with_the_same_losses(tmp_path: Path, shared_data: Path) -> None:
    sources = {
        "fashion-mnist": shared_data / "fashion_mnist",
        "shakespeare": shared_data / "tinyshakespeare" / "input.txt",
        "housing": shared_data / "california_housing" / "housing.csv.gz",
        "table": shared_data / "california_housing" / "housing.csv.gz",
        "images": shared_data / "trashnet_150",
        "imdb": shared_data / "imdb",
    }
    here, plan = machine(), {name: plan_of(name, ("batched_gather",)) for name in sources}
    tasks = {name: replace(load_task(name, data=data), stop=STEPS) for name, data in sources.items()}
    run_scripts(*((tmp_path / name, eject(task, plan[name], here)) for name, task in tasks.items()))
    for name, task in tasks.items():
        assert_same(tmp_path / name, task, plan[name], here, bits=True)
    clean(*(tmp_path / name / "train.py" for name in tasks))


def test_comments_say_guarantee_gain_and_machine_and_what_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(
        '# Measured on AMD EPYC.\ntask = "mine"\n\n[centralize] # 1.10x as fast with it, n = 9 pairs\n\n'
        "[lossless_saved] # 1.20x as fast with it\n"
    )
    plan = read_plan(file)
    assert read_plan(written(plan, tmp_path / "again.toml")) == plan
    text = write_out(task := own_task(tmp_path), plan, baseline(task)).text
    joined = " ".join(text.split()).replace(" # ", " ")
    assert "# centralize (trajectory): " in text
    assert "1.10x as fast with it, n = 9 pairs, on AMD EPYC." in joined
    assert "lossless_saved: it has no form outside of hasten; 1.20x as fast with it." in text


def test_a_script_maps_its_batches_without_the_code_for_trees() -> None:
    text = eject(task := cnn_task(), plan_of(task.name, ["channels_last"]), machine()).text
    assert "map_tensors" in text
    assert "tree_flatten" not in text


def written(plan: Plan, path: Path) -> Path:
    write_plan(plan, path)
    return path


def test_an_existing_file_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("mine")
    ejected = eject(own_task(tmp_path), plan_of("mine", ()), machine())
    with pytest.raises(BadInput, match=r"train\.py exists\. Pass another -o FILE, or --force"):
        ejected.write(file)
    assert file.read_text() == "mine"
    ejected.write(file, force=True)
    assert "def main()" in file.read_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"stop": Stop(seconds=1.0), "update": Update(schedule="cosine")},
            "the schedule follows the time of a run that only time ends",
        ),
        (
            {"update": Update(schedule=Schedule("plateau", warmup=3))},
            "the schedule plateau with a warm-up has no counterpart in torch",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_reason(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    task = replace(own_task(tmp_path), **change)
    with pytest.raises(Refused, match=reason):
        write_out(task, plan_of("mine", ()), baseline(task))


SCRIPT = """import torch
from torch import nn

net = nn.Linear(4, 2)
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for x, y in [(torch.randn(3, 4), torch.tensor([0, 1, 0]))] * 3:
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
    opt.zero_grad()
"""


def difference_of(text: str, folder: Path, *names: str) -> tuple[str, list[str]]:
    file = folder / "my_train.py"
    file.write_text(text)
    task = replace(own_task(folder), update=Update(optimizer="adam"))
    return difference(file, write_out(task, plan_of("mine", names), baseline(task)).parts)


def test_a_diff_puts_techniques_into_a_simple_script_under_its_own_names(tmp_path: Path) -> None:
    text, rest = difference_of(SCRIPT, tmp_path, "fused_optimizer", "clip_norm", "bf16", "compile", "prefetch")
    added = [line[1:] for line in text.splitlines() if line.startswith("+") and "#" not in line]
    assert "opt = torch.optim.Adam(net.parameters(), lr=0.01, fused=True)" in added
    assert "    nn.utils.clip_grad_norm_(net.parameters(), 1.0)" in added
    assert 'with torch.autocast("cpu", dtype=torch.bfloat16):' in "".join(added)
    assert "forward = torch.compile(net)" in added
    assert "        loss = nn.functional.cross_entropy(forward(x), y)" in added
    assert rest == ["prefetch: it changes batches of the loop"]


IN_FUNCTIONS = '''"""A script whose parts are functions."""
from __future__ import annotations
from torch import manual_seed, nn, optim, randn, tensor


def fit(net, opt, losses):
    for _ in range(3):
        loss = nn.functional.cross_entropy(net(randn(3, 4)), tensor([0, 1, 0]))
        loss.backward()
        if True:
            opt.step()
            opt.zero_grad()
        losses.append(loss.item())


class Trainer:
    def __init__(self):
        self.net = nn.Linear(4, 2)


manual_seed(0)
losses = []
model = nn.Linear(4, 2)
optimizer = optim.Adam(
    params=model.parameters(),
    lr=0.01,  # usual
)
fit(model, optimizer, losses)
'''


def test_a_diff_follows_names_into_functions_and_gives_a_script_that_runs(tmp_path: Path) -> None:
    text, rest = difference_of(
        IN_FUNCTIONS, tmp_path, "fused_optimizer", "clip_norm", "bf16", "nonfinite_guard", "tf32"
    )
    file = tmp_path / "my_train.py"
    patch = subprocess.run(["patch", str(file)], input=text, text=True, capture_output=True, check=False)
    assert patch.returncode == 0, patch.stdout
    patched = file.read_text()
    assert "            nn.utils.clip_grad_norm_(net.parameters(), 1.0)\n            opt.step()" in patched
    assert "lr=0.01, fused=True,  # usual" in patched
    ran: dict[str, Any] = {}
    exec(compile(patched, str(file), "exec"), ran)
    assert len(ran["losses"]) == 3
    assert rest == [
        "nonfinite_guard: it keeps a state from step to step, and your loop is in another function than the optimizer"
    ]


def test_a_diff_does_not_repeat_what_the_script_has(tmp_path: Path) -> None:
    script = SCRIPT.replace("lr=0.01", "lr=0.01, fused=True").replace("import torch\n", "import torch  # autocast\n", 1)
    text, rest = difference_of(script, tmp_path, "fused_optimizer", "bf16")
    assert not text
    assert rest == [
        "bf16: your script uses autocast already",
        "fused_optimizer: the optimizer of your script has fused already",
    ]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("torch.optim.Adam(net.parameters(), lr=0.01)", "make()", "optimizers of torch.optim; found none"),
        ("    loss.backward()\n", "    loss.backward()\n    loss.backward()\n", "line 8, line 9"),
        ("net.parameters()", "[net.weight]", r"over \[net.weight\], not over model.parameters\(\)"),
    ],
)
def test_a_script_that_is_not_simple_gets_no_diff_and_the_reason(
    old: str, new: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=reason):
        difference_of(SCRIPT.replace(old, new), tmp_path)
