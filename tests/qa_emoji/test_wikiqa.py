from __future__ import annotations

import numpy as np
import pytest

from qa_emoji import wikiqa
from qa_emoji.wikiqa import Selection

HEADER = "question\tanswer\tlabel\n"


@pytest.fixture
def judged(rng):
    scores, selections = [], []
    for i in range(80):
        n = int(rng.integers(1, 12))
        right = rng.random(n) < 0.3
        right[rng.integers(n)] = True
        scores.append(rng.integers(0, 5, size=n) / 4)  # with ties
        selections.append(Selection(f"q{i}", tuple(f"a{j}" for j in range(n)), tuple(right.tolist())))
    return scores, selections


def test_average_precision_and_reciprocal_rank_one_by_one(judged):
    scores, selections = judged
    precisions, ranks = wikiqa.average_precision(*judged), wikiqa.reciprocal_rank(*judged)
    for i, (row, selection) in enumerate(zip(scores, selections, strict=True)):
        ranked = sorted(zip(row, selection.right, strict=True), key=lambda pair: (-pair[0], pair[1]))
        found, total, first = 0, 0.0, None
        for place, (_, right) in enumerate(ranked, 1):
            if right:
                found += 1
                total += found / place
                first = first or place
        assert precisions[i] == pytest.approx(total / found)
        assert ranks[i] == 1 / first


def test_known_values():
    selection = Selection("q", ("a", "b", "c", "d"), (True, False, True, False))
    assert wikiqa.average_precision([np.array([4, 3, 2, 1])], [selection]) == [(1 + 2 / 3) / 2]
    assert wikiqa.reciprocal_rank([np.array([1, 3, 2, 4])], [selection]) == [1 / 3]


def test_a_tie_is_no_merit():
    selection = Selection("q", ("a", "b", "c"), (True, False, False))
    assert wikiqa.reciprocal_rank([np.zeros(3)], [selection]) == [1 / 3]


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="stand against 0"):
        wikiqa.average_precision([np.zeros(1)], [])
    with pytest.raises(ValueError, match="score for each candidate"):
        wikiqa.average_precision([np.zeros(1)], [Selection("q", ("a", "b"), (True, False))])
    with pytest.raises(ValueError, match="a right answer"):
        wikiqa.reciprocal_rank([np.zeros(1)], [Selection("q", ("a",), (False,))])


def write(folder, content):
    (folder / "wikiqa").mkdir()
    (folder / "wikiqa" / "dev.tsv").write_text(content, "utf-8")


def test_answerable_questions_in_order(tmp_path):
    write(tmp_path, HEADER + 'why ?\tit "is .\t0\nwhy ?\tso .\t1\nwho ?\tno one .\t0\nhow ?\tthus\x85ly .\t1\n')
    assert wikiqa.load(tmp_path, "dev") == [
        Selection("why ?", ('it "is .', "so ."), (False, True)),
        Selection("how ?", ("thus\x85ly .",), (True,)),
    ]


@pytest.mark.parametrize("line", ["a\tb", "a\tb\t2", "a\t\t1", "\tb\t1", "a\tb\t1\tc", ""])
def test_a_broken_line_is_named(tmp_path, line):
    write(tmp_path, HEADER + "a\tb\t1\n" + line + "\nc\td\t1\n")
    with pytest.raises(ValueError, match=r"dev\.tsv, line 3: it should be"):
        wikiqa.load(tmp_path, "dev")


def test_other_columns_and_no_file(tmp_path):
    write(tmp_path, "a\tb\n")
    with pytest.raises(ValueError, match="columns question, answer, label"):
        wikiqa.load(tmp_path, "dev")
    with pytest.raises(FileNotFoundError, match=r"train\.tsv; data/README\.md"):
        wikiqa.load(tmp_path, "train")
