"""Foreign text in the report: whatever it is, it can be seen, and does nothing."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile_report import fill_hostile, hostile_result
from report_example import HOSTILE, SCENARIO_YAML, fill, result

from master.judge.faults import Faults
from master.report.html import packed, render
from master.report.visible_text import visible
from master.store import Store

INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]")


class Elements(HTMLParser):
    """The elements of a page and the names of their attributes, as a browser finds them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)


def test_text_brings_in_no_element_and_nothing_that_is_not_seen(tmp_path: Path) -> None:
    """With markup and hidden characters in every text, the page has no element of theirs, and spells out what would be hidden."""
    store = Store(tmp_path / "run.db", create=True)
    fill_hostile(store)
    html = render(hostile_result(), store, HOSTILE, Faults())
    store.close()
    found = Elements(html)
    assert "img" not in found.tags
    assert found.tags.count("script") == 3
    assert not [name for name in found.attributes if name.startswith("on")]
    assert not INVISIBLE.search(html)
    assert html.count(r"&lt;script&gt;alert(1)&lt;/script&gt;") > 40
    assert html.count(r"\u2028&lt;!-- \u202e\x00") > 40


def test_attributes_hold_what_is_in_them(tmp_path: Path) -> None:
    """Quotes in a time, or in a name that is an attribute's value, end nothing."""
    store = Store(tmp_path / "run.db", create=True)
    fill(store)
    broken = result()
    broken.started_at = "\"><script>alert(1)</script><p title='"
    html = render(broken, store, SCENARIO_YAML, Faults())
    store.close()
    assert "<script>alert" not in html
    assert 'datetime="&#34;&gt;&lt;script&gt;' in html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /a", "GET /a"),
        ("1\u00a0ms – ≤ é 漢", "1\u00a0ms – ≤ é 漢"),
        ("two\n\tlines", "two\n\tlines"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\x00b\x1b[31m", r"a\x00b\x1b[31m"),
        ("half \ud83d", r"half \ud83d"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
    ],
)
def test_what_is_hidden_is_spelled_out(text: str, shown: str) -> None:
    """Characters that show nothing, or turn what stands around them, are spelled out; all others stay."""
    assert visible(text) == shown
    (unpacked,) = json.loads(gzip.decompress(base64.b64decode(packed([text]))))
    assert unpacked.replace("\x00", r"\x00").replace("\x1b", r"\x1b") == shown


def test_a_backslash_before_it_changes_nothing() -> None:
    """A backslash before a hidden character, or its escape as text, reads as what it is."""
    texts = ["\\\u202e", "\\u202e", "\\\\u202e", '"\u202e"']
    shown = ["\\\\u202e", "\\u202e", "\\\\u202e", '"\\u202e"']
    assert json.loads(gzip.decompress(base64.b64decode(packed(texts)))) == shown
