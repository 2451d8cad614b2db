"""Convolutions do the operations that they are said to do, in the layout that they are said to have."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hasten.machine.convolution import ConvSize, conv_benchmarks

ODD = ConvSize(batch=3, channels_in=5, side=7, channels_out=9, kernel=3)


@pytest.mark.parametrize("size", [ODD, ConvSize(batch=2, channels_in=4, side=8, channels_out=16, kernel=1)])
def test_operations_agree_with_the_flop_counter_of_torch(size: ConvSize) -> None:
    (one, _) = conv_benchmarks(["float32"], [size], "cpu")
    with one.ready() as run, FlopCounterMode(display=False) as counter:
        run()
    assert counter.get_total_flops() == one.work


@pytest.mark.parametrize("form", ["float32", "bfloat16"])
def test_layouts_and_formats(form: str) -> None:
    contiguous, channels_last = conv_benchmarks([form], [ODD], "cpu")
    assert (contiguous.variant, channels_last.variant) == ("contiguous", "channels_last")
    outputs = []
    for one, layout in ((contiguous, torch.contiguous_format), (channels_last, torch.channels_last)):
        with one.ready() as run:
            images = run.args[0]  # type: ignore[attr-defined]
            assert images.dtype == getattr(torch, form)
            assert images.is_contiguous(memory_format=layout)
            outputs.append(run())
    assert outputs[0].shape == (3, 9, 7, 7)
    torch.testing.assert_close(outputs[0], outputs[1], check_stride=False)


def test_sizes_keep_their_order_and_flags_are_as_found() -> None:
    large = ConvSize(batch=8, channels_in=8, side=8, channels_out=8)
    found = conv_benchmarks(["float32", "bfloat16"], [large, ODD], "cpu")
    assert [one.work for one in found] == [large.operations] * 4 + [ODD.operations] * 4
    before = (torch.backends.cudnn.benchmark, torch.get_rng_state())
    with found[0].ready() as run:
        assert torch.backends.cudnn.benchmark
        run()
    assert torch.backends.cudnn.benchmark == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
