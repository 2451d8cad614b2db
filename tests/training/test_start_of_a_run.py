"""What a run remembers at its start, and how much of its data it is recognized by."""

import math
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from torch.utils.data import TensorDataset

from hasten.training.identity import _content
from hasten.training.position import Position, StopState


def test_a_run_starts_from_nothing() -> None:
    assert not any(asdict(Position()).values())
    remembered = asdict(StopState())
    assert math.isnan(remembered.pop("best"))
    assert not any(remembered.values())


@pytest.mark.parametrize(("samples", "all_of_them"), [(2**14, True), (2**14 + 1, False)])
def test_data_of_up_to_16_mib_are_compared_whole_and_larger_ones_by_1024_samples(
    samples: int, all_of_them: bool
) -> None:
    content = torch.zeros(samples, 2**10, dtype=torch.uint8)
    before = _content(TensorDataset(content))
    assert before.startswith(f"{samples} samples, ")
    content[5] = 1  # is not among 1024 samples from the first to the last
    assert (_content(TensorDataset(content)) != before) is all_of_them
    content[samples - 1] = 1
    assert _content(TensorDataset(content)) != before


@pytest.mark.parametrize("samples", [1, 2, 7])
def test_every_sample_of_small_data_counts(samples: int) -> None:
    found = set()
    for changed in range(samples + 1):
        content = torch.zeros(samples, 3)
        content[changed:] = 1
        found.add(_content(TensorDataset(content)))
    assert len(found) == samples + 1


@pytest.mark.slow  # a process of its own, that imports torch
def test_neither_the_verbs_nor_the_techniques_load_torchs_sharded_tensors() -> None:
    code = (
        "import sys, hasten.api; from hasten.techniques.applying import make; "
        "from hasten.techniques.registry import techniques; [make(name) for name in techniques()]; "
        "sys.exit('torch.distributed.tensor' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
