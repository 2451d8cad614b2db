"""`hasten batch`: which batch size reaches the same quality soonest."""

from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, Budget, DataPath, Seed, TaskName, chosen_task
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = ("hasten batch digits", "hasten batch my_task.py --budget 5m", "hasten batch my_task.py --json")


@takes_data_options("--column")
def batch(
    task: TaskName,
    data: DataPath = None,
    *,
    options: DataOptions,
    budget: Budget = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Choose the batch size with the shortest time to equal quality, with the learning rate that it needs."""
    from hasten import api
    from hasten.report.terminal import Screen

    chosen = chosen_task(task, data=data, options=options, seed=seed)
    if as_json:
        write_json(api.find_batch_size(chosen, budget=budget))
        return
    with Screen() as screen:
        found = api.find_batch_size(chosen, budget=budget, show=screen.show)
        screen.show(found)
        if found.size == found.own_size:
            screen.next(f"hasten lr {chosen.command}")
        else:
            rate, updates = f"{found.rate_factor:.3g}", f"{found.steps_factor:.3g}"
            screen.next(f"set batch_size={found.size}, lr x{rate} and updates x{updates} in the task")
