"""What a task file does at its top, beside defining names, is done by the ejected script: settings, seeds, paths."""

import sys
import types
from pathlib import Path

import pytest

from hasten.base.errors import Refused
from hasten.pipeline.eject.acting import is_own, is_persons
from hasten.pipeline.eject.ejecting import eject
from hasten.tasks.loading import load_task
from hasten.techniques.applying import plan_of
from hasten.training.task import Task

sys.path.append(str(Path(__file__).parent.parent / "contract"))
from contract_tasks import machine
from ejected import assert_same, run_in_forks

SETTINGS = """
SCALE, OPTIONS, MODELS = 1.0, {}, {}


def register(name):
    def kept(model):
        MODELS[name] = model
        return model
    return kept


def scaled(x):
    return x * SCALE + OPTIONS.get("shift", 0.0)
"""
PLACED = """
import torch

WEIGHTS = torch.rand(4)
"""
BESIDE = """
import settings_of_test
from hasten import Data

settings_of_test.OPTIONS["shift"] = settings_of_test.SCALE / 8


def data_of(x, y):
    return Data(train=list(zip(x[:40], y[:40])), valid=list(zip(x[40:], y[40:])))
"""
TASK = '''
"""A task file that does many things when it is imported."""
import sys
import warnings
from pathlib import Path

import torch
from torch import nn

import settings_of_test as settings
from hasten import Stop, Task, Update

settings.SCALE = 3.0
settings.SCALE *= 2
from beside_of_test import data_of

warnings.filterwarnings("ignore", message="nothing")
sys.path.insert(0, str(Path(__file__).parent / "placed"))
import placed_of_test

"""A text that documents nothing."""
WIDTHS = {}
for name in ("in", "out"):
    WIDTHS[name] = 4
WIDTHS["in"] += 4
del WIDTHS["out"]
UNUSED = []
UNUSED.append(1)
DEPTH = 1
DEPTH = DEPTH + 1
if torch.get_default_dtype() is torch.float32:
    DEPTH += 1
try:
    import no_such_module as chosen
except ImportError:
    chosen = None
print("loaded")


def prepare(seed):
    torch.manual_seed(seed)


prepare(3)
G = torch.Generator().manual_seed(0)
SKIPPED = torch.randn(7, generator=G)
NOISE = torch.randn(4, generator=G)


@settings.register("net")
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(4, 4) for _ in range(DEPTH)), nn.Linear(4, WIDTHS["in"]))

    def forward(self, x):
        return settings.scaled(self.layers(x + NOISE * placed_of_test.WEIGHTS))


def task():
    x = torch.randn(60, 4)
    return Task(
        name="acting",
        data=data_of(x, (x.sum(1) > 0).long()),
        model=lambda: settings.MODELS["net"]() if chosen is None else None,
        update=Update(optimizer="sgd", lr=1e-3),
        batch_size=16,
        stop=Stop(steps=6, evaluate_every=6),
    )


if __name__ == "__main__":
    settings.SCALE = 100.0
'''
SIMPLE = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
from hasten import Data, Stop, Task
{}


def task():
    x = torch.ones(60, 4)
    data = Data(train=TensorDataset(x, x), valid=TensorDataset(x, x))
    return Task(name="simple", data=data, model=lambda: nn.Linear(4, 4), loss="mse", metric="mse",
                batch_size=16, stop=Stop(steps=6, evaluate_every=6))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of the task's modules, which no other test sees."""
    (tmp_path / "placed").mkdir()
    (tmp_path / "placed" / "placed_of_test.py").write_text(PLACED)
    (tmp_path / "settings_of_test.py").write_text(SETTINGS)
    (tmp_path / "beside_of_test.py").write_text(BESIDE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def task_of(text: str, folder: Path) -> Task:
    for name in ("settings_of_test", "beside_of_test", "placed_of_test", "acting_task"):
        sys.modules.pop(name, None)
    (folder / "acting_task.py").write_text(text)
    return load_task(str(folder / "acting_task.py"))


def text_of(statements: str, folder: Path) -> str:
    task = task_of(SIMPLE.format(statements), folder)
    return eject(task, plan_of(task.name, ()), machine()).text


def test_a_script_does_what_the_task_file_does_at_its_top(folder: Path) -> None:
    task, plan = task_of(TASK, folder), plan_of("acting", ())
    ejected = eject(task, plan, machine())
    for name in ("settings_of_test", "beside_of_test", "placed_of_test"):
        del sys.modules[name]  # the script imports them anew
    run_in_forks((folder, ejected))
    assert_same(folder, task, plan, machine(), bits=True)
    for left_out in ("UNUSED", "documents nothing", "loaded", "100.0"):
        assert left_out not in ejected.text


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (
            "if __name__ == '__main__':\n    pass\nelse:\n    torch.set_num_threads(1)",
            "line 9: .* Move it out of `else`",
        ),
        ("import hasten\nhasten.SEED = 3", "line 7: the script cannot have this statement: it changes hasten"),
        ("if True:\n    from hasten import Update\n    torch.set_num_threads(1)", "line 6: .* it imports hasten"),
    ],
)
def test_what_cannot_be_done_there_is_refused_with_file_and_line(statements: str, reason: str, folder: Path) -> None:
    with pytest.raises(Refused, match=rf"acting_task\.py, {reason}"):
        text_of(statements, folder)


