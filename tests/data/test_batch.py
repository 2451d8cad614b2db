import re
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

import hasten
from hasten.data.batch import (
    Batch,
    concatenate,
    first_input,
    inputs_of,
    map_inputs,
    map_tensors,
    select,
    size_of,
    split_batch,
    stack,
    target_of,
    tensors_of,
    to_device,
    with_first_input,
    with_target,
)


def batch(samples: int, inputs: int) -> Batch:
    return (*(torch.randn(samples, 3 + one) for one in range(inputs)), torch.arange(samples))


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(left, right) for left, right in zip(tensors_of(one), tensors_of(other), strict=True))


@given(st.integers(1, 20), st.integers(1, 3), st.integers(1, 25), st.booleans())
def test_parts_of_any_size_add_up_to_the_batch(samples: int, inputs: int, size: int, unsafe: bool):
    whole = batch(samples, inputs)
    parts = split_batch(whole, size, unsafe=unsafe)
    assert all(size_of(part) <= size for part in parts)
    assert sum(map(size_of, parts)) == samples
    assert same(concatenate(parts), whole)


@given(st.integers(1, 8), st.integers(1, 3))
def test_samples_taken_one_by_one_stack_to_the_batch(samples: int, inputs: int):
    whole = batch(samples, inputs)
    single = [tuple(tensor[number] for tensor in tensors_of(whole)) for number in range(samples)]
    assert same(stack(single), whole)
    assert same(concatenate([select(whole, torch.tensor([number])) for number in range(samples)]), whole)


def test_inputs_and_target_are_told_apart():
    whole = batch(4, 2)
    assert len(inputs_of(whole)) == 2
    assert first_input(whole) is inputs_of(whole)[0]
    assert target_of(whole).tolist() == [0, 1, 2, 3]
    doubled = map_inputs(whole, lambda tensor: 2 * tensor)
    assert target_of(doubled) is target_of(whole)
    assert torch.equal(inputs_of(doubled)[1], 2 * inputs_of(whole)[1])
    assert first_input(with_first_input(whole, torch.zeros(4))).sum() == 0
    assert target_of(with_target(whole, torch.ones(4))).sum() == 4
    assert target_of(map_tensors(whole, lambda tensor: tensor + 1)).tolist() == [1, 2, 3, 4]
    assert to_device(whole, "cpu")[0] is whole[0]


ELSEWHERE = {
    "batch.py": "it is the module",
    "products.py": "the letters of an einsum",
    "eject": "the source of a script that imports no hasten",
    "saved_tensors.py": "the source of a script that imports no hasten",
}
"""Files, and folders of them, with why they know it."""


def test_no_other_module_knows_how_a_batch_is_laid_out():
    source = Path(hasten.__file__).parent
    layout = re.compile(r"\bbatch\[(-1|0|1:|:-1)\]|\*batch\b|for \w+ in batch\b|len\(batch\)")
    found = [
        f"{path.relative_to(source)}: {line.strip()}"
        for path in source.rglob("*.py")
        if not ELSEWHERE.keys() & {path.name, path.parent.name}
        for line in path.read_text(encoding="utf-8").splitlines()
        if layout.search(line)
    ]
    assert found == []
