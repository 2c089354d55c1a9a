"""Unit codes under whole-number keys, found by cosine: all that is FAISS.

Up to `EXACT_UP_TO` codes every one is compared (``Flat``). Beyond, codes lie in about the square root of their number
of inverted lists (``IVF1000,Flat``; Sivic and Zisserman 2003), of which a search reads the `PROBES` nearest. Both take
codes in and out by key and give them back as they were; HNSW cannot remove, and quantised codes do not come back.
``scripts/measure_index.py`` prints the recall and costs behind these choices.

So few codes are searched faster by a matrix product, and by taking the greatest cosine k times, than by FAISS, which
keeps a heap for each question and asks a filter code by code.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from qa_emoji.cosine import greatest

AUTO = "auto"
EXACT_UP_TO = 100_000
PROBES = 96
FILTERED = 4

_FLAT = "Flat"
_INVERTED = re.compile(r"IVF([1-9]\d{0,6}),Flat")
_PER_LIST = 64  # codes that train a list's centre
_CACHED_COSINES = 2**19


@dataclass(frozen=True)
class _Compared:
    """Codes that are compared one and all: their keys (m,) and, a column each, the codes (dim, m)."""

    keys: np.ndarray
    codes: np.ndarray


class Filter:
    """Keys to search among, as FAISS takes them, and how many they are."""

    def __init__(self, keys: np.ndarray):
        """Let keys (n,) int64 pass, a bit for each key up to the greatest."""
        self._passing = np.zeros(keys.max(initial=-1) + 1, dtype=bool)
        self._passing[keys] = True
        self.count = int(self._passing.sum())
        self._picked: tuple[_Compared, _Compared] | None = None

    @functools.cached_property
    def selector(self) -> faiss.IDSelector:
        """The filter as FAISS takes it."""
        return faiss.IDSelectorBitmap(np.packbits(self._passing, bitorder="little"))

    def pick(self, everything: _Compared) -> _Compared:
        """Those of all codes that pass, kept until there are others."""
        if self._picked is None or self._picked[0] is not everything:
            keys = everything.keys
            here = np.flatnonzero(keys < len(self._passing))
            here = here[self._passing[keys[here]]]
            self._picked = everything, _Compared(keys[here], np.ascontiguousarray(everything.codes[:, here]))
        return self._picked[1]


class CodeIndex:
    """A FAISS index of unit codes.

    ``factory`` is ``auto`` (by size, as above), ``Flat`` or ``IVFn,Flat``, which begins once there are n codes.
    """

    def __init__(self, dim: int, factory: str = AUTO):
        """Raises ValueError for another factory."""
        if factory not in (AUTO, _FLAT) and not _INVERTED.fullmatch(factory):
            raise ValueError(
                f"An index is 'auto', 'Flat' or inverted lists such as 'IVF1000,Flat', not {factory!r}: "
                "others cannot give back or remove single codes."
            )
        self.dim, self.factory = dim, factory
        self._index: faiss.Index = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
        self._everything: _Compared | None = None  # made when first searched

    def __len__(self) -> int:
        return self._index.ntotal

    @property
    def lists(self) -> int:
        """How many inverted lists there are; 0 when every code is compared."""
        return self._index.nlist if isinstance(self._index, faiss.IndexIVFFlat) else 0

    @property
    def kind(self) -> str:
        """The FAISS factory string of what is in use."""
        return f"IVF{self.lists},Flat" if self.lists else _FLAT

    def add(self, codes: np.ndarray, keys: np.ndarray) -> None:
        """Add unit codes (n, dim) float32 under new keys (n,) int64.

        An index by size that has outgrown its kind is made anew from its codes, each time it is four times as large.
        """
        self._everything = None
        lists = self._lists_for(len(self) + len(keys))
        if lists == self.lists:
            self._index.add_with_ids(codes, keys)
        else:
            here = self.keys()
            everything = np.concatenate([self.codes(here), codes])
            self._index = _inverted(everything, np.concatenate([here, keys]), lists)

    def remove(self, keys: np.ndarray) -> None:
        """Remove the codes of keys (n,) int64 that are all here."""
        self._everything = None
        self._index.remove_ids(keys)

    def codes(self, keys: np.ndarray) -> np.ndarray:
        """The codes of keys (n,) int64, (n, dim) float32. Raises RuntimeError for a key that is not here."""
        return self._index.reconstruct_batch(keys) if len(keys) else np.zeros((0, self.dim), dtype=np.float32)

    def keys(self) -> np.ndarray:
        """All keys, (n,) int64, from the least."""
        if not self.lists:
            return np.sort(faiss.vector_to_array(self._index.id_map))
        lists = self._index.invlists
        return np.sort(
            np.concatenate([faiss.rev_swig_ptr(lists.get_ids(i), lists.list_size(i)) for i in range(lists.nlist)])
        )

    def search(self, codes: np.ndarray, k: int, within: Filter | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k keys of highest cosine to unit codes (n, dim), best first: cosines and keys (n, k), -1 for none.

        A filter is applied while lists are read, and more of them are: in inverse proportion to the share of codes that
        it lets pass, `FILTERED` times as many, for those may all lie far from the question. All are read where too few
        codes were found.
        """
        if not self.lists:
            if len(self) <= EXACT_UP_TO:
                return self._compare(codes, k, within)
            return self._index.search(codes, k, params=_flat_parameters(within))
        here = len(self) if within is None else within.count
        wanted = PROBES if within is None else FILTERED * PROBES * len(self) // max(1, here)
        probes = min(self.lists, wanted)
        cosines, keys = self._probe(codes, k, probes, within)
        short = np.flatnonzero((keys >= 0).sum(axis=1) < min(k, here))
        if len(short):
            cosines[short], keys[short] = self._probe(codes[short], k, self.lists, within)
        return cosines, keys

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads: the same bytes for the same codes added and removed in the same order."""
        if self.lists:
            self._index.set_direct_map_type(faiss.DirectMap.NoMap)  # a hash table's order is not for files
        try:
            return faiss.serialize_index(self._index).tobytes()
        finally:
            if self.lists:
                self._index.set_direct_map_type(faiss.DirectMap.Hashtable)

    @classmethod
    def from_bytes(cls, content: bytes, dim: int, factory: str = AUTO) -> CodeIndex:
        """Read an index. Raises ValueError or RuntimeError for what is none of this dim, metric and kinds."""
        read = cls(dim, factory)
        index: Any = faiss.deserialize_index(np.frombuffer(content, dtype=np.uint8))
        plain = isinstance(index, faiss.IndexIDMap2) and isinstance(faiss.downcast_index(index.index), faiss.IndexFlat)
        if not (plain or isinstance(index, faiss.IndexIVFFlat)):
            raise ValueError("The FAISS index is of another kind.")
        if index.d != dim or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise ValueError("The FAISS index is of another dim or metric.")
        if not plain:
            index.set_direct_map_type(faiss.DirectMap.Hashtable)
        read._index = index
        return read

    def _lists_for(self, size: int) -> int:
        """How many lists an index of this size has; it never goes back to fewer."""
        if self.factory == AUTO:
            wanted = round(size**0.5) if size > EXACT_UP_TO else 0
            return wanted if wanted > 2 * self.lists else self.lists
        asked = _INVERTED.fullmatch(self.factory)
        return int(asked[1]) if asked and size >= int(asked[1]) else self.lists

    def _compare(self, codes: np.ndarray, k: int, within: Filter | None) -> tuple[np.ndarray, np.ndarray]:
        among = self._everything
        if among is None:
            keys = self.keys()
            self._everything = among = _Compared(keys, np.ascontiguousarray(self.codes(keys).T))
        if within is not None:
            among = within.pick(among)
        if len(codes) == 1 and k <= len(among.keys):
            cosines, columns = greatest(codes @ among.codes, k)
            return cosines, among.keys[columns]
        best = np.full((len(codes), k), -np.inf, dtype=np.float32)
        found = np.full((len(codes), k), -1, dtype=np.int64)
        at_once = max(1, _CACHED_COSINES // max(1, len(among.keys)))
        for start in range(0, len(codes), at_once):
            part = slice(start, start + at_once)
            cosines, columns = greatest(codes[part] @ among.codes, min(k, len(among.keys)))
            best[part, : cosines.shape[1]], found[part, : cosines.shape[1]] = cosines, among.keys[columns]
        return best, found

    def _probe(self, codes: np.ndarray, k: int, probes: int, within: Filter | None) -> tuple[np.ndarray, np.ndarray]:
        selector = None if within is None else within.selector
        return self._index.search(codes, k, params=faiss.SearchParametersIVF(sel=selector, nprobe=probes))


def _flat_parameters(within: Filter | None) -> faiss.SearchParameters | None:
    return None if within is None else faiss.SearchParameters(sel=within.selector)


def _inverted(codes: np.ndarray, keys: np.ndarray, lists: int) -> faiss.IndexIVFFlat:
    index = faiss.index_factory(codes.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, _PER_LIST
    index.train(codes)
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    index.add_with_ids(codes, keys)
    return index
