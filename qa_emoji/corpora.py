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
MENTIONS = 3  # of each concept
_LONGEST_FRAGMENT = 6  # words
_SHORTEST_MISSPELLED = 3  # letters: up to these a slip leaves nothing to go by
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_MOST_TOLD = 6  # keywords of a stand-in
_KINDS = {  # of nouns, by the number of the file of WordNet that they come from
    "04": "act", "05": "animal", "06": "object", "08": "body", "11": "act", "12": "feeling", "13": "food",
    "15": "place", "17": "place", "18": "person", "20": "plant", "26": "feeling",
}  # fmt: skip
_OF_ITS_KIND = 0.75  # of the mentions of a noun, the rest in sentences that take every word
_FUNCTION_WORDS = frozenset(
    """about also another being especially from have having into more most other over some someone something such than
    that their them they this those used usually very when where which while whose with without""".split()
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A training text and the known emojis it calls for, in the catalogue's spelling; none for a text without label.

    ``concept`` is the description of a stand-in that it calls for, as `stand_in` gives it.
    """

    text: str
    emojis: tuple[str, ...]
    concept: str = ""


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


def messages(path: Path) -> Iterator[tuple[str, Iterable[str]]]:
    """The authored messages, which are for training alone."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["text"], row["emojis"].split()


@dataclass(frozen=True, slots=True)
class Synset:
    """A concept of WordNet: words that mean it, its definition and sentences with it.

    Of a noun also the kind ("animal", "food", ...) and, of the words, the ``nouns`` that mean this before all else.
    """

    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]
    kind: str = ""
    nouns: tuple[str, ...] = ()


def wordnet(folder: Path) -> Iterator[Synset]:
    """The concepts of WordNet (Princeton University; `data.*` files, and `index.noun` for the order of senses).

    Names of people, places and species, which it writes with a capital, are left out of the words.
    """
    first = {}
    for line in _lines(folder / "index.noun"):
        if not line.startswith("  "):  # the licence at the top
            lemma, _, senses, *columns = line.split()
            first[lemma] = columns[-int(senses)]
    for part in ("noun", "verb", "adj", "adv"):
        for line in _lines(folder / f"data.{part}", encoding="latin-1"):
            if line.startswith("  "):
                continue
            fields, _, gloss = line.partition(" | ")
            columns = fields.split()
            forms = [columns[4 + 2 * i] for i in range(int(columns[3], 16))]
            lemmas = dict.fromkeys(form for form in (re.sub(r"\(\w+\)$", "", f) for f in forms) if form.islower())
            is_noun = part == "noun"
            yield Synset(
                words=tuple(lemma.replace("_", " ") for lemma in lemmas),
                definition=gloss.partition('"')[0].strip(" ;:"),
                examples=tuple(re.findall(r'"([^"]+)"', gloss)),
                kind=_KINDS.get(columns[1], "any") if is_noun else "",
                nouns=tuple(m.replace("_", " ") for m in lemmas if is_noun and first[m] == columns[0]),
            )


def stand_in(synset: Synset, gate: Gate) -> str:
    """A concept described as emojis are, "name: keyword, keyword": what training puts in the place of an emoji to come.

    The keywords are the other words for the concept and the longer words of its definition. Empty when no word for it
    may enter training.
    """
    words = [word for word in synset.words if gate.admits(word)]
    if not words:
        return ""
    told = [w for w in re.findall(r"\b[a-z]{4,}\b", synset.definition) if w not in _FUNCTION_WORDS and gate.admits(w)]
    keywords = list(dict.fromkeys([*words[1:], *told]))[:_MOST_TOLD]
    return f"{words[0]}: {', '.join(keywords)}" if keywords else words[0]


def mentions(
    synsets: Iterable[Synset], keywords: Iterable[Pair], carriers: dict[str, list[str]], gate: Gate, seed: int = 0
) -> Iterator[Pair]:
    """Sentences that name a thing: each concept, `MENTIONS` times by one of its nouns, and each keyword of emojis.

    ``carriers`` are sentences with a slot, "{}", by the kind of noun; those of the kind "any" take every word.
    """
    generator = random.Random(seed)
    for synset in synsets:
        nouns = [word for word in synset.nouns if gate.admits(word)]
        concept = stand_in(synset, gate) if nouns else ""
        for _ in range(MENTIONS if nouns else 0):
            kind = synset.kind if generator.random() < _OF_ITS_KIND else "any"
            text = generator.choice(carriers[kind]).format(generator.choice(nouns))
            yield Pair(text, (), concept)
    for pair in keywords:
        yield Pair(generator.choice(carriers["any"]).format(pair.text), pair.emojis)


def carriers(path: Path) -> dict[str, list[str]]:
    """The carrier sentences of a file with the columns kind and text, by kind."""
    sentences: dict[str, list[str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            sentences.setdefault(row["kind"], []).append(row["text"])
    return sentences


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

    With labels: "keywords" (names too; with all who bear them), "questions" (authored, and messages), "tweets",
    "comments" (with an emotion), "typos" (of keywords and questions), "mentions" (of keywords, and of the stand-ins for
    emojis to come). Without: "unlabelled" comments and WordNet's words, its "examples" and "definitions", the
    "stand-ins" themselves, and "fragments" of all that.

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
        return once(Pair(text, ()) for text in texts)

    def once(pairs: Iterable[Pair]) -> list[Pair]:
        by_text = {pair.text: pair for pair in pairs}
        return [p for p in by_text.values() if gate.admits(p.text) and normalize(p.text) not in held_out]

    tested = held_out_pairs(corpora, catalog)
    keywords: list[Pair] = []
    tested_keywords: list[Pair] = []
    sources = (names_and_keywords(catalog), emoogle(corpora), emoji2vec(corpora))
    for pair in allowed(_merge(*map(gate.pairs, sources))):
        is_tested = any((pair.text, canonical(emoji)) in tested for emoji in pair.emojis)
        (tested_keywords if is_tested else keywords).append(pair)
    asked = [*authored(data / "questions.csv", catalog), *messages(data / "messages.csv")]
    texts = {
        "keywords": keywords,
        "questions": allowed(gate.pairs(asked, whole=True)),
        "tweets": allowed(gate.pairs(tweets(corpora), whole=True)),
        "comments": allowed(p for p in comments if p.emojis),
    }
    texts["typos"] = allowed(misspelled([*texts["keywords"], *texts["questions"]], gate))
    synsets = list(wordnet(wordnet_folder))
    texts |= {
        "unlabelled": [Pair(p.text, ()) for p in tested_keywords]
        + allowed(p for p in comments if not p.emojis)
        + plain(word for synset in synsets for word in synset.words),
        "examples": plain(text for synset in synsets for text in synset.examples),
        "definitions": plain(synset.definition for synset in synsets),
        "stand-ins": plain(filter(None, (stand_in(synset, gate) for synset in synsets))),
        "mentions": once(mentions(synsets, keywords, carriers(data / "carriers.csv"), gate)),
    }
    long = ("tweets", "comments", "unlabelled", "examples", "definitions")
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
