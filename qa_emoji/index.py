"""A FAISS cosine index with the table of answers behind it.

A folder holds ``manifest.json`` and three files that it names, with a sha256 each: the FAISS index, the table of
answers and their latent codes. Files are named by their content, and the manifest is replaced last and in one step, so
a reader or a crash sees the old index or the new one and never half of each.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from qa_emoji.answer import SOURCES, Answer
from qa_emoji.cosine import unit_rows

FORMAT = 1
DIM = 16
MANIFEST = "manifest.json"
_PARTS = {"codes": "faiss", "answers": "csv", "latents": "npy"}
_COLUMNS = ("key", "id", "emoji", "name", "source")
_REBUILD = "rebuild it with `qa-emoji index build`"


class EmojiIndex:
    """Answers found by the cosine of their codes to a question's.

    ``about`` is what the builder wants remembered (the sha256 of the weights, the fusion); it travels in the manifest.
    """

    def __init__(self, dim: int = DIM, about: dict[str, Any] | None = None):
        self.dim = dim
        self.about = dict(about or {})
        self._faiss = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
        self._answers: dict[int, Answer] = {}  # by FAISS key, in the order added
        self._keys: dict[str, int] = {}  # by answer id
        self._next_key = 0
        self.version = 0  # counts the changes since it was made or loaded

    def __len__(self) -> int:
        return len(self._answers)

    def __contains__(self, answer_id: str) -> bool:
        return answer_id in self._keys

    def __getitem__(self, answer_id: str) -> Answer:
        """The answer of an id with its code; KeyError when there is none."""
        key = self._keys[answer_id]
        return replace(self._answers[key], code=self._faiss.reconstruct(key))

    def source_of(self, answer_id: str) -> str:
        """The source of an answer; KeyError when there is none of this id."""
        return self._answers[self._keys[answer_id]].source

    @property
    def answers(self) -> list[Answer]:
        """All answers in the order added, without their codes."""
        return list(self._answers.values())

    def counts(self) -> dict[str, int]:
        """How many answers of each source there are."""
        counted = Counter(answer.source for answer in self._answers.values())
        return {source: counted[source] for source in SOURCES}

    def add(self, answers: Sequence[Answer], codes: np.ndarray) -> None:
        """Add answers with their codes, (n, 16), of any length but 0: all of them or, on an error, none.

        Raises ValueError for an id given twice or here already, and for codes of another shape or not finite.
        """
        codes = self._checked(codes)
        if len(codes) != len(answers):
            raise ValueError(f"{len(answers)} answers came with {len(codes)} codes.")
        if not codes.any(axis=1).all():
            raise ValueError("A code of zeros points nowhere.")
        ids = [answer.id for answer in answers]
        twice = [i for i, count in Counter(ids).items() if count > 1 or i in self._keys]
        if twice:
            raise ValueError(f"The index would have {', '.join(twice[:3])} twice.")
        keys = np.arange(self._next_key, self._next_key + len(ids), dtype=np.int64)
        self._faiss.add_with_ids(codes, keys)
        for key, answer in zip(keys.tolist(), answers, strict=True):
            self._answers[key] = replace(answer, code=None, score=None, rank=None)
            self._keys[answer.id] = key
        self._next_key += len(ids)
        self.version += 1

    def remove(self, ids: Iterable[str]) -> None:
        """Remove answers: all of them or, when an id is not here (ValueError), none."""
        ids = list(dict.fromkeys([ids] if isinstance(ids, str) else ids))
        keys = self._keys_of(ids)
        self._faiss.remove_ids(keys)
        for answer_id, key in zip(ids, keys.tolist(), strict=True):
            del self._keys[answer_id], self._answers[key]
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
        return self.search_within(codes, k, None if ids is None else self.selector(ids))

    def selector(self, ids: Iterable[str]) -> faiss.IDSelector:
        """A filter for `search_within`, to make once and use often."""
        return faiss.IDSelectorBatch(self._keys_of(list(ids)))

    def search_within(
        self, codes: np.ndarray, k: int, selector: faiss.IDSelector | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, with a filter made by `selector`."""
        if k < 1:
            raise ValueError(f"k should be at least 1, not {k}.")
        codes = self._checked(codes)
        found = min(k, len(self))
        scores = np.full((len(codes), k), np.nan, dtype=np.float32)
        ids = np.full((len(codes), k), None, dtype=object)
        if not found:
            return scores, ids
        parameters = None if selector is None else faiss.SearchParameters(sel=selector)
        cosines, keys = self._faiss.search(codes, found, params=parameters)
        for row, column in zip(*np.nonzero(keys >= 0), strict=True):
            ids[row, column] = self._answers[keys[row, column]].id
        scores[:, :found] = np.where(keys >= 0, np.clip(cosines, -1, 1), np.nan)
        return scores, ids

    def codes(self, ids: Iterable[str] | None = None) -> np.ndarray:
        """Unit codes of answers, (n, 16) float32; of all, in the order added, when no ids are given."""
        keys = np.fromiter(self._answers, dtype=np.int64) if ids is None else self._keys_of(list(ids))
        return np.stack([self._faiss.reconstruct(key) for key in keys.tolist()]) if len(keys) else self._checked([])

    def save(self, folder: str | Path) -> None:
        """Write the index to a folder, whole or not at all; what was there before is replaced."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        contents = {
            "codes": faiss.serialize_index(self._faiss).tobytes(),
            "answers": self._table(),
            "latents": self._latents(),
        }
        digests = {part: hashlib.sha256(content).hexdigest() for part, content in contents.items()}
        files = {part: f"{part}-{digests[part][:12]}.{_PARTS[part]}" for part in contents}
        for part, content in contents.items():
            _write(folder / files[part], content)
        manifest = {
            "format": FORMAT,
            "dim": self.dim,
            "metric": "cosine",
            "counts": self.counts(),
            "files": {part: {"name": files[part], "sha256": digests[part]} for part in contents},
            **self.about,
        }
        replaced = _files_of(folder)
        _write(folder / MANIFEST, (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
        for name in replaced - set(files.values()):
            (folder / name).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: str | Path) -> EmojiIndex:
        """Read an index and check all of it.

        Raises ValueError, in one sentence that says what to run, when anything is missing, broken or of another format.
        """
        folder = Path(folder)
        manifest, contents = _read(folder)
        known = ("format", "dim", "metric", "counts", "files")
        index = cls(manifest["dim"], {name: value for name, value in manifest.items() if name not in known})
        try:
            rows = list(csv.DictReader(io.StringIO(contents["answers"].decode("utf-8"), newline="")))
            latents = np.load(io.BytesIO(contents["latents"]), allow_pickle=False)
            index._faiss = faiss.deserialize_index(np.frombuffer(contents["codes"], dtype=np.uint8))
            for row, latent in zip(rows, latents, strict=True):
                drawn = latent if np.isfinite(latent).all() else None
                answer = Answer(row["id"], row["emoji"] or None, row["name"], row["source"], latent=drawn)
                index._answers[int(row["key"])] = answer
                index._keys[answer.id] = int(row["key"])
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"The files of the index in {folder} are not of this format; {_REBUILD}.") from error
        index._next_key = max(index._answers, default=-1) + 1
        if index._faiss.ntotal != len(index) or index._faiss.d != index.dim or index.counts() != manifest["counts"]:
            raise ValueError(f"The files of the index in {folder} do not belong together; {_REBUILD}.")
        return index

    def _keys_of(self, ids: Sequence[str]) -> np.ndarray:
        missing = [i for i in ids if i not in self._keys]
        if missing:
            raise ValueError(f"The index has no answer {missing[0]!r}.")
        return np.array([self._keys[i] for i in ids], dtype=np.int64)

    def _checked(self, codes: Any) -> np.ndarray:
        codes = np.asarray(codes, dtype=np.float32).reshape(0, self.dim) if len(codes) == 0 else np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != self.dim:
            raise ValueError(f"Codes should be (n, {self.dim}), not {codes.shape}.")
        return unit_rows(codes)

    def _table(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows((key, a.id, a.emoji or "", a.name, a.source) for key, a in self._answers.items())
        return text.getvalue().encode("utf-8")

    def _latents(self) -> bytes:
        rows = [np.full(self.dim, np.nan) if a.latent is None else a.latent for a in self._answers.values()]
        content = io.BytesIO()
        np.save(content, np.array(rows, dtype=np.float32).reshape(-1, self.dim), allow_pickle=False)
        return content.getvalue()


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of an index, checked for its format; ValueError, in one sentence, when there is none of ours."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"There is no index in {folder}; make one with `qa-emoji index build`.") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is broken; {_REBUILD}.") from error
    try:
        version, sound = manifest["format"], isinstance(manifest["dim"], int) and manifest["metric"] == "cosine"
        sound = sound and all(
            isinstance(manifest["files"][part][key], str) for part in _PARTS for key in ("name", "sha256")
        )
        sound = sound and isinstance(manifest["counts"], dict)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not the manifest of an index; {_REBUILD}.") from error
    if version != FORMAT:
        raise ValueError(f"The index in {folder} has format {version}, this package reads {FORMAT}; {_REBUILD}.")
    if not sound:
        raise ValueError(f"{path} is not the manifest of an index; {_REBUILD}.")
    return manifest


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Manifest and files of one version, also when another replaces it meanwhile."""
    while True:
        manifest = read_manifest(folder)
        try:
            return manifest, {part: _read_part(folder, part, manifest) for part in _PARTS}
        except ValueError:
            if read_manifest(folder) == manifest:
                raise


def _files_of(folder: Path) -> set[str]:
    """The names of the files of the index in a folder, or none where there is no sound one."""
    try:
        return {Path(file["name"]).name for file in read_manifest(folder)["files"].values()}
    except ValueError:
        return set()


def _read_part(folder: Path, part: str, manifest: dict[str, Any]) -> bytes:
    name, expected = manifest["files"][part]["name"], manifest["files"][part]["sha256"]
    path = folder / Path(name).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"The index lacks its file {path}; {_REBUILD}.") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise ValueError(f"{path} is not as it was written (its checksum differs); {_REBUILD}.")
    return content


def _write(path: Path, content: bytes) -> None:
    """Write a file whole: beside it, to the disk, then in its place."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
