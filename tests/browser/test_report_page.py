"""The report in a real browser: nothing loaded, nothing wider than the window, dark where it should be, nothing run."""

from __future__ import annotations

import html as escaping
import json
import re
from pathlib import Path
from typing import Any

import chromium
import pytest
from tests.report.pages import page as rendered

pytestmark = pytest.mark.browser

DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"
PROBE = """<script>
const ground = () => getComputedStyle(document.body).backgroundColor;
const ink = () => getComputedStyle(document.body).color;
const seen = {
  window: innerWidth, width: document.scrollingElement.scrollWidth, resources: performance.getEntriesByType("resource").length,
  before: [ground(), ink()], smallest: Math.min(...[...document.querySelectorAll(".chart svg")]
    .filter((svg) => svg.getBoundingClientRect().width > 0)
    .flatMap((svg) => [...svg.querySelectorAll("text")].map((text) =>
      parseFloat(text.getAttribute("font-size") || getComputedStyle(text).fontSize)
        * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))),
  charts: [...document.querySelectorAll(".chart")].map((box) =>
    [...box.querySelectorAll("svg")].filter((svg) => svg.getBoundingClientRect().width > 0).length),
};
document.getElementById("theme").click();
seen.after = [ground(), ink()];
seen.stroke = getComputedStyle(document.querySelector(".chart svg path[stroke^=var]")).stroke;
const out = document.createElement("pre"); out.id = "seen"; out.textContent = JSON.stringify(seen); document.body.append(out);
parent.postMessage(out.textContent, "*");
</script></body>"""
# Chromium opens no window narrower than 500 px; a frame may be, and the page's media queries follow it.
PHONE = """<!DOCTYPE html><iframe src="report.html" style="width:360px;height:800px;border:0"></iframe><script>
addEventListener("message", (event) => {
  const out = document.createElement("pre"); out.id = "seen"; out.textContent = event.data; document.body.append(out);
});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's page, with a script in it that writes down what the browser made of it."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    without_policy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", rendered("sample_report"))
    path.write_text(without_policy.replace("</body>", PROBE), encoding="utf-8")
    return path


def seen(page: Path, *flags: str, width: int) -> dict[str, Any]:
    done = chromium.run(page, "--dump-dom", *flags, width=width)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(escaping.unescape(found[1]))


def test_on_a_phone_nothing_is_wider_than_the_window_and_no_text_is_tiny(page: Path) -> None:
    """At 360 px tables scroll inside their box; charts are drawn for that width, not shrunk to it."""
    frame = page.with_name("phone.html")
    frame.write_text(PHONE)

    got = seen(frame, LIGHT, "--virtual-time-budget=2000", width=1280)

    assert got["window"] == 360
    assert got["width"] <= 360
    assert got["smallest"] >= 10
    assert set(got["charts"]) == {1}


def test_on_a_desk_nothing_is_loaded_and_the_switch_makes_it_dark(page: Path) -> None:
    got = seen(page, LIGHT, width=1280)

    assert got["resources"] == 0
    assert got["width"] <= 1280
    assert got["smallest"] >= 10
    assert brightness(got["before"][0]) > 240 > 60 > brightness(got["before"][1])
    assert brightness(got["after"][0]) < 60 < 200 < brightness(got["after"][1])


def test_a_reader_who_prefers_dark_gets_dark_charts_too(page: Path) -> None:
    got = seen(page, DARK, width=1280)

    assert brightness(got["before"][0]) < 60
    assert got["after"][0] == "rgb(255, 255, 255)"  # the switch goes the other way
    assert got["stroke"].startswith("rgb")


@pytest.mark.parametrize("name", ["hostile_report", "load_report"])
def test_the_page_as_it_is_says_nothing_on_the_console_and_runs_only_its_own_script(name: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(rendered(name), encoding="utf-8")

    done = chromium.run(path, "--dump-dom", "--enable-logging=stderr", "--v=0")

    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<script") == 1
    assert "<img" not in done.stdout
    assert ' id="theme">' in done.stdout  # our script did run: it shows the switch


def test_the_picture_for_the_readme_is_made(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(rendered("sample_report"), encoding="utf-8")

    chromium.picture(path, tmp_path / "report.png", width=1280, height=1120)

    data = (tmp_path / "report.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (1280, 1120)
    assert len(data) < 300_000


def brightness(colour: str) -> float:
    red, green, blue = (float(part) for part in re.findall(r"[\d.]+", colour)[:3])
    return 0.299 * red + 0.587 * green + 0.114 * blue
