"""A real Ray on this machine, with two workers, gives the bytes of the local engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

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


def test_ray_and_the_local_engine_write_the_same_bytes(tmp_path, ranker):
    """Ray runs in a process of its own: it leaves children to be collected, which pytest would report."""
    source = write_shards(tmp_path / "in")
    local = batch.rank_files(ranker, source, tmp_path / "local", OPTIONS)
    assert local.answered + local.rejected == ROWS
    assert local.rejected == sum(i % 97 == 5 for i in range(ROWS))
    command = [
        sys.executable,
        "-c",
        "from qa_emoji.cli import main; main()",
        "batch",
        str(source),
        str(tmp_path / "ray"),
    ]
    options = ["-k", "3", "--column", "ask", "--engine", "ray", "--workers", "2"]
    environment = os.environ | {"RAY_worker_niceness": "0"}  # Ray's 15 would wait for all else on this machine
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert f"{local.answered} rows answered, {local.rejected} rejected" in done.stdout
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert set(contents(tmp_path / "ray")) == {"a.parquet", "b.parquet", "deep/c.parquet"}
    assert (tmp_path / "ray.rejects.csv").read_bytes() == local.rejects.read_bytes()
    assert not (tmp_path / "ray.parts").exists()
