"""Small models with layers that can be divided over processes, and others that look so."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Between(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class _Heads(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads, self.num_key_heads, self.head_dim = heads, heads // 2, width // heads
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.value = nn.Linear(width, width // 2), nn.Linear(width, width // 2)

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x).unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)
        k, v = (
            one(x).unflatten(-1, (self.num_key_heads, self.head_dim)).transpose(1, 2).repeat_interleave(2, 1)
            for one in (self.key, self.value)
        )
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class AttendingGated(nn.Module):
    """Attention with half as many heads of keys, and a gated MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attention = nn.Embedding(11, 16), _Heads(16, 8)
        self.gate, self.up, self.down = nn.Linear(16, 24), nn.Linear(16, 24), nn.Linear(24, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = x + self.attention(x)
        return self.down(F.silu(self.gate(x)) * self.up(x))


class FusedAttention(nn.Module):
    """Attention whose queries, keys and values come from one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.heads = nn.Embedding(11, 16), 4
        self.mix, self.out = nn.Linear(16, 48), nn.Linear(16, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        mixed = self.mix(self.embed(tokens)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in mixed)
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class _Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.first, self.second = nn.LayerNorm(8), nn.Linear(8, 8), nn.Linear(8, 2)


class Leaking(_Two):
    """What goes into the second layer depends on the input, too, whose gradient would be that of a part."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return self.second(self.first(x) * x.mean(-1, keepdim=True))


class Used(_Two):
    """The features between the layers are used a second time."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.first(x))
        return self.second(hidden) + hidden.square().mean(-1, keepdim=True)


class UsedWithoutGradient(_Two):
    """The features between the layers are used a second time, where no gradient tells of it."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.first(x))
        return self.second(hidden) + hidden.detach().square().mean(-1, keepdim=True)


class BeginningAsZero(_Two):
    """The layers look at all features between them, which does not show while the second one is zero."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).softmax(-1))


class Twice(_Two):
    """The first layer is called twice."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(torch.relu(self.first(x)))))


class Tied(_Two):
    """The weight of the first layer is also that of another."""

    def __init__(self) -> None:
        super().__init__()
        self.third = nn.Linear(8, 8)
        self.third.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(self.norm(self.third(x)))))


class OtherRandom(_Two):
    """Between the two layers something else is dropped, which all processes must drop alike."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.first(x))
        other = F.dropout(x, 0.5, self.training)
        return self.second(hidden) + other.mean(-1, keepdim=True)
