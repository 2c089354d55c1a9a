"""An evaluation from end to end: systems beside each other on one or several sets of questions, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_emoji import corpora as readers
from qa_emoji import questions
from qa_emoji.catalog import Catalog, Emoji, canonical
from qa_emoji.evaluation import emoji2vec, figures, peers, recommenders, runs
from qa_emoji.evaluation.figures import Difference, Figure
from qa_emoji.evaluation.judgements import Judgements
from qa_emoji.evaluation.recommenders import Recommender
from qa_emoji.evaluation.runs import Miss
from qa_emoji.questions import Question
from qa_emoji.ranker import EmojiRanker

if TYPE_CHECKING:
    import pandas as pd

OURS = "qa-emoji"
PEERS = ("alone", "images", "minilm", "keywords", "svm", "common", "random")
TITLES = {
    "alone": "codes alone",
    "images": "images only",
    "minilm": "MiniLM",
    "keywords": "keyword search",
    "svm": "TF-IDF + SVM",
    "common": "most common",
    "random": "random",
}
TOPIC_MEASURES = ("hit@5", "R-precision@5")
COMPARED = (
    *("hit@1", "hit@5", "hit@10", "R-precision@5", f"MRR@{runs.DEPTH}", f"nDCG@{runs.DEPTH}"),
    *(runs.UNSEEN_SHARE, figures.MACRO_F1, figures.HUBNESS),
)
EARLIER = " before"  # a system's name in an earlier run


@dataclass(frozen=True)
class Dataset:
    """Questions to ask, the emojis to choose among, and the systems to ask, each made when its turn comes."""

    name: str
    questions: Sequence[Question]
    candidates: Sequence[Emoji]
    systems: Mapping[str, Callable[[], Recommender]]
    rows: Sequence[int] | None = None
    by_kind: bool = True


@dataclass
class Evaluation:
    """What an evaluation found: the run, and the figures, differences and misses drawn from it."""

    about: dict[str, Any]
    run: pd.DataFrame
    figures: list[Figure]
    topics: list[Figure] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    misses: list[Miss] = field(default_factory=list)


def evaluate(
    datasets: Sequence[Dataset],
    catalog: Catalog,
    *,
    about: Mapping[str, Any],
    earlier: pd.DataFrame | None = None,
    seed: int = 0,
    on_system: Callable[[int], None] | None = None,
) -> Evaluation:
    """Ask every system every question and draw the figures.

    The differences are those of the first system from the others and, where there is an earlier run, of every system
    from itself as it was then. The misses are the first system's on the first set of questions.

    Args:
        datasets: sets of questions.
        about: what a reader should know of the run.
        earlier: the run to compare with.
        seed: of the bootstrap.
        on_system: called with the number of systems done.
    """
    import pandas as pd

    parts: list[pd.DataFrame] = []
    misses: list[Miss] = []
    for dataset in datasets:
        for name, make in dataset.systems.items():
            recommend = make()
            parts.append(
                runs.run(
                    dataset.name,
                    name,
                    recommend,
                    dataset.questions,
                    dataset.candidates,
                    catalog,
                    rows=dataset.rows,
                )
            )
            if len(parts) == 1:
                misses = runs.worst_misses(parts[0], recommend, dataset.candidates)
            if on_system:
                on_system(len(parts))
    found = Evaluation(dict(about), pd.concat(parts, ignore_index=True), [], misses=misses)
    for dataset in datasets:
        table = found.run[found.run["dataset"] == dataset.name]
        groupings = ["kind", None] if dataset.by_kind else [None]
        for by in groupings:
            found.figures += figures.figures(table, by=by, seed=seed)
            found.differences += _differences(table, earlier, by, seed)
        if table["category"].nunique() > 1:
            found.topics += figures.figures(table, by="category", seed=seed, measures=TOPIC_MEASURES)
    if earlier is not None and not any(d.other.endswith(EARLIER) for d in found.differences):
        raise ValueError("The earlier run has none of this one's systems and questions, so they cannot be compared.")
    return found


def _differences(table: pd.DataFrame, earlier: pd.DataFrame | None, by: str | None, seed: int) -> list[Difference]:
    systems = {str(name): part for name, part in table.groupby("system", sort=False)}
    first, *others = systems
    found = []
    for other in others:
        found += figures.differences(systems[first], systems[other], by=by, seed=seed, measures=COMPARED)
    if earlier is not None:
        if (same := earlier["dataset"].isin(table["dataset"])).any():
            earlier = earlier[same]
        for name, part in systems.items():
            before = earlier[(earlier["system"] == name) & earlier["text"].isin(part["text"])]
            if not before.empty:
                found += figures.differences(part, before, name=name + EARLIER, by=by, seed=seed, measures=COMPARED)
    return found


def about(source: str, ranker: EmojiRanker, rejected: Sequence[tuple[int, str]] = ()) -> dict[str, str]:
    """What a reader of a report should know of the run."""
    told = {
        "questions": source,
        "encoder": ranker.encoder.sha256[:12],
        "index": ", ".join(f"{count:,} {kind}" for kind, count in ranker.index.counts().items()),
    }
    if rejected:
        row, reason = rejected[0]
        told["left out"] = f"{len(rejected)} rows, the first row {row}: {reason}"
    return told


def file_dataset(asked: Judgements, ranker: EmojiRanker, catalog: Catalog, others: Sequence[str]) -> Dataset:
    """The questions of a file for our ranker and the named peers, of which none has anything here to learn from."""
    candidates = [catalog[e] for e in asked.candidates] if asked.candidates else catalog.base_forms()
    systems = _systems(ranker, others)
    return Dataset("all", asked.questions, candidates, systems, asked.rows, by_kind=asked.candidates is None)


def suite_datasets(
    file: Path, split: str, corpora: Path | None, ranker: EmojiRanker, catalog: Catalog, others: Sequence[str]
) -> list[Dataset]:
    """The authored questions and, where the corpora are, TweetEval's tweets."""
    datasets = [question_dataset(file, split, ranker, catalog, others)]
    return [*datasets, tweet_dataset(corpora, ranker, catalog, others)] if corpora else datasets


