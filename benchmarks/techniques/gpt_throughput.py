"""Tokens per second of a GPT on Shakespeare: plain PyTorch against techniques that keep the result, in turn.

Also said: the share of the machine's measured peak (of the format that the products are made in) that each reaches,
counting the model's own FLOPs once, as the plain way makes them. Every way has a process of its own, which waits while
the others have their turns: what one does to its heap must not help the next one.

    python -m benchmarks.techniques.gpt_throughput --data FILE [--rounds 7] [--layers 6 --width 384]
"""

import argparse
import math
import random
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter

from benchmarks.recording import ratio, record, told
from benchmarks.techniques.gpt_ways import WAYS, gpt_task, parameters, size_options, ways
from hasten.machine import measure
from hasten.profiling.work import count_work
from hasten.training.building import build
from hasten.tuning.bench import Bench

FORMATS = {"int8_linear": "int8", "bf16": "bfloat16"}
"""Technique -> the number format of the products, the narrowest first; float32 without any of them."""


def take_turns(pipe: Connection, options: argparse.Namespace, name: str) -> None:
    """Build the way of that name, say what compiling took, then make as many steps as asked for and say how long."""
    bench = Bench(ways(gpt_task(options, steps=5000), [name])[name])
    pipe.send(bench.setup_s)
    while steps := pipe.recv():
        with bench:
            bench(1)
            begin = perf_counter()
            bench(steps)
            pipe.send((perf_counter() - begin) / steps)


@contextmanager
def processes(options: argparse.Namespace) -> Generator[dict[str, Connection]]:
    """Start a process for each way, one after the other; yield how to talk to each."""
    context, pipes, started = get_context("spawn"), dict[str, Connection](), []
    try:
        for name in options.ways:
            pipes[name], theirs = context.Pipe()
            started.append(context.Process(target=take_turns, args=(theirs, options, name), daemon=True))
            started[-1].start()
            theirs.close()
            print(f"  {name}: ready, {pipes[name].recv():.0f} s to compile", flush=True)
        yield pipes
    finally:
        for pipe in pipes.values():
            pipe.send(0)
        for one in started:
            one.join()


def main() -> None:
    """Time every way in turn, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size_options(parser, layers=6, batch=16, length=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="in a turn")
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    options = parser.parse_args()
    task = gpt_task(options, steps=5000)
    times: dict[str, list[float]] = {name: [] for name in options.ways}
    with processes(options) as pipes:
        shuffle, names = random.Random(0), list(pipes)
        for _ in range(options.rounds):
            shuffle.shuffle(names)
            for name in names:
                pipes[name].send(options.steps)
                times[name].append(pipes[name].recv())
    run = build(ways(task, ["plain"])["plain"])
    flops = count_work(run, next(iter(run.batches()))[1]).flops
    machine = measure()
    rows = []
    for name in options.ways:
        speedup = ratio([math.log(plain / mine) for plain, mine in zip(times["plain"], times[name], strict=True)])
        rate = flops / median(times[name])
        peak = machine.peak("gemm", next((FORMATS[one] for one in FORMATS if one in WAYS[name]), "float32"))
        row = {"way": name, "techniques": WAYS[name], "speedup": speedup, "step_times_s": times[name],
               "tokens_per_s": options.batch * options.length / median(times[name]), "flops_per_s": rate,
               "share_of_peak": rate / peak.rate if peak else None}  # fmt: skip
        share = f"{rate / peak.rate:.0%} of the {peak.format} peak" if peak else "the peak was not steady"
        print(f"  {name:32} {told(speedup)}  {row['tokens_per_s']:8.0f} tokens/s, {share}")
        rows.append(row)
    size = {"layers": options.layers, "width": options.width, "batch": options.batch, "length": options.length}
    content = {
        "size": size,
        "parameters": parameters(task),
        "flops_per_step": flops,
        "rows": rows,
        "peaks": machine.peaks,
    }
    print(record("gpt_throughput", content))


if __name__ == "__main__":
    main()
