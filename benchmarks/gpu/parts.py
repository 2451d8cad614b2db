"""What the parts of the GPU script share: options, timing ways of training in turn, and writing the result."""

import argparse
import math
import platform
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import torch

from hasten.base.errors import Refused
from hasten.machine import facts
from hasten.measurement.statistics import ratio_interval
from hasten.techniques.applying import apply_all, make
from hasten.training.recipe import Recipe
from hasten.tuning.bench import Bench

Ways = Mapping[str, tuple[str, ...]]
"""Name of a way of training -> its techniques; "plain" has none."""


def options(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every part has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, required=True, help="where to write the result")
    parser.add_argument("--smoke", action="store_true", help="small, on whatever device there is")
    return parser


def device() -> str:
    """Return the device that the parts run on."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def wait() -> None:
    """Wait until the device has finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def in_turn(
    ways: Ways, plain: Recipe, left_out: dict[str, str], *, turns: int, steps: int
) -> Iterator[dict[str, list[float]]]:
    """Time every way once in each turn, in random order; yield the step times of all ways after each timing.

    The first turn keeps the order of `ways` and builds each way just before timing it: ways that compile for a minute
    belong at the end, so that a run that is stopped early has timed the others.

    Args:
        ways: what is timed.
        plain: the recipe without techniques.
        left_out: gets the name of each way that cannot be built, and why.
        turns: times that each way is timed.
        steps: steps of one timing.
    """
    benches, times, shuffle = dict[str, Bench](), dict[str, list[float]](), random.Random(0)
    for name, techniques in ways.items():
        begin = perf_counter()
        try:
            benches[name] = Bench(apply_all([make(one) for one in techniques], plain, facts()))
        except Refused as error:
            left_out[name] = str(error)
        except Exception as error:  # noqa: BLE001  (one way that fails must not hide the others; the record has it)
            left_out[name] = f"{type(error).__name__}: {error}"[:2000]
        if name in left_out:
            print(f"{name}: left out: {left_out[name]}", flush=True)
            continue
        times[name] = [timed(benches[name], steps)]
        print(f"{name}: ready and timed once after {perf_counter() - begin:.1f} s", flush=True)
        yield times
    names = list(benches)
    for _ in range(turns - 1):
        shuffle.shuffle(names)
        for name in names:
            times[name].append(timed(benches[name], steps))
            yield times


def timed(bench: Bench, steps: int) -> float:
    """Return the seconds of a step, over so many steps after two that warm up."""
    with bench:
        bench(2)
        wait()
        begin = perf_counter()
        bench(steps)
        wait()
        return (perf_counter() - begin) / steps


def compared(times: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """Return for each way its step times and its speed-up over "plain", None with fewer than two pairs of timings."""
    plain = times.get("plain", [])
    logs = {
        name: [math.log(one / other) for one, other in zip(plain, mine, strict=False)]  # some are a turn behind
        for name, mine in times.items()
    }
    return [
        {"way": name, "ratio": ratio_interval(logs[name]) if len(logs[name]) > 1 else None, "step_times_s": mine}
        for name, mine in times.items()
    ]


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a result with the device and the versions it was measured with."""
    about = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode({**about, **content}), indent=1) + b"\n")
