"""Mean head of ICT Face Model Light at the 68 Multi-PIE landmarks, and the registered crop defined on it.

The numbers are measurements of the neutral mean head (ICT Face Model Light, University of Southern California
Institute for Creative Technologies, MIT licence), in millimetres: x to the right of the image (the person's
own left), y up, z to the viewer.
"""

import numpy as np

MEAN_LANDMARKS_MM = np.array(
    [
        [-73.6, 36.8, 36.6],
        [-72.8, 14.9, 39.3],
        [-69.4, -4.6, 45.3],
        [-65.6, -23.6, 51.7],
        [-57.2, -44.9, 61.3],
        [-43.0, -62.1, 73.5],
        [-30.5, -69.1, 87.7],
        [-15.4, -72.6, 102.7],
        [0.0, -75.7, 104.3],
        [15.4, -72.6, 102.7],
        [30.5, -69.1, 87.7],
        [43.0, -62.1, 73.5],
        [57.2, -44.9, 61.3],
        [65.6, -23.6, 51.7],
        [69.4, -4.6, 45.3],
        [72.8, 14.9, 39.3],
        [73.6, 36.8, 36.6],
        [-58.2, 52.0, 79.1],
        [-49.3, 59.8, 89.9],
        [-37.9, 62.6, 98.3],
        [-24.1, 61.9, 104.8],
        [-11.7, 59.1, 107.3],
        [11.7, 59.1, 107.3],
        [24.1, 61.9, 104.8],
        [37.9, 62.6, 98.3],
        [49.3, 59.8, 89.9],
        [58.2, 52.0, 79.1],
        [0.0, 37.4, 107.3],
        [0.0, 26.3, 115.2],
        [0.0, 16.1, 123.1],
        [0.0, 4.1, 130.7],
        [-12.5, -11.4, 108.7],
        [-6.0, -11.4, 114.2],
        [0.0, -12.0, 115.7],
        [6.0, -11.4, 114.2],
        [12.5, -11.4, 108.7],
        [-44.6, 34.3, 86.0],
        [-38.7, 38.7, 93.6],
        [-27.8, 39.4, 95.3],
        [-18.4, 32.5, 92.0],
        [-27.3, 30.8, 94.1],
        [-38.6, 30.7, 92.3],
        [18.4, 32.5, 92.0],
        [27.8, 39.4, 95.3],
        [38.7, 38.7, 93.6],
        [44.6, 34.3, 86.0],
        [38.6, 30.7, 92.3],
        [27.3, 30.8, 94.1],
        [-25.3, -35.2, 101.9],
        [-17.0, -27.8, 112.2],
        [-7.3, -24.2, 117.3],
        [0.0, -24.8, 118.4],
        [7.3, -24.2, 117.3],
        [17.0, -27.8, 112.2],
        [25.3, -35.2, 101.9],
        [18.0, -40.6, 109.0],
        [10.3, -43.0, 113.9],
        [0.0, -43.8, 115.5],
        [-10.3, -43.0, 113.9],
        [-18.0, -40.6, 109.0],
        [-22.1, -34.9, 101.3],
        [-10.0, -33.0, 110.9],
        [0.0, -33.2, 112.8],
        [10.0, -33.0, 110.9],
        [22.1, -34.9, 101.3],
        [10.7, -33.8, 110.4],
        [0.0, -34.0, 112.5],
        [-10.7, -33.8, 110.4],
    ],
    dtype=np.float32,
)  # (68, 3)

# The registered crop is the frontal view of the mean head, 200 mm wide and high, with the eye corners' height
# (y = 34 mm) at 35% from the top: room for raised brows above and for a dropped jaw below.
CROP_WIDTH_MM = 200.0
CROP_EYE_LEVEL = 0.35
EYE_LEVEL_MM = 34.0

# Eye corners and the base of the nose: facial expression moves these least.
REGISTRATION_POINTS = (36, 39, 42, 45, 33)


def template_landmarks() -> np.ndarray:
    """The 68 landmarks of the mean head in the registered crop, (68, 2) float32, 0-1 spans the crop."""
    x = 0.5 + MEAN_LANDMARKS_MM[:, 0] / CROP_WIDTH_MM
    y = CROP_EYE_LEVEL + (EYE_LEVEL_MM - MEAN_LANDMARKS_MM[:, 1]) / CROP_WIDTH_MM
    return np.stack([x, y], axis=1).astype(np.float32)
