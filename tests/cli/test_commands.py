"""Every command with the verbs behind it replaced: what is handed on, what is printed, how it ends."""

import json
import re
import shlex
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

import hasten
import hasten.machine
import hasten.tasks.loading
from hasten.base.errors import BadInput, HastenError, Interrupted, Refused, Unstable
from hasten.base.records.dynamics import Dynamics, Nonfinite
from hasten.base.records.health import Health
from hasten.base.records.machine import Machine
from hasten.base.records.record import Interval, save
from hasten.base.records.reproof import Reproof, Standing
from hasten.base.records.run import Finished, Progress, Started, StopReason
from hasten.base.records.trial import Verdict
from hasten.base.stages import Guarantee
from hasten.cli.main import app
from hasten.techniques.plan_file import read_plan
from hasten.training.run_folder import write_health

from sample_evidence import CHOSEN, make_evidence, make_machine, make_profile, make_run
from tiny_tasks import mlp_task

Invoke = Callable[..., Result]


class FakeApi(SimpleNamespace):
    """The verbs, which note what they were called with and do what a test says."""

    def __init__(self) -> None:
        super().__init__(calls=[], error=None, evidence=make_evidence(), interrupted_by=None, reason=StopReason.TARGET)

    def _note(self, verb: str, *args: object, **kwargs: object) -> None:
        self.calls.append((verb, args, kwargs))
        if self.error is not None:
            raise self.error

    def load_task(self, spec: str, *, data: Path | None, **options: object) -> object:
        self._note("load_task", spec, data)
        return mlp_task(command=spec)

    def run(self, task: object, **options: Any) -> object:
        self._note("run", task, **options)
        if self.evidence is not None:
            options["show"](self.evidence)
        return SimpleNamespace(folder=Path("runs/x"), evidence=self.evidence, interrupted_by=self.interrupted_by)

    def train(self, task: object, plan: object, **options: Any) -> object:
        self._note("train", task, plan, **options)
        run = make_run(0, CHOSEN, pace=1.0)
        options["show"](
            Started(task="digits", plan=CHOSEN, seed=0, step=0, total_steps=9, metric_name="accuracy", target=None)
        )
        options["show"](Progress(step=9, epoch=1, elapsed_s=1.0, losses=(0.5,), samples_per_s=10.0))
        options["show"](Finished(reason=self.reason, step=9, epoch=1, elapsed_s=1.0))
        result = msgspec.structs.replace(run, folder="runs/a b", reason=self.reason)
        return SimpleNamespace(result=result, interrupted_by=self.interrupted_by)

    def profile(self, task: object, plan: object = None, **options: Any) -> object:
        show = options.pop("show", None)
        self._note("profile", task, plan, **options)
        if show is not None:
            show(make_profile())
        return make_profile()

    def tune(self, task: object, **options: Any) -> object:
        self._note("tune", task, **options)
        for trial in self.evidence.tuning.trials:
            options["show"](trial)
        options["show"](self.evidence.tuning)
        return self.evidence.tuning

    def verify_plan(self, task: object, plan: object, **options: Any) -> object:
        speedup = Interval(value=1.2, low=1.1, high=1.3, n=9)
        found = Reproof(plan=("batched_gather",), standing=self.standing, speedup=speedup, changed="on a Z80")
        options.pop("show")(found)
        self._note("verify_plan", task, plan, **options)
        return found

    def called(self, verb: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return next((args, kwargs) for name, args, kwargs in self.calls if name == verb)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    fake = FakeApi()
    monkeypatch.setitem(sys.modules, "hasten.api", fake)
    monkeypatch.setattr(hasten, "api", fake, raising=False)
    monkeypatch.setattr(hasten.tasks.loading, "load_task", fake.load_task)
    return fake


@pytest.fixture
def invoke() -> Invoke:
    return lambda *words: CliRunner().invoke(app, list(words))


def test_bare_hasten_in_an_empty_folder_shows_the_help_with_every_command(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke()
    assert result.exit_code == 0
    assert result.output == invoke("--help").output
    for name in ("run", "check", "train", "profile", "watch", "tune", "techniques", "machine", "report", "eject"):
        assert f"│ {name} " in result.output


def test_bare_hasten_names_the_command_for_what_lies_here(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def task(): ...\n")
    assert "hasten check mine.py  # a task" in invoke().output


@pytest.mark.parametrize("command", ["profile", "watch"])
def test_a_script_gets_its_own_arguments_and_ends_the_command(command: str, invoke: Invoke, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import sys\nsys.exit(0 if sys.argv[1:] == ['--debug', '--steps', '3'] else 9)\n")
    result = invoke(command, str(script), "--debug", "--steps", "3")
    assert result.exit_code == 0
    assert "no profile: the script ended before it imported torch" in result.output
    assert invoke(command, str(script)).exit_code == 9


def test_watching_a_task_names_the_command_that_profiles_it(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def task(): ...\n")
    result = invoke("watch", str(tmp_path / "mine.py"))
    assert result.exit_code == 2
    assert "not a training script but a task" in result.output


@pytest.mark.parametrize(
    "name", ["run", "check", "train", "profile", "tune", "eject", "techniques", "machine", "report"]
)
def test_the_help_of_every_command_has_an_example(invoke: Invoke, name: str) -> None:
    result = invoke(name, "-h")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"hasten {name}" in result.output.split("Examples:")[1]


def test_the_version(invoke: Invoke) -> None:
    assert invoke("--version").output == f"hasten {hasten.__version__}\n"


def test_an_unknown_command_or_option_is_a_usage_error(invoke: Invoke) -> None:
    assert invoke("trian").exit_code == 2
    assert invoke("run", "--bugdet", "2m").exit_code == 2


def test_run_hands_its_options_on_and_shows_the_verdict(
    invoke: Invoke, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/hasten", "run", "my task.py"])
    words = (
        "run mine.py --data d --budget 5% --allow trajectory,model --seeds 3 --target 0.9 --epochs 7 --seed 11 --runs"
    )
    result = invoke(*words.split(), str(tmp_path))
    assert result.exit_code == 0
    assert "2.30x faster [2.10, 2.50]" in result.output
    assert api.called("load_task")[0] == ("mine.py", Path("d"))
    (task,), options = api.called("run")
    assert (task.stop.target, task.stop.epochs, task.seed) == (0.9, 7, 11)
    assert options.pop("show")
    assert options == {
        "budget": "5%",
        "allow": (Guarantee.TRAJECTORY, Guarantee.MODEL),
        "only": None,
        "exclude": (),
        "accept": (),
        "seeds": 3,
        "fresh": False,
        "command": "hasten run 'my task.py'",
        "runs": tmp_path,
    }


def test_run_without_options_changes_nothing_about_the_task(invoke: Invoke, api: FakeApi) -> None:
    assert invoke("run").exit_code == 0
    assert api.called("load_task")[0] == ("digits", None)
    (task,), options = api.called("run")
    plain = mlp_task()
    assert (task.stop, task.seed) == (plain.stop, plain.seed)
    assert (options["budget"], options["allow"], options["seeds"]) == (None, (), None)


def test_an_unknown_guarantee_is_told_before_anything_runs(invoke: Invoke, api: FakeApi) -> None:
    result = invoke("run", "digits", "--allow", "trajectoryy")
    assert result.exit_code == 2
    assert "unknown guarantee 'trajectoryy'. Did you mean trajectory" in result.stderr
    assert api.calls == []


@pytest.mark.parametrize(("signal_number", "code"), [(2, 130), (15, 143)])
@pytest.mark.parametrize("command", ["run", "train"])
def test_an_interrupted_training_says_how_to_go_on(
    invoke: Invoke, api: FakeApi, command: str, signal_number: int, code: int
) -> None:
    api.interrupted_by, api.evidence = signal_number, None
    result = invoke(command, "digits")
    assert result.exit_code == code
    folder = "runs/x" if command == "run" else "'runs/a b'"
    assert f"hasten train digits --resume {folder}" in result.output


def test_an_interrupted_comparison_keeps_its_report_and_its_code(invoke: Invoke, api: FakeApi) -> None:
    api.interrupted_by = 2
    result = invoke("run", "digits")
    assert result.exit_code == 130
    assert "interrupted during the comparison" in result.output
    assert "--resume" not in result.output


def test_train_hands_plan_and_resume_on_and_names_the_run_folder(invoke: Invoke, api: FakeApi) -> None:
    result = invoke("train", "digits", "--plan", "p.toml", "--resume", "runs/old", "--runs", "elsewhere")
    assert result.exit_code == 0
    assert "plan      seed 0" in result.output
    assert "run folder: runs/a b" in result.output
    (_, plan), options = api.called("train")
    assert (plan, options["resume"], options["runs"]) == (Path("p.toml"), Path("runs/old"), Path("elsewhere"))


def test_train_is_told_to_diagnose(invoke: Invoke, api: FakeApi) -> None:
    invoke("train", "digits")
    assert api.calls[-1][2]["diagnose"] is False
    invoke("train", "digits", "--diagnose")
    assert api.calls[-1][2]["diagnose"] is True


def a_run_folder(folder: Path, *losses: float) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "metrics.jsonl").write_bytes(b"")
    if losses:
        nonfinite = None if losses[-1] < 9 else Nonfinite(step=len(losses), what="loss")
        dynamics = Dynamics(losses=losses, nonfinite=nonfinite)
        write_health(folder, Health(name="digits", steps=len(losses), dynamics=dynamics))
    return folder


def test_diagnose_judges_what_a_run_recorded(invoke: Invoke, tmp_path: Path) -> None:
    healthy = invoke("diagnose", str(a_run_folder(tmp_path / "healthy", 1.0, 0.5)))
    assert (healthy.exit_code, "No problem found in 2 steps." in healthy.output) == (0, True)
    assert healthy.output.split("next: ")[1].split() == ["hasten", "attribute", str(tmp_path / "healthy")]
    ill = str(a_run_folder(tmp_path / "ill", 1.0, 10.0))
    assert invoke("diagnose", ill).exit_code == 1
    assert json.loads(invoke("diagnose", ill, "--json").stdout)["findings"][0]["symptom"] == "nonfinite"
    assert invoke("diagnose", "--only", "W", ill).exit_code == 0
    assert invoke("diagnose", ill, "--only", "Q").exit_code == 2


def test_diagnose_of_a_run_writes_a_page(invoke: Invoke, tmp_path: Path) -> None:
    ill, page = str(a_run_folder(tmp_path / "ill", 1.0, 10.0)), tmp_path / "health.html"
    assert invoke("diagnose", ill, "--html", str(page), "--json").exit_code == 1
    assert "loss not finite" in page.read_text()


def test_diagnose_of_a_run_without_a_record_says_what_to_do(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("diagnose", str(a_run_folder(tmp_path / "run")))
    assert result.exit_code == 2
    assert "trained without --diagnose. Train with: hasten train TASK --diagnose." in result.output


def test_diagnose_of_a_run_takes_no_option_that_has_no_effect(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("diagnose", str(a_run_folder(tmp_path / "run", 1.0)), "--steps", "5").exit_code == 2


def test_a_training_that_diverged_is_not_a_success(invoke: Invoke, api: FakeApi) -> None:
    api.reason = StopReason.NON_FINITE
    result = invoke("train", "digits")
    assert result.exit_code == 1
    assert "loss is not finite" in result.output


def test_profile_on_the_screen_and_as_json(invoke: Invoke, api: FakeApi) -> None:
    shown = invoke("profile", "digits", "--plan", "p.toml")
    assert shown.exit_code == 0
    assert "the step waits for its input" in shown.output
    assert api.called("profile")[0][1] == Path("p.toml")
    assert [one[2] for one in api.calls if one[0] == "profile"] == [{"timeout_s": 120.0, "trace": None}]
    printed = invoke("profile", "digits", "--json")
    assert json.loads(printed.stdout)["samples_per_s"] == 47_300.0


def test_profile_hands_on_where_the_trace_goes_and_how_long_a_step_may_take(invoke: Invoke, api: FakeApi) -> None:
    shown = invoke("profile", "digits", "--trace", "t.json", "--timeout", "90s")
    assert shown.exit_code == 0
    assert "trace: t.json" in shown.output
    assert [one[2] for one in api.calls if one[0] == "profile"] == [{"timeout_s": 90.0, "trace": Path("t.json")}]
    wrong = invoke("profile", "digits", "--timeout", "soon")
    assert wrong.exit_code != 0
    assert "a duration must look like 90s, 2m or 1.5h" in wrong.output


def test_tune_shows_every_trial_and_writes_a_plan_that_can_be_read(
    invoke: Invoke, api: FakeApi, tmp_path: Path
) -> None:
    out = tmp_path / "plan.toml"
    result = invoke("tune", "digits", "--budget", "2m", "--allow", "trajectory", "-o", str(out), "--all")
    assert result.exit_code == 0
    for trial in api.evidence.tuning.trials:
        assert trial.technique in result.output
    assert read_plan(out).names == CHOSEN
    options = api.called("tune")[1]
    assert (options["budget"], options["allow"]) == ("2m", (Guarantee.TRAJECTORY,))
    assert "[batched_gather]" in invoke("tune", "digits").output, "without a file the plan is printed"


def test_a_plan_that_cannot_be_written_is_told_before_the_tuning(invoke: Invoke, api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "plan.toml"):
        result = invoke("tune", "digits", "-o", str(out))
        assert result.exit_code == 2
        assert "cannot write" in result.output
    assert not api.calls


def test_who_names_a_technique_reads_why_it_does_not_apply(invoke: Invoke, api: FakeApi) -> None:
    (refused,) = (one for one in api.evidence.tuning.trials if one.verdict is Verdict.NOT_APPLICABLE)
    assert refused.reason not in " ".join(invoke("tune", "digits").output.split())
    assert refused.reason in " ".join(invoke("tune", "digits", "--only", refused.technique).output.split())


@pytest.mark.parametrize(("standing", "code"), [(Standing.STILL_FASTER, 0), (Standing.NO_LONGER, 1)])
def test_tune_verify_proves_a_plan_again_and_exits_with_1_if_it_is_not_faster(
    standing: Standing, code: int, invoke: Invoke, api: FakeApi
) -> None:
    api.standing = standing
    result = invoke("tune", "digits", "--verify", "p.toml", "--budget", "9s")
    assert result.exit_code == code
    assert f"batched_gather: {standing}: 1.20x faster" in result.output
    assert "proven on a Z80" in result.output
    assert api.called("verify_plan")[1] == {"budget": "9s"}
    wrong = invoke("tune", "digits", "--verify", "p.toml", "--fresh")
    assert wrong.exit_code != 0
    assert "--verify proves a plan as it is" in wrong.output


def test_report_writes_the_page_again_from_the_evidence(invoke: Invoke, tmp_path: Path) -> None:
    evidence = make_evidence()
    save(evidence, tmp_path / "evidence.json")
    result = invoke("report", str(tmp_path))
    assert result.exit_code == 0
    assert "2.30x faster [2.10, 2.50]" in result.output
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    plain, data = invoke("report", str(tmp_path), "--text"), invoke("report", str(tmp_path), "--json")
    assert plain.stdout == (tmp_path / "report.md").read_text()
    assert data.stdout == (tmp_path / "report.json").read_text()
    both = invoke("report", str(tmp_path), "--text", "--json")
    assert both.exit_code == 2


@pytest.mark.parametrize("state", ["missing", "empty", "damaged"])
def test_report_of_something_else_is_told_and_leaves_it_alone(invoke: Invoke, tmp_path: Path, state: str) -> None:
    run = tmp_path / "run"
    if state != "missing":
        run.mkdir()
    if state == "damaged":
        (run / "evidence.json").write_text('{"hasten": 1}')
    result = invoke("report", str(run))
    assert result.exit_code == 2
    assert result.stdout == ""
    expected = {"missing": "no such folder", "empty": "no evidence.json", "damaged": "Evidence as JSON"}
    assert expected[state] in result.stderr
    assert not (run / "report.html").exists()


def test_an_error_in_the_persons_code_names_its_line(invoke: Invoke, api: FakeApi) -> None:
    api.error = ZeroDivisionError("by zero")
    stderr = invoke("run", "digits").stderr
    assert re.match(r"hasten: error: ZeroDivisionError: by zero, raised at .*test_commands\.py:\d+\. Run with", stderr)


def noted(error: BaseException, note: str) -> BaseException:
    """Return an error with a note."""
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (BadInput("the file must be there."), 2, "hasten: error: the file must be there.\n"),
        (Refused("bf16 cannot help."), 2, "hasten: error: bf16 cannot help.\n"),
        (Unstable("too noisy."), 1, "hasten: error: too noisy.\n"),
        (HastenError("other."), 1, "hasten: error: other.\n"),
        (ZeroDivisionError("by zero"), 1, ". Run with --debug for the traceback.\n"),
        (KeyboardInterrupt(), 130, "hasten: interrupted.\n"),
        (noted(KeyboardInterrupt(), "All is kept."), 130, "hasten: interrupted. All is kept.\n"),
    ],
)
def test_errors_are_one_message_and_a_code(
    invoke: Invoke, api: FakeApi, error: BaseException, code: int, words: str
) -> None:
    api.error = error
    result = invoke("run", "digits")
    assert result.exit_code == code
    assert result.stderr.endswith(words)
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize("words", [("--debug", "run", "digits"), ("run", "digits", "--debug")])
def test_debug_shows_the_traceback_wherever_it_stands(invoke: Invoke, api: FakeApi, words: tuple[str, ...]) -> None:
    api.error = BadInput("the file must be there.")
    result = invoke(*words)
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith("hasten: error: the file must be there.\n")
    assert "Traceback" not in invoke("run", "digits").stderr, "it is not remembered for the next command"


def test_machine_measures_or_remembers_and_prints_json(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, bool]] = []

    def load_cached(*, quick: bool) -> Machine:
        called.append(("load_cached", quick))
        return make_machine()

    def measure(*, quick: bool) -> Machine:
        called.append(("measure", quick))
        return make_machine()

    def store_cached(machine: Machine, *, quick: bool) -> None:
        called.append(("store_cached", quick))

    for verb in (load_cached, measure, store_cached):
        monkeypatch.setattr(hasten.machine, verb.__name__, verb)
    assert "720 GFLOP/s" in invoke("machine", "--quick").output
    assert "290 GFLOP/s" in invoke("machine").output, "convolutions too"
    printed = invoke("machine", "--refresh", "--json")
    assert msgspec.json.decode(printed.stdout, type=Machine) == make_machine()
    assert called == [("load_cached", True), ("load_cached", False), ("measure", False), ("store_cached", False)]


TYPED = (
    "mine.py:f",
    "--seed",
    "7",
    "--epochs",
    "1",
    "--target",
    "0.5",
    "--data",
    "my data",
    "--skip-bad",
    "--runs",
    "r",
)


@pytest.mark.parametrize(
    ("command", "further"),
    [("train", ("--plan", "p.toml")), ("train", ("--resume", "runs/old")), ("run", ("--budget", "2m", "--seeds", "3"))],
)
def test_the_command_that_resumes_is_the_one_that_was_typed(
    invoke: Invoke, api: FakeApi, command: str, further: tuple[str, ...]
) -> None:
    api.interrupted_by, api.evidence = 2, None
    shown = invoke(command, *TYPED, *further).output
    again = next(line for line in shown.splitlines() if "--resume" in line)
    words = shlex.split(again[again.index("hasten train") :])
    folder = "runs/x" if command == "run" else "runs/a b"
    assert words[:3] == ["hasten", "train", "mine.py:f"]
    assert words[-2:] == ["--resume", folder]
    typed = ["--data", "my data", "--skip-bad", "--target", "0.5", "--epochs", "1", "--seed", "7"]
    assert sorted(words[3:-2]) == sorted([*typed, *(further if "--plan" in further else ())])


def test_exit_in_the_code_of_a_task_is_an_error(invoke: Invoke, api: FakeApi) -> None:
    api.error = SystemExit(0)
    result = invoke("profile", "digits")
    assert result.exit_code == 1
    assert "code of the task called sys.exit(0) at" in result.stderr


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_run_that_is_ended_at_once_says_what_is_saved(
    invoke: Invoke, api: FakeApi, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    # beside a thread that another test has left the command would end this process
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread()])
    api.error = Interrupted(number, "The checkpoint of step 3 is saved in runs/x.")
    result = invoke("train", "digits")
    assert result.exit_code == code
    assert "interrupted at once. The checkpoint of step 3 is saved in runs/x." in result.stderr


def test_json_is_all_that_a_talkative_task_writes_to_standard_output(invoke: Invoke, tmp_path: Path) -> None:
    talks = (Path(__file__).parents[2] / "examples/mlp.py").read_text() + "\nprint('read')\n"
    (tmp_path / "talks.py").write_text(talks)
    result = invoke("check", str(tmp_path / "talks.py"), "--json")
    assert json.loads(result.stdout)["task"]
    assert "read" in result.stderr
