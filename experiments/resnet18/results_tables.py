"""Tables of the released weights: their scores, decisions and arithmetic, the same person again, and gaze."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markdown_rows import named_au, number, rows_to_markdown

RESULTS = Path(__file__).parents[2] / "results"
JUDGED_FACES = 5  # coded faces with an action unit, from which its scores count alone


def same_people() -> str:
    """How surely a person is known again."""
    table = pd.read_csv(RESULTS / "same_people.csv")
    heads = ["data", "clips", "people", "by", "limit", "wrong merges", "splits", "people mixed with others"]
    rows = [
        [r.data, str(r.clips), str(r.people), r.by, number(r.limit), f"{r.wrong_merges:.1%}", f"{r.splits:.0%}"]
        + [f"{r.people_mixed:.0%}"]
        for r in table.itertuples()
    ]
    return rows_to_markdown(heads, rows)


def gaze() -> str:
    """Error of the gaze on renders, beside two guesses."""
    table = pd.read_csv(RESULTS / "gaze.csv")
    heads = ["renders", "frames", "pixels between the outer eye corners", "error", "median", "across", "up and down"]
    heads += ["r across", "r up and down", "into the camera", "ahead of the head"]
    rows = [
        [r.data, str(r.frames), number(r.eyes_px, 0)]
        + [number(v, 1) for v in (r.error_deg, r.median_deg, r.x_deg, r.y_deg)]
        + [number(r.x_r), number(r.y_r), number(r.camera_deg, 1), number(r.head_deg, 1)]
        for r in table.itertuples()
    ]
    return rows_to_markdown(heads, rows)


def calibration() -> str:
    """Scores of clips as they are and measured from their person's resting face."""
    table = pd.read_csv(RESULTS / "calibration.csv")
    heads = ["clips", "number", "frames", "read", "clips changed", "F1", "ICC", "apart at the end"]
    heads.append("F1 of always present")
    rows = [
        [r.data, str(r.clips), str(r.frames), r.reading, str(r.clips_changed)]
        + [number(value, 3) for value in (r.f1, r.icc, r.prob_apart_at_end, r.f1_always_present)]
        for r in table.itertuples()
    ]
    return rows_to_markdown(heads, rows)


def detector_scores() -> str:
    """Scores of the released detector per AU on unseen synthetic people of both looks."""
    table = pd.read_csv(RESULTS / "resnet18_synthau.csv")
    looks = [table[table["data"] == f"synthau-{look}"].set_index("au") for look in ("studio", "wild")]
    columns = ("base_rate", "f1", "auc", "icc", "mae")
    rows = [[named_au(au), *(number(look.loc[au, c]) for look in looks for c in columns)] for au in looks[0].index]
    rows.append(["**mean**", *(f"**{number(look[c].mean())}**" for look in looks for c in columns)])
    return rows_to_markdown(
        ["AU", *(f"{look} {c}" for look in ("studio", "wild") for c in ("rate", "F1", "AUC", "ICC", "MAE"))], rows
    )


def fast_scores() -> str:
    """Mean scores of the default detector and of the one without the ResNet, on renders and on coded faces."""
    rows = []
    for look in ("studio", "wild"):
        for name in ("resnet18", "fast"):
            table = pd.read_csv(RESULTS / f"{name}_synthau.csv").query(f"data == 'synthau-{look}'")
            means = (number(table[c].mean(), 3) for c in ("auc", "f1", "icc"))
            rows.append([f"renders, {look}", f"`{name}`", *means])
    judged = {"faces, 15 action units": JUDGED_FACES, "faces, all 18": 0}
    for words, least in judged.items():
        for name, file in (("resnet18", "realfaces.csv"), ("fast", "realfaces_fast.csv")):
            table = _coded(file, name, least)
            rows.append([words, f"`{name}`", *(number(table[c].mean(), 3) for c in ("auc", "f1")), "–"])
    return rows_to_markdown(["pictures", "weights", "AUC", "F1", "ICC"], rows)


def face_differences() -> str:
    """AUC of the default detector less that of other programs on coded faces, by action unit."""
    table = pd.read_csv(RESULTS / "face_differences.csv").query("reader == 'resnet18'")
    others = {"openface2": "OpenFace 2", "blendshapes": "blendshapes"}
    by_au = {key: table[table["other"] == key].set_index("au") for key in others}
    rows = []
    for au in dict.fromkeys(table.query("other == 'openface2'")["au"]):
        cells = [_difference(by_au[key].loc[au]) if au in by_au[key].index else "–" for key in others]
        rows.append(["**mean**" if au == "mean" else named_au(au), *cells])
    return rows_to_markdown(["AU", *(f"AUC less that of {name}" for name in others.values())], rows)


