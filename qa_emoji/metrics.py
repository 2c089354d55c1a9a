"""Measures of rankings, one value per question; averaging is left to the caller.

A ranking is a sequence of emojis, best first; ``accepted`` is the set of those that are right, never empty.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

Rankings = Sequence[Sequence[str]]
Accepted = Sequence[Collection[str]]


def hit_at_k(rankings: Rankings, accepted: Accepted, k: int) -> np.ndarray:
    """1 where one of the first k is accepted, else 0: (n,)."""
    return np.array([float(any(a in right for a in ranking[:k])) for ranking, right in _pairs(rankings, accepted)])


def r_precision_at_k(rankings: Rankings, accepted: Accepted, k: int = 5) -> np.ndarray:
    """Accepted answers among the first k, out of min(k, number accepted): (n,)."""
    return np.array(
        [sum(a in right for a in ranking[:k]) / min(k, len(right)) for ranking, right in _pairs(rankings, accepted)]
    )


def reciprocal_rank(rankings: Rankings, accepted: Accepted) -> np.ndarray:
    """1 / rank of the best-ranked accepted answer, 0 where none is ranked: (n,). Its mean is the MRR."""
    return np.array(
        [
            next((1 / rank for rank, a in enumerate(ranking, 1) if a in right), 0.0)
            for ranking, right in _pairs(rankings, accepted)
        ]
    )


def macro_f1(predicted: Sequence[str], actual: Sequence[str]) -> float:
    """F1 of each class that occurs in ``actual``, averaged without weights."""
    if len(predicted) != len(actual) or not len(actual):
        raise ValueError(f"{len(predicted)} predictions stand against {len(actual)} labels.")
    scores = []
    for label in sorted(set(actual)):
        hits = sum(p == label == a for p, a in zip(predicted, actual, strict=True))
        scores.append(2 * hits / (sum(p == label for p in predicted) + sum(a == label for a in actual)))
    return float(np.mean(scores))


def bootstrap_interval(
    values: np.ndarray, generator: np.random.Generator, *, level: float = 0.95, resamples: int = 1000
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of (n,) values (Efron 1979)."""
    rows = generator.integers(len(values), size=(resamples, len(values)))
    low, high = np.quantile(values[rows].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _pairs(rankings: Rankings, accepted: Accepted) -> zip:
    if len(rankings) != len(accepted):
        raise ValueError(f"{len(rankings)} rankings stand against {len(accepted)} questions.")
    if not all(accepted):
        raise ValueError("A question without an accepted answer cannot be judged.")
    return zip(rankings, accepted, strict=True)
