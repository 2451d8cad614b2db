"""Killed at a random moment, also inside a save, a training resumes to what it would have been."""

import subprocess
import sys

import pytest
import torch

from benchmarks.faults.kills import difference


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost_and_no_bit_differs() -> None:
    """In a process of its own, since forks of one whose threads have worked can hang."""
    subprocess.run([sys.executable, "-m", "benchmarks.faults.kills", "--kills", "40", "--seed", "40"], check=True)


def test_a_bit_that_differs_would_be_seen() -> None:
    whole = {"weights": {"w": torch.ones(3)}, "losses": [1.0, 2.0], "evaluations": [], "damaged": []}
    assert difference(whole, whole) is None
    other = torch.ones(3)
    other[1] = torch.nextafter(other[1], torch.tensor(9.0))
    assert difference({**whole, "weights": {"w": other}}, whole) == "other weights"
    assert difference({**whole, "losses": [1.0]}, whole) == "other losses"
