"""JUnit XML: CI systems show each objective as a test case.

Source: the Jenkins xUnit schema, which GitLab, GitHub actions and Azure read too: testsuite, testcase, failure, skipped.
"""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from scaleworthy.load.reading import reading
from scaleworthy.load.summary import Summary, summarize
from scaleworthy.load.summary_lines import with_unit
from scaleworthy.series import Store


def junit(store: Store) -> str:
    """Return the objectives of a run as a test suite, and whether its numbers may be quoted as one more case."""
    summary = summarize(store)
    suite = Xml.Element("testsuite", name=f"load {store.fact('load', 'target') or ''}".strip())
    for result in summary.objectives:
        case = _case(suite, result.text, summary)
        if result.held is None:
            Xml.SubElement(case, "skipped", message="too few samples to judge")
        elif not result.held:
            value = "nothing" if result.value is None else with_unit(result.value, result.text)
            Xml.SubElement(case, "failure", message=f"{result.text}: got {value}").text = reading(summary, store)
    case = _case(suite, "the target answered", summary)
    if not summary.answered:
        Xml.SubElement(case, "failure", message="nothing was answered").text = reading(summary, store)
    case = _case(suite, "the generator kept up", summary)
    if summary.verdict == "generator-limited":
        Xml.SubElement(case, "error", message="generator-limited: do not quote this run").text = reading(summary, store)
    for kind, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(len(list(suite.iter(tag)))))
    suite.set("time", f"{summary.seconds:.3f}")
    Xml.indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Xml.tostring(suite, encoding="unicode")}\n'


def _case(suite: Xml.Element, name: str, summary: Summary) -> Xml.Element:
    return Xml.SubElement(suite, "testcase", classname="scaleworthy.load", name=name, time=f"{summary.seconds:.3f}")
