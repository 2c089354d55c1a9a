"""Train the judge and the painter of a VAE's pictures: what makes new emojis sharp and says whether they show anything.

python scripts/train_painter.py
python scripts/train_painter.py --vae build/vae --steps 500
"""

from __future__ import annotations

from pathlib import Path

import click

from qa_emoji import vae_jobs
from qa_emoji.catalog import Catalog
from qa_emoji.cli import images_option, one_line_errors, progress, script_help
from vae.painting import PaintingConfig

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@images_option
@click.option("--vae", "folder", type=FOLDER, default=Path("vae/weights"), show_default=True, help="The VAE's folder.")
@click.option(
    "--work",
    type=FOLDER,
    default=Path("build"),
    show_default=True,
    help="Where checkpoints are kept; a killed run goes on from there.",
)
@click.option("--steps", type=click.IntRange(1), default=PaintingConfig.steps, show_default=True)
@click.option("--seed", type=int, default=PaintingConfig.seed, show_default=True)
@one_line_errors
def main(images: str, folder: Path, work: Path, steps: int, seed: int) -> None:
    with progress("judge", unit="step") as judged, progress("painter", steps, unit="step") as advance:
        report = vae_jobs.train_painter(
            Catalog.load(),
            images,
            folder,
            work=work,
            config=PaintingConfig(steps=steps, seed=seed),
            on_judge=judged,
            on_step=advance,
        )
    click.echo(f"{folder}: {report['metrics']}")


if __name__ == "__main__":
    main()
