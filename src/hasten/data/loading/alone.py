"""A thread that reads data computes alone: the other cores are for the step."""

from functools import cache

import torch
from threadpoolctl import ThreadpoolController


def compute_alone() -> None:
    """Let the calling thread use one OpenMP thread from now on; all other threads keep theirs.

    Once a second thread has computed in parallel there are more OpenMP threads than cores, and the idle ones of all
    threads no longer wait awake: each short parallel operation of the training thread then takes 3 to 5 times as long,
    for as long as the second thread lives. `torch.set_num_threads` would say the number for every new thread, too, and
    keeps MKL from using fewer threads for small products.
    """
    torch.get_num_threads()  # sets the number of a new thread when it is first asked for, and would do so over ours
    _openmp().limit(limits=1)


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")
