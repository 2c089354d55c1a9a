"""Train the VAE on every known emoji image and export it.

python scripts/pretrain_vae.py
python scripts/pretrain_vae.py --images my-pngs/ --epochs 10 --out /tmp/vae
"""

from __future__ import annotations

from pathlib import Path

import click

from qa_emoji import vae_jobs
from qa_emoji.catalog import Catalog
from qa_emoji.cli import images_option, one_line_errors, progress, script_help
from vae.training import TrainingConfig


@click.command(help=script_help(__doc__))
@images_option
@click.option("--out", type=click.Path(path_type=Path), default=Path("vae/weights"), show_default=True)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    default=Path("build"),
    show_default=True,
    help="Where checkpoints are kept; a killed run goes on from there.",
)
@click.option("--epochs", type=click.IntRange(1), default=TrainingConfig.epochs, show_default=True)
@click.option("--seed", type=int, default=TrainingConfig.seed, show_default=True)
@one_line_errors
def main(images: str, out: Path, work: Path, epochs: int, seed: int) -> None:
    config = TrainingConfig(epochs=epochs, seed=seed)
    with progress("VAE", epochs, unit="epoch") as advance:
        report = vae_jobs.pretrain_vae(Catalog.load(), images, out, work=work, config=config, on_epoch=advance)
    click.echo(f"{out}: {report['metrics']}")


if __name__ == "__main__":
    main()
