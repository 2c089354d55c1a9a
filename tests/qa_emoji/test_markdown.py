from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from qa_emoji import markdown


def test_a_table():
    rows = [("a", 1, "0.5"), ("b", 20, "")]
    assert markdown.table(["", "n", "x"], rows).splitlines() == [
        "| | n | x |",
        "|---|---:|---:|",
        "| a | 1 | 0.5 |",
        "| b | 20 |  |",
    ]


def test_columns_of_texts_begin_at_the_left():
    head = ["n", "kind", "x"]
    rules = [markdown.table(head, [], left=left).splitlines()[1] for left in (["kind"], [], head)]
    assert rules == ["|---:|---|---:|", "|---:|---:|---:|", "|---|---|---|"]


def test_a_row_is_made_when_it_is_its_turn():
    made = []

    def rows():
        for n in range(2):
            made.append(n)
            yield [n]

    found = markdown.lines(["n"], rows())
    assert [next(found), next(found), list(made)] == ["| n |", "|---|", []]
    assert [next(found), list(made)] == ["| 0 |", [0]]
    assert [*found] == ["| 1 |"]


@given(st.text(), st.text())
def test_any_text_stays_in_its_cell(name, cell):
    head, rule, row = markdown.table([name, "n"], [[cell, 1]], left=()).split("\n")
    assert rule == "|---:|---:|"
    for line, text, last in ((head, name, "n"), (row, cell, "1")):
        assert len(line.splitlines()) == 1
        _, first, second, _ = re.findall(r"((?:[^\\|]|\\.)*)(?:\||$)", line)
        assert re.sub(r"\\(.)", r"\1", first).split() == text.split()
        assert second.strip() == last
