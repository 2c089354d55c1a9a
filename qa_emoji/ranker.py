"""Answer questions with emojis: known ones, ones released since, and ones that nobody has drawn."""

from __future__ import annotations

import functools
import os
import threading
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa_emoji import paths, store
from qa_emoji.answer import SOURCES, Answer
from qa_emoji.arguments import checked_texts, count
from qa_emoji.catalog import canonical
from qa_emoji.code_index import Filter
from qa_emoji.generation import Illustrator
from qa_emoji.index import EmojiIndex
from qa_emoji.memory import Memory
from qa_emoji.runtime import ExportedEncoder, ExportedVAE, check_built_with, cores

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_SOURCES = ("known", "unseen")
COLUMNS = ("question", "rank", "answer", "name", "source", "score")  # of a batch
MOST_DRAWN = 200  # new emojis at once

_BATCH = 1024


class EmojiRanker:
    """A text encoder, an index of answers and a VAE that draws new ones."""

    def __init__(self, index: EmojiIndex, encoder: ExportedEncoder, vae: ExportedVAE):
        """Put the parts together; ValueError when the index was built with other weights than these."""
        check_built_with(index.about, encoder, vae)
        self.index, self.encoder, self.vae = index, encoder, vae
        self.folder: Path | None = None
        self._of_version: _OfVersion | None = None
        self._turns: dict[int, threading.Lock] = {}

    @classmethod
    def load(
        cls, folder: str | Path | None = None, *, encoder: str | Path | None = None, vae: str | Path | None = None
    ) -> EmojiRanker:
        """A ranker from an index folder and folders of weights; each the shipped one when not given.

        Raises ValueError, in one sentence, for what is missing, broken or does not belong together.
        """
        folder = Path(paths.default_index() if folder is None else folder)
        ranker = cls(EmojiIndex.load(folder), ExportedEncoder(encoder), ExportedVAE(vae))
        ranker.folder = folder
        return ranker

    def reload_if_changed(self) -> bool:
        """Take over the index that is in the folder now, if it is another than when it was last read; say whether.

        One small file is read when nothing changed. A question that another thread asks meanwhile is answered from the
        old index or the new one. Raises ValueError, and keeps the old index, when the new one is broken or was built
        with other weights, and for a ranker that was not loaded from a folder.
        """
        if self.folder is None:
            raise ValueError(
                "This ranker's index is in memory alone: load a ranker from a folder to follow its changes."
            )
        if store.stamp(self.folder) == self.index.stamp:
            return False
        index = EmojiIndex.load(self.folder)
        check_built_with(index.about, self.encoder, self.vae)
        self.index = index
        return True

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Codes of texts: (n, 16) float32, rows of length 1, by whose cosines the index's answers are ranked.

        They are aimed at the named answers of this index that the texts mean (`qa_emoji.memory`).
        Raises TypeError for what is not a text, ValueError for a blank one.
        """
        return self._aimed(self._current(), checked_texts(texts))

    def rank(
        self,
        text: str,
        k: int = 5,
        sources: Iterable[str] = DEFAULT_SOURCES,
        candidates: Iterable[str] | None = None,
        fresh: int = 0,
    ) -> list[Answer]:
        """The k best answers to a text, best first; fewer when there are fewer to choose among.

        Args:
            text: a question, message or search in any script and of any length; its first 2,000 characters count.
            k: how many answers from the index.
            sources: which kinds may answer, of "known", "unseen" and "generated".
            candidates: choose among these emojis (or answer ids) alone; variation selectors and case do not matter.
            fresh: draw this many new emojis, at most 200, for this very text; they join the k in one order by score.

        Raises TypeError for arguments of another type; ValueError for a blank text, k < 1, fresh out of range, and
        sources or candidates that are unknown or none.
        """
        if not isinstance(text, str):
            raise TypeError(f"A question should be a text, not {type(text).__name__}.")
        k, fresh = count(k, "k", 1), count(fresh, "fresh", 0, MOST_DRAWN)
        current = self._current()
        index, selector = current.index, self._selector(current, sources, candidates)
        with self._turn():
            (scores,), (keys,) = index.nearest(self._aimed(current, checked_texts([text])), k, selector)
        found = [
            Answer(answer.id, answer.emoji, answer.name, answer.source, score, rank, code, answer.latent, self.vae)
            for rank, (score, (answer, code)) in enumerate(zip(scores.tolist(), current.rows(keys), strict=False), 1)
        ]
        if not fresh:
            return found
        merged = sorted(found + self.draw(fresh, about=text), key=lambda answer: answer.score or 0.0, reverse=True)
        return [replace(answer, rank=rank) for rank, answer in enumerate(merged, 1)]

    def rank_batch(
        self,
        texts: Sequence[str],
        k: int = 5,
        sources: Iterable[str] = DEFAULT_SOURCES,
        candidates: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """The k best answers to each text, a row each: question, rank, answer, name, source, score.

        ``answer`` is the emoji or, for a generated answer, its id. Arguments and errors as of `rank`.
        """
        import pandas as pd

        current = self._current()
        k, selector = count(k, "k", 1), self._selector(current, sources, candidates)
        texts = checked_texts(texts)
        parts = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]

        def nearest(part: list[str]) -> tuple[np.ndarray, np.ndarray]:
            return current.index.nearest(self._aimed(current, part), k, selector)

        if len(parts) > 1 and cores() > 1:
            # NumPy and SentencePiece let other threads run, but BLAS would put threads of its own in their way.
            with _one_blas_thread(), ThreadPoolExecutor(min(len(parts), cores())) as pool:
                found = list(pool.map(nearest, parts))
        else:
            found = [nearest(part) for part in parts or [[]]]
        scores, keys = (np.concatenate(column) for column in zip(*found, strict=True))
        rows, ranks = np.nonzero(keys >= 0)
        table = current.table.take(current.table.index.get_indexer(keys[rows, ranks])).reset_index(drop=True)
        table.insert(0, "question", pd.Series(texts, dtype=object).take(rows).array)
        table.insert(1, "rank", ranks + 1)
        table["score"] = scores[rows, ranks].astype(float)
        return table

    def draw(self, n: int, about: str | None = None, seed: int = 0) -> list[Answer]:
        """n emojis that nobody has drawn, none of them in the index: around a text's direction, scored by their cosine
        to it, or anywhere between real ones.

        The same text and seed are drawn the same emojis. Where the VAE draws too little that is worth showing there
        may be fewer.
        """
        n = count(n, "n", 1, MOST_DRAWN)
        if about is None:
            return self._current().illustrator.anywhere(n, np.random.default_rng(seed))
        key = zlib.crc32(about.encode("utf-8", "surrogatepass"))
        return self._current().illustrator.fresh(self.encode([about])[0], n, np.random.default_rng([seed, key]))

    def latent(self, emoji: str) -> np.ndarray:
        """The latent code of an emoji in the index, (16,) float32: what its picture is drawn from.

        Raises ValueError when the index has no such emoji, or only without a picture.
        """
        current = self._current()
        for answer_id in current.by_spelling.get(_spelling(emoji), []):
            if (latent := current.index[answer_id].latent) is not None:
                return latent
        raise ValueError(f"The index has no picture of {emoji!r}.")

    def direction(self, text: str) -> np.ndarray:
        """The unit direction, (16,) float32, among latent codes in which the pictures lie that answer a text."""
        return self._current().illustrator.direction(self.encode([text])[0])

    def _aimed(self, current: _OfVersion, texts: Sequence[str]) -> np.ndarray:
        questions = self.encoder.read(texts)
        return questions.codes if current.memory is None else current.memory.aim(questions)

    def _turn(self) -> threading.Lock:
        """What threads hold in turn while they rank one text, in this process: a fork has a lock of its own.

        Between NumPy's many short steps the interpreter changes threads; one after the other they get twice as far.
        """
        return self._turns.setdefault(os.getpid(), threading.Lock())

    def _current(self) -> _OfVersion:
        """What is derived from the index, made anew when the index has changed."""
        index, current = self.index, self._of_version
        if current is None or current.index is not index or current.version != index.version:
            self._of_version = current = _OfVersion(index, self.vae)
        return current

    @staticmethod
    def _selector(current: _OfVersion, sources: Iterable[str], candidates: Iterable[str] | None) -> Filter | None:
        """The filter for these sources and candidates, or None when every answer may be chosen."""
        chosen = _checked_sources(sources)
        if candidates is None:
            return current.selector(chosen)
        if isinstance(candidates, str):
            raise TypeError("candidates should be a list of emojis, not one text.")
        ids = []
        for candidate in candidates:
            if not isinstance(candidate, str):
                raise TypeError(f"A candidate should be an emoji, not {type(candidate).__name__}.")
            if not (spelled := current.by_spelling.get(_spelling(candidate))):
                raise ValueError(f"The candidate {candidate!r} is not in the index.")
            ids += [i for i in spelled if current.index.source_of(i) in chosen]
        if not ids:
            raise ValueError(f"None of the candidates is an answer from {' or '.join(chosen)}.")
        return current.index.selector(dict.fromkeys(ids))


class _OfVersion:
    """What a ranker derives from one version of its index."""

    def __init__(self, index: EmojiIndex, vae: ExportedVAE):
        self.version, self.index, self.vae = index.version, index, vae
        self.by_spelling: dict[str, list[str]] = {}
        self._by_source: dict[str, list[str]] = {source: [] for source in SOURCES}
        self.answers = {answer.id: answer for answer in index.answers}
        for answer in self.answers.values():
            self._by_source[answer.source].append(answer.id)
            for spelling in {answer.id, answer.emoji or answer.id}:
                self.by_spelling.setdefault(_spelling(spelling), []).append(answer.id)
        self._selectors: dict[tuple[str, ...], Filter | None] = {}
        self._rows: dict[int, tuple[Answer, np.ndarray]] = {}

    def rows(self, keys: np.ndarray) -> list[tuple[Answer, np.ndarray]]:
        """The answers of keys (n,) and their codes, up to the first key of -1, which stands for none.

        They are kept once asked for: few are, again and again, and asking FAISS costs as much as a search here.
        """
        found = []
        for key in keys.tolist():
            if key < 0:
                break
            if (row := self._rows.get(key)) is None:
                row = self.index.at(key)
                row[1].flags.writeable = False
                self._rows[key] = row
            found.append(row)
        return found

    @functools.cached_property
    def memory(self) -> Memory | None:
        return self.index.memory()

    @functools.cached_property
    def illustrator(self) -> Illustrator:
        answers = list(self.answers.values())
        return Illustrator(self.vae, answers, self.index.codes())

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """What a batch says of each answer, by its key."""
        import pandas as pd

        rows = [(str(answer), answer.name, answer.source) for answer in self.answers.values()]
        return pd.DataFrame(rows, columns=COLUMNS[2:5], index=self.index.keys)

    def selector(self, sources: tuple[str, ...]) -> Filter | None:
        """The filter of some sources, or None when they are all there is."""
        if sources not in self._selectors:
            everything = all(source in sources or not ids for source, ids in self._by_source.items())
            ids = [i for source in sources for i in self._by_source[source]]
            self._selectors[sources] = None if everything else self.index.selector(ids)
        return self._selectors[sources]


class _OneBlasThread:
    """While anyone is inside, BLAS keeps to one thread; the last to leave gives it back what it had."""

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController

        self._blas, self._inside, self._changing = ThreadpoolController(), 0, threading.Lock()

    def __enter__(self) -> None:
        with self._changing:
            if not self._inside:
                self._limit = self._blas.limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changing:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


@functools.cache
def _one_blas_thread() -> _OneBlasThread:
    return _OneBlasThread()


def _spelling(candidate: str) -> str:
    return canonical(candidate).strip().casefold()


def _checked_sources(sources: Iterable[str]) -> tuple[str, ...]:
    if isinstance(sources, str):
        sources = (sources,)
    chosen = set(sources)
    for source in chosen:
        if source not in SOURCES:
            raise ValueError(f"A source is one of {', '.join(SOURCES)}, not {source!r}.")
    if not chosen:
        raise ValueError(f"Name at least one source of {', '.join(SOURCES)}.")
    return tuple(source for source in SOURCES if source in chosen)
