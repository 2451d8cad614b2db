"""Are delays found where they are planted on a GPU? 5 and 20 % of a step, in each part that runs on the device.

The delay is a kernel that only waits; see `benchmarks/profiling/planting.py`.
"""

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.parts import device, options, wait, write
from benchmarks.profiling.planting import BusyWait, Delay, planted, recovered
from hasten.data.loading.loaders import Loader
from hasten.training.recipe import Recipe

DELAYS = (0.05, 0.20)
PLACES = ("transfer", "forward", "loss", "backward", "gradient", "update")
CYCLES = 200_000_000


class DeviceWait:
    """Queues a kernel that waits; it takes the seconds that are asked for, without the launch."""

    def __init__(self) -> None:
        self.wait_s = 0.0
        self.spent: list[float] = []
        torch.cuda._sleep(CYCLES)
        wait()
        begin = perf_counter()
        torch.cuda._sleep(CYCLES)
        wait()
        self.cycles_per_s = CYCLES / (perf_counter() - begin)

    def __call__(self) -> None:
        if self.wait_s:
            torch.cuda._sleep(int(self.wait_s * self.cycles_per_s))
            self.spent.append(self.wait_s)


def on_device(recipe: Recipe) -> Loader:
    """Return a loader whose batches are on the device: of the right size, always the same samples."""
    columns = [column.to(device()) for column in recipe.task.data.train.tensors]  # type: ignore[attr-defined]

    def loader(_: Any, size: int) -> Any:
        def fetch(ids: Tensor) -> Iterator[Any]:
            for some in ids.split(size):
                yield some, tuple(column[: len(some)] for column in columns)

        return fetch

    return loader


def main() -> None:
    """Plant every delay in every part; print and record what is found."""
    given = options(__doc__).parse_args()
    steps, width, batch = (40, 64, 64) if given.smoke else (240, 4096, 4096)
    rows = list[dict[str, object]]()
    for part in PLACES:
        for share in DELAYS:
            delay: Delay = DeviceWait() if device() == "cuda" else BusyWait()
            recipe = planted(
                part, delay, loader=on_device, hidden=(width, width), samples=2 * batch, batch=batch, device=device()
            )
            rows.append(row := recovered(recipe, part, share, delay, steps=steps))
            print(f"{part:10} {share:4.0%}  error {row['error_pp']:+6.2f} pp, others {row['worst_other_pp']:+6.2f} pp")
            write(given.record, {"rows": rows})


if __name__ == "__main__":
    main()
