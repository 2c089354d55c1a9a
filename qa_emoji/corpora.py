"""Readers of the training corpora. Each gives pairs of a text and the emojis it calls for, known emojis alone.

Everything goes through `Gate`, which drops what is unseen: a pair whose emoji is not known, a text that is exactly a
name or keyword of unseen emojis alone, and a text with an unseen emoji in it. An authored question or message that an
unseen emoji is a label of is dropped whole.
"""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qa_emoji import questions
from qa_emoji.catalog import Catalog, Emoji, canonical
from qa_emoji.tokenizer import normalize


@dataclass(frozen=True, slots=True)
class Pair:
    """A training text and the known emojis it calls for, in the catalogue's spelling; none for a text without label."""

    text: str
    emojis: tuple[str, ...]


class Gate:
    """What may enter training."""

    def __init__(self, catalog: Catalog):
        self.catalog = catalog
        self._words = _words(catalog.unseen()) - _words(catalog.known())
        unseen = sorted((canonical(e.emoji) for e in catalog.unseen()), key=len, reverse=True)
        self._unseen = re.compile("|".join(map(re.escape, unseen)))

    def pairs(self, raw: Iterable[tuple[str, Iterable[str]]], *, whole: bool = False) -> Iterator[Pair]:
        """Pairs with their known answers; skin tones count as their base form. Labelled texts that are left with no
        known answer are dropped; texts without a label pass.

        With ``whole``, a text that has an unseen emoji among its labels is dropped altogether.
        """
        for text, emojis in raw:
            labels = list(emojis)
            if whole and any(e in self.catalog and not self.catalog[e].known for e in labels):
                continue
            known = tuple(dict.fromkeys(base for e in labels if (base := self._known_base(e))))
            if self.admits(text) and (known or not labels):
                yield Pair(text, known)

    def admits(self, text: str) -> bool:
        """Whether a text says something, is no name or keyword of unseen emojis alone and has none of them in it."""
        normal = normalize(text)
        if not normal or normal in self._words:
            return False
        return text.isascii() or not self._unseen.search(canonical(text))

    def _known_base(self, emoji: str) -> str | None:
        if emoji not in self.catalog:
            return None
        record = self.catalog[emoji]
        base = self.catalog[record.base] if record.base else record
        return base.emoji if record.known and base.known and base.is_base_form else None


def names_and_keywords(catalog: Catalog) -> Iterator[tuple[str, Iterable[str]]]:
    """Each name and each keyword of the catalogue with every emoji that bears it."""
    bearers: dict[str, list[str]] = {}
    for emoji in catalog.base_forms():
        for text in (emoji.name, *emoji.keywords):
            bearers.setdefault(text, []).append(emoji.emoji)
    yield from bearers.items()


def emoogle(corpora: Path) -> Iterator[tuple[str, Iterable[str]]]:
    """Keywords of emoogle with every emoji that has them."""
    bearers: dict[str, list[str]] = {}
    for emoji, words in json.loads((corpora / "emoogle" / "emoogle-emoji-keywords.json").read_text("utf-8")).items():
        for word in words:
            bearers.setdefault(word, []).append(emoji)
    yield from bearers.items()


def emoji2vec(corpora: Path) -> Iterator[tuple[str, Iterable[str]]]:
    """Phrases of emoji2vec that describe an emoji."""
    for line in _lines(corpora / "emoji2vec" / "emoji_joined.txt"):
        phrase, _, emoji = line.partition("\t")
        yield phrase, [emoji]


def tweets(corpora: Path, split: str = "train") -> Iterator[tuple[str, Iterable[str]]]:
    """Tweets of TweetEval with the emoji that was taken out of them; every U+FE0F is stripped, since some were left
    behind where the emoji stood and give it away."""
    folder = corpora / "tweeteval_emoji"
    emojis = [line.split("\t")[1] for line in _lines(folder / "mapping.txt")]
    labels = _lines(folder / f"{split}_labels.txt")
    for text, label in zip(_lines(folder / f"{split}_text.txt"), labels, strict=True):
        yield html.unescape(canonical(text)), [emojis[int(label)]]


