"""The folder of an index: its files, the lock of its writer and the version before.

``manifest.json`` names the files by their content, with a sha256 each. A writer holds the folder's lock, writes new
files beside the old ones and to the disk, keeps the manifest in force as ``manifest-N.json`` and replaces it in one
step; so a reader or a crash sees the old index or the new one and never half of each, and `previous` finds the one
before. What neither version needs is deleted. A lock ends with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa_emoji import durable
from qa_emoji import manifest as manifests
from qa_emoji.manifest import PARTS, REBUILD

MANIFEST = "manifest.json"

_EARLIER = re.compile(r"manifest-(\d{1,9})\.json")


@dataclass(frozen=True)
class Version:
    """One version of an index: its manifest, as written and as read, and the content of its files."""

    raw: bytes
    manifest: dict[str, Any]
    contents: dict[str, bytes]


def read(folder: str | Path) -> Version:
    """The version in force, also when another replaces it meanwhile.

    Raises ValueError, in one sentence that says what to run, for what is missing, broken or of another format.
    """
    folder, failed = Path(folder), None
    while True:
        raw = stamp(folder)
        try:
            return _version(folder / MANIFEST, raw)
        except ValueError:
            if raw == failed:
                raise
            failed = raw


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of an index, checked; ValueError, in one sentence, when there is none of ours."""
    return manifests.parse(stamp(folder), Path(folder) / MANIFEST)


def stamp(folder: str | Path) -> bytes:
    """The manifest's bytes, which differ when the index has changed; ValueError where there is none."""
    path = Path(folder) / MANIFEST
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"There is no index in {folder}; make one with `qa-emoji index build`.") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); {REBUILD}.") from error


def write(
    folder: Path,
    facts: Mapping[str, Any],
    about: Mapping[str, Any],
    contents: Mapping[str, bytes],
    *,
    keep_previous: bool = True,
) -> bytes:
    """Make these the index in a folder whose lock is held, whole or not at all; returns its `stamp`.

    Args:
        folder: where.
        facts: what the manifest says of the index.
        about: what else it remembers.
        contents: the files by part.
        keep_previous: keep the version in force, if it is another, for `previous`.
    """
    digests = {part: hashlib.sha256(contents[part]).hexdigest() for part in PARTS}
    raw = manifests.seal(facts, digests, about)
    for part, digest in digests.items():
        durable.put(folder / manifests.file_name(part, digest), contents[part])
    switch(folder, raw, keep_previous=keep_previous)
    return raw


def switch(folder: Path, raw: bytes, *, keep_previous: bool = True) -> None:
    """Put a manifest in force whose files are all in its folder, in one step, and delete what is no longer needed.

    The folder's lock is held.
    """
    current = _sound(folder / MANIFEST)
    if current is not None and current != raw and keep_previous:
        last = next(map(_number, _earlier(folder)), 0)
        durable.put(folder / f"manifest-{last + 1}.json", current)
    durable.sync(folder)
    if current != raw:
        durable.write(folder / MANIFEST, raw)
    _tidy(folder, raw, keep_previous=keep_previous)


def previous(folder: str | Path) -> Version:
    """The version before the one in force, checked; ValueError when there is none or it is broken."""
    folder = Path(folder)
    current = stamp(folder)
    for path in _earlier(folder):
        if (raw := path.read_bytes()) != current:
            return _version(path, raw)
    raise ValueError(f"The index in {folder} has no earlier version to go back to.")


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Be the only writer of a folder, which is made if it is not there and removed again when nothing came of it.

    Raises BlockingIOError when another process or thread is the writer. Readers need no lock.
    """
    import fcntl  # not on Windows, where indexes can be read

    folder = Path(folder)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                f"Another process is changing the index in {folder}, so nothing was done; try again when it is through."
            ) from error
        for path in missing:
            durable.sync(path.parent)
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()  # only what is empty
        os.close(descriptor)


def _version(path: Path, raw: bytes) -> Version:
    manifest = manifests.parse(raw, path)
    return Version(raw, manifest, {part: _read_part(path.parent, f) for part, f in manifests.parts(manifest).items()})


def _read_part(folder: Path, file: Mapping[str, str]) -> bytes:
    path = folder / file["name"]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"The index lacks its file {path}; {REBUILD}.") from error
    if hashlib.sha256(content).hexdigest() != file["sha256"]:
        raise ValueError(f"{path} is not as it was written (its checksum differs); {REBUILD}.")
    return content


def _sound(path: Path) -> bytes | None:
    """The bytes of a manifest of ours, or None."""
    with contextlib.suppress(OSError, ValueError):
        raw = path.read_bytes()
        manifests.parse(raw, path)
        return raw
    return None


def _earlier(folder: Path) -> list[Path]:
    """Manifests kept from before, the latest first; a writer that was killed may leave more than one."""
    kept = [path for path in folder.iterdir() if _EARLIER.fullmatch(path.name)]
    return sorted(kept, key=_number, reverse=True)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _tidy(folder: Path, current: bytes, *, keep_previous: bool) -> None:
    """Delete those files of ours that neither version needs, also what killed writers left."""
    needed = manifests.file_names(manifests.parse(current, folder / MANIFEST))
    if keep_previous:
        for path in _earlier(folder):
            raw = _sound(path)
            if raw is not None and raw != current:
                needed |= {path.name} | manifests.file_names(manifests.parse(raw, path))
                break
    for path in folder.iterdir():
        meant = durable.meant(path)
        name = (meant or path).name
        ours = manifests.is_file_name(name) or _EARLIER.fullmatch(name) or (meant and name == MANIFEST)
        if ours and (meant or name not in needed):
            path.unlink(missing_ok=True)
