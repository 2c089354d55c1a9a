"""Measure `qa-emoji batch` on many rows of Parquet: rows per second, peak memory, and a kill with --resume midway.

python scripts/measure_batch.py tweets.txt --rows 1000000 --work build/measure
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qa_emoji import markdown
from qa_emoji.batch import parts_folder
from qa_emoji.cli import one_line_errors, script_help

FOLDER = click.Path(path_type=Path)
NULLS = 10_000  # every so many rows one cannot be answered
COLUMNS = ("batch", "rows", "seconds", "of CPU", "rows per second of CPU", "peak memory, MB", "exit code")


@dataclass(frozen=True)
class Run:
    """A finished or killed process."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    code: int


@click.command(help=script_help(__doc__))
@click.argument("texts", type=FOLDER)
@click.option("--rows", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option("--work", type=FOLDER, default=Path("build/measure"), show_default=True, help="Where the files go.")
@click.option("--seed", type=int, default=0, show_default=True)
@one_line_errors
def main(texts: Path, rows: int, work: Path, seed: int) -> None:
    work.mkdir(parents=True, exist_ok=True)
    source, whole, resumed = (work / f"{name}.parquet" for name in ("rows", "whole", "resumed"))
    write_rows(source, texts.read_text("utf-8").splitlines(), rows, np.random.default_rng(seed))
    straight = run(source, whole)
    killed = run(source, resumed, kill_at=rows // 2)
    done = rows_done(resumed)
    rest = run(source, resumed, "--resume")
    same = all(sha256(a) == sha256(b) for a, b in ((whole, resumed), (rejects(whole), rejects(resumed))))
    click.echo(f"{rows:,} rows, {len(os.sched_getaffinity(0))} cores\n")
    told = [
        row("uninterrupted", rows, straight),
        row("killed (SIGKILL)", done, killed),
        row("resumed", rows - done, rest),
    ]
    click.echo(markdown.table(COLUMNS, told))
    click.echo(f"\nThe resumed batch's answers and rejects have {'the same' if same else 'OTHER'} bytes.")
    sys.exit(0 if same else 1)


def row(name: str, rows: int, of: Run) -> tuple[object, ...]:
    """One row of the table."""
    per_second = f"{rows / of.cpu_seconds:,.0f}"
    return name, f"{rows:,}", f"{of.seconds:.0f}", f"{of.cpu_seconds:.0f}", per_second, f"{of.peak_mb:.0f}", of.code


def write_rows(path: Path, texts: list[str], rows: int, generator: np.random.Generator) -> None:
    """Rows with an id, a text made of one of the given by a dropped word or an added number, and a weight."""
    schema = pa.schema([("id", pa.int64()), ("text", pa.string()), ("weight", pa.float32())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 100_000):
            ids = np.arange(start, min(start + 100_000, rows))
            picked = generator.integers(len(texts), size=len(ids))
            drawn = [changed(texts[at], int(row), generator) for at, row in zip(picked, ids, strict=True)]
            weights = generator.random(len(ids), dtype=np.float32)
            writer.write_table(
                pa.table([pa.array(ids), pa.array(drawn, pa.string()), pa.array(weights)], schema=schema)
            )


def changed(text: str, row: int, generator: np.random.Generator) -> str | None:
    """A text like the given one."""
    if row % NULLS == NULLS - 1:
        return None
    words = text.split()
    if len(words) > 2:
        del words[generator.integers(len(words))]
    return " ".join([*words, str(row)])


def run(source: Path, target: Path, *options: str, kill_at: int | None = None) -> Run:
    """Rank in a process of its own, and kill it when so many rows are done."""
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "scripts/rank_batch.py", str(source), str(target), *options])
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if kill_at is not None and rows_done(target) >= kill_at:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.05)
    cpu = usage.ru_utime + usage.ru_stime
    return Run(time.monotonic() - start, cpu, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))


def rows_done(target: Path) -> int:
    """The rows in the journal of a batch."""
    try:
        lines = (parts_folder(target) / "journal.jsonl").read_text().split("\n")
    except FileNotFoundError:
        return 0
    return sum(json.loads(line)["rows"] for line in lines[:-1])


def rejects(target: Path) -> Path:
    return target.with_name(target.name + ".rejects.csv")


def sha256(path: Path) -> str | None:
    if not path.exists():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
