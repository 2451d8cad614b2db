import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from hasten.base.errors import BadInput
from hasten.base.records.evidence import Evidence
from hasten.base.records.plan import Plan
from hasten.base.records.record import load, save
from hasten.base.records.trial import Verdict
from hasten.report.files import write_report
from hasten.report.findings import gain, remedy

from sample_evidence import CHOSEN, make_deep_profile, make_evidence, make_run, make_whole_evidence, rendered

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_the_report_needs_nothing_but_itself() -> None:
    html = rendered(make_evidence())
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not {"src", "href", "srcset", "action"} & {name for _, name, _ in page.attributes}
    assert "url(" not in html
    assert "@import" not in html
    links = set(re.findall(r"https?://[^\s\"'<]+", html))
    assert links <= {"http://www.w3.org/2000/svg"}, "the name of a namespace is not fetched"


def test_the_verdict_comes_first_and_the_sections_follow_in_order() -> None:
    _, text = Page(rendered(make_whole_evidence())).text.split("hasten ·", 1)  # the browser's title stands before it
    order = (
        "2.30x faster [2.10, 2.50] to accuracy 97 %, n = 3 seeds.",
        "time to accuracy 97 %",
        "peak memory of a step",
        "best accuracy",
        "Kept 2 of 5 techniques tried",
        "Time to quality",
        "What each technique adds",
        "What was tried",
        "1 not applicable",
        "Where a step goes",
        "Findings",
        "Expected and measured",
        "# A hasten plan",
        "The same training as plain PyTorch",
        "Where the numbers come from",
    )
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_the_report_holds_the_numbers_of_the_evidence() -> None:
    text = Page(rendered(make_evidence())).text
    for words in (
        "41 % of the time goes into fetching batches",
        "1.62x [1.54, 1.70], n = 24 pairs",
        "the model has no 2-dimensional convolution",
        "check of rounding passed: 1.1, limit 3",
        "720 GFLOP/s",
        "[batched_gather] # 1.60x as fast with it",
        "torch 2.13.0+cpu",
        "hasten 0.1.0",
        "24.6 s",
        "n = 30 blocks, 812 steps",
        "seeds 0, 4711, 1303;",
    ):
        assert words in text
    assert "unstable" in text


def test_every_technique_that_was_tried_is_there_with_its_verdict() -> None:
    evidence = make_evidence()
    text = Page(rendered(evidence)).text
    for trial in evidence.tuning.trials:
        if trial.verdict is Verdict.NOT_ALLOWED:
            assert re.search(rf"Not tried without --allow {trial.guarantee}:[^.]*{trial.technique}", text)
            continue
        if trial.verdict is Verdict.NOT_APPLICABLE:
            assert re.search(rf"not applicable.*{trial.technique} {trial.reason}", text)
            continue
        assert re.search(rf"{trial.technique}.{{0,60}}{trial.verdict.value}", text)


@pytest.mark.parametrize(
    "changes",
    [
        {"speedup": None, "plan_runs": (), "baseline_runs": ()},
        {"plan": Plan(task="digits"), "speedup": None},
        {"plan_runs": (make_run(0, CHOSEN, pace=1, reaches=False),), "speedup": None},
        {"remarks": ("the machine was busy",)},
    ],
)
def test_every_kind_of_outcome_makes_a_whole_page(changes: dict[str, object]) -> None:
    page = Page(rendered(make_evidence(**changes)))
    assert page.tags.count("h1") == 1
    for remark in changes.get("remarks", ()):  # type: ignore[attr-defined]
        assert remark in page.text


def test_a_tuning_without_trials_and_runs_without_evaluations_still_make_a_page() -> None:
    evidence = make_evidence()
    tuning = msgspec.structs.replace(evidence.tuning, trials=(), speedup=None, noise=None, plan=Plan(task="digits"))
    bare = tuple(msgspec.structs.replace(run, evaluations=()) for run in evidence.plan_runs)
    page = Page(rendered(msgspec.structs.replace(evidence, tuning=tuning, plan_runs=bare, baseline_runs=bare)))
    assert "None was measured." in page.text
    assert "more curves" not in page.text


def test_values_that_are_not_finite_leave_a_gap_and_no_error() -> None:
    evidence = make_evidence()
    first = evidence.plan_runs[0]
    lost = tuple(msgspec.structs.replace(seen, valid_loss=None, metric=None) for seen in first.evaluations)
    broken = msgspec.structs.replace(first, evaluations=lost, best_metric=None, final_metric=None)
    html = rendered(msgspec.structs.replace(evidence, plan_runs=(broken,)))
    assert not re.search(r"\b(nan|inf|None)\b", re.sub(r"<style>.*</style>", "", html, flags=re.S))