@pytest.mark.parametrize(
    ("statements", "copied"),
    [
        ("torch.set_num_threads(1); X = torch.set_num_interop_threads", ["torch.set_num_threads(1)\n"]),
        ("from settings_of_test import *\nOPTIONS['shift'] = 2.0", ["from settings_of_test import OPTIONS\n", "= 2.0"]),
        ("if __name__ != '__main__':\n    torch.set_num_threads(1)", ["if \"acting_task\" != '__main__':"]),
        ("import settings_of_test as s\nmine = s.OPTIONS\nmine |= {'b': 1}", ["mine = s.OPTIONS\nmine |= {'b': 1}"]),
        (
            "class A:\n    def __init_subclass__(cls):\n        torch.set_num_threads(1)\nclass B(A):\n    pass",
            ["class B(A)"],
        ),
        ("import os\nA = torch.zeros(1)\nA[0] = torch.get_num_threads()\n_ = torch.manual_seed(4)", ["_ = torch"]),
    ],
)
def test_a_statement_that_changes_something_else_is_copied(statements: str, copied: list[str], folder: Path) -> None:
    text = text_of(statements, folder)
    assert all(text.count(one) == 1 for one in copied), text


def test_what_changes_nothing_is_left_out(folder: Path) -> None:
    plain = text_of("", folder)
    statements = ["'text'", "print(1)", "A = {}", "A['x'] = torch.ones(2)", "A.update(y=1)", "del A['y']", "assert A"]
    statements += ["G = torch.Generator().manual_seed(0)", "B = torch.randn(3, generator=G)", "G.manual_seed(1)"]
    statements += [
        "import os",
        "for k in range(3):\n    A[k] = k",
        "try:\n    import yaml\nexcept ImportError:\n    yaml = None",
    ]
    statements += ["@torch.no_grad()\ndef f(): pass", "if __name__ == '__main__':\n    torch.set_num_threads(1)"]
    assert text_of("\n".join(statements), folder) == plain


IN_FUNCTION = """
import settings_of_test as s
def base():
    return task()


def other():
    s.SCALE = 3.0
    return task()
"""


def test_what_the_function_of_the_task_changes_is_done_where_the_data_are_made(folder: Path) -> None:
    changed = (
        "    s.SCALE = 2.0\n    options = s.OPTIONS\n    options['a'] = 1\n    print(2)\n    x = torch.ones(60, 4)"
    )
    text = SIMPLE.format(IN_FUNCTION).replace("    x = torch.ones(60, 4)", changed)
    task = task_of(text, folder)
    written = eject(task, plan_of(task.name, ()), machine()).text
    assert "    s.SCALE = 2.0\n    options = s.OPTIONS\n    options['a'] = 1\n    x = torch.ones" in written
    task = load_task(f"{folder / 'acting_task.py'}:other")
    with pytest.raises(Refused, match=r"line 13: .* task\(\) makes the data"):
        eject(task, plan_of(task.name, ()), machine())


@pytest.mark.parametrize("folder", ["project", "venv/lib/python3.11/site-packages"])
def test_what_is_copied_does_not_depend_on_where_hasten_is_installed(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("hasten.made_for_test", "other_made_for_test"):
        module = types.ModuleType(name)
        module.__file__ = f"/{folder}/{name}.py"
        monkeypatch.setitem(sys.modules, name, module)
    assert is_own("hasten.made_for_test")
    assert not is_persons("hasten.made_for_test")
    assert is_own("other_made_for_test") == is_persons("other_made_for_test") == (folder == "project")
