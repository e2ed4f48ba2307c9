"""Tables of src/actionunits/models/ofnet/README.md, for `tables.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from markdown_rows import number, rows_to_markdown, tests_in_points

RESULTS = Path(__file__).parents[2] / "results"
AREAS = {"all": "all pixels", "au": "near AU centres"}
FAR_OFF = 10  # times the error of no motion: what is drawn is then something else
GROWTH = (50_000, 75_000, 100_000)  # pictures
# Files of `actionunits compare` in results/ofnet_tests.
TESTS = {
    "joint_dis": "joint less DIS + AU-Net",
    "joint_separate": "joint less separate",
    "joint_resnet18": "joint less ResNet-18",
    "joint_hog": "joint less HOG",
    "repeated_once": "DIS + AU-Net: scarce AUs 4 to 7 times less once",
}
TRANSFER_TESTS = {
    "disfa_dis": "DIS + AU-Net: from BP4D's layout less from scratch",
    "disfa_joint": "joint: from BP4D's layout less from scratch",
}


def ofnet_flow() -> str:
    """End-point error of every flow, and its ratio to that of no motion."""
    table = pd.read_csv(RESULTS / "ofnet_flow.csv").set_index(["method", "area"])
    rows = []
    for method in dict.fromkeys(table.index.get_level_values("method")):
        cells = [method]
        for area in AREAS:
            row = table.loc[(method, area)]
            interval = "" if row["ratio_low"] == row["ratio_high"] else f" ({row.ratio_low:.2f}-{row.ratio_high:.2f})"
            cells += [f"{row.error_px:.2f}", f"{row.ratio:.2f}{interval}"]
        rows.append(cells)
    return rows_to_markdown(
        ["flow", *(cell for name in AREAS.values() for cell in (f"{name}, px", "of no motion"))], rows
    )


def _scores(name: str, scales: dict[str, tuple[str, str]]) -> str:
    """Means over folds of F1, AUC and accuracy; scales: protocol and settings of each run by its name there.

    The last row needs no picture: F1 of "always present", accuracy of the more frequent answer.
    """
    table = pd.read_csv(RESULTS / name)
    means = table[(table["fold"] == "mean") & (table["au"] == "average")].set_index(["protocol", "scale"])
    rows = []
    for words, key in scales.items():
        row = means.loc[key]
        cells = [f"{row[m]:.3f} ({row[f'{m}_low']:.3f}-{row[f'{m}_high']:.3f})" for m in ("f1", "auc")]
        rows.append([words, *cells, number(row["accuracy"], 3)])
    rate = table[table["fold"] == "mean"].drop_duplicates("au").query("au != 'average'")["base_rate"]
    f1, accuracy = (2 * rate / (1 + rate)).mean(), np.maximum(rate, 1 - rate).mean()
    rows.append(["one answer for every frame", number(f1, 3), "0.500", number(accuracy, 3)])
    return rows_to_markdown(["system", "F1", "AUC", "accuracy"], rows)


def ofnet_folds() -> str:
    """Scores over three folds of renders in BP4D's layout."""
    resnet18 = "image_size=64, width=16, every=2, batch_size=16, epochs=20"
    scales = {
        "DIS of two frames + AU-Net": "variant=dis, epochs=20",
        "OF-Net + AU-Net, joint": "variant=joint, epochs=40, warmup_epochs=20",
        "OF-Net + AU-Net, separate": "variant=separate, epochs=20",
        "DIS + AU-Net, 17 epochs": "variant=dis, epochs=17",
        "DIS + AU-Net, 4 epochs with scarce AUs 4 to 7 times": "variant=dis, epochs=4, balance=repeat",
        "ResNet-18 on the picture": resnet18,
        "HOG of the picture": "every=2",
    }
    return _scores("ofnet_folds_small.csv", {words: ("folds", scale) for words, scale in scales.items()})


def ofnet_disfa() -> str:
    """Scores over three folds of renders in DISFA's layout, by where training starts."""
    settings = "every=1, epochs=6, warmup_epochs=2, variant="
    scales = {
        "DIS + AU-Net, from scratch": ("folds", f"{settings}dis"),
        "DIS + AU-Net, from BP4D's layout": ("finetune", f"{settings}dis"),
        "joint, from scratch": ("folds", f"{settings}joint"),
        "joint, from BP4D's layout": ("finetune", f"{settings}joint"),
    }
    return _scores("ofnet_disfa_small.csv", scales)


def ofnet_tests() -> str:
    """Paired differences over the people of BP4D's layout."""
    return tests_in_points(RESULTS / "ofnet_tests", TESTS)


def ofnet_transfer_tests() -> str:
    """Paired differences over the people of DISFA's layout."""
    return tests_in_points(RESULTS / "ofnet_tests", TRANSFER_TESTS)


