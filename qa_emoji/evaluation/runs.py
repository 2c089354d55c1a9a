"""A run: what systems answered to each question and how good that was, a table with a row for each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_emoji import metrics
from qa_emoji.catalog import Catalog, Emoji, canonical
from qa_emoji.evaluation.recommenders import Recommender
from qa_emoji.metrics import Judged
from qa_emoji.questions import Question

if TYPE_CHECKING:
    import pandas as pd

DEPTH = 10
_CHUNK = 4096  # texts asked at once

# Measures that have a value for each question.
MEASURES: dict[str, Callable[[Judged], np.ndarray]] = {
    "hit@1": lambda judged: metrics.hit_at_k(judged, 1),
    "hit@5": lambda judged: metrics.hit_at_k(judged, 5),
    "hit@10": lambda judged: metrics.hit_at_k(judged, 10),
    "R-precision@5": lambda judged: metrics.r_precision_at_k(judged, 5),
    f"MRR@{DEPTH}": lambda judged: metrics.reciprocal_rank(judged, DEPTH),
    f"nDCG@{DEPTH}": lambda judged: metrics.ndcg_at_k(judged, DEPTH),
    "zero-answer rate": metrics.zero_answers,
}
UNSEEN_SHARE = f"unseen share of top {DEPTH}"
# Of questions with one accepted emoji each, hit@k goes by this name too.
ACCURACY: dict[str, Callable[[Judged], np.ndarray]] = {
    "accuracy@1": lambda judged: metrics.hit_at_k(judged, 1),
    "accuracy@3": lambda judged: metrics.hit_at_k(judged, 3),
    "accuracy@5": lambda judged: metrics.hit_at_k(judged, 5),
}
MEANS = (*MEASURES, UNSEEN_SHARE, *ACCURACY)
IDENTITY = ("dataset", "system", "row", "text", "category", "kind", "accepted", "answers", "candidates")


def run(
    dataset: str,
    system: str,
    recommend: Recommender,
    questions: Sequence[Question],
    candidates: Sequence[Emoji],
    catalog: Catalog,
    *,
    rows: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Let a system answer questions; a row for each, in order.

    The columns: dataset, system, row (in the file, from 1), text, category, kind, accepted and answers (lists of
    emojis, the first ten answers), candidates (how many to choose among), and a column for each measure; accuracy is
    missing (NaN) unless every question has one accepted emoji.

    Raises ValueError for questions that may have been trained on, and for none.
    """
    import pandas as pd

    if not questions or any(q.split == "train" for q in questions):
        raise ValueError("Evaluation needs questions, and of the splits that nothing was trained on: dev or test.")
    texts, accepted = [q.text for q in questions], [list(q.emojis) for q in questions]
    parts = (recommend(texts[start : start + _CHUNK], candidates, DEPTH) for start in range(0, len(texts), _CHUNK))
    answers = [ranking[:DEPTH] for part in parts for ranking in part]
    judged = judge(answers, accepted)
    unseen = {canonical(e.emoji) for e in catalog.unseen()}
    new = judge(answers, [unseen] * len(answers)).relevant.sum(axis=1)
    one_label = bool((judged.accepted == 1).all())
    columns: dict[str, Any] = {
        "dataset": dataset,
        "system": system,
        "row": list(rows) if rows is not None else range(1, len(questions) + 1),
        "text": [q.text for q in questions],
        "category": [q.category for q in questions],
        "kind": [q.kind(catalog) for q in questions],
        "accepted": accepted,
        "answers": answers,
        "candidates": len(candidates),
        **{name: measure(judged) for name, measure in MEASURES.items()},
        UNSEEN_SHARE: new / np.maximum(judged.answered, 1),
        **{name: measure(judged) if one_label else np.nan for name, measure in ACCURACY.items()},
    }
    return pd.DataFrame(columns)


def save(table: pd.DataFrame, path: str | Path) -> None:
    """Write a run as Parquet. Raises ModuleNotFoundError without the extra that brings pyarrow."""
    try:
        table.to_parquet(path, index=False)
    except ImportError as error:
        raise ModuleNotFoundError("Parquet needs the extra: pip install 'qa-emoji[evaluate]'.") from error


def load(path: str | Path) -> pd.DataFrame:
    """Read a run from the Parquet or JSON file of an evaluation; ValueError for what is no run."""
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no run {path}.")
    try:
        if path.suffix == ".json":
            table = pd.DataFrame(json.loads(path.read_text("utf-8"))["questions"])
        else:
            table = pd.read_parquet(path)
        missing = [name for name in (*IDENTITY, *MEANS) if name not in table]
    except ImportError as error:
        raise ModuleNotFoundError("Parquet needs the extra: pip install 'qa-emoji[evaluate]'.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the run of an evaluation, its JSON or Parquet file.") from error
    if missing or table.empty:
        lacks = f"the column {missing[0]!r}" if missing else "rows"
        raise ValueError(f"{path} is not the run of an evaluation: it lacks {lacks}.")
    for name in ("accepted", "answers"):
        table[name] = [list(emojis) for emojis in table[name]]
    return table


@dataclass(frozen=True)
class Miss:
    """A question without an accepted answer among the first ten, and the rank of its best accepted one (0: none)."""

    question: Question
    answers: list[str]
    rank: int


def worst_misses(
    table: pd.DataFrame, recommend: Recommender, candidates: Sequence[Emoji], *, n: int = 20, most: int = 2_000
) -> list[Miss]:
    """The n questions of one system's run whose best accepted answer ranks lowest, of its first ``most`` misses.

    An accepted answer that is not ranked at all is worse than any that is; of equals the first.
    """
    missed = table[table[f"MRR@{DEPTH}"] == 0].head(most)
    misses = []
    for start in range(0, len(missed), 256):
        part = missed.iloc[start : start + 256]
        rankings = recommend(part["text"].tolist(), candidates, len(candidates))
        ranks = metrics.first_rank(judge(rankings, part["accepted"]))
        for (_, row), rank in zip(part.iterrows(), ranks, strict=True):
            question = Question(row["text"], tuple(row["accepted"]), row["category"], "")
            misses.append(Miss(question, row["answers"], int(rank)))
    return sorted(misses, key=lambda miss: -(miss.rank or len(candidates) + 1))[:n]


def judge(answers: Iterable[Iterable[str]], accepted: Iterable[Iterable[str]]) -> Judged:
    """Hold rankings against accepted emojis, whatever the variation selectors of either."""
    return metrics.judge(
        [[canonical(emoji) for emoji in row] for row in answers],
        [{canonical(emoji) for emoji in row} for row in accepted],
    )
