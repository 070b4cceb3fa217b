"""Pictures are valid PNG with the given opacity."""

import io

import matplotlib.image
import numpy as np

from shifts_core.png import encode_opacity


def test_another_reader_sees_the_same_opacity() -> None:
    opacity = np.random.default_rng(1).integers(0, 256, (17, 23)).astype(np.uint8)
    read = matplotlib.image.imread(io.BytesIO(encode_opacity(opacity)), format="png")
    assert read.shape == (17, 23, 4)
    assert (np.rint(255 * read[..., 3]) == opacity).all()
    assert (read[..., :3] == 1).all()
