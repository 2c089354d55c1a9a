"""The text encoder's forward pass in NumPy, its convolutions replaced by look-ups.

A convolution over an embedding is linear for each offset: conv(E[t]) = sum_j (E W_j)[t_j]. The products E W_j are kept
as a table with a row for each piece, which is computed when the piece is first met: few of them ever are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qa_emoji.tokenizer import PAD

_EPSILON = 1e-5  # of batch normalisation, as in torch
_CACHED_PIECES = 512  # some 3.4 MB of the table's rows; with fewer, threads wait for each other more often


class LookupEncoder:
    """Piece ids to codes and keys, from the weights of a `qa_emoji.encoder.TextEncoder`."""

    def __init__(self, weights: Mapping[str, np.ndarray], widths: Sequence[int]):
        """Take the tensors of model.safetensors, of any float type; KeyError or ValueError when they do not fit."""
        self._embedding = weights["embedding.weight"]  # (V, E)
        vocabulary, size = self._embedding.shape
        kernels = [_float(weights[f"convolutions.{i}.weight"]) for i in range(len(widths))]  # (F, width x E) each
        filters = kernels[0].shape[0]
        offsets = [kernel.reshape(filters, width, size) for kernel, width in zip(kernels, widths, strict=True)]
        # A row of the table: for each offset the products of the convolutions that are so wide, then the embedding
        # times its weight in the mean, and that weight. The widest convolutions come last in every offset.
        order = sorted(range(len(widths)), key=lambda i: widths[i])
        self._kernel = np.concatenate(
            [offsets[i][:, at].T for at in range(max(widths)) for i in order if at < widths[i]], axis=1
        )  # (E, products)
        self._reach = [filters * sum(at < width for width in widths) for at in range(max(widths))]  # columns per offset
        # Resident memory grows with the rows that are written, not with the size of the table.
        self._table = np.zeros((vocabulary, self._kernel.shape[1] + size + 1), dtype=np.float32)
        self._known = np.zeros(vocabulary, dtype=bool)
        self._known[PAD] = True
        self._salience = np.exp(_float(weights["salience.weight"]))  # (V, 1)
        scale, shift = _normalisation(weights, "hidden.0")
        bias = np.concatenate([_float(weights[f"convolutions.{i}.bias"]) for i in range(len(widths))])
        shift[: len(bias)] += scale[: len(bias)] * bias
        matrix, self._hidden_bias = _layer(weights, "hidden.3", "hidden.4")
        columns = np.concatenate([np.arange(i * filters, (i + 1) * filters) for i in order])
        columns = np.concatenate([columns, np.arange(len(bias), len(scale))])  # as the table has them
        self._scale, self._shift, self._hidden = scale[columns], shift[columns], np.ascontiguousarray(matrix[columns])
        heads = [_layer(weights, f"{head}.0", f"{head}.1") for head in ("code", "key")]
        self._heads, self._heads_bias = (np.concatenate(parts, axis=-1) for parts in zip(*heads, strict=True))
        self._dim = len(heads[0][1])

    @property
    def vocabulary(self) -> int:
        """How many pieces there are."""
        return len(self._embedding)

    @property
    def dim(self) -> int:
        """The length of a code."""
        return self._dim

    @property
    def key_dim(self) -> int:
        """The length of a key."""
        return len(self._heads_bias) - self._dim

    @property
    def salience(self) -> np.ndarray:
        """How much each piece counts in a mean, (V,) float32."""
        return self._salience[:, 0]

    def encode(self, ids: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Codes and keys of texts, (n, 16) and (n, K) float32 of any length, from the ids of their pieces, at least one
        each.

        Texts of one length are read together, a few at a time so that their rows stay in the processor's cache.
        """
        by_length: dict[int, list[int]] = {}
        for row, pieces in enumerate(ids):
            by_length.setdefault(len(pieces), []).append(row)
        pooled = np.empty((len(ids), len(self._scale)), dtype=np.float32)
        padding = [PAD] * (len(self._reach) - 1)  # behind each text, for windows to reach into
        for length, rows in by_length.items():
            at_once = max(1, _CACHED_PIECES // length)
            for start in range(0, len(rows), at_once):
                part = rows[start : start + at_once]
                pooled[part] = self._pooled(np.array([[*ids[row], *padding] for row in part]), length)
        features = np.tanh(pooled * self._scale + self._shift)  # (n, F x widths + E)
        hidden = np.tanh(features @ self._hidden + self._hidden_bias)
        vectors = hidden @ self._heads + self._heads_bias
        return vectors[:, : self._dim], vectors[:, self._dim :]

    def _pooled(self, ids: np.ndarray, length: int) -> np.ndarray:
        """Each filter's greatest value in a text, and the weighted mean of its embeddings: (n, F x widths + E).

        ``ids`` are (n, length + padding).
        """
        if not self._known[ids].all():
            self._fill(np.unique(ids))
        rows = self._table.take(ids, axis=0)  # (n, length + padding, products + E + 1)
        first = column = self._reach[0]
        windows = rows[:, :length, :first]
        for offset, reach in enumerate(self._reach[1:], 1):
            windows[:, :, first - reach :] += rows[:, offset : offset + length, column : column + reach]
            column += reach
        sums = rows[:, :length, column:].sum(axis=1)
        return np.concatenate([windows.max(axis=1), sums[:, :-1] / sums[:, -1:]], axis=1)

    def _fill(self, ids: np.ndarray) -> None:
        """Write the table's rows of pieces that are met for the first time.

        One product for each: of several together, the last digits would depend on what is met with what.
        """
        new = ids[~self._known[ids]]
        for piece in new:
            embedding, salience = _float(self._embedding[piece]), self._salience[piece]
            self._table[piece] = np.concatenate([embedding @ self._kernel, embedding * salience, salience])
        self._known[new] = True  # only now: another thread may be reading


def _float(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32)


def _normalisation(weights: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Batch normalisation in evaluation as a factor and a summand, (d,) each."""
    scale = 1 / np.sqrt(_float(weights[f"{name}.running_var"]) + _EPSILON)
    shift = -_float(weights[f"{name}.running_mean"]) * scale
    if f"{name}.weight" in weights:
        gain, bias = _float(weights[f"{name}.weight"]), _float(weights[f"{name}.bias"])
        scale, shift = gain * scale, gain * shift + bias
    return scale, shift


def _layer(weights: Mapping[str, np.ndarray], linear: str, normalisation: str) -> tuple[np.ndarray, np.ndarray]:
    """A linear layer and the normalisation behind it as one matrix (in, out) and bias (out,)."""
    scale, shift = _normalisation(weights, normalisation)
    matrix, bias = _float(weights[f"{linear}.weight"]), _float(weights[f"{linear}.bias"])
    return np.ascontiguousarray((scale[:, None] * matrix).T), scale * bias + shift
