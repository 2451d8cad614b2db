"""`hasten check`: what was understood of a task."""

from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, DataPath, TaskName, chosen_task
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = ("hasten check my_task.py", "hasten check digits --json")


@takes_data_options("--column")
def check(task: TaskName, data: DataPath = None, *, options: DataOptions, as_json: AsJson = False) -> None:
    """Show what was understood of a task: its batch, target, loss, data and optimizer. Takes one training step."""
    from hasten import api
    from hasten.report.terminal import Screen

    chosen = chosen_task(task, data=data, options=options)
    if as_json:
        write_json(api.check(chosen))
        return
    with Screen() as screen:
        api.check(chosen, show=screen.show)
        screen.next(f"hasten run {chosen.command}")
