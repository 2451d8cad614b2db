from pathlib import Path

import numpy as np
import pytest
import torch

from hasten.base.errors import BadInput
from hasten.tasks.housing import task
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline


@pytest.fixture
def table(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    rows = ["rooms,total_bedrooms,median_house_value,near"]
    for row in range(200):
        rooms = random.normal()
        bedrooms = "" if row % 10 == 0 else f"{random.normal():.3f}"
        rows.append(f"{rooms:.3f},{bedrooms},{200_000 + 100_000 * rooms:.0f},{('SEA', 'LAND')[row % 2]}")
    file = tmp_path / "houses.csv"
    file.write_text("\n".join(rows) + "\n")
    return file


def test_numbers_missing_values_and_text_become_columns(table: Path) -> None:
    data = task(data=table).data
    x, y = data.train.tensors
    assert x.shape == (160, 5)  # rooms, bedrooms, bedrooms missing, SEA, LAND
    assert y.shape == (160, 1)
    assert torch.isfinite(x).all()


def test_training_rows_alone_set_the_scale(table: Path) -> None:
    x, y = task(data=table).data.train.tensors
    for column in (x[:, 0], x[:, 1], y[:, 0]):
        assert abs(column.mean()) < 1e-5
        assert abs(column.std(correction=0) - 1) < 1e-5


def test_it_learns_a_linear_price(table: Path) -> None:
    events = list(train(build(baseline(task(data=table, epochs=20)))))
    assert max(event.metric for event in events if hasattr(event, "metric")) > 0.9


def test_a_missing_target_column_is_told_with_the_nearest(table: Path) -> None:
    with pytest.raises(BadInput, match=r"unknown column 'house_value'. Did you mean median_house_value"):
        task(data=table, target_column="house_value")


def test_the_real_table_has_its_207_missing_values_marked(shared_data: Path) -> None:
    data = task(data=shared_data / "california_housing" / "housing.csv.gz").data
    x = torch.cat([data.train.tensors[0], data.valid.tensors[0]])
    assert len(x) == 20_640
    assert 207 in (x == 1).sum(0).tolist()
