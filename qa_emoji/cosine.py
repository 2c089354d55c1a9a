"""The one place where codes are normalised and the best taken: every score here is a cosine, higher is better."""

from __future__ import annotations

import numpy as np

FEW = 32  # values of a row; for more, they are partitioned

_LEAST, _MOST = 1e-12, 1e18  # lengths whose squares float32 holds


def unit_rows(codes: np.ndarray) -> np.ndarray:
    """Rows of (n, d) at length 1 as contiguous float32; a row of zeros stays zeros, a cosine of 0 to everything.

    Raises ValueError when a row is not finite.
    """
    codes = np.ascontiguousarray(codes, dtype=np.float32)
    if codes.ndim == 2:
        length = np.sqrt(np.einsum("ij,ij->i", codes, codes))
        if ((length > _LEAST) & (length < _MOST)).all():  # not so with NaN; nearly always
            return codes / length[:, None]
    if not np.isfinite(codes).all():
        raise ValueError("Codes should be finite numbers.")
    peak = np.abs(codes).max(axis=-1, keepdims=True, initial=0)  # squares of huge or tiny numbers leave float32
    scaled = np.divide(codes, peak, out=np.zeros_like(codes), where=peak > 0)
    length = np.linalg.norm(scaled, axis=-1, keepdims=True)
    return np.divide(scaled, length, out=np.zeros_like(scaled), where=length > 0)


def greatest(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k greatest of each row of (n, m), which are overwritten, and their columns: (n, k) each, greatest first."""
    if k > FEW:
        columns = np.argpartition(values, values.shape[1] - k, axis=1)[:, -k:]
        best = np.take_along_axis(values, columns, axis=1)
        order = np.argsort(-best, axis=1, kind="stable")
        return np.take_along_axis(best, order, axis=1), np.take_along_axis(columns, order, axis=1)
    if len(values) == 1:  # numbers in lists: three times as fast as arrays of one number
        row, greatest, places = values[0], [], []
        for _ in range(k):
            places.append(at := int(row.argmax()))
            greatest.append(row[at])
            row[at] = -np.inf
        return np.array([greatest], dtype=values.dtype), np.array([places], dtype=np.intp)
    best, columns = np.empty((len(values), k), dtype=values.dtype), np.empty((len(values), k), dtype=np.intp)
    every = np.arange(len(values))
    for place in range(k):
        at = values.argmax(axis=1)
        columns[:, place], best[:, place] = at, values[every, at]
        values[every, at] = -np.inf
    return best, columns
