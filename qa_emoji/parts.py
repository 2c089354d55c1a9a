"""Parts of a job in a folder: each on the disk and in the journal before the next begins, so that a killed job can go
on where it was."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qa_emoji import durable

_IDENTITY, _JOURNAL, _FINISHED, _LOCK = "job.json", "journal.jsonl", "finished.json", "lock"
_OTHER = {  # what differs when a job cannot go on
    "input": "another input",
    "options": "other options",
    "model": "another index or other weights",
    "packages": "other versions of packages",
}


@dataclass(frozen=True)
class Part:
    """A line of the journal: rows read, how many of them were rejected, and the checksums of the part's files."""

    rows: int
    rejected: int
    answers_crc32: int
    rejects_crc32: int


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a folder of parts, made if need be, for this process; it goes at the end when it is empty.

    Raises ValueError when another process has it.
    """
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"Another batch is at work in {folder}.") from None
    try:
        yield
    finally:
        if folder.exists() and not any(file.is_file() and file.name != _LOCK for file in folder.rglob("*")):
            shutil.rmtree(folder)
        lock.release()


class Parts:
    """The folder of one job's parts. One process at a time writes to it (`held`)."""

    def __init__(self, folder: Path):
        """What is in a folder; nothing when there is none."""
        self._folder = folder
        self.done = self._sound_parts()

    @classmethod
    def open(cls, folder: Path, identity: dict[str, Any], *, resume: bool) -> Parts:
        """Begin anew or, with ``resume``, go on with what a job of this identity left, if any did.

        Raises ValueError when what is there came of something else.
        """
        folder.mkdir(exist_ok=True, parents=True)
        parts = cls(folder)
        if not resume or not (folder / _IDENTITY).exists():
            parts.begin(identity)
        else:
            parts._check(identity)
        return parts

    def begin(self, identity: dict[str, Any]) -> None:
        """Forget all that is here and begin a job of this identity."""
        for file in self._folder.iterdir():
            if file.is_file() and file.name != _LOCK:
                file.unlink()
        self.done = []
        durable.write(self._folder / _IDENTITY, json.dumps(identity).encode())

    def discard_when_empty(self) -> None:
        """Leave nothing when there is nothing to go on with."""
        if not self.done and self.finished() is None:
            for file in self._folder.iterdir():
                if file.name != _LOCK:
                    file.unlink()

    def append(self, answers: bytes, rejects: Sequence[tuple[int, str]], rows: int) -> None:
        """Put a part on the disk, then into the journal."""
        at = len(self.done)
        lines = _csv(rejects)
        durable.write(self._answers(at), answers)
        if rejects:
            durable.write(self._rejects(at), lines)
        part = Part(rows, len(rejects), zlib.crc32(answers), zlib.crc32(lines))
        with (self._folder / _JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(asdict(part)) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
        self.done.append(part)

    def answers(self) -> Iterator[bytes]:
        """The parts in order."""
        return (self._answers(at).read_bytes() for at in range(len(self.done)))

    def rejects(self) -> Iterator[tuple[str, str]]:
        """The rejected rows in order: number and reason."""
        for at, part in enumerate(self.done):
            if part.rejected:
                with self._rejects(at).open(encoding="utf-8", newline="") as file:
                    yield from ((row, reason) for row, reason in csv.reader(file))

    def finish(self, target: Path) -> None:
        """Remember that the target is whole; the answers need not be kept any longer."""
        durable.write(self._folder / _FINISHED, json.dumps({"bytes": target.stat().st_size}).encode())
        for at in range(len(self.done)):
            self._answers(at).unlink(missing_ok=True)

    def finished(self) -> int | None:
        """The size of the target in bytes when the job is finished."""
        try:
            return int(json.loads((self._folder / _FINISHED).read_bytes())["bytes"])
        except FileNotFoundError:
            return None

    def _check(self, identity: dict[str, Any]) -> None:
        before = json.loads((self._folder / _IDENTITY).read_bytes())
        for name, value in json.loads(json.dumps(identity)).items():
            if before.get(name) != value:
                raise ValueError(
                    f"{self._folder} was begun with {_OTHER[name]}; it cannot go on, begin anew without --resume."
                )

    def _sound_parts(self) -> list[Part]:
        """The parts of the journal up to the first that is not on the disk as it was written."""
        finished, parts = self.finished() is not None, list[Part]()
        try:
            journal = (self._folder / _JOURNAL).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return parts
        for line in journal.splitlines():
            try:
                part = Part(**{name: int(value) for name, value in json.loads(line).items()})
                at = len(parts)
                sound = finished or zlib.crc32(self._answers(at).read_bytes()) == part.answers_crc32
                if part.rejected:
                    sound = sound and zlib.crc32(self._rejects(at).read_bytes()) == part.rejects_crc32
            except (ValueError, TypeError, AttributeError, OSError):
                break
            if not sound:
                break
            parts.append(part)
        kept = "".join(json.dumps(asdict(part)) + "\n" for part in parts)
        if kept != journal:
            durable.write(self._folder / _JOURNAL, kept.encode())
        return parts

    def _answers(self, at: int) -> Path:
        return self._folder / f"{at:06d}.answers"

    def _rejects(self, at: int) -> Path:
        return self._folder / f"{at:06d}.rejects.csv"


def _csv(rows: Sequence[tuple[int, str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8")
