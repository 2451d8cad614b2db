from pathlib import Path

import pytest
import torch

from hasten.base.errors import BadInput
from hasten.tasks.loading import load_task
from hasten.tasks.registry import TASKS
from hasten.training.task import Task


def test_a_task_on_board_is_found_by_its_name() -> None:
    assert load_task("linear").name == "linear"


def test_an_unknown_task_is_told_with_the_nearest_names_and_how_to_name_a_file() -> None:
    with pytest.raises(BadInput, match=r"unknown task 'digit'. Did you mean digits\?.*ends in \.py"):
        load_task("digit")


@pytest.mark.parametrize("name", [name for name, entry in TASKS.items() if entry.data])
def test_a_task_that_needs_data_says_which(name: str) -> None:
    with pytest.raises(BadInput, match=f"the task '{name}' needs --data, (a|an) .*(folder|file).*; found none given"):
        load_task(name)


@pytest.mark.parametrize("name", [name for name, entry in TASKS.items() if not entry.data])
def test_data_for_a_task_that_brings_its_own_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"'{name}' brings its own data; found --data there. Leave it out"):
        load_task(name, data=Path("there"))


@pytest.mark.parametrize("name", [name for name, entry in TASKS.items() if entry.data])
def test_missing_data_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=str(tmp_path / "nothing")):
        load_task(name, data=tmp_path / "nothing")


def test_the_function_task_of_a_file_is_the_default_and_another_can_be_named(tmp_path: Path) -> None:
    file = write(tmp_path, OWN + "\n\ndef other():\n    return dataclasses.replace(task(), name='other')\n")
    assert load_task(str(file)).name == "own"
    assert load_task(f"{file}:other").name == "other"


def test_a_task_knows_the_words_that_name_it_on_the_command_line(tmp_path: Path) -> None:
    assert load_task("linear").command == "linear"
    file = write(tmp_path, OWN, name="my task.py")
    assert load_task(f"{file}:task").command == f"'{file}:task'"
    table = tmp_path / "houses.csv"
    table.write_text("a,b\n" + "".join(f"{row},{row % 7}\n" for row in range(60)))
    named = load_task("table", data=table, column="b", on_bad="skip")
    assert named.command == f"table --data {table} --column b --skip-bad"


def test_a_file_may_import_its_neighbors(tmp_path: Path) -> None:
    (tmp_path / "neighbor_of_the_test.py").write_text("NAME = 'next'\n")
    text = OWN.replace("import dataclasses", "import dataclasses\nfrom neighbor_of_the_test import NAME")
    assert load_task(str(write(tmp_path, text.replace("'own'", "NAME")))).name == "next"


def test_random_data_are_the_same_each_time_and_the_generator_is_left_alone(tmp_path: Path) -> None:
    file = write(tmp_path, OWN)
    before = torch.get_rng_state()
    first, second = load_task(str(file)), load_task(str(file))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.data.train[:][0], second.data.train[:][0])


def test_a_missing_file_is_told_with_the_python_files_beside_it(tmp_path: Path) -> None:
    write(tmp_path, OWN)
    with pytest.raises(BadInput, match=r"no such file: .*mine\.py\. Python files in that folder: own\.py\."):
        load_task(str(tmp_path / "mine.py"))


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, "x = 1\n\ndef task(:\n    pass\n")
    with pytest.raises(BadInput, match=rf"{file}:3: the task file must be valid Python; found .*def task\(:"):
        load_task(str(file))


def test_a_syntax_error_in_a_neighbor_is_told_there(tmp_path: Path) -> None:
    (tmp_path / "broken_neighbor.py").write_text("\nx = = 1\n")
    with pytest.raises(BadInput, match=r"broken_neighbor\.py:2: the task file must be valid Python"):
        load_task(str(write(tmp_path, "import broken_neighbor\n")))


