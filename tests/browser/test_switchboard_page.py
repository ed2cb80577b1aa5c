"""The page at `/` in a real browser on a running service: healthy, live, as wide as the window, and dark for who wants that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import chromium
import httpx
import pytest

from scaleworthy.switchboard.service import Switchboard

from .live import opened

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def service() -> Iterator[Switchboard]:
    with Switchboard.start(shape="tuned", size="small") as running:
        yield running


def test_it_shows_health_the_tenants_one_has_keys_of_and_what_happens(service: Switchboard) -> None:
    other = service.tenants[1]
    with opened(f"{service.url}/#{other.key}") as tab:
        tab.until("document.querySelectorAll('#tenants .good').length === 2")
        httpx.post(f"{service.url}/api/leads", json={"name": "<b>Ann</b>"}, headers={"x-tenant-key": other.key})
        document = tab.until("document.querySelector('#events tr') && document.querySelector('#health .good')")

    assert tab.console == []
    assert '<dd class="good">ok</dd>' in document
    assert f"{service.tenants[0].id[:8]}… (demo)" in document
    assert f"{other.id[:8]}…</td>" in document
    assert document.count(">listening</td>") == 2
    assert "<td>lead.created</td>" in document
    assert "<b>Ann" not in document


def test_nothing_is_loaded_from_elsewhere_and_no_framed_or_foreign_script_runs(service: Switchboard) -> None:
    answer = httpx.get(service.url)

    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"(src|href)=.?https?:", answer.text)


@pytest.mark.parametrize(("preference", "dark"), [(0, True), (1, False)])
def test_it_is_dark_for_who_prefers_dark_and_fits_a_phone(
    service: Switchboard, tmp_path: Path, preference: int, dark: bool
) -> None:
    """The page as it is, with a probe: the colour of its ground, and how wide it is at 360 px."""
    probe = (
        "<script>const seen = {window: innerWidth, width: document.scrollingElement.scrollWidth,"
        " ground: getComputedStyle(document.body).backgroundColor};"
        "parent.postMessage(JSON.stringify(seen), '*');</script></html>"
    )
    (tmp_path / "page.html").write_text(httpx.get(service.url).text.replace("</html>", probe), "utf-8")
    frame = tmp_path / "phone.html"
    frame.write_text(
        '<!DOCTYPE html><iframe src="page.html" style="width:360px;height:800px"></iframe><script>addEventListener("message",'
        ' (event) => { const out = document.createElement("pre"); out.id = "seen"; out.textContent = event.data;'
        " document.body.append(out); });</script>"
    )
    done = chromium.run(
        frame, "--dump-dom", f"--blink-settings=preferredColorScheme={preference}", "--virtual-time-budget=2000"
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout)
    assert found, done.stderr[-2000:]
    seen = json.loads(found[1].replace("&quot;", '"'))

    assert seen["width"] <= seen["window"] == 360
    assert (int(seen["ground"].split("(")[1].split(",")[0]) < 60) is dark
