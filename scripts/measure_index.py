"""Measure recall and costs of the code index at several sizes, on codes clustered like the shipped index's.

python scripts/measure_index.py
python scripts/measure_index.py 10000 100000 1000000 10000000 --factory auto

Codes are those of the shipped index with normal noise; questions are the authored ones, encoded. Only codes and keys
are held, no names or pictures. Recall is the share of the ten nearest by brute force in NumPy that are found: among all
codes, among a random tenth, and among the half that lies furthest from the mean question. Times are of one core and
told in exact FAISS searches of as many codes, so that they mean something on other machines.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import click
import faiss
import numpy as np

from qa_emoji import EmojiRanker, markdown, questions
from qa_emoji.catalog import Catalog
from qa_emoji.cli import one_line_errors, script_help
from qa_emoji.code_index import AUTO, CodeIndex, Filter
from qa_emoji.cosine import unit_rows
from qa_emoji.paths import catalog_file

SIZES = (10_000, 100_000, 1_000_000)
K = 10
NOISE = 0.1  # per dimension: the median real code has its nearest neighbour at a cosine of 0.91
CHUNK = 250_000
MEASURABLE = 1_000_000  # codes; the memory of fewer is lost in what the process had at hand
COLUMNS = (
    "codes", "kind", "recall@10", "among a tenth", "among the far half",
    "build", "query", "query among a tenth", "removing 1,000", "bytes per code",
)  # fmt: skip


@click.command(help=script_help(__doc__))
@click.argument("sizes", nargs=-1, type=click.IntRange(1_000))
@click.option("--factory", default=AUTO, show_default=True, help="auto, Flat or IVFn,Flat.")
@click.option("--questions", "asked", type=click.IntRange(1), default=200, show_default=True, help="How many.")
@click.option("--seed", type=int, default=0, show_default=True)
@one_line_errors
def main(sizes: tuple[int, ...], factory: str, asked: int, seed: int) -> None:
    faiss.omp_set_num_threads(1)
    ranker, generator = EmojiRanker.load(), np.random.default_rng(seed)
    texts = [q.text for q in questions.load(catalog_file().with_name("questions.csv"), Catalog.load())]
    queries = ranker.encode([texts[i] for i in generator.permutation(len(texts))[:asked]])
    real = ranker.index.codes()
    rows = (measured(clustered(real, size, generator), queries, factory, generator) for size in sizes or SIZES)
    for line in markdown.lines(COLUMNS, rows, left=()):
        click.echo(line)


def clustered(real: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Codes around real ones, (size, 16) unit rows."""
    codes = np.empty((size, real.shape[1]), dtype=np.float32)
    for start in range(0, size, CHUNK):
        n = min(CHUNK, size - start)
        noise = NOISE * generator.standard_normal((n, real.shape[1]), dtype=np.float32)
        codes[start : start + n] = unit_rows(real[generator.integers(len(real), size=n)] + noise)
    return codes


def measured(codes: np.ndarray, queries: np.ndarray, factory: str, generator: np.random.Generator) -> list[str]:
    """One row of the table."""
    exact = faiss.IndexFlatIP(codes.shape[1])
    exact.add(codes)
    keys = np.arange(len(codes), dtype=np.int64)
    index, before, start = CodeIndex(codes.shape[1], factory), resident(), time.process_time()
    index.add(codes, keys)
    build, memory = time.process_time() - start, resident() - before

    nearness = codes @ queries.mean(axis=0)
    tenth = keys[generator.random(len(keys)) < 0.1]
    far = keys[nearness < np.median(nearness)]
    filters = {"tenth": Filter(tenth), "far": Filter(far)}
    recalls = [recall(codes, keys, queries, index.search(queries, K)[0])]
    for among, within in zip((tenth, far), filters.values(), strict=True):
        recalls.append(recall(codes, among, queries, index.search(queries, K, within)[0]))
    unit, query, filtered = seconds_each(
        queries,
        lambda query: exact.search(query, K),
        lambda query: index.search(query, K),
        lambda query: index.search(query, K, filters["tenth"]),
    )
    kind, start = index.kind, time.process_time()
    index.remove(keys[:1000])
    removing = time.process_time() - start
    per_code = f"{memory / len(codes):.0f}" if len(codes) >= MEASURABLE else ""
    times = [f"{build / unit:.0f}", *(f"{t / unit:.2f}" for t in (query, filtered)), f"{removing / unit:.1f}"]
    return [f"{len(codes):,}", kind, *(f"{r:.4f}" for r in recalls), *times, per_code]


def recall(codes: np.ndarray, among: np.ndarray, queries: np.ndarray, scores: np.ndarray) -> float:
    """The share of the K highest cosines, by brute force among some keys, that a search's scores reach."""
    best = np.full((len(queries), K), -np.inf, dtype=np.float32)
    for start in range(0, len(among), CHUNK):
        cosines = queries @ codes[among[start : start + CHUNK]].T
        merged = np.concatenate([best, np.partition(cosines, -K, axis=1)[:, -K:]], axis=1)
        best = np.sort(merged, axis=1)[:, -K:]
    return float(np.mean(scores >= best[:, :1] - 1e-6))


def seconds_each(queries: np.ndarray, *searches: Callable[[np.ndarray], object]) -> list[float]:
    """Median seconds that each of some searches takes for one question, measured by turns."""
    taken: list[list[float]] = [[] for _ in searches]
    for i in range(len(queries)):
        for search, times in zip(searches, taken, strict=True):
            start = time.process_time()
            search(queries[i : i + 1])
            times.append(time.process_time() - start)
    return [float(np.median(times)) for times in taken]


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
