"""Which named answers a question means, and the code that brings them to the top.

Sixteen numbers hold where an answer lies, but a text encoder that has to hit that place does so roughly. So a question
is first compared with what answers are called, in more dimensions: a key-value memory (Miller et al. 2016, "Key-Value
Memory Networks for Directly Reading Documents", arXiv 1606.03126), whose keys are made of names and whose values are
the codes. How relevant an answer is to a question is the cosine of their keys, a part of the cosine of their codes, and
what words they share, each by its inverse document frequency and its salience to the encoder. The question's code is
then a direction in which the few most relevant answers stand out from all others: the softmax of the cosines to it
comes as near as it can, in a few steps of gradient ascent, to the softmax of the relevances. That is tried for fewer
and more answers, for not every few can come first together in 16 dimensions; the direction is taken whose first
answers have the most relevance, discounted by their ranks.

An answer enters with its name, without training, and everything is still found by the cosine of one unit code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa_emoji.cosine import greatest

# Chosen on the dev split of the authored questions.
_CODES = 0.2  # what the cosine of codes counts beside that of keys
_OVERLAP = 0.04  # the same of a shared word
_ATTEMPTS = (3, 0.15), (5, 0.15), (8, 0.15), (8, 0.3)  # how many answers are meant, and the temperature of relevances
_TEMPERATURE = 0.06  # of cosines
_USUAL = 2  # the attempt whose rivals are those of all
_STEPS, _RATE = 2, 0.5
_RIVALS = 16  # answers that are most in the way
_RIDGE = 0.02
_FIRST, _WORTH = 5, 0.15  # how many answers attempts are judged by, and the temperature of their relevances

FEW = max(few for few, _ in _ATTEMPTS)
_AT_ONCE = 128  # questions, so that their cosines stay in the processor's cache
_SHORTEST = 1e-12  # square of a length
_MOST_PIECES = 2**24  # of any tokenizer


@dataclass(frozen=True, eq=False, slots=True)
class Label:
    """What questions find an answer by: the key of its name, a unit vector (K,) float16, and the pieces of its name and
    keywords, (p,) int32 and each once, with the weight of each in an overlap, (p,) float32."""

    key: np.ndarray
    pieces: np.ndarray
    weights: np.ndarray


def check(labels: Sequence[Label]) -> None:
    """Raise ValueError for labels, at least one, that are no sound ones of one encoder."""
    if len({label.key.shape for label in labels}) > 1 or labels[0].key.ndim != 1:
        raise ValueError("The keys of answers should be vectors of one length.")
    if any(label.pieces.ndim != 1 or label.pieces.shape != label.weights.shape for label in labels):
        raise ValueError("The pieces of an answer's name should have a weight each.")
    keys, pieces, weights = (
        np.concatenate(parts) for parts in zip(*((each.key, each.pieces, each.weights) for each in labels), strict=True)
    )
    if not (np.isfinite(keys).all() and np.isfinite(weights).all()):
        raise ValueError("Keys and weights should be finite numbers.")
    if pieces.min(initial=0) < 0 or pieces.max(initial=0) >= _MOST_PIECES:
        raise ValueError("The pieces of a name are numbers from 0 up.")


@dataclass(frozen=True, eq=False, slots=True)
class Reading:
    """What a text encoder makes of n texts: unit codes (n, 16), unit keys (n, K), both float32, and their pieces."""

    codes: np.ndarray
    keys: np.ndarray
    pieces: list[list[int]]


class Memory:
    """Answers by what they are called."""

    def __init__(self, labels: Sequence[Label], codes: np.ndarray):
        """Take labels and unit codes (n, 16) of the same answers, at least one."""
        self._codes = np.ascontiguousarray(codes, dtype=np.float32)
        self._across = np.ascontiguousarray(self._codes.T)  # (16, n)
        keys = np.stack([label.key for label in labels], axis=1)
        self._keys = np.concatenate([keys, _CODES * self._across]).astype(np.float32)  # (K + 16, n)
        spread = self._codes.T @ self._codes / len(self._codes) + _RIDGE * np.eye(self._codes.shape[1])
        self._whitened = (self._codes @ np.linalg.inv(spread)).astype(np.float32)  # each apart from the others
        fews, temperatures = zip(*_ATTEMPTS, strict=True)
        self._fews = np.array(fews)[:, None]
        self._temperatures = np.array(temperatures, dtype=np.float32)[:, None]
        self._discount = (1 / np.log2(np.arange(2, _FIRST + 2))).astype(np.float32)
        pieces = np.concatenate([label.pieces for label in labels])
        order = np.argsort(pieces, kind="stable")
        frequency = np.bincount(pieces)
        self._starts = [0, *np.cumsum(frequency).tolist()]  # of each piece among rows and weights
        self._rows = np.repeat(np.arange(len(labels)), [len(label.pieces) for label in labels])[order]
        rarity = np.log1p(len(labels) / np.maximum(frequency, 1))[pieces[order]]
        weights = np.concatenate([label.weights for label in labels])[order]
        self._weights = (_OVERLAP * rarity * weights).astype(np.float32)

    def relevance(self, questions: Reading) -> np.ndarray:
        """How relevant each of m answers is to each of n questions, (n, m) float32."""
        starts, last = self._starts, len(self._starts) - 1
        relevance = np.concatenate([questions.keys, questions.codes], axis=1) @ self._keys
        for row, pieces in zip(relevance, questions.pieces, strict=True):
            for piece in set(pieces):
                if piece < last and (start := starts[piece]) < (end := starts[piece + 1]):
                    row[self._rows[start:end]] += self._weights[start:end]  # an answer has a piece once
        return relevance

    def aim(self, questions: Reading) -> np.ndarray:
        """Codes of n questions, (n, 16) float32 of length 1, whose cosines put the most relevant answers first."""
        relevance = self.relevance(questions)
        parts = [self._aim(relevance[start : start + _AT_ONCE]) for start in range(0, len(relevance), _AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros((0, self._codes.shape[1]), dtype=np.float32)

    def _aim(self, relevance: np.ndarray) -> np.ndarray:
        """Codes (n, 16) from relevances (n, m), which are overwritten."""
        n, m = relevance.shape
        few, rivals = min(FEW, m), min(_RIVALS, max(0, m - FEW))
        every = np.arange(n)[:, None]
        before = relevance.copy()
        most, meant = greatest(relevance, few)
        wanted = np.exp((most - most[:, :1])[:, None] / self._temperatures)  # (n, attempts, few)
        wanted *= np.arange(few) < self._fews
        wanted /= wanted.sum(axis=2, keepdims=True)
        codes = _unit(np.matmul(wanted, self._whitened[meant]))  # (n, attempts, 16)
        cosines = codes[:, _USUAL] @ self._across
        cosines[every, meant] = -2  # what a question means is no rival
        among = np.concatenate([meant, greatest(cosines, rivals)[1]], axis=1)  # (n, few + rivals)
        near = self._codes[among]
        across = near.transpose(0, 2, 1)
        for _ in range(_STEPS):
            chances = np.exp(np.matmul(codes, across) / _TEMPERATURE)  # (n, attempts, few + rivals)
            chances /= chances.sum(axis=2, keepdims=True)
            chances[:, :, :few] -= wanted
            codes = _unit(codes - _RATE * np.matmul(chances, near))
        order = np.matmul(codes, across).argsort(axis=2)
        first = order[:, :, : -1 - _FIRST : -1]  # of those, (n, attempts, 5)
        worth = np.exp((before[every, among] - most[:, :1]) / _WORTH)  # (n, few + rivals)
        gained = worth[every[:, :, None], first] @ self._discount[: first.shape[2]]  # (n, attempts)
        return codes[np.arange(n), gained.argmax(axis=1)]


def _unit(codes: np.ndarray) -> np.ndarray:
    return codes / np.sqrt(np.maximum(np.einsum("...d,...d->...", codes, codes), _SHORTEST))[..., None]
