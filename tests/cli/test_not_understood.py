"""Task files that cannot be understood, through each command: one message that names the line, code 2, nothing left."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hasten.cli.main import app

TASK = """
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset
from hasten import Data, Stop, Task

class Broken(Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, index):
        if index == 7:
            raise ValueError("no such picture")
        return torch.zeros(5), 0

def swapped(model, batch):
    return model(batch["x"])

def collate(samples):
    return samples.stack()

def task():
    x, y = torch.randn(20, 5), torch.arange(20) % 2
    train = TensorDataset(x, y)
    return Task(name="mine", data=Data(train=train, valid=TensorDataset(x, y)), model=lambda: nn.Linear(5, 2),
                stop=Stop(steps=2))
"""

FILES: dict[str, tuple[str, str]] = {
    "no task": ("def other(): ...\n", "unknown function in mine.py: 'task'. Known: other. A task file has:\n"),
    "a syntax error": ("\n\ndef task(:\n", "mine.py:3: the task file must be valid Python; found invalid syntax"),
    "a null byte": ("def task():\0", "mine.py: the task file must be valid Python; found source code string"),
    "an import that fails": ("\nimport nothing_here\n", "mine.py:2: the task file must run without an error; found M"),
    "an exit": ("import sys\nsys.exit(3)\n", "mine.py:2: the task file must run without an error; found SystemExit"),
    "a task that raises": ("def task():\n    [][3]\n", "mine.py:2: the task file must run without an error; found I"),
    "a helper that raises": (
        "import helper_of_a_task\n\ndef task():\n    helper_of_a_task.read()\n",
        "mine.py:4: the task file must run without an error; found OSError: no disk (HELPER:2)",
    ),
    "no return": (TASK.replace("return Task", "Task"), "task() in mine.py must return a hasten.Task; found None. Is a"),
    "another object": ("def task():\n    return {}\n", "task() in mine.py must return a hasten.Task; found dict."),
    "no function": ("task = 3\n", "task in mine.py must be a function that returns a hasten.Task; found int."),
    "a predict that fails": (
        TASK.replace("stop=", "predict=swapped, stop="),
        "Task.predict(model, batch) must return the output for the training batch; found TypeError: tuple indices must "
        "be integers or slices, not str (MINE:17).\nThe training batch, 2 samples, a tuple of 2:\n    batch[0]  (2, 5)",
    ),
    "a sample that fails": (
        TASK.replace("train = TensorDataset(x, y)", "train = Broken()"),
        "sample 7 of the training data must be readable; found ValueError: no such picture (MINE:13).",
    ),
    "a collate function that fails": (
        TASK.replace("TensorDataset(x, y))", "TensorDataset(x, y), collate=collate)"),
        "your collate function must make a batch of 2 samples of the training data; found AttributeError: 'list' "
        "object has no attribute 'stack' (MINE:20). Sample 0 is (5,) float32 and () int64.",
    ),
}


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("verb", ["check", "train", "profile", "tune"])
def test_a_task_that_cannot_be_understood_is_one_message(
    what: str, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, message = FILES[what]
    Path("mine.py").write_text(content)
    helper = tmp_path / "helper_of_a_task.py"
    helper.write_text("def read():\n    raise OSError('no disk')\n")
    monkeypatch.delitem(sys.modules, "helper_of_a_task", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    if verb == "profile" and what in ("no task", "no function", "an import that fails", "an exit"):
        return  # a file without a task is a script, which runs in a process of its own
    done = CliRunner().invoke(app, [verb, "mine.py"])
    assert done.exit_code == 2, done.output
    said = done.stderr.replace(str(tmp_path / "mine.py"), "MINE").replace(str(helper), "HELPER")
    assert message.removeprefix("mine.py") in said
    assert said.startswith("hasten: error: ")
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [helper.name, "mine.py"]


def test_check_shows_what_was_understood_and_the_next_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(TASK)
    done = CliRunner().invoke(app, ["check", "mine.py"])
    assert done.exit_code == 0
    assert "  batch[1]  (20,) int64      target" in done.stdout
    assert "cross_entropy, divides by the labels that are not -100" in done.stdout
    assert done.stdout.splitlines()[-1] == "next: hasten run mine.py"
    assert done.stderr == ""


def test_check_prints_json_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec

    from hasten.base.records.task_check import TaskCheck

    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(TASK)
    found = msgspec.json.decode(CliRunner().invoke(app, ["check", "mine.py", "--json"]).stdout, type=TaskCheck)
    assert (found.task, found.target, found.steps_per_epoch) == ("mine", "batch[1]", 1)


LATE = (
    TASK.replace("return 20", "return 4000")
    + """
class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return (Late()[index] for index in range(20))

class Late(Broken):
    def __getitem__(self, index):
        if index == 9:
            raise ValueError("no such record")
        return torch.zeros(5), 0

def made(train, valid, **fields):
    data = Data(train=train, valid=valid)
    return Task(name="late", data=data, model=lambda: nn.Linear(5, 2), stop=Stop(steps=500), **fields)

def pairs():
    return TensorDataset(torch.zeros(40, 5), torch.arange(40) % 2)

def stream():
    return made(Stream(), pairs(), batch_size=4)

def unread():
    return made(pairs(), Late(), batch_size=None)
"""
)


@pytest.mark.parametrize(
    ("verb", "function", "code", "words"),
    [
        ("check", "stream", 0, ""),
        ("train", "stream", 1, "training failed at step 3: ValueError: no such record, raised at MINE:"),
        (
            "check",
            "unread",
            2,
            "must be ready for the first step (sample 9 fails); found ValueError: no such record (MINE:",
        ),
        ("train", "unread", 1, "error: ValueError: no such record, raised at MINE:"),
    ],
)
def test_samples_that_only_the_training_reads_are_named_when_they_fail(
    verb: str, function: str, code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(LATE)
    done = CliRunner().invoke(app, [verb, f"mine.py:{function}"])
    said = done.stderr.replace(str(tmp_path / "mine.py"), "MINE")
    assert done.exit_code == code, said
    assert words in said
    assert "Traceback" not in said
