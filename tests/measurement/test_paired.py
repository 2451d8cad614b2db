import gc
import time

import numpy as np
import pytest
import torch

from hasten.base.errors import BadInput
from hasten.base.records.comparison import Comparison, Verdict
from hasten.base.records.record import load, save
from hasten.base.seeds import random_state
from hasten.measurement.paired import compare, noise_floor, timed_pairs


class Pretended:
    """A machine whose clock moves only when a block runs: block times are known exactly, noise is drawn."""

    def __init__(self, *, noise=0.0, seed=0, position=0.0, drift=0.0):
        self.now_ns = 0
        self.noise, self.position, self.drift = noise, position, drift
        self.rng = np.random.default_rng([11, seed])
        self.calls = []

    def clock(self):
        return self.now_ns

    def side(self, step_s, name=""):
        def block(steps):
            following = bool(self.calls) and self.calls[-1][0] != name
            slow = 1 + (self.position if following else 0.0) + self.drift * self.now_ns * 1e-9
            self.calls.append((name, steps))
            self.now_ns += round(steps * step_s * slow * np.exp(self.rng.normal(0, self.noise)) * 1e9)

        return block


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(1.5, Verdict.FASTER), (1.05, Verdict.FASTER), (1 / 1.05, Verdict.SLOWER), (1.0, Verdict.NO_DIFFERENCE)],
)
def test_a_known_factor_is_found(factor, verdict):
    machine = Pretended(noise=0.005)
    found = compare(machine.side(0.01 * factor), machine.side(0.01), budget_s=60, clock=machine.clock)
    assert found.verdict is verdict
    assert found.ratio.low <= factor <= found.ratio.high
    assert found.ratio.value == pytest.approx(factor, rel=0.01)
    assert found.step_time_b_s == pytest.approx(0.01, rel=0.01)
    assert found.ratio.n == found.pairs


def test_what_does_more_in_a_step_is_judged_by_the_time_of_a_sample(tmp_path):
    machine = Pretended(noise=0.005)
    sides = machine.side(0.01), machine.side(0.019)
    found = compare(*sides, samples_per_step=(32, 64), budget_s=60, clock=machine.clock)
    assert found.verdict is Verdict.FASTER
    assert found.ratio.value == pytest.approx(1 / 0.95, rel=0.01)
    assert (found.samples_per_step_a, found.samples_per_step_b) == (32, 64)
    assert found.step_time_b_s == pytest.approx(0.019, rel=0.01)
    save(found, tmp_path / "comparison.json")
    assert load(Comparison, tmp_path / "comparison.json") == found


def test_the_same_code_is_seldom_called_faster_though_looked_at_after_each_pair():
    """80 comparisons of a with itself, with drift and a cost of going second; at most 5 % may find a difference."""
    verdicts = []
    for seed in range(80):
        machine = Pretended(noise=0.03, seed=seed, position=0.05, drift=0.02)
        found = compare(
            machine.side(0.02, "a"),
            machine.side(0.02, "b"),
            budget_s=4,
            delta=1e-6,  # no margin: the confidence sequence alone must hold
            seed=seed,
            clock=machine.clock,
        )
        verdicts.append(found.verdict)
        assert found.pairs > 20 or found.verdict is not Verdict.UNCLEAR
    assert verdicts.count(Verdict.FASTER) + verdicts.count(Verdict.SLOWER) <= 0.05 * 80


def test_a_clear_answer_stops_long_before_the_budget():
    machine = Pretended(noise=0.01)
    found = compare(machine.side(0.02), machine.side(0.01), budget_s=1000, clock=machine.clock)
    assert found.verdict is Verdict.FASTER
    assert found.spent_s < 5


def test_too_little_time_is_unclear_and_keeps_to_the_budget():
    machine = Pretended(noise=0.3)
    found = compare(machine.side(0.1), machine.side(0.099), budget_s=6.0, clock=machine.clock)
    assert found.verdict is Verdict.UNCLEAR
    assert found.spent_s - found.warmup_s < 7.0
    assert found.ratio.low <= found.ratio.value <= found.ratio.high


def test_at_least_one_pair_is_run_and_its_record_survives_json(tmp_path):
    machine = Pretended()
    found = compare(machine.side(2.0), machine.side(1.0), budget_s=0.1, clock=machine.clock)
    assert (found.pairs, found.verdict) == (1, Verdict.UNCLEAR)
    assert found.ratio.value == pytest.approx(2.0)
    assert found.ratio.low < 0.01
    assert found.ratio.high > 100
    save(found, tmp_path / "comparison.json")
    assert load(Comparison, tmp_path / "comparison.json") == found


