from __future__ import annotations

import numpy as np
import pytest

from qa_emoji.evaluation import emoji2vec


@pytest.fixture
def corpora(tmp_path):
    folder = tmp_path / "emoji2vec"
    folder.mkdir()
    (folder / "dev.txt").write_text("Cheese slice\t🍕\tTrue\ndog\t🍕\tFalse\nwaffle\t🧇\tTrue\n", "utf-8")
    (folder / "test.txt").write_text("thumb\t👍🏿\tTrue\nheart\t❤️\tTrue\ncar\t❤\tFalse\nletter\t🇦\tTrue\n", "utf-8")
    return tmp_path


def test_dev_and_test_pairs_are_held_out(corpora, catalog):
    assert emoji2vec.held_out_pairs(corpora, catalog) == {
        ("cheese slice", "🍕"),
        ("dog", "🍕"),
        ("waffle", "🧇"),
        ("thumb", "👍"),
        ("heart", "❤"),
        ("car", "❤"),
        ("letter", "🇦"),
    }


def test_known_base_forms_alone_are_judged(corpora, catalog):
    asked = []

    def match(texts, emojis):
        asked.append(list(zip(texts, (e.emoji for e in emojis), strict=True)))
        return np.array([{"dog": 0.1, "car": 0.2}.get(text, 0.9) for text in texts])

    found = {f.measure: f for f in emoji2vec.evaluate("x", match, corpora, catalog)}
    assert asked[0] == [("Cheese slice", "🍕"), ("dog", "🍕")]
    assert asked[1] == [("thumb", "👍"), ("heart", "❤️"), ("car", "❤️")]
    assert (found["accuracy"].value, found["AUC"].value, found["AUC"].n) == (1, 1, 3)


def test_auc_by_all_pairs(rng):
    scores, labels = rng.integers(0, 12, 60) / 4, rng.random(60) < 0.4
    weights = rng.integers(0, 3, 60)
    wins = total = 0.0
    for i in range(60):
        for j in range(60):
            if labels[i] and not labels[j]:
                pairs = weights[i] * weights[j]
                wins += pairs * (1 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0)
                total += pairs
    assert emoji2vec.auc(scores, labels, weights) == pytest.approx(wins / total)
    assert emoji2vec.auc(scores, labels) == pytest.approx(emoji2vec.auc(scores, labels, np.ones(60)))


def test_auc_of_one_class_is_a_half():
    assert emoji2vec.auc(np.array([0.1, 0.2]), np.array([True, True])) == 0.5


@pytest.mark.parametrize("levels", [3, 1000])
def test_no_threshold_is_better(rng, levels):
    for _ in range(20):
        scores, labels = rng.integers(0, levels, 25) / 7, rng.random(25) < 0.5
        threshold = emoji2vec.best_threshold(scores, labels)
        tried = [np.mean((scores >= t) == labels) for t in (-1.0, *scores, *(scores + 1e-6), 1e6)]
        assert np.mean((scores >= threshold) == labels) == max(tried)


@pytest.mark.parametrize("line", ["a\t🍕", "a\t🍕\tYes"])
def test_a_bad_line_is_named(corpora, line):
    (corpora / "emoji2vec" / "dev.txt").write_text(f"b\t🍕\tTrue\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match="line 2"):
        emoji2vec.read(corpora, "dev")


def test_without_the_corpus(tmp_path):
    with pytest.raises(FileNotFoundError, match="no corpus file"):
        emoji2vec.read(tmp_path, "test")


def test_our_cosine_is_that_of_the_index(ranker, catalog):
    match = emoji2vec.ours(ranker)
    texts, emojis = ["pizza", "pizza", "to the moon"], [catalog[e] for e in "🍕🐶🚀"]
    scores = match(texts, emojis)
    for text, emoji, score in zip(texts, emojis, scores, strict=True):
        (answer,) = ranker.rank(text, k=1, candidates=[emoji.emoji])
        assert score == pytest.approx(answer.score, abs=1e-5)
