"""Recommenders side by side on the same questions: hit@k, R-precision@5, MRR and the unseen share, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qa_emoji import metrics
from qa_emoji.catalog import Catalog, Emoji, canonical
from qa_emoji.corpora import tweets
from qa_emoji.cosine import unit_rows
from qa_emoji.questions import Question
from qa_emoji.ranker import EmojiRanker

DEPTH = 10
KINDS = ("known", "implicit", "unseen")

# The k best of the candidates for each text, best first.
Recommender = Callable[[Sequence[str], Sequence[Emoji], int], list[list[str]]]


@dataclass(frozen=True)
class Figure:
    """A mean over n questions with its 95% bootstrap interval."""

    system: str
    kind: str
    measure: str
    n: int
    value: float
    low: float
    high: float


def ours(ranker: EmojiRanker) -> Recommender:
    """The ranker as it is shipped."""

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        frame = ranker.rank_batch(texts, k, candidates=[e.emoji for e in candidates])
        answers = frame["answer"].to_numpy().reshape(len(texts), -1)
        return [list(row) for row in answers]

    return recommend


def images_only(ranker: EmojiRanker) -> Recommender:
    """The ranker with answers found by their image codes alone, no name used."""
    answers = ranker.index.answers
    return by_codes(ranker.encode, {a.emoji: a.latent for a in answers if a.emoji and a.latent is not None})


def by_codes(encode: Callable[[Sequence[str]], np.ndarray], codes: dict[str, np.ndarray]) -> Recommender:
    """Any encoder of texts to unit rows with a code for each emoji, compared one by one."""

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        return _best(encode(texts) @ unit_rows(np.stack([codes[e.emoji] for e in candidates])).T, candidates, k)

    return recommend


def minilm() -> Recommender:
    """The peer that people would pick instead: all-MiniLM-L6-v2 over "name: keywords"."""
    from qa_emoji import teacher

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        return _best(teacher.embed(texts) @ teacher.embed([e.description for e in candidates]).T, candidates, k)

    return recommend


def evaluate_questions(
    system: str, recommend: Recommender, questions: Sequence[Question], catalog: Catalog, *, seed: int = 0
) -> list[Figure]:
    """Figures of each kind of question among all base forms, known and unseen.

    Raises ValueError for questions that may have been trained on, and for none.
    """
    if not questions or any(q.split == "train" for q in questions):
        raise ValueError("Evaluation needs questions, and of the splits that nothing was trained on: dev or test.")
    rankings = recommend([q.text for q in questions], catalog.base_forms(), DEPTH)
    figures = []
    for kind in KINDS:
        rows = [i for i, q in enumerate(questions) if q.kind(catalog) == kind]
        if not rows:
            continue
        ranked, accepted = [rankings[i] for i in rows], [set(questions[i].emojis) for i in rows]
        measures = {
            "hit@1": metrics.hit_at_k(ranked, accepted, 1),
            "hit@5": metrics.hit_at_k(ranked, accepted, 5),
            "R-precision@5": metrics.r_precision_at_k(ranked, accepted, 5),
            f"MRR@{DEPTH}": metrics.reciprocal_rank(ranked, accepted),
            f"unseen share of top {DEPTH}": np.array([np.mean([not catalog[a].known for a in row]) for row in ranked]),
        }
        figures += [_figure(system, kind, name, values, seed) for name, values in measures.items()]
    return figures


def evaluate_tweets(
    system: str, recommend: Recommender, corpora: Path, catalog: Catalog, *, seed: int = 0
) -> list[Figure]:
    """Macro-F1 and accuracy on TweetEval's validation split, U+FE0F stripped, among its 20 emojis."""
    labelled = list(tweets(corpora, "val"))
    texts, labels = [text for text, _ in labelled], [canonical(emoji) for _, (emoji,) in labelled]
    candidates = [catalog[e] for e in sorted(set(labels))]
    predicted = [canonical(row[0]) for row in recommend(texts, candidates, 1)]
    right = np.array([p == a for p, a in zip(predicted, labels, strict=True)], dtype=float)
    rows = np.random.default_rng(seed).integers(len(labels), size=(200, len(labels)))
    guesses, truths = np.array(predicted), np.array(labels)
    resampled = [metrics.macro_f1(guesses[r].tolist(), truths[r].tolist()) for r in rows]
    low, high = np.quantile(resampled, [0.025, 0.975])
    f1 = Figure(
        system, "TweetEval val", "macro-F1", len(labels), metrics.macro_f1(predicted, labels), float(low), float(high)
    )
    return [f1, _figure(system, "TweetEval val", "accuracy", right, seed)]


def as_markdown(figures: Iterable[Figure]) -> str:
    """A table with a row for each kind and measure and a column for each system."""
    figures = list(figures)
    systems = list(dict.fromkeys(f.system for f in figures))
    lines = ["| questions | n | measure | " + " | ".join(systems) + " |", "|---|---:|---|" + "---:|" * len(systems)]
    for kind, measure in dict.fromkeys((f.kind, f.measure) for f in figures):
        row = {f.system: f for f in figures if (f.kind, f.measure) == (kind, measure)}
        cells = [f"{row[s].value:.3f} ({row[s].low:.3f}-{row[s].high:.3f})" if s in row else "" for s in systems]
        lines.append(f"| {kind} | {next(iter(row.values())).n} | {measure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _best(cosines: np.ndarray, candidates: Sequence[Emoji], k: int) -> list[list[str]]:
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return [[candidates[i].emoji for i in row] for row in order]


def _figure(system: str, kind: str, measure: str, values: np.ndarray, seed: int) -> Figure:
    low, high = metrics.bootstrap_interval(values, np.random.default_rng(seed))
    return Figure(system, kind, measure, len(values), float(values.mean()), low, high)
