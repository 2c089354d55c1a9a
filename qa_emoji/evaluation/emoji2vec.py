"""emoji2vec's own task: does this phrase describe this emoji? (Eisner et al. 2016, arXiv 1609.08359)

They publish an accuracy of 0.836 and an AUC of 0.931 on the test split of their labelled pairs, over all emojis. Here
known emojis alone are judged, by the cosine of phrase and emoji; the threshold is chosen on the dev split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qa_emoji.catalog import Catalog, Emoji, canonical
from qa_emoji.corpora import existing
from qa_emoji.evaluation.figures import Figure
from qa_emoji.ranker import EmojiRanker
from qa_emoji.resampling import bootstrap
from qa_emoji.tokenizer import normalize

TEST = "emoji2vec test"

# How well each text describes the emoji of the same row: (n,), higher is better.
Matcher = Callable[[Sequence[str], Sequence[Emoji]], np.ndarray]


@dataclass(frozen=True)
class LabelledPair:
    """A phrase, an emoji in the published spelling, and whether the phrase describes it."""

    phrase: str
    emoji: str
    match: bool


def read(corpora: Path, split: str) -> list[LabelledPair]:
    """The labelled pairs of a split: train, dev or test.

    Raises ValueError, with the line, for what is no labelled pair; FileNotFoundError without the file.
    """
    path = existing(corpora / "emoji2vec" / f"{split}.txt")
    pairs = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        fields = line.split("\t")
        if len(fields) != 3 or fields[2] not in ("True", "False"):
            raise ValueError(f"{path}, line {number}: it should be a phrase, an emoji and True or False.")
        pairs.append(LabelledPair(fields[0], fields[1], fields[2] == "True"))
    return pairs


def held_out_pairs(corpora: Path, catalog: Catalog) -> set[tuple[str, str]]:
    """What training must leave out: the normalised phrase and canonical emoji of every dev and test pair, the emoji in
    its base form where the catalogue has it.

    emoji2vec's own list has the matching ones, and names and keywords of other sources have many of them too.
    """
    return {
        (normalize(pair.phrase), canonical(emoji.emoji if (emoji := _base(pair.emoji, catalog)) else pair.emoji))
        for split in ("dev", "test")
        for pair in read(corpora, split)
    }


def ours(ranker: EmojiRanker) -> Matcher:
    """The cosine of a text's code and the emoji's in the index."""
    ids = {answer.emoji: answer.id for answer in ranker.index.answers if answer.emoji}

    def match(texts: Sequence[str], emojis: Sequence[Emoji]) -> np.ndarray:
        return (ranker.encode(texts) * ranker.index.codes([ids[e.emoji] for e in emojis])).sum(axis=1)

    return match


def minilm() -> Matcher:
    """The cosine of all-MiniLM-L6-v2 between the text and "name: keywords"."""
    from qa_emoji import teacher

    def match(texts: Sequence[str], emojis: Sequence[Emoji]) -> np.ndarray:
        return (teacher.embed(texts) * teacher.embed([e.description for e in emojis])).sum(axis=1)

    return match


def evaluate(system: str, match: Matcher, corpora: Path, catalog: Catalog, *, seed: int = 0) -> list[Figure]:
    """Accuracy and AUC on the test pairs whose emoji is a known base form, with 95% bootstrap intervals."""
    (dev_scores, dev_labels), (scores, labels) = (
        _scored(match, read(corpora, split), catalog) for split in ("dev", "test")
    )
    right = (scores >= best_threshold(dev_scores, dev_labels)) == labels

    def statistic(weights: np.ndarray) -> np.ndarray:
        accuracy = weights @ right / weights.sum(axis=1)
        return np.stack([accuracy, [auc(scores, labels, w) for w in weights]], axis=1)

    values = statistic(np.ones((1, len(labels))))[0]
    low, high, _ = bootstrap(statistic, len(labels), np.random.default_rng(seed))
    return [
        Figure(system, TEST, name, len(labels), float(value), float(lowest), float(highest))
        for name, value, lowest, highest in zip(("accuracy", "AUC"), values, low, high, strict=True)
    ]


def best_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The threshold with the highest accuracy of ``score >= threshold``, halfway between two scores; the lowest of
    equally good ones."""
    order = np.argsort(scores)
    ordered, positive = scores[order].astype(float), labels[order]
    at = np.concatenate([[-np.inf], (ordered[1:] + ordered[:-1]) / 2, [np.inf]])
    below = np.concatenate([[0], np.cumsum(positive)])  # positives under each threshold
    right = np.arange(len(at)) - below + positive.sum() - below
    right[1:-1][ordered[1:] == ordered[:-1]] = -1  # equal scores cannot be told apart
    return float(at[np.argmax(right)])


def auc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The area under the ROC curve: how often a match scores above a mismatch, a tie counting half.

    Row i counts ``weights[i]`` times. It is 0.5 where there are only matches or only mismatches.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    _, place = np.unique(scores, return_inverse=True)
    positive, negative = np.bincount(place, weights * labels), np.bincount(place, weights * ~labels)
    pairs = positive.sum() * negative.sum()
    return float((positive * (np.cumsum(negative) - negative / 2)).sum() / pairs) if pairs else 0.5


def _scored(match: Matcher, pairs: Sequence[LabelledPair], catalog: Catalog) -> tuple[np.ndarray, np.ndarray]:
    judged = [
        (pair, emoji) for pair in pairs if (emoji := _base(pair.emoji, catalog)) and emoji.known and emoji.is_base_form
    ]
    scores = match([pair.phrase for pair, _ in judged], [emoji for _, emoji in judged])
    return scores, np.array([pair.match for pair, _ in judged])


def _base(character: str, catalog: Catalog) -> Emoji | None:
    """The record of an emoji without its skin tone, or None when the catalogue does not have it."""
    if character not in catalog:
        return None
    emoji = catalog[character]
    return catalog[emoji.base] if emoji.base else emoji
