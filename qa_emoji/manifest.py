"""What the manifest of an index says, and how it is checked.

It is JSON in one way of writing, with the sha256 of the rest of it at its end: any byte changed is found. Format 2 had
no labels and is read too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 3
PARTS = {"codes": "faiss", "answers": "csv", "latents": "npy", "labels": "npz"}
REBUILD = "rebuild it with `qa-emoji index build`"

_BEFORE = 2
_NEW = "labels"  # the part that the format before did not have
_OURS = ("format", "dim", "metric", "factory", "kind", "counts", "named", "files", "sha256")
_PART = re.compile("|".join(rf"{part}-[0-9a-f]{{12}}\.{suffix}" for part, suffix in PARTS.items()))
_MOST_DIM = 4096


def seal(facts: Mapping[str, Any], digests: Mapping[str, str], about: Mapping[str, Any]) -> bytes:
    """A manifest as written.

    Args:
        facts: dim, metric, factory, kind, counts and how many are named.
        digests: the sha256 of each part's file.
        about: what else to remember, under other names (ValueError).
    """
    if clash := set(about) & set(_OURS):
        raise ValueError(f"The manifest of an index has its own {min(clash)!r}.")
    files = {part: {"name": file_name(part, digest), "sha256": digest} for part, digest in digests.items()}
    return _sealed({"format": FORMAT, **facts, "files": files, **about})


def parse(raw: bytes, path: Path) -> dict[str, Any]:
    """The manifest that was read from a path. Raises ValueError, in one sentence, for what is none of ours."""
    try:
        manifest = json.loads(raw.decode("utf-8"))
        as_written = _sealed({name: value for name, value in dict(manifest).items() if name != "sha256"})
        version = manifest["format"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the manifest of an index; {REBUILD}.") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is broken; {REBUILD}.") from error
    if version not in (_BEFORE, FORMAT):
        raise ValueError(
            f"The index in {path.parent} has format {version!r:.20}, this package reads {FORMAT}; "
            f"update qa-emoji or {REBUILD}."
        )
    if raw != as_written:
        raise ValueError(f"{path} is not as it was written (its checksum differs); {REBUILD}.")
    if not _is_sound(manifest):
        raise ValueError(f"{path} is not the manifest of an index; {REBUILD}.")
    return manifest


def about(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the builder wanted remembered."""
    return {name: value for name, value in manifest.items() if name not in _OURS}


def file_name(part: str, digest: str) -> str:
    """The name of a part's file, by its content."""
    return f"{part}-{digest[:12]}.{PARTS[part]}"


def is_file_name(name: str) -> bool:
    """Whether a file of an index may have this name."""
    return bool(_PART.fullmatch(name))


def parts(manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The name and sha256 of the file of each part that a manifest speaks of."""
    return {part: manifest["files"][part] for part in PARTS if manifest["format"] == FORMAT or part != _NEW}


def file_names(manifest: Mapping[str, Any]) -> set[str]:
    """The names of the files that a manifest speaks of."""
    return {file["name"] for file in parts(manifest).values()}


def _is_sound(manifest: dict[str, Any]) -> bool:
    try:
        dim = manifest["dim"]
        sound = type(dim) is int and 0 < dim <= _MOST_DIM and manifest["metric"] == "cosine"
        sound = sound and isinstance(manifest["counts"], dict) and isinstance(manifest["factory"], str)
        return sound and all(
            is_file_name(file["name"]) and file["name"] == file_name(part, file["sha256"])
            for part, file in parts(manifest).items()
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _sealed(manifest: dict[str, Any]) -> bytes:
    return _json({**manifest, "sha256": hashlib.sha256(_json(manifest)).hexdigest()})


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
