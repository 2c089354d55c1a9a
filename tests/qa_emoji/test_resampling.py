from __future__ import annotations

import numpy as np
import pytest

from qa_emoji import resampling


def test_resamples_are_samples_with_replacement(monkeypatch):
    monkeypatch.setattr(resampling, "_BLOCK", 30)
    blocks = list(resampling.resamples(7, np.random.default_rng(1), 10))
    assert [len(block) for block in blocks] == [4, 4, 2]
    weights = np.concatenate(blocks)
    assert weights.sum(axis=1).tolist() == [7] * 10
    rows = np.random.default_rng(1).integers(7, size=(4, 7))
    assert blocks[0].tolist() == [[(row == i).sum() for i in range(7)] for row in rows]


def test_bootstrap_interval_holds_the_mean(rng):
    values = rng.normal(3, 1, size=400)
    low, high = resampling.bootstrap_interval(values, rng)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.2)


def test_bootstrap_is_that_of_resampled_rows(rng):
    values = rng.normal(size=(50, 2))
    low, high, _ = resampling.bootstrap(resampling.means(values), 50, np.random.default_rng(3), count=200)
    rows = np.random.default_rng(3).integers(50, size=(200, 50))
    expected = np.quantile([values[row].mean(axis=0) for row in rows], [0.025, 0.975], axis=0)
    np.testing.assert_allclose([low, high], expected)


def test_p_values_tell_a_difference_from_none(rng):
    values = np.stack([rng.normal(1, 1, 100), rng.normal(0, 1, 100) - 0.01, np.zeros(100)], axis=1)
    values[:, 1] -= values[:, 1].mean()
    *_, p = resampling.bootstrap(resampling.means(values), 100, rng)
    assert p[0] == pytest.approx(2 / 1001)
    assert p[1] > 0.8
    assert p[2] == 1


def test_jackknife_of_the_mean_is_its_standard_error(rng):
    values = rng.normal(5, 2, size=(90, 1))
    low, high, p = resampling.jackknife(resampling.means(values), 90, rng)
    error = values.std(ddof=1) / np.sqrt(90)
    np.testing.assert_allclose([low[0], high[0]], [values.mean() - 1.96 * error, values.mean() + 1.96 * error])
    assert p[0] < 1e-9


def test_jackknife_in_groups_is_near_that_one_by_one(rng):
    values = rng.normal(0, 1, size=(4_000, 1))
    low, high, _ = resampling.jackknife(resampling.means(values), 4_000, rng)
    assert (high - low)[0] == pytest.approx(2 * 1.96 / np.sqrt(4_000), rel=0.25)


def test_of_one_question_the_jackknife_says_nothing(rng):
    low, high, p = resampling.jackknife(resampling.means(np.ones((1, 1))), 1, rng)
    assert (low[0], high[0], p[0]) == (-np.inf, np.inf, 1)
