"""Work divided among threads is all done, computes alone in each, and its errors come out."""

import os
import threading

import pytest
import torch

from hasten.data.augmentation.normalize import Normalize
from hasten.data.loading.prefetch import prefetched
from hasten.data.loading.side_by_side import side_by_side


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_every_item_is_worked_on_once(threads: int, count: int) -> None:
    done: list[tuple[int, str]] = []
    side_by_side(lambda *item: done.append(item), range(count), "abcdefg"[:count], threads=threads)
    assert sorted(done) == list(enumerate("abcdefg"[:count]))


def test_threads_compute_alone_and_an_error_is_raised() -> None:
    seen: set[tuple[str, int]] = set()
    meet = threading.Barrier(2, timeout=20)

    def look(item: int) -> None:
        meet.wait()
        seen.add((threading.current_thread().name, torch.get_num_threads()))

    side_by_side(look, range(2), threads=2)
    assert len(seen) == 2
    assert {threads for _, threads in seen} == {1}
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda item: 1 // item, range(3), threads=2)


def test_a_thread_that_makes_batches_ahead_computes_alone() -> None:
    assert list(prefetched((torch.get_num_threads() for _ in range(2)), 1)) == [1, 1]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [(5, 3, 4, 3), (9, 200, 300, 3)])
def test_normalized_images_are_the_same_however_many_threads_work(threads: int, size: tuple[int, ...]) -> None:
    images, before = torch.randint(0, 256, size, dtype=torch.uint8), torch.get_num_threads()
    scale = torch.tensor([1 / 2.0, 1 / 3.0, 1 / 7.0], dtype=torch.float64).float()
    shift = torch.tensor([-10 / 2.0, -20 / 3.0, -30 / 7.0], dtype=torch.float64).float()
    torch.set_num_threads(threads)
    try:
        (found,) = Normalize((10.0, 20.0, 30.0), (2.0, 3.0, 7.0))((images,))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found, (images.float() * scale + shift).permute(0, 3, 1, 2))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    side_by_side(lambda item: None, range(4), threads=2)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        side_by_side(lambda item: os.write(writer, b"x"), range(4), threads=2)
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"xxxx"
    os.close(reader)
