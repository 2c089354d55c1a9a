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

_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<!\w)@\w+")
_HASHTAG = re.compile(r"#(\w+)")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|_")
_ELONGATION = re.compile(r"(\w)\1{2,}")


def normalize(text: str) -> str:
    """The text as the encoder sees it.

    Emojis become their names, links and handles one token each, hashtags words (#TacoTuesday: taco tuesday); letters
    are NFKC lower case and repeated at most twice in a row (soooo: soo). Variation selectors and control characters
    disappear, and a lone surrogate becomes U+FFFD. Only the first `MAX_CHARACTERS` characters count. The result may be
    empty.
    """
    text = text[:MAX_CHARACTERS]
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = unicodedata.normalize("NFKC", _name_emojis(canonical(text)))
    text = _URL.sub(f" {URL} ", text)
    text = _HANDLE.sub(f" {USER} ", text)
    text = _HASHTAG.sub(lambda match: " " + _HUMP.sub(" ", match[1]) + " ", text)
    text = _ELONGATION.sub(r"\1\1", text.lower())
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


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

    def encode(self, text: str) -> list[int]:
        """The ids of a text's pieces: at least one, at most `MAX_PIECES`."""
        return self._pieces.encode(normalize(text))[:MAX_PIECES] or [UNKNOWN]

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
            return cls(path.read_bytes())
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"{path} is missing or not a tokenizer of this package.") from error


@functools.cache
def _emoji_names() -> tuple[dict[str, str], frozenset[str], int]:
    """Names by character, the first characters, and the length of the longest emoji."""
    catalog = Catalog.load()
    names = {canonical(emoji.emoji): (catalog[emoji.base] if emoji.base else emoji).name for emoji in catalog}
    return names, frozenset(e[0] for e in names), max(map(len, names))


def _name_emojis(text: str) -> str:
    names, starts, longest = _emoji_names()
    if starts.isdisjoint(text):
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in starts:
            for length in range(min(longest, len(text) - at), 0, -1):
                if name := names.get(text[at : at + length]):
                    out.append(f" {name} ")
                    at += length
                    break
            else:
                out.append(text[at])
                at += 1
        else:
            out.append(text[at])
            at += 1
    return "".join(out)
