"""Readers of the training corpora. Each gives pairs of a text and the emojis it calls for, known emojis alone.

Everything goes through `Gate`, which drops what is unseen: a pair whose emoji is not known, a text that is exactly a
name or keyword of unseen emojis alone, and a text with an unseen emoji in it. An authored question or message that an
unseen emoji is a label of is dropped whole.
"""

from __future__ import annotations

import csv
import html
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qa_emoji import questions
from qa_emoji.catalog import Catalog, Emoji, canonical
from qa_emoji.tokenizer import normalize

FRAGMENTS = 4  # of each longer text
_LONGEST_FRAGMENT = 6  # words
_SHORTEST_MISSPELLED = 3  # letters: up to these a slip leaves nothing to go by
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_MOST_TOLD = 6  # keywords of a stand-in
_FUNCTION_WORDS = frozenset(
    """about also another being especially from have having into more most other over some someone something such than
    that their them they this those used usually very when where which while whose with without""".split()
)


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
    """Phrases of emoji2vec that describe an emoji, those that it tests with among them."""
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


@dataclass(frozen=True, slots=True)
class Synset:
    """A concept of WordNet: words that mean it, its definition and sentences with it."""

    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]


def wordnet(folder: Path) -> Iterator[Synset]:
    """The concepts of WordNet (Princeton University; `data.*` files).

    Names of people, places and species, which it writes with a capital, are left out of the words.
    """
    for part in ("noun", "verb", "adj", "adv"):
        for line in _lines(folder / f"data.{part}", encoding="latin-1"):
            if line.startswith("  "):  # the licence at the top
                continue
            fields, _, gloss = line.partition(" | ")
            columns = fields.split()
            forms = [columns[4 + 2 * i] for i in range(int(columns[3], 16))]
            words = [re.sub(r"\(\w+\)$", "", form).replace("_", " ") for form in forms]
            yield Synset(
                words=tuple(dict.fromkeys(word for word in words if word.islower())),
                definition=gloss.partition('"')[0].strip(" ;:"),
                examples=tuple(re.findall(r'"([^"]+)"', gloss)),
            )


def stand_ins(gate: Gate, synsets: Iterable[Synset]) -> Iterator[str]:
    """Concepts described as emojis are, "name: keyword, keyword": what training puts in the place of emojis to come.

    The keywords are the other words for the concept and the longer words of its definition.
    """
    for synset in synsets:
        words = [word for word in synset.words if gate.admits(word)]
        if words:
            told = [
                w
                for w in re.findall(r"\b[a-z]{4,}\b", synset.definition)
                if w not in _FUNCTION_WORDS and gate.admits(w)
            ]
            keywords = list(dict.fromkeys([*words[1:], *told]))[:_MOST_TOLD]
            yield f"{words[0]}: {', '.join(keywords)}" if keywords else words[0]


def fragments(texts: Sequence[str], each: int, seed: int = 0) -> Iterator[str]:
    """``each`` runs of two to six words out of every longer text, at random places."""
    generator = random.Random(seed)
    for text in texts:
        words = normalize(text).split()
        for _ in range(each if len(words) > _LONGEST_FRAGMENT else 0):
            length = generator.randint(2, _LONGEST_FRAGMENT)
            start = generator.randrange(len(words) - length + 1)
            yield " ".join(words[start : start + length])


def misspelled(pairs: Iterable[Pair], gate: Gate, seed: int = 0) -> Iterator[Pair]:
    """Each text with one slip of the finger in a word of four letters or more: two letters swapped, one left out, one
    doubled, or one replaced by its neighbour on the keyboard."""
    generator = random.Random(seed)
    for pair in pairs:
        words = normalize(pair.text).split()
        if long := [i for i, word in enumerate(words) if len(word) > _SHORTEST_MISSPELLED and word.isalpha()]:
            i = generator.choice(long)
            words[i] = _slip(words[i], generator)
            if gate.admits(text := " ".join(words)):
                yield Pair(text, pair.emojis)


