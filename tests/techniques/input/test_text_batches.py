"""Bucketing and packing of texts: nothing is lost, and the loss is that of every text by itself."""

from dataclasses import replace

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hasten import Stop
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.input.padding import cut_padding, lengths_of
from hasten.techniques.input.sequence_packing import Packed, rows_for
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.loss import CrossEntropy
from hasten.training.recipe import baseline

from tiny_tasks import block_task, computed_task, mlp_task, padded_classes_task, padded_task


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_every_text_is_in_one_row_that_has_room_for_it(lengths: list[int]) -> None:
    rows = rows_for(lengths, 9)
    assert sorted(text for row in rows for text in row) == list(range(len(lengths)))
    assert all(sum(lengths[text] for text in row) <= 9 for row in rows)
    assert len(rows) <= max(1, -(-2 * sum(lengths) // 9))


def test_a_packed_batch_has_the_loss_of_its_texts_one_by_one() -> None:
    task = padded_task()
    recipe = make("sequence_packing").apply(baseline(task))
    model = nn.Sequential(nn.Embedding(11, 6), nn.Linear(6, 11))  # looks at single positions
    run = build(recipe)
    ids, batch = next(run.batches())
    assert len(batch[0]) < len(ids)
    texts = task.data.train[ids]
    loss = CrossEntropy(ignore_index=-100)
    singly = [loss(model(x[None]), (x[None], y[None])) for x, y in zip(*texts, strict=True)]
    packed = loss(model(batch[0]), batch)
    assert packed.count == sum(one.count for one in singly) == int((texts[1] != -100).sum())
    torch.testing.assert_close(packed.sum, sum(one.sum for one in singly))


def test_packing_is_what_a_loop_over_tokens_makes() -> None:
    batch = next(build(baseline(padded_task())).batches())[1]
    mine = Packed(0, -100)(batch, 0.0)
    rows = rows_for([int((y != -100).sum()) for y in batch[1]], 8)
    for place, texts in enumerate(rows):
        tokens = [
            (int(x), int(y)) for text in texts for x, y in zip(*(c[text] for c in batch), strict=True) if y != -100
        ]
        tokens += [(0, -100)] * (8 - len(tokens))
        assert list(zip(mine[0][place].tolist(), mine[1][place].tolist(), strict=True)) == tokens


def test_bucketed_batches_are_short_hold_each_text_once_and_have_the_same_outputs() -> None:
    task = replace(padded_classes_task(), stop=Stop(epochs=2))
    recipe = make("length_bucketing", {"batches": 5}).apply(baseline(task))
    run, model = build(recipe), task.model()
    seen: list[int] = []
    shorter = 0
    for (ids, batch), _ in zip(run.batches(), range(5), strict=False):
        whole = task.data.train[ids]
        shorter += batch[0].shape[1] < whole[0].shape[1]
        torch.testing.assert_close(model(batch[0]), model(whole[0]))
        assert torch.equal(batch[1], whole[1])
        seen += ids.tolist()
        run.advance(len(ids), 0.0)
    assert sorted(seen) == list(range(40))
    assert shorter >= 4
    list(train(build(recipe)))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_cutting_keeps_every_token(data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(st.integers(0, 3), min_size=7, max_size=7), min_size=1, max_size=6))
    tokens = torch.tensor(rows)
    (short,) = cut_padding((tokens,), padding=0)
    lengths = [max((place + 1 for place, token in enumerate(row) if token), default=0) for row in rows]
    assert lengths_of(tokens, 0).tolist() == lengths
    assert short.shape[1] == max(1, *lengths)
    assert torch.equal(nn.functional.pad(short, (0, 7 - short.shape[1])), tokens)


class Counting(nn.Module):
    """Divides by the length with padding: what padding there is changes its output."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 12), nn.Linear(12, 2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(tokens).mean(1))


@pytest.mark.parametrize(
    ("name", "task", "reason"),
    [
        ("length_bucketing", mlp_task(), "not texts with one target each"),
        ("length_bucketing", padded_task(), "not texts with one target each"),
        ("length_bucketing", replace(padded_classes_task(), batch_size=None), "a full batch has no order"),
        ("length_bucketing", replace(padded_classes_task(), model=Counting), "padding is not nothing to the model"),
        ("sequence_packing", block_task(), "no target that it ignores: the loss ignores -100"),
        (
            "sequence_packing",
            replace(padded_classes_task(), loss=CrossEntropy(ignore_index=-1)),
            "a target for each token",
        ),
        ("block_shuffle", mlp_task(), "in memory already"),
        ("block_shuffle", replace(mlp_task(), batch_size=None), "has no order"),
    ],
)
def test_refusals_name_a_fact(name: str, task: object, reason: str) -> None:
    assert reason in (make(name).refuse(baseline(task), facts()) or "")  # type: ignore[arg-type]


def test_little_padding_is_refused_with_its_share() -> None:
    tokens = torch.ones(20, 8, dtype=torch.int64)
    tokens[0, 4:] = 0
    data = replace(padded_classes_task().data, train=torch.utils.data.TensorDataset(tokens, tokens[:, 0]))
    reason = make("length_bucketing").refuse(baseline(replace(padded_classes_task(), data=data)), facts())
    assert reason == "only 2.5 % of the tokens are padding (the token 0)"


def test_blocks_are_for_data_larger_than_the_memory() -> None:
    recipe, machine = baseline(computed_task()), facts()
    assert "holds them" in (make("block_shuffle").refuse(recipe, machine) or "")
    small = msgspec.structs.replace(machine, memory_bytes=1000)
    assert make("block_shuffle").refuse(recipe, small) is None
    run = build(make("block_shuffle", {"block": 5, "blocks": 2}).apply(recipe))
    batches = [ids for (ids, _), _ in zip(run.batches(), range(5), strict=False)]
    assert torch.cat(batches)[:10].sort().values.view(2, 5).diff(dim=1).eq(1).all()
