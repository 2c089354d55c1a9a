from __future__ import annotations

import csv
import math
import re
from collections import Counter
from pathlib import Path

import pytest

from qa_emoji import questions


@pytest.fixture(scope="module")
def asked(catalog) -> list[questions.Question]:
    return questions.load("data/questions.csv", catalog)


def test_there_are_enough_of_every_kind(asked, catalog):
    kinds = Counter(q.kind(catalog) for q in asked)
    assert len(asked) >= 2400
    assert kinds["implicit"] >= 900
    assert kinds["unseen"] >= 300
    assert len({q.category for q in asked}) >= 60


def test_splits_follow_the_hash(asked):
    shares = Counter(q.split for q in asked if q.split != "train")
    assert shares["test"] / shares["dev"] == pytest.approx(25 / 15, rel=0.15)
    assert questions.split_of("Hello  there", trainable=True) == questions.split_of("hello, there!", trainable=True)


def near_duplicates(texts, threshold=0.75) -> list[tuple[str, str]]:
    """Pairs of texts whose sets of words overlap by at least the threshold (Jaccard).

    Such two have one of their rarest words in common (the prefix filter of Bayardo et al. 2007, "Scaling Up All Pairs
    Similarity Search"), so only those are compared.
    """
    words = [(text, frozenset(re.findall(r"\w+", text.casefold()))) for text in texts]
    frequency = Counter(word for _, mine in words for word in mine)
    pairs = []
    by_word: dict[str, list[int]] = {}
    for i, (text, mine) in enumerate(words):
        rarest = sorted(mine, key=lambda word: (frequency[word], word))
        prefix = rarest[: len(mine) - math.ceil(threshold * len(mine)) + 1] if mine else []
        for j in sorted({j for word in prefix for j in by_word.get(word, ())}):
            other = words[j][1]
            if len(mine & other) >= threshold * len(mine | other):
                pairs.append((words[j][0], text))
        for word in prefix:
            by_word.setdefault(word, []).append(i)
    return pairs


def test_no_near_duplicates(asked):
    assert near_duplicates(q.text for q in asked) == []


def test_messages_are_known_and_near_no_question(asked, catalog):
    with Path("data/messages.csv").open(encoding="utf-8", newline="") as file:
        messages = list(csv.DictReader(file))
    assert len(messages) > 15_000
    assert near_duplicates([*(q.text for q in asked), *(row["text"] for row in messages)]) == []
    for row in messages:
        emojis = row["emojis"].split()
        assert 1 <= len(set(emojis)) == len(emojis) <= questions.MOST_ACCEPTED, row
        assert all(catalog[e].known and catalog[e].is_base_form for e in emojis), row


def test_near_duplicates_are_found():
    texts = ["I love pizza so much", "i LOVE pizza, so much!", "I love pasta", ""]
    assert near_duplicates(texts) == [(texts[0], texts[1])]


@pytest.mark.parametrize(
    ("text", "emojis", "kind"),
    [
        ("Pizza tonight?", "🍕 😋", "known"),
        ("Two birds on a wire", "🐦", "known"),
        ("What's for dinner?", "🍕 🍝", "implicit"),
        ("Raise your hand", "👏", "implicit"),
        ("A pink bird on one leg", "🦩", "unseen"),
        ("A pink flamingo", "🦩 🐦", "known"),
    ],
)
def test_kind(catalog, text, emojis, kind):
    assert questions.make(text, emojis.split(), "any", catalog).kind(catalog) == kind


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("hello,,greetings,train", "line 2: .* has 0 accepted emojis"),
        (",👋,greetings,train", "line 2: a question needs a text"),
        ("hello,👋🏿,greetings,train", "line 2: .* not a base form"),
        ("hello,x,greetings,train", "line 2: 'x' is not a base form"),
        ("hello,👋,greetings,nowhere", "line 2: its split should be"),
        ("hello", "line 2: a column is missing"),
        ('"hello', "unexpected end of data"),
    ],
)
def test_a_bad_row_is_named(catalog, tmp_path, row, message):
    (tmp_path / "q.csv").write_text(f"text,emojis,category,split\n{row}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        questions.load(tmp_path / "q.csv", catalog)


def test_another_csv_is_refused(catalog, tmp_path):
    (tmp_path / "q.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="should have the columns text, emojis, category, split"):
        questions.load(tmp_path / "q.csv", catalog)
