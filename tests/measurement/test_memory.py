import copy
import gc

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from hasten.base.errors import BadInput
from hasten.measurement.memory import peak_memory
from hasten.measurement.tensors import nbytes, storage_key, tensors_in

FLOAT = 4


def _mlp():
    return nn.Sequential(nn.Linear(30, 50), nn.ReLU(), nn.Linear(50, 20))


def test_peak_of_a_chain_of_temporaries_is_the_two_that_live_at_once():
    def run():
        x = torch.ones(1000)
        for _ in range(5):
            x = x + 1
        return x.sum()

    with torch.no_grad():
        found = peak_memory(run)
    assert found.peak_bytes == 2 * 1000 * FLOAT
    assert found.by_origin == {"no_grad": 2 * 1000 * FLOAT}
    assert found.resident_bytes == 0


def test_peak_of_mlp_training_step_is_the_hand_count():
    net, x = _mlp(), torch.randn(7, 30)
    weights = (30 * 50 + 50 + 50 * 20 + 20) * FLOAT
    batch = 7 * 30 * FLOAT

    def run():
        net.zero_grad()
        net(x).sum().backward()

    run()
    found = peak_memory(run)
    # The gradients of the last run are freed at once. The peak comes last: with the gradients of both layers alive,
    # that of the hidden layer, the loss and its own gradient.
    hidden, scalar = 7 * 50 * FLOAT, FLOAT
    assert found.resident_bytes == weights + batch
    assert found.peak_bytes - found.resident_bytes == weights + hidden + 2 * scalar
    assert sum(found.by_origin.values()) == found.peak_bytes


def test_gradients_found_at_the_start_count_until_they_are_freed():
    w = nn.Parameter(torch.ones(1000))

    def accumulate():
        (w * 2).sum().backward()

    accumulate()
    assert peak_memory(accumulate).resident_bytes == 2 * 1000 * FLOAT


def test_adam_states_are_resident_after_the_first_step():
    net, x = _mlp(), torch.randn(4, 30)
    optimizer = torch.optim.Adam(net.parameters())
    count = sum(p.numel() for p in net.parameters())
    counters = 4 * FLOAT  # torch.tensor(0.0): made outside any operator, so counted from the start

    def run():
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()

    first, second = peak_memory(run), peak_memory(run)
    assert first.resident_bytes == count * FLOAT + nbytes(x) + counters
    assert second.resident_bytes == 3 * count * FLOAT + nbytes(x) + counters
    assert first.by_origin["no_grad"] >= 2 * count * FLOAT


def test_the_same_run_gives_the_same_bytes_whatever_ran_before():
    net, x = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5)), None
    x = torch.randn(6, 3, 8, 8)

    def run():
        net.zero_grad()
        F.cross_entropy(net(x), torch.arange(6) % 5).backward()

    run()
    first = peak_memory(run)
    rubbish = [torch.randn(10000) for _ in range(20)]
    del rubbish
    assert peak_memory(run) == first


def test_checkpointing_lowers_the_peak_by_what_it_does_not_keep():
    blocks = nn.ModuleList(nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 64)) for _ in range(6))
    x = torch.randn(1024, 64)

    def forward(through):
        def run():
            blocks.zero_grad()
            h = x
            for block in blocks:
                h = through(block, h)
            h.sum().backward()

        return run

    plain = forward(lambda block, h: block(h))
    spared = forward(lambda block, h: checkpoint(block, h, use_reentrant=False))
    plain(), spared()
    saving = peak_memory(plain).peak_bytes - peak_memory(spared).peak_bytes
    one_block = 1024 * 256 * FLOAT  # the tanh output of a block; the linear output is freed in both
    assert saving == pytest.approx(5 * one_block, rel=0.2)


def test_resized_storage_is_followed():
    def run():
        x = torch.empty(10)
        x.resize_(5000)
        return x.fill_(1.0)

    assert peak_memory(run).peak_bytes == 5000 * FLOAT


def test_views_and_expanded_tensors_cost_nothing():
    base = torch.ones(100)
    found = peak_memory(lambda: base.view(10, 10).t().expand(50, 10, 10)[3:])
    assert found.peak_bytes == found.resident_bytes == 100 * FLOAT


def test_compiled_code_is_refused_and_named():
    double = torch.compile(lambda x: x * 2, backend="eager")
    with pytest.raises(BadInput, match="rss_peak"):
        peak_memory(lambda: double(torch.ones(3)))


def test_optimizers_that_opt_out_of_compilation_are_not_taken_for_compiled():
    p = nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    assert peak_memory(torch.optim.SGD([p], lr=0.1).step).peak_bytes >= 2 * 3 * FLOAT


def test_global_state_is_left_as_found():
    net, x = _mlp(), torch.randn(4, 30)
    state = copy.deepcopy(net.state_dict())
    rng, threads = torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        peak_memory(lambda: 1 // 0)
    peak_memory(lambda: net(x))
    assert torch.equal(rng, torch.get_rng_state())
    assert np.all([torch.equal(state[name], value) for name, value in net.state_dict().items()])
    assert (torch.get_num_threads(), torch.is_grad_enabled(), gc.isenabled()) == (threads, True, True)


def test_private_storage_address_is_stable_through_a_resize():
    x = torch.empty(10)
    before = storage_key(x.untyped_storage())
    x.resize_(100000)
    assert storage_key(x.untyped_storage()) == before == storage_key(x[3:].untyped_storage())
    assert storage_key(torch.empty(10).untyped_storage()) != before


def test_tensors_are_found_in_nested_arguments():
    a, b, c = torch.ones(1), torch.ones(2), torch.ones(3)
    assert [t.numel() for t in tensors_in(((a, [b, None]), {"x": c, "y": 1}))] == [1, 2, 3]


@pytest.mark.gpu
def test_cuda_peak_is_the_allocators():
    x = torch.ones(1 << 20, device="cuda")
    found = peak_memory(lambda: (x + 1).sum(), device="cuda")
    assert found.resident_bytes >= 4 << 20
    assert found.peak_bytes - found.resident_bytes >= 4 << 20
