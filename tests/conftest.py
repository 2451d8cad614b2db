"""What every test may ask for."""

import os
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data sets beside the checkout (or in $HASTEN_DATA); the test skips where it is absent."""
    folder = Path(os.environ.get("HASTEN_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}; set HASTEN_DATA to their folder")
    return folder


@pytest.fixture(autouse=True)
def _same_start() -> None:
    torch.manual_seed(0)
