import gc

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from hasten.base.records.complexity import Complexity
from hasten.base.records.record import load, save
from hasten.measurement.attribution import OUTSIDE
from hasten.measurement.flops import complexity_of

FLOAT = 4


def _cost(model, *inputs, input_grad=True):
    for value in inputs:
        if value.is_floating_point():
            value.requires_grad_(input_grad)
    return complexity_of(model, lambda: model(*inputs).sum().backward(), inputs=inputs)


@pytest.mark.parametrize(("batch", "inner", "outer"), [(1, 1, 1), (7, 30, 50), (64, 128, 3)])
def test_linear_is_the_hand_count(batch, inner, outer):
    found = _cost(nn.Linear(inner, outer), torch.randn(batch, inner))
    product = 2 * batch * inner * outer
    assert (found.flops_forward, found.flops_backward) == (product, 2 * product)


def test_first_layer_spares_the_gradient_of_the_batch():
    found = _cost(nn.Linear(30, 50), torch.randn(7, 30), input_grad=False)
    assert found.flops_backward == found.flops_forward


@pytest.mark.parametrize(
    ("groups", "stride", "padding", "dilation"), [(1, 1, 0, 1), (2, 2, 1, 1), (6, 1, 1, 2), (3, (2, 1), 2, 1)]
)
def test_convolution_is_the_hand_count(groups, stride, padding, dilation):
    layer = nn.Conv2d(6, 12, (3, 5), stride=stride, padding=padding, dilation=dilation, groups=groups)
    x = torch.randn(4, 6, 17, 19)
    _, _, height, width = layer(x).shape
    product = 2 * 4 * height * width * 12 * (6 // groups) * 3 * 5
    found = _cost(layer, x)
    assert (found.flops_forward, found.flops_backward) == (product, 2 * product)


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution_is_the_hand_count(groups):
    found = _cost(nn.ConvTranspose2d(6, 8, 3, stride=2, groups=groups), torch.randn(4, 6, 5, 7))
    product = 2 * 4 * 5 * 7 * 6 * (8 // groups) * 9
    assert (found.flops_forward, found.flops_backward) == (product, 2 * product)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(width, 3 * width), nn.Linear(width, width), heads

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm, self.attention, self.norm2 = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm(x))
        return x + self.mlp(self.norm2(x))


def test_attention_kernel_of_the_cpu_is_counted_forward_and_backward():
    q, k, v = (torch.randn(2, 3, length, 16, requires_grad=True) for length in (10, 24, 24))
    found = complexity_of(nn.Identity(), lambda: F.scaled_dot_product_attention(q, k, v).sum().backward())
    product = 2 * 2 * 3 * 10 * 24 * 16
    assert found.flops_forward == 2 * product
    assert found.flops_backward == 5 * product  # the kernel computes the scores again
    (row,) = found.layers
    assert row.name == OUTSIDE


def test_gpt_block_is_the_hand_count():
    batch, length, width = 3, 20, 32
    found = _cost(Block(width, 4), torch.randn(batch, length, width))
    weights = 2 * batch * length * 12 * width * width
    attention = 2 * 2 * batch * length * length * width
    assert found.flops_forward == weights + attention
    assert found.flops_backward == 2 * weights + 2.5 * attention
    rows = {row.name: row for row in found.layers}
    assert rows["attention"].flops_forward == attention
    assert rows["mlp.0"].flops_forward == 2 * batch * length * 4 * width * width
    assert rows["mlp.0"].flops_backward == 2 * rows["mlp.0"].flops_forward
    assert rows["mlp.1"].kind == "GELU"
    assert rows["mlp.1"].activation_bytes == batch * length * 4 * width * FLOAT
    assert rows["norm"].flops_forward == 0 < rows["norm"].bytes_backward
    assert found.uncounted == ()


def test_torchs_own_counter_agrees_where_it_has_the_formula():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    x = torch.randn(2, 3, 8, 8)

    def step():
        F.cross_entropy(net(x), torch.tensor([0, 1])).backward()

    with FlopCounterMode(display=False) as counter:
        step()
    assert complexity_of(net, step).flops == counter.get_total_flops()


@pytest.mark.parametrize("bias", [True, False])
def test_recurrent_layer_is_the_hand_count(bias):
    lstm, x = nn.LSTM(8, 16, num_layers=2, bias=bias), torch.randn(5, 3, 8, requires_grad=True)
    found = complexity_of(lstm, lambda: lstm(x)[0].sum().backward())
    product = 2 * 5 * 3 * 4 * 16 * ((8 + 16) + (16 + 16))
    assert found.flops_forward == product
    assert found.flops_backward == 2 * product


def test_every_operator_belongs_to_one_row():
    net = nn.Sequential(Block(16, 2), Block(16, 2), nn.Linear(16, 4))
    x, y = torch.randn(2, 6, 16), torch.randint(4, (12,))

    def step():
        F.cross_entropy(net(x).view(-1, 4), y).backward()

    found = complexity_of(net, step, inputs=[x, y])
    assert found.flops == sum(row.flops_forward + row.flops_backward for row in found.layers)
    first, second = ([row for row in found.layers if row.name.startswith(part)] for part in ("0", "1"))
    strip = lambda rows: [(r.name[1:], r.kind, r.flops_forward, r.bytes_forward, r.parameters) for r in rows]  # noqa: E731
    assert strip(first) == strip(second)
    assert [r.flops_backward for r in first] == [r.flops_backward for r in second]
    assert found.parameters == sum(p.numel() for p in net.parameters())
    assert found.layers[-1].name == OUTSIDE
    assert found.layers[-1].flops_backward == 0


def test_recomputation_counts_as_backward_of_the_recomputed_module():
    block, x = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 8)), torch.randn(5, 8, requires_grad=True)
    plain = complexity_of(block, lambda: block(x).sum().backward())
    spared = complexity_of(block, lambda: checkpoint(block, x, use_reentrant=False).sum().backward())
    assert spared.flops_forward == plain.flops_forward
    for row, again in zip(plain.layers[:3], spared.layers[:3], strict=True):
        assert again.name == row.name
        assert again.flops_forward == row.flops_forward
        # the last layer's output is not needed, so recomputation stops before it
        assert again.flops_backward == row.flops_backward + (row.flops_forward if row.name == "0" else 0)
    assert spared.activation_bytes < plain.activation_bytes


