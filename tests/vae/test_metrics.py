from __future__ import annotations

import numpy as np
import pytest

from vae import metrics


def test_squared_error_of_each_image(rng):
    a, b = rng.random((2, 3, 4, 36, 36))
    naive = [
        np.mean([(x - y) ** 2 for x, y in zip(p.ravel(), q.ravel(), strict=True)]) for p, q in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(metrics.squared_error(a, b), naive)


def test_active_dimensions():
    means = np.zeros((100, 3))
    means[:, 0] = np.linspace(-1, 1, 100)
    means[:, 1] = np.linspace(-0.1, 0.1, 100)
    assert metrics.active_dimensions(means) == 1


def test_prior_divergence_is_none_for_the_prior_and_grows_off_it(rng):
    means = rng.normal(size=(50_000, 2)) * [0.6, 1.0] + [0, 2]
    logvars = np.log(np.tile([0.64, 0.01], (50_000, 1)))
    np.testing.assert_allclose(metrics.prior_divergence(means, logvars), [0, 2.0], atol=0.03)


def test_frechet_distance_of_gaussians(rng):
    a = rng.normal(size=(60_000, 3))
    b = rng.normal(size=(60_000, 3)) * [2, 1, 1] + [0, 3, 0]
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(a, b) == pytest.approx(9 + (2 - 1) ** 2, rel=0.03)


def test_frechet_distance_with_covariances_that_do_not_commute(rng):
    a, b = (rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) for _ in range(2))
    s, t = np.cov(a.T), np.cov(b.T)
    values = np.linalg.eigvals(s @ t)
    naive = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(s + t) - 2 * np.sqrt(values).sum().real
    assert metrics.frechet_distance(a, b) == pytest.approx(naive, rel=1e-6)


def test_precision_and_recall_of_half_a_manifold(rng):
    real = rng.normal(size=(400, 2))
    half = real[real[:, 0] > 0]
    assert metrics.precision_recall(real, half)[0] == 1
    precision, recall = metrics.precision_recall(real, half + rng.normal(size=half.shape) * 0.01)
    assert precision > 0.95
    assert 0.4 < recall < 0.7
    assert metrics.precision_recall(real, real + 100) == (0, 0)


def test_novelty_is_the_distance_to_the_nearest(rng):
    real = rng.random((5, 4, 36, 36))
    near = real[2] + 0.1
    np.testing.assert_allclose(metrics.novelty(np.stack([real[3], near]), real), [0, 0.1], atol=1e-6)


def test_neighbour_precision_against_a_loop(rng):
    codes, queries = rng.normal(size=(30, 4)), rng.normal(size=(7, 4))
    groups, asked = list(rng.choice(["a", "b"], 30)), list(rng.choice(["a", "b"], 7))

    def naive(query, group, others):
        cosine = [query @ codes[i] / np.linalg.norm(query) / np.linalg.norm(codes[i]) for i in others]
        best = sorted(range(len(others)), key=lambda i: -cosine[i])[:5]
        return np.mean([groups[others[i]] == group for i in best])

    expected = [naive(q, g, range(30)) for q, g in zip(queries, asked, strict=True)]
    np.testing.assert_allclose(metrics.neighbour_precision(codes, groups, queries, asked, k=5), expected)
    expected = [naive(codes[i], groups[i], [j for j in range(30) if j != i]) for i in range(30)]
    np.testing.assert_allclose(metrics.neighbour_precision(codes, groups, k=5), expected)
