"""What emojis have to do with each other, from facts of the catalogue: what the VAE arranges its codes by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from qa_emoji.catalog import Emoji, canonical

if TYPE_CHECKING:
    from vae.training import Meaning

OWN, SUBGROUP, KEYWORDS = 0.4, 0.3, 0.3  # how a row of affinity is shared


def affinity(emojis: Sequence[Emoji]) -> np.ndarray:
    """How much each emoji has to do with each, rows that sum to at most 1: (n, n) float32.

    A share goes to itself, one to those of its Unicode subgroup equally, and one to those it shares keywords with, by
    the cosine of keywords weighted by how rare they are.
    """
    subgroups = np.array([e.subgroup for e in emojis])
    together = (subgroups[:, None] == subgroups).astype(np.float32)
    words = [sorted({*e.keywords, e.name}) for e in emojis]
    counts = Counter(word for row in words for word in row)
    column = {word: i for i, word in enumerate(counts)}
    table = np.zeros((len(emojis), len(column)), dtype=np.float32)
    for row, of in enumerate(words):
        table[row, [column[word] for word in of]] = [np.log(len(emojis) / counts[word]) for word in of]
    table /= np.linalg.norm(table, axis=1, keepdims=True).clip(1e-12)
    shared = table @ table.T
    own = np.eye(len(emojis), dtype=np.float32)
    return OWN * own + SUBGROUP * _shares_of_others(together) + KEYWORDS * _shares_of_others(shared)


def _shares_of_others(matrix: np.ndarray) -> np.ndarray:
    others = matrix * (1 - np.eye(len(matrix), dtype=np.float32))
    return others / others.sum(axis=1, keepdims=True).clip(1e-12)


def meaning_of(emojis: Sequence[Emoji]) -> Meaning:
    """What a list of images of these emojis, (n,), shows; a skin-tone variant shows what its base form does.

    Emojis may come more than once, in several styles.
    """
    from vae.training import Meaning

    shown = [canonical(e.base or e.emoji) for e in emojis]
    first: dict[str, Emoji] = {}
    for character, emoji in zip(shown, emojis, strict=True):
        first.setdefault(character, emoji)
    number = {character: i for i, character in enumerate(first)}
    concepts = np.array([number[character] for character in shown])
    return Meaning(concepts, affinity(list(first.values())))
