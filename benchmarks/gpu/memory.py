"""Is a step's peak memory predicted, and where does its time go? The profile of three models on the GPU."""

from torch import nn

from benchmarks.gpu import cifar10
from benchmarks.gpu.parts import device, options, write
from benchmarks.profiling.workloads import Transformer, features, task, tokens
from hasten.diagnosis.diagnose import diagnose
from hasten.machine import load_cached
from hasten.profiling.profile import profile_in_depth
from hasten.training.recipe import baseline


def main() -> None:
    """Profile each model in depth; print and record the predicted and the measured peak."""
    given = options(__doc__).parse_args()
    width, samples = (16, 64) if given.smoke else (512, 2048)
    tasks = [
        cifar10.small() if given.smoke else cifar10.task(samples=4096),
        task("transformer", tokens(samples, 128), lambda: Transformer(width, 4, 8), batch=samples // 8),
        task("wide", features(samples, 256), lambda: nn.Sequential(
            nn.Linear(256, 8 * width), nn.ReLU(), nn.Linear(8 * width, 10)), batch=samples // 2),
    ]  # fmt: skip
    machine, rows = load_cached(quick=True), []
    for one in tasks:
        found = profile_in_depth(baseline(one, device=device()), machine, budget_s=9.0)
        memory = found.memory
        said = diagnose(found, machine)
        rows.append({
            "task": one.name,
            "step_s": found.step_s,
            "parts": {part.name: part.share for part in found.parts},
            "predicted_peak": memory.predicted_peak if memory else None,
            "measured_peak": memory.measured_peak if memory else None,
            "memory": memory,
            "findings": [finding.symptom for finding in said.findings],
            "abstained": [one.symptom for one in said.abstained],
            "remarks": found.remarks,
        })  # fmt: skip
        print(one.name, rows[-1]["predicted_peak"], rows[-1]["measured_peak"], rows[-1]["findings"], found.remarks)
        write(given.record, {"rows": rows})


if __name__ == "__main__":
    main()
