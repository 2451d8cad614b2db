"""Attention of a part of its heads in each process: the outputs of all parts add up to those of torch's own module."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from hasten import CrossEntropy, Data, Stop, Task
from hasten.techniques.parallel.heads import Together, divided_attentions, part_of_heads, take_part
from hasten.techniques.parallel.splitting import Splitting, divided_share, splitting
from hasten.training.recipe import baseline

MASKS: dict[str, Callable[[int, int, int], Tensor | None]] = {
    "none": lambda batch, heads, length: None,
    "bool": lambda batch, heads, length: torch.ones(length, length, dtype=torch.bool).triu(1),
    "added": lambda batch, heads, length: torch.full((length, length), float("-inf")).triu(1),
    "of each head": lambda batch, heads, length: torch.randn(batch * heads, length, length),
}


def in_parts(attention: nn.MultiheadAttention, parts: int) -> list[nn.Module]:
    """Return a copy for each part, with its part of the weights; the first has the bias of the output."""
    made = list[nn.Module]()
    for part in range(parts):
        own = deepcopy(attention)
        for module, name, value in list(part_of_heads(own, parts, part)):
            module.register_parameter(name, nn.Parameter(value.detach().clone()))
        if part:
            own.out_proj.register_parameter("bias", None)
        take_part(own, Together(parts, part))
        made.append(own)
    return made


@settings(max_examples=30, deadline=None)
@given(
    mask=st.sampled_from(sorted(MASKS)),
    padded=st.booleans(),
    weights=st.booleans(),
    batch_first=st.booleans(),
    bias=st.booleans(),
    parts=st.sampled_from((1, 2, 4)),
    crossed=st.booleans(),
)
def test_parts_add_up_to_the_whole(
    mask: str, padded: bool, weights: bool, batch_first: bool, bias: bool, parts: int, crossed: bool
) -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(16, 4, bias=bias, batch_first=batch_first)
    for one in attention.parameters():
        nn.init.normal_(one, std=0.3)
    x, y = torch.randn(3, 5, 16), torch.randn(3, 5, 16)
    if not batch_first:
        x, y = x.transpose(0, 1), y.transpose(0, 1)
    padding = torch.arange(5).expand(3, 5) >= torch.tensor([5, 3, 4])[:, None] if padded else None
    options: dict[str, Any] = {
        "attn_mask": MASKS[mask](3, 4, 5),
        "key_padding_mask": padding,
        "need_weights": weights,
    }
    given_all = (x, y, y) if crossed else (x, x, x)
    if padding is not None and mask == "added":  # torch warns of masks of two kinds
        options["key_padding_mask"] = torch.zeros(3, 5).masked_fill(padding, float("-inf"))
    if padding is not None and mask == "of each head":
        options["key_padding_mask"] = torch.zeros(3, 5).masked_fill(padding, float("-inf"))
    expected, expected_weights = attention(*given_all, **options)
    found = [one(*given_all, **options) for one in in_parts(attention, parts)]
    torch.testing.assert_close(sum(one for one, _ in found), expected)
    if expected_weights is not None:
        torch.testing.assert_close(sum(own for _, own in found), expected_weights)


def test_one_sequence_without_a_batch() -> None:
    attention, x = nn.MultiheadAttention(8, 2), torch.randn(5, 8)
    expected, weights = attention(x, x, x)
    found = [one(x, x, x) for one in in_parts(attention, 2)]
    torch.testing.assert_close(sum(one for one, _ in found), expected)
    torch.testing.assert_close(sum(own for _, own in found), weights)


class Attending(nn.Module):
    """A model with one attention, called as the test says."""

    def __init__(self, options: dict[str, Any], **made: Any) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 16), nn.Linear(16, 11)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True, **made)
        self.options = options

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        return self.head(x + self.attention(x, x, x, **self.options)[0])


def found_in(model: Callable[[], nn.Module], parts: int = 2) -> Splitting:
    x = torch.randint(0, 11, (12, 7), generator=torch.Generator().manual_seed(1))
    data = Data(train=TensorDataset(x, x), valid=TensorDataset(x, x))
    loss = CrossEntropy(class_dim=-1)
    task = Task(name="heads", data=data, model=model, loss=loss, metric="loss", batch_size=4, stop=Stop(steps=2))
    return splitting(baseline(task), parts)


def test_an_attention_is_divided_and_its_share_of_the_parameters_told() -> None:
    found = found_in(lambda: Attending({}))
    assert found.attentions == ("attention",)
    assert found.anything
    model = Attending({})
    divided = 3 * 16 * 16 + 3 * 16 + 16 * 16
    assert divided_share(model, found) == divided / sum(one.numel() for one in model.parameters())


def test_torchs_own_encoder_layer_is_divided_whole() -> None:
    def model() -> nn.Module:
        layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)
        return nn.Sequential(nn.Embedding(11, 16), layer, nn.Linear(16, 11))

    found = found_in(model)
    assert found.attentions == ("1.self_attn",)
    assert [one.layers for one in found.splits] == [("1.linear1", "1.linear2")]


class Tied(Attending):
    """The output's weight of the attention is also that of another layer."""

    def __init__(self) -> None:
        super().__init__({})
        self.other = nn.Linear(16, 16)
        self.attention.out_proj.weight = self.other.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens) + self.other(self.embed(tokens))[..., :11]


class Never(Attending):
    """The attention is not called."""

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embed(tokens))


@pytest.mark.parametrize(
    ("model", "parts", "reason"),
    [
        (lambda: Attending({}), 8, "4 heads cannot be divided by 8"),
        (lambda: Attending({}, kdim=16, vdim=16, add_bias_kv=True), 2, "are not divided"),
        (lambda: Attending({}, add_zero_attn=True), 2, "are not divided"),
        (lambda: Attending({"average_attn_weights": False}), 2, "computes something else"),
        (Tied, 2, "also another layer's"),
        (lambda: Never({}), 2, "not called"),
    ],
)
def test_what_would_be_wrong_stays_whole_with_the_reason(
    model: Callable[[], nn.Module], parts: int, reason: str
) -> None:
    found = found_in(model, parts)
    assert found.attentions == ()
    assert reason in found.left["attention"]


def test_a_part_that_computes_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(mask: Tensor, dtype: torch.dtype) -> Tensor:
        return torch.zeros_like(mask, dtype=dtype)

    monkeypatch.setattr("hasten.techniques.parallel.heads._as_added", planted)
    mask = torch.ones(7, 7, dtype=torch.bool).triu(1)
    model, tokens = Attending({"attn_mask": mask}), torch.arange(14).reshape(2, 7) % 11
    found, whys = divided_attentions(model, lambda: model(tokens), 2)
    assert found == ()
    assert "computes something else" in whys["attention"]


def test_trying_leaves_the_attention_as_it_was() -> None:
    model = Attending({})
    weights = {name: one.detach().clone() for name, one in model.named_parameters()}
    divided_attentions(model, lambda: model(torch.ones(2, 7).long()), 2)
    assert type(model.attention) is nn.MultiheadAttention
    assert "together" not in vars(model.attention)
    torch.testing.assert_close(dict(model.named_parameters()), weights, rtol=0, atol=0)
