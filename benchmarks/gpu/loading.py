"""How fast does each way of loading feed a GPU? Steps of a small CNN in turn: plain, gathered, prefetched, resident."""

from typing import Any

from benchmarks.gpu import cifar10
from benchmarks.gpu.parts import Ways, compared, device, in_turn, options, write
from hasten.training.recipe import baseline

WAYS: Ways = {
    "plain": (),
    "batched_gather": ("batched_gather",),
    "prefetch": ("batched_gather", "prefetch"),
    "resident": ("resident",),
    "fastest_loader": ("fastest_loader",),
}


def main() -> None:
    """Time every way in turn; print and record the ratios."""
    given = options(__doc__).parse_args()
    made = cifar10.small() if given.smoke else cifar10.task(width=16)
    left_out, rows = dict[str, str](), list[dict[str, Any]]()
    turns, steps = (2, 2) if given.smoke else (9, 20)
    for times in in_turn(WAYS, baseline(made, device=device()), left_out, turns=turns, steps=steps):
        rows = compared(times)
        write(given.record, {"batch": made.batch_size, "rows": rows, "left_out": left_out})
    for row in rows:
        print(row["way"], row["ratio"])


if __name__ == "__main__":
    main()