@pytest.mark.parametrize("text", ["import no_such_module_anywhere\n", "raise SystemExit(1)\n"])
def test_an_error_at_import_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, "\n" + text)
    with pytest.raises(BadInput, match=f"{file}:2: the task file must run without an error; found (ModuleNot|System)"):
        load_task(str(file))


def test_a_missing_function_is_told_with_the_nearest_ones(tmp_path: Path) -> None:
    file = write(tmp_path, OWN.replace("def task", "def taks"))
    with pytest.raises(
        BadInput, match=r"unknown function in .*own\.py: 'task'. Did you mean taks\? Known: model, taks"
    ):
        load_task(str(file))


def test_a_task_that_is_not_in_a_function_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"task in .*own\.py must be a function that returns a hasten.Task; found int"):
        load_task(str(write(tmp_path, "task = 3\n")))


@pytest.mark.parametrize(("value", "found"), [("None", r"found None\. Is a return missing\?"), ("3", r"found int\.$")])
def test_a_function_that_returns_something_else_is_told(tmp_path: Path, value: str, found: str) -> None:
    with pytest.raises(BadInput, match=rf"task\(\) in .*own\.py must return a hasten\.Task; {found}"):
        load_task(str(write(tmp_path, f"def task():\n    return {value}\n")))


def test_an_error_inside_names_the_persons_own_line_not_the_library_s(tmp_path: Path) -> None:
    file = write(tmp_path, "import torch\n\ndef task():\n    helper()\n\ndef helper():\n    torch.stack([])\n")
    with pytest.raises(BadInput, match=rf"^{file}:7: the task file must run without an error; found RuntimeError: "):
        load_task(str(file))


def test_a_value_that_hasten_refuses_is_told_with_the_line_that_gave_it(tmp_path: Path) -> None:
    file = write(tmp_path, "import hasten\n\ndef task():\n    return hasten.Update(lr=-1)\n")
    with pytest.raises(BadInput, match=f"^{file}:4: the learning rate must be above 0; found -1"):
        load_task(str(file))


def test_an_argument_without_a_default_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"may only need the argument data; found width, depth\. Give them defaults"):
        load_task(str(write(tmp_path, "def task(width, *, depth, data=None):\n    pass\n")))


def test_data_reach_a_function_that_asks_for_them(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        OWN.replace("def task()", "def task(data)")
        .replace("    data =", "    name, data = data.name,")
        .replace("'own'", "name"),
    )
    assert load_task(str(file), data=Path("folder/place")).name == "place"
    with pytest.raises(BadInput, match="needs --data, since its parameter data has no default; found none given"):
        load_task(str(file))


def test_data_for_a_function_that_takes_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="takes no data; found --data there"):
        load_task(str(write(tmp_path, OWN)), data=Path("there"))


def test_every_entry_of_the_registry_builds_a_task_of_that_name(shared_data: Path) -> None:
    places = {
        "fashion-mnist": shared_data / "fashion_mnist",
        "shakespeare": shared_data / "tinyshakespeare" / "input.txt",
        "housing": shared_data / "california_housing" / "housing.csv.gz",
        "table": shared_data / "california_housing" / "housing.csv.gz",
    }
    for name in TASKS.keys() - {"images", "imdb"}:  # they read for seconds; built in test_data_tasks.py
        task = load_task(name, data=places.get(name))
        assert isinstance(task, Task)
        assert task.name == name


OWN = """
import dataclasses
import torch
from torch import nn
from torch.utils.data import TensorDataset
import hasten

def model():
    return nn.Linear(3, 1)

def task():
    data = TensorDataset(torch.randn(8, 3), torch.randn(8, 1))
    return hasten.Task(name='own', data=hasten.Data(train=data, valid=data), model=model, loss='mse', metric='mse')
"""


def write(folder: Path, text: str, name: str = "own.py") -> Path:
    """Write a person's file."""
    file = folder / name
    file.write_text(text)
    return file
