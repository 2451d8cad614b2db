"""What `--fix` showed is said plainly on the terminal, also where nothing cures."""

from io import StringIO

import msgspec
from rich.console import Console

from hasten.base.records.fix import Fix, Outcome, Tried
from hasten.report.terminal.fix import fix_view

CURE = Tried(
    symptom="dead_units",
    remedy="leaky",
    what="leaky ReLU in place of ReLU",
    outcome=Outcome.CURES,
    line="F.leaky_relu(h)",
    plain=(2.0,),
    treated=(1.0,),
)


def shown(*tried: Tried) -> str:
    console = Console(file=StringIO(), width=120)
    console.print(fix_view(Fix(tried=tried, judged_by="loss in evaluation", steps=80, pairs=5)))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_symptom_that_no_remedy_cures_is_named() -> None:
    helped = msgspec.structs.replace(CURE, symptom="plateau", outcome=Outcome.HELPS)
    failed = msgspec.structs.replace(CURE, symptom="diverging", outcome=Outcome.NO_HELP)
    untried = msgspec.structs.replace(CURE, symptom="saturated", outcome=Outcome.NOT_TRIED)
    assert "no remedy that was tried cures diverging and plateau" in shown(CURE, helped, failed, untried)


def test_nothing_is_said_of_what_was_cured_in_the_end() -> None:
    text = shown(msgspec.structs.replace(CURE, outcome=Outcome.NO_HELP), CURE)
    assert "no remedy" not in text
    assert "write: F.leaky_relu(h)" in text
