"""Bad input through the command line, with real tasks and real files: one message, code 2, nothing lost."""

import gzip
import re
import resource
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hasten.cli.main import app
from hasten.tasks import fashion_mnist

TASK = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
from hasten import Data, Stop, Task, Update

def task():
    x = torch.randn(48, 5)
    y = (x[:, 0] > 0).long()
    # break
    data = Data(train=TensorDataset(x, y), valid=TensorDataset(x[:16], y[:16]))
    model = lambda: nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 2))
    return Task(name='mine', data=data, model=model, metric='accuracy', update=Update(lr=1e-2), batch_size=16,
                stop=Stop(epochs=2))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task, and a run of it in `runs`."""
    place = tmp_path_factory.mktemp("trained")
    write_task(place)
    result = CliRunner().invoke(app, ["train", str(place / "mine.py"), "--runs", str(place / "runs")])
    assert result.exit_code == 0, result.output
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, which is the current one."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_unknown_task_is_told_with_the_nearest(place: Path) -> None:
    assert "unknown task 'digit'. Did you mean digits?" in refused(place, "run", "digit")


def test_a_folder_that_holds_no_run_is_told_as_one(place: Path) -> None:
    (place / "empty").mkdir()
    assert "empty is a folder, but not that of a run. unknown task" in refused(place, "diagnose", "empty")


def test_messages_about_the_use_of_a_command_say_the_word_that_was_typed(place: Path) -> None:
    (place / "train.py").write_text("import torch\n")
    result = CliRunner().invoke(app, ["diagnose", "--steps", "none", "train.py"])
    assert result.exit_code == 2
    assert "hasten diagnose " in result.output.replace("root", "hasten")
    assert "diagnose-script" not in result.output


def test_a_task_file_that_is_not_there_is_told_with_its_neighbors(place: Path) -> None:
    assert "no such file: mien.py. Python files in that folder: mine.py" in refused(place, "train", "mien.py")


def test_an_unknown_technique_is_told_with_the_nearest(place: Path) -> None:
    (place / "plan.toml").write_text('task = "mine"\n\n[chanels_last]\n')
    for words in (("techniques", "chanels_last"), ("train", "mine.py", "--plan", "plan.toml")):
        assert "unknown technique 'chanels_last'. Did you mean channels_last" in refused(place, *words)
    assert "plan.toml, line 3: " in refused(place, "train", "mine.py", "--plan", "plan.toml")


def test_an_unknown_knob_is_told_with_its_line_and_the_valid_ones(place: Path) -> None:
    (place / "plan.toml").write_text('task = "mine"\n\n[clip_norm]\nmax = 1.0\n')
    message = refused(place, "train", "mine.py", "--plan", "plan.toml")
    assert "plan.toml, line 4: " in message
    assert "'max'" in message
    assert "max_norm" in message


def test_a_plan_that_is_no_toml_or_not_there_is_told(place: Path) -> None:
    (place / "plan.toml").write_text('task = "mine\n')
    assert "plan.toml must be a plan in TOML" in refused(place, "train", "mine.py", "--plan", "plan.toml")
    assert "nothing.toml must be a readable plan file" in refused(place, "train", "mine.py", "--plan", "nothing.toml")


def test_a_plan_for_another_task_is_told(place: Path) -> None:
    (place / "plan.toml").write_text('task = "digits"\n\n[clip_norm]\nmax_norm = 1.0\n')
    message = refused(place, "train", "mine.py", "--plan", "plan.toml")
    assert "'digits'" in message
    assert "'mine'" in message


def test_missing_and_truncated_data_files_are_named(place: Path) -> None:
    write_images(place / "images", np.repeat(np.arange(10), 20))
    assert "needs --data" in refused(place, "train", "fashion-mnist")
    labels = place / "images" / f"{fashion_mnist.LABELS}.gz"
    whole = labels.read_bytes()
    labels.write_bytes(whole[: len(whole) // 2])
    assert "labels-idx1-ubyte.gz must be a whole gzip file" in refused(
        place, "train", "fashion-mnist", "--data", "images"
    )
    labels.write_bytes(gzip.compress(gzip.decompress(whole)[:-3]))  # a sound archive of a file that was cut off
    message = refused(place, "train", "fashion-mnist", "--data", "images")
    assert "labels-idx1-ubyte.gz must hold 208 bytes" in message
    assert "found 205, so it is cut off" in message
    labels.unlink()
    assert f"found no {fashion_mnist.LABELS}.gz in images" in refused(
        place, "train", "fashion-mnist", "--data", "images"
    )


def test_a_label_that_is_no_class_is_told_with_its_row(place: Path) -> None:
    write_images(place / "images", np.r_[np.repeat(np.arange(10), 20), 11])
    message = refused(place, "train", "fashion-mnist", "--data", "images")
    assert "labels from 0 to 9; found 11 in row 200" in message
    write_task(place, "y[7] = 2")
    message = refused(place, "train", "mine.py")
    assert "found 2" in message
    assert "sample 7" in message


def test_shapes_that_do_not_fit_are_both_told(place: Path) -> None:
    write_task(place, "x = x[:, :4]")
    message = refused(place, "train", "mine.py")
    assert "Linear(in_features=5, out_features=64, bias=True)" in message
    assert "(2, 4)" in message


def test_what_is_no_number_is_told_with_row_and_column(place: Path) -> None:
    write_task(place, "x[3, 2] = float('nan')")
    message = refused(place, "train", "mine.py")
    assert "found nan in sample 3, the input, feature 2" in message
    (place / "houses.csv").write_text("rooms,median_house_value\n" + "3,100\n" * 20 + "inf,100\n" + "3,90\n" * 9)
    message = refused(place, "train", "housing", "--data", "houses.csv")
    assert "column 'rooms'" in message
    assert "found 'inf'" in message
    assert "line 22" in message


def test_a_metric_or_target_that_cannot_be_is_told(place: Path) -> None:
    (place / "mine.py").write_text(TASK.replace("'accuracy'", "'acuracy'"))
    assert "unknown metric 'acuracy'. Did you mean accuracy" in refused(place, "train", "mine.py")
    (place / "mine.py").write_text(TASK)
    assert "1.5" in refused(place, "train", "mine.py", "--target", "1.5")


def test_numbers_out_of_range_are_told(place: Path) -> None:
    assert "Stop.epochs must be above 0; found 0" in refused(place, "train", "mine.py", "--epochs", "0")
    assert "unknown guarantee 'trajectoryy'. Did you mean trajectory" in refused(
        place, "tune", "mine.py", "--allow", "trajectoryy"
    )
    assert "'5x'" in refused(place, "tune", "mine.py", "--budget", "5x")


def test_a_run_folder_that_cannot_be_made_is_told(place: Path) -> None:
    (place / "file").write_text("not a folder")
    assert re.search(r"cannot write .*: Not a directory", refused(place, "train", "mine.py", "--runs", "file"))
    assert re.search(r"cannot write .*: Not a directory", refused(place, "run", "mine.py", "--runs", "file"))


@pytest.mark.parametrize("room", [200, 2000])
def test_a_full_disk_is_told_and_older_runs_stay(place: Path, room: int) -> None:
    """At 200 bytes the machine's facts do not fit, at 2000 the checkpoint."""
    before = contents(place)
    with nearly_full(room):
        ended = CliRunner().invoke(app, ["train", "mine.py"])
    assert ended.exit_code == 2
    assert re.search(r"cannot write .*: File too large", one_message(ended.stderr))
    assert contents(place).items() >= before.items()
    assert not list(place.rglob("*.tmp"))


