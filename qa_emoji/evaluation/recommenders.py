"""What can be evaluated: anything that ranks candidates for texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from qa_emoji.catalog import Emoji
from qa_emoji.cosine import unit_rows
from qa_emoji.ranker import EmojiRanker

# The k best of the candidates for each text, best first: fewer, or none, where fewer match.
Recommender = Callable[[Sequence[str], Sequence[Emoji], int], list[list[str]]]


def ours(ranker: EmojiRanker) -> Recommender:
    """The ranker as it is shipped."""

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        k = min(k, len(candidates))
        frame = ranker.rank_batch(texts, k, candidates=[e.emoji for e in candidates])
        return frame["answer"].to_numpy().reshape(len(texts), k).tolist()

    return recommend


def codes_alone(ranker: EmojiRanker) -> Recommender:
    """The encoder's codes of texts as they are, not aimed at what texts mean (`qa_emoji.memory`)."""
    answers = [answer for answer in ranker.index.answers if answer.emoji]
    codes = ranker.index.codes([answer.id for answer in answers])
    return by_codes(ranker.encoder.encode, {a.emoji: code for a, code in zip(answers, codes, strict=True) if a.emoji})


def images_only(ranker: EmojiRanker) -> Recommender:
    """The encoder with answers found by their image codes alone, no name used."""
    answers = ranker.index.answers
    return by_codes(ranker.encoder.encode, {a.emoji: a.latent for a in answers if a.emoji and a.latent is not None})


def by_codes(encode: Callable[[Sequence[str]], np.ndarray], codes: Mapping[str, np.ndarray]) -> Recommender:
    """Any encoder of texts to unit rows with a code for each emoji, compared one by one."""

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        return best(encode(texts) @ unit_rows(np.stack([codes[e.emoji] for e in candidates])).T, candidates, k)

    return recommend


def best(scores: np.ndarray, candidates: Sequence[Emoji], k: int, *, above: float = -np.inf) -> list[list[str]]:
    """The k candidates with the highest scores, (n, candidates), above a threshold; of equal ones the first."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    ranked = np.take_along_axis(scores, order, axis=1)
    return [
        [candidates[i].emoji for i in row[: np.count_nonzero(values > above)]]
        for row, values in zip(order, ranked, strict=True)
    ]
