"""The index of answers: what is found by cosine, with the table of what it is.

FAISS (`qa_emoji.code_index`) holds the codes, this table everything else; both change together or not at all, in memory
and in a folder (`qa_emoji.store`).
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qa_emoji import manifest as manifests
from qa_emoji import store
from qa_emoji.answer import SOURCES, Answer
from qa_emoji.code_index import AUTO, CodeIndex, Filter
from qa_emoji.cosine import unit_rows
from qa_emoji.memory import Label, Memory, check

DIM = 16
_LONGEST = 10_000  # characters of a name; the csv module reads no more than 131,072
_COLUMNS = ("key", "id", "emoji", "name", "source")


class EmojiIndex:
    """Answers found by the cosine of their codes to a question's.

    ``about`` is what the builder wants remembered (the sha256 of the weights, the fusion); it travels in the manifest.
    ``factory`` is how codes are searched: ``auto`` (exactly up to `code_index.EXACT_UP_TO` of them, then by inverted
    lists), ``Flat`` or ``IVFn,Flat``. ``stamp`` is the manifest that the index was last loaded from or saved as.
    """

    def __init__(self, dim: int = DIM, about: dict[str, Any] | None = None, factory: str = AUTO):
        """Raises ValueError for another factory."""
        self.dim = dim
        self.about = dict(about or {})
        self.stamp: bytes | None = None
        self._codes = CodeIndex(dim, factory)
        self._answers: dict[int, Answer] = {}  # by key of the code, in the order added
        self._keys: dict[str, int] = {}  # by answer id
        self._labels: dict[int, Label] = {}  # by key, of the answers that have one
        self._next_key = 0
        self.version = 0  # counts the changes since it was made or loaded

    def __len__(self) -> int:
        return len(self._answers)

    def __contains__(self, answer_id: str) -> bool:
        return answer_id in self._keys

    def __getitem__(self, answer_id: str) -> Answer:
        """The answer of an id with its code; KeyError when there is none."""
        key = self._keys[answer_id]
        return replace(self._answers[key], code=self._codes.codes(np.array([key]))[0])

    def source_of(self, answer_id: str) -> str:
        """The source of an answer; KeyError when there is none of this id."""
        return self._answers[self._keys[answer_id]].source

    @property
    def kind(self) -> str:
        """How codes are searched now, as a FAISS factory string."""
        return self._codes.kind

    @property
    def answers(self) -> list[Answer]:
        """All answers in the order added, without their codes."""
        return list(self._answers.values())

    @property
    def keys(self) -> np.ndarray:
        """The keys of all answers, (n,) int64, in the order added."""
        return np.fromiter(self._answers, dtype=np.int64, count=len(self))

    def counts(self) -> dict[str, int]:
        """How many answers of each source there are."""
        counted = Counter(answer.source for answer in self._answers.values())
        return {source: counted[source] for source in SOURCES}

    def add(self, answers: Sequence[Answer], codes: np.ndarray, labels: Sequence[Label | None] | None = None) -> None:
        """Add answers with their codes, (n, 16), of any length but 0: all of them or, on an error, none.

        ``labels`` are what questions find them by besides (`ExportedEncoder.labels`), None where there is no name.

        Raises ValueError for an id given twice or here already, for codes, latents or keys of another shape or not
        finite, and for text that is very long or cannot be written.
        """
        codes = self._checked(codes)
        if len(codes) != len(answers):
            raise ValueError(f"{len(answers)} answers came with {len(codes)} codes.")
        if not codes.any(axis=1).all():
            raise ValueError("A code of zeros points nowhere.")
        ids = [answer.id for answer in answers]
        if here := [i for i in ids if i in self._keys]:
            raise ValueError(f"The index has {', '.join(here[:3])} already; remove it first.")
        if twice := [i for i, count in Counter(ids).items() if count > 1]:
            raise ValueError(f"The index would have {', '.join(twice[:3])} twice.")
        rows = [self._row(answer) for answer in answers]
        labels = self._checked_labels([None] * len(answers) if labels is None else labels, len(answers))
        keys = np.arange(self._next_key, self._next_key + len(ids), dtype=np.int64)
        self._codes.add(codes, keys)
        self._answers.update(zip(keys.tolist(), rows, strict=True))
        self._keys.update(zip(ids, keys.tolist(), strict=True))
        self._labels.update({key: label for key, label in zip(keys.tolist(), labels, strict=True) if label})
        self._next_key += len(ids)
        self.version += 1

    def remove(self, ids: Iterable[str]) -> None:
        """Remove answers: all of them or, when an id is not here (ValueError), none."""
        ids = list(dict.fromkeys([ids] if isinstance(ids, str) else ids))
        keys = self._keys_of(ids)
        self._codes.remove(keys)
        for answer_id, key in zip(ids, keys.tolist(), strict=True):
            del self._keys[answer_id], self._answers[key]
            self._labels.pop(key, None)
        self.version += 1

    def search(self, codes: np.ndarray, k: int, ids: Iterable[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k answers of highest cosine to each code, best first.

        Args:
            codes: (n, 16), of any length.
            k: at least 1.
            ids: choose among these alone.

        Returns:
            scores (n, k) float32 and answer ids (n, k) objects; NaN and None where there are fewer than k answers.

        Raises ValueError for k < 1, an id that is not here, and codes of another shape or not finite.
        """
        selector = None if ids is None else self.selector(ids)
        if k < 1:
            raise ValueError(f"k should be at least 1, not {k}.")
        codes = self._checked(codes)
        scores = np.full((len(codes), k), np.nan, dtype=np.float32)
        found = np.full((len(codes), k), None, dtype=object)
        cosines, keys = self.nearest(codes, k, selector)
        for row, column in zip(*np.nonzero(keys >= 0), strict=True):
            found[row, column] = self._answers[keys[row, column]].id
        scores[:, : keys.shape[1]] = np.where(keys >= 0, cosines, np.nan)
        return scores, found

    def selector(self, ids: Iterable[str]) -> Filter:
        """A filter for `nearest`, to make once and use often."""
        return Filter(self._keys_of(list(ids)))

    def nearest(self, codes: np.ndarray, k: int, selector: Filter | None) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, of unit codes that are not checked, with a filter and with the keys of answers, -1 for none.

        Both are (n, k), or narrower when there are not so many answers.
        """
        found = min(k, len(self))
        if not found:
            return np.zeros((len(codes), 0), dtype=np.float32), np.zeros((len(codes), 0), dtype=np.int64)
        cosines, keys = self._codes.search(codes, found, selector)
        return cosines.clip(-1, 1), keys

    def at(self, key: int) -> tuple[Answer, np.ndarray]:
        """The answer of a key that is here, without its code, and the code, (16,) float32."""
        return self._answers[key], self._codes.codes(np.array([key]))[0]

    def codes(self, ids: Iterable[str] | None = None) -> np.ndarray:
        """Unit codes of answers, (n, 16) float32; of all, in the order added, when no ids are given."""
        return self._codes.codes(self._keys_of(self._keys if ids is None else list(ids)))

    def labels(self) -> dict[str, Label]:
        """What questions find answers by, by id, of those that have a name."""
        return {self._answers[key].id: label for key, label in self._labels.items()}

    def memory(self) -> Memory | None:
        """What tells which of the named answers a question means; None where none has a name."""
        if not self._labels:
            return None
        return Memory(list(self._labels.values()), self._codes.codes(np.fromiter(self._labels, dtype=np.int64)))

    def save(self, folder: str | Path, *, keep_previous: bool = True) -> None:
        """Write the index to a folder, whole or not at all; what was there before is kept for `rollback`, if wanted.

        Raises BlockingIOError when another process is changing the folder.
        """
        with store.locked(folder):
            self.write(folder, keep_previous=keep_previous)

    def write(self, folder: str | Path, *, keep_previous: bool = True) -> None:
        """As `save`, for who holds the lock of the folder (`store.locked`)."""
        facts = {
            "dim": self.dim,
            "metric": "cosine",
            "factory": self._codes.factory,
            "kind": self.kind,
            "counts": self.counts(),
            "named": len(self._labels),
        }
        contents = {
            "codes": self._codes.to_bytes(),
            "answers": self._table(),
            "latents": self._latents(),
            "labels": self._labels_to_bytes(),
        }
        self.stamp = store.write(Path(folder), facts, self.about, contents, keep_previous=keep_previous)

    @classmethod
    def load(cls, folder: str | Path) -> EmojiIndex:
        """Read an index and check all of it.

        Raises ValueError, in one sentence that says what to run, when anything is missing, broken or of another format.
        """
        return cls._of(store.read(folder), folder)

    @classmethod
    @contextlib.contextmanager
    def changing(cls, folder: str | Path) -> Iterator[EmojiIndex]:
        """The index of a folder, to change; it is saved at the end, unless that is an error, and no other writer
        comes between. Raises as `load` and `save`."""
        store.read_manifest(folder)
        with store.locked(folder):
            index = cls.load(folder)
            yield index
            index.write(folder)

    @classmethod
    def rollback(cls, folder: str | Path) -> EmojiIndex:
        """Put the version before the one in force back in force, and return it; a second time undoes it.

        The one in force may be broken. Raises ValueError, and changes nothing, when there is no earlier version or that
        is not sound.
        """
        store.stamp(folder)
        with store.locked(folder):
            version = store.previous(folder)
            index = cls._of(version, folder)
            store.switch(Path(folder), version.raw)
        return index

    @classmethod
    def _of(cls, version: store.Version, folder: str | Path) -> EmojiIndex:
        manifest, contents = version.manifest, version.contents
        try:
            index = cls(manifest["dim"], manifests.about(manifest), manifest["factory"])
            index._codes = CodeIndex.from_bytes(contents["codes"], index.dim, index._codes.factory)
            rows = list(csv.DictReader(io.StringIO(contents["answers"].decode("utf-8"), newline=""), strict=True))
            latents = np.load(io.BytesIO(contents["latents"]), allow_pickle=False)
            for row, latent in zip(rows, latents, strict=True):
                drawn = latent if np.isfinite(latent).all() else None
                answer = index._row(Answer(row["id"], row["emoji"] or None, row["name"], row["source"], latent=drawn))
                index._answers[int(row["key"])] = answer
                index._keys[answer.id] = int(row["key"])
            index._labels = _labels_of(contents["labels"]) if "labels" in contents else {}
            index._checked_labels(list(index._labels.values()), len(index._labels))
            index._checked(index.codes())
        except Exception as error:  # parsers of foreign bytes raise classes without a common one
            raise ValueError(
                f"The files of the index in {folder} are not of this format; {manifests.REBUILD}."
            ) from error
        index._next_key = max(index._answers, default=-1) + 1
        if (
            not len(index._codes) == len(index._keys) == len(rows)
            or not index._labels.keys() <= index._answers.keys()
            or len(index._labels) != manifest.get("named", 0)
            or index.counts() != manifest["counts"]
            or index.kind != manifest["kind"]
        ):
            raise ValueError(f"The files of the index in {folder} do not belong together; {manifests.REBUILD}.")
        index.stamp = version.raw
        return index

    def _row(self, answer: Answer) -> Answer:
        """An answer as it lies in the table, without what a search gives it."""
        for text in (answer.id, answer.emoji or "", answer.name):
            if len(text) > _LONGEST:
                raise ValueError(f"{text[:20]!r}... has more than {_LONGEST} characters.")
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                raise ValueError(f"{text!r} holds half a character and cannot be written.") from error
        if answer.latent is not None and (
            np.shape(answer.latent) != (self.dim,) or not np.isfinite(answer.latent).all()
        ):
            raise ValueError(f"The latent code of {answer.id} should be {self.dim} finite numbers.")
        return replace(answer, code=None, score=None, rank=None)

    def _keys_of(self, ids: Collection[str]) -> np.ndarray:
        missing = [i for i in ids if i not in self._keys]
        if missing:
            raise ValueError(f"The index has no answer {missing[0]!r}.")
        return np.array([self._keys[i] for i in ids], dtype=np.int64)

    def _checked(self, codes: Any) -> np.ndarray:
        codes = np.asarray(codes, dtype=np.float32).reshape(0, self.dim) if len(codes) == 0 else np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != self.dim:
            raise ValueError(f"Codes should be (n, {self.dim}), not {codes.shape}.")
        return unit_rows(codes)

    def _checked_labels(self, labels: Sequence[Label | None], n: int) -> Sequence[Label | None]:
        if len(labels) != n:
            raise ValueError(f"{n} answers came with {len(labels)} labels.")
        here = [*itertools.islice(self._labels.values(), 1), *filter(None, labels)]
        if here:
            check(here)
        return labels

    def _labels_to_bytes(self) -> bytes:
        content = io.BytesIO()
        labels = list(self._labels.values())
        np.savez(
            content,
            of=np.fromiter(self._labels, dtype=np.int64),
            keys=np.array([label.key for label in labels], dtype=np.float16),
            sizes=np.array([len(label.pieces) for label in labels], dtype=np.int64),
            pieces=np.concatenate([np.zeros(0, dtype=np.int32), *(label.pieces for label in labels)]),
            weights=np.concatenate([np.zeros(0, dtype=np.float32), *(label.weights for label in labels)]),
        )
        return content.getvalue()

    def _table(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # a lone \r too
        writer.writerow(_COLUMNS)
        writer.writerows((key, a.id, a.emoji or "", a.name, a.source) for key, a in self._answers.items())
        return text.getvalue().encode("utf-8")

    def _latents(self) -> bytes:
        rows = [np.full(self.dim, np.nan) if a.latent is None else a.latent for a in self._answers.values()]
        content = io.BytesIO()
        np.save(content, np.array(rows, dtype=np.float32).reshape(-1, self.dim), allow_pickle=False)
        return content.getvalue()


def _labels_of(content: bytes) -> dict[int, Label]:
    with np.load(io.BytesIO(content), allow_pickle=False) as read:
        of, keys, sizes, pieces, weights = (read[name] for name in ("of", "keys", "sizes", "pieces", "weights"))
    ends = np.cumsum(sizes).tolist()
    if (ends or [0])[-1] != len(pieces):
        raise ValueError("The labels do not belong together.")
    return {
        answer: Label(key, pieces[end - size : end], weights[end - size : end])
        for answer, key, size, end in zip(of.tolist(), keys, sizes.tolist(), ends, strict=True)
    }
