from __future__ import annotations

import csv
import gzip
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa_emoji import text_tables
from qa_emoji.text_tables import TextTable


def read(content: bytes, kind: str, column: str | None = None, rows: int = 3, size: int = 10**6):
    """Names, kept rows with their numbers, rejects with their numbers, and how many rows there were."""
    table = TextTable(io.BytesIO(content), kind, "x", column)
    kept, rejects, count = [], [], 0
    for chunk in table.chunks(rows, size, lambda values: None):
        assert chunk.rows <= rows
        assert chunk.rows == len(chunk.texts) + len(chunk.rejects)
        assert len(chunk.texts) == len(chunk.values) == len(chunk.numbers)
        kept += zip(chunk.numbers, chunk.texts, chunk.values, strict=True)
        rejects += chunk.rejects
        count += chunk.rows
    return table.names, kept, rejects, count


def test_csv_keeps_columns_and_numbers_rows():
    content = b'\xef\xbb\xbfid,text\r\n1,pizza\r\n\r\n3,"two\nlines, ""quoted"""\r\n4, \r\n5'
    names, kept, rejects, count = read(content, "csv")
    assert names == ["id", "text"]
    assert kept == [(1, "pizza", ["1", "pizza"]), (3, 'two\nlines, "quoted"', ["3", 'two\nlines, "quoted"'])]
    assert rejects == [(2, "blank text"), (4, "blank text"), (5, "1 fields where the header has 2")]
    assert count == 5


def test_a_quote_that_is_not_closed_costs_its_line_alone():
    content = b'text,n\nfirst,1\n"never closed,2\nthird,3\n"a" b,4\nfifth,5\n'
    _, kept, rejects, _ = read(content, "csv")
    assert [(number, text) for number, text, _ in kept] == [(1, "first"), (3, "third"), (5, "fifth")]
    assert [number for number, _ in rejects] == [2, 4]
    assert all(reason.startswith("broken CSV: ") for _, reason in rejects)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "txt"])
def test_a_row_without_end_is_rejected_and_the_next_is_read(kind, monkeypatch):
    monkeypatch.setattr(text_tables, "LONGEST_ROW", 100)
    header, row = ("", '{"text": "%s"}') if kind == "jsonl" else ("" if kind == "txt" else "text\n", "%s")
    lines = [row % "a", row % ("b" * 1000), row % ("c" * 99999), row % "d"]
    _, kept, rejects, _ = read((header + "\n".join(lines)).encode(), kind)
    assert [(number, text) for number, text, _ in kept] == [(1, "a"), (4, "d")]
    assert [number for number, _ in rejects] == [2, 3]


def test_tsv_knows_no_quotes():
    _, kept, rejects, _ = read(b'text\tn\n"Hello" he said\t1\n"open\t2\r\n\nx\ty\tz\n', "tsv")
    assert [values for _, _, values in kept] == [['"Hello" he said', "1"], ['"open', "2"]]
    assert rejects == [(3, "blank text"), (4, "3 fields where the header has 2")]


def test_json_lines_keep_their_objects():
    lines = [
        b'{"text": "hi", "n": 1, "deep": {"a": [1.5, null]}}',
        b"",
        b'{"text": null}',
        b'{"text": 5}',
        b"[1]",
        b"{broken",
        b'{"other": 1}',
        b'{"text": "\\ud800"}',
        b'{"text": "\xff"}',
        b'{"text": "x", "n": NaN}',
        b'{"text": "x", "n": 1e999}',
        b"[" * 100_000,
        b'{"text": "bye", "more": true}',
    ]
    names, kept, rejects, count = read(b"\n".join(lines), "jsonl")
    assert names == ["text", "n", "deep"]
    assert [values for _, _, values in kept] == [json.loads(lines[0]), json.loads(lines[-1])]
    assert [number for number, _ in rejects] == list(range(2, 13))
    reasons = dict(rejects)
    assert reasons[2] == "blank line"
    assert reasons[3] == "null"
    assert reasons[4] == "not a text but int"
    assert reasons[5] == "not a JSON object but list"
    assert reasons[7] == "no 'text'"
    assert reasons[8] == reasons[9] == "not valid UTF-8"
    assert all(reasons[at].startswith("broken JSON: ") for at in (6, 10, 11, 12))
    assert count == 13


