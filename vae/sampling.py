"""Ways to draw latent codes, in NumPy. Each takes a generator: the same generator draws the same codes."""

from __future__ import annotations

import numpy as np


def blends(n: int, means: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """n codes on the way between two real images drawn at random, by spherical interpolation: (n, d) float32."""
    first, second = (means[generator.integers(len(means), size=n)] for _ in range(2))
    return spherical(first, second, generator.uniform(0.3, 0.7, size=n))


def spherical(first: np.ndarray, second: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Codes on the great circle from ``first`` to ``second``, row by row, with lengths between theirs.

    Shoemake 1985, "Animating rotation with quaternion curves". Two (n, d) and (n,) in [0, 1] -> (n, d) float32.
    """
    lengths = [np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12) for rows in (first, second)]
    a, b = first / lengths[0], second / lengths[1]
    at = at[:, None]
    angle = np.arccos(np.clip((a * b).sum(1, keepdims=True), -1, 1))
    sine = np.sin(angle)
    straight = sine < 1e-6
    safe = np.where(straight, 1, sine)
    direction = np.where(
        straight, (1 - at) * a + at * b, (np.sin((1 - at) * angle) * a + np.sin(at * angle) * b) / safe
    )
    return (direction * ((1 - at) * lengths[0] + at * lengths[1])).astype(np.float32)


def around(direction: np.ndarray, lengths: np.ndarray, spread: float, generator: np.random.Generator) -> np.ndarray:
    """Codes near a unit direction (d,), one for each of the given lengths (n,): (n, d) float32.

    The direction is moved by Gaussian noise whose own length is about ``spread`` before it is given its length.
    """
    noise = generator.standard_normal((len(lengths), len(direction))) * spread / np.sqrt(len(direction))
    moved = direction + noise
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True) * lengths[:, None]).astype(np.float32)
