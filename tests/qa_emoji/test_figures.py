from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from qa_emoji import Answer, EmojiIndex, figures
from qa_emoji.answer import emoji_id

STEP = 36 * 2 + 4
MARGIN = 12


class Discs:
    """A VAE whose codes say the colour of a disc, and whose means are the colours of an image."""

    def encode(self, images, *, steps=2):
        means = np.zeros((len(images), 16), dtype=np.float32)
        means[:, :3] = images[:, :3, 18, 18] * 4 - 2
        return means, np.full_like(means, -2)

    def decode(self, codes):
        y, x = np.mgrid[:36, :36]
        alpha = ((x - 17.5) ** 2 + (y - 17.5) ** 2 < 300).astype(np.float32)
        colours = np.concatenate([np.clip(codes[:, :3] / 4 + 0.5, 0, 1), np.ones((len(codes), 1))], axis=1)
        return (colours[:, :, None, None] * alpha).astype(np.float32)

    def draw(self, codes):
        return self.decode(codes)


class Ranker:
    """Answers everything with the first of its index."""

    def __init__(self, index):
        self.index, self.vae, self.asked = index, Discs(), []

    def rank(self, text, k):
        self.asked.append(text)
        return self.index.answers[:k]

    def draw(self, n, about=None, seed=0):
        rng = np.random.default_rng(seed)
        return [Answer(f"new-{i}", None, "like", "generated", latent=rng.normal(size=16)) for i in range(n)]


@pytest.fixture
def vae():
    return Discs()


@pytest.fixture
def codes(rng):
    return rng.normal(size=(12, 16)).astype(np.float32)


@pytest.fixture
def ranker(catalog, rng):
    emojis = [*catalog.base_forms("known")[::200], *catalog.base_forms("unseen")[::100]]
    emojis += [catalog[emoji] for emoji in figures.PAIRS[1]]
    index = EmojiIndex()
    answers = [
        Answer(emoji_id(e.emoji), e.emoji, e.name, e.split, latent=rng.normal(size=16).astype(np.float32))
        for e in emojis
    ]
    index.add(
        [*answers, Answer("grape", None, "grape", "unseen", latent=np.ones(16))],
        rng.normal(size=(len(answers) + 1, 16)),
    )
    return Ranker(index)


def load(emojis):
    """Images that are one colour each, told by the character."""
    return np.stack([Discs().decode(np.full((1, 16), ord(e.emoji[0]) % 7 / 4 - 1))[0] for e in emojis])


def at(sheet, x, y):
    """The colour in the middle of the picture that starts there."""
    return sheet.getpixel((MARGIN + x + 36, MARGIN + y + 36))


def test_every_figure_is_drawn_and_saved(ranker, catalog, tmp_path):
    points = [{"arrangement": 0.0, "second_style": False, "augmented": 0.8}]
    every = figures.figures(ranker, catalog, load, points=points)
    assert list(every) == [
        f"{name}.png"
        for name in "reconstructions grid_a grid_b grid_c percentiles interpolations latents map fresh new trade_off".split()
    ]
    for name in ("reconstructions.png", "percentiles.png", "interpolations.png", "map.png", "fresh.png", "new.png"):
        figures.save(every[name](), tmp_path / name)
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"
            assert picture.width > 200
    assert ranker.asked == list(figures.QUESTIONS)


def test_without_points_there_is_no_trade_off(ranker, catalog):
    assert "trade_off.png" not in figures.figures(ranker, catalog, load)


def test_an_index_without_the_pairs_is_not_interpolated_in(ranker, catalog):
    ranker.index.remove([emoji_id(figures.PAIRS[1][0])])
    assert "interpolations.png" not in figures.figures(ranker, catalog, load)


def test_an_index_of_strangers_is_refused(ranker, catalog):
    ranker.index.remove([a.id for a in ranker.index.answers if a.source == "known"])
    with pytest.raises(ValueError, match="known emojis of the catalogue"):
        figures.figures(ranker, catalog, load)


