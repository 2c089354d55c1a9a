"""How an answer's code is made of what its image and its name say."""

from __future__ import annotations

import numpy as np

from qa_emoji.cosine import unit_rows

IMAGE_SHARE = 0.1  # the rest is the name's; chosen on the dev split, the same for known and unseen emojis


_KERNEL = 0.02  # width, in cosine, of the kernel over pictures


def fuse(image_codes: np.ndarray, name_codes: np.ndarray, image_share: float = IMAGE_SHARE) -> np.ndarray:
    """Unit codes of answers, (n, 16) float32.

    Args:
        image_codes: (n, 16) unit codes of images.
        name_codes: (n, 16) unit codes of names and keywords, from the same text encoder as questions.
        image_share: from 0 (name alone) to 1 (image alone).
    """
    return unit_rows(image_share * image_codes + (1 - image_share) * name_codes)


def read_images(image_codes: np.ndarray, known_image_codes: np.ndarray, known_codes: np.ndarray) -> np.ndarray:
    """Codes of answers without a name, (n, 16) float32, by what the emojis are found by whose pictures are most like.

    Kernel regression (Nadaraya 1964, Watson 1964) over the cosine of images.

    Args:
        image_codes: (n, 16) unit codes of images.
        known_image_codes: (m, 16) unit codes of images of answers whose codes are known, at least one.
        known_codes: (m, 16) those codes.
    """
    logits = image_codes @ known_image_codes.T / _KERNEL
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return unit_rows(weights @ known_codes / weights.sum(axis=1, keepdims=True))