@pytest.mark.parametrize("room", [300, 2000])
def test_a_full_disk_while_a_run_goes_on_leaves_its_checkpoint(place: Path, room: int) -> None:
    """At 300 bytes the metrics so far do not fit, at 2000 the next checkpoint."""
    run = only_run(place)
    before = contents(run / "checkpoints")
    with nearly_full(room):
        ended = CliRunner().invoke(app, ["train", "mine.py", "--resume", str(run), "--epochs", "4"])
    assert ended.exit_code == 2
    assert re.search(r"cannot write .*: File too large", one_message(ended.stderr))
    assert contents(run / "checkpoints") == before
    again = CliRunner().invoke(app, ["train", "mine.py", "--resume", str(run), "--epochs", "4"])
    assert again.exit_code == 0, "with room it goes on"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("name='mine'", "name='yours'"), ("'yours'", "'mine'")),
        (("48, 5", "64, 5"), ("training samples", "48", "64")),
        (("48, 5", "48, 6"), ("[64, 5]", "[64, 6]")),
        (("64", "32"), ("[64, 5]", "[32, 5]")),
        (("ReLU", "GELU"), ("ReLU", "GELU")),
        (("# break", "x = -x"), ("training data",)),
        (("lr=1e-2", "lr=1e-3"), ("learning rate", "0.01", "0.001")),
        (("batch_size=16", "batch_size=8"), ("batch size", "16", "8")),
    ],
)
def test_resuming_another_training_is_told_with_what_differs(
    place: Path, change: tuple[str, str], words: tuple[str, ...]
) -> None:
    text = TASK.replace(*change)
    text = text.replace("Linear(5", "Linear(6") if "48, 6" in change[1] else text
    (place / "mine.py").write_text(text)
    message = refused(place, "train", "mine.py", "--resume", str(only_run(place)))
    for word in (*words, "Nothing was changed"):
        assert word in message