def test_shared_layer_and_shared_weight_count_once_as_parameters_and_twice_as_work():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.tied = nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False)
            self.tied.weight = self.layer.weight

        def forward(self, x):
            return self.tied(self.layer(self.layer(x)))

    found = _cost(Twice(), torch.randn(3, 6))
    assert found.parameters == 36
    assert [row.flops_forward for row in found.layers if row.kind == "Linear"] == [2 * 2 * 3 * 36, 2 * 3 * 36]


class _Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, grad):
        x, w = ctx.saved_tensors
        return grad @ w.T, x.T @ grad


def test_handwritten_autograd_function_belongs_to_its_module():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(4, 5))

        def forward(self, x):
            return _Double.apply(x, self.w)

    net = nn.Sequential(Own(), nn.Dropout(0.5), nn.Linear(5, 2))
    found = _cost(net, torch.randn(3, 4))
    own = found.layers[0]
    assert (own.name, own.flops_forward, own.flops_backward) == ("0", 2 * 3 * 20, 2 * 2 * 3 * 20)


def test_bytes_are_inputs_and_outputs_and_views_are_free():
    net, x = nn.Linear(10, 20), torch.randn(3, 10)
    linear = _cost(net, x, input_grad=False).layers[0]
    assert linear.bytes_forward == (3 * 10 + 10 * 20 + 20 + 3 * 20) * FLOAT
    reshaping = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (2, 5)))
    assert complexity_of(reshaping, lambda: reshaping(x)).layers == ()
    inplace = nn.ReLU(inplace=True)
    relu = complexity_of(inplace, lambda: inplace(x)).layers[0]
    assert relu.bytes_forward == 2 * 3 * 10 * FLOAT


def test_look_up_reads_only_its_rows():
    table = nn.Embedding(1000, 8)
    found = _cost(table, torch.tensor([[1, 2, 3]])).layers[0]
    assert found.bytes_forward == 3 * 8 + 2 * 3 * 8 * FLOAT
    assert found.bytes_backward >= 1000 * 8 * FLOAT


def test_update_that_returns_nothing_counts_its_writes():
    p = nn.Parameter(torch.ones(100))
    p.grad = torch.ones(100)
    optimizer = torch.optim.SGD([p], lr=0.1, foreach=True)
    (row,) = complexity_of(nn.Identity(), optimizer.step).layers
    assert row.bytes_forward == 3 * 100 * FLOAT


def test_operator_without_formula_is_named():
    x = torch.randn(8)
    assert complexity_of(nn.Identity(), lambda: torch.fft.rfft(x)).uncounted == ("aten._fft_r2c",)


def test_inference_counts_composite_operators_by_their_parts():
    net, x = nn.Linear(4, 6), torch.randn(2, 3, 4)

    def infer():
        with torch.inference_mode():
            net(x)

    assert complexity_of(net, infer).flops == 2 * 6 * 4 * 6


def test_an_error_inside_leaves_no_hook_behind():
    net = nn.Sequential(nn.Linear(4, 6), nn.Linear(5, 6))
    before = dict(torch.nn.modules.module._global_forward_hooks), torch.get_rng_state(), gc.isenabled()
    with pytest.raises(RuntimeError, match="shapes"):
        complexity_of(net, lambda: net(torch.ones(2, 4)))
    assert dict(torch.nn.modules.module._global_forward_hooks) == before[0] == {}
    assert not torch.nn.modules.module._global_forward_pre_hooks
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.is_grad_enabled()


def test_record_survives_json(tmp_path):
    found = _cost(nn.Linear(3, 2), torch.randn(4, 3))
    save(found, tmp_path / "complexity.json")
    assert load(Complexity, tmp_path / "complexity.json") == found
    assert found.bytes_moved == sum(row.bytes_forward + row.bytes_backward for row in found.layers)
