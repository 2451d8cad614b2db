from pathlib import Path

import pytest
import torch

import hasten
from hasten.base.device import Device, initialized

ROOMS_OF_CUDA = {"machine", "base"}
"""Rooms that measure CUDA as such, and the object itself."""


def test_a_name_with_an_index_is_of_its_kind():
    assert (Device("cuda:1").kind, Device("cuda:1").is_host, Device("cpu").is_host) == ("cuda", False, True)
    assert Device("xpu").has_streams
    assert not Device("mps").has_streams
    assert not Device("mps").is_host


def test_the_cpu_has_nothing_to_wait_for_and_nothing_to_empty():
    Device("cpu").synchronize()
    Device("cpu").empty_cache()


@pytest.mark.skipif(torch.accelerator.is_available(), reason="is about machines without an accelerator")
def test_without_an_accelerator_none_is_initialized():
    assert initialized() is None


def test_no_other_room_compares_the_name_of_a_device():
    source = Path(hasten.__file__).parent
    found = [
        f"{path.relative_to(source)}:{number}: {line.strip()}"
        for path in source.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if path.relative_to(source).parts[0] not in ROOMS_OF_CUDA
        and any(sign in line for sign in ('== "cpu"', '!= "cpu"', '== "cuda"', '!= "cuda"', "torch.cuda.synchronize"))
    ]
    assert [one for one in found if not one.startswith("report/peaks.py")] == []


@pytest.mark.gpu
def test_memory_time_and_streams_of_a_gpu():
    device = Device("cuda")
    device.reset_peaks()
    before = device.allocated_bytes()
    block = torch.ones(1 << 20, device="cuda")
    assert device.allocated_bytes() - before == block.nbytes
    assert device.peak_allocated_bytes() >= device.allocated_bytes()
    assert device.free_bytes() > 0
    start, end = device.event(timing=True), device.event(timing=True)
    start.record()
    for _ in range(20):
        block = block * 1.5
    end.record()
    end.synchronize()
    assert start.elapsed_time(end) > 0
    with device.own_stream():
        copied = torch.ones(8).pin_memory().to("cuda", non_blocking=True)
        done = device.event()
        done.record()
    torch.accelerator.current_stream().wait_event(done)
    copied.record_stream(torch.accelerator.current_stream())
    assert copied.sum().item() == 8
