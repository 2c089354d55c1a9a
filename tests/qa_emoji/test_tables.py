from __future__ import annotations

from pathlib import Path

import pytest

from qa_emoji.answer_columns import as_json, as_text
from qa_emoji.tables import choose_column, format_of, not_unicode, why_not


@pytest.mark.parametrize(
    ("name", "named", "expected"),
    [
        ("a.csv", None, ("csv", False)),
        ("A.TSV.GZ", None, ("tsv", True)),
        ("a.b.ndjson", None, ("jsonl", False)),
        ("a.txt.gz", None, ("txt", True)),
        ("a.pq", None, ("parquet", False)),
        ("a.csv", "txt", ("txt", False)),
        ("a", "jsonl.gz", ("jsonl", True)),
        (None, "csv", ("csv", False)),
    ],
)
def test_format_of(name, named, expected):
    assert format_of(Path(name) if name else None, named) == expected


@pytest.mark.parametrize("name", ["a", "a.gz", "a.xlsx", ".csv", "a.parquet.gz", None])
def test_other_formats_are_refused(name):
    with pytest.raises(ValueError, match=r"^(Say which format .* has: csv, tsv|Parquet is compressed).*\.$"):
        format_of(Path(name) if name else None)


def test_choose_column():
    assert choose_column(["anything"], None, "x") == "anything"
    assert choose_column(["id", "Tweet", " TEXT "], None, "x") == " TEXT "
    assert choose_column(["query", "question"], None, "x") == "question"
    assert choose_column(["text", "b"], "b", "x") == "b"
    with pytest.raises(ValueError, match=r"^Say which column of x has the texts: a, b\.$"):
        choose_column(["a", "b"], None, "x")
    with pytest.raises(ValueError, match=r"^x has no column 'Text' but text\.$"):
        choose_column(["text"], "Text", "x")
    with pytest.raises(ValueError, match=r"^x has 2 columns named 'a'\.$"):
        choose_column(["a", "a"], "a", "x")


def test_why_not():
    assert [why_not(text) for text in (None, 3, "", " \u3000", "x")] == [
        "null",
        "not a text but int",
        "blank text",
        "blank text",
        None,
    ]
    assert [not_unicode(text) for text in ("a", "é", "🍕", "\ud800", "\udcff")] == [False, False, False, True, True]


def test_cells_as_text_and_json():
    assert [as_text(value) for value in (None, "a", 1, 0.5, True, [1, None], {"é": b"\xff"})] == [
        "",
        "a",
        "1",
        "0.5",
        "true",
        "[1, null]",
        '{"é": "ff"}',
    ]
    assert as_json({"a": [float("nan"), 1.0], "b": float("inf")}) == '{"a": [null, 1.0], "b": null}'
