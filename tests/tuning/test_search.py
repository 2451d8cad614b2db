"""The search on simulated machines: what it keeps, what it never keeps, and what it spends."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import Simulated, Truth, burst_time_by_steps

from hasten.tuning.search.factors import NONE, Factor, Factors
from hasten.tuning.search.ground import Infeasible
from hasten.tuning.search.model import Readings, difference, smallest_gain
from hasten.tuning.search.search import Search
from hasten.tuning.search.smallest import LEAST_GAIN, LIKELY


def searched(
    truth: Truth, *, budget_s: float, seed: int = 0, before: int = 0, **changed: dict[str, Any]
) -> tuple[Search, Simulated]:
    """Search among factors named f0, f1, ... and the baseline again; `changed` are fields of single factors.

    `before` blocks of the baseline are timed first.
    """
    count = len(truth.gains)
    items = [Factor(f"f{one}", **changed.get(f"f{one}", {})) for one in range(count)]
    factors = Factors([*items, Factor("again", conflicts=frozenset(range(count)))])
    whole = Truth(**{**vars(truth), "gains": [*truth.gains, 0.0]})
    ground = Simulated(whole, factors, budget_s=budget_s, seed=seed)
    search = Search(factors, ground, seed=seed, again=count)
    search.note_baseline([ground.block(NONE) for _ in range(before)])
    for _ in search.run():
        pass
    return search, ground


@settings(max_examples=5, deadline=None)
@given(work_s=st.floats(0.01, 3.0), now_s=st.floats(0.0, 5.0), seed=st.integers(0, 99))
def test_bursts_slow_work_as_small_steps_of_time_do(work_s: float, now_s: float, seed: int) -> None:
    truth = Truth((0.0,), bursts_s=0.5)
    ground = Simulated(truth, Factors([Factor("f")]), budget_s=10.0, seed=seed)
    ground.now_s = now_s
    assert ground.works(work_s) == pytest.approx(burst_time_by_steps(truth, ground._bursts, now_s, work_s), abs=1e-2)


def test_large_and_small_gains_are_told_from_nothing_and_from_harm() -> None:
    search, _ = searched(Truth((0.4, 0.04, 0.0, -0.05, 0.2)), budget_s=25.0)
    assert {0, 1, 4} <= search.plan
    assert 3 not in search.plan


def together(truth: Truth, *, workers: int, budget_s: float, seed: int = 0) -> list[Search]:
    """Search on several machines at once; after each group of one the others learn its blocks."""
    count = len(truth.gains)
    found = list[Search]()
    for number in range(workers):
        factors = Factors(
            [*(Factor(f"f{one}") for one in range(count)), Factor("again", conflicts=frozenset(range(count)))]
        )
        whole = Truth(**{**vars(truth), "gains": [*truth.gains, 0.0], "step_s": truth.step_s * (1 + 0.3 * number)})
        place = Simulated(whole, factors, budget_s=budget_s, seed=10 * seed + number)
        found.append(Search(factors, place, seed=seed + number, again=count))
    running = {number: search.run() for number, search in enumerate(found)}
    told = [0] * workers
    while running:
        for number in list(running):
            if next(running[number], found) is found:
                del running[number]
                continue
            own, more = found[number].own, Readings()
            for at in range(told[number], len(own)):
                more.add(own.settings[at], own.groups[at], own.logs[at])
            told[number] = len(own)
            for other in running:
                if other != number:
                    found[other].learn(more)
    return found


def test_what_others_have_timed_is_learned_group_by_group() -> None:
    first, second = together(Truth((0.3, 0.0, -0.1, 0.05)), workers=2, budget_s=8.0)
    for search in (first, second):
        assert len(search.readings) > 1.3 * len(search.own)
        assert search.readings.groups == sorted(search.readings.groups)
        sizes = [search.readings.groups.count(group) for group in set(search.readings.groups)]
        assert max(sizes) <= 4, "no group is joined with that of another machine"
        assert 0 in search.plan
        assert 2 not in search.plan


def test_machines_of_other_speed_do_not_bias_each_other() -> None:
    truth, missed = Truth((0.2, 0.0, 0.0)), 0
    for seed in range(6):
        for search in together(truth, workers=3, budget_s=6.0, seed=seed):
            gains = [search.fit.gain(difference(search.model, frozenset({one}))) for one in range(3)]
            missed += sum(not found.low <= true <= found.high for found, true in zip(gains, truth.gains, strict=True))
    assert missed <= 4  # of 54


def test_a_small_budget_finds_what_is_large() -> None:
    search, ground = searched(Truth((0.4, 0.0, 0.0, -0.1, 0.0, 0.0)), budget_s=6.0)
    assert 0 in search.plan
    assert 3 not in search.plan
    assert ground.now_s < 7.0


def test_where_nothing_gains_almost_nothing_is_called_faster() -> None:
    sure = [searched(Truth((0.0,) * 4), budget_s=8.0, seed=seed)[0] for seed in range(3)]
    assert sum(search.whole().low > 0 for search in sure) == 0


def test_of_two_that_do_the_same_one_is_kept() -> None:
    search, _ = searched(Truth((0.3, 0.3), {(0, 1): -0.3}), budget_s=15.0)
    assert len(search.plan) == 1


def test_what_gains_only_with_its_company_is_kept_with_it() -> None:
    truth = Truth((0.0, 0.0, 0.0), {(0, 1): 0.3})
    search, _ = searched(truth, budget_s=15.0, f1={"company": frozenset({0})})
    assert search.plan == {0, 1}


@pytest.mark.parametrize(("gain", "taken"), [(0.1, True), (-0.2, False)])
def test_the_next_level_of_a_knob_takes_part_where_the_one_before_is_not_slower(gain: float, taken: bool) -> None:
    level = {"after": 0, "conflicts": frozenset({0})}
    search, _ = searched(Truth((gain, 0.3, 0.1)), budget_s=20.0, f1=level)
    assert (1 in search.plan) is taken
    assert any(1 in one for one in search.readings.settings) is taken
    first = next((at for at, one in enumerate(search.readings.settings) if 1 in one), len(search.readings))
    assert any(0 in one for one in search.readings.settings[:first])


def test_the_next_level_of_a_knob_is_tried_without_a_gain_where_nothing_else_is_open() -> None:
    level = {"after": 0, "conflicts": frozenset({0})}
    search, _ = searched(Truth((0.0, 0.3, 0.1), noise=0.005), budget_s=60.0, f1=level)
    assert search.plan == {1, 2}


def test_of_what_conflicts_the_better_is_kept() -> None:
    search, _ = searched(Truth((0.1, 0.3)), budget_s=15.0, f0={"conflicts": frozenset({1})})
    assert search.plan == {1}


def test_no_block_is_spent_on_what_another_makes_pointless() -> None:
    beside = {"pointless_beside": frozenset({0})}
    search, _ = searched(Truth((0.5, 0.0, 0.0)), budget_s=15.0, f0={"expected": 0.4}, f1=beside)
    assert search.out[1] == {0}
    assert search.plan == {0}
    assert sum(1 in one for one in search.readings.settings) <= 4


def test_what_is_pointless_beside_another_is_tried_once_that_one_is_gone() -> None:
    beside = {"pointless_beside": frozenset({0})}
    truth = Truth((0.5, 0.2), wrong=frozenset({0}))
    search, _ = searched(truth, budget_s=15.0, f0={"expected": 0.4}, f1=beside)
    assert search.plan == {1}


def test_what_breaks_its_guarantee_is_never_kept() -> None:
    search, ground = searched(Truth((0.5, 0.2), wrong=frozenset({0})), budget_s=15.0)
    assert search.plan == {1}
    assert ground.gates <= 4


def test_what_cannot_be_built_leaves_and_the_rest_is_found() -> None:
    search, _ = searched(Truth((0.3, 0.2), failing=frozenset({0})), budget_s=15.0)
    assert 0 in search.out
    assert search.plan == {1}


@pytest.mark.parametrize("seed", range(4))
def test_the_search_goes_on_where_several_of_the_first_plan_cannot_be_built(seed: int) -> None:
    truth = Truth((0.3, 0.0, 0.2, 0.0, 0.0), failing=frozenset({1, 3, 4}))
    search, _ = searched(truth, budget_s=15.0, seed=seed)
    assert search.plan == {0, 2}


def test_two_that_cannot_be_built_together_are_kept_apart() -> None:
    search, _ = searched(Truth((0.1, 0.3), apart=frozenset({0, 1})), budget_s=15.0)
    assert search.plan == {1}
    assert search.out.keys() <= {0}


@pytest.mark.parametrize(("budget_s", "kept"), [(60.0, True), (15.0, False)])
def test_what_costs_much_once_is_paid_for_where_the_budget_holds_it(budget_s: float, kept: bool) -> None:
    truth = Truth((0.0, 0.03, 0.3))
    search, ground = searched(truth, budget_s=budget_s, f2={"setup_s": 20.0})
    assert (2 in search.plan) is kept
    assert sum(2 in one for one in ground.setups) <= 2
    assert ground.now_s < 1.1 * budget_s


def test_the_time_is_used_while_something_is_open_and_not_longer() -> None:
    decided, early = searched(Truth((0.4,), noise=0.005), budget_s=60.0)
    assert decided.plan == {0}
    assert early.now_s < 10.0
    _, late = searched(Truth((0.011, 0.009, 0.01), noise=0.05), budget_s=10.0)
    assert late.now_s > 9.0


@pytest.mark.parametrize("gate_s", [19.0, 19.95])
def test_the_time_for_a_proof_is_spent_on_looking_while_there_is_nothing_to_prove(gate_s: float) -> None:
    truth, asked = Truth((0.5, 0.0, 0.0), noise=0.15, gate_s=gate_s), list[int]()
    for seed in range(8):  # which of them needs a second proof depends on how a processor rounds
        search, ground = searched(truth, budget_s=20.0, seed=seed)
        assert 0 in search.plan
        asked.append(ground.gates)
    assert max(asked) <= 2
    assert asked.count(1) > 4


def test_settings_that_are_built_are_timed_on_where_the_time_holds_no_other() -> None:
    truth = Truth((0.05, 0.03, 0.0, 0.0), noise=0.05, build_s=2.0)
    _, ground = searched(truth, budget_s=12.0)
    assert 11.0 < ground.now_s <= 12.5


@pytest.mark.parametrize("seed", range(6))
def test_what_is_not_likely_to_gain_beside_the_rest_is_not_kept(seed: int) -> None:
    truth = Truth((0.6, 0.01, -0.01, 0.0, 0.005), noise=0.1, tails=0.1)
    search, _ = searched(truth, budget_s=12.0, seed=seed)
    assert 0 in search.plan
    assert all(search._plans.adds(one, search.plan).likely >= LIKELY for one in search.plan)


def test_several_small_gains_are_kept_on_a_noisy_machine_though_none_is_sure() -> None:
    truth = Truth((0.6, 0.03, 0.03, 0.03), noise=0.08)
    kept = [len(searched(truth, budget_s=20.0, seed=seed)[0].plan) for seed in range(12)]
    assert sum(kept) >= 44, "of 48; 41 where each has to be sure"


def test_what_is_faster_as_a_whole_is_kept_whole_where_no_time_was_left_to_tell_its_parts_apart() -> None:
    search, _ = searched(Truth((0.3, 0.3)), budget_s=3.0)
    search.plan, search.readings = NONE, Readings()
    for group in range(8):
        search.readings.add(NONE, group, 0.001 * group)
        search.readings.add(frozenset({0, 1}), group, -0.6 + 0.002 * (group % 3))
    search.fit = search.model.fit(search.readings)
    assert search._smallest() == {0, 1}
    search.plan = frozenset({0, 1})
    assert not search.sure(0)


def test_bursts_of_foreign_load_do_not_hide_a_large_gain() -> None:
    truth = Truth((0.3, 0.0, -0.1), noise=0.03, tails=0.1, bursts_s=1.0, burst_s=0.3, slower=3.0)
    search, _ = searched(truth, budget_s=20.0)
    assert 0 in search.plan
    assert 2 not in search.plan


def test_the_baseline_again_shows_the_noise() -> None:
    noise = searched(Truth((0.1,), noise=0.02), budget_s=10.0)[0].noise()
    assert noise is not None
    assert noise.low < 0 < noise.high
    assert math.isfinite(noise.half)


def test_where_it_is_stopped_only_what_is_proven_is_in_the_plan() -> None:
    search, _ = searched(Truth((0.4, 0.3)), budget_s=15.0)
    assert frozenset({0, 1}) in search.proven
    search.plan, search.proven = frozenset({0, 1}), {NONE, frozenset({0})}
    search.stop()
    assert search.plan == {0}


def test_without_the_baseline_again_the_search_goes_on() -> None:
    search, _ = searched(Truth((0.4,), failing=frozenset({1})), budget_s=15.0)
    assert search.plan == {0}
    assert search.noise() is None


def test_what_fails_in_a_block_leaves_and_the_rest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    block = Simulated.block

    def fails(ground: Simulated, setting: frozenset[int]) -> float:
        if 0 in setting and ground.now_s > 2.0:
            raise Infeasible(frozenset({0}))
        return block(ground, setting)

    monkeypatch.setattr(Simulated, "block", fails)
    search, _ = searched(Truth((0.4, 0.2)), budget_s=15.0)
    assert 0 in search.out
    assert search.plan == {1}


def test_without_factors_there_is_nothing_to_do() -> None:
    search, ground = searched(Truth(()), budget_s=10.0)
    assert (search.plan, ground.now_s) == (NONE, 0.0)


@pytest.mark.slow
def test_a_gain_of_3_percent_is_found_in_9_of_10_tunings() -> None:
    truth = Truth((math.log(1.03), 0.0, 0.0), noise=0.02 / math.sqrt(2), luck=0.002)
    assert sum(0 in searched(truth, budget_s=60.0, seed=seed)[0].plan for seed in range(20)) >= 18


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "budget_s", "others"), [(0.02, 15.0, 2), (0.02, 30.0, 7), (0.04, 60.0, 7)])
def test_a_gain_as_small_as_is_told_beforehand_is_found(noise: float, budget_s: float, others: int) -> None:
    blocks = (budget_s - 0.5 - 2 * 0.4 * math.sqrt(1 + others)) / 0.06
    truth = Truth((LEAST_GAIN + smallest_gain(noise, blocks), *[0.0] * others), noise=noise)
    assert sum(0 in searched(truth, budget_s=budget_s, seed=seed)[0].plan for seed in range(20)) >= 16


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), noise=st.sampled_from([0.02, 0.1, 0.2]), budget_s=st.sampled_from([4.0, 8.0, 15.0]))
def test_no_plan_has_a_member_that_another_makes_pointless(seed: int, noise: float, budget_s: float) -> None:
    truth = Truth((0.4, 0.0, 0.1, 0.0), noise=noise)
    beside = {f"f{one}": {"pointless_beside": frozenset({0}), "expected": 0.3} for one in (1, 3)}
    search, _ = searched(truth, budget_s=budget_s, seed=seed, **beside)
    assert 0 not in search.plan or not search.plan & {1, 3}


def test_what_left_by_mistake_comes_back_when_the_readings_say_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, groups = Search._judge, list[int]()

    def judged(self: Search) -> None:
        plain(self)
        groups.append(self.groups)
        if len(groups) == 3:
            self._remove([1], self.plan - {1})

    monkeypatch.setattr(Search, "_judge", judged)
    search, _ = searched(Truth((0.4, 0.4, 0.0), noise=0.03), budget_s=20.0)
    assert search.plan == frozenset({0, 1})


@pytest.mark.parametrize("budget_s", [20.0, 40.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_large_gain_is_kept_where_its_proof_takes_much_of_the_budget(seed: int, budget_s: float) -> None:
    truth = Truth((0.4, 0.4, *(0.0,) * 8), step_s=0.14, build_s=0.0, gate_s=10.0, noise=0.05)
    likely = {"f0": {"expected": 0.3}, "f1": {"expected": 0.1}}
    search, ground = searched(truth, budget_s=budget_s, seed=seed, before=6, **likely)
    assert {0, 1} <= search.plan
    assert ground.gates <= 2, "a plan under way is seldom proven where that takes long"
    assert ground.now_s <= budget_s
