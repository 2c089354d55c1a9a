"""Intervals over questions: the percentile bootstrap (Efron 1979), single and paired, and the grouped jackknife."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

RESAMPLES = 1000
_BLOCK = 2_000_000  # weights held at once

# From (b, n) weights, how often each of n questions occurs in each of b resamples, to (b, m) figures.
Statistic = Callable[[np.ndarray], np.ndarray]


def resamples(n: int, generator: np.random.Generator, count: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Samples with replacement of n questions, in blocks of (b, n): how often each question occurs in each."""
    done = 0
    while done < count:
        block = min(count - done, max(1, _BLOCK // n))
        rows = generator.integers(n, size=(block, n)) + n * np.arange(block)[:, None]
        yield np.bincount(rows.ravel(), minlength=block * n).reshape(block, n).astype(float)
        done += block


def bootstrap(
    statistic: Statistic, n: int, generator: np.random.Generator, *, level: float = 0.95, count: int = RESAMPLES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ends of the interval of each figure, (m,) and (m,), and two-sided p-values (m,) of it being 0.

    A p-value is twice the smaller share of resamples on either side of 0, one resample added to each.
    """
    values = np.concatenate([statistic(weights) for weights in resamples(n, generator, count)])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    side = np.minimum((values <= 0).sum(axis=0), (values >= 0).sum(axis=0))
    return low, high, np.minimum(1.0, 2 * (side + 1) / (count + 1))


def jackknife(
    statistic: Statistic, n: int, generator: np.random.Generator, *, groups: int = 100
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ends of the 95% interval of each figure, (m,) and (m,), and two-sided p-values (m,) of it being 0.

    For figures that a question's coming twice distorts, such as hubness, where the bootstrap is biased. One of at most
    ``groups`` random groups of questions is left out at a time (Tukey 1958); the interval is the normal one. Of a
    single question nothing can be said: it is infinite.
    """
    groups = min(groups, n)
    value = statistic(np.ones((1, n)))[0]
    if groups < 2:
        return value - np.inf, value + np.inf, np.ones_like(value)
    group = generator.permutation(n) % groups
    left_out = np.concatenate([statistic((group != g).astype(float)[None]) for g in range(groups)])
    error = np.sqrt((groups - 1) * left_out.var(axis=0))
    ratio = np.divide(np.abs(value), error, out=np.where(value == 0, 0.0, np.inf), where=error > 0)
    p = np.array([math.erfc(z / math.sqrt(2)) for z in ratio])
    return value - 1.96 * error, value + 1.96 * error, p


def means(values: np.ndarray) -> Statistic:
    """The statistic of the means of the columns of (n, m) values."""
    return lambda weights: weights @ values / weights.sum(axis=1, keepdims=True)


def bootstrap_interval(
    values: np.ndarray, generator: np.random.Generator, *, level: float = 0.95, count: int = RESAMPLES
) -> tuple[float, float]:
    """The interval of the mean of (n,) values."""
    low, high, _ = bootstrap(means(values[:, None]), len(values), generator, level=level, count=count)
    return float(low[0]), float(high[0])
