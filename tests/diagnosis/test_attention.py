"""Each rule about attention names its planted fault in a real loop, and is silent on its healthy twin."""

import copy
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from hasten.base.records.attention import AttentionFacts, AttentionLayer
from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Abstained, Diagnosis, Finding
from hasten.base.records.health import Health
from hasten.base.seeds import seed_all
from hasten.diagnosis.attention import attention_collapsed, heads_alike
from hasten.diagnosis.diagnose import diagnose_health
from hasten.diagnosis.registry import HEALTH_RULES, Tier, tier_of
from hasten.diagnosis.watching.padding import padding_of
from hasten.pipeline.diagnosing import Diagnosing

VOCABULARY, WIDTH, HEADS, LENGTH = 20, 32, 2, 12


class Attention(nn.Module):
    """Attention by hand, by torch's kernel, or by its layer, with faults to plant."""

    def __init__(
        self, how: str, *, causal: bool, scaled: bool = True, tied: bool = False, divisor: float = 1.0
    ) -> None:
        super().__init__()
        self.how, self.causal, self.scaled, self.tied, self.divisor = how, causal, scaled, tied, divisor
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.layer = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
        length = x.shape[1]
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1) if self.causal else None
        if self.how == "layer":
            return self.layer(x, x, x, attn_mask=hidden, key_padding_mask=padding, need_weights=False)[0]
        parts = self.qkv(x).view(*x.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        if self.tied:
            parts = parts[:, :, :1].expand(-1, -1, HEADS, -1, -1)
        q, k, v = parts
        mask = torch.zeros(len(x), 1, length, length, dtype=torch.bool)
        if hidden is not None:
            mask = mask | hidden
        if padding is not None:
            mask = mask | padding[:, None, None, :]
        if self.how == "kernel":
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=~mask)
        else:
            scores = q @ k.transpose(-2, -1) / self.divisor
            scores = scores / math.sqrt(q.shape[-1]) if self.scaled else scores
            y = F.dropout(F.softmax(scores.masked_fill(mask, -math.inf), dim=-1), 0.1, self.training) @ v
        return self.out(y.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self, how: str, *, residual: bool = True, **options: Any) -> None:
        super().__init__()
        self.attention, self.norm, self.residual = Attention(how, **options), nn.LayerNorm(WIDTH), residual
        self.mlp = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))

    def forward(self, x: Tensor, padding: Tensor | None) -> Tensor:
        y = self.attention(self.norm(x), padding)
        x = x + y if self.residual else y
        return x + self.mlp(x) if self.residual else self.mlp(x)


class Model(nn.Module):
    """Tokens to logits of the next ones, or to two classes."""

    def __init__(
        self, how: str = "hand", *, classes: bool = False, positions: bool = True, masks: bool = True, **options: Any
    ) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(64, WIDTH)
        self.layers = nn.ModuleList(Layer(how, **{"causal": not classes} | options) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 if classes else VOCABULARY)
        self.classes, self.positions, self.masks = classes, positions, masks

    def forward(self, tokens: Tensor, position_ids: Tensor | None = None) -> Tensor:
        padding = tokens == 0 if self.masks and self.classes else None
        x = self.embed(tokens)
        if self.positions:
            x = x + self.place(torch.arange(tokens.shape[1]) if position_ids is None else position_ids)
        for layer in self.layers:
            x = layer(x, padding)
        x = self.norm(x)
        if self.classes:
            weights = (tokens != 0).float().unsqueeze(-1)
            x = (x * weights).sum(1) / weights.sum(1)
        return self.head(x)


def texts(padded: bool = False) -> Tensor:
    tokens = torch.randint(1, VOCABULARY, (8, LENGTH))
    ends = torch.arange(LENGTH) >= 5 + torch.arange(8)[:, None]
    return tokens.masked_fill(ends, 0) if padded else tokens


