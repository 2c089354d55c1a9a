"""Measures of images and codes, in NumPy. Features are those of any embedding of images, (n, d)."""

from __future__ import annotations

from collections.abc import Sequence

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


def prior_divergence(means: np.ndarray, logvars: np.ndarray) -> np.ndarray:
    """KL divergence in nats of the aggregate posterior from N(0, 1), each dimension taken as a Gaussian: (d,).

    Means and log-variances are (n, d); a mixture's variance is the mean of variances plus the variance of means.
    """
    centre, variance = means.mean(axis=0), means.var(axis=0) + np.exp(logvars).mean(axis=0)
    return (np.square(centre) + variance - 1 - np.log(variance)) / 2


def frechet_distance(real: np.ndarray, drawn: np.ndarray) -> float:
    """Squared distance of Wasserstein between Gaussians fitted to two sets of features, (n, d) and (m, d).

    Dowson and Landau 1982; Heusel et al. 2017 (arXiv 1706.08500) use it for pictures:
    |mu - mu'|^2 + tr(S + S' - 2 (S S')^(1/2)).
    """
    spread, other = (np.atleast_2d(np.cov(features.astype(np.float64).T)) for features in (real, drawn))
    root = _root(spread)
    between = np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0)).sum()  # the trace of (S S')^(1/2)
    apart = np.square(real.mean(axis=0, dtype=np.float64) - drawn.mean(axis=0, dtype=np.float64)).sum()
    return float(apart + np.trace(spread) + np.trace(other) - 2 * between)


def precision_recall(real: np.ndarray, drawn: np.ndarray, neighbours: int = 3) -> tuple[float, float]:
    """Share of drawn pictures within the manifold of real ones, and of real ones within that of the drawn.

    A manifold is a ball around each picture's features as far as its third neighbour (Kynkäänniemi et al. 2019, arXiv
    1904.06991). Features are (n, d) and (m, d).
    """

    def within(points: np.ndarray, manifold: np.ndarray) -> float:
        radii = np.sort(_distances(manifold, manifold), axis=1)[:, neighbours]  # the nearest is itself
        return float((_distances(points, manifold) <= radii).any(axis=1).mean())

    return within(drawn, real), within(real, drawn)


def novelty(images: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
    """Root mean squared difference of each image, (n, 4, 36, 36), from the nearest of the real ones: (n,).

    Without ``real`` the images are compared with each other.
    """
    flat = images.reshape(len(images), -1)
    distances = _distances(flat, flat if real is None else real.reshape(len(real), -1))
    if real is None:
        np.fill_diagonal(distances, np.inf)
    return distances.min(axis=1) / np.sqrt(flat.shape[1])


def neighbour_precision(
    codes: np.ndarray,
    groups: Sequence[str],
    queries: np.ndarray | None = None,
    query_groups: Sequence[str] | None = None,
    k: int = 10,
) -> np.ndarray:
    """Share of the k codes nearest to each query, by cosine, that are of its own group: (n,).

    Codes are (m, d), queries (n, d); without queries each code asks for its k nearest others.
    """
    among = codes / np.linalg.norm(codes, axis=1, keepdims=True).clip(1e-12)
    if queries is None or query_groups is None:
        cosine = among @ among.T
        np.fill_diagonal(cosine, -np.inf)
        query_groups = groups
    else:
        cosine = queries / np.linalg.norm(queries, axis=1, keepdims=True).clip(1e-12) @ among.T
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    return (np.asarray(groups)[nearest] == np.asarray(query_groups)[:, None]).mean(axis=1)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances, (n, m)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.sqrt(squared.clip(0))


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
