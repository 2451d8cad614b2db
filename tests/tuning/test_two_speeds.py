"""Links of two speeds: what collectives take over several nodes, by hand and by laws, and layouts that fit to nodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import structs

from hasten import find_layout
from hasten.base.errors import BadInput
from hasten.base.records.layout import LayoutPlan, Links, Nodes
from hasten.machine.facts import facts
from hasten.techniques.parallel.layouts import layouts, part_counts, pipelines
from hasten.training.recipe import baseline
from hasten.tuning.layouts import readings
from hasten.tuning.layouts.predict import predict
from hasten.tuning.layouts.sending import all_reduce_s, gather_s, message_s
from hasten.tuning.layouts.time import communication

from tiny_tasks import block_task, mlp_task

FAST = Links(latency_s=1e-6, bytes_per_s=100e9, overlap=0.0)
SLOW = Nodes(devices=8, latency_s=1e-4, bytes_per_s=8e9)
BOTH = structs.replace(FAST, nodes=SLOW)
SIZE = 800e6


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "BLOCK_S", 0.001)
    monkeypatch.setattr(readings, "ROUNDS", 2)


def test_an_all_reduce_over_two_nodes_adds_up_inside_of_each_first() -> None:
    slow_inside = structs.replace(BOTH, bytes_per_s=8e9)  # a ring of all is no faster
    inside = 2 * (7 * 1e-6 + 7 / 8 * SIZE / 8e9)
    between = 2 * 1e-4 + SIZE / 8 / 1e9  # an eighth in each of eight processes, which divide the link
    ring = 2 * 15 * 1e-4 + 2 * 15 / 16 * SIZE / 8e9
    assert all_reduce_s(SIZE, 16, slow_inside) == pytest.approx(min(inside + between, ring))
    small = all_reduce_s(8e3, 16, BOTH)
    two_levels = 2 * (7 * 1e-6 + 7 / 8 * 8e3 / 100e9) + 2 * 1e-4 + 1e3 / 1e9
    assert small == pytest.approx(two_levels)  # four trees of all would take four slow latencies more
    assert small < 8 * 1e-4


def test_groups_beside_each_other_divide_the_link_of_a_node() -> None:
    eighths = all_reduce_s(SIZE / 8, 2, BOTH, apart=8)  # eight of them: the shards of a model in each node
    assert eighths == pytest.approx(2 * 1e-4 + SIZE / 8 / 1e9)
    pairs = all_reduce_s(SIZE, 8, BOTH, apart=2)  # two groups, four of each in a node
    inside, ring = 2 * (3 * 1e-6 + 3 / 4 * SIZE / 100e9), 14 * 1e-4 + 2 * 7 / 8 * SIZE / 4e9
    assert pairs == pytest.approx(min(ring, inside + 2 * 1e-4 + SIZE / 4 / 1e9))


def test_what_is_inside_of_a_node_is_as_fast_as_one_node() -> None:
    assert all_reduce_s(SIZE, 8, BOTH) == all_reduce_s(SIZE, 8, FAST)
    assert all_reduce_s(SIZE, 2, BOTH, apart=4) == all_reduce_s(SIZE, 2, FAST)
    assert gather_s(SIZE, 8, BOTH) == gather_s(SIZE, 8, FAST)
    assert message_s(SIZE, BOTH) == message_s(SIZE, FAST)


def test_a_gathering_over_nodes_and_a_message_between_two() -> None:
    inside, between = 7 * 1e-6 + 7 / 8 * SIZE / 100e9, 1e-4 + SIZE / 16 / 1e9
    assert gather_s(SIZE, 16, BOTH) == pytest.approx(min(inside + between, 15 * 1e-4 + 15 / 16 * SIZE / 8e9))
    assert gather_s(8e3, 16, BOTH) == pytest.approx(7 * 1e-6 + 7 / 8 * 8e3 / 100e9 + 1e-4 + 5e2 / 1e9)
    assert message_s(SIZE, BOTH, between_nodes=True) == pytest.approx(1e-4 + SIZE / 8e9)
    thin = structs.replace(BOTH, bytes_per_s=1e9)  # a process sends no faster than its own link
    assert message_s(SIZE, thin, between_nodes=True) == pytest.approx(1e-4 + SIZE / 1e9)


sizes = some.floats(1.0, 1e10)
rates = some.floats(1e8, 1e12)
latencies = some.floats(1e-7, 1e-3)
meshes = some.sampled_from([(16, 1), (64, 1), (8, 2), (2, 8), (4, 16), (4, 4)])
"""Processes of a group, and the difference of the numbers of two neighbors, in nodes of eight."""


@given(sizes, meshes, latencies, rates, rates)
def test_no_collective_is_faster_than_what_must_leave_a_node(
    size: float, mesh: tuple[int, int], latency_s: float, fast: float, slow: float
) -> None:
    processes, apart = mesh
    links = Links(latency_s=1e-7, bytes_per_s=fast, overlap=0.0, nodes=Nodes(8, latency_s, slow))
    nodes, beside = processes // max(1, 8 // apart), min(apart, 8)
    leaves = 2 * (nodes - 1) / nodes * size * beside / slow
    assert all_reduce_s(size, processes, links, apart) >= leaves * (1 - 1e-9)
    assert gather_s(size, processes, links, apart) >= leaves / 2 * (1 - 1e-9)
    faster = structs.replace(links, nodes=Nodes(8, latency_s, 2 * slow))
    assert all_reduce_s(size, processes, faster, apart) <= all_reduce_s(size, processes, links, apart)
    assert gather_s(size, processes, faster, apart) <= gather_s(size, processes, links, apart)


@given(sizes, meshes, latencies, rates)
def test_nodes_whose_link_is_as_fast_as_all_of_their_devices_are_one(
    size: float, mesh: tuple[int, int], latency_s: float, rate: float
) -> None:
    processes, apart = mesh
    one = Links(latency_s=latency_s, bytes_per_s=rate, overlap=0.0)
    several = structs.replace(one, nodes=Nodes(8, latency_s, 8 * rate))
    assert all_reduce_s(size, processes, several, apart) <= all_reduce_s(size, processes, one) * (1 + 1e-9)
    assert gather_s(size, processes, several, apart) <= gather_s(size, processes, one) * (1 + 1e-9)


def test_parts_of_layers_are_inside_of_a_node_and_a_model_is_sharded_over_each() -> None:
    found = layouts(32, 64, node=8)
    assert [one.parts for one in found if one.parts > 1] == [8, 4]
    assert part_counts(32, 6) == (6, 3)
    assert part_counts(4, 1) == ()
    (hybrid,) = (one for one in found if one.shards > 1 and one.replicas > 1)
    assert (hybrid.replicas, hybrid.shards) == (4, 8)
    assert len(found) <= 9
    assert [one.stages for one in pipelines(24, 64, node=8)] == [2, 4, 8, 24]
    assert [one.stages for one in pipelines(24, 64)] == [2, 3, 4, 6, 8, 12, 24]


def predicted(nodes: Nodes | None, links: Links = FAST) -> LayoutPlan:
    recipe = baseline(mlp_task(batch_size=32))
    return predict(recipe, facts(), devices=16, memory_limit=2**40, links=links, nodes=nodes)


def test_each_collective_crosses_nodes_by_its_dimension_of_the_mesh() -> None:
    found = predicted(SLOW)
    for cost in found.costs:
        layout = cost.layout
        if layout.parts == 1 and layout.stages == 1:
            collectives = communication(layout, found.memory)
            assert all(one.apart == layout.shards for one in collectives.all_reduces)
            assert all(one.apart == 1 for one in collectives.gathers)
    assert found.links.nodes == SLOW


def test_a_slow_link_between_nodes_makes_those_layouts_slower_that_use_it() -> None:
    one, two = predicted(None), predicted(structs.replace(SLOW, latency_s=0.1))
    alone = {found.layout.label: found.step_s.value for found in (*one.costs, *two.costs)}
    assert alone["one process"] < 0.1
    for cost in two.costs:
        if cost.layout.processes > 1 and not cost.why_not and cost.layout.every == 1:
            assert cost.step_s.value > 0.2, cost.layout.label
    assert all(cost.step_s.value < 0.2 for cost in one.costs if not cost.why_not)


@pytest.mark.parametrize("devices", [8, 12])
def test_devices_that_do_not_fill_nodes_are_refused(devices: int) -> None:
    with pytest.raises(BadInput, match=f"{devices} devices must fill several nodes of 8 devices each"):
        find_layout(block_task(), devices=devices, nodes=SLOW)
