"""Authored questions with every emoji a person would accept: data/questions.csv."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qa_emoji.catalog import Catalog, canonical

COLUMNS = ("text", "emojis", "category", "split")
MOST_ACCEPTED = 20
_DEV_FROM, _TEST_FROM = 0.60, 0.75  # train 60%, dev 15%, test 25%

# Words of emoji names that say how a thing is drawn and not what it is.
_DRAWING_WORDS = frozenset(
    """a an and at in of on or the to up with big small button face facing hand hands left right man men mark medium
    people person open selector sign single skin symbol tone woman women""".split()
)


@dataclass(frozen=True, slots=True)
class Question:
    """A text, the emojis a person would accept as answers (catalogue spelling), a topic and a split."""

    text: str
    emojis: tuple[str, ...]
    category: str
    split: str

    def kind(self, catalog: Catalog) -> str:
        """ "unseen" when every accepted emoji is unseen; else "known" when the text has a word of an accepted
        emoji's name, and "implicit" when it has none."""
        if not any(catalog[e].known for e in self.emojis):
            return "unseen"
        words = _stems(self.text)
        named = any(words & _stems(catalog[e].name) for e in self.emojis)
        return "known" if named else "implicit"


def load(path: str | Path, catalog: Catalog, split: str | None = None) -> list[Question]:
    """Read questions, of one split when named.

    Raises ValueError, with the line, for a row whose emojis are not base forms of the catalogue, are none or more
    than 20, or whose split is not the one its text hashes to.
    """
    questions = []
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} should have the columns {', '.join(COLUMNS)}.")
        try:
            for row in reader:
                question = make(row["text"], row["emojis"].split(), row["category"], catalog)
                if question.split != row["split"]:
                    raise ValueError(f"its split should be {question.split}")
                if split in (None, question.split):
                    questions.append(question)
        except (ValueError, AttributeError, csv.Error) as error:
            reason = "a column is missing" if isinstance(error, AttributeError) else error
            raise ValueError(f"{path}, line {reader.line_num}: {reason}.") from error
    return questions


def make(text: str, emojis: Iterable[str], category: str, catalog: Catalog) -> Question:
    """A checked question, with the split that its text hashes to; ValueError says what is wrong with it."""
    text = " ".join(text.split())
    if not text or not category:
        raise ValueError("a question needs a text and a category")
    accepted = []
    for emoji in emojis:
        if emoji not in catalog or not catalog[emoji].is_base_form:
            raise ValueError(f"{emoji!r} is not a base form of the catalogue")
        if (spelled := catalog[emoji].emoji) not in accepted:
            accepted.append(spelled)
    if not 1 <= len(accepted) <= MOST_ACCEPTED:
        raise ValueError(f"{text!r} has {len(accepted)} accepted emojis, not 1 to {MOST_ACCEPTED}")
    any_known = any(catalog[e].known for e in accepted)
    return Question(text, tuple(accepted), category, split_of(text, trainable=any_known))


def split_of(text: str, trainable: bool) -> str:
    """The split of a text by its hash: train 60%, dev 15%, test 25%; dev and test alone when not trainable."""
    digest = hashlib.sha256(_key(text).encode("utf-8", "replace")).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    if not trainable:
        draw = _DEV_FROM + draw * (1 - _DEV_FROM)
    return "train" if draw < _DEV_FROM else "dev" if draw < _TEST_FROM else "test"


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", canonical(text).casefold()))


def _stems(text: str) -> set[str]:
    words = set(re.findall(r"[^\W_]+", text.casefold())) - _DRAWING_WORDS
    return {re.sub(r"(?:ies|ing|ed|es|s|y|e)$", "", word) if len(word) > 3 else word for word in words}