def ofnet_controlled() -> str:
    """Scores and error of flow of every row, means of the seeds with the lowest and the highest."""
    table = pd.read_csv(RESULTS / "ofnet_controlled.csv")
    rows = []
    for name, group in table.groupby("row", sort=False):
        cells = [_of_seeds(group[metric], 3) for metric in ("auc", "f1")]
        errors = [group[f"flow_{area}"].dropna() for area in AREAS]
        cells += ["not a motion" if values.max() > FAR_OFF else _of_seeds(values, 2) for values in errors]
        rows.append([str(name), "–" if name == "always present" else str(len(group)), *cells])
    return rows_to_markdown(["", "trainings", "AUC", "F1", "flow error, of no motion", "near AU centres"], rows)


def ofnet_steps() -> str:
    """Rows of the controlled comparison after few steps and after many, and how far off their flow is then."""
    parts = [pd.read_csv(RESULTS / f"ofnet_{name}.csv") for name in ("controlled", "steps")]
    table = pd.concat(parts).sort_values(["before", "steps"], kind="stable")
    chosen = table[table["row"].isin(parts[1]["row"]) & (table["row"] != "always present") & (table["seed"] == 0)]
    order = list(dict.fromkeys(parts[1]["row"]))
    rows = []
    for row in sorted(chosen.to_dict("records"), key=lambda row: order.index(row["row"])):
        cells = [f"{row[m]:.3f} ({row[f'{m}_low']:.3f}-{row[f'{m}_high']:.3f})" for m in ("auc", "f1")]
        errors = [number(row[f"flow_{area}"], 2) for area in AREAS]
        rows.append([str(row["row"]), f"{row['before']:,} and {row['steps']:,}", *cells, *errors])
    heads = ["", "steps of OF-Net, and of the rest", "AUC", "F1", "flow error, of no motion", "near AU centres"]
    return rows_to_markdown(heads, rows)


def ofnet_people() -> str:
    """Rows of the controlled comparison, after many steps, and of trained weights."""
    return _new_and_seen("ofnet_people.csv")


def ofnet_mesh() -> str:
    """The same rows with the layers of the mesh network and without."""
    return _new_and_seen("ofnet_mesh.csv")


def _new_and_seen(name: str) -> str:
    """Rows of the controlled comparison on new people, and on people whom they were trained on."""
    table = pd.read_csv(RESULTS / name)
    floor = table["row"] == "always present"
    rows = []
    for row in pd.concat([table[floor][:1], table[~floor]]).to_dict("records"):
        auc = f"{row['auc']:.3f} ({row['auc_low']:.3f}-{row['auc_high']:.3f})"
        about = ["–"] * 3
        if row["row"] != "always present":
            about = [f"{row['people']:,}", str(row["width"]), f"{row['before']:,} and {row['steps']:,}"]
        rest = [number(row[name], digits) for name, digits in (("seen_auc", 3), ("flow_au", 2), ("seen_flow_au", 2))]
        rows.append([row["row"], *about, auc, *rest])
    heads = ["", "people", "channels", "steps of OF-Net, and of the rest", "AUC, new people", "AUC, of training"]
    return rows_to_markdown([*heads, "flow error near AU centres, new people", "of training"], rows)


def _of_seeds(values: pd.Series, digits: int) -> str:
    spread = f" ({values.min():.{digits}f}–{values.max():.{digits}f})" if len(values) > 1 else ""
    return f"{number(values.mean(), digits)}{spread}"


def ofnet_longer() -> str:
    """How AUC grows in longer runs, their scores on new people, and the error of their flow."""
    table = pd.read_csv(RESULTS / "ofnet_longer.csv")
    names = {
        "variant=joint": "joint",
        "encoder=mesh": "joint, layers that know faces",
        "variant=dis": "DIS + AU-Net",
    }
    rows = []
    for run, name in names.items():
        here = table[table["run"] == run]
        log = here[here["measure"].str.startswith("validation_auc")].sort_values("pictures")
        grown = [log.iloc[(log["pictures"] - pictures).abs().argmin()]["value"] for pictures in GROWTH]
        scores = here.set_index("measure")
        cells = [_interval(scores.loc[m], 3) for m in ("auc", "f1")]
        flow = [_interval(scores.loc[f"flow_{area}"]) for area in AREAS]
        rows.append([name, *(number(value, 3) for value in grown), *cells, *flow])
    columns = [f"AUC after {pictures:,}" for pictures in GROWTH]
    return rows_to_markdown(
        ["run", *columns, "AUC, 41 people", "F1", "flow error, of no motion", "near AU centres"], rows
    )


def _interval(row: pd.Series, digits: int = 2) -> str:
    return f"{row.value:.{digits}f} ({row.low:.{digits}f}-{row.high:.{digits}f})"


def ofnet_cost() -> str:
    """What a step and a prediction cost, at both sizes."""
    table = pd.read_csv(RESULTS / "benchmark_ofnet.csv")
    sizes = list(dict.fromkeys(zip(table["width"], table["image_size"], strict=True)))
    rows = []
    for name, unit in dict.fromkeys(zip(table["measured"], table["unit"], strict=True)):
        here = table[table["measured"] == name].set_index(["width", "image_size"])["value"]
        rows.append([name, *(f"{here[size]:.{0 if unit == '%' else 1}f} {unit}" for size in sizes)])
    return rows_to_markdown(["measured", *(f"{width} channels, {size} px" for width, size in sizes)], rows)
