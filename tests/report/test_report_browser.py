"""The page of a run in a real browser: no error, no request, nothing wider than a phone; its switches work."""

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.browser import FLAGS, browser_here

from sample_evidence import make_evidence, make_whole_evidence, rendered

BROWSER = browser_here() or ""
OWN_FLAGS = (
    *FLAGS,
    "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
)
PHONE = 390
LOOK = """
const page = frame.contentDocument, view = frame.contentWindow;
const seen = (selector) => view.getComputedStyle(page.querySelector(selector));
const figure = page.querySelector('.can-grow svg'), box = page.querySelector('.can-grow');
const found = {
  wide: page.documentElement.scrollWidth,
  paper: seen('body').backgroundColor,
  narrow: seen('.narrow').display,
  shown: seen('svg .curve.baseline').display,
  small: page.querySelector('.can-grow .narrow svg').getBoundingClientRect().width,
  folded: page.querySelectorAll('details[open]').length,
};
page.querySelector('.show-baseline').click();
page.querySelector('.grow input').click();
found.hidden = seen('svg .curve.baseline').display;
found.plan = seen('svg .curve.plan').display;
found.large = page.querySelector('.can-grow .narrow svg').getBoundingClientRect().width;
found.still = page.documentElement.scrollWidth;
result.textContent = JSON.stringify(found);
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not BROWSER, reason="no chromium here")]


def opened(address: Path, *options: str) -> tuple[str, list[str], list[str]]:
    """Open a file; return the page after its scripts, what the console said, and what it asked of the network.

    The browser itself asks for things, too: those requests have no page that initiated them.
    """
    log = address.with_suffix(".netlog")
    command = [BROWSER, *OWN_FLAGS, *options, f"--user-data-dir={address.parent / 'profile'}", f"--log-net-log={log}"]
    done = subprocess.run(
        [*command, "--dump-dom", address.resolve().as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    asked = [
        str(found["url"])
        for event in json.loads(log.read_text())["events"]
        if re.match("https?:|wss?:", (found := event.get("params", {})).get("url", ""))
        and found.get("initiator", "not an origin") != "not an origin"
    ]
    return done.stdout, console, asked


def framed(folder: Path, page: str, *options: str) -> dict[str, Any]:
    """Open a page in a frame as wide as a phone, look at it and use its switches; return what was seen."""
    source = html.escape(page, quote=True)
    address = folder / "frame.html"
    address.write_text(
        f'<iframe id="frame" style="width:{PHONE}px;height:900px;border:0" srcdoc="{source}"></iframe>'
        f'<p id="result"></p><script>onload = () => {{ {LOOK} }};</script>'
    )
    dom, console, _ = opened(address, *options)
    assert console == []
    found = re.search(r'<p id="result">(.+?)</p>', dom)
    assert found is not None
    return json.loads(html.unescape(found[1]))


def test_the_page_has_no_error_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    for name, evidence in {
        "whole": make_whole_evidence(),
        "bare": make_evidence(plan_runs=(), baseline_runs=()),
    }.items():
        address = tmp_path / f"{name}.html"
        address.write_text(rendered(evidence))
        dom, console, asked = opened(address)
        assert "</main>" in dom
        assert console == []
        assert asked == []


def test_an_error_and_a_request_would_be_seen(tmp_path: Path) -> None:
    address = tmp_path / "broken.html"
    address.write_text('<p></main><img src="http://hasten.invalid/x.png"><script>console.error("lost")</script>')
    _, console, asked = opened(address)
    assert any("lost" in line for line in console)
    assert "http://hasten.invalid/x.png" in asked


def test_on_a_phone_nothing_is_wider_than_the_screen_and_the_switches_work(tmp_path: Path) -> None:
    seen = framed(tmp_path, rendered(make_whole_evidence()))
    assert seen["wide"] == seen["still"] == PHONE
    assert seen["narrow"] == "block"
    assert seen["shown"] != "none"
    assert seen["hidden"] == "none", "the legend hides a side"
    assert seen["plan"] != "none"
    assert seen["large"] > 2 * seen["small"], "a chart can be enlarged"
    assert seen["folded"] == 0, "what was refused, the inside of a step and the script are folded away"


def test_it_is_dark_where_the_reader_prefers_that(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    page = rendered(make_whole_evidence())
    light = framed(tmp_path / "a", page, "--blink-settings=preferredColorScheme=1")
    dark = framed(tmp_path / "b", page, "--blink-settings=preferredColorScheme=0")

    def brightness(seen: dict[str, Any]) -> float:
        return sum(map(float, re.findall(r"[\d.]+", seen["paper"])[:3])) / 3

    assert brightness(light) > 200
    assert brightness(dark) < 60
