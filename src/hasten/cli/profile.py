"""`hasten profile`: where the step goes."""

import sys

from hasten.base.records.notices import Activity
from hasten.base.records.record import to_json
from hasten.cli.options import AsJson, DataPath, PlanPath, TableColumn, TaskName, chosen_task

EXAMPLES = ("hasten profile my_task.py", "hasten profile digits --plan plan.toml --json")


def profile(
    task: TaskName, data: DataPath = None, column: TableColumn = None, plan: PlanPath = None, as_json: AsJson = False
) -> None:
    """Say where the time and the memory of a step go."""
    from hasten import api
    from hasten.report.terminal import Screen

    chosen = chosen_task(task, data=data, column=column)
    if as_json:
        sys.stdout.write(to_json(api.profile(chosen, plan)).decode())
        return
    with Screen() as screen:
        screen.show(Activity(text="measuring the machine"))
        api.profile(chosen, plan, show=screen.show)
