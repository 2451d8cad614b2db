"""Keeps the script of a run in its folder."""

from pathlib import Path

from hasten.base.errors import HastenError
from hasten.base.files import write_text
from hasten.base.records.notices import Note
from hasten.base.records.plan import Plan
from hasten.pipeline.eject.ejecting import write_out
from hasten.training.recipe import Recipe
from hasten.training.run_folder import SCRIPT
from hasten.training.running import Show


def keep_script(plain: Recipe, plan: Plan, folder: Path, show: Show) -> str:
    """Write the script of a run beside its plan and return it; show why there is none and return nothing.

    Samples that the script would read from a file are not saved: `hasten eject` does that.
    """
    try:
        text = write_out(plain.task, plan, plain).text
    except HastenError as error:
        show(Note(text=f"no {SCRIPT} in {folder}: {error}"))
        return ""
    except Exception as error:  # noqa: BLE001  (it runs the person's model, and the training does not need the script)
        show(Note(text=f"no {SCRIPT} in {folder}: {type(error).__name__}: {error}"))
        return ""
    write_text(folder / SCRIPT, text)
    return text
