import pytest
import torch

from hasten.profiling.padding import padding_share


def test_the_fill_at_the_ends_of_sequences_is_counted() -> None:
    tokens = torch.arange(1, 41).reshape(4, 10)
    tokens[0, 4:] = 0
    tokens[1, 8:] = 0
    tokens[2, 9:] = 0  # one token at the end may be anything
    assert padding_share([(tokens, torch.zeros(4))]) == pytest.approx(8 / 40)


def test_running_text_has_no_padding() -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 60, (64, 128), generator=generator)
    share = padding_share([(tokens, tokens)])
    assert share is not None
    assert share < 0.01


def test_pictures_and_tables_are_no_sequences_of_tokens() -> None:
    assert padding_share([(torch.zeros(8, 16), torch.zeros(8, dtype=torch.int64))]) is None
    assert padding_share([(torch.zeros(8, 1, 4, 4, dtype=torch.uint8), torch.zeros(8))]) is None


def test_a_mask_of_ones_is_no_padding() -> None:
    tokens = torch.arange(1, 41).reshape(4, 10)
    assert padding_share([({"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}, tokens)]) == 0
    mask = torch.ones_like(tokens)
    tokens[0, 5:] = mask[0, 5:] = 0
    share = padding_share([({"input_ids": tokens, "attention_mask": mask, "labels": mask[:, 0]})])
    assert share == pytest.approx(5 / 40)
