"""Folds of the skin: where FACS names a fold or furrow, how deep people's folds are, and what action draws them.

Ekman, Friesen & Hager, FACS, 2002. Folds come in groups; the renderer weighs every group by the action units of the
frame.
"""

from __future__ import annotations

import numpy as np

from actionunits.aus import INTENSITY_MAX, SYNTH_AUS

FOLD_GROUPS = (
    "none",
    "forehead_middle",
    "forehead_left",
    "forehead_right",
    "omega",
    "glabella",
    "crow_left",
    "crow_right",
    "lower_lid_left",
    "lower_lid_right",
    "nose_root",
    "wing_left",
    "wing_right",
    "nasolabial_left",
    "nasolabial_right",
    "chin",
    "corner_left",
    "corner_right",
    "mouth_side_left",
    "mouth_side_right",
    "lip_lines",
)
REST_SHARE, ACTION_SHARE = 0.5, 0.6  # of the people, whose neutral face, and whose actions, show folds
DEEPEST = 1.15
FINE = {"chin": 0.5, "lip_lines": 0.6, "corner_left": 0.8, "corner_right": 0.8}  # shallower than the others


def fold_strengths(rng: np.random.Generator, age: float) -> tuple[np.ndarray, np.ndarray]:
    """Depth of every fold group at rest and its gain by action, (G,) each; age: 0-1, the older the deeper.

    The two are independent and each is absent in part of the people, so that folds alone never tell the action.
    """
    groups = len(FOLD_GROUPS)
    rest, gain = np.zeros(groups), np.zeros(groups)
    if rng.random() < REST_SHARE:
        rest = rng.uniform(0.05, 0.3 + 0.4 * age) * rng.uniform(0.2, 1.2, groups)
    if rng.random() < ACTION_SHARE:
        gain = (rng.uniform(0.35, 0.7) + 0.35 * age) * rng.uniform(0.6, 1.25, groups)
    rest[0] = gain[0] = 0
    for name, share in FINE.items():
        gain[FOLD_GROUPS.index(name)] *= share
    # Every face has some nasolabial fold.
    for side in ("left", "right"):
        k = FOLD_GROUPS.index(f"nasolabial_{side}")
        rest[k] = max(rest[k], 0.08)
    return rest.astype(np.float32), gain.astype(np.float32)


def fold_weights(rest: np.ndarray, gain: np.ndarray, au_left: np.ndarray, au_right: np.ndarray) -> np.ndarray:
    """Depth of every fold group (G,) for the AU intensities (A,), 0-5, of both sides of a person."""
    left, right = (dict(zip(SYNTH_AUS, side / INTENSITY_MAX, strict=True)) for side in (au_left, au_right))
    both = {au: (left[au] + right[au]) / 2 for au in SYNTH_AUS}
    active = {
        # Lowering smooths the forehead, unless its middle is raised too: then the lines bend into an omega.
        "forehead_middle": max(both[1], 0.5 * both[2]) * (1 - 0.6 * both[4] * (1 - both[1])),
        "omega": np.sqrt(both[1] * both[4]),
        "glabella": max(both[4], 0.3 * both[9]),
        "nose_root": max(both[9], 0.2 * both[4]),
        "chin": both[17],
        "lip_lines": max(both[23], 0.6 * both[24]),
    }
    for name, side in (("left", left), ("right", right)):
        active[f"forehead_{name}"] = max(side[2], 0.25 * side[1]) * (1 - 0.5 * side[4])
        active[f"crow_{name}"] = max(side[6], 0.25 * side[12])
        active[f"lower_lid_{name}"] = max(side[6], 0.7 * side[7])
        active[f"wing_{name}"] = max(side[10], 0.9 * side[9], 0.4 * side[12])
        active[f"nasolabial_{name}"] = max(side[12], 0.6 * side[10], 0.4 * side[6], 0.3 * side[20])
        active[f"corner_{name}"] = max(side[14], 0.5 * side[12], 0.4 * side[15])
        active[f"mouth_side_{name}"] = max(side[15], 0.5 * side[20])
    amount = np.array([active.get(name, 0.0) for name in FOLD_GROUPS], np.float32)
    return np.minimum(rest + gain * amount, DEEPEST).astype(np.float32)


def _curve(rng: np.random.Generator, points: list[tuple[float, float]], wobble_cm: float) -> np.ndarray:
    """A smooth curve (12, 2) through control points, with a little irregularity, cm."""
    control = np.array(points, np.float64)
    t = np.linspace(0, 1, len(control))
    degree = min(2, len(control) - 1)
    fine = np.linspace(0, 1, 12)
    curve = np.stack([np.polyval(np.polyfit(t, control[:, k], degree), fine) for k in (0, 1)], axis=1)
    return curve + wobble_cm * np.interp(fine, np.linspace(0, 1, 5), rng.standard_normal(5))[:, None] * (0.3, 1.0)


