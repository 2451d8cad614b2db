"""What it takes to send between two processes of this machine, measured by the collectives that trainings use.

Each of the two is a new Python (`python -m hasten.machine.links FOLDER RANK DEVICE`), so that nothing of the caller's
program is run again, and they find each other through a file: nothing listens to the network.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np
import torch
import torch.distributed as dist

from hasten.base.device import Device
from hasten.base.errors import Unstable
from hasten.base.records.layout import Links

SIZES = (1 << 10, 1 << 14, 1 << 18, 1 << 21, 1 << 23)
"""Bytes of the messages, from latency alone to bandwidth alone."""
ROUNDS = 5
_REPEATS = 5
"""Messages of one size in a round; the fastest is its time: what disturbs one makes it slower, never faster."""
_LIMIT_S = 120.0
_WAIT = timedelta(seconds=60)
_MATMUL = 512


def measured_links(device: str = "cpu", *, threads: int = 1) -> list[Links]:
    """Return the link between two processes of this machine, read several times. Takes about five seconds.

    Args:
        device: kind of device that the processes compute on; each takes its own.
        threads: of each process.

    Raises:
        Unstable: if the two processes cannot talk.
    """
    with tempfile.TemporaryDirectory(prefix="hasten-") as folder:
        around = {**os.environ, "OMP_NUM_THREADS": str(threads), "GLOO_SOCKET_IFNAME": "lo"}
        command = [sys.executable, "-m", "hasten.machine.links", folder]
        two = [
            subprocess.Popen([*command, str(rank), device], env=around, stderr=subprocess.PIPE, text=True)
            for rank in range(2)
        ]
        try:
            said = [process.communicate(timeout=_LIMIT_S)[1] for process in two]
        except subprocess.TimeoutExpired as error:
            raise Unstable(f"two processes did not talk within {_LIMIT_S:.0f} s. Pass --link-gbps.") from error
        finally:
            for process in two:
                process.kill()
                process.wait()
        for process, text in zip(two, said, strict=True):
            if process.returncode:
                last = (text.strip() or "nothing was printed").splitlines()[-1]
                raise Unstable(f"two processes of this machine cannot talk: {last}. Pass --link-gbps.")
        return msgspec.json.decode(Path(folder, "links.json").read_bytes(), type=list[Links])


def fitted(seconds: Sequence[float], overlap: float, sizes: Sequence[int] = SIZES) -> Links:
    """Return the link whose all-reduces between two processes take those seconds: 2 latencies and V / bandwidth.

    The line is the one of least relative error, so that small messages weigh as much as large ones.
    """
    taken = np.asarray(seconds, dtype=np.float64)
    unknowns = np.stack([np.full(len(taken), 2.0), np.asarray(sizes, dtype=np.float64)], axis=1) / taken[:, None]
    (latency_s, second_a_byte), *_ = np.linalg.lstsq(unknowns, np.ones(len(taken)), rcond=None)
    slowest = float((taken / np.asarray(sizes)).min())  # no byte takes less than the largest message says
    return Links(
        latency_s=max(0.0, float(latency_s)),
        bytes_per_s=1 / max(float(second_a_byte), 1e-3 * slowest),
        overlap=overlap,
    )


def overlap_of(computed_s: float, sent_s: float, both_s: float) -> float:
    """Return the share of the shorter of two things that costs nothing when both are done at once, from 0 to 1."""
    return min(1.0, max(0.0, (computed_s + sent_s - both_s) / min(computed_s, sent_s)))


def _read(device: Device) -> Links:
    messages = [torch.zeros(size // 4, device=device.name) for size in SIZES]
    taken = [_fastest_s(lambda one=one: dist.all_reduce(one), device) for one in messages]
    a = torch.rand(_MATMUL, _MATMUL, device=device.name)
    single_s = _fastest_s(lambda: torch.mm(a, a), device)
    times = max(1, round(taken[-1] / single_s))

    def compute() -> None:
        for _ in range(times):
            torch.mm(a, a)

    def both() -> None:
        sent = dist.all_reduce(messages[-1], async_op=True)
        compute()
        sent.wait()  # type: ignore[union-attr]  (async_op gives a Work)

    return fitted(taken, overlap_of(_fastest_s(compute, device), taken[-1], _fastest_s(both, device)))


def _fastest_s(work: Callable[[], object], device: Device) -> float:
    found = list[float]()
    for _ in range(_REPEATS):
        dist.barrier()
        device.synchronize()
        begin = perf_counter()
        work()
        device.synchronize()
        found.append(perf_counter() - begin)
    return min(found)


def main(folder: str, rank: int, kind: str) -> None:
    """Be one of the two processes; the first one writes the readings."""
    device = Device(kind if kind == "cpu" else f"{kind}:{rank}")
    if not device.is_host:
        torch.accelerator.set_device_index(rank)
    dist.init_process_group(
        "gloo" if device.is_host else None,
        store=dist.FileStore(str(Path(folder, "rendezvous")), 2),
        rank=rank,
        world_size=2,
        timeout=_WAIT,
        device_id=None if device.is_host else torch.device(device.name),
    )
    try:
        _read(device)  # the first one connects
        found = [_read(device) for _ in range(ROUNDS)]
    finally:
        dist.destroy_process_group()
    if rank == 0:
        Path(folder, "links.json").write_bytes(msgspec.json.encode(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
