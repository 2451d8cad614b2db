from pathlib import Path

import pytest
import torch

from hasten.base.errors import BadInput
from hasten.data.datasets import Windows
from hasten.tasks.shakespeare import GPT, Size, task
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline

TINY = Size(layers=1, width=16, heads=2, length=8)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text("to be or not to be, that is the question.\n" * 20)
    return file


def test_training_and_validation_text_do_not_overlap(text: Path) -> None:
    data = task(data=text, size=TINY).data
    assert data.train.tokens.numel() == 756
    assert data.valid.tokens.numel() == 84
    window, following = data.train[0]
    assert torch.equal(window[1:], following[:-1])


def test_the_model_cannot_see_the_future() -> None:
    model = GPT(11, TINY).eval()
    tokens = torch.randint(11, (2, 8))
    changed = tokens.clone()
    changed[:, 5:] = (tokens[:, 5:] + 1) % 11
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])


def test_attention_is_the_textbook_formula() -> None:
    attention = GPT(11, TINY).blocks[0].attention
    x = torch.randn(2, 8, 16)
    q, k, v = attention.query_key_value(x).split(16, dim=-1)
    heads = []
    for head in range(2):
        part = slice(8 * head, 8 * head + 8)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / 8**0.5
        future = torch.ones(8, 8, dtype=torch.bool).triu(1)
        heads.append(scores.masked_fill(future, -torch.inf).softmax(-1) @ v[..., part])
    torch.testing.assert_close(attention(x), attention.out(torch.cat(heads, -1)))


def test_the_sizes_of_the_benchmarks_can_be_built() -> None:
    with torch.device("meta"):
        six = GPT(65, Size(layers=6, width=384, heads=6, length=256, dropout=0.2))
    assert len(six.blocks) == 6
    assert (
        sum(parameter.numel() for parameter in six.parameters())
        == 65 * 384 + 256 * 384 + 6 * (12 * 384**2 + 2 * 384) + 384
    )


def test_dropout_is_off_in_evaluation_and_on_in_training() -> None:
    model = GPT(11, Size(layers=1, width=16, heads=2, length=8, dropout=0.5))
    tokens = torch.randint(11, (2, 8))
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))


def test_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(BadInput, match="divisible by its heads; found 10 and 3"):
        Size(width=10, heads=3)


def test_a_text_too_short_for_a_window_is_told(tmp_path: Path) -> None:
    file = tmp_path / "short.txt"
    file.write_text("to be " * 10)
    with pytest.raises(BadInput, match=rf"{file} must hold at least 90 characters.*window of 8; found 60"):
        task(data=file, size=TINY)


def test_it_learns_a_line_that_repeats(text: Path) -> None:
    *_, last, _ = train(build(baseline(task(data=text, size=TINY, epochs=20, batch_size=8, lr=1e-2))))
    assert last.valid_loss < 1.0
    assert last.metric == last.valid_loss


@pytest.mark.parametrize("characters", [0, 1, 9, 65, 89])
def test_a_text_of_any_length_that_is_too_short_is_one_message(tmp_path: Path, characters: int) -> None:
    file = tmp_path / "short.txt"
    file.write_text("abcdefghij"[: characters % 10] + "abcdefghij" * (characters // 10))
    with pytest.raises(BadInput, match=rf"must hold at least 90 characters.*window of 8; found {characters}\."):
        task(data=file, size=Size(length=8))


@pytest.mark.parametrize("tokens", [0, 1, 2, 3, 4])
def test_windows_of_a_short_stream_have_a_length(tokens: int) -> None:
    assert len(Windows(torch.zeros(tokens, dtype=torch.int64), 2)) == max(0, tokens - 1) // 2
