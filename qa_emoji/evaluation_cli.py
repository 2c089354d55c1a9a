"""The `qa-emoji evaluate` command."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)
_PEERS = ("alone", "images", "minilm", "keywords", "svm", "common", "random")  # of qa_emoji.evaluation.suite


@click.command()
@click.argument("file", type=_PATH)
@click.option("--split", help="The rows of this split alone; test when FILE is data/questions.csv.")
@click.option("--text", default="text", show_default=True, help="The column with the texts.")
@click.option(
    "--accepted",
    default="emojis",
    show_default=True,
    help="The column with the accepted emojis, one or several in a cell; with --mapping, with labels.",
)
@click.option("--category", default="category", show_default=True, help="The column with a topic, if there is one.")
@click.option("--mapping", type=_PATH, help="What labels stand for: lines of label, tab or comma, emojis; or JSON.")
@click.option("--labels", type=_PATH, help="For a .txt FILE of texts: the file with the emojis or labels of each line.")
@click.option(
    "--peer",
    "peers",
    type=click.Choice(_PEERS),
    multiple=True,
    help="Ask this one too; with --suite, these alone. svm and common learn, with --suite only.",
)
@click.option("--suite", is_flag=True, help="All peers on authored questions and, with --corpora, on its benchmarks.")
@click.option(
    "--corpora",
    type=_PATH,
    envvar="QA_EMOJI_CORPORA",
    help="Folder of the corpora: TweetEval and emoji2vec for --suite, and what must not be evaluated on "
    "[QA_EMOJI_CORPORA].",
)
@click.option("--wordnet", type=_PATH, help="WordNet's dict folder; with --corpora, every training text is refused.")
@click.option(
    "--lenient", is_flag=True, help="Leave rows out that cannot be judged or were trained on, and count them."
)
@click.option("--compare", type=_PATH, help="An earlier evaluation's .parquet or .json: differences, paired.")
@click.option("--out", type=_PATH, help="Write evaluation.json, .md, .parquet and .html into this folder.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--index", type=_PATH, help="An index folder; the shipped one when not given.")
def evaluate(
    file: Path,
    split: str | None,
    text: str,
    accepted: str,
    category: str,
    mapping: Path | None,
    labels: Path | None,
    peers: tuple[str, ...],
    suite: bool,
    corpora: Path | None,
    wordnet: Path | None,
    lenient: bool,
    compare: Path | None,
    out: Path | None,
    seed: int,
    index: Path | None,
) -> None:
    """Measure the ranker on a FILE of texts with their accepted emojis: CSV, TSV, JSONL, Parquet or text.

    Prints Markdown: means with 95% bootstrap intervals. Texts that the encoder was trained on are refused.

    \b
    qa-emoji evaluate data/questions.csv --split dev --out build/before
    qa-emoji evaluate data/questions.csv --split dev --compare build/before/evaluation.parquet
    qa-emoji evaluate mine.tsv --text message --accepted answers --peer keywords
    qa-emoji evaluate val_text.txt --labels val_labels.txt --mapping mapping.txt
    qa-emoji evaluate data/questions.csv --suite --corpora corpora --out build/suite
    """
    from qa_emoji.cli import one_line_errors, progress

    @one_line_errors
    def measure() -> None:
        from qa_emoji.catalog import Catalog
        from qa_emoji.evaluation import judgements, report, runs
        from qa_emoji.evaluation import suite as suites
        from qa_emoji.ranker import EmojiRanker

        if out:
            report.prepare(out)
        catalog, ranker = Catalog.load(), EmojiRanker.load(index)
        earlier = runs.load(compare) if compare else None
        if suite:
            others = peers or suites.PEERS
            datasets = suites.suite_datasets(file, split or "test", corpora, ranker, catalog, others)
            about = suites.about(f"{file.name}, {split or 'test'} split", ranker)
        else:
            columns = judgements.Columns(text, accepted, category)
            asked = judgements.read(file, catalog, columns=columns, split=split, mapping=mapping, labels=labels)
            asked = asked.without(judgements.trained_texts(catalog, corpora, wordnet))
            asked.check(lenient=lenient)
            datasets = [suites.file_dataset(asked, ranker, catalog, peers)]
            about = suites.about(asked.source, ranker, asked.rejected)
        total = sum(len(dataset.systems) for dataset in datasets)
        with progress("evaluating", total, unit="system") as advance:
            found = suites.evaluate(datasets, catalog, about=about, earlier=earlier, seed=seed, on_system=advance)
        if suite and corpora:
            found.figures += suites.pair_figures(corpora, ranker, catalog, others, seed=seed)
        click.echo(report.as_markdown(report.brief(found.figures) if suite else found.figures))
        if earlier is not None:
            since = [d for d in found.differences if d.other.endswith(suites.EARLIER)]
            click.echo("\n" + report.differences_as_markdown(since))
        if "left out" in about:
            click.echo(f"Left out: {about['left out']}", err=True)
        if out:
            click.echo("\n".join(f"Written: {path}" for path in report.save(found, out)), err=True)

    measure()
