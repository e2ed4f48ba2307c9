"""Values that travel print themselves in a line, whatever they hold."""

import numpy as np

from actionunits.types import Face, Frame, FrameResult, Prediction


def test_values_print_themselves_in_a_line():
    frame = Frame(np.zeros((120, 200, 3), np.uint8), 3, 0.12, "clip.mp4")
    face = Face(
        box_xyxy_px=np.array([1, 2, 30.4, 40], np.float32),
        landmarks_px=np.zeros((68, 2), np.float32),
        confidence=0.914,
        pose_deg=np.zeros(3, np.float32),
        position_mm=np.zeros(3, np.float32),
        face_id=1,
        quality=("dark",),
    )
    told = Prediction((6, 12), np.array([0.1, 0.9]), np.array([0.3, 3.44]), np.array([False, True]))
    assert repr(frame) == "Frame('clip.mp4', index=3, time_s=0.120, 200x120)"
    assert repr(face) == "Face(face_id=1, confidence=0.91, box_xyxy_px=(1, 2, 30, 40), quality=('dark',))"
    assert repr(told) == "Prediction(AU12 3.4; 1 of 2 AUs)"
    assert repr(FrameResult(frame, [face], [told])) == "FrameResult('clip.mp4', index=3, time_s=0.120, 1 face)"
