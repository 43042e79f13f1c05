"""A page is one file that loads nothing and runs nothing from outside."""

from __future__ import annotations

import re

from mainspring.report.figure import Figure
from mainspring.report.page import Page
from mainspring.report.table import Table

EVIL = "<img src=x onerror=alert(1)></script>"


def test_outside_values_are_escaped_everywhere() -> None:
    page = Page(EVIL, subtitle=EVIL, verdict=("bad", EVIL), tiles=[(EVIL, EVIL, EVIL)])
    page.section(EVIL, EVIL, Table(header=[EVIL], rows=[[EVIL]], caption=EVIL))
    page.section("chart", Figure(data=[{"type": "bar", "x": [EVIL], "y": [1]}], alt=EVIL))
    html = re.sub(r"<script>.*?</script>", "", page.render(), flags=re.DOTALL)
    assert "<img" not in html.replace('"<img src=x onerror=alert(1)><\\/script>"', "")


def test_nothing_is_loaded_from_outside() -> None:
    page = Page("One file")
    page.section("chart", Figure(data=[{"type": "scatter", "x": [1], "y": [2]}]))
    html = page.render()
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", html)
    assert "default-src 'none'" in html


def test_a_page_without_charts_stays_small() -> None:
    assert len(Page("Small").render()) < 10_000
