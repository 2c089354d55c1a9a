from __future__ import annotations

import numpy as np
import pytest

from vae import sampling


def test_spherical_keeps_to_the_circle_and_its_ends(rng):
    first, second = rng.normal(size=(2, 5, 16))
    np.testing.assert_allclose(sampling.spherical(first, second, np.zeros(5)), first, rtol=1e-5)
    np.testing.assert_allclose(sampling.spherical(first, second, np.ones(5)), second, rtol=1e-5)
    middle = sampling.spherical(first, second, np.full(5, 0.5))
    lengths = [np.linalg.norm(rows, axis=1) for rows in (first, second, middle)]
    np.testing.assert_allclose(lengths[2], (lengths[0] + lengths[1]) / 2, rtol=1e-5)
    cosines = [
        (middle * rows).sum(1) / lengths[2] / length for rows, length in zip((first, second), lengths, strict=False)
    ]
    np.testing.assert_allclose(*cosines, rtol=1e-5)


def test_spherical_of_equal_codes_is_that_code():
    code = np.ones((1, 16))
    np.testing.assert_allclose(sampling.spherical(code, code, np.array([0.3])), code, rtol=1e-6)


def test_around_has_the_lengths_asked_for_and_stays_near(rng):
    direction = np.eye(16)[0]
    codes = sampling.around(direction, np.arange(1.0, 101), 0.1, rng)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), np.arange(1.0, 101), rtol=1e-5)
    assert ((codes @ direction) / np.arange(1.0, 101)).min() > 0.95


def test_the_same_generator_draws_the_same():
    first, second = (sampling.blends(4, np.eye(16), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (4, 16)


def test_the_prior_is_a_standard_gaussian(rng):
    codes = sampling.prior(20_000, 4, rng)
    np.testing.assert_allclose(codes.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(np.cov(codes.T), np.eye(4), atol=0.05)


def test_the_aggregate_posterior_is_the_mixture_of_posteriors(rng):
    means, logvars = np.array([[-3.0, 0], [3, 0]]), np.log([[0.25, 1], [0.25, 1]])
    codes = sampling.aggregate_posterior(20_000, means, logvars, rng)
    assert (codes[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.02)
    assert codes[codes[:, 0] > 0, 0].std() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(codes.var(0), [9.25, 1], rtol=0.05)


def test_percentiles_have_the_marginals_and_the_correlation_of_the_means(rng):
    mixing = np.array([[2.0, 0, 0], [1, 1, 0], [0, 0, 0.3]])
    means = rng.normal(size=(3_000, 3)) @ mixing + [1, 2, 3]
    codes = sampling.percentiles(3_000, means, rng)
    np.testing.assert_allclose(codes.mean(0), means.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(codes.T), np.cov(means.T), atol=0.25)
    assert codes.min() >= means.min() - 1  # no infinite ends, where an exact inverse CDF of a Gaussian has them


def test_percentiles_are_spaced_more_evenly_than_random_codes(rng):
    means = rng.normal(size=(4_000, 2))
    ours, random = sampling.percentiles(256, means, rng), sampling.prior(256, 2, rng)
    gaps = [np.sqrt(np.square(c[:, None] - c).sum(-1) + 9 * np.eye(256)).min(1).mean() for c in (ours, random)]
    assert gaps[0] > 1.1 * gaps[1]


def test_a_percentile_strip_climbs_along_its_axis(rng):
    means = rng.normal(size=(500, 4)) * [5, 1, 1, 1]
    strip = sampling.percentile_strip(9, means, axis=0)
    along = strip[:, 0] * np.sign(strip[-1, 0] - strip[0, 0])
    assert (np.diff(along) > 0).all()
    np.testing.assert_allclose(strip[4], means.mean(0), atol=0.5)
    jittered = sampling.percentile_strip(9, means, rng, axis=0)
    assert not np.array_equal(strip, jittered)


def test_the_sweep_is_a_grid_of_means_and_deviations(rng):
    codes = sampling.sweep([-2, 5], [0, 0.1], 1_000, rng)
    assert codes.shape == (4, 1_000)
    np.testing.assert_allclose(codes.mean(1), [-2, -2, 5, 5], atol=0.02)
    np.testing.assert_allclose(codes.std(1), [0, 0.1, 0, 0.1], atol=0.01)


def test_the_grids_of_the_seed():
    cell = {pattern: sampling.grid(pattern, 2, 8)[1] for pattern in sampling.PATTERNS}  # x = -2, y = 2
    assert cell["A"].tolist() == [-2, -2, -2, -2, 2, 2, 2, 2]
    assert cell["B"].tolist() == [-2, 2] * 4
    assert cell["C"].tolist() == [-2, -2, 2, 2] * 2
    assert sampling.grid("A", 20, 16).shape == (400, 16)


def test_a_jittered_grid_stays_in_its_cells(rng):
    codes = sampling.grid("B", 10, 4, rng)
    cells = np.floor((codes[:, :2] + 2) / 0.4).astype(int)
    assert cells.tolist() == [[x, y] for x in range(10) for y in range(10)]


@pytest.mark.parametrize(("pattern", "dim", "message"), [("D", 16, "one of A, B, C"), ("A", 6, "4 divides")])
def test_grids_that_cannot_be(pattern, dim, message):
    with pytest.raises(ValueError, match=message):
        sampling.grid(pattern, 5, dim)


def test_an_interpolation_goes_from_end_to_end(rng):
    first, second = rng.normal(size=(2, 16))
    way = sampling.interpolation(7, first, second)
    np.testing.assert_allclose(way[[0, -1]], [first, second], rtol=1e-5)
    nearer = way @ second / np.linalg.norm(way, axis=1)
    assert (np.diff(nearer) > 0).all()
    assert sampling.interpolation(7, first, second, rng).shape == (7, 16)


def test_mixtures_lie_among_what_is_mixed(rng):
    means = np.eye(4)[:3] * [[1.0], [2], [3]]
    codes = sampling.mixtures(200, means, np.array([0.5, 0.5, 0.0]), rng)
    assert (codes >= 0).all()
    np.testing.assert_allclose(codes[:, 2:], 0)
    lengths = np.linalg.norm(codes, axis=1)
    assert lengths.min() >= 1
    assert lengths.max() <= 2 + 1e-6
    assert codes[:, 0].std() > 0.1
