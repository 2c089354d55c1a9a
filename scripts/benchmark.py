"""Measure what a question costs, beside its peers in the same run, and print the README's tables.

python scripts/benchmark.py --out build/benchmark.json --plot figures/growth.png
python scripts/benchmark.py --texts tweets.txt --sizes 1000,10000,100000 --peers svm
python scripts/benchmark.py --smoke

Texts are the authored questions or the lines of a file. Systems answer them by turns, in several rounds: told are
medians over the rounds and, in brackets, the least and the greatest. Peers that are not installed are left out.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np

from qa_emoji import EmojiRanker, markdown, questions
from qa_emoji.catalog import Catalog, Emoji
from qa_emoji.cli import one_line_errors, script_help
from qa_emoji.code_index import CodeIndex
from qa_emoji.cosine import unit_rows
from qa_emoji.jobs import write_json
from qa_emoji.memory import Reading
from qa_emoji.paths import catalog_file
from qa_emoji.runtime import cores

Answering = Callable[[Sequence[str], int], object]  # texts and k
Action = Callable[[], object]
Rows = list[dict[str, Any]]

PEERS = ("minilm", "svm", "torch", "fasttext")
NEEDED = {
    "numpy": "the encoder and the search",
    "faiss-cpu": "reads and keeps the index, searches large ones",
    "sentencepiece": "texts to pieces",
    "safetensors": "reads the weights",
    "click": "the command",
    "filelock": "the lock of a batch",
    "threadpoolctl": "keeps BLAS from a thread pool of its own in a batch",
    "tqdm": "progress bars",
    "pandas": "the table of rank_batch",
    "onnxruntime": "draws, when asked for",
    "pillow": "pictures, when asked for",
}
ANSWER = "from qa_emoji.cli import main; main(['rank', 'Where shall we go this summer?'], standalone_mode=False)"
RESIDENT = (
    "import os; from qa_emoji import EmojiRanker; EmojiRanker.load().rank('Where shall we go this summer?', k=10); "
    "print(int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE'))"
)


@click.command(help=script_help(__doc__))
@click.option("--texts", "source", type=click.Path(path_type=Path, exists=True), help="A file with a text a line.")
@click.option("--peers", default=",".join(PEERS), show_default=True, help="Which to measure beside; empty for none.")
@click.option("--sizes", default="1000,10000,100000,1000000", show_default=True, help="Codes of indexes to search.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures to this JSON.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw how costs grow to this PNG.")
@click.option("--smoke", is_flag=True, help="A little of everything in a few seconds, without peers: does it run?")
@one_line_errors
def main(
    source: Path | None, peers: str, sizes: str, rounds: int, out: Path | None, plot: Path | None, smoke: bool
) -> None:
    texts = authored() if source is None else lines(source)
    few, rounds = (8, 1) if smoke else (200, rounds)
    ranker = EmojiRanker.load()
    systems: dict[str, Answering] = {"qa-emoji": lambda part, k: answered(ranker, part, k)}
    missing = {}
    for name in [] if smoke else peers.replace(",", " ").split():
        if name not in PEERS:
            raise ValueError(f"A peer is one of {', '.join(PEERS)}, not {name!r}.")
        try:
            systems[name] = globals()[name](ranker)
        except (ModuleNotFoundError, RuntimeError) as error:  # fastText finds NaN in some of its trainings
            missing[name] = str(error)
    index_sizes = [1000] if smoke else [int(size) for size in sizes.split(",")]
    figures: dict[str, Any] = {"machine": machine(), "left out": missing}
    figures["latency"] = latency(systems, texts[:few], rounds)
    figures["profile"] = profile(ranker, texts[:few], rounds)
    figures["throughput"] = throughput(systems, texts[: 20 * few], rounds)
    figures["process"] = process(1 if smoke else rounds, torch="torch" in systems)
    figures["drawing"] = drawing(ranker, texts[: 1 if smoke else 20], rounds, torch="torch" in systems)
    figures["concurrency"] = concurrency(ranker, texts[: 10 * few], rounds)
    figures["growth"] = growth(ranker, texts, index_sizes, rounds, most=100 if smoke else 4096)
    figures["installed"] = installed()
    click.echo(as_markdown(figures))
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, figures)
    if plot:
        draw_growth(figures["growth"], plot)


def authored() -> list[str]:
    asked = [q.text for q in questions.load(catalog_file().with_name("questions.csv"), Catalog.load())]
    return [asked[i] for i in np.random.default_rng(0).permutation(len(asked))]


def lines(file: Path) -> list[str]:
    return list(dict.fromkeys(line for line in file.read_text("utf-8").split("\n") if line.strip()))


def answered(ranker: EmojiRanker, texts: Sequence[str], k: int) -> object:
    return ranker.rank(texts[0], k) if len(texts) == 1 else ranker.rank_batch(texts, k)


def minilm(ranker: EmojiRanker) -> Answering:
    """all-MiniLM-L6-v2 over "name: keywords", searched by FAISS."""
    import faiss

    from qa_emoji import teacher

    codes = teacher.embed([emoji.description for emoji in candidates()])
    index = faiss.IndexFlatIP(codes.shape[1])
    index.add(codes)
    return lambda texts, k: index.search(teacher.embed(texts), k)


def svm(ranker: EmojiRanker) -> Answering:
    """TF-IDF and a linear SVM, of the authored training questions."""
    from qa_emoji.evaluation.peers import linear_svm

    model, among = linear_svm([(q.text, q.emojis) for q in learned()]), candidates()
    return lambda texts, k: model(texts, among, k)


def torch(ranker: EmojiRanker) -> Answering:
    """The same encoder as convolutions in torch, aimed as ours is, searched by FAISS."""
    import faiss
    import torch as library

    from qa_emoji.encoder import TextEncoder, pad

    model, tokenizer = TextEncoder.load()
    memory = ranker.index.memory()
    assert memory
    index = faiss.IndexFlatIP(model.config.code_dim)
    index.add(ranker.index.codes())

    def aimed(texts: Sequence[str]) -> np.ndarray:
        pieces = [tokenizer.encode(text) for text in texts]
        codes, keys = model.apart(model.vectors(model.hidden(model.features(pad(pieces)))))
        return memory.aim(Reading(codes.numpy(), keys.numpy(), pieces))

    def answer(texts: Sequence[str], k: int) -> object:
        with library.no_grad():
            codes = [aimed(texts[start : start + 512]) for start in range(0, len(texts), 512)]
        return index.search(np.concatenate(codes), k)

    return answer


def fasttext(ranker: EmojiRanker) -> Answering:
    """A fastText classifier of the authored training questions; one step of training: its speed alone is measured."""
    import tempfile

    import fasttext as library

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.writelines(f"__label__{q.emojis[0]} {q.text}\n" for q in learned())
        file.flush()
        model = library.train_supervised(file.name, epoch=1, lr=0.01, thread=1, verbose=0)
    return lambda texts, k: [model.predict(text, k=k) for text in texts]


def learned() -> list[questions.Question]:
    return questions.load(catalog_file().with_name("questions.csv"), Catalog.load(), "train")


def candidates() -> list[Emoji]:
    return Catalog.load().base_forms()


def by_turns(actions: dict[str, Action], rounds: int) -> dict[str, list[float]]:
    """Seconds that each of some actions takes, each round anew."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            taken[name].append(time.perf_counter() - start)
    return taken


