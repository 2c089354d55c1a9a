"""The `qa-emoji batch` command."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
from tqdm import tqdm

from qa_emoji.tables import FORMATS

if TYPE_CHECKING:
    from qa_emoji.batch import BatchOptions, Done, OnProgress

_PATH = click.Path(path_type=Path)
_STREAM = Path("-")
_WRITTEN = [name + end for name in FORMATS if name != "txt" for end in ("", ".gz") if name + end != "parquet.gz"]


@click.command()
@click.argument("source", metavar="IN", type=_PATH)
@click.argument("target", metavar="OUT", type=_PATH)
@click.option("--column", help="The column with the texts; the only one or text, question, ... when not given.")
@click.option(
    "--format", "source_format", type=click.Choice(FORMATS), help="The format of IN; by its name if not given."
)
@click.option("--to", "target_format", type=click.Choice(_WRITTEN), help="That of OUT; by its name, or that of IN.")
@click.option("--shape", type=click.Choice(["wide", "long"]), default="wide", show_default=True, help="See above.")
@click.option("-k", type=int, default=5, show_default=True, help="How many answers to each row.")
@click.option("--sources", default="known,unseen", show_default=True, help="Of known, unseen, generated.")
@click.option("--candidates", help="Choose among these emojis alone, separated by spaces or commas.")
@click.option("--rejects", type=_PATH, help="Where rejected rows go; OUT.rejects.csv when not given.")
@click.option("--resume", is_flag=True, help="Go on where a killed batch was.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--address", help="The Ray cluster; one on this machine when not given.")
@click.option("--workers", type=click.IntRange(1), help="Ray's workers; a CPU each, all there are when not given.")
@click.option("--index", type=_PATH, help="An index folder; the shipped one when not given.")
def batch(
    source: Path,
    target: Path,
    column: str | None,
    source_format: str | None,
    target_format: str | None,
    shape: str,
    k: int,
    sources: str,
    candidates: str | None,
    rejects: Path | None,
    resume: bool,
    engine: str,
    address: str | None,
    workers: int | None,
    index: Path | None,
) -> None:
    """Answer every row of IN into OUT, in order, with the columns it has.

    IN and OUT are CSV, TSV, JSON lines or Parquet, IN also plain text with a text a line, all but Parquet also gzipped
    (.gz). "-" is standard input or output. When IN is a folder, so is OUT, with a file for each of IN.

    --shape wide adds to each row answer_1, name_1, source_1, score_1, answer_2 and so on; long repeats it for each
    answer and adds rank, answer, name, source, score.

    Rows that cannot be answered (blank, null, no text, broken, not UTF-8) go with their number and the reason to
    OUT.rejects.csv, or to standard error when OUT is "-". While it runs, OUT.parts holds what is done; --resume goes
    on from there.

    Exit codes: 0 all rows are answered; 1 some were rejected; 2 an error, in one sentence, and no OUT; 130 interrupted.

    \b
    qa-emoji batch questions.csv answers.csv --column question -k 3
    qa-emoji batch tweets.parquet answers.parquet --shape long --resume
    zcat tweets.txt.gz | qa-emoji batch - - --format txt --to jsonl > answers.jsonl
    qa-emoji batch shards/ answers/ --engine ray --workers 8
    """
    from qa_emoji import cli
    from qa_emoji.batch import BatchOptions

    @cli.one_line_errors
    def run() -> Done:
        options = BatchOptions(
            k=k,
            sources=tuple(_split(sources)),
            candidates=None if candidates is None else tuple(_split(candidates)),
            column=column,
            shape=shape,
            source_format=source_format,
            target_format=target_format,
        )
        with _progress() as on_progress:
            if engine == "ray":
                from qa_emoji import cluster

                return cluster.rank_files(
                    source,
                    target,
                    options,
                    index=index,
                    address=address,
                    workers=workers,
                    resume=resume,
                    rejects=rejects,
                    on_progress=on_progress,
                )
            if address or workers:
                raise ValueError("--address and --workers are for --engine ray.")
            return _rank_locally(source, target, options, index, resume, rejects, on_progress)

    try:
        done = run()
    except KeyboardInterrupt:
        click.echo("Interrupted; from file to file --resume goes on from here.", err=True)
        sys.exit(130)
    click.echo(f"{target}: {done.answered} rows answered, {done.rejected} rejected", err=target == _STREAM)
    if done.rejected:
        if done.rejects:
            click.echo(f"Rejected rows: {done.rejects}", err=target == _STREAM)
        sys.exit(1)


def _rank_locally(
    source: Path,
    target: Path,
    options: BatchOptions,
    index: Path | None,
    resume: bool,
    rejects: Path | None,
    on_progress: OnProgress,
) -> Done:
    from qa_emoji import batch as batches
    from qa_emoji.ranker import EmojiRanker

    if not (_is_stream(source) or _is_stream(target)):
        batches.find_shards(source, target, options)  # refuses before the ranker is loaded
        return batches.rank_files(
            EmojiRanker.load(index), source, target, options, resume=resume, rejects=rejects, on_progress=on_progress
        )
    if resume:
        raise ValueError("Only a batch from a file into a file can be resumed.")
    start, end = (None if path == _STREAM else path for path in (source, target))
    options.kinds(start, end)
    if rejects is None and not _is_stream(target):
        rejects = target.with_name(target.name + ".rejects.csv")
    with _rejects_file(rejects) as file:
        done = batches.rank_stream(EmojiRanker.load(index), start, end, options, rejects=file, on_progress=on_progress)
    return dataclasses.replace(done, rejects=rejects if done.rejected else None)


def _is_stream(path: Path) -> bool:
    """Whether it can be read or written but once: "-", a pipe or a device."""
    return path == _STREAM or (path.exists() and not path.is_file() and not path.is_dir())


@contextlib.contextmanager
def _rejects_file(path: Path | None) -> Iterator[TextIO]:
    """Standard error, or a file that is there at the end when something was written to it."""
    if path is None:
        yield sys.stderr
        return
    beside = path.with_name(path.name + ".partial")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            yield file
        path.unlink(missing_ok=True)
        if beside.stat().st_size:
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def _progress() -> Iterator[OnProgress]:
    """Rows, rate and time left on standard error when it is a terminal."""
    with tqdm(desc="ranking", unit="row", file=sys.stderr, dynamic_ncols=True, mininterval=0.5, disable=None) as bar:

        def advance(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance


def _split(listed: str) -> list[str]:
    return listed.replace(",", " ").split()
