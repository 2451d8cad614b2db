"""The page of a diagnosis shows findings, proof and charts, escaped, and needs nothing else."""

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hasten.base.errors import BadInput
from hasten.base.records.dynamics import (
    ActivationTrack,
    Criterion,
    Dynamics,
    Evaluation,
    Nonfinite,
    ParameterTrack,
    Series,
)
from hasten.base.records.finding import Abstained, Diagnosis, Finding, Severity
from hasten.base.records.fix import Fix, Outcome, Tried
from hasten.base.records.health import Health
from hasten.base.records.record import Interval
from hasten.diagnosis.dynamics.noise_scale import noise_scales
from hasten.report.charts.dumbbells import Pair, first_and_last
from hasten.report.charts.heatmap import HeatRow, heat_map, shortened
from hasten.report.health_figures import depth_figures, norms
from hasten.report.health_findings import SECTION_OF
from hasten.report.health_page import render_health, write_health_page

EVIL = "<script>alert(1)</script>"
SAMPLES = tuple(range(1, 41))


def track(name: str, *, gradient: float | Series = 1e-2, at: int = 0, **changes: Any) -> ParameterTrack:
    values: dict[str, Any] = {
        "kind": "Linear",
        "shape": (4, 9),
        "optimizer": 0,
        "depth": at,
        "start": 0.1,
        "gradient": gradient if isinstance(gradient, tuple) else (gradient,) * len(SAMPLES),
        "weight": tuple(0.1 for _ in SAMPLES),
        "update": tuple(1e-4 for _ in SAMPLES),
    }
    return ParameterTrack(name=name, **{**values, **changes})


def dynamics(**changes: Any) -> Dynamics:
    values: dict[str, Any] = {
        "losses": tuple(2.0 - 0.01 * step for step in range(80)),
        "samples": SAMPLES,
        "rates": tuple(1e-3 for _ in SAMPLES),
        "norms": tuple(0.5 for _ in SAMPLES),
        "gradient_cosines": tuple(0.25 for _ in SAMPLES),
        "update_cosines": tuple(0.9 for _ in SAMPLES),
        "parameters": tuple(track(f"net.{at}.weight", gradient=10.0 ** -(9 - at), at=at) for at in range(6)),
        "activations": (
            ActivationTrack(
                name="net.3.weight",
                kind="relu",
                depth=3,
                hidden=True,
                units=4,
                rows=256,
                number_format="float32",
                dead=(0.0, 0.4),
            ),
        ),
        "criterion": Criterion(name="NllLossBackward0", reduction="mean", chance=2.3, rows=100),
        "evaluations": (Evaluation(step=40, loss=1.7, batches=2), Evaluation(step=80, loss=1.3, batches=2)),
        "optimizers": ("Adam",),
        "batch_rows": 32,
    }
    return Dynamics(**{**values, **changes})


def health(**changes: Any) -> Health:
    return Health(
        **{"name": "net", "steps": 80, "command": "hasten diagnose train.py", "dynamics": dynamics(), **changes}
    )


def finding(symptom: str = "vanishing_gradient", **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "severity": Severity.CRITICAL,
        "sentence": "The first layers get 4e-07 of the gradient that the last layers get.",
        "value": 4e-7,
        "threshold": 2e-3,
        "bound": None,
        "where": "net.0.weight",
        "advice": "nn.ReLU() in place of sigmoid",
        "check": "hasten diagnose train.py",
        "id": "D5",
        "folded": ("After 80 steps the loss is 2.3; a constant output reaches 2.3.",),
    }
    return Finding(symptom=symptom, **{**values, **changes})


def diagnosis(*findings: Finding, **changes: Any) -> Diagnosis:
    return Diagnosis(
        verdict=findings[0].sentence if findings else "No problem found in 80 steps.",
        findings=findings,
        abstained=(Abstained(symptom="overfit", reason="fewer than four evaluations"),),
        silent=("double_softmax",),
        **changes,
    )


CURE = Tried(
    symptom="vanishing_gradient",
    remedy="unbounded",
    what="nn.LeakyReLU in place of sigmoid and tanh",
    outcome=Outcome.CURES,
    line="nn.LeakyReLU(0.01)",
    plain=(2.3,) * 5,
    treated=(1.6,) * 5,
    ratio=Interval(value=0.7, low=0.64, high=0.77, n=5),
    p=0.03125,
)


