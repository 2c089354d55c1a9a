from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from qa_emoji.evaluation import report, runs, suite
from qa_emoji.evaluation.figures import Figure
from qa_emoji.evaluation.suite import Dataset
from qa_emoji.questions import Question

NASTY = "<script>alert('|')</script>\n| & more"


@pytest.fixture(scope="module")
def found(catalog):
    candidates = catalog.base_forms()[:40]
    asked = [
        Question(f"{NASTY} {i}", (candidates[i + 5].emoji, candidates[-i].emoji), "ab"[i % 2], "test")
        for i in range(1, 9)
    ]
    first = [e.emoji for e in candidates]
    systems = {
        "qa-emoji": lambda: lambda texts, _, k: [first[:k] for _ in texts],
        "other": lambda: lambda texts, _, k: [[] for _ in texts],
    }
    return suite.evaluate([Dataset("all", asked, candidates, systems)], catalog, about={"questions": "q.csv"})


class Page(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.images, self.links, self.text = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        attributes = dict(attributes)
        if tag == "img":
            self.images.append(attributes["src"])
        self.links += [v for k, v in attributes.items() if k in ("href", "src") and not v.startswith("data:")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_holds_everything_and_nothing_from_elsewhere(found):
    page = Page(report.as_html(found))
    assert page.links == []
    assert "script" not in page.tags
    assert len(page.images) == 4
    for image in page.images:
        kind, content = image.split(",", 1)
        assert kind == "data:image/svg+xml;base64"
        assert ET.fromstring(base64.b64decode(content)).tag == "{http://www.w3.org/2000/svg}svg"
    text = "".join(page.text)
    assert NASTY in text
    for heading in ("Systems compared", "How deep one must look", "Hubs", "Topics", "worst misses", "All figures"):
        assert heading in text
    assert report.as_html(found) == report.as_html(found)


def test_every_miss_is_on_the_page_with_what_was_answered(found):
    page = "".join(Page(report.as_html(found)).text)
    assert len(found.misses) == 4
    for miss in found.misses:
        assert miss.question.text in page
        assert " ".join(miss.answers) in page


def test_the_four_files(found, tmp_path):
    files = report.save(found, tmp_path / "new" / "out")
    assert [file.name for file in files] == [f"evaluation{s}" for s in (".json", ".md", ".parquet", ".html")]
    for file in (files[0], files[2]):
        assert runs.load(file)["text"].tolist() == found.run["text"].tolist()
    content = json.loads(files[0].read_text("utf-8"))
    assert content["about"] == {"questions": "q.csv"}
    assert len(content["figures"]) == len(found.figures)
    assert len(content["questions"]) == 16
    assert content["questions"][0]["accuracy@1"] is None


def test_a_missing_extra_and_a_file_in_the_way_are_told_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileExistsError):
        report.prepare(tmp_path / "file")
    monkeypatch.setattr(report.importlib.util, "find_spec", lambda name: None if name == "pyarrow" else name)
    with pytest.raises(ModuleNotFoundError, match=r"needs pyarrow, of the extra: pip install 'qa-emoji\[evaluate\]'"):
        report.prepare(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_markdown_tables_are_whole(found):
    text = report.summary(found)
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        widths = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table
    assert "## By topic" in text
    assert f"## The {len(found.misses)} worst misses" in text
    assert "## Differences on the same questions" in text


def test_a_figure_in_markdown():
    figures = [
        Figure("ours", "known", "hit@1", 1200, 0.5, 0.25, 0.75),
        Figure("other", "known", "hit@1", 1200, 1.0, 1.0, 1.0),
        Figure("ours", "known", "hubness", 1200, -0.5, -0.75, -0.25),
    ]
    assert report.as_markdown(figures).splitlines() == [
        "| questions | n | measure | ours | other |",
        "|---|---:|---|---:|---:|",
        "| known | 1200 | hit@1 | 0.500 (0.250-0.750) | 1.000 (1.000-1.000) |",
        "| known | 1200 | hubness | -0.500 (-0.750 to -0.250) |  |",
    ]


def test_the_brief_table_has_the_measures_of_its_kind():
    names = ("hit@1", "hit@10", "R-precision@5", "hubness", "zero-answer rate")
    figures = [Figure("s", "known", name, 5, 0.5, 0.4, 0.6) for name in names]
    figures += [
        Figure("s", "tweets", name, 5, 0.5, 0.4, 0.6) for name in ("hit@1", "accuracy@1", "macro-F1", "hubness")
    ]
    assert [(f.kind, f.measure) for f in report.brief(figures)] == [
        ("known", "hit@1"),
        ("known", "R-precision@5"),
        ("known", "hubness"),
        ("tweets", "accuracy@1"),
        ("tweets", "macro-F1"),
    ]


def test_most_answered(found, catalog):
    (ours, n, emojis), (other, _, none) = report.most_answered(found, n=3)
    assert (ours, n, other, none) == ("qa-emoji", 8, "other", [])
    assert {count for _, count in emojis} == {8}


def test_of_a_single_question(catalog, tmp_path):
    systems = {"qa-emoji": lambda: lambda texts, candidates, k: [["🍕"]]}
    asked = [Question("x", ("🍕",), "", "")]
    found = suite.evaluate([Dataset("all", asked, catalog.base_forms(), systems)], catalog, about={})
    files = report.save(found, tmp_path)
    assert found.misses == []
    figures = {f["measure"]: f for f in json.loads(files[0].read_text("utf-8"))["figures"]}
    assert figures["hubness"]["low"] is None
    assert figures["macro-F1"]["value"] == 1
