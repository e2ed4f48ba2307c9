"""Tables of src/actionunits/models/ofnet/README.md, for `tables.py`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parents[1] / "results"
AREAS = {"all": "all pixels", "au": "near AU centres"}


def ofnet_flow() -> str:
    """End-point error of every flow, and its ratio to that of no motion."""
    table = pd.read_csv(RESULTS / "ofnet_flow.csv")
    methods = list(dict.fromkeys(table["method"]))
    lines = ["| flow | " + " | ".join(f"{name}, px | of no motion" for name in AREAS.values()) + " |"]
    lines.append("|---|" + "---:|" * 2 * len(AREAS))
    for method in methods:
        cells = [method]
        for area in AREAS:
            row = table[(table["area"] == area) & (table["method"] == method)].iloc[0]
            interval = "" if row["ratio_low"] == row["ratio_high"] else f" ({row.ratio_low:.2f}-{row.ratio_high:.2f})"
            cells += [f"{row.error_px:.2f}", f"{row.ratio:.2f}{interval}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def ofnet_folds() -> str:
    """Mean F1, AUC and accuracy over three folds, with intervals over people."""
    table = pd.read_csv(RESULTS / "ofnet_folds_small.csv")
    means = table[(table["fold"] == "mean") & (table["au"] == "average")]
    bp4d, disfa = (means[means["data"] == name] for name in ("bp4d", "disfa"))
    rows = {
        "DIS of two frames + AU-Net": bp4d[bp4d["scale"] == "variant=dis"],
        "OF-Net + AU-Net, joint": bp4d[bp4d["scale"] == "variant=joint"],
        "OF-Net + AU-Net, separate": bp4d[bp4d["scale"] == "variant=separate"],
        "joint, brought to DISFA's layout": disfa,
    }
    lines = ["| system | F1 | AUC | accuracy |", "|---|---:|---:|---:|"]
    for name, found in rows.items():
        row = found.iloc[0]
        cells = [f"{row[m]:.3f} ({row[f'{m}_low']:.3f}-{row[f'{m}_high']:.3f})" for m in ("f1", "auc")]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {row['accuracy']:.3f} |")
    return "\n".join(lines) + "\n"


def ofnet_separate() -> str:
    """Joint against separate training on the people of all three folds."""
    table = pd.read_csv(RESULTS / "ofnet_separate_small.csv")
    lines = ["| score | joint | separate | joint - separate | p, sign flips |", "|---|---:|---:|---:|---:|"]
    for metric, name in {"f1": "F1", "auc": "AUC"}.items():
        row = table[(table["metric"] == metric) & (table["au"] == "mean")].iloc[0]
        difference = f"{row.difference:.3f} ({row.low:.3f} to {row.high:.3f})"
        lines.append(f"| {name} | {row.a:.3f} | {row.b:.3f} | {difference} | {row.p_flip:.2f} |")
    return "\n".join(lines) + "\n"


def ofnet_losses() -> str:
    """Scores and error of flow of joint training without one of its losses, on the people of one fold."""
    table = pd.read_csv(RESULTS / "ofnet_losses.csv").set_index(["run", "measure"])
    names = {
        "variant=joint": "all losses",
        "pixel_weight=0": "no pixel loss",
        "smooth_weight=0": "no smoothness",
        "dssim_weight=0": "no DSSIM",
        "au_weight=0.3": "AU loss at a hundredth",
        "variant=separate": "no AU loss on OF-Net (separate)",
    }
    lines = ["| losses | F1 | - all losses | AUC | - all losses | flow error, of no motion | near AU centres |"]
    lines.append("|---|" + "---:|" * 6)
    for run, name in names.items():
        cells = [name]
        for metric in ("f1", "auc"):
            row = table.loc[(run, metric)]
            difference = f"{row.difference:.3f} ({row.difference_low:.3f} to {row.difference_high:.3f})"
            cells += [f"{row.value:.3f}", "" if pd.isna(row.difference) else difference]
        for area in AREAS:
            row = table.loc[(run, f"flow_{area}")]
            cells.append(f"{row.value:.2f} ({row.low:.2f}-{row.high:.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def ofnet_cost() -> str:
    """What a step and a prediction cost, at both sizes."""
    table = pd.read_csv(RESULTS / "benchmark_ofnet.csv")
    sizes = list(dict.fromkeys(zip(table["width"], table["image_size"], strict=True)))
    lines = ["| measured | " + " | ".join(f"{width} channels, {size} px" for width, size in sizes) + " |"]
    lines.append("|---|" + "---:|" * len(sizes))
    for name, unit in dict.fromkeys(zip(table["measured"], table["unit"], strict=True)):
        here = table[table["measured"] == name].set_index(["width", "image_size"])["value"]
        digits = 0 if unit == "%" else 1
        lines.append("| " + " | ".join([name, *(f"{here[size]:.{digits}f} {unit}" for size in sizes)]) + " |")
    return "\n".join(lines) + "\n"
