"""How much of a question's wording a text repeats: the feature that neural answer selection is often paired with.

Yih et al. 2013 and Yang, Yih and Meek 2015, "WikiQA", count shared words by their inverse document frequency.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from qa_emoji.tokenizer import normalize

_WORD = re.compile(r"\w+")


class WordOverlap:
    """Which words occur in which of n texts, and how rare each is."""

    def __init__(self, texts: Sequence[str]):
        self._n = len(texts)
        places: dict[str, list[int]] = {}
        for row, text in enumerate(texts):
            for word in words(text):
                places.setdefault(word, []).append(row)
        self._places = {word: np.array(rows) for word, rows in places.items()}

    def shares(self, question: str) -> np.ndarray:
        """The share of the question's words that each text has, (n,) float32 in [0, 1], each word counted by its
        inverse document frequency log((n + 1) / (texts with the word + 1)); 0 everywhere when no word counts."""
        found, total = np.zeros(self._n, dtype=np.float32), 0.0
        for word in sorted(words(question)):
            rows = self._places.get(word, np.array([], dtype=np.int64))
            weight = np.log((self._n + 1) / (len(rows) + 1))
            found[rows] += weight
            total += weight
        return np.minimum(found / np.float32(total), 1) if total > 0 else found


def words(text: str) -> set[str]:
    """The different words of a text after normalisation."""
    return set(_WORD.findall(normalize(text)))
