"""Every chart is well-formed XML that holds its data."""

from xml.etree import ElementTree

import pytest

from hasten.report.charts.bars import Bar, Part, stacked_bars
from hasten.report.charts.curves import Axes, Bracket, Curve, curve_chart, thinned
from hasten.report.charts.intervals import Ratio, forest_plot
from hasten.report.charts.memory import PartBytes, memory_bars
from hasten.report.charts.roofline import LayerPoint, roofline_plot
from hasten.report.charts.scatter import Prediction, scatter
from hasten.report.charts.svg import drawing, element, text
from hasten.report.charts.waterfall import Fall, waterfall

from sample_evidence import interval

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title")
    return root


def words(root: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in root.iter(f"{SVG}text")]


def circles(root: ElementTree.Element, kind: str) -> list[float]:
    group = next(node for node in root.iter(f"{SVG}g") if kind in (node.get("class") or "").split())
    return [float(node.get("cx") or "nan") for node in group.iter(f"{SVG}circle")]


def test_what_a_person_wrote_cannot_break_out_of_a_drawing() -> None:
    hostile = '"><script>alert(1)</script>&'
    svg = drawing(text(hostile, x=1, y=2, class_=hostile), width=10, height=5, label=hostile)
    root = parse(svg)
    assert words(root) == [hostile]
    assert "<script" not in svg


def test_attributes_are_named_as_in_svg_and_left_out_where_none() -> None:
    assert element("rect", class_="a", text_anchor="end", x=1.23456, rx=None) == (
        '<rect class="a" text-anchor="end" x="1.23"/>'
    )


def test_bars_on_one_axis_have_their_parts_in_order_and_lengths_in_proportion() -> None:
    long = Bar(
        "baseline", [Part("input", 5.0, "5 ms, 50 %"), Part("forward", 3.0, "3 ms"), Part("backward", 2.0, "2 ms")]
    )
    short = Bar("plan", [Part("input", 0.0, "0 s"), Part("forward", 3.0, "3 ms"), Part("backward", 2.0, "2 ms")])
    root = parse(stacked_bars([long, short], width=1001.0, axis="ms", label="parts"))
    boxes = list(root.iter(f"{SVG}rect"))
    assert [float(box.get("x") or "nan") for box in boxes] == [0.0, 500.0, 800.0, 0.0, 0.0, 300.0]
    assert [box.get("class") for box in boxes[:3]] == ["part part-input", "part part-forward", "part part-backward"]
    assert float(boxes[0].get("width") or "nan") == pytest.approx(500, abs=2)
    assert float(boxes[1].get("width") or "nan") == pytest.approx(float(boxes[4].get("width") or "nan"))
    titles = [node.findtext(f"{SVG}title") for node in root.iter(f"{SVG}g")]
    assert "input: 5 ms, 50 %" in titles
    assert {"baseline", "plan", "ms", "50 %", "0", "10"} <= set(words(root))


def test_a_part_too_short_for_its_name_has_only_its_title() -> None:
    bar = Bar("baseline", [Part("input", 99.0, "a"), Part("gradient", 1.0, "b")])
    root = parse(stacked_bars([bar], width=300.0, axis="ms", label="parts"))
    assert "input" in words(root)
    assert "gradient" not in words(root)
    assert any("gradient" in (node.text or "") for node in root.iter(f"{SVG}title"))


@pytest.mark.parametrize("width", [800.0, 340.0])
def test_a_waterfall_goes_on_where_the_bar_before_ended(width: float) -> None:
    rows = [
        Fall("gather", "kept", 1.0, 2.0, interval(2.0), "w"),
        Fall("left over", "left-over", 2.0, 1.5, interval(0.75), "w"),
        Fall("whole plan", "plan", 1.0, 1.5, interval(1.5), "w"),
    ]
    root = parse(waterfall(rows, width=width, label="from baseline to plan", axis="speed"))
    boxes = [(float(box.get("x") or "nan"), float(box.get("width") or "nan")) for box in root.iter(f"{SVG}rect")]
    one = next(float(node.get("x1") or "nan") for node in root.iter(f"{SVG}line") if node.get("class") == "one")
    assert boxes[0][0] == pytest.approx(one, abs=0.02)
    assert boxes[1][0] + boxes[1][1] == pytest.approx(boxes[0][0] + boxes[0][1], abs=0.02), "it goes back from there"
    assert boxes[2] == pytest.approx((one, boxes[1][0] - one), abs=0.02), "the whole ends where the rest ended"
    assert sum(node.get("class") == "joined" for node in root.iter(f"{SVG}line")) == 1
    assert ("2.00 [1.90, 2.10]" in words(root)) is (width > 600)