def mean_differences() -> str:
    """Mean AUC of both detectors on coded faces, less that of each other and of other programs."""
    table = pd.read_csv(RESULTS / "face_differences.csv").query("au == 'mean'")
    names = {"resnet18": "`resnet18`", "fast": "`fast`", "openface2": "OpenFace 2", "blendshapes": "blendshapes"}
    rows = [[f"{names[r.reader]} less {names[r.other]}", _difference(r)] for r in table.itertuples()]
    return rows_to_markdown(["", "mean AUC"], rows)


def _difference(row: Any) -> str:
    return _signed(row.difference, row.low, row.high)


def mesh_steps() -> str:
    """What more training on renders does to the mesh network's layers, on renders and on coded faces."""
    renders, name = pd.read_csv(RESULTS / "mesh_steps_renders.csv"), "mesh_steps_faces.csv"
    runs: dict[tuple[int, int, float], list[list[float]]] = {}
    for run in dict.fromkeys(renders["run"]):
        steps, _, people, _, *more = run.split("-")  # "400-steps-9000-people-rate-1.5-seed-32"
        kind = int(steps), int(people), float(dict(zip(more[::2], more[1::2], strict=True)).get("rate", 0.5))
        auc = renders[renders["run"] == run].groupby("data")["auc"].mean()
        faces = (_coded(name, run, least)["auc"].mean() for least in (JUDGED_FACES, 0))
        runs.setdefault(kind, []).append([auc["synthau-studio"], auc["synthau-wild"], *faces])
    rows = [
        [*(str(value) for value in kind), str(len(scores)), *map(_mean_and_range, zip(*scores, strict=True))]
        for kind, scores in sorted(runs.items())
    ]
    heads = ["more steps", "people", "rate of the layers", "trainings", "renders, studio", "renders, wild"]
    return rows_to_markdown([*heads, "faces, 15 action units", "faces, all 18"], rows)


def mesh_reach() -> str:
    """What it brings that the mesh network's layers go on beyond where training brought them."""
    table = pd.read_csv(RESULTS / "mesh_reach.csv")
    readers = {"layers": "the layers alone", "fast": "`fast`", "resnet18": "`resnet18`"}
    columns = {f"{data}_{key}": f"{data}: {text}" for data in ("renders", "faces") for key, text in readers.items()}
    rows = [[number(row["reach"]), *(number(row[c], 3) for c in columns)] for row in table.to_dict("records")]
    return rows_to_markdown(["factor", *columns.values()], rows)


def _mean_and_range(values: Sequence[float]) -> str:
    """The mean, and between which values it lies where there are several."""
    mean = number(sum(values) / len(values), 3)
    return mean if len(values) == 1 else f"{mean} ({number(min(values), 3)}-{number(max(values), 3)})"


def _coded(name: str, reader: str, least: int) -> pd.DataFrame:
    """Rows of one reader of coded faces, of the action units that so many faces show at least."""
    table = pd.read_csv(RESULTS / name)
    return table[(table["reader"] == reader) & (table["present"] >= least)].drop_duplicates("au")


def real_agreement(weights: str = "resnet18") -> str:
    """Pearson r of detected intensities with the readings of MediaPipe on the real clip."""
    table = pd.read_csv(RESULTS / f"{weights}_real.csv")

    def told(row: Any, r: float) -> str:
        return number(r) if row.varies else f"({number(r)})"

    rows = [
        [
            named_au(row.au),
            number(row.spread, 3),
            *(told(row, r) for r in (row.r, row.presence_r)),
            number(row.highest, 1),
        ]
        for row in table.itertuples()
    ]
    medians = [f"**{number(table.loc[table['varies'], name].median())}**" for name in ("r", "presence_r")]
    return rows_to_markdown(
        ["AU", "spread of the blendshape", "r of intensity", "r of presence", "highest intensity"],
        [*rows, ["**median of those that vary**", "", *medians, ""]],
    )


def detector_shares() -> str:
    """Mean AUC by the share of the landmark branch in the mean of both, on renders and on coded faces."""
    table = pd.read_csv(RESULTS / "detector_shares.csv")
    kinds = ("presence", "intensity", "both", "with_blendshapes")
    faces = next(name for name in table["data"] if name != "renders")
    sets = [table[table["data"] == name].set_index("landmark_share") for name in ("renders", faces)]
    rows = [[number(share, 1), *(number(d.loc[share, k], 3) for d in sets for k in kinds)] for share in sets[0].index]
    heads = [f"{name}: {kind.replace('_', ' ')}" for name in ("renders", "faces") for kind in kinds]
    return rows_to_markdown(["share of the landmarks", *heads], rows)


