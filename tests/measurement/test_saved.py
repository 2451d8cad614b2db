import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from hasten.measurement.saved import saved_bytes

FLOAT = 4


@pytest.mark.parametrize("batch", [1, 5, 17])
def test_mlp_keeps_the_input_of_each_layer(batch):
    net = nn.Sequential(nn.Linear(30, 50), nn.ReLU(), nn.Linear(50, 20), nn.Sigmoid())
    x = torch.randn(batch, 30)
    # relu's output is the second layer's input: counted once; sigmoid keeps its output; x is excluded
    expected = batch * (50 + 20) * FLOAT
    assert saved_bytes(lambda: net(x), exclude=[x, *net.parameters()]) == expected
    assert saved_bytes(lambda: net(x), exclude=net.parameters()) == expected + batch * 30 * FLOAT


def test_conv_net_keeps_inputs_outputs_and_pooling_indices():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3, groups=2))
    x = torch.randn(2, 3, 10, 12)
    relu, pooled = 2 * 8 * 10 * 12 * FLOAT, 2 * 8 * 5 * 6
    expected = relu + pooled * FLOAT + pooled * 8  # the indices are int64
    assert saved_bytes(lambda: net(x), exclude=[x, *net.parameters()]) == expected


def test_view_keeps_its_whole_storage_once():
    x = torch.randn(10, 10, requires_grad=True)

    def forward():
        y = x * 1.0
        return y[0].exp().sum() + y[1].sin().sum()

    # y through the sine of its row; exp keeps its own output of 10; x times a number keeps nothing
    assert saved_bytes(forward, exclude=[x]) == (100 + 10) * FLOAT


def test_checkpointing_keeps_only_the_input_of_the_block():
    block = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 16))
    x = torch.randn(3, 16)

    def forward():
        h = x + 1
        return checkpoint(block, h, use_reentrant=False).sum()

    assert saved_bytes(forward, exclude=[x, *block.parameters()]) == 3 * 16 * FLOAT


def test_a_backward_pass_inside_changes_neither_count_nor_gradients():
    net, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), torch.randn(3, 4)
    y = torch.tensor([0, 1, 1])
    F.cross_entropy(net(x), y).backward()
    plain = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    forward_only = saved_bytes(lambda: F.cross_entropy(net(x), y), exclude=net.parameters())
    both = saved_bytes(lambda: F.cross_entropy(net(x), y).backward(), exclude=net.parameters())
    assert both == forward_only
    assert all(torch.equal(a, p.grad) for a, p in zip(plain, net.parameters(), strict=True))


def test_nothing_is_kept_without_gradients():
    net, x = nn.Linear(4, 4), torch.randn(2, 4)
    with torch.no_grad():
        assert saved_bytes(lambda: net(x)) == 0