def _slip(word: str, generator: random.Random) -> str:
    at = generator.randrange(len(word) - 1)
    near = [key for row in _KEYBOARD if word[at] in row for key in row[max(0, row.index(word[at]) - 1) :][:3]]
    return generator.choice(
        [
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + generator.choice(near or ["e"]) + word[at + 1 :],
        ]
    )


def training_pairs(catalog: Catalog, corpora: Path, wordnet_folder: Path, data: Path) -> dict[str, list[Pair]]:
    """Everything the shipped encoder is trained on, by kind.

    With labels: "keywords" (names too; with all who bear them), "questions" (authored), "tweets", "comments" (with an
    emotion), "typos" (of keywords and questions). Without: "unlabelled" comments and WordNet's words and examples, its
    "definitions", "stand-ins" for emojis to come, and "fragments" of all that.

    No dev or test question is among them, no validation tweet, and no label that emoji2vec validates or tests with.
    """
    from qa_emoji.evaluation.emoji2vec import held_out_pairs

    gate = Gate(catalog)
    comments = list(gate.pairs(goemotions(corpora, data / "goemotions.csv"), whole=True))
    held_out = {normalize(q.text) for q in questions.load(data / "questions.csv", catalog) if q.split != "train"}
    held_out |= {normalize(text) for text, _ in tweets(corpora, "val")}

    def allowed(pairs: Iterable[Pair]) -> list[Pair]:
        return [p for p in pairs if normalize(p.text) not in held_out]

    def plain(texts: Iterable[str]) -> list[Pair]:
        return allowed(gate.pairs((text, ()) for text in dict.fromkeys(texts)))

    tested = held_out_pairs(corpora, catalog)
    keywords: list[Pair] = []
    tested_keywords: list[Pair] = []
    sources = (names_and_keywords(catalog), emoogle(corpora), emoji2vec(corpora))
    for pair in allowed(_merge(*map(gate.pairs, sources))):
        is_tested = any((pair.text, canonical(emoji)) in tested for emoji in pair.emojis)
        (tested_keywords if is_tested else keywords).append(pair)
    synsets = list(wordnet(wordnet_folder))
    texts = {
        "keywords": keywords,
        "questions": allowed(gate.pairs(authored(data / "questions.csv", catalog), whole=True)),
        "tweets": allowed(gate.pairs(tweets(corpora), whole=True)),
        "comments": allowed(p for p in comments if p.emojis),
        "unlabelled": [Pair(p.text, ()) for p in tested_keywords]
        + allowed(p for p in comments if not p.emojis)
        + plain(text for synset in synsets for text in (*synset.words, *synset.examples)),
        "definitions": plain(synset.definition for synset in synsets),
        "stand-ins": plain(stand_ins(gate, synsets)),
    }
    long = ("tweets", "comments", "unlabelled", "definitions")
    texts["fragments"] = plain(fragments([p.text for name in long for p in texts[name]], FRAGMENTS))
    return texts


def _words(emojis: Iterable[Emoji]) -> set[str]:
    return {normalize(text) for e in emojis for text in (e.name, *e.keywords)}


def _merge(*sources: Iterable[Pair]) -> list[Pair]:
    """One pair for each normalised text, with the emojis of all sources."""
    merged: dict[str, dict[str, None]] = {}
    for source in sources:
        for pair in source:
            merged.setdefault(normalize(pair.text), {}).update(dict.fromkeys(pair.emojis))
    return [Pair(text, tuple(emojis)) for text, emojis in merged.items()]


def existing(path: Path) -> Path:
    """The path of a corpus file; FileNotFoundError, in a sentence that says where corpora come from, without one."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no corpus file {path}; data/README.md says where the corpora come from.")
    return path


def _lines(path: Path, encoding: str = "utf-8") -> list[str]:
    text = existing(path).read_text(encoding).removesuffix("\n")
    return text.split("\n") if text else []
