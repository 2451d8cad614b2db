"""What every test may ask for."""

import gc
import importlib
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from hasten.base.seeds import seed_all

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Let Ctrl-C interrupt, also where a shell started the tests in the background and had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what the imports make away from the garbage collector and the doctor, which would read it in every test."""
    gc.disable()
    try:
        collected = yield
        importlib.import_module("torch._dynamo")  # torch imports it when it makes the first optimizer
        return collected
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data sets beside the checkout (or in $HASTEN_DATA); the test skips where it is absent."""
    folder = Path(os.environ.get("HASTEN_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not at {folder}; set HASTEN_DATA to their folder")
    return folder


@pytest.fixture(autouse=True)
def _same_start() -> None:
    seed_all(0)
