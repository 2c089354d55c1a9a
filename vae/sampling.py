"""Ways to draw latent codes, in NumPy. Each takes a generator: the same generator draws the same codes.

Where the seed's codes stand at fixed places, on a grid or on the way between two images, the generator may be left out;
with one, each code is drawn at random within its own cell instead (jittered sampling, Cook 1986, "Stochastic sampling
in computer graphics").
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PATTERNS = {"A": "half and half", "B": "taking turns", "C": "taking turns in pairs"}


def prior(n: int, dim: int, generator: np.random.Generator) -> np.ndarray:
    """n codes of N(0, I), what the VAE was trained to fill: (n, dim) float32."""
    return generator.standard_normal((n, dim)).astype(np.float32)


def aggregate_posterior(n: int, means: np.ndarray, logvars: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """n codes of the mixture of the posteriors of real images, (m, d) each: one is chosen, then drawn from: (n, d).

    Hoffman and Johnson 2016, "ELBO surgery", name it; it is where the decoder has been.
    """
    chosen = generator.integers(len(means), size=n)
    noise = generator.standard_normal((n, means.shape[1]))
    return (means[chosen] + np.exp(logvars[chosen] / 2) * noise).astype(np.float32)


def percentiles(n: int, means: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """n codes at evenly spaced percentiles of the inverse CDF of the aggregate embedding, (m, d) means: (n, d) float32.

    A distribution of several dimensions has no one inverse CDF. Rosenblatt 1952 ("Remarks on a multivariate
    transformation") gives it as a chain of one-dimensional ones, each conditional on the dimensions before; with as
    many images as ours these are estimated after a turn to the principal axes, where the dimensions are uncorrelated
    and each conditional is taken as the marginal: the empirical quantiles along that axis. Evenly spaced in several
    dimensions is a lattice of low discrepancy (Kronecker's, with the steps of Roberts 2018, from the generalised golden
    ratio), shifted at random as a whole (Cranley and Patterson 1976).
    """
    centre = means.mean(axis=0)
    axes = np.linalg.svd(means - centre, full_matrices=False)[2]  # (d, d), a principal axis each row
    along = np.sort((means - centre) @ axes.T, axis=0)  # (m, d)
    dim = along.shape[1]
    at = (generator.random(dim) + np.arange(1, n + 1)[:, None] * _lattice_steps(dim)) % 1  # (n, d)
    levels = (np.arange(len(along)) + 0.5) / len(along)
    drawn = np.stack([np.interp(at[:, i], levels, along[:, i]) for i in range(dim)], axis=1)
    return (centre + drawn @ axes).astype(np.float32)


def percentile_strip(
    n: int, means: np.ndarray, generator: np.random.Generator | None = None, *, axis: int = 0
) -> np.ndarray:
    """n codes at evenly spaced percentiles along one principal axis of (m, d) means, the rest at their mean: (n, d).

    ``axis`` 0 is that of the most variance. It is the seed's own loop over percentiles, made one-dimensional.
    """
    centre = means.mean(axis=0)
    direction = np.linalg.svd(means - centre, full_matrices=False)[2][axis]
    quantiles = np.quantile((means - centre) @ direction, _cells(n, generator))
    return (centre + quantiles[:, None] * direction).astype(np.float32)


def sweep(
    mus: Sequence[float] | np.ndarray, sds: Sequence[float] | np.ndarray, dim: int, generator: np.random.Generator
) -> np.ndarray:
    """One code of N(mu, sd^2 I) for each pair (mu, sd), the seed's sweep: (len(mus) * len(sds), dim) float32."""
    mu, sd = (axis.reshape(-1, 1) for axis in np.meshgrid(mus, sds, indexing="ij"))
    return (mu + sd * generator.standard_normal((len(mu), dim))).astype(np.float32)


def grid(
    pattern: str, ticks: int, dim: int, generator: np.random.Generator | None = None, *, bound: float = 2.0
) -> np.ndarray:
    """Codes made of the two coordinates of a grid over [-bound, bound]^2, row by row: (ticks^2, dim) float32.

    The seed's patterns, for coordinates x and y: A is x...xy...y, B is xyxy..., C is xxyyxxyy.... Raises ValueError for
    another pattern and for a ``dim`` that is no multiple of 4.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"A pattern is one of {', '.join(PATTERNS)}, not {pattern!r}.")
    if dim % 4:
        raise ValueError(f"A grid needs a number of dimensions that 4 divides, not {dim}.")
    second = {"A": [0] * (dim // 2) + [1] * (dim // 2), "B": [0, 1] * (dim // 2), "C": [0, 0, 1, 1] * (dim // 4)}
    if generator is None:
        axis = np.linspace(-bound, bound, ticks)
        x, y = (coordinate.ravel() for coordinate in np.meshgrid(axis, axis, indexing="ij"))
    else:
        corner = np.stack(np.meshgrid(np.arange(ticks), np.arange(ticks), indexing="ij")).reshape(2, -1)
        x, y = bound * (2 * (corner + generator.random(corner.shape)) / ticks - 1)
    return np.stack([x, y], axis=1)[:, second[pattern]].astype(np.float32)


def interpolation(
    n: int, first: np.ndarray, second: np.ndarray, generator: np.random.Generator | None = None
) -> np.ndarray:
    """n codes on the way from one code (d,) to another, ends included without a generator: (n, d) float32."""
    at = np.linspace(0, 1, n) if generator is None else _cells(n, generator)
    return spherical(np.repeat(first[None], n, axis=0), np.repeat(second[None], n, axis=0), at)


def blends(n: int, means: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """n codes on the way between two real images drawn at random, by spherical interpolation: (n, d) float32."""
    first, second = (means[generator.integers(len(means), size=n)] for _ in range(2))
    return spherical(first, second, generator.uniform(0.3, 0.7, size=n))


def mixtures(
    n: int, means: np.ndarray, weights: np.ndarray, generator: np.random.Generator, *, concentration: float = 0.5
) -> np.ndarray:
    """n codes amid a few, (m, d), of given weights (m,): each a random mixture of their directions, of a mean length.

    Shares are the weights times a draw of Dirichlet's distribution, whose ``concentration`` below 1 lets one or two of
    the few prevail each time. (n, d) float32.
    """
    shares = weights * generator.dirichlet(np.full(len(means), concentration), size=n)  # (n, m)
    shares /= shares.sum(axis=1, keepdims=True).clip(1e-12)
    lengths = np.linalg.norm(means, axis=1)
    mixed = shares @ (means / lengths[:, None].clip(1e-12))
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True).clip(1e-12)
    return (mixed * (shares @ lengths)[:, None]).astype(np.float32)


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


def _cells(n: int, generator: np.random.Generator | None) -> np.ndarray:
    """A place within each of n equal cells of [0, 1]: the middle or, with a generator, anywhere."""
    return (np.arange(n) + (0.5 if generator is None else generator.random(n))) / n


def _lattice_steps(dim: int) -> np.ndarray:
    """Irrational steps, (dim,), powers of 1 / phi where phi^(dim + 1) = phi + 1."""
    phi = 2.0
    for _ in range(60):
        phi = (1 + phi) ** (1 / (dim + 1))
    return phi ** -np.arange(1, dim + 1)
