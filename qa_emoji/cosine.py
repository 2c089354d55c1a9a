"""The one place where codes are normalised: every score here is a cosine, higher is better."""

from __future__ import annotations

import numpy as np

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
