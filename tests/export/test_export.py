"""An exported model does what the trained one does, and a file that does not is never left behind."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task
from hasten.base.errors import BadInput, GuaranteeBroken
from hasten.base.records.export import Exported, Format
from hasten.pipeline import exporting
from hasten.pipeline.exporting import export_model
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.session import Session

SAMPLES = 40


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "LATENCY_BUDGET_S", 0.01)


def images(samples: int = SAMPLES) -> TensorDataset:
    """Return images and their class: the largest of the first three pixels."""
    x = torch.randn(samples, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    return TensorDataset(x, x.flatten(1)[:, :3].argmax(1))


def session(model: type[nn.Module], **fields: object) -> Session:
    """Return a session of a model on images of 1 x 6 x 6, three classes."""
    data = Data(train=images(), valid=images())
    task = Task(name="images", data=data, model=model, batch_size=16, stop=Stop(steps=1))
    return build(baseline(replace(task, **fields)))


class Convolutional(nn.Module):
    """With batch norm, whose statistics are of evaluation mode, and dropout, which must be off."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.Flatten())
        self.head = nn.Linear(128, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, (batch, 3)."""
        return self.head(self.layers(x))


class OneSize(nn.Module):
    """Takes batches of 16 alone."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, (16, 3)."""
        return self.head(x.view(16, 36))


class Branching(OneSize):
    """Is another model for small batches, which tracing does not see."""

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, (batch, 3)."""
        return self.head(x.flatten(1)) if x.shape[0] < 16 else -self.head(x.flatten(1))


class Deciding(nn.Module):
    """Takes the branch of the first batch for all others once it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.calls = nn.Linear(36, 3), 0

    def forward(self, x: Tensor) -> Tensor:
        """Return scores of alternating sign."""
        self.calls += 1
        return self.head(x.flatten(1)) * (1 if self.calls % 2 else -1)


class Looking(OneSize):
    """Looks at a value of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, (batch, 3)."""
        return self.head(x.flatten(1)) if x.mean() < 100 else x.flatten(1)[:, :3]


@dataclass
class Scores:
    """What models of some libraries return."""

    logits: Tensor
    hidden: Tensor | None = None


class WithClass(OneSize):
    """Returns an object of a class of its own."""

    def forward(self, x: Tensor) -> Scores:
        """Return scores, (batch, 3)."""
        return Scores(self.head(x.flatten(1)))


def exported(run: Session, form: Format, path: Path) -> Exported:
    """Export, and check that the model is as it was."""
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    found = export_model(run, form, path)
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items())
    assert found.nbytes == path.stat().st_size
    return found


def test_a_pt2_file_runs_alone_with_any_batch_size(tmp_path: Path) -> None:
    run = session(Convolutional)
    found = exported(run, Format.PT2, tmp_path / "model.pt2")
    assert found.any_batch_size
    assert found.samples == SAMPLES
    assert found.largest_difference < 1e-5
    assert found.metric_exported == found.metric_trained
    assert [one.batch_size for one in found.latencies] == [1, 16]
    module = torch.export.load(tmp_path / "model.pt2").module()
    x = torch.randn(5, 1, 6, 6)
    with torch.no_grad():
        torch.testing.assert_close(module(x), run.model.eval()(x))


@pytest.mark.slow  # ONNX takes seconds to import
@pytest.mark.parametrize("form", [Format.ONNX, Format.INT8])
def test_an_onnx_file_agrees_as_far_as_its_precision_allows(form: Format, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs hasten[export]")
    found = exported(session(Convolutional), form, tmp_path / "model.onnx")
    assert found.any_batch_size
    low, high = (1e-4, 0.05) if form is Format.INT8 else (0.0, 1e-5)
    assert low <= found.largest_difference <= high
    assert any("training samples" in note for note in found.notes) == (form is Format.INT8)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_model_for_one_batch_size_says_so(tmp_path: Path) -> None:
    found = exported(session(OneSize, data=Data(train=images(), valid=images(32))), Format.PT2, tmp_path / "model.pt2")
    assert not found.any_batch_size
    assert [one.batch_size for one in found.latencies] == [16]
    assert any("16 samples only" in note for note in found.notes)


def test_an_export_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(b"before")
    with pytest.raises(GuaranteeBroken, match="computes something else"):
        export_model(session(Deciding), Format.PT2, path)
    assert path.read_bytes() == b"before"


def test_a_model_that_is_another_for_small_batches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GuaranteeBroken, match="No file is written"):
        export_model(session(Branching), Format.PT2, tmp_path / "model.pt2")


def test_a_model_that_looks_at_values_is_refused_with_the_line_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Looking.forward.__code__.co_firstlineno + 2
    with pytest.raises(BadInput, match=rf"stops at \S+test_export.py:{line}: "):
        export_model(session(Looking), Format.PT2, tmp_path / "model.pt2")
    assert capsys.readouterr() == ("", "")


def test_what_a_model_returns_in_a_class_of_its_own_is_a_dict_in_the_file(tmp_path: Path) -> None:
    found = exported(session(WithClass), Format.PT2, tmp_path / "model.pt2")
    assert found.any_batch_size
    assert list(torch.export.load(tmp_path / "model.pt2").module()(torch.randn(3, 1, 6, 6))) == ["logits"]


def test_without_validation_data_training_samples_are_compared(tmp_path: Path) -> None:
    def validate(model: nn.Module) -> dict[str, float]:
        return {"error": 1.0}

    run = session(Convolutional, data=Data(train=images()), validate=validate, metric="error", higher_is_better=False)
    found = exported(run, Format.PT2, tmp_path / "model.pt2")
    assert (found.metric_name, found.notes) == (
        None,
        ("compared on training samples, as the task has no validation data",),
    )


def test_a_task_that_calls_its_model_twice_is_refused(tmp_path: Path) -> None:
    def twice(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return model(batch[0]) + model(batch[0])

    with pytest.raises(BadInput, match="calls its model 2 times"):
        export_model(session(Convolutional, predict=twice), Format.PT2, tmp_path / "model.pt2")
