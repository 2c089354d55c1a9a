"""A real Ray on this machine, with two workers, gives the bytes of the local engine."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qa_emoji import batch
from qa_emoji.batch import BatchOptions

ROWS = int(os.environ.get("QA_EMOJI_RAY_ROWS", "1200"))  # 100000 once in a while
OPTIONS = BatchOptions(k=3, column="ask")


def write_shards(folder: Path) -> Path:
    """Three shards, one in a folder of its own and one with a quarter of the rows, and what is no shard."""
    (folder / "deep").mkdir(parents=True)
    (folder / "_SUCCESS").touch()
    texts = [
        None if i % 97 == 5 else f"question {i}: {'pizza cats rain football'.split()[i % 4]}?" for i in range(ROWS)
    ]
    bounds = [0, ROWS // 4, ROWS // 2, ROWS]
    for name, start, end in zip(("a", "b", "deep/c"), bounds, bounds[1:], strict=False):
        pq.write_table(pa.table({"id": range(start, end), "ask": texts[start:end]}), folder / f"{name}.parquet")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def two_workers():
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # Ray's 15 would wait for whatever else this machine does
        ray.init(num_cpus=2, include_dashboard=False, configure_logging=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_and_the_local_engine_write_the_same_bytes(tmp_path, ranker, two_workers):
    from qa_emoji import cluster

    source = write_shards(tmp_path / "in")
    local = batch.rank_files(ranker, source, tmp_path / "local", OPTIONS)
    seen = []
    rayed = cluster.rank_files(
        source, tmp_path / "ray", OPTIONS, workers=2, on_progress=lambda done, total: seen.append((done, total))
    )
    assert (rayed.answered, rayed.rejected) == (local.answered, local.rejected)
    assert local.answered + local.rejected == ROWS
    assert local.rejected == sum(i % 97 == 5 for i in range(ROWS))
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert set(contents(tmp_path / "ray")) == {"a.parquet", "b.parquet", "deep/c.parquet"}
    assert rayed.rejects.read_bytes() == local.rejects.read_bytes()
    assert local.rejects.read_text().startswith("file,row,reason\na.parquet,6,null\n")
    assert seen[-1] == (ROWS, ROWS)
    assert not (tmp_path / "ray.parts").exists()

    # A broken shard is named when the others are done; put right, --resume does it alone.
    sound = (source / "b.parquet").read_bytes()
    (source / "b.parquet").write_bytes(sound[:-100])
    with pytest.raises(ValueError, match=r"b\.parquet is not a sound Parquet file"):
        cluster.rank_files(source, tmp_path / "again", OPTIONS, workers=2)
    assert set(contents(tmp_path / "again")) == {"a.parquet", "deep/c.parquet"}
    before = (tmp_path / "again" / "a.parquet").stat().st_mtime_ns
    (source / "b.parquet").write_bytes(sound)
    again = cluster.rank_files(source, tmp_path / "again", OPTIONS, workers=2, resume=True)
    assert again.answered == local.answered
    assert contents(tmp_path / "again") == contents(tmp_path / "local")
    assert (tmp_path / "again" / "a.parquet").stat().st_mtime_ns == before