def train(model: Any, *, padded: bool = False, steps: int = 3, **inputs: Any) -> None:
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        tokens = texts(padded)
        if model.classes:
            loss = F.cross_entropy(model(tokens), tokens[:, 0] % 2)
        else:
            loss = F.cross_entropy(model(tokens[:, :-1], **inputs).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def watched(body: Callable[[], None]) -> tuple[Diagnosis, AttentionFacts | None]:
    seed_all(0)
    with Diagnosing(name="loop", tiers=[Tier.TRANSFORMER]) as doctor:
        body()
    assert doctor.failed == {}
    return doctor.diagnosis([Tier.TRANSFORMER]), doctor.seen().attention


def found(body: Callable[[], None]) -> list[str]:
    return [one.symptom for one in watched(body)[0].findings]


WAYS = pytest.mark.parametrize("how", ["hand", "kernel", "layer"])


@WAYS
@pytest.mark.parametrize("classes", [False, True])
def test_healthy_models_are_left_alone(how: str, classes: bool) -> None:
    said, facts = watched(lambda: train(Model(how, classes=classes), padded=classes))
    assert said.findings == ()
    assert facts is not None
    assert len(facts.layers) == 2
    assert facts.layers[0].heads == HEADS
    assert facts.layers[0].scale == pytest.approx(1.0, rel=1e-3)


@WAYS
def test_seeing_the_next_token(how: str) -> None:
    assert found(lambda: train(Model(how, causal=False))) == ["attends_to_future"]


def test_seeing_the_next_token_where_the_first_one_is_not_asked_for() -> None:
    def body() -> None:
        model = Model("kernel", causal=False)
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(3):
            tokens = texts()
            loss = F.cross_entropy(model(tokens[:, :-1])[:, 1:].flatten(0, 1), tokens[:, 2:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    assert found(body) == ["attends_to_future"]


@pytest.mark.parametrize(("causal", "expected"), [(False, ["attends_to_future"]), (True, [])])
def test_seeing_the_next_token_in_a_model_that_gives_its_loss_only(causal: bool, expected: list[str]) -> None:
    class WithLoss(Model):
        def forward(self, tokens: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(super().forward(tokens)[:, :-1].flatten(0, 1), labels[:, 1:].flatten())

    def body() -> None:
        model = WithLoss("hand", causal=causal)
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(3):
            tokens = texts()
            optimizer.zero_grad()
            model(tokens, labels=tokens).backward()
            optimizer.step()

    assert found(body) == expected


@WAYS
def test_attending_to_padding(how: str) -> None:
    assert found(lambda: train(Model(how, classes=True, masks=False), padded=True)) == ["attends_to_padding"]


@WAYS
def test_tokens_without_positions(how: str) -> None:
    assert found(lambda: train(Model(how, classes=True, positions=False), padded=True)) == ["positions_unused"]


class Pooling(nn.Module):
    """One query that weighs the tokens of a bag."""

    classes = True

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.query = nn.Embedding(VOCABULARY, WIDTH), nn.Parameter(torch.randn(1, 1, WIDTH))
        self.layer, self.head = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), nn.Linear(WIDTH, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        query = self.query.expand(len(x), -1, -1)
        return self.head(self.layer(query, x, x, key_padding_mask=tokens == 0, need_weights=False)[0][:, 0])


def test_a_query_that_weighs_a_bag_of_tokens_needs_no_positions() -> None:
    said, facts = watched(lambda: train(Pooling(), padded=True))
    assert [one.symptom for one in said.findings] == []
    assert facts is not None
    assert [one.queries for one in facts.layers] == [1]


@pytest.mark.parametrize(("frozen", "symptoms"), [(False, []), (True, ["positions_unused"])])
def test_positions_that_training_made_small_are_not_missing(frozen: bool, symptoms: list[str]) -> None:
    def body() -> None:
        model = Model(classes=True)
        train(model, padded=True)
        model.place.weight.data.zero_()
        model.place.weight.requires_grad_(not frozen)

    assert found(body) == symptoms


def test_heads_that_learned_the_same_are_not_tied() -> None:
    layer = AttentionLayer(name="0", how="hand", heads=4, queries=8, keys=8, spread=2.0, alike=0.9994)
    facts = AttentionFacts(model="Model", steps=100, layers=(layer,))
    assert heads_alike.find(Health(name="", steps=100, attention=facts)) is None


def test_a_causal_model_needs_no_positions() -> None:
    assert found(lambda: train(Model(positions=False))) == []


def test_products_that_are_not_scaled() -> None:
    def body() -> None:
        model = Model(scaled=False)
        for layer in model.layers:
            layer.attention.qkv.weight.data.mul_(1.5)
        train(model)

    assert found(body) == ["scale_missing"]


def test_a_small_spread_needs_no_scale() -> None:
    def body() -> None:
        model = Model(scaled=False)
        for layer in model.layers:
            layer.attention.qkv.weight.data.mul_(0.3)
        train(model)

    assert found(body) == []


def test_queries_that_are_nearly_zero() -> None:
    assert found(lambda: train(Model(divisor=1e6))) == ["attention_uniform"]


def test_logits_that_are_too_large_explain_heads_that_look_at_one_key() -> None:
    def body() -> None:
        model = Model("kernel")
        for layer in model.layers:
            layer.attention.qkv.weight.data[: 2 * WIDTH].mul_(40)
        train(model)

    said, _ = watched(body)
    assert said.findings[0].symptom == "logits_too_large"
    assert len(said.findings) == 1
    assert any("one key" in sentence for sentence in said.findings[0].folded)


def test_heads_that_are_copies() -> None:
    assert found(lambda: train(Model(tied=True))) == ["heads_alike"]


def test_a_residual_path_that_is_missing() -> None:
    assert "residual_collapsed" in found(lambda: train(Model(residual=False)))


def test_norms_that_give_nothing() -> None:
    def body() -> None:
        model = Model()
        model.norm.weight.data.fill_(1e-4)
        model.norm.requires_grad_(False)
        train(model, steps=60)

    assert found(body) == ["norm_gain_off"]


def test_documents_that_see_each_other() -> None:
    positions = torch.cat([torch.arange(5), torch.arange(LENGTH - 6)]).expand(8, -1)
    assert found(lambda: train(Model(), position_ids=positions)) == ["crosses_documents"]


def test_a_training_without_attention_lets_all_rules_abstain() -> None:
    def body() -> None:
        model = nn.Linear(4, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            F.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 2).backward()
            optimizer.step()
            optimizer.zero_grad()

    said, facts = watched(body)
    assert facts is None
    assert said.findings == ()
    assert len(said.abstained) == sum(tier_of(symptom) is Tier.TRANSFORMER for symptom in HEALTH_RULES)


def test_softmax_that_is_no_attention() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.gate, self.head = nn.Embedding(VOCABULARY, 8), nn.Linear(8, 8), nn.Linear(8, VOCABULARY)

        def forward(self, tokens: Tensor) -> Tensor:
            x = self.embed(tokens)
            return self.head(x * self.gate(x).softmax(-1))

    def body() -> None:
        model = Gated()
        optimizer = optim.Adam(model.parameters())
        tokens = texts()
        F.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
        optimizer.step()

    assert watched(body)[1] is None


def test_nothing_that_is_computed_changes() -> None:
    seed_all(0)
    model = Model()
    twin = copy.deepcopy(model)
    seed_all(1)
    train(twin)
    after = torch.rand(1)
    seed_all(1)
    with Diagnosing(name="loop", tiers=[Tier.TRANSFORMER]):
        train(model)
    assert torch.equal(after, torch.rand(1))
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, two)
    assert torch.backends.mha.get_fastpath_enabled()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_what_is_padding() -> None:
    rows = torch.tensor([[3, 1, 2, 0, 0], [1, 2, 3, 4, 0], [2, 3, 0, 0, 0], [1, 1, 2, 2, 2]])
    where, number = padding_of(rows) or (None, None)
    assert number == 0
    assert where is not None
    assert where.sum(1).tolist() == [2, 1, 3, 0]
    assert padding_of(rows.flip(1)) is not None
    assert padding_of(torch.tensor([[0, 1, 0, 0], [1, 2, 3, 0]])) is None  # 0 is a token, too
    assert padding_of(torch.tensor([[3, 1, 0, 0], [1, 2, 0, 0]])) is None  # all of one length: the end of a format


def test_records_are_judged_without_live_objects() -> None:
    health = Health(name="x", steps=3, attention=AttentionFacts(model="M", steps=3, why="too large"))
    again = msgspec.json.decode(msgspec.json.encode(health), type=Health)
    rules = {name: rule for name, rule in HEALTH_RULES.items() if tier_of(name) is Tier.TRANSFORMER}
    said = diagnose_health(again, rules=rules)
    assert {one.reason for one in said.abstained} == {"too large"}


@pytest.mark.parametrize("where", ["queries", "in place"])
def test_a_scale_at_another_place_is_no_missing_one(where: str) -> None:
    class Other(Attention):
        def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
            q, k, v = self.qkv(x).view(*x.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)
            if where == "queries":
                scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
            else:
                scores = q @ k.transpose(-2, -1)
                scores /= math.sqrt(q.shape[-1])
            hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(hidden, -math.inf)
            return self.out((torch.softmax(scores, -1) @ v).transpose(1, 2).flatten(2))

    def body() -> None:
        model = Model()
        for layer in model.layers:
            layer.attention = Other("hand", causal=True)
            layer.attention.qkv.weight.data.mul_(4)
        train(model)

    said, facts = watched(body)
    assert facts is not None
    assert [one.symptom for one in said.findings] == []


def test_a_transformer_that_takes_positions_first() -> None:
    class First(nn.Module):
        def __init__(self, causal: bool) -> None:
            super().__init__()
            self.embed, self.place = nn.Embedding(VOCABULARY, WIDTH), nn.Parameter(torch.randn(LENGTH, 1, WIDTH))
            self.layer, self.head = nn.TransformerEncoderLayer(WIDTH, HEADS, WIDTH), nn.Linear(WIDTH, VOCABULARY)
            self.causal = causal

        def forward(self, tokens: Tensor) -> Tensor:
            mask = nn.Transformer.generate_square_subsequent_mask(len(tokens)) if self.causal else None
            return self.head(self.layer(self.embed(tokens) + self.place[: len(tokens)], src_mask=mask))

    def body(causal: bool) -> None:
        model = First(causal)
        optimizer = optim.Adam(model.parameters())
        for _ in range(2):
            tokens = texts().T
            F.cross_entropy(model(tokens[:-1]).flatten(0, 1), tokens[1:].flatten()).backward()
            optimizer.step()
            optimizer.zero_grad()

    assert found(lambda: body(causal=True)) == []
    assert found(lambda: body(causal=False)) == ["attends_to_future"]


def test_softmax_over_the_queries_shows_the_future() -> None:
    class Wrong(Attention):
        def forward(self, x: Tensor, padding: Tensor | None = None) -> Tensor:
            q, k, v = self.qkv(x).view(*x.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)
            scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
            hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
            maps = scores.masked_fill(hidden, -math.inf).softmax(dim=-2)
            return self.out((maps @ v).transpose(1, 2).flatten(2))

    def body() -> None:
        model = Model()
        for layer in model.layers:
            layer.attention = Wrong("hand", causal=True)
        train(model)

    assert found(body) == ["attends_to_future"]


@pytest.mark.parametrize(("last", "said"), [(0.4, False), (0.9, True), (0.0, True)])
def test_one_key_may_be_all_that_matters_where_the_loss_fell(last: float, said: bool) -> None:
    layer = AttentionLayer(name="a", how="softmax", heads=1, queries=1, keys=8, entropies=(0.001,))
    losses = (*torch.linspace(1, last or 0.1, 100).tolist(), *([last or 2.0] * 100))
    health = Health(
        name="loop",
        steps=200,
        attention=AttentionFacts(model="Net", steps=200, layers=(layer,)),
        dynamics=Dynamics(losses=losses, samples=(1,), optimizers=("SGD",)),
    )
    assert isinstance(attention_collapsed.find(health), Finding if said else Abstained)