def question_dataset(file: Path, split: str, ranker: EmojiRanker, catalog: Catalog, others: Sequence[str]) -> Dataset:
    """The authored questions of a split for our ranker and the named peers; those that learn do so from the known
    labels of the training split, and from the messages beside it if there are some."""

    def learned() -> Iterator[tuple[str, Iterable[str]]]:
        if (messages := Path(file).with_name("messages.csv")).exists():
            yield from readers.messages(messages)
        for question in questions.load(file, catalog, "train"):
            if known := [e for e in question.emojis if catalog[e].known]:
                yield question.text, known

    asked = questions.load(file, catalog, split)
    return Dataset(f"{split} questions", asked, catalog.base_forms(), _systems(ranker, others, learned))


def tweet_dataset(corpora: Path, ranker: EmojiRanker, catalog: Catalog, others: Sequence[str]) -> Dataset:
    """TweetEval's validation tweets, U+FE0F stripped, among its 20 emojis; peers that learn do so from its
    training tweets."""
    labelled = [Question(text, tuple(emojis), "", "val") for text, emojis in readers.tweets(corpora, "val")]
    candidates = [catalog[e] for e in sorted({canonical(q.emojis[0]) for q in labelled})]
    systems = _systems(ranker, others, lambda: readers.tweets(corpora))
    return Dataset("TweetEval val", labelled, candidates, systems, by_kind=False)


def pair_figures(
    corpora: Path, ranker: EmojiRanker, catalog: Catalog, others: Sequence[str], *, seed: int = 0
) -> list[Figure]:
    """Figures on emoji2vec's labelled pairs, of our ranker and, when named, MiniLM."""
    matchers = {OURS: emoji2vec.ours(ranker)}
    if "minilm" in others:
        matchers[TITLES["minilm"]] = emoji2vec.minilm()
    return [f for name, match in matchers.items() for f in emoji2vec.evaluate(name, match, corpora, catalog, seed=seed)]


def _systems(
    ranker: EmojiRanker,
    others: Sequence[str],
    learned: Callable[[], Iterable[tuple[str, Iterable[str]]]] | None = None,
) -> dict[str, Callable[[], Recommender]]:
    makers: dict[str, Callable[[], Recommender]] = {
        "alone": lambda: recommenders.codes_alone(ranker),
        "images": lambda: recommenders.images_only(ranker),
        "minilm": peers.minilm,
        "keywords": peers.keyword_search,
        "random": peers.chance,
    }
    if learned:
        makers["svm"] = lambda: peers.linear_svm(learned())
        makers["common"] = lambda: peers.most_common(learned())
    for name in others:
        if name not in makers:
            raise ValueError(f"A peer here is one of {', '.join(makers)}, not {name!r}.")
    return {OURS: lambda: recommenders.ours(ranker)} | {TITLES[name]: makers[name] for name in others}