def test_the_same_seed_gives_the_same_picture(ranker, catalog):
    first, again, other = (
        figures.figures(ranker, catalog, load, seed=seed)["percentiles.png"]().tobytes() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_grid_has_x_downwards_and_y_to_the_right(vae):
    sheet = figures.grid(vae.draw, "B", ticks=3)  # dimensions 0 and 2 are x, 1 is y: red and blue, green
    top = sheet.height - 2 * MARGIN - 2 * STEP - 72
    assert at(sheet, 0, top) == (0, 0, 0)
    assert at(sheet, 0, top + 2 * STEP) == (255, 0, 255)
    assert at(sheet, 2 * STEP, top) == (0, 255, 0)
    assert at(sheet, 2 * STEP, top + 2 * STEP) == (255, 255, 255)


def test_interpolations_have_originals_at_both_ends(vae):
    red, blue = vae.decode(np.eye(16)[[0, 2]].astype(np.float32) * 4 - 2)
    sheet = figures.interpolations(vae, red[None], blue[None], n=3)
    assert at(sheet, 0, 0) == at(sheet, STEP + 20, 0) == (255, 0, 0)
    assert at(sheet, 4 * STEP + 40, 0) == at(sheet, 3 * STEP + 20, 0) == (0, 0, 255)
    assert at(sheet, 2 * STEP + 20, 0) not in {(255, 0, 0), (0, 0, 255)}


def test_a_map_hides_no_emoji(vae):
    colours = np.full((30, 16), -2, dtype=np.float32)  # reds
    colours[:, 0] = np.linspace(-2, 2, 30)
    codes = np.zeros((30, 16), dtype=np.float32)  # all in one place but for two
    codes[0, :2], codes[1, :2] = (1, 0), (0, 1)
    sheet = figures.emoji_map(codes, vae.draw(colours), cell=38)
    shown = {colour for _, colour in sheet.getcolors(1 << 20) if colour[1:] == (0, 0)}
    assert len(shown) == 30


def test_histograms_leave_out_what_is_not_finite(codes, rng, monkeypatch):
    titles = []
    monkeypatch.setattr("matplotlib.figure.Figure.suptitle", lambda self, text: titles.append(text))
    codes[0, 3] = np.nan
    picture = figures.histograms(codes[:, :8], np.full((12, 8), -2.0), rng)
    assert picture.width > 900
    share = float(titles[0].split(", ")[-1].split("%")[0])
    assert 90 < share < 93.5  # eleven in twelve


def test_a_trade_off_shows_each_point_once(monkeypatch):
    plotted = []
    monkeypatch.setattr("matplotlib.axes.Axes.plot", lambda self, x, y, *_, **__: plotted.append((list(x), list(y))))
    common = {"MSE unseen": 0.1, "MSE unseen, one pass": 9.0, "dev known R-precision@5 (n=7)": 0.3}
    points = [
        {"arrangement": 10.0, "second_style": False, "augmented": 0.8, **common},
        {"arrangement": 0.0, "second_style": False, "augmented": 0.8, **common, "MSE unseen": 0.2},
        {"arrangement": 10.0, "second_style": True, "augmented": 0.0, **common, "MSE unseen": 0.4},
        {"arrangement": 10.0, "second_style": False, "augmented": 0.0, **common, "MSE unseen": 0.3},
    ]
    monkeypatch.setattr("matplotlib.axes.Axes.legend", lambda self, **_: None)
    assert figures.trade_off(points).width > 900
    assert plotted[:3] == [([0, 1], [0.2, 0.1]), ([1], [0.4]), ([1], [0.3])]
    assert [y for _, y in plotted if y][-3:] == [[0.3, 0.3], [0.3], [0.3]]


def test_points_are_read_or_refused(tmp_path):
    path = tmp_path / "points.json"
    assert figures.read_points(path) == []
    points = [{"arrangement": 1.0, "second_style": False, "augmented": 0.8}]
    path.write_text(json.dumps(points))
    assert figures.read_points(path) == points
    for wrong in ("{", "[1]", '[{"arrangement": 1}]', "3"):
        path.write_text(wrong)
        with pytest.raises(ValueError, match="has no points of a trade-off"):
            figures.read_points(path)


def test_a_png_keeps_to_its_bytes(tmp_path, rng):
    picture = Image.fromarray(rng.integers(0, 256, (100, 100, 3), dtype=np.uint8))
    for most, mode in ((40_000, "RGB"), (12_000, "P")):
        figures.save(picture, tmp_path / "noise.png", most=most)
        assert (tmp_path / "noise.png").stat().st_size <= most
        with Image.open(tmp_path / "noise.png") as saved:
            assert saved.mode == mode


def test_nothing_new_is_a_sentence(vae):
    with pytest.raises(ValueError, match="nothing new"):
        figures.new(vae.draw, [])
