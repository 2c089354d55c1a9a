"""Measures of rankings, vectorised over questions: one value per question, averaging is left to the caller.

Macro-F1 and hubness are of all questions at once; with weights (n,) they are those of a sample in which question i
occurs ``weights[i]`` times, which is what a bootstrap resamples.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Judged:
    """Rankings held against what is accepted.

    ``relevant`` is (n, depth) bool, whether the answer at each place, best first, is accepted, and False where a
    ranking has ended; ``accepted`` (n,) int, how many emojis are; ``answered`` (n,) int, how many answers there are.
    """

    relevant: np.ndarray
    accepted: np.ndarray
    answered: np.ndarray


def judge(rankings: Sequence[Sequence[str]], accepted: Sequence[Collection[str]]) -> Judged:
    """Hold rankings, best first, against the sets of accepted emojis.

    Raises ValueError when their numbers differ, a question has nothing accepted or a ranking an answer twice.
    """
    if len(rankings) != len(accepted):
        raise ValueError(f"{len(rankings)} rankings stand against {len(accepted)} questions.")
    if not all(accepted):
        raise ValueError("A question without an accepted answer cannot be judged.")
    answered = np.array([len(ranking) for ranking in rankings], dtype=int)
    relevant = np.zeros((len(rankings), answered.max(initial=0)), dtype=bool)
    for row, (ranking, right) in enumerate(zip(rankings, accepted, strict=True)):
        if len(set(ranking)) < len(ranking):
            raise ValueError(f"Ranking {row} has an answer twice.")
        relevant[row, : len(ranking)] = [answer in right for answer in ranking]
    return Judged(relevant, np.array([len(set(right)) for right in accepted], dtype=int), answered)


def hit_at_k(judged: Judged, k: int) -> np.ndarray:
    """1 where one of the first k is accepted, else 0: (n,). With one accepted answer each, accuracy@k."""
    return judged.relevant[:, :k].any(axis=1).astype(float)


def r_precision_at_k(judged: Judged, k: int = 5) -> np.ndarray:
    """Accepted answers among the first k, out of min(k, number accepted): (n,)."""
    return judged.relevant[:, :k].sum(axis=1) / np.minimum(k, judged.accepted)


def reciprocal_rank(judged: Judged, k: int | None = None) -> np.ndarray:
    """1 / rank of the best-ranked accepted answer, 0 where none is among the first k: (n,). Its mean is the MRR."""
    rank = first_rank(judged, k)
    return np.divide(1.0, rank, out=np.zeros(len(rank)), where=rank > 0)


def first_rank(judged: Judged, k: int | None = None) -> np.ndarray:
    """The rank of the best-ranked accepted answer, from 1, and 0 where none is among the first k: (n,) int."""
    relevant = judged.relevant[:, :k]
    if not relevant.shape[1]:
        return np.zeros(len(relevant), dtype=int)
    return np.where(relevant.any(axis=1), relevant.argmax(axis=1) + 1, 0)


def ndcg_at_k(judged: Judged, k: int = 10) -> np.ndarray:
    """Discounted cumulative gain of the first k over the best possible one, gains 0 or 1: (n,).

    Järvelin and Kekäläinen 2002, with the discount 1 / log2(1 + rank).
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    relevant = judged.relevant[:, :k]
    gain = (relevant * discount[: relevant.shape[1]]).sum(axis=1)
    return gain / np.cumsum(discount)[np.minimum(k, judged.accepted) - 1]


def zero_answers(judged: Judged) -> np.ndarray:
    """1 where there is no answer at all, else 0: (n,)."""
    return (judged.answered == 0).astype(float)


def macro_f1(predicted: Sequence[str], actual: Sequence[str]) -> float:
    """F1 of each class that occurs in ``actual``, averaged without weights.

    Raises ValueError when their numbers differ or are 0.
    """
    if len(predicted) != len(actual) or not len(actual):
        raise ValueError(f"{len(predicted)} predictions stand against {len(actual)} labels.")
    _, ids = np.unique([*predicted, *actual], return_inverse=True)
    return weighted_macro_f1(ids[: len(actual)], ids[len(actual) :], np.ones(len(actual)))


def weighted_macro_f1(predicted: np.ndarray, actual: np.ndarray, weights: np.ndarray) -> float:
    """Macro-F1 of class ids (n,) int, not below 0, where row i counts ``weights[i]`` times."""
    classes = max(predicted.max(), actual.max()) + 1
    right = predicted == actual
    hits = np.bincount(actual[right], weights[right], classes)
    support = np.bincount(actual, weights, classes)
    both = np.bincount(predicted, weights, classes) + support
    occurs = support > 0
    return float(np.mean(2 * hits[occurs] / both[occurs]))


def hubness(answers: np.ndarray, candidates: int, weights: np.ndarray | None = None) -> float:
    """Skewness of how often each candidate is among the first k (Radovanović et al. 2010); 0 when all are as often.

    Args:
        answers: (n, k) ids of candidates, and -1 where a ranking has ended.
        candidates: how many candidates there are, those never answered included.
        weights: (n,), how often each question counts; once when not given.
    """
    given = answers >= 0
    repeated = None if weights is None else np.broadcast_to(weights[:, None], answers.shape)[given]
    counts = np.bincount(answers[given], repeated, candidates)
    deviation = counts - counts.mean()
    spread = deviation.std()
    return float(np.mean(deviation**3) / spread**3) if spread > 0 else 0.0
