"""A page in a headless Chromium that stays open: asked over its DevTools protocol, until what is waited for is there."""

import json
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import chromium
from websockets.sync.client import ClientConnection, connect


class Tab:
    """One open page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.console: list[str] = []

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": given}))
        while True:
            said = json.loads(self._socket.recv(timeout=30))
            if said.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.console.append(json.dumps(said["params"]))
            if said.get("id") == self._number:
                return dict(said.get("result", said))

    def until(self, expression: str, *, most_ms: int = 15_000) -> str:
        """Return the document's text once *expression* holds in it, or when it has not for too long."""
        script = (
            "new Promise((done) => { const from = Date.now(); const look = () =>"
            f" ({expression}) || Date.now() - from > {most_ms} ? done(document.documentElement.outerHTML) : setTimeout(look, 50);"
            " look(); })"
        )
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return str(answer["result"]["value"])


@contextmanager
def opened(url: str) -> Iterator[Tab]:
    """Open *url* of this machine; close the browser at the end."""
    browser = chromium.find()
    assert browser is not None
    with tempfile.TemporaryDirectory(prefix="scaleworthy-chromium-", ignore_cleanup_errors=True) as profile:
        here_alone = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        flags = [*chromium.FLAGS, here_alone, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
        with subprocess.Popen(
            [browser, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stderr is not None
                port = next(line.split(":")[2].split("/")[0] for line in process.stderr if "DevTools listening" in line)
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                    page = next(one for one in json.load(answer) if one["type"] == "page")
                with connect(page["webSocketDebuggerUrl"], max_size=None, proxy=None) as socket:
                    tab = Tab(socket)
                    tab.call("Log.enable")
                    tab.call("Runtime.enable")
                    tab.call("Page.enable")
                    tab.call("Page.navigate", url=url)
                    yield tab
            finally:
                process.terminate()
                process.stderr.read()
                process.wait(10)
