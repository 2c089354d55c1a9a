"""Measure the image side with the shipped weights: reconstruction, neighbours, latents, drawn pictures, fresh answers.

python scripts/evaluate_vae.py
python scripts/evaluate_vae.py --json build/image-side.json --questions data/questions.csv
"""

from __future__ import annotations

from pathlib import Path

import click

from qa_emoji import picture_report
from qa_emoji.catalog import Catalog
from qa_emoji.cli import images_option, one_line_errors, progress, script_help
from qa_emoji.jobs import load_images, write_json
from qa_emoji.ranker import EmojiRanker

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@images_option
@click.option("--index", type=FOLDER, help="Another index than the shipped one.")
@click.option("--peers", type=FOLDER, default=Path("peers"), show_default=True, help="What train_peers.py made.")
@click.option("--questions", type=FOLDER, default=Path("data/questions.csv"), show_default=True)
@click.option("--drawn", type=click.IntRange(100), default=1_500, show_default=True, help="Pictures of each way.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "out", type=FOLDER, help="Write the figures here too.")
@one_line_errors
def main(
    images: str, index: Path | None, peers: Path, questions: Path, drawn: int, seed: int, out: Path | None
) -> None:
    catalog = Catalog.load()
    ranker = EmojiRanker.load(index)
    with progress("evaluating", picture_report.SECTIONS, unit="part") as advance:
        report = picture_report.measure(
            catalog,
            ranker,
            lambda emojis: load_images(images, emojis),
            peers=peers,
            questions_file=questions,
            drawn=drawn,
            seed=seed,
            on_section=advance,
        )
    click.echo(picture_report.as_markdown(report))
    if out:
        write_json(out, report)


if __name__ == "__main__":
    main()