def spread(values: Sequence[float], scale: float = 1.0) -> str:
    least, middle, most = (scale * float(v) for v in (min(values), np.median(values), max(values)))
    return f"{middle:.3g} ({least:.3g}-{most:.3g})"


def latency(systems: dict[str, Answering], texts: Sequence[str], rounds: int) -> Rows:
    """Microseconds of one text at a time, k=10, after each text was met once."""
    taken: dict[str, list[list[float]]] = {name: [] for name in systems}
    for round_ in range(rounds + 1):
        for name, system in systems.items():
            each = by_turns({text: lambda s=system, t=text: s([t], 10) for text in texts}, 1)  # type: ignore[misc]
            if round_:
                taken[name].append([seconds for (seconds,) in each.values()])
    rows = []
    for name, runs in taken.items():
        p50, p99 = ([float(np.percentile(run, q)) for run in runs] for q in (50, 99))
        ours = [float(np.percentile(run, 50)) for run in taken["qa-emoji"]]
        times = [theirs / mine for theirs, mine in zip(p50, ours, strict=True)]
        rows.append({"system": name, "p50, us": spread(p50, 1e6), "p99, us": spread(p99, 1e6), "times": spread(times)})
    return rows


def profile(ranker: EmojiRanker, texts: Sequence[str], rounds: int) -> Rows:
    """Microseconds of what one text passes through, each step alone; the whole includes the steps."""
    codes, read = ({text: make([text]) for text in texts} for make in (ranker.encode, ranker.encoder.read))
    memory = ranker.index.memory()
    assert memory
    steps: dict[str, Callable[[str], object]] = {
        "text to pieces": ranker.encoder.tokenizer.encode,
        "text to a code and a key": lambda text: ranker.encoder.read([text]),
        "aiming": lambda text: memory.aim(read[text]),
        "search among all answers": lambda text: ranker.index.nearest(codes[text], 10, None),
        "rank, the whole": lambda text: ranker.rank(text, 10),
    }
    rows = []
    for name, step in steps.items():
        taken = by_turns({text: lambda s=step, t=text: s(t) for text in texts}, rounds)  # type: ignore[misc]
        rows.append({"step": name, "us": spread([np.median(seconds) for seconds in taken.values()], 1e6)})
    return rows


