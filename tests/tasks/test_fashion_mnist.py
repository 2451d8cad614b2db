import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from hasten.base.errors import BadInput
from hasten.tasks.fashion_mnist import IMAGES, LABELS, model, task
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline


def test_the_test_images_are_not_needed_and_classes_keep_their_share(tmp_path: Path) -> None:
    write(tmp_path, labels=np.repeat(np.arange(10), 20))
    data = task(data=tmp_path).data
    assert (len(data.train), len(data.valid)) == (180, 20)
    assert torch.bincount(data.valid.tensors[1]).tolist() == [2] * 10
    assert data.train.tensors[0].shape[1:] == (1, 28, 28)


def test_unpacked_files_serve_as_well(tmp_path: Path) -> None:
    write(tmp_path, labels=np.repeat(np.arange(10), 20))
    for file in list(tmp_path.glob("*.gz")):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    assert len(task(data=tmp_path).data.train) == 180


def test_a_missing_file_is_told_with_both_that_are_needed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"{IMAGES}.gz and {LABELS}.gz.*found no {IMAGES}.gz in {tmp_path}"):
        task(data=tmp_path)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, labels=np.repeat(np.arange(10), 20))
    file = tmp_path / f"{IMAGES}.gz"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(BadInput, match=f"{IMAGES}.gz.*(cut off|damaged)"):
        task(data=tmp_path)


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    write(tmp_path, labels=np.repeat(np.arange(10), 20), side=32)
    with pytest.raises(BadInput, match=r"28 x 28 pixels; found the shape \(200, 32, 32\)"):
        task(data=tmp_path)


def test_a_label_beyond_the_classes_is_named(tmp_path: Path) -> None:
    write(tmp_path, labels=np.r_[np.repeat(np.arange(10), 20), 10])
    with pytest.raises(BadInput, match=f"{LABELS} must hold labels from 0 to 9; found 10 in row 200"):
        task(data=tmp_path)


def test_the_model_takes_a_batch_of_images() -> None:
    assert model()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_some_steps_on_real_images_lower_the_loss(shared_data: Path) -> None:
    events = list(
        train(build(baseline(task(data=shared_data / "fashion_mnist", max_samples=1000, epochs=1, batch_size=64))))
    )
    losses = [loss for event in events for loss in getattr(event, "losses", ())]
    assert losses[-1] < 0.6 * losses[0]


def write(folder: Path, *, labels: np.ndarray, side: int = 28) -> None:
    """Write IDX files with random images."""
    images = np.random.default_rng(0).integers(0, 256, (len(labels), side, side), np.uint8)
    for name, array in ((IMAGES, images), (LABELS, labels.astype(np.uint8))):
        header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (folder / f"{name}.gz").write_bytes(gzip.compress(header + array.tobytes()))