def test_a_prediction_that_came_true_lies_on_the_diagonal() -> None:
    dots = [
        Prediction(interval(1.5), interval(1.5), "kept", "as expected"),
        Prediction(interval(3.0), interval(1.2), "plan", "less than expected"),
    ]
    root = parse(scatter(dots, width=400.0, height=300.0, label="l", x_name="expected", y_name="measured"))
    one = next(node for node in root.iter(f"{SVG}line") if node.get("class") == "one")
    x1, y1, x2, y2 = (float(one.get(name) or "nan") for name in ("x1", "y1", "x2", "y2"))

    def height_over_diagonal(kind: str) -> float:
        group = next(node for node in root.iter(f"{SVG}g") if node.get("class") == f"is-{kind}")
        dot = next(group.iter(f"{SVG}circle"))
        x, y = float(dot.get("cx") or "nan"), float(dot.get("cy") or "nan")
        return y1 + (x - x1) * (y2 - y1) / (x2 - x1) - y

    assert height_over_diagonal("kept") == pytest.approx(0, abs=0.1)
    assert height_over_diagonal("plan") < -10, "below the diagonal"


@pytest.mark.parametrize(("level", "below"), [(0.85, True), (0.05, False)])
def test_the_saved_time_is_a_bracket_on_the_level(level: float, below: bool) -> None:
    curves = [Curve([(0.5, 0.0), (1.0, 0.8), (4.0, 1.0)], "plan", "plan, seed 0", lambda point: f"{point[1]:g} there")]
    axes = Axes(x_name="s", y_name="a", level=level, level_words="target", bracket=Bracket(1.0, 3.0, "2 s saved"))
    root = parse(curve_chart(curves, axes, width=400.0, height=200.0))
    across, *_ = [node for node in root.iter(f"{SVG}line") if node.get("class") == "bracket"]
    start, end = float(across.get("x1") or "nan"), float(across.get("x2") or "nan")
    (_, x1, x3) = [float(node.get("cx") or "nan") for node in root.iter(f"{SVG}circle") if node.get("r") == "7"]
    assert start == pytest.approx(x1, abs=0.02)
    assert end < x3
    told = next(node for node in root.iter(f"{SVG}text") if node.text == "2 s saved")
    assert (float(told.get("y") or "nan") > float(across.get("y1") or "nan")) is below
    assert "0.8 there" in [node.text for node in root.iter(f"{SVG}title")]


def test_a_forest_plot_puts_faster_to_the_right_of_one_and_slower_to_its_left() -> None:
    rows = [Ratio("gather", interval(2.0), "kept", "w"), Ratio("onednn", interval(0.5), "slower", "w")]
    root = parse(forest_plot(rows, width=800.0, same=0.02, label="speed-ups", axis="speed-up"))
    one = next(float(node.get("x1") or "nan") for node in root.iter(f"{SVG}line") if node.get("class") == "one")
    (faster,), (slower,) = circles(root, "is-kept"), circles(root, "is-slower")
    assert slower < one < faster
    assert faster - one == pytest.approx(one - slower, abs=0.1), "twice and half as fast lie equally far away"
    assert "2.00 [1.90, 2.10]" in words(root)
    assert {"gather", "onednn", "speed-up"} <= set(words(root))


def test_a_narrow_forest_plot_leaves_the_numbers_out_and_stays_inside() -> None:
    root = parse(
        forest_plot([Ratio("gather", interval(2.0), "kept", "w")], width=320.0, same=0.02, label="l", axis="a")
    )
    assert not any("[" in word for word in words(root))
    assert all(0 <= x <= 320 for x in circles(root, "is-kept"))


def test_the_band_of_no_difference_is_as_wide_as_the_noise() -> None:
    def band(same: float) -> float:
        root = parse(forest_plot([Ratio("a", interval(2.0), "kept", "w")], width=800.0, same=same, label="l", axis="a"))
        return next(float(n.get("width") or "nan") for n in root.iter(f"{SVG}rect") if n.get("class") == "band")

    assert band(0.10) == pytest.approx(2 * band(0.048), rel=0.05)


