"""Commands on the model of a run, `attribute` and `export`, and what they say of folders that they cannot use."""

import re
import shutil
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from hasten.base.checksums import write_with_checksum
from hasten.base.records.attribution import Attribution, InputKind
from hasten.base.records.export import Exported
from hasten.cli.main import app
from hasten.pipeline import exporting
from hasten.training.run_folder import METRICS, WEIGHTS

PAGE_BYTES = 300_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a table with a column that is left out, and a name to be escaped."""
    place = tmp_path_factory.mktemp("attributed")
    rows = [f"{n % 7},{n * 37 % 11},{'<b>' if n % 3 else 'no'},{n},{'yes' if n % 7 > 3 else 'no'}" for n in range(120)]
    (place / "table.csv").write_text("\n".join(["size,age,kind,row,target", *rows]) + "\n")
    words = ["table", "--data", str(place / "table.csv"), "--drop", "row", "--column", "target"]
    assert hasten("train", *words, "--epochs", "1", "--runs", str(place)).exit_code == 0
    return next(place.glob("table-*"))


def hasten(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_run_is_explained_by_the_task_that_it_recorded(run: Path):
    before = {path.name: path.read_bytes() for path in (run / WEIGHTS).parent.iterdir()}
    result = hasten("attribute", str(run), "--samples", "1", "--json")
    assert result.exit_code == 0, result.output
    found = msgspec.json.decode(result.stdout, type=Attribution)
    assert found.kind is InputKind.TABLE
    assert found.samples[0].names[:2] == ("size", "age")
    assert {"kind_<b>", "kind_no"} <= set(found.samples[0].names)
    assert {one.predicted for one in found.samples} <= {"yes", "no"}
    assert {path.name: path.read_bytes() for path in (run / WEIGHTS).parent.iterdir()} == before

    result = hasten("attribute", str(run), "--method", "saliency")
    assert result.exit_code == 0, result.output
    page = (run / "attribution.html").read_text()
    assert len(page) <= PAGE_BYTES
    assert "kind_&lt;b&gt;" in page
    assert not re.search(r"<script|src=\"http|href=\"http|@import|url\(", page)


def test_a_run_is_exported_as_the_task_that_it_recorded(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exporting, "LATENCY_BUDGET_S", 0.01)
    result = hasten("export", str(run), "--json")
    assert result.exit_code == 0, result.output
    found = msgspec.json.decode(result.stdout, type=Exported)
    assert found.metric_name == "accuracy"
    assert Path(found.path) == run / "model.pt2"
    again = hasten("export", str(run))
    assert again.exit_code == 2
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("no folder", "no such folder"),
        ("no run", "not the folder of a run"),
        ("no weights", "has no weights"),
        ("no task", "Name it: hasten attribute"),
        ("other weights", "does not hold the weights"),
        ("damaged", "is damaged"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_message(run: Path, tmp_path: Path, broken: str, words: str):
    folder = tmp_path / "run"
    if broken != "no folder":
        shutil.copytree(run, folder)
    if broken == "no run":
        shutil.rmtree(folder / WEIGHTS.parent)
    elif broken == "no weights":
        (folder / WEIGHTS).unlink()
    elif broken == "no task":
        (folder / METRICS).unlink()
    elif broken == "other weights":
        write_with_checksum(folder / WEIGHTS, lambda file: save_file({"0.weight": torch.zeros(2, 2)}, file.name))
    elif broken == "damaged":
        (folder / WEIGHTS).write_bytes(b"x" + (folder / WEIGHTS).read_bytes()[1:])
    result = hasten("attribute", str(folder))
    assert result.exit_code == 2
    assert words in result.stderr
    told = [line for line in result.stderr.strip().splitlines() if not line.startswith("hasten: note:")]
    assert len(told) == 1