def throughput(systems: dict[str, Answering], texts: Sequence[str], rounds: int) -> Rows:
    """Texts a second, k=5: the slow ones of them are asked fewer."""
    parts = {name: texts if name in ("qa-emoji", "torch") else texts[: len(texts) // 10] for name in systems}
    actions = {name: lambda s=s, n=name: s(parts[n], 5) for name, s in systems.items()}
    by_turns(actions, 1)  # warm
    taken = by_turns(actions, rounds)
    rates = {name: [len(parts[name]) / t for t in seconds] for name, seconds in taken.items()}
    return [
        {
            "system": name,
            "texts": len(parts[name]),
            "texts a second": spread(rate),
            "ours is so many times": spread([a / b for a, b in zip(rates["qa-emoji"], rate, strict=True)]),
        }
        for name, rate in rates.items()
    ]


def process(rounds: int, *, torch: bool) -> Rows:
    """Seconds of whole processes, and memory after the first answer."""
    programs = {"qa-emoji rank TEXT": ANSWER, 'python -c "import numpy"': "import numpy"}
    if torch:
        programs['python -c "import torch"'] = "import torch"
    taken = by_turns({name: lambda p=p: python(p) for name, p in programs.items()}, rounds)
    rows: Rows = [{"what": f"{name}, s", "value": spread(seconds)} for name, seconds in taken.items()]
    if Path("/proc/self/statm").exists():
        rows.append({"what": "resident after the first answer, MB", "value": f"{int(python(RESIDENT)) / 1e6:.0f}"})
    return rows


def python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def drawing(ranker: EmojiRanker, texts: Sequence[str], rounds: int, *, torch: bool) -> Rows:
    """Milliseconds of drawing and of its steps; decoding and painting also in torch."""
    codes = np.random.default_rng(0).standard_normal((64, 16)).astype(np.float32)
    pictures = ranker.vae.draw(codes[:16])
    actions: dict[str, Action] = {
        "64 pictures decoded and painted": lambda: ranker.vae.draw(codes),
        "16 pictures decoded": lambda: ranker.vae.decode(codes[:16]),
        "16 pictures decoded and painted": lambda: ranker.vae.draw(codes[:16]),
        "16 pictures encoded again": lambda: ranker.vae.encode(pictures, steps=0),
        "16 pictures judged": lambda: ranker.vae.judge(pictures),
    }
    if torch:
        import torch as library

        import vae
        from vae.painter import Painter

        model, painter = vae.ConvVAE.load().eval(), Painter.load().eval()

        def draw() -> object:
            with library.no_grad():
                return painter(model.decode(library.from_numpy(codes)))

        actions["64 pictures decoded and painted in torch"] = draw
    for text in texts:
        actions[text] = lambda t=text: ranker.rank(t, fresh=4)  # type: ignore[misc]
    by_turns(actions, 1)
    taken = by_turns(actions, rounds)
    fresh = [seconds for text in texts for seconds in taken.pop(text)]
    rows = [
        {"what": name, "ms": spread(seconds, 1e3), "pictures a second": f"{int(name[:2]) / np.median(seconds):.0f}"}
        for name, seconds in taken.items()
    ]
    return [*rows, {"what": "rank with fresh=4", "ms": spread(fresh, 1e3), "pictures a second": ""}]


def concurrency(ranker: EmojiRanker, texts: Sequence[str], rounds: int) -> Rows:
    """Questions a second of one ranker asked from several threads, and whether they are answered as by one."""

    def ask(part: Sequence[str]) -> list[list[str]]:
        return [[answer.id for answer in ranker.rank(text)] for text in part]

    def threads(count: int) -> list[list[str]]:
        with ThreadPoolExecutor(count) as pool:
            parts = pool.map(ask, [texts[i::count] for i in range(count)])
            answers: list[Any] = [None] * len(texts)
            for i, part in enumerate(parts):
                answers[i::count] = part
            return answers

    expected = ask(texts)
    taken = by_turns({str(n): lambda n=n: threads(n) for n in (1, 2, 4, 8)}, rounds)  # type: ignore[misc]
    return [
        {
            "threads": n,
            "questions a second": spread([len(texts) / s for s in seconds]),
            "same answers": "yes" if threads(int(n)) == expected else "no",
        }
        for n, seconds in taken.items()
    ]


def growth(ranker: EmojiRanker, texts: Sequence[str], sizes: Sequence[int], rounds: int, *, most: int) -> Rows:
    """Microseconds by text length, batch size (each text), k and index size (search alone)."""
    long = " ".join(texts) * (1 + 2**20 // max(1, len(" ".join(texts))))
    many = [texts[i % len(texts)] for i in range(most)]
    rows: Rows = []

    def measure(what: str, at: int, action: Action, per: int = 1) -> None:
        action()
        seconds = by_turns({"it": action}, 5 * rounds)["it"]
        rows.append({"what": what, "at": at, "us": float(np.median(seconds)) * 1e6 / per})

    for length in (10, 100, 1_000, 10_000, 2**20):
        measure("characters", length, lambda length=length: ranker.rank(long[:length], 10))  # type: ignore[misc]
    for n in [n for n in (1, 16, 256, 4096) if n <= most]:
        measure("texts at once, each", n, lambda n=n: ranker.rank_batch(many[:n], 5), n)  # type: ignore[misc]
    for k in (1, 10, 100, 1000):
        measure("k", k, lambda k=k: ranker.rank(texts[0], k))  # type: ignore[misc]
    generator, query = np.random.default_rng(0), ranker.encode(texts[:1])
    for size in sizes:
        index = CodeIndex(query.shape[1])
        index.add(unit_rows(generator.standard_normal((size, query.shape[1]), dtype=np.float32)), np.arange(size))
        measure("codes searched, k=10", size, lambda index=index: index.search(query, 10))  # type: ignore[misc]
    return rows


def installed() -> Rows:
    """Megabytes of what `pip install qa-emoji` brings, by what asks for it directly."""
    rows = []
    for name, why in NEEDED.items():
        files = importlib.metadata.distribution(name).files or []
        size = sum(path.stat().st_size for f in files if (path := Path(str(f.locate()))).is_file())
        rows.append({"package": name, "MB": f"{size / 1e6:.1f}", "for": why})
    return rows


def machine() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    versions = {
        name: importlib.metadata.version(name) for name in ("numpy", "faiss-cpu", "sentencepiece", "onnxruntime")
    }
    return {
        "processor": model or platform.processor() or platform.machine(),
        "cores": cores(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        **versions,
    }


def as_markdown(figures: dict[str, Any]) -> str:
    parts = [", ".join(f"{name} {value}" for name, value in figures["machine"].items() if value is not None) + "."]
    parts += [f"Left out: {name} ({reason})." for name, reason in figures["left out"].items()]
    for title, rows in figures.items():
        if isinstance(rows, list):
            head = list(rows[0])
            cells = [[f"{v:.0f}" if isinstance(v, float) else v for v in row.values()] for row in rows]
            parts += [f"**{title}**", markdown.table(head, cells, left=head)]
    return "\n\n".join(parts)


def draw_growth(rows: Rows, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    kinds = list(dict.fromkeys(row["what"] for row in rows))
    figure, axes = plt.subplots(1, len(kinds), figsize=(3.2 * len(kinds), 3), layout="constrained")
    for axis, kind in zip(axes, kinds, strict=True):
        points = [(row["at"], row["us"]) for row in rows if row["what"] == kind]
        axis.loglog(*zip(*points, strict=True), marker="o")
        axis.set(xlabel=kind, ylabel="microseconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
