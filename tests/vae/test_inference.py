from __future__ import annotations

import numpy as np
import pytest

from vae import inference


@pytest.fixture
def linear(rng):
    """A decoder that is a matrix, 3 numbers to 2 x 6 pixels."""
    matrix = rng.normal(size=(3, 12)).astype(np.float32)
    return matrix, lambda codes: (codes @ matrix).reshape(-1, 2, 6)


def test_through_a_linear_decoder_it_comes_to_ridge_regression(linear, rng):
    matrix, decode = linear
    images = rng.normal(size=(5, 2, 6)).astype(np.float32)
    refined = inference.refine(decode, images, np.zeros((5, 3), np.float32), prior_weight=0.4, bound=10.0, steps=30)
    exact = np.linalg.solve(matrix @ matrix.T + 0.2 * np.eye(3), matrix @ images.reshape(5, -1).T).T
    np.testing.assert_allclose(refined, exact, atol=1e-3)


def test_codes_stay_within_their_bound(linear):
    _, decode = linear
    far = decode(np.full((2, 3), 50, np.float32))
    refined = inference.refine(decode, far, np.zeros((2, 3), np.float32), prior_weight=0.0, bound=1.5)
    assert np.abs(refined).max() == pytest.approx(1.5)


def test_no_step_that_makes_things_worse_is_kept(rng):
    def treacherous(codes):
        return np.sin(40 * codes)

    images, means = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(50, 4)).astype(np.float32)

    def objective(codes):
        return np.square(images - treacherous(codes)).sum(1) + 0.1 * np.square(codes).sum(1)

    refined = inference.refine(treacherous, images, means, prior_weight=0.2, bound=6.0)
    assert (objective(refined) <= objective(means) + 1e-5).all()


def test_no_steps_and_no_images(linear):
    _, decode = linear
    means = np.ones((2, 3), np.float32)
    given = inference.refine(decode, decode(means), means, prior_weight=0.1, bound=6.0, steps=0)
    np.testing.assert_array_equal(given, means)
    assert inference.refine(decode, decode(means)[:0], means[:0], prior_weight=0.1, bound=6.0).shape == (0, 3)


def test_batches_do_not_meet(linear, rng):
    _, decode = linear
    images = rng.normal(size=(100, 2, 6)).astype(np.float32)
    means = rng.normal(size=(100, 3)).astype(np.float32)
    together = inference.refine(decode, images, means, prior_weight=0.1, bound=6.0)
    alone = inference.refine(decode, images[70:71], means[70:71], prior_weight=0.1, bound=6.0)
    np.testing.assert_allclose(together[70:71], alone, atol=1e-5)