def test_what_the_rules_found_stands_beside_what_to_do_about_it() -> None:
    evidence = make_evidence()
    assert "Findings" not in Page(rendered(evidence)).text
    found = make_deep_profile()
    assert found.diagnosis is not None
    text = Page(rendered(msgspec.structs.replace(evidence, profile=found))).text
    for one in found.diagnosis.findings:
        assert f"{one.sentence} {gain(one).strip()}{remedy(one)} Tried: batched_gather kept" in text


def test_what_a_person_wrote_is_text_and_not_markup() -> None:
    evidence = make_evidence()
    profile = msgspec.structs.replace(evidence.profile, verdict="<script>alert(1)</script>")
    html = rendered(msgspec.structs.replace(evidence, profile=profile, plan_text="</pre><b>"))
    assert "<script" not in html
    assert "&lt;/pre&gt;&lt;b&gt;" in html


def test_light_and_dark_and_narrow_are_all_provided_for() -> None:
    html = rendered(make_evidence())
    assert "prefers-color-scheme: dark" in html
    assert "max-width: 620px" in html
    assert 'name="viewport"' in html
    assert html.count('class="narrow"') == html.count('class="wide"') == 9


def test_the_report_is_made_again_from_the_saved_evidence_alone(tmp_path: Path) -> None:
    evidence = make_whole_evidence()
    save(evidence, tmp_path / "evidence.json")
    again = load(Evidence, tmp_path / "evidence.json")
    assert again == evidence
    write_report(again, tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == rendered(evidence)


def test_what_was_refused_is_folded_and_what_was_tried_is_not() -> None:
    html = rendered(make_evidence())
    folded = "".join(re.findall(r"<details.*?</details>", html, flags=re.S))
    assert "the model has no 2-dimensional convolution" in folded
    assert "batched_gather" not in re.sub(r"<svg.*?</svg>", "", folded, flags=re.S)
    assert "open" not in {name for tag, name, _ in Page(html).attributes if tag == "details"}


def test_the_saved_time_is_bracketed_and_every_point_tells_its_value() -> None:
    html = rendered(make_whole_evidence())
    assert html.count('class="bracket"') == 2 * 3, "a line and two ends, wide and narrow"
    assert "136 ms saved" in html
    assert "plan, seed 4711: accuracy" not in html
    assert re.search(r"plan, seed 4711: 97\.\d % after [\d.]+ ms, step \d+", html)


def test_evidence_of_hasten_0_1_is_read(tmp_path: Path) -> None:
    save(make_evidence(), tmp_path / "evidence.json")
    text = (tmp_path / "evidence.json").read_text()
    old = text.replace('"trajectory"', '"path"').replace('"slower"', '"hurts"').replace('"not applicable"', '"refused"')
    assert old != text
    (tmp_path / "old.json").write_text(old)
    assert load(Evidence, tmp_path / "old.json") == make_evidence()


def test_evidence_from_before_the_three_numbers_still_makes_a_report(tmp_path: Path) -> None:
    save(make_whole_evidence(), tmp_path / "evidence.json")
    plain = json.loads((tmp_path / "evidence.json").read_text())
    for name in ("memory", "quality", "in_turn", "history", "script", "command"):
        del plain[name]
    (tmp_path / "old.json").write_text(json.dumps(plain))
    text = Page(rendered(load(Evidence, tmp_path / "old.json"))).text
    assert "2.30x faster" in text
    assert "not measured" in text
    assert "Expected and measured" not in text


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write"):
        write_report(make_evidence(), tmp_path / "file")


def test_the_room_imports_no_torch() -> None:
    code = (
        "import sys, hasten.report.files, hasten.report.terminal, hasten.base.records.evidence; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_inside_of_a_step_is_drawn_where_it_was_measured() -> None:
    shallow = make_evidence()
    assert "under the limits of the machine" not in rendered(shallow)
    assert 'class="layers"' not in rendered(shallow)
    html = rendered(msgspec.structs.replace(shallow, profile=make_deep_profile()))
    page = Page(html)
    assert "speed of each layer over its operations per byte, under the limits of the machine" in page.words
    assert "memory in use over the parts of a step" in page.words
    assert "forward: at most 5.00 MiB, 5.00 MiB at its end" in page.words
    assert {"layers.0 Linear", "786 k", "1.57 M", "25 %"} <= {word.strip() for word in page.words}
