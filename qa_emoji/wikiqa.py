"""Answer selection on WikiQA: which sentences answer a question? For the benchmark alone, never for shipped weights.

Yang, Yih and Meek 2015, "WikiQA: A Challenge Dataset for Open-Domain Question Answering" (EMNLP). MAP and MRR are over
the questions that have a right answer, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qa_emoji.corpora import existing

COLUMNS = ("question", "answer", "label")


@dataclass(frozen=True, slots=True)
class Selection:
    """A question, its candidate answers and whether each is right."""

    question: str
    candidates: tuple[str, ...]
    right: tuple[bool, ...]


def load(corpora: str | Path, split: str) -> list[Selection]:
    """The answerable questions of a split ("train" or "dev"), in the file's order.

    Raises FileNotFoundError for a missing file; ValueError, with the line, for a row that is not question, answer and
    0 or 1, separated by tabs.
    """
    path = existing(Path(corpora) / "wikiqa" / f"{split}.tsv")
    lines = path.read_text("utf-8").removesuffix("\n").split("\n")
    if tuple(lines[0].split("\t")) != COLUMNS:
        raise ValueError(f"{path} should have the columns {', '.join(COLUMNS)}, separated by tabs.")
    asked: dict[str, list[tuple[str, bool]]] = {}
    for number, line in enumerate(lines[1:], 2):
        fields = line.split("\t")
        if len(fields) != len(COLUMNS) or not fields[0] or not fields[1] or fields[2] not in ("0", "1"):
            raise ValueError(f"{path}, line {number}: it should be a question, an answer and 0 or 1.")
        asked.setdefault(fields[0], []).append((fields[1], fields[2] == "1"))
    return [
        Selection(question, *zip(*answers, strict=True))
        for question, answers in asked.items()
        if any(right for _, right in answers)
    ]


def average_precision(scores: Sequence[np.ndarray], selections: Sequence[Selection]) -> np.ndarray:
    """The mean, over a question's right answers, of the share of right ones down to each: (n,). Its mean is the MAP.

    Args:
        scores: (candidates,) of each of n questions, higher is better; among equals, wrong answers come first.
    """
    return np.array([np.mean(np.arange(1, len(ranks) + 1) / ranks) for ranks in _ranks(scores, selections)])


def reciprocal_rank(scores: Sequence[np.ndarray], selections: Sequence[Selection]) -> np.ndarray:
    """1 / rank of a question's best right answer: (n,). Its mean is the MRR. Arguments as of `average_precision`."""
    return np.array([1 / ranks[0] for ranks in _ranks(scores, selections)])


def _ranks(scores: Sequence[np.ndarray], selections: Sequence[Selection]) -> list[np.ndarray]:
    """The ranks of each question's right answers, counted from 1, best first."""
    if len(scores) != len(selections):
        raise ValueError(f"Scores of {len(scores)} questions stand against {len(selections)}.")
    ranks = []
    for row, selection in zip(scores, selections, strict=True):
        right = np.array(selection.right)
        if len(row) != len(right) or not right.any():
            raise ValueError(f"{selection.question!r} needs a score for each candidate and a right answer.")
        order = np.lexsort((right, -np.asarray(row)))
        ranks.append(np.flatnonzero(right[order]) + 1)
    return ranks