def reliability() -> str:
    """How far probabilities are off, and F1 of decisions, as released and set on other people."""
    table = pd.read_csv(RESULTS / "reliability.csv")
    decided = pd.read_csv(RESULTS / "decisions.csv").set_index("data")
    rows = []
    for name, bins in table.groupby("data", sort=False):
        off = (bins["said"] - bins["present"]).abs() @ bins["cells"] / bins["cells"].sum()
        f1 = [number(decided.loc[name, c], 3) if name in decided.index else "–" for c in ("f1_judged", "f1")]
        rows.append([str(name), str(bins["cells"].sum()), number(off, 3), *f1])
    heads = ["pictures", "faces times action units", "probabilities off by", "F1 of 15 action units", "F1 of all 18"]
    return rows_to_markdown(heads, rows)


def real_clips() -> str:
    """Mean r of detected intensities with MediaPipe's readings over real clips, of both detectors."""
    files = {"`actionunits`": "realclips.csv", "`fast`": "realclips_fast.csv"}
    tables = {name: pd.read_csv(RESULTS / file).query("varies") for name, file in files.items()}
    means = {name: table.groupby("au")["r"].mean() for name, table in tables.items()}
    clips = next(iter(tables.values())).groupby("au")["clip"].size()
    rows = [[named_au(str(au)), str(count), *(number(r[au]) for r in means.values())] for au, count in clips.items()]
    medians = [f"**{number(table['r'].median())}**" for table in tables.values()]
    rows.append(["**median of all pairs**", f"**{clips.sum()}**", *medians])
    return rows_to_markdown(["AU", "clips in which it varies", *(f"r of {name}" for name in files)], rows)


def detector_branches() -> str:
    """AUC of each branch and of their mean by action unit, on renders and on coded faces."""
    table = pd.read_csv(RESULTS / "detector_branches.csv")
    faces = next(name for name in table if name.endswith("_image") and not name.startswith("renders"))
    sets = {"renders": "renders", "faces": faces.removesuffix("_image")}
    branches = ("image", "landmarks", "both")
    rows = [
        [named_au(row["au"]), *(number(row[f"{column}_{b}"]) for column in sets.values() for b in branches)]
        for row in table.to_dict("records")
    ]
    return rows_to_markdown(["AU", *(f"{name}: {branch}" for name in sets for branch in branches)], rows)


def detector_readings() -> str:
    """Mean AUC on coded photographs, by how the branches of the released weights are read."""
    table = pd.read_csv(RESULTS / "detector_readings.csv")
    rows = [[r.reading, str(r.image_passes), number(r.auc, 3), number(r.au04)] for r in table.itertuples()]
    return rows_to_markdown(["read", "passes of the image branch", "mean AUC", "AUC of AU4"], rows)


def detector_sides() -> str:
    """How often the stronger side is told on renders."""
    table = pd.read_csv(RESULTS / "detector_sides.csv")
    rows = [[named_au(row.au), str(row.frames), f"{row.told:.0%}"] for row in table.itertuples()]
    return rows_to_markdown(["AU", "frames whose sides differ by more than 1", "stronger side told"], rows)


READERS = {"actionunits": "`actionunits`", "openface2": "OpenFace 2", "blendshapes": "blendshapes"}
GROUP_NAMES = {"glasses": "glasses", "beard": "facial hair", "dark_skin": "dark skin", "woman": "women"}


def face_groups() -> str:
    """AUC of groups of coded photographs beside that of all others."""
    table = pd.read_csv(RESULTS / "face_groups.csv")
    heads = ["group", "faces", "people", "reader", "AUC", "AUC of the others", "difference"]
    rows = [
        [GROUP_NAMES[r.group], str(r.faces), str(r.people), READERS[r.reader], number(r.auc), number(r.auc_others)]
        + [_signed(r.difference, r.low, r.high)]
        for r in table.itertuples()
    ]
    return rows_to_markdown(heads, rows)


def covered() -> str:
    """Which share of faces with something before them is flagged, and of those with nothing."""
    table = pd.read_csv(RESULTS / "covered.csv")
    heads = ["pictures", "before the face", "faces", "of the face", "`covered`", "F1"]
    heads += [f"at 5%: {name}" for name in ("this reading", "confidence", "skin colour", "two halves")]
    rows = [
        [r.data, r.before_the_face, str(r.faces), f"{r.covered_share:.0%}", f"{r.noticed:.0%}", number(r.f1)]
        + [f"{share:.0%}" for share in (r.learned_at_5, r.finder_at_5, r.skin_at_5, r.halves_at_5)]
        for r in table.itertuples()
    ]
    return rows_to_markdown(heads, rows)


