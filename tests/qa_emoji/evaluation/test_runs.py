from __future__ import annotations

import dataclasses
import json

import pytest

from qa_emoji.catalog import canonical
from qa_emoji.evaluation import codes_alone, images_only, ours, runs
from qa_emoji.questions import make

TEXTS = [("Pizza tonight?", "🍕"), ("dinner plans", "🍕 🍝"), ("A pink bird on one leg", "🦩"), ("a slice", "🍕 😋")]


@pytest.fixture
def asked(catalog):
    made = [make(text, emojis.split(), "food", catalog) for text, emojis in TEXTS]
    return [dataclasses.replace(question, split="test") for question in made]


def always_pizza(texts, candidates, k):
    others = [e.emoji for e in candidates if e.emoji != "🍕"]
    return [["🍕", *others[: k - 1]] for _ in texts]


def test_a_row_for_each_question(asked, catalog):
    table = runs.run("set", "pizza", always_pizza, asked, catalog.base_forms(), catalog, rows=[3, 5, 7, 9])
    assert table["text"].tolist() == [text for text, _ in TEXTS]
    assert table["row"].tolist() == [3, 5, 7, 9]
    assert table["kind"].tolist() == ["known", "implicit", "unseen", "implicit"]
    assert table["hit@1"].tolist() == [1, 1, 0, 1]
    assert table["R-precision@5"].tolist() == [1, 0.5, 0, 0.5]
    assert table["candidates"].tolist() == [1914] * 4
    assert table["accuracy@1"].isna().all()
    assert [len(row) for row in table["answers"]] == [10] * 4


def test_texts_are_asked_in_chunks(asked, catalog, monkeypatch):
    asked_at_once = []

    def recommend(texts, candidates, k):
        asked_at_once.append(list(texts))
        return [["🍕"]] * len(texts)

    monkeypatch.setattr(runs, "_CHUNK", 3)
    table = runs.run("set", "x", recommend, asked, catalog.base_forms(), catalog)
    assert [len(part) for part in asked_at_once] == [3, 1]
    assert table["hit@1"].tolist() == [1, 1, 0, 1]


def test_unseen_share_and_no_answer(asked, catalog):
    rankings = [["🍕", "🦩", "🥰"], [], ["🦩"], ["🍕"]]
    table = runs.run("set", "x", lambda *_: rankings, asked, catalog.base_forms(), catalog)
    assert table[runs.UNSEEN_SHARE].tolist() == [2 / 3, 0, 1, 0]
    assert table["zero-answer rate"].tolist() == [0, 1, 0, 0]


def test_accuracy_where_there_is_one_label(asked, catalog):
    one = [q for q in asked if len(q.emojis) == 1]
    table = runs.run("set", "x", lambda *_: [["🦩", "🍝", "🍕"], ["🦩"]], one, catalog.base_forms(), catalog)
    assert table["accuracy@1"].tolist() == [0, 1]
    assert table["accuracy@3"].tolist() == [1, 1]


def test_variation_selectors_do_not_matter(catalog):
    question = dataclasses.replace(make("I love you", ["❤️"], "love", catalog), split="test")
    for spelled in ("❤", "❤️"):
        table = runs.run("set", "x", lambda *_, s=spelled: [[s]], [question], catalog.base_forms(), catalog)
        assert table["hit@1"].tolist() == [1]


@pytest.mark.parametrize("split", ["train", None])
def test_training_questions_and_none_are_refused(asked, catalog, split):
    questions = [dataclasses.replace(q, split=split) for q in asked] if split else []
    with pytest.raises(ValueError, match="dev or test"):
        runs.run("set", "x", always_pizza, questions, catalog.base_forms(), catalog)


@pytest.mark.parametrize("make_recommender", [ours, codes_alone, images_only])
def test_our_recommenders_keep_to_candidates(ranker, catalog, make_recommender):
    candidates = [catalog[e] for e in "🍕🚀🐶"]
    rows = make_recommender(ranker)(["to the moon", "dog"], candidates, 10)
    assert [sorted(row) for row in rows] == [sorted("🍕🚀🐶")] * 2


def test_saved_runs_are_read_back(asked, catalog, tmp_path):
    table = runs.run("set", "pizza", always_pizza, asked, catalog.base_forms(), catalog)
    runs.save(table, tmp_path / "a.parquet")
    back = runs.load(tmp_path / "a.parquet")
    assert back.columns.tolist() == table.columns.tolist()
    assert back.drop(columns="kind").astype(str).equals(table.drop(columns="kind").astype(str))
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    (tmp_path / "a.json").write_text(json.dumps({"questions": records}))
    assert runs.load(tmp_path / "a.json")["answers"].tolist() == table["answers"].tolist()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "not the run"),
        ("a.json", "[]", "not the run"),
        ("a.json", '{"questions": [{"text": "x"}]}', "lacks the column 'dataset'"),
        ("a.parquet", "PAR1", "not the run"),
        ("none.parquet", None, "There is no run"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        runs.load(tmp_path / name)


def test_worst_misses_by_full_rank(asked, catalog):
    candidates = catalog.base_forms()
    order = [e.emoji for e in candidates]

    def recommend(texts, candidates, k):
        return [order[:k] for _ in texts]

    table = runs.run("set", "x", recommend, asked, candidates, catalog)
    place = {canonical(emoji): rank for rank, emoji in enumerate(order, 1)}
    expected = sorted(
        ((min(place[canonical(e)] for e in q.emojis), q.text) for q in asked if not {*q.emojis} & {*order[:10]}),
        key=lambda pair: -pair[0],
    )
    assert len(expected) >= 3
    misses = runs.worst_misses(table, recommend, candidates, n=3)
    assert [(m.rank, m.question.text) for m in misses] == expected[:3]
    assert misses[0].answers == order[:10]


def test_never_ranked_is_worse_than_last(asked, catalog):
    candidates = catalog.base_forms()

    def recommend(texts, candidates, k):
        return [[] if "pink" in text else [e.emoji for e in candidates][::-1][:k] for text in texts]

    table = runs.run("set", "x", recommend, asked, candidates, catalog)
    misses = runs.worst_misses(table, recommend, candidates)
    assert misses[0].question.text == "A pink bird on one leg"
    assert misses[0].rank == 0