class Page(HTMLParser):
    """Collects text and attributes and fails where tags are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        words: list[str] = []
        self.words = words
        self.feed(html)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def test_a_finding_is_told_in_five_parts_with_its_proof() -> None:
    fix = Fix(tried=(CURE,), judged_by="loss in evaluation", steps=80, pairs=5)
    page = Page(render_health(health(), diagnosis(finding(), fix=fix)))
    order = (
        "The first layers get 4e-07 of the gradient",
        "D5 vanishing_gradient",
        "hardly any gradient reaches the first layers",
        "expected at least 0.00200 (found: 4.00e-07)",
        "found The first layers get",
        "why The first layers stay as they were initialized",
        "what to do nn.ReLU() in place of sigmoid",
        "proven by nn.LeakyReLU in place of sigmoid and tanh: better in 5 of 5 pairs (p = 0.031), 0.7 [0.64, 0.77]",
        "leads to After 80 steps the loss is 2.3",
        "write nn.LeakyReLU(0.01)",
        "wrong when the first layers are finished",
        "Vital signs",
        "Gradients over the depth",
        "Updates",
        "Direction and noise",
        "1 passed",
        "1 skipped: their signal is missing",
        "fewer than four evaluations",
    )
    places = [page.text.index(words) for words in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("fix", "reason"),
    [
        (None, "remedies are tried on request: hasten diagnose --fix train.py"),
        (Fix(not_tried=("vanishing_gradient",)), "only a change of the code can treat it"),
        (Fix(tried=(msgspec.structs.replace(CURE, symptom="other"),)), "the first findings are treated first"),
    ],
)
def test_a_finding_without_proof_says_why(fix: Fix | None, reason: str) -> None:
    text = Page(render_health(health(), diagnosis(finding(), fix=fix))).text
    assert f"not tried {reason}" in text
    assert "proven by" not in text


def test_a_remedy_that_failed_is_told() -> None:
    failed = Tried(
        symptom="vanishing_gradient",
        remedy="initialized",
        what="layers initialized as torch does",
        outcome=Outcome.NO_HELP,
        plain=(2.3,),
        treated=(2.4,),
    )
    text = Page(render_health(health(), diagnosis(finding(), fix=Fix(tried=(failed,), pairs=5)))).text
    assert (
        "tried no help: layers initialized as torch does: not better in pair 1, loss 2.4000 with it, 2.3000 without"
        in text
    )


def test_a_cure_is_the_proof_also_where_another_remedy_helped_before_it() -> None:
    helped = msgspec.structs.replace(CURE, what="fewer layers", outcome=Outcome.HELPS)
    text = Page(render_health(health(), diagnosis(finding(), fix=Fix(tried=(helped, CURE), pairs=5)))).text
    assert "proven by nn.LeakyReLU in place of sigmoid and tanh" in text
    assert "tried helps: fewer layers" in text


def test_the_page_needs_nothing_but_itself_and_its_links_lead_somewhere() -> None:
    html = render_health(health(), diagnosis(finding()))
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.names)
    assert "url(" not in html
    assert "@import" not in html
    assert set(re.findall(r"https?://[^\s\"'<]+", html)) <= {"http://www.w3.org/2000/svg"}
    assert page.links == ["#depth"]
    assert {"depth", "finding-vanishing_gradient", *SECTION_OF.values()} <= set(page.ids)


def test_every_symptom_with_a_chart_is_one_that_rules_find() -> None:
    from hasten.diagnosis.registry import IDENTIFIERS

    assert set(SECTION_OF) <= set(IDENTIFIERS)


def test_names_are_escaped() -> None:
    evil = dynamics(parameters=(track(EVIL), track("b", at=1)))
    found = finding(EVIL, sentence=EVIL, where=EVIL, advice=EVIL, folded=(EVIL,), check=EVIL)
    html = render_health(
        health(name=EVIL, command=EVIL, dynamics=evil, failed={EVIL: EVIL}),
        diagnosis(found, fix=Fix(not_tried=(EVIL,))),
        made_at=EVIL,
    )
    assert "<script" not in html
    Page(html)


def test_a_large_model_fits_in_300_kilobytes() -> None:
    samples = tuple(range(1, 161))

    def series(place: int) -> Series:
        return tuple(10 ** (4 * math.sin(place * step)) for step in samples)

    tracks = tuple(
        track(
            f"model.layers.{at}.self_attention.projection.weight",
            at=at,
            gradient=series(at),
            weight=series(at + 1),
            update=series(at + 2),
        )
        for at in range(130)
    )
    cosines = tuple(math.cos(step) for step in samples)
    seen = dynamics(
        samples=samples,
        losses=tuple(2 + math.sin(step) for step in range(100_000)),
        norms=series(1),
        gradient_cosines=cosines,
        update_cosines=cosines,
        parameters=tracks,
    )
    findings = [finding("vanishing_gradient"), finding("update_too_large"), finding("dead_units")]
    html = render_health(health(dynamics=seen), diagnosis(*findings))
    assert len(html.encode()) < 300_000
    assert "30 more are not shown" in html


@pytest.mark.parametrize(
    "seen",
    [
        None,
        Dynamics(),
        dynamics(parameters=(), activations=(), samples=(), gradient_cosines=(), update_cosines=(), norms=(), rates=()),
        dynamics(losses=(None,) * 80, nonfinite=Nonfinite(step=1, what="loss"), criterion=None, evaluations=()),
        dynamics(parameters=(track("a", gradient=0.0),)),
        dynamics(parameters=(track("a", gradient=(), update=(), weight=(), shape=()),)),
        dynamics(batch_rows=None, gradient_cosines=(None,) * 40),
    ],
    ids=["none", "nothing", "no samples", "never finite", "zero gradients", "no gradients", "no directions"],
)
def test_what_was_not_seen_is_left_out(seen: Dynamics | None) -> None:
    text = Page(render_health(health(dynamics=seen), diagnosis())).text
    assert "No problem found in 80 steps." in text
    assert not re.search(r"\b(nan|None)\b", text)


def test_a_step_that_is_not_finite_is_marked() -> None:
    seen = dynamics(losses=(*dynamics().losses[:40], *(None,) * 40), nonfinite=Nonfinite(step=41, what="loss"))
    text = Page(render_health(health(dynamics=seen), diagnosis())).text
    assert "loss not finite" in text
    assert "40 steps without a finite loss" in text


def test_losses_that_were_not_read_are_told_apart() -> None:
    losses = (*dynamics().losses[:40], *(None,) * 40)
    text = Page(render_health(health(dynamics=dynamics(losses=losses, thinned=((41, 40),))), diagnosis())).text
    assert "1 step without a finite loss; read in 41 of 80 steps" in text


def test_a_rule_of_another_package_has_no_page() -> None:
    text = Page(render_health(health(), diagnosis(finding("of_mine", id="", source="a paper")))).text
    assert "of_mine" in text
    assert "Threshold: a paper" in text


def test_a_file_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="cannot write"):
        write_health_page(health(), diagnosis(), tmp_path / "file" / "page.html")


def test_the_heat_map_shows_the_norm_of_each_layer_on_a_common_scale() -> None:
    assert norms(track("a", gradient=0.5)) == (3.0,) * 40
    wide = depth_figures(dynamics())[0].wide
    painted = dict(reversed(one) for one in re.findall(r'<path d="M[\d.]+ ([\d.]+)[^"]*" class="(heat-\d)"', wide))
    assert painted["heat-0"] == "30.0"  # the first layer
    assert painted["heat-9"] == "130.0"  # the last
    assert "net.0.weight: gradient norm 6.00e-09 in the first sample" in wide


def test_neighbors_of_one_color_are_one_shape_and_gaps_stay_blank() -> None:
    row = HeatRow("a", (1e-3, 1e-3, None, 0.0, 1.0), "")
    chart = heat_map([row], ["1", "2", "3", "4", "5"], width=200, names=50, most=10, label="x")
    shapes = dict(reversed(one) for one in re.findall(r'<path d="([^"]+)" class="([^"]+)"', chart))
    assert shapes["heat-0"] == "M50.0 30.0h60.0v19.0h-60.0z"
    assert shapes["heat-zero"].startswith("M140.0")
    assert shapes["heat-9"].startswith("M170.0")
    assert len(shapes) == 3


def test_small_differences_have_nearly_the_same_color() -> None:
    rows = [HeatRow("a", (1.0,), ""), HeatRow("b", (1.2,), "")]
    chart = heat_map(rows, ["1"], width=200, names=50, most=10, label="x")
    levels = [int(one) for one in re.findall(r'<path [^>]*class="heat-(\d)"', chart)]
    assert max(levels) - min(levels) <= 1


@pytest.mark.parametrize(
    ("name", "room", "short"),
    [
        ("net.0.weight", 100, "net.0.weight"),
        ("net.0.weight", 60, "net.0"),
        ("b.layers.7.self_attn.in_proj_weight", 110, "7…in_proj"),
        ("an.endless.name.without.numbers", 60, "…numbers"),
        ("block.12.a_name_without_an_end", 70, "12…_an_end"),
    ],
)
def test_a_short_name_keeps_the_number_of_the_layer_and_its_end(name: str, room: float, short: str) -> None:
    assert shortened(name, room) == short


def test_a_layer_without_gradient_at_the_end_has_a_ring_only() -> None:
    chart = first_and_last([Pair("a", 1.0, 0.0, "")], width=200, names=0, label="x")
    assert 'class="ring"' in chart
    assert 'class="dot"' not in chart


def test_the_noise_scale_is_that_of_the_mean_cosine() -> None:
    assert noise_scales(dynamics())[20] == pytest.approx(96.0)  # 32 * (1 / 0.25 - 1)
    assert noise_scales(dynamics(passes=2))[20] == pytest.approx(192.0)
    assert noise_scales(dynamics(gradient_cosines=(0.0,) * 40)) == (None,) * 40
    assert noise_scales(dynamics(batch_rows=None)) == (None,) * 40
