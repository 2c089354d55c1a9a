"""What people would pick instead: a sentence-transformer, a keyword search, a linear model, popular answers, chance."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from qa_emoji.catalog import Emoji, canonical
from qa_emoji.evaluation.recommenders import Recommender, best

# A query's words that say nothing of what it is about.
_STOP_WORDS = frozenset(
    """a about after all am an and any are as at be been being but by can could did do does for from get go got had has
    have he her here him his how i if in into is it its just let like me more my no not now of off on one or our out
    over she should so some than that the their them then there these they this those to too up us very want was we
    were what when where which who why will with would you your""".split()
)
_LEAST_PREFIX = 3  # letters that a word must share with a longer one
_KEYWORD, _NAME = 1.0, 1.5  # what a match is worth, of a keyword's word and of a name's
_PHRASE = 3.0  # more for a name or keyword that stands in the query as a whole


def minilm() -> Recommender:
    """all-MiniLM-L6-v2 (22 million parameters, 384 numbers) over "name: keywords"."""
    from qa_emoji import teacher

    known: dict[str, np.ndarray] = {}

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        new = [e for e in candidates if e.emoji not in known]
        if new:
            known.update(zip((e.emoji for e in new), teacher.embed([e.description for e in new]), strict=True))
        return best(teacher.embed(texts) @ np.stack([known[e.emoji] for e in candidates]).T, candidates, k)

    return recommend


def keyword_search() -> Recommender:
    """Search as emoji pickers do it: the query's words, whole or as the start of a longer one, in names and keywords.

    An emoji's score is the sum over the query's words of what the word's best match in it is worth: more for a name
    than for a keyword, less for a prefix by how much of the longer word it leaves open, times the word's inverse
    document frequency; a name or keyword that stands in the query as a whole counts more. Emojis without a match are
    not answers; of equal ones the one with fewer words comes first.
    """

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        index = _KeywordIndex(candidates)
        return best(np.stack([index.scores(text) for text in texts]), candidates, k, above=0.0)

    return recommend


class _KeywordIndex:
    def __init__(self, emojis: Sequence[Emoji]):
        self._size = len(emojis)
        worth: dict[str, dict[int, float]] = {}
        self._phrases: dict[tuple[str, ...], list[int]] = {}
        lengths = np.zeros(self._size)
        for i, emoji in enumerate(emojis):
            for text, value in [(emoji.name, _NAME), *((keyword, _KEYWORD) for keyword in emoji.keywords)]:
                words = _words(text)
                lengths[i] += len(words)
                if len(words) > 1:
                    self._phrases.setdefault(tuple(words), []).append(i)
                for word in words:
                    of_word = worth.setdefault(word, {})
                    of_word[i] = max(value, of_word.get(i, 0.0))
        self._worth = {
            word: (np.fromiter(found, int), np.fromiter(found.values(), float)) for word, found in worth.items()
        }
        self._rarity = {word: np.log1p(self._size / len(found)) for word, (found, _) in self._worth.items()}
        self._by_start: dict[str, list[str]] = {}
        for word in self._worth:
            self._by_start.setdefault(word[:_LEAST_PREFIX], []).append(word)
        self._brevity = 1e-6 / (1 + lengths)  # decides between equals
        self._longest = max(map(len, self._phrases), default=1)

    def scores(self, text: str) -> np.ndarray:
        """What each emoji is worth to a text, (emojis,), 0 without a match."""
        words = _words(text)
        scores = np.zeros(self._size)
        for word in dict.fromkeys(w for w in words if w not in _STOP_WORDS):
            of_word = np.zeros(self._size)
            for match in self._by_start.get(word[:_LEAST_PREFIX], ()):
                if match == word or (
                    len(word) >= _LEAST_PREFIX and (match.startswith(word) or _inflected(word, match))
                ):
                    emojis, worth = self._worth[match]
                    overlap = min(len(match), len(word)) / max(len(match), len(word))
                    of_word[emojis] = np.maximum(of_word[emojis], worth * overlap * self._rarity[match])
            scores += of_word
        for length in range(2, min(self._longest, len(words)) + 1):
            for start in range(len(words) - length + 1):
                found = self._phrases.get(tuple(words[start : start + length]), [])
                scores[found] += _PHRASE * length
        return np.where(scores > 0, scores + self._brevity, 0.0)


def _inflected(word: str, stem: str) -> bool:
    """Whether a word is another one with an ending: the pickers' way to find dogs by dog."""
    return len(stem) >= _LEAST_PREFIX and word.startswith(stem) and word[len(stem) :] in ("s", "es", "ed", "ing", "y")


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def linear_svm(
    pairs: Iterable[tuple[str, Iterable[str]]], *, regularisation: float = 0.1, seed: int = 0
) -> Recommender:
    """TF-IDF of words and characters, and a linear SVM, one against the rest, with classes weighted to balance.

    Emojis that label no training text come last, in the order of the candidates.

    Args:
        pairs: the training texts and the emojis of each.
        regularisation: C of the SVM.
        seed: of the order in which its solver goes through the texts.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_union
        from sklearn.preprocessing import MultiLabelBinarizer
        from sklearn.svm import LinearSVC
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("The linear peer needs the extra: pip install 'qa-emoji[evaluate]'.") from error

    texts, labels = zip(*((text, [canonical(e) for e in emojis]) for text, emojis in pairs), strict=True)
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True),
    )
    read = features.fit_transform(texts)
    svm = LinearSVC(C=regularisation, class_weight="balanced", random_state=seed)
    if all(len(of_text) == 1 for of_text in labels):
        model = svm.fit(read, [emoji for (emoji,) in labels])
        classes, weights, bias = model.classes_, model.coef_, model.intercept_
        if len(weights) == 1:  # of two classes, it decides for the second against the first
            weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    else:
        binarizer = MultiLabelBinarizer()
        each = OneVsRestClassifier(svm).fit(read, binarizer.fit_transform(labels)).estimators_
        classes = binarizer.classes_
        weights, bias = np.concatenate([e.coef_ for e in each]), np.concatenate([e.intercept_ for e in each])
    # One product for all classes, not one for each as its own decision_function takes: a fair peer is a fast one.
    matrix = np.ascontiguousarray(weights.T, dtype=np.float32)  # (features, classes)
    column = {emoji: i for i, emoji in enumerate(classes)}

    @functools.lru_cache(maxsize=1)
    def columns(emojis: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        found = [column.get(canonical(emoji), -1) for emoji in emojis]
        places = np.flatnonzero(np.array(found) >= 0)
        return places, np.array(found)[places]

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        decided = features.transform(texts).astype(np.float32) @ matrix + bias
        places, at = columns(tuple(e.emoji for e in candidates))
        scores = np.full((len(texts), len(candidates)), np.finfo(float).min)
        scores[:, places] = decided[:, at]
        return best(scores, candidates, k)

    return recommend


def most_common(pairs: Iterable[tuple[str, Iterable[str]]]) -> Recommender:
    """The emojis that label most training texts, the same for every text; those that label none come last.

    What every system should beat: where many emojis are accepted, a few popular ones are often among them.
    """
    counts = Counter(canonical(emoji) for _, emojis in pairs for emoji in emojis)

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        scores = np.array([[counts[canonical(e.emoji)] for e in candidates]], dtype=float)
        return best(scores, candidates, k) * len(texts)

    return recommend


def chance(seed: int = 0) -> Recommender:
    """Candidates in an order drawn anew for each text."""
    generator = np.random.default_rng(seed)

    def recommend(texts: Sequence[str], candidates: Sequence[Emoji], k: int) -> list[list[str]]:
        return best(generator.random((len(texts), len(candidates))), candidates, k)

    return recommend
