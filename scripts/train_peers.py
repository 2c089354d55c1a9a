"""Train what the VAE is measured against, on the same known images: the seed's architecture, a plain autoencoder, and
the VAE without the arrangement by meaning.

python scripts/train_peers.py
python scripts/train_peers.py --only seed --out build/peers
"""

from __future__ import annotations

from pathlib import Path

import click

from qa_emoji import vae_jobs
from qa_emoji.catalog import Catalog
from qa_emoji.cli import images_option, one_line_errors, progress, script_help

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@images_option
@click.option("--out", type=FOLDER, default=Path("peers"), show_default=True)
@click.option("--work", type=FOLDER, default=Path("build"), show_default=True, help="Where checkpoints are kept.")
@click.option("--only", type=click.Choice(vae_jobs.PEERS), multiple=True, help="Train only this one.")
@one_line_errors
def main(images: str, out: Path, work: Path, only: tuple[str, ...]) -> None:
    for name in only or vae_jobs.PEERS:
        with progress(name) as advance:
            vae_jobs.train_peer(name, Catalog.load(), images, out / name, work=work / name, on_step=advance)
        click.echo(f"{out / name}")


if __name__ == "__main__":
    main()