def test_curves_have_every_point_their_side_and_the_level() -> None:
    curves = [
        Curve([(1.0, 0.5), (2.0, 0.8), (4.0, 0.9)], "baseline", "baseline, seed 0"),
        Curve([(0.5, 0.5), (1.0, 0.8), (2.0, 0.9)], "plan", "plan, seed 0"),
    ]
    axes = Axes(x_name="time (s)", y_name="accuracy", level=0.85, level_words="target")
    root = parse(curve_chart(curves, axes, width=400.0, height=200.0))
    lines = [(node.get("points") or "").split() for node in root.iter(f"{SVG}polyline")]
    assert [len(points) for points in lines] == [3, 3]
    (baseline_end,), (plan_end,) = circles(root, "baseline"), circles(root, "plan")
    assert plan_end < baseline_end, "the plan ended earlier"
    assert {"time (s)", "accuracy", "target"} <= set(words(root))
    assert any(node.get("class") == "level" for node in root.iter(f"{SVG}line"))


def test_better_is_higher_on_the_page_and_decades_are_drawn_logarithmically() -> None:
    curve = Curve([(1.0, 1.0), (2.0, 0.1), (3.0, 0.01)], "plan", "w")
    root = parse(curve_chart([curve], Axes(x_name="steps", y_name="loss"), width=400.0, height=200.0))
    points = next(node.get("points") or "" for node in root.iter(f"{SVG}polyline")).split()
    y = [float(point.split(",")[1]) for point in points]
    assert y[0] < y[1] < y[2]
    assert y[1] - y[0] == pytest.approx(y[2] - y[1], abs=0.2), "a factor of ten is as far everywhere"


@pytest.mark.parametrize("many", [0, 1, 5, 240, 241, 1000, 12_345])
def test_thinning_keeps_the_first_the_last_and_few(many: int) -> None:
    points = [(float(index), 0.0) for index in range(many)]
    kept = thinned(points)
    assert len(kept) <= 241
    assert kept[:1] == points[:1]
    assert kept[-1:] == points[-1:]
    assert kept == sorted(set(kept))


def test_layers_lie_under_the_roof_and_dear_ones_are_named() -> None:
    points = [
        LayerPoint("cheap", 1.0, 1e9, 0.05, "cheap: 1 GFLOP/s"),
        LayerPoint("dear", 50.0, 1e11, 0.75, "dear: 100 GFLOP/s"),
        LayerPoint("near", 51.0, 1e11, 0.2, "its name would stand on the other"),
    ]
    root = parse(roofline_plot(points, peak_flops=2e11, peak_bandwidth=2e10, width=400.0, height=250.0))
    assert "dear" in words(root)
    assert not {"cheap", "near"} & set(words(root))
    assert words(root)[-2:] == ["FLOP/s", "FLOP per byte"]
    assert "200 GFLOP/s" in words(root)
    roof = next(node for node in root.iter(f"{SVG}polyline") if node.get("class") == "roof")
    (_, low), (ridge, flat), (_, end) = (
        [float(x) for x in pair.split(",")] for pair in (roof.get("points") or "").split()
    )
    assert low > flat == end  # rises to the ridge, and is level from there
    places = {node.findtext(f"{SVG}title"): node.find(f"{SVG}circle") for node in root.iter(f"{SVG}g")}
    cheap, dear = places["cheap: 1 GFLOP/s"], places["dear: 100 GFLOP/s"]
    assert cheap is not None
    assert dear is not None
    assert float(cheap.get("cx") or "nan") < ridge < float(dear.get("cx") or "nan")
    assert float(cheap.get("cy") or "nan") > float(dear.get("cy") or "nan") > flat
    assert float(cheap.get("r") or "nan") < float(dear.get("r") or "nan")


@pytest.mark.parametrize("width", [420.0, 170.0])
def test_memory_bars_are_as_high_as_the_peaks(width: float) -> None:
    parts = [PartBytes("forward", 3 << 20, 2 << 20), PartBytes("backward", 4 << 20, 1 << 20)]
    root = parse(memory_bars(parts, resident_bytes=1 << 20, width=width, height=250.0))
    heights = [float(box.get("height") or "nan") for box in root.iter(f"{SVG}rect")]
    assert heights[0] / heights[1] == pytest.approx(3 / 4, abs=0.001)
    titles = [node.findtext(f"{SVG}title") for node in root.iter(f"{SVG}g")]
    assert titles == [
        "forward: at most 3.00 MiB, 2.00 MiB at its end",
        "backward: at most 4.00 MiB, 1.00 MiB at its end",
    ]
    lines = {node.get("class"): float(node.get("y1") or "nan") for node in root.iter(f"{SVG}line")}
    assert lines["level"] == lines["end-of-part"]  # the last part leaves what is there all the time
    assert {"forward", "backward", "memory in use", "2.00 MiB"} <= set(words(root))
    tops = [float(node.get("y") or "nan") for node in root.iter(f"{SVG}text") if node.text in ("forward", "backward")]
    assert (tops[0] == tops[1]) is (width > 300)  # names that would touch stand on two lines