def goemotions(corpora: Path, mapping: Path) -> Iterator[tuple[str, Iterable[str]]]:
    """Comments of GoEmotions' training split with the emojis of their emotions; neutral ones have none."""
    with mapping.open(encoding="utf-8", newline="") as file:
        emojis = {row["emotion"]: row["emojis"].split() for row in csv.DictReader(file)}
    names = _lines(corpora / "goemotions" / "labels.txt")
    for line in _lines(corpora / "goemotions" / "train.tsv"):
        text, labels, _ = line.split("\t")
        yield text, [e for label in labels.split(",") for e in emojis.get(names[int(label)], ())]


def authored(path: Path, catalog: Catalog) -> Iterator[tuple[str, Iterable[str]]]:
    """The training split of the authored questions."""
    for question in questions.load(path, catalog, "train"):
        yield question.text, question.emojis


def wordnet(folder: Path) -> Iterator[tuple[str, Iterable[str]]]:
    """Words and example sentences of WordNet, without labels (Princeton University; `data.*` files).

    Names of people, places and species, which it writes with a capital, are left out.
    """
    for part in ("noun", "verb", "adj", "adv"):
        for line in _lines(folder / f"data.{part}", encoding="latin-1"):
            if line.startswith("  "):  # the licence at the top
                continue
            fields, _, gloss = line.partition(" | ")
            columns = fields.split()
            for i in range(int(columns[3], 16)):
                word = re.sub(r"\(\w+\)$", "", columns[4 + 2 * i]).replace("_", " ")
                if word.islower():
                    yield word, []
            for example in re.findall(r'"([^"]+)"', gloss):
                yield example, []


def training_pairs(catalog: Catalog, corpora: Path, wordnet_folder: Path, data: Path) -> dict[str, list[Pair]]:
    """Everything the shipped encoder is trained on, by kind: "keywords" (names too; with all who bear them),
    "questions" (authored), "tweets", "comments" (with an emotion) and "unlabelled" texts.

    No dev or test question is among them and no validation tweet.
    """
    gate = Gate(catalog)
    comments = list(gate.pairs(goemotions(corpora, data / "goemotions.csv"), whole=True))
    held_out = {normalize(q.text) for q in questions.load(data / "questions.csv", catalog) if q.split != "train"}
    held_out |= {normalize(text) for text, _ in tweets(corpora, "val")}

    def allowed(pairs: Iterable[Pair]) -> list[Pair]:
        return [p for p in pairs if normalize(p.text) not in held_out]

    plain = dict.fromkeys(p.text for p in gate.pairs(wordnet(wordnet_folder)))
    return {
        "keywords": allowed(
            _merge(
                gate.pairs(names_and_keywords(catalog)), gate.pairs(emoogle(corpora)), gate.pairs(emoji2vec(corpora))
            )
        ),
        "questions": allowed(gate.pairs(authored(data / "questions.csv", catalog), whole=True)),
        "tweets": allowed(gate.pairs(tweets(corpora), whole=True)),
        "comments": allowed(p for p in comments if p.emojis),
        "unlabelled": allowed([*(p for p in comments if not p.emojis), *(Pair(text, ()) for text in plain)]),
    }


def _words(emojis: Iterable[Emoji]) -> set[str]:
    return {normalize(text) for e in emojis for text in (e.name, *e.keywords)}


def _merge(*sources: Iterable[Pair]) -> list[Pair]:
    """One pair for each normalised text, with the emojis of all sources."""
    merged: dict[str, dict[str, None]] = {}
    for source in sources:
        for pair in source:
            merged.setdefault(normalize(pair.text), {}).update(dict.fromkeys(pair.emojis))
    return [Pair(text, tuple(emojis)) for text, emojis in merged.items()]


def _lines(path: Path, encoding: str = "utf-8") -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(f"There is no corpus file {path}; data/README.md says where the corpora come from.")
    text = path.read_text(encoding).removesuffix("\n")
    return text.split("\n") if text else []
