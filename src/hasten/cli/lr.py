"""`hasten lr`: which learning rate suits this task."""

from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, Budget, DataPath, Seed, TaskName, chosen_task
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = ("hasten lr digits", "hasten lr my_task.py --budget 2m", "hasten lr my_task.py --json")


@takes_data_options("--column")
def lr(
    task: TaskName,
    data: DataPath = None,
    *,
    options: DataOptions,
    budget: Budget = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Choose the learning rate by short trainings, and say what it is worth against the task's own."""
    from hasten import api
    from hasten.report.terminal import Screen

    chosen = chosen_task(task, data=data, options=options, seed=seed)
    if as_json:
        write_json(api.find_lr(chosen, budget=budget))
        return
    with Screen() as screen:
        found = api.find_lr(chosen, budget=budget, show=screen.show)
        screen.show(found)
        screen.next(f"hasten tune {chosen.command}" if found.factor == 1 else line_to_change(found.rates))


def line_to_change(rates: tuple[float, ...]) -> str:
    """Return what to write into the task."""
    if len(rates) == 1:
        return f"set Update(lr={rates[0]:.3g}) in the task"
    return f"set the rates of the parameter groups to {', '.join(f'{rate:.3g}' for rate in rates)}"
