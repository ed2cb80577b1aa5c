"""One self-contained HTML page from a report: no network, complete without script, light and dark, for phone and paper.

The page names its own rights in a Content-Security-Policy: nothing may be loaded, and of scripts only ours (by its
hash) may run; so text from a target stays text even if a template forgot to escape it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from scaleworthy.report import numbers, outline
from scaleworthy.report.charts import load_curve, percentiles, reach, timeline
from scaleworthy.report.model import Report

_UNIT_SPACE = re.compile(r"(?<=\d) (?=%|(?:ns|µs|ms|s|[KMGT]?B|cores|requests/s|users|times)\b)")


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the page: its anchor and template, its title, and whether a report has anything to say in it."""

    id: str
    title: str
    group: str
    filled: Callable[[Report], object]

    @property
    def template(self) -> str:
        """The file that draws it."""
        return f"sections/{self.id}.html.j2"


SECTIONS = (
    Section("load", "Load run", "Answer", lambda r: r.load_runs),
    Section("limit", "How far it goes", "Answer", lambda r: r.stages),
    Section("bottleneck", "What limits it", "Answer", lambda r: r.bottleneck),
    Section("changes", "Before and after", "Answer", lambda r: r.changes),
    Section("recommendations", "What to do", "Plan", lambda r: r.recommendations),
    Section("growth", "What growth needs and costs", "Plan", lambda r: r.growth),
    Section("roadmap", "Roadmap", "Plan", lambda r: r.roadmap),
    Section("gaps", "Gaps", "Plan", lambda r: r.gaps),
    Section("capacity", "Current capacity", "Evidence", lambda r: r.capacity),
    Section("timeline", "Timeline", "Evidence", lambda r: timeline.drawable(r.panels)),
    Section("probes", "Load tests", "Evidence", lambda r: any(stage.probes for stage in r.stages)),
    Section("findings", "Findings", "Evidence", lambda r: r.findings),
    Section("method", "How it was measured", "Evidence", lambda _: True),
)


def render(report: Report) -> str:
    """Return the page, complete: styles, script and charts are inside it."""
    style, script = _asset("report.css"), _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = _environment().get_template("report.html.j2")
    sections = [section for section in SECTIONS if section.filled(report)]
    return template.render(
        report=report,
        sections=sections,
        groups=[(group, list(members)) for group, members in groupby(sections, key=lambda section: section.group)],
        charts=dict(_charts(report)),
        panels=timeline.drawable(report.panels),
        outline=outline,
        numbers=numbers,
        unit_of=timeline.unit_of,
        style=Markup(style),  # noqa: S704 - ours, from the package
        script=Markup(script),  # noqa: S704 - ours, from the package
        script_hash=digest,
    )


def _charts(report: Report) -> Iterator[tuple[str, Markup]]:
    if load_curve.drawable(report.stages):
        yield "response", load_curve.response_chart(report.stages, report.objectives)
        yield "answered", load_curve.answered_chart(report.stages)
    if reach.drawable(report.stages, report.growth):
        yield "reach", reach.reach_chart(report.stages, report.growth)
    panels = timeline.drawable(report.panels)
    span = timeline.span_of(panels)
    for index, panel in enumerate(panels):
        yield f"panel-{index}", timeline.panel_chart(f"panel-{index}", panel, report.marks, span)
    for index, run in enumerate(report.load_runs):
        if percentiles.drawable(run):
            yield f"percentiles-{index}", percentiles.percentile_chart(f"percentiles-{index}", run)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("scaleworthy.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "code": _code,
        "count": numbers.count,
        "clock": numbers.clock,
        "moment": numbers.moment,
        "ns": numbers.nanoseconds,
        "share": numbers.share,
        "size": numbers.size,
        "times": numbers.times,
    }
    environment.filters.update(filters)
    return environment


def _code(text: str) -> Markup:
    """Return *text* escaped, with what stands between paired back ticks set as code and numbers kept beside their units."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if is_code else escape(_UNIT_SPACE.sub("\u00a0", part))
        for is_code, part in numbers.code_spans(text)
    )


def _asset(name: str) -> str:
    return resources.files("scaleworthy.report").joinpath("templates", name).read_text("utf-8")
