"""Figures of a run with 95% intervals, and differences of two runs: bootstrapped means and macro-F1, and hubness."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qa_emoji import metrics
from qa_emoji.catalog import Catalog, canonical
from qa_emoji.evaluation.recommenders import Recommender
from qa_emoji.evaluation.runs import DEPTH, MEANS, run
from qa_emoji.questions import Question
from qa_emoji.resampling import bootstrap, jackknife

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("known", "implicit", "unseen")
MACRO_F1, HUBNESS = "macro-F1", "hubness"


@dataclass(frozen=True)
class Figure:
    """A figure of a system over n questions of a kind with its 95% interval."""

    system: str
    kind: str
    measure: str
    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """A system's figure less that of another (or of its earlier run) on the same n questions, with the paired 95%
    interval and the two-sided p-value of no difference."""

    system: str
    other: str
    kind: str
    measure: str
    n: int
    value: float
    low: float
    high: float
    p: float


def evaluate_questions(
    system: str, recommend: Recommender, questions: Sequence[Question], catalog: Catalog, *, seed: int = 0
) -> list[Figure]:
    """Figures of each kind of question among all base forms, known and unseen.

    Raises ValueError for questions that may have been trained on, and for none.
    """
    return figures(run("", system, recommend, questions, catalog.base_forms(), catalog), by="kind", seed=seed)


def figures(
    table: pd.DataFrame, *, by: str | None = None, seed: int = 0, measures: Collection[str] | None = None
) -> list[Figure]:
    """The figures of each system of a run, for all questions of a dataset or for each value of a column.

    All systems are resampled alike. ``measures`` are all when not named. ``kind`` of a figure is the value of the
    column, the dataset without one.
    """
    found = []
    for kind, group in _groups(table, by or "dataset"):
        for system, part in group.groupby("system", sort=False):
            scored = _Scored(part, measures)
            for name, value, low, high, _ in _estimated([scored], seed):
                found.append(Figure(str(system), kind, name, scored.n, value, low, high))
    return found


def differences(
    table: pd.DataFrame,
    other: pd.DataFrame,
    *,
    name: str | None = None,
    by: str | None = None,
    seed: int = 0,
    measures: Collection[str] | None = None,
) -> list[Difference]:
    """The figures of one system's run less those of another's, on the questions that both have.

    Questions are the same when text and accepted emojis are. ``name`` is what the other is called, its system when not
    given. Raises ValueError when no question is in both, and when they chose among other candidates.
    """
    mine, theirs = _paired(table, other)
    system, against = str(mine["system"].iloc[0]), name or str(theirs["system"].iloc[0])
    found = []
    for kind, part in _groups(mine, by or "dataset"):
        both = [_Scored(part, measures), _Scored(theirs.loc[part.index], measures)]
        for measure, value, low, high, p in _estimated(both, seed):
            found.append(Difference(system, against, kind, measure, len(part), value, low, high, p))
    return found


class _Scored:
    """One system's rows of a run as arrays, for figures of any resample of them."""

    def __init__(self, part: pd.DataFrame, measures: Collection[str] | None):
        wanted = (*MEANS, MACRO_F1, HUBNESS) if measures is None else measures
        self.n, self._candidates = len(part), int(part["candidates"].iloc[0])
        self.names = [name for name in MEANS if name in wanted and part[name].notna().all()]
        self._values = part[self.names].to_numpy(float)
        answers = [[canonical(emoji) for emoji in row] for row in part["answers"]]
        labels = [[canonical(emoji) for emoji in row] for row in part["accepted"]]
        ids = {emoji: i for i, emoji in enumerate(dict.fromkeys(e for row in [*answers, *labels] for e in row))}
        self._answers = np.full((self.n, DEPTH), -1)
        for row, ranking in enumerate(answers):
            self._answers[row, : len(ranking)] = [ids[emoji] for emoji in ranking]
        self._labels = np.array([ids[row[0]] for row in labels])
        self._predicted = np.where(self._answers[:, 0] >= 0, self._answers[:, 0], len(ids))  # none: its own class
        self._has_f1 = MACRO_F1 in wanted and all(len(row) == 1 for row in labels)
        self.names += [MACRO_F1] if self._has_f1 else []
        # Where no more can be chosen than are shown, every candidate is in every row.
        self.has_hubness = HUBNESS in wanted and self._candidates > DEPTH

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """(b, n) weights to (b, m) means, and macro-F1 last where there is one: in the order of ``names``."""
        mean = weights @ self._values / weights.sum(axis=1, keepdims=True)
        if not self._has_f1:
            return mean
        f1 = [metrics.weighted_macro_f1(self._predicted, self._labels, row) for row in weights]
        return np.column_stack([mean, f1])

    def hubness(self, weights: np.ndarray) -> np.ndarray:
        """(b, n) weights to (b, 1)."""
        return np.array([[metrics.hubness(self._answers, self._candidates, row)] for row in weights])


def _estimated(scored: Sequence[_Scored], seed: int) -> Iterator[tuple[str, float, float, float, float]]:
    """Each measure of one system, or of the first less the second, with interval and p-value."""
    n, everything = scored[0].n, np.ones((1, scored[0].n))

    def scores(weights: np.ndarray) -> np.ndarray:
        first, *second = (one.scores(weights) for one in scored)
        return first - second[0] if second else first

    def hubs(weights: np.ndarray) -> np.ndarray:
        first, *second = (one.hubness(weights) for one in scored)
        return first - second[0] if second else first

    if scored[0].names:
        ends = bootstrap(scores, n, np.random.default_rng(seed))
        for name, value, low, high, p in zip(scored[0].names, scores(everything)[0], *ends, strict=True):
            yield name, float(value), float(low), float(high), float(p)
    if scored[0].has_hubness:
        ends = jackknife(hubs, n, np.random.default_rng(seed))
        value, low, high, p = (float(part[0]) for part in (hubs(everything)[0], *ends))
        yield HUBNESS, value, low, high, p


def _groups(table: pd.DataFrame, by: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The parts of a run by the values of a column: kinds in their order, others as they come."""
    values = list(dict.fromkeys(table[by]))
    for value in [kind for kind in KINDS if kind in values] if by == "kind" else values:
        yield str(value), table[table[by] == value]


def _paired(table: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both runs on the same questions, under the same index; a text that comes twice pairs in order."""

    def keyed(run_of_one: pd.DataFrame) -> pd.DataFrame:
        accepted = [" ".join(sorted(map(canonical, row))) for row in run_of_one["accepted"]]
        keys = run_of_one[["text"]].assign(accepted=accepted)
        return run_of_one.set_index([*(keys[c] for c in keys), keys.groupby(list(keys)).cumcount()])

    mine, theirs = keyed(table), keyed(other)
    both = mine.index[mine.index.isin(theirs.index)]
    if both.empty:
        raise ValueError("The two runs have no question in common.")
    mine, theirs = mine.loc[both], theirs.loc[both]
    if (mine["candidates"] != theirs["candidates"]).any():
        raise ValueError("The two runs chose among other candidates and cannot be compared.")
    return mine, theirs
