"""The number of threads is changed for a while, and nothing of that stays."""

import pytest
import torch

from hasten.machine import set_threads
from hasten.machine.set_threads import can_put_back, threads_set


@pytest.mark.skipif(not can_put_back(), reason="this build of torch does not export MKL's service functions")
def test_the_number_of_threads_is_put_back_and_so_is_mkls_freedom() -> None:
    library = set_threads._mkl()
    if library is None:
        pytest.skip("this build of torch has no MKL")
    before, threads = library.mkl_serv_get_dynamic(), torch.get_num_threads()
    with threads_set(threads + 1):
        assert torch.get_num_threads() == threads + 1
    assert torch.get_num_threads() == threads
    assert library.mkl_serv_get_dynamic() == before


def test_without_a_number_what_the_body_sets_is_put_back_all_the_same() -> None:
    threads = torch.get_num_threads()
    with threads_set(None):
        assert torch.get_num_threads() == threads
        torch.set_num_threads(threads + 1)
    assert torch.get_num_threads() == threads
