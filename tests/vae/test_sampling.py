from __future__ import annotations

import numpy as np

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