def test_resuming_with_another_seed_is_told(place: Path) -> None:
    assert "seed: 0 in the checkpoint, 3 now" in refused(
        place, "train", "mine.py", "--resume", str(only_run(place)), "--seed", "3"
    )


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "foreign"])
def test_a_damaged_checkpoint_is_told_and_left(place: Path, damage: str) -> None:
    checkpoint = only_run(place) / "checkpoints" / "last.pt"
    content = checkpoint.read_bytes()
    if damage == "gone":
        checkpoint.unlink()
    else:
        changed = {"cut": content[:-500], "flipped": b"\0" + content[1:], "foreign": b"not a checkpoint"}
        checkpoint.write_bytes(changed[damage])
    message = refused(place, "train", "mine.py", "--resume", str(only_run(place)))
    assert ("no checkpoint at" if damage == "gone" else "last.pt is damaged") in message


def test_a_folder_that_is_no_run_cannot_be_resumed(place: Path) -> None:
    (place / "empty").mkdir()
    assert "empty" in refused(place, "train", "mine.py", "--resume", "empty")
    assert "nothing" in refused(place, "train", "mine.py", "--resume", "nothing")


def refused(place: Path, *words: str) -> str:
    """Return the one message with which a command ends; it left everything as it was, and `--debug` shows where."""
    before = contents(place)
    plain = CliRunner().invoke(app, list(words))
    assert plain.exit_code == 2, plain.output
    message = one_message(plain.stderr)
    assert "Traceback" not in plain.output
    debugged: Result = CliRunner().invoke(app, [*words, "--debug"])
    assert debugged.exit_code == 2
    assert "Traceback (most recent call last)" in debugged.stderr
    assert message in debugged.stderr
    assert contents(place) == before
    assert isinstance(plain.exception, SystemExit)
    return message


def one_message(stderr: str) -> str:
    """Return what is on standard error: one message, perhaps with code to copy and the batch that was found."""
    first, *rest = stderr.splitlines()
    assert first.startswith("hasten: error: "), stderr
    assert all(line.startswith(("    ", "The training batch", "The validation batch")) for line in rest), stderr
    return stderr


@contextmanager
def nearly_full(nbytes: int) -> Iterator[None]:
    """Let this process write files of so many bytes at most: the system then refuses as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return every path below a folder with its bytes."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def only_run(place: Path) -> Path:
    (run,) = (place / "runs").iterdir()
    return run


def write_task(folder: Path, line: str = "") -> None:
    (folder / "mine.py").write_text(TASK.replace("# break", line))


def write_images(folder: Path, labels: np.ndarray) -> None:
    """Write a small set of images in the form of Fashion-MNIST."""
    folder.mkdir(exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 28, 28), np.uint8)
    for name, array in ((fashion_mnist.IMAGES, images), (fashion_mnist.LABELS, labels.astype(np.uint8))):
        header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (folder / f"{name}.gz").write_bytes(gzip.compress(header + array.tobytes()))
