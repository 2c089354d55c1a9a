"""From any string to SentencePiece ids: normalisation that training and queries share, then pieces."""

from __future__ import annotations

import functools
import io
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

from qa_emoji.catalog import Catalog, canonical

MAX_CHARACTERS = 2_000  # what is read of a text; the rest of a longer one is ignored
MAX_PIECES = 64
PAD, UNKNOWN = 0, 1
USER, URL = "<user>", "<url>"
FILE_NAME = "tokenizer.model"
_BROKEN = "{} is missing or not a tokenizer of this package."

_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<!\w)@\w+")
_HASHTAG = re.compile(r"#(\w+)")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|_")
_NEAR = 0x400  # code points
_SURROGATE = re.compile("[\ud800-\udfff]")
_ELONGATION = re.compile(r"(\w)(?=\1\1)")


def normalize(text: str) -> str:
    """The text as the encoder sees it.

    Emojis become their names, links and handles one token each, hashtags words (#TacoTuesday: taco tuesday); letters
    are NFKC lower case and repeated at most twice in a row (soooo: soo). Variation selectors and control characters
    disappear, and a lone surrogate becomes U+FFFD. Only the first `MAX_CHARACTERS` characters count. The result may be
    empty.
    """
    text = text[:MAX_CHARACTERS]
    if not text.isascii():
        if _SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = unicodedata.normalize("NFKC", _name_emojis(canonical(text)))
    if "/" in text or "." in text:  # looking for a character is far cheaper than trying an expression everywhere
        text = _URL.sub(f" {URL} ", text)
    if "@" in text:
        text = _HANDLE.sub(f" {USER} ", text)
    if "#" in text:
        text = _HASHTAG.sub(_words, text)
    text = _ELONGATION.sub("", text.lower())
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def _words(hashtag: re.Match[str]) -> str:
    tag = hashtag[1]
    return f" {tag if tag.isalpha() and tag.islower() else _HUMP.sub(' ', tag)} "


class Tokenizer:
    """Normalisation and a SentencePiece model (Kudo and Richardson 2018, arXiv 1808.06226)."""

    def __init__(self, model: bytes):
        self.model = model
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        if self._pieces.pad_id() != PAD or self._pieces.unk_id() != UNKNOWN:
            raise ValueError("The tokenizer numbers its padding and unknown pieces otherwise than this package.")

    def __len__(self) -> int:
        """The number of pieces."""
        return self._pieces.get_piece_size()

    @property
    def pieces(self) -> list[str]:
        """What each piece spells, without the mark of a word's beginning."""
        return [self._pieces.id_to_piece(i).replace("\N{LOWER ONE EIGHTH BLOCK}", "") for i in range(len(self))]

    @property
    def log_probabilities(self) -> list[float]:
        """How frequent each piece is, as a natural logarithm; 0 for pieces outside the unigram model."""
        return [self._pieces.get_score(i) for i in range(len(self))]

    def encode(self, text: str) -> list[int]:
        """The ids of a text's pieces: at least one, at most `MAX_PIECES`."""
        return self._pieces.encode(normalize(text))[:MAX_PIECES] or [UNKNOWN]

    def encode_all(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text's pieces, as of `encode`."""
        encoded = self._pieces.encode([normalize(text) for text in texts], num_threads=1)
        return [ids[:MAX_PIECES] or [UNKNOWN] for ids in encoded]

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int) -> Tokenizer:
        """Fit a unigram model with byte fallback, so that no script is unknown, to normalised texts."""
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(line for text in texts if (line := normalize(text))),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocabulary,
            byte_fallback=True,
            character_coverage=0.9999,
            user_defined_symbols=[USER, URL],
            normalization_rule_name="identity",
            pad_id=PAD,
            unk_id=UNKNOWN,
            bos_id=-1,
            eos_id=-1,
            num_threads=1,  # the same texts give the same model
            minloglevel=2,
        )
        return cls(model.getvalue())

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.model."""
        (Path(folder) / FILE_NAME).write_bytes(self.model)

    @classmethod
    def load(cls, folder: str | Path) -> Tokenizer:
        """Read tokenizer.model; ValueError, in one sentence, when it is missing or broken."""
        path = Path(folder) / FILE_NAME
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(_BROKEN.format(path)) from error
        return cls.of_file(path, content)

    @classmethod
    def of_file(cls, path: Path, content: bytes) -> Tokenizer:
        """The tokenizer that a file holds, from its content; ValueError, as of `load`, when it is broken."""
        try:
            return cls(content)
        except (RuntimeError, ValueError) as error:
            raise ValueError(_BROKEN.format(path)) from error


@functools.cache
def _emoji_names() -> tuple[dict[str, str], re.Pattern[str], dict[str, int]]:
    """Names by emoji, what finds characters that may begin one, and the length of the longest emoji by its first."""
    catalog = Catalog.load()
    names = {canonical(emoji.emoji): (catalog[emoji.base] if emoji.base else emoji).name for emoji in catalog}
    longest: dict[str, int] = {}
    for emoji in names:
        longest[emoji[0]] = max(len(emoji), longest.get(emoji[0], 0))
    # A set of ranges with what lies between near ones is found far faster than one of a thousand characters.
    ranges: list[list[str]] = []
    for character in sorted(longest):
        if ranges and ord(character) - ord(ranges[-1][1]) <= (_NEAR if character > "\xff" else 1):
            ranges[-1][1] = character
        else:
            ranges.append([character, character])
    return names, re.compile(f"[{''.join(f'{re.escape(a)}-{re.escape(b)}' for a, b in ranges)}]"), longest


def _name_emojis(text: str) -> str:
    names, beginning, longest = _emoji_names()
    out: list[str] = []
    at = 0
    while found := beginning.search(text, at):
        start = found.start()
        out.append(text[at:start])
        at = start + 1
        for length in range(longest.get(text[start], 0), 0, -1):
            if name := names.get(text[start : start + length]):
                out.append(f" {name} ")
                at = start + length
                break
        else:
            out.append(text[start])
    return "".join([*out, text[at:]]) if out else text
