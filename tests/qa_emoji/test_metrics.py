from __future__ import annotations

import numpy as np
import pytest

from qa_emoji import metrics

LETTERS = list("abcdefghij")


@pytest.fixture
def ranked(rng):
    rankings = [rng.permutation(LETTERS)[:8].tolist() for _ in range(50)]
    accepted = [set(rng.choice(LETTERS, size=rng.integers(1, 8), replace=False)) for _ in range(50)]
    return rankings, accepted


@pytest.mark.parametrize("k", [1, 3, 5, 8])
def test_hit_and_r_precision(ranked, k):
    hits, precisions = metrics.hit_at_k(*ranked, k), metrics.r_precision_at_k(*ranked, k)
    for i, (ranking, right) in enumerate(zip(*ranked, strict=True)):
        found = 0
        for place in range(k):
            if ranking[place] in right:
                found += 1
        assert hits[i] == (1 if found else 0)
        assert precisions[i] == found / (k if len(right) >= k else len(right))


def test_reciprocal_rank(ranked):
    for value, ranking, right in zip(metrics.reciprocal_rank(*ranked), *ranked, strict=True):
        places = [ranking.index(a) + 1 for a in right if a in ranking]
        assert value == (1 / min(places) if places else 0)


def test_macro_f1_by_precision_and_recall(rng):
    predicted, actual = rng.choice(LETTERS, 200), rng.choice(LETTERS[:6], 200)
    expected = []
    for label in LETTERS[:6]:
        right = np.sum((predicted == label) & (actual == label))
        precision, recall = right / np.sum(predicted == label), right / np.sum(actual == label)
        expected.append(2 * precision * recall / (precision + recall) if right else 0)
    assert metrics.macro_f1(predicted.tolist(), actual.tolist()) == pytest.approx(np.mean(expected))


def test_a_class_that_is_never_guessed_counts_zero():
    assert metrics.macro_f1(["a", "a", "c"], ["a", "b", "a"]) == pytest.approx(0.25)


def test_bootstrap_interval_holds_the_mean(rng):
    values = rng.normal(3, 1, size=400)
    low, high = metrics.bootstrap_interval(values, rng)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.2)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="stand against"):
        metrics.hit_at_k([["a"]], [{"a"}, {"b"}], 1)
    with pytest.raises(ValueError, match="cannot be judged"):
        metrics.hit_at_k([["a"]], [set()], 1)
    with pytest.raises(ValueError, match="predictions"):
        metrics.macro_f1([], [])