@pytest.mark.parametrize(("step_s", "steps"), [(1.0, 3), (0.01, 6), (1e-5, 5250)])
def test_a_block_of_the_faster_side_lasts_50_ms_and_3_steps(step_s, steps):
    machine = Pretended()
    found = compare(machine.side(3 * step_s), machine.side(step_s), budget_s=0.01, clock=machine.clock)
    assert found.steps_per_block == pytest.approx(steps, rel=0.05)
    assert found.steps_per_block * step_s >= 0.05


def test_order_is_drawn_per_pair_and_each_timed_block_follows_one_untimed_step():
    machine = Pretended()
    pairs = timed_pairs(machine.side(0.01, "a"), machine.side(0.02, "b"), steps=5, seed=3, clock=machine.clock)
    times = [next(pairs) for _ in range(200)]
    assert times == [pytest.approx((0.05, 0.1))] * 200
    timed = machine.calls[1::2]
    assert set(machine.calls[0::2]) == {("a", 1), ("b", 1)}
    assert set(timed) == {("a", 5), ("b", 5)}
    firsts = [name for name, _ in timed[0::2]]
    assert all(first[0] != second[0] for first, second in zip(timed[0::2], timed[1::2], strict=True))
    assert 70 < firsts.count("a") < 130


def test_noise_floor_of_a_calm_and_of_a_noisy_machine():
    calm, noisy = Pretended(noise=0.001), Pretended(noise=0.05, drift=0.05)
    quiet = noise_floor(calm.side(0.02), calm.side(0.02), budget_s=60, clock=calm.clock)
    loud = noise_floor(noisy.side(0.02), noisy.side(0.02), budget_s=4, clock=noisy.clock)
    assert (quiet.delta, quiet.stable, quiet.remark, quiet.pairs) == (0.01, True, "", 30)
    assert quiet.sigma == pytest.approx(0.001 * 2**0.5, rel=0.5)
    assert loud.sigma == pytest.approx(0.05 * 2**0.5, rel=0.5)
    assert loud.delta > 0.02
    assert loud.pairs >= 8
    assert loud.drift == pytest.approx(0.05 * 4 * 2 / 3, rel=0.6)
    assert abs(quiet.drift) < 0.01


def test_a_machine_that_tells_two_equal_sides_apart_is_called_unstable():
    machine = Pretended(noise=0.01)
    found = noise_floor(machine.side(0.02), machine.side(0.023), budget_s=60, clock=machine.clock)
    assert not found.stable
    assert "differs" in found.remark


def test_collector_is_off_during_blocks_only_and_comes_back_after_an_error():
    machine = Pretended()
    seen = []

    def watching(steps):
        seen.append(gc.isenabled())
        machine.side(0.1)(steps)

    def failing(steps):
        if len(seen) > 14:
            raise RuntimeError("out of memory")
        watching(steps)

    with pytest.raises(RuntimeError, match="out of memory"):
        compare(watching, failing, budget_s=60, clock=machine.clock)
    assert gc.isenabled()
    assert len(seen) > 8
    assert not any(seen[6:])
    gc.disable()
    try:
        next(timed_pairs(watching, watching, steps=1, seed=0, clock=machine.clock))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_real_blocks_are_timed_and_nothing_global_changes():
    def waiting(seconds):
        return lambda steps: time.sleep(seconds * steps)

    before = (random_state()["torch"].clone(), np.random.get_state(), torch.get_num_threads(), torch.is_grad_enabled())
    found = compare(waiting(0.02), waiting(0.01), budget_s=10, delta=0.2)
    assert found.verdict is Verdict.FASTER
    assert found.ratio.value == pytest.approx(2.0, rel=0.2)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1][1], np.random.get_state()[1])
    assert before[2:] == (torch.get_num_threads(), torch.is_grad_enabled())


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"budget_s": 0.0}, "budget_s"),
        ({"budget_s": 1.0, "delta": -0.1}, "delta"),
        ({"budget_s": 1.0, "samples_per_step": (1.0, 0.0)}, "samples_per_step"),
    ],
)
def test_unusable_settings_are_told(keywords, message):
    machine = Pretended()
    with pytest.raises(BadInput, match=message):
        compare(machine.side(1), machine.side(1), clock=machine.clock, **keywords)


def test_a_block_that_takes_no_time_is_told():
    machine = Pretended()
    with pytest.raises(BadInput, match="must take time"):
        compare(machine.side(0.0), machine.side(0.0), budget_s=1.0, clock=machine.clock)


class Switched:
    """A block that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __enter__(self) -> None:
        self.done.append("enter")

    def __exit__(self, *error: object) -> None:
        self.done.append("exit")

    def __call__(self, steps: int) -> None:
        self.done.append("step")
        time.sleep(0.02 * steps)


def test_a_block_that_can_be_entered_stays_entered_from_the_untimed_step_to_the_end():
    block = Switched()
    next(timed_pairs(block, lambda steps: time.sleep(0.01 * steps), steps=3, seed=0))
    assert block.done == ["enter", "step", "step", "exit"]
