"""Checks of what callers pass to a ranker, each error one sentence."""

from __future__ import annotations

import operator
from collections.abc import Sequence


def checked_texts(texts: Sequence[str]) -> list[str]:
    """The texts as a list; TypeError for what is not a text, ValueError for a blank one, with its row."""
    if isinstance(texts, str):
        raise TypeError("texts should be a list of texts, not one text.")
    texts = list(texts)
    for row, text in enumerate(texts):
        where = f" (text {row})" if len(texts) > 1 else ""
        if not isinstance(text, str):
            raise TypeError(f"A question should be a text, not {type(text).__name__}{where}.")
        if not text or text.isspace():
            raise ValueError(f"A question should say something: this one is blank{where}.")
    return texts


def count(value: int, name: str, least: int, most: int | None = None) -> int:
    """The value as an int; TypeError for what is no whole number, ValueError for one out of range."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} should be a whole number, not {type(value).__name__}.") from None
    if value < least:
        raise ValueError(f"{name} should be at least {least}, not {value}.")
    if most is not None and value > most:
        raise ValueError(f"{name} should be at most {most}, not {value}.")
    return value
