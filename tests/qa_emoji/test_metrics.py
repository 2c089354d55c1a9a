from __future__ import annotations

import math

import numpy as np
import pytest

from qa_emoji import metrics

LETTERS = list("abcdefghij")


@pytest.fixture
def ranked(rng):
    """Rankings of 0 to 8 letters, and what is accepted of each."""
    rankings = [rng.permutation(LETTERS)[: rng.integers(0, 9)].tolist() for _ in range(80)]
    accepted = [set(rng.choice(LETTERS, size=rng.integers(1, 8), replace=False)) for _ in range(80)]
    assert any(not ranking for ranking in rankings)
    return rankings, accepted


@pytest.mark.parametrize("k", [1, 3, 5, 8, 20])
def test_hit_and_r_precision(ranked, k):
    judged = metrics.judge(*ranked)
    hits, precisions = metrics.hit_at_k(judged, k), metrics.r_precision_at_k(judged, k)
    for i, (ranking, right) in enumerate(zip(*ranked, strict=True)):
        found = 0
        for answer in ranking[:k]:
            if answer in right:
                found += 1
        assert hits[i] == (1 if found else 0)
        assert precisions[i] == found / (k if len(right) >= k else len(right))


@pytest.mark.parametrize("k", [None, 2, 10])
def test_reciprocal_and_first_rank(ranked, k):
    judged = metrics.judge(*ranked)
    values, ranks = metrics.reciprocal_rank(judged, k), metrics.first_rank(judged, k)
    for value, rank, ranking, right in zip(values, ranks, *ranked, strict=True):
        places = [ranking[:k].index(a) + 1 for a in right if a in ranking[:k]]
        assert value == (1 / min(places) if places else 0)
        assert rank == (min(places) if places else 0)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_ndcg(ranked, k):
    values = metrics.ndcg_at_k(metrics.judge(*ranked), k)
    for value, ranking, right in zip(values, *ranked, strict=True):
        gain = sum(1 / math.log2(rank + 1) for rank, a in enumerate(ranking[:k], 1) if a in right)
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(right)) + 1))
        assert value == pytest.approx(gain / ideal)


def test_ndcg_by_hand():
    judged = metrics.judge([["x", "a"], ["a", "b"], []], [{"a"}, {"a", "b", "c"}, {"a"}])
    best = 1 + 1 / math.log2(3) + 0.5
    assert metrics.ndcg_at_k(judged) == pytest.approx([1 / math.log2(3), (1 + 1 / math.log2(3)) / best, 0])


def test_zero_answers(ranked):
    assert metrics.zero_answers(metrics.judge(*ranked)).tolist() == [float(len(ranking) == 0) for ranking in ranked[0]]


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


def test_weighted_macro_f1_is_that_of_the_repeated_rows(rng):
    predicted, actual = rng.integers(0, 6, 60), rng.integers(0, 5, 60)
    weights = rng.integers(0, 3, 60)
    repeated = metrics.macro_f1(
        np.repeat(predicted, weights).astype(str).tolist(), np.repeat(actual, weights).astype(str).tolist()
    )
    assert metrics.weighted_macro_f1(predicted, actual, weights) == pytest.approx(repeated)


def test_hubness_by_counting(rng):
    answers = np.stack([rng.permutation(30)[:10] for _ in range(40)])
    answers[rng.random(answers.shape) < 0.2] = -1
    weights = rng.integers(0, 3, 40)
    counts = dict.fromkeys(range(50), 0)
    for row, weight in zip(answers, weights, strict=True):
        for answer in row:
            if answer >= 0:
                counts[int(answer)] += int(weight)
    mean = sum(counts.values()) / 50
    second = sum((c - mean) ** 2 for c in counts.values()) / 50
    third = sum((c - mean) ** 3 for c in counts.values()) / 50
    assert metrics.hubness(answers, 50, weights) == pytest.approx(third / second**1.5)
    assert metrics.hubness(answers, 50) == pytest.approx(metrics.hubness(answers, 50, np.ones(40)))


def test_one_hub_among_many_skews_and_equals_do_not():
    hub = np.array([[0, i] for i in range(1, 100)])
    assert metrics.hubness(hub, 100) > 9
    assert metrics.hubness(np.arange(20).reshape(10, 2), 20) == 0
    assert metrics.hubness(np.full((3, 2), -1), 20) == 0


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="stand against"):
        metrics.judge([["a"]], [{"a"}, {"b"}])
    with pytest.raises(ValueError, match="cannot be judged"):
        metrics.judge([["a"]], [set()])
    with pytest.raises(ValueError, match="an answer twice"):
        metrics.judge([["a", "a"]], [{"a"}])
    with pytest.raises(ValueError, match="predictions"):
        metrics.macro_f1([], [])
