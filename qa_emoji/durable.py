"""Files that are whole or not there, also after a kill or a power cut: written beside their place, brought to the disk
and switched in one step."""

from __future__ import annotations

import os
from pathlib import Path

_BESIDE = ".partial"


def write(path: Path, content: bytes) -> None:
    """Write a file, whole and on the disk under its name when this returns; a killed writer may leave it `beside`."""
    put(path, content)
    sync(path.parent)


def put(path: Path, content: bytes) -> None:
    """What `write` does, but the name waits for a `sync` of the folder, which serves all files put there before."""
    partial = beside(path)
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def publish(written: Path, path: Path) -> None:
    """Put a written file, of the same file system, in its place in one step, on the disk when this returns."""
    sync(written)
    os.replace(written, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file's content, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def beside(path: Path) -> Path:
    """Where a file is written before it is in its place."""
    return path.with_name(f".{path.name}{_BESIDE}")


def meant(path: Path) -> Path | None:
    """The place of what was written `beside` it, or None for any other file."""
    name = path.name.removeprefix(".").removesuffix(_BESIDE)
    return path.with_name(name) if name and beside(path.with_name(name)) == path else None
