"""Codes made better for each image: the encoder's guess, then a few steps of least squares through the decoder.

An encoder amortises inference over the images it was trained on and falls short on others, where the decoder still
draws them well (Cremer et al. 2018, "Inference suboptimality in variational autoencoders"). From its mean on, each
step solves for the code of highest posterior density under the decoder made linear there: semi-amortised inference
(Kim et al. 2018, arXiv 1802.02550) by the method of Gauss and Newton, damped as Levenberg and Marquardt do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEPS = 4

_NUDGE = 0.05  # the difference that estimates a derivative, where a code's standard deviation is about 1
_DAMPING = 0.1  # at first, in mean curvatures; less after a step that helped, more after one that did not
_EASE, _STIFFEN = 0.4, 8.0
_BATCH = 64  # images at once


def refine(
    decode: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    means: np.ndarray,
    *,
    prior_weight: float,
    bound: float,
    steps: int = STEPS,
) -> np.ndarray:
    """Means that reconstruct their images better than those given.

    The aim is squared error summed over pixels plus ``prior_weight`` times half the squared length of the code: the
    objective of training, less what does not depend on the mean. A step that would not lower it is not taken.

    Args:
        decode: codes (m, d) float32 to images (m, ...) float32.
        images: (n, ...) float32.
        means: (n, d) float32.
        bound: no code goes further than this from zero in any dimension.

    Returns:
        (n, d) float32.
    """
    if not steps:
        return means
    parts = range(0, len(means), _BATCH)
    refined = [
        _refine(decode, images[at : at + _BATCH], means[at : at + _BATCH], prior_weight / 2, bound, steps)
        for at in parts
    ]
    return np.concatenate(refined) if refined else means


def _refine(
    decode: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    means: np.ndarray,
    penalty: float,
    bound: float,
    steps: int,
) -> np.ndarray:
    n, dim = means.shape
    targets = images.reshape(n, -1)
    nudges = np.concatenate([np.zeros((1, dim)), _NUDGE * np.eye(dim)]).astype(np.float32)
    best, lowest, damping = means, np.full(n, np.inf), np.full(n, _DAMPING)
    curvature, gradient = np.zeros((n, dim, dim)), np.zeros((n, dim))
    for step in range(steps + 1):
        last = step == steps
        around = means[:, None] + (nudges[:1] if last else nudges)  # (n, 1 + d, d)
        drawn = decode(around.reshape(-1, dim)).reshape(n, -1, targets.shape[1])
        residual = targets - drawn[:, 0]  # (n, pixels)
        objective = np.square(residual).sum(axis=1) + penalty * np.square(means).sum(axis=1)
        better = objective < lowest
        best, lowest = np.where(better[:, None], means, best), np.where(better, objective, lowest)
        if last:
            break
        slopes = (drawn[:, 1:] - drawn[:, :1]) / _NUDGE  # (n, d, pixels)
        curvature[better] = (slopes @ slopes.transpose(0, 2, 1))[better]
        gradient[better] = (np.einsum("ndp,np->nd", slopes, residual) - penalty * means)[better]
        damping = np.where(better, damping * _EASE, damping * _STIFFEN)
        stiff = damping * np.trace(curvature, axis1=1, axis2=2) / dim + penalty
        move = np.linalg.solve(curvature + stiff[:, None, None] * np.eye(dim), gradient[..., None])[..., 0]
        means = np.clip(best + move, -bound, bound).astype(np.float32)
    return best
