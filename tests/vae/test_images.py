from __future__ import annotations

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from PIL import Image

from vae import images


def test_twemoji_images_are_premultiplied_and_in_range():
    loaded = images.load_twemoji(["😀", "❤️", "❤", "👩‍🚀"])
    assert loaded.shape == (4, 4, 36, 36)
    assert loaded.dtype == np.float32
    assert loaded.min() >= 0
    assert loaded.max() <= 1
    assert (loaded[:, :3] <= loaded[:, 3:] + 1e-6).all()
    np.testing.assert_array_equal(loaded[1], loaded[2])


def test_box_filter_averages_premultiplied_colour():
    picture = Image.new("RGBA", (72, 72), (255, 0, 0, 0))  # red, but wholly transparent
    picture.putpixel((0, 0), (0, 255, 0, 255))
    image = images.from_pil(picture)
    np.testing.assert_allclose(image[:, 0, 0], [0, 0.25, 0, 0.25], atol=1e-6)
    assert not image[:, 1:, 1:].any()


def test_a_wide_picture_gets_transparent_margins():
    image = images.from_pil(Image.new("RGB", (72, 36), "white"))
    assert image[3, :9].max() == 0
    assert image[3, 9:27].min() == 1


def test_pictures_survive_the_way_to_pil_and_back(rng):
    pixels = rng.integers(0, 256, size=(36, 36, 4), dtype=np.uint8)
    pixels[..., 3] |= 128
    image = images.from_pil(Image.fromarray(pixels))
    np.testing.assert_allclose(images.from_pil(images.to_pil(image)), image, atol=2 / 255)


def test_file_names_may_differ_in_selectors_case_and_zeros(tmp_path):
    Image.new("RGBA", (8, 8), "red").save(tmp_path / "0023-FE0F-20E3.png")
    assert images.load_folder(tmp_path, ["#⃣"]).shape == (1, 4, 36, 36)


@pytest.mark.parametrize("content", [b"", b"not a picture", "truncated"])
def test_a_bad_file_is_named(tmp_path, content):
    path = tmp_path / "1f600.png"
    if content == "truncated":
        Image.effect_noise((72, 72), 50).save(path)
        content = path.read_bytes()[:500]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"1f600\.png"):
        images.load_folder(tmp_path, ["😀"])


def test_a_missing_file_folder_or_font_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"1f600\.png"):
        images.load_folder(tmp_path, ["😀"])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        images.load_folder(tmp_path / "nowhere", ["😀"])
    with pytest.raises(FileNotFoundError, match=r"none\.ttf"):
        images.load_font(tmp_path / "none.ttf", ["😀"])
    (tmp_path / "bad.ttf").write_bytes(b"bad")
    with pytest.raises(ValueError, match=r"bad\.ttf"):
        images.load_font(tmp_path / "bad.ttf", ["😀"])


@pytest.mark.parametrize(
    ("name", "emoji"),
    [
        ("1f355.png", "🍕"),
        ("emoji_u1f468_200d_1f373.png", "👨‍🍳"),
        ("face.png", None),
        ("party.png", None),
        ("2024.png", None),
        ("23-20e3.png", "#⃣"),
    ],
)
def test_emoji_of_file(name, emoji):
    assert images.emoji_of_file(name) == emoji


def test_contact_sheet_has_a_cell_for_each_picture():
    sheet = images.contact_sheet(
        [Image.new("RGBA", (36, 36), "red")] * 5, columns=4, scale=1, labels=["a long label"] * 5
    )
    assert sheet.size == (4 * 44 + 8, 2 * 60 + 8)
    with pytest.raises(ValueError, match="at least one"):
        images.contact_sheet([])


@pytest.fixture
def colour_font(tmp_path):
    """A font of one emoji, 😀: a red square over the right half of a larger blue one, as COLRv0 layers."""
    builder = FontBuilder(1000, isTTF=True)
    names = [".notdef", "space", "grin", "back", "front"]
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({0x20: "space", 0x1F600: "grin"})

    def box(x0, y0, x1, y1):
        pen = TTGlyphPen(None)
        pen.moveTo((x0, y0))
        for point in ((x0, y1), (x1, y1), (x1, y0)):
            pen.lineTo(point)
        pen.closePath()
        return pen.glyph()

    empty = TTGlyphPen(None).glyph()
    shapes = [empty, empty, box(0, 0, 1000, 1000), box(0, 0, 1000, 1000), box(500, 0, 1000, 1000)]
    builder.setupGlyf(dict(zip(names, shapes, strict=True)))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)) | {"front": (1000, 500)})
    builder.setupHorizontalHeader(ascent=1000, descent=0)
    builder.setupNameTable({"familyName": "Test", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.setupCPAL([[(0, 0, 1, 1), (1, 0, 0, 1)]])
    builder.setupCOLR({"grin": [("back", 0), ("front", 1)]})
    builder.save(tmp_path / "test.ttf")
    return tmp_path / "test.ttf"


def test_images_from_a_colour_font(colour_font):
    (image,) = images.load_font(colour_font, ["😀"])
    np.testing.assert_allclose(image[:, 18, 6], [0, 0, 1, 1], atol=0.02)
    np.testing.assert_allclose(image[:, 18, 30], [1, 0, 0, 1], atol=0.02)


def test_a_font_without_colours_is_refused(colour_font):
    with TTFont(colour_font) as font:
        del font["COLR"], font["CPAL"]
        font["glyf"]["grin"] = font["glyf"]["front"]
        font.save(colour_font.with_name("plain.ttf"))
    with pytest.raises(ValueError, match="no colours for 😀"):
        images.load_font(colour_font.with_name("plain.ttf"), ["😀"])


def test_an_emoji_that_a_font_lacks_is_named(colour_font):
    with pytest.raises(ValueError, match=r"test\.ttf has no glyph of 🍕"):
        images.load_font(colour_font, ["😀", "🍕"])
