"""Measures of images and codes."""

from __future__ import annotations

import numpy as np

ACTIVE_ABOVE = 0.1


def squared_error(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Mean squared error of each image over its pixels and four channels: two (n, 4, 36, 36) -> (n,)."""
    return np.square(images - reconstructions).reshape(len(images), -1).mean(axis=1)


def active_dimensions(means: np.ndarray) -> int:
    """How many dimensions of (n, 16) posterior means vary over the images: variance above 0.1.

    A sterner threshold than the 0.01 of Burda et al. 2015 (arXiv 1509.00519).
    """
    return int((means.var(axis=0) > ACTIVE_ABOVE).sum())
