"""The keys of Artillery's files: those that run, and those that are refused with what to do instead."""

from __future__ import annotations

SCENARIO_PY = "write it as a Python scenario (docs/guide/scenarios.md)"
JAVASCRIPT = f"JavaScript is not run; {SCENARIO_PY}, or set what it computes with variables, payload or capture"
VERBS = ("get", "post", "put", "patch", "delete", "head", "options")

TOP = ("config", "scenarios", "before", "after")
CONFIG = (
    "target",
    "phases",
    "environments",
    "variables",
    "payload",
    "http",
    "ws",
    "tls",
    "defaults",
    "timeout",
    "plugins",
    "ensure",
    "expect",
    "apdex",
    "mode",
    "engine",
    "statsInterval",
    "bundling",
    "includeFiles",
)
CONFIG_REFUSED = {
    "processor": f"the processor's {JAVASCRIPT}",
    "engines": "engines beside http and ws are not run; leave this out",
    "socketio": "Socket.IO is not run; leave this out",
}
PLUGINS = ("expect", "ensure", "apdex", "metrics-by-endpoint")
EXPECT = ("outputFormat", "formatter", "reportFailuresAsErrors", "useOnlyRequestNames", "expectDefault200")
SCENARIO = ("name", "weight", "engine", "flow")
SCENARIO_REFUSED = dict.fromkeys(
    ("beforeScenario", "afterScenario", "beforeRequest", "afterResponse", "onError"), f"a hook's {JAVASCRIPT}"
)
REQUEST = (
    "url",
    "uri",
    "name",
    "headers",
    "json",
    "body",
    "form",
    "formData",
    "qs",
    "cookie",
    "auth",
    "gzip",
    "followRedirect",
    "capture",
    "match",
    "expect",
    "ifTrue",
    "setContentLengthHeader",
)
REQUEST_REFUSED = {
    **dict.fromkeys(("beforeRequest", "afterResponse"), f"a hook's {JAVASCRIPT}"),
    "probability": "a request by chance is not run; put it into a scenario of its own with a weight",
}
STEPS_HTTP = (*VERBS, "think", "loop", "parallel", "log")
BESIDE = {
    "think": ("jitter",),
    "loop": ("count", "over", "whileTrue", "loopValue", "loopElement"),
    "parallel": ("limit",),
}
"""What may stand beside a step's own key."""
STEPS_WS = ("connect", "send", "think", "loop", "log")
STEPS_REFUSED = {
    "function": JAVASCRIPT,
    "emit": "Socket.IO is not run; use WebSocket (engine: ws) or HTTP steps",
    "wait": "waiting for a message alone is not run; put capture or match into the send before it",
    "subscribe": "this engine's steps are not run",
}
ENGINES_REFUSED = {
    "socketio": "Socket.IO is not run; leave the scenario out, or write it for engine: ws",
    "socketio-v3": "Socket.IO is not run; leave the scenario out, or write it for engine: ws",
    "playwright": "a browser is not driven; leave the scenario out, or write the requests that the page makes",
}
