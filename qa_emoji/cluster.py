"""Ranking on a Ray cluster (the extra `ray`): a Ray Data pipeline over files, each ranked as `qa_emoji.batch` does.

A file is ranked by one worker, in parts, so that its bytes are those of the local engine and a lost worker's file goes
on where it was. Files and folders are read and written by all workers under the same paths.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qa_emoji.batch import (
    BatchOptions,
    Done,
    OnProgress,
    Progress,
    Shard,
    find_shards,
    model_identity,
    parts_folder,
    publish_rejects,
    rank_shard,
)
from qa_emoji.parts import held
from qa_emoji.ranker import EmojiRanker

try:
    import ray
    import ray.data
    import ray.exceptions
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("The engine ray needs Ray: pip install 'qa-emoji[ray]'.") from error


class _Worker:
    """One of the pipeline's actors: a ranker, loaded once, that ranks one file after another."""

    def __init__(self, index: str | None, options: BatchOptions, resume: bool):
        self._ranker = EmojiRanker.load(index)
        self._model = model_identity(self._ranker)
        self._options, self._resume = options, resume

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        shard = Shard(Path(row["source"]), Path(row["target"]), Path(row["work"]))
        try:
            done = rank_shard(self._ranker, shard, self._options, resume=self._resume)
        except (ValueError, OSError) as error:
            return {**row, "rows": 0, "model": self._model, "error": str(error)}
        return {**row, "rows": done.answered + done.rejected, "model": self._model, "error": ""}


def rank_files(
    source: Path,
    target: Path,
    options: BatchOptions = BatchOptions(),
    *,
    index: Path | None = None,
    address: str | None = None,
    workers: int | None = None,
    resume: bool = False,
    rejects: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Done:
    """As `qa_emoji.batch.rank_files`, by workers of a Ray cluster.

    Args:
        source, target, options, resume, rejects, on_progress: as there.
        index: an index folder; the shipped one when not given.
        address: of a cluster that runs; a new one on this machine when not given.
        workers: how many, a CPU each; as many as the cluster has CPUs when not given, never more than files.

    Raises ValueError for a file that cannot be ranked, after the others are done, and for workers with other weights.
    """
    source, target = source.resolve(), target.resolve()
    shards = find_shards(source, target, options)
    progress = Progress(shards, on_progress)
    with held(parts_folder(target)), _cluster(address, workers), _quiet():
        by_source = {str(shard.source): shard for shard in shards}
        errors, models = [], set()
        try:
            for row in _results(shards, options, index, workers, resume):
                models.add(row["model"])
                errors += [row["error"]] if row["error"] else []
                progress.finished(by_source[row["source"]], row["rows"])
        except ray.exceptions.RayError as error:
            raise ValueError(f"Ray gave up ({type(error).__name__}); --resume goes on from here.") from error
        if len(models) > 1:
            raise ValueError("The workers have different weights or indexes; install the same on every machine.")
        if errors:
            more = f" ({len(errors) - 1} more files failed)" if len(errors) > 1 else ""
            raise ValueError(f"{errors[0]}{more}")
        return publish_rejects(source, target, shards, rejects)


def _results(
    shards: list[Shard], options: BatchOptions, index: Path | None, workers: int | None, resume: bool
) -> Iterator[dict[str, Any]]:
    """The results of the workers as they come, largest file first."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{name: str(path) for name, path in dataclasses.asdict(shard).items()} for shard in shards]
    rows.sort(key=lambda row: Path(row["source"]).stat().st_size, reverse=True)
    many = min(len(rows), workers or max(1, int(ray.cluster_resources().get("CPU", 1))))
    worker: Any = _Worker  # Ray makes an actor of it, which its types do not know
    ranked = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        worker,
        fn_constructor_args=(None if index is None else str(index.resolve()), options, resume),
        compute=ray.data.ActorPoolStrategy(size=many),
        num_cpus=1,
    )
    yield from ranked.iter_rows()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Ray Data's account of every step."""
    logger = logging.getLogger("ray.data")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _cluster(address: str | None, workers: int | None) -> Iterator[None]:
    """Ray for as long as it is needed; one that runs in this process already is used as it is."""
    if ray.is_initialized():
        yield
        return
    own: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(address=address, configure_logging=False, log_to_driver=False, **own)
    except Exception as error:  # Ray raises Exception itself when its processes do not start in time
        raise ValueError(f"Ray did not start: {' '.join(str(error).split())}") from error
    try:
        yield
    finally:
        ray.shutdown()