def test_plain_text():
    names, kept, rejects, _ = read("héllo\r\n \n\u2028x\ny\x00z".encode() + b"\n\xff\n", "txt")
    assert names == ["text"]
    assert [(number, text) for number, text, _ in kept] == [(1, "héllo"), (3, "\u2028x"), (4, "y\x00z")]
    assert rejects == [(2, "blank text"), (5, "not valid UTF-8")]


def test_bytes_that_are_no_text_reject_their_row_alone():
    _, kept, rejects, _ = read(b"id,text\n1,a\n\xe9,b\n3,\xff\xfe\n4,d\n", "csv")
    assert [number for number, _, _ in kept] == [1, 4]
    assert rejects == [(2, "not valid UTF-8"), (3, "not valid UTF-8")]


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", "csv", "should begin with a line that names its columns"),
        (b"\n1\n", "tsv", "should begin with a line that names its columns"),
        (b'"open\n1\n', "csv", "unexpected end of data"),
        (b"\xff\xfet\x00", "csv", "UTF-16"),
        (b"a,b\n", "csv", "which column of x has the texts: a, b"),
        (gzip.compress(b"text\nhi\n" * 1000)[:-20], "csv", "broken gzip"),
        (gzip.compress(b"text\n") + b"garbage", "csv", "broken gzip"),
        (b"\x1f\x8bnot gzip", "txt", "broken gzip"),
    ],
)
def test_a_broken_file_is_one_sentence(content, kind, message):
    with pytest.raises(ValueError, match=message) as raised:
        read(content, kind)
    assert "\n" not in str(raised.value)


def test_chunks_end_by_rows_and_by_size():
    table = TextTable(io.BytesIO(b"text\n" + b"0123456789\n" * 10), "tsv", "x")
    assert [chunk.rows for chunk in table.chunks(4, 10**6, lambda values: None)] == [4, 4, 2]
    table = TextTable(io.BytesIO(b"text\n" + b"0123456789\n" * 10), "tsv", "x")
    assert [chunk.rows for chunk in table.chunks(100, 22, lambda values: None)] == [2] * 5


CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=12), ends=st.sampled_from(["\n", "\r\n"]), zipped=st.booleans())
def test_sound_csv_loses_nothing(rows, ends, zipped):
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=ends, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "other"), *rows])
    content = out.getvalue().encode()
    _, kept, rejects, count = read(gzip.compress(content) if zipped else content, "csv")
    assert count == len(rows)
    assert [(number, tuple(values)) for number, _, values in kept] == [
        (at, row) for at, row in enumerate(rows, 1) if row[0].strip()
    ]
    assert [number for number, _ in rejects] == [at for at, row in enumerate(rows, 1) if not row[0].strip()]


ROUGH = st.lists(
    st.sampled_from(
        [b'"', b",", b"\n", b"\r", b"\t", b"a", b"\xff", b"\xc3\xa9", b"{", b"}", b'{"text":"b"}', b":", b"\x00"]
    ),
    max_size=60,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(
    content=ROUGH | st.binary(max_size=200), kind=st.sampled_from(["csv", "tsv", "jsonl", "txt"]), zipped=st.booleans()
)
def test_any_bytes_are_rows_or_one_sentence(content, kind, zipped):
    """Every line is accounted for: answered, rejected or, in CSV, part of a row that was."""
    head = b"text\n" if kind in ("csv", "tsv") else b""
    content = head + content
    try:
        _, kept, rejects, count = read(gzip.compress(content) if zipped else content, kind)
    except ValueError as error:
        refused = str(error)
    else:
        refused = None
    if refused:
        assert refused.endswith(".")
        return
    assert sorted([number for number, _, _ in kept] + [number for number, _ in rejects]) == list(range(1, count + 1))
    if kind != "csv":
        text = content.removeprefix(head)
        assert count == text.count(b"\n") + (not text.endswith(b"\n") and text != b"")
