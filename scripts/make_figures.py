"""Draw figures of what the VAE and the ranker do, PNG files in a folder.

python scripts/make_figures.py --out figures
python scripts/make_figures.py --out figures --index my-index --images NotoColorEmoji.ttf --seed 7
"""

from __future__ import annotations

import functools
from pathlib import Path

import click

from qa_emoji import figures, jobs
from qa_emoji.catalog import Catalog
from qa_emoji.cli import images_option, one_line_errors, progress, script_help
from qa_emoji.ranker import EmojiRanker

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@images_option
@click.option("--index", type=FOLDER, help="Another index than the shipped one.")
@click.option("--out", type=FOLDER, default=Path("figures"), show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--trade-off",
    "points",
    type=FOLDER,
    default=Path("peers/trade_off.json"),
    show_default=True,
    help="What scripts/trade_off.py wrote; without this file there is no figure of it.",
)
@one_line_errors
def main(images: str, index: Path | None, out: Path, seed: int, points: Path) -> None:
    load = functools.partial(jobs.load_images, images)
    every = figures.figures(
        EmojiRanker.load(index), Catalog.load(), load, seed=seed, points=figures.read_points(points)
    )
    out.mkdir(parents=True, exist_ok=True)
    with progress("drawing", len(every), unit="figure") as advance:
        for done, (name, draw) in enumerate(every.items(), 1):
            figures.save(draw(), out / name)
            advance(done)
    click.echo(f"{out}: {', '.join(every)}")


if __name__ == "__main__":
    main()
