"""The charts of a report, as inline SVG: no script, no network, colours from the page's own variables.

Each is drawn twice, for a wide page and for a phone, so that its text keeps its size on both; the page shows one.
"""
