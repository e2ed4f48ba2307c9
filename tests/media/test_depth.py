"""Videos of cameras with 10, 12 or 14 bits, stored in samples of 16."""

from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import numbered

from actionunits.media import open_media


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("layout", ["gray16le", "rgb48le"])
def test_values_of_fewer_bits_in_16_bit_samples_are_scaled_and_told(tmp_path, bits, layout):
    path = deep_video(tmp_path / "infrared.mkv", [numbered(k) for k in range(3)], bits, layout)
    reader = open_media(path)
    for frame in reader:
        expected = numbered(frame.index).astype(float)
        if layout == "gray16le":
            expected = np.repeat(expected.mean(2, keepdims=True), 3, axis=2)
        assert np.abs(frame.image_rgb - expected).max() <= 1
    assert reader.notes == [
        f"{path}: from frame 1 on, 16-bit samples hold values of {bits} bits: {2**bits - 1} is shown as white"
    ]


def test_a_deep_video_that_brightens_late_is_not_clipped(tmp_path):
    pictures = [numbered(k) // (40 if k < 15 else 1) for k in range(20)]
    reader = open_media(deep_video(tmp_path / "dawn.mkv", pictures, 12, "gray16le"))
    frames = list(reader)
    assert np.abs(frames[-1].image_rgb - pictures[-1].mean(2, keepdims=True)).max() <= 1
    assert [note.split(": ", 1)[1][:18] for note in reader.notes] == ["from frame 1 on, 1", "from frame 16 on, "]


def deep_video(path: Path, pictures: list[np.ndarray], bits: int, layout: str) -> Path:
    """The pictures, white at 2**bits - 1, in 16-bit samples."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "gray16le" if layout == "gray16le" else "gbrp16le"
        for picture in pictures:
            values = picture.mean(2) if layout == "gray16le" else picture
            values = np.rint(values / 255 * (2**bits - 1)).astype(np.uint16)
            frame = av.VideoFrame.from_ndarray(values, format=layout)
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
    return path