def fold_lines(rng: np.random.Generator) -> dict[str, list[tuple[np.ndarray, float]]]:
    """Strokes (curve in frontal cm, width in texture pixels) of every fold group of one person."""
    lines: dict[str, list[tuple[np.ndarray, float]]] = {name: [] for name in FOLD_GROUPS[1:]}

    def add(name: str, points: list[tuple[float, float]], width: float, wobble: float = 0.06) -> None:
        lines[name].append((_curve(rng, points, wobble), width))

    for y in np.arange(6.9, 9.2, rng.uniform(0.6, 0.95)):
        add("forehead_middle", [(-1.9, y + 0.1), (0, y + rng.normal(0, 0.1)), (1.9, y + 0.1)], 1.8)
        for sign, side in ((1, "left"), (-1, "right")):
            add(f"forehead_{side}", [(sign * 1.7, y), (sign * 3.4, y + 0.3), (sign * 5.0, y - 0.2)], 1.8)
    for x in (-0.55, 0.55, *([0.0] if rng.random() < 0.3 else [])):
        add("glabella", [(x * 0.85, 4.3 + rng.normal(0, 0.15)), (x, 5.2), (x * 1.3, 6.2 + rng.normal(0, 0.2))], 2.2)
    for y in (3.4, 3.9):
        add("nose_root", [(-0.75, y + 0.1), (0, y - 0.1), (0.75, y + 0.1)], 1.7)
    for sign, side in ((1, "left"), (-1, "right")):
        add("omega", [(sign * 0.75, 6.15), (sign * 0.95, 6.6), (sign * 2.0, 6.55)], 1.8)
        add("nose_root", [(sign * 0.9, 2.2), (sign * 1.2, 2.9), (sign * 1.5, 3.3)], 1.6)
        for tilt in np.linspace(-0.5, 0.7, rng.integers(2, 5)):
            start = (sign * 4.9, 3.35 + 0.5 * tilt)
            add(f"crow_{side}", [start, (sign * 5.5, 3.4 + 0.9 * tilt), (sign * 6.2, 3.3 + 1.6 * tilt)], 1.6)
        add(f"lower_lid_{side}", [(sign * 1.9, 2.5), (sign * 3.1, 2.0), (sign * 4.5, 2.5)], 1.8)
        if rng.random() < 0.6:
            add(f"lower_lid_{side}", [(sign * 2.1, 2.9), (sign * 3.1, 2.55), (sign * 4.3, 2.9)], 1.4)
        # FACS: AU9 and AU10 deepen the upper part of the nasolabial fold, AU12 the lower.
        add(f"wing_{side}", [(sign * 1.35, 0.35), (sign * 1.75, -0.3), (sign * 2.35, -1.15)], 2.6)
        add(f"nasolabial_{side}", [(sign * 2.0, -0.55), (sign * 2.8, -1.5), (sign * 3.35, -3.0)], 2.4)
        add(f"corner_{side}", [(sign * 3.0, -2.7), (sign * 3.25, -3.4), (sign * 3.05, -4.2)], 2.1)
        add(f"mouth_side_{side}", [(sign * 2.7, -3.9), (sign * 3.1, -4.7), (sign * 3.2, -5.6)], 2.0)
    for _ in range(9):
        x, y = rng.uniform(-1.2, 1.2), rng.uniform(-6.7, -5.3)
        add("chin", [(x - 0.18, y), (x, y + 0.1), (x + 0.18, y - 0.02)], 2.4)
    add("chin", [(-1.4, -5.1), (0, -4.85), (1.4, -5.1)], 2.0)
    for x in np.linspace(-1.5, 1.5, 7) + rng.normal(0, 0.08, 7):
        add("lip_lines", [(x, -1.7), (x * 0.98, -2.05), (x * 0.95, -2.45)], 1.3, 0.03)
        add("lip_lines", [(x * 0.9, -4.2), (x * 0.95, -4.5), (x, -4.75)], 1.3, 0.03)
    return lines


def fold_strokes(rng: np.random.Generator) -> dict[str, list[tuple[np.ndarray, float, float]]]:
    """`fold_lines`, each stroke with its strength, 0-1."""
    return {
        group: [(curve, width, float(rng.uniform(0.6, 1.0))) for curve, width in strokes]
        for group, strokes in fold_lines(rng).items()
    }