def render_factors() -> str:
    """Scores of the same rendered people with one thing changed."""
    table = pd.read_csv(RESULTS / "render_factors.csv")
    heads = ["what", "from", "to", "frames", "faces found", "AUC", "difference", "F1", "difference"]
    rows = [
        [r.factor, r.without, r.with_it, str(r.frames), f"{r.found:.0%}", number(r.auc_without, 3)]
        + [_signed(r.auc_difference, r.auc_low, r.auc_high), number(r.f1_without, 3)]
        + [_signed(r.f1_difference, r.f1_low, r.f1_high)]
        for r in table.itertuples()
    ]
    return rows_to_markdown(heads, rows)


def _signed(value: float, low: float, high: float) -> str:
    """A difference with its 95% interval."""
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def quality_limits() -> str:
    """F1 of frames that were made smaller, blurred or darker."""
    table = pd.read_csv(RESULTS / "quality_limits.csv")
    heads = ["frames", "face found", "pixels between the eyes", "fine detail", "grey level", "F1"]
    rows = [
        [
            r.change,
            f"{r.found:.0%}",
            number(r.eye_distance_px, 0),
            f"{r.detail:.0%}",
            number(r.grey_level, 0),
            number(r.f1),
        ]
        for r in table.itertuples()
    ]
    return rows_to_markdown(heads, rows)


def real_faces() -> str:
    """Scores on faces coded by eye, of the released detector and of others."""
    table = pd.read_csv(RESULTS / "realfaces.csv")
    readers = {"resnet18": "`actionunits`", "openface2": "OpenFace 2", "blendshapes": "blendshapes"}
    by = {name: table[table["reader"] == name].set_index("au") for name in readers}
    ours = by["resnet18"]
    scores = [(name, column) for name in readers for column in ("auc", "f1") if by[name][column].notna().any()]
    rows = [
        [
            named_au(str(au)),
            f"{row.present:.0f} of {row.faces:.0f}",
            number(row.kappa),
            *(number(by[name].loc[au, column]) for name, column in scores),
        ]
        for au, row in ours.iterrows()
    ]
    means = [f"**{number(by[name][column].mean(), 3)}**" for name, column in scores]
    rows.append(["**mean**", "", f"**{number(ours['kappa'].mean())}**", *means])
    heads = [f"{readers[name]} {column.upper()}" for name, column in scores]
    return rows_to_markdown(["AU", "faces with it", "kappa of the coders", *heads], rows)


def quantized(name: str = "quantized") -> str:
    """Scores and time of a released graph in float32 and in 8-bit integers."""
    table = pd.read_csv(RESULTS / f"{name}.csv")
    sets = {"studio": "renders, studio", "wild": "renders, wild"}
    scores = ("auc", "f1", "icc", "level_r")
    rows = [
        [
            sets.get(row["data"], "faces coded by eye"),
            row["arithmetic"],
            *(number(row[name], 3) for name in scores),
        ]
        for row in table.to_dict("records")
    ]
    fastest = table.groupby("arithmetic")[["ms_batch_1", "ms_batch_8"]].min()
    times = " ".join(
        f"In {kind}, a face takes {number(row.ms_batch_1, 1)} ms alone and {number(row.ms_batch_8, 1)} among eight."
        for kind, row in fastest.iterrows()
    )
    heads = ["faces", "arithmetic", "AUC", "F1", "ICC", "r of level"]
    return rows_to_markdown(heads, rows) + f"\n{times} (One core, {table['processor'].iloc[0]}.)\n"


# Tables of `evaluate --faces`, one for each released detector.
OF_NETWORKS = ("fast", "renet", "renet-student", "eacnet", "ofnet", "hybrid", "tcae")
FACES = ("realfaces.csv", *(f"realfaces_{network}.csv" for network in OF_NETWORKS))


def real_readers() -> str:
    """Mean scores of every reader on faces coded by eye."""
    table = pd.concat(pd.read_csv(RESULTS / name) for name in FACES)
    names = {"resnet18": "`resnet18`, the default detector"} | {network: f"`{network}`" for network in OF_NETWORKS}
    names |= {"hybrid": "`hybrid`, single pictures"}
    names |= {"openface2": "OpenFace 2", "blendshapes": "blendshapes of MediaPipe"}
    rows = []
    for reader, text in names.items():
        scores = table[table["reader"] == reader].drop_duplicates("au")
        rows.append([text, *(number(scores[name].mean(), 3) for name in ("auc", "auc_intensity", "f1"))])
    return rows_to_markdown(["reader", "AUC of presence", "AUC of intensity", "F1 of decisions"], rows)
