from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qa_emoji import evaluation
from qa_emoji.questions import make


@pytest.fixture
def asked(catalog):
    rows = [
        ("Pizza tonight?", "🍕"),
        ("dinner plans", "🍕 🍝"),
        ("A pink bird on one leg", "🦩"),
        ("a slice of pizza", "🍕 😋"),
    ]
    made = [make(text, emojis.split(), "any", catalog) for text, emojis in rows]
    return [dataclasses.replace(question, split="test") for question in made]


def always_pizza(texts, candidates, k):
    others = [e.emoji for e in candidates if e.emoji != "🍕"]
    return [["🍕", *others[: k - 1]] for _ in texts]


def test_figures_by_kind(asked, catalog):
    figures = {(f.kind, f.measure): f for f in evaluation.evaluate_questions("p", always_pizza, asked, catalog)}
    assert figures["known", "hit@1"].value == 1
    assert figures["known", "hit@1"].n == 2
    assert figures["implicit", "R-precision@5"].value == 0.5
    assert figures["unseen", "MRR@10"].value == 0
    assert figures["unseen", "unseen share of top 10"].value == 0


@pytest.mark.parametrize("split", ["train", None])
def test_training_questions_and_none_are_refused(asked, catalog, split):
    questions = [dataclasses.replace(q, split=split) for q in asked] if split else []
    with pytest.raises(ValueError, match="dev or test"):
        evaluation.evaluate_questions("p", always_pizza, questions, catalog)


def test_markdown(asked, catalog):
    figures = evaluation.evaluate_questions("pizza", always_pizza, asked, catalog)
    table = evaluation.as_markdown(figures)
    assert table.splitlines()[0] == "| questions | n | measure | pizza |"
    assert "| known | 2 | hit@1 | 1.000 (1.000-1.000) |" in table


@pytest.mark.parametrize("make_recommender", [evaluation.ours, evaluation.images_only])
def test_our_recommenders_keep_to_candidates(ranker, catalog, make_recommender):
    candidates = [catalog[e] for e in "🍕🚀🐶"]
    rows = make_recommender(ranker)(["to the moon", "dog"], candidates, 3)
    assert [sorted(row) for row in rows] == [sorted("🍕🚀🐶")] * 2


def test_tweets_are_judged_without_selectors(catalog, tmp_path):
    folder = tmp_path / "tweeteval_emoji"
    folder.mkdir()
    (folder / "mapping.txt").write_text("0\t❤\t_red_heart_\n1\t😂\t_joy_\n", "utf-8")
    (folder / "val_text.txt").write_text("love \ufe0f you\nhaha\nlol\n", "utf-8")
    (folder / "val_labels.txt").write_text("0\n1\n1\n")
    seen = []

    def recommend(texts, candidates, k):
        seen.extend(texts)
        return [["❤\ufe0f"], ["😂"], ["❤\ufe0f"]]

    figures = {f.measure: f for f in evaluation.evaluate_tweets("x", recommend, tmp_path, catalog)}
    assert seen[0] == "love  you"
    assert figures["accuracy"].value == pytest.approx(2 / 3)
    assert figures["macro-F1"].value == pytest.approx(np.mean([2 / 3, 2 / 3]))
