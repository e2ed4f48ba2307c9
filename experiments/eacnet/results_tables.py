"""Tables of src/actionunits/models/eacnet/README.md, for `tables.py`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from markdown_rows import number, rows_to_markdown, tests_in_points

from actionunits.evaluation.published import table

RESULTS = Path(__file__).parents[2] / "results"
NETWORKS = {"FVGG": "eacnet:fvgg", "E-Net": "eacnet:enet", "EAC-Net": "eacnet"}
TESTS = {
    "enet_fvgg": "E-Net less FVGG",
    "eacnet_enet": "EAC-Net less E-Net",
    "eacnet_fvgg": "EAC-Net less FVGG",
    "upscaling": "EAC-Net, with less without upscaling",
    "aligned_eacnet-fvgg": "FVGG, aligned less upright",
    "aligned_eacnet-enet": "E-Net, aligned less upright",
    "aligned_eacnet": "EAC-Net, aligned less upright",
    "disfa_enet_fvgg": "on DISFA: E-Net less FVGG",
    "disfa_eacnet_enet": "on DISFA: EAC-Net less E-Net",
}


def _averages() -> pd.DataFrame:
    """Means over folds and AUs of every run."""
    rows = pd.read_csv(RESULTS / "eacnet_small.csv")
    return rows[(rows["fold"] == "mean") & (rows["au"] == "average")]


def _scores(row: pd.Series) -> list[str]:
    """F1 with its interval, accuracy, AUC with its interval, of one run."""
    f1, auc = (
        f"{100 * row[m]:.1f} ({100 * row[f'{m}_low']:.1f}–{100 * row[f'{m}_high']:.1f})" for m in ("f1", "auc")
    )
    return [f1, f"{100 * row['accuracy']:.1f}", auc]


def _printed(key: str, network: str) -> str:
    """The average that the paper prints for a network."""
    average = next(row.average for row in table(key).rows if row.model == NETWORKS[network])
    return number(average, 1)


def eacnet_networks() -> str:
    """Tables III and IV, without the upscaling layer, and Table V's upright faces."""
    averages = _averages()
    aligned = averages[(averages["table"] == "eacnet-table3") & ~averages["scale"].str.contains("upscale")]
    plain = averages[averages["scale"].str.contains("upscale=false")].iloc[0]
    upright = averages[averages["table"] == "eacnet-table5"]
    rows = []
    for name, model in NETWORKS.items():
        ours = aligned[aligned["model"] == model].iloc[0]
        rows.append([name, _printed("eacnet-table3", name), _printed("eacnet-table4", name), *_scores(ours)])
    rows.append(["EAC-Net without upscaling", "about 1 less", "–", *_scores(plain)])
    rows += [
        [f"{name}, faces not aligned", "–", "–", *_scores(ours)]
        for name, model in NETWORKS.items()
        for _, ours in upright[upright["model"] == model].iterrows()
    ]
    return rows_to_markdown(["", "paper: F1", "paper: accuracy", "ours: F1", "ours: accuracy", "ours: AUC"], rows)


def eacnet_transfer() -> str:
    """Tables VI and VII, and the same regression on the wild renders."""
    averages = _averages()
    runs = averages[averages["table"] == "eacnet-table6"]
    rows = []
    for data in dict.fromkeys(runs["data"]):
        here = runs[runs["data"] == data].set_index("model")
        for name, model in ((name, model) for name, model in NETWORKS.items() if model in here.index):
            ours = here.loc[model]
            papers = [_printed(key, name) if data == "disfa" else "–" for key in ("eacnet-table6", "eacnet-table7")]
            rows.append([f"{data}: {name}", *papers, *_scores(ours)])
    return rows_to_markdown(["", "paper: F1", "paper: accuracy", "ours: F1", "ours: accuracy", "ours: AUC"], rows)


def eacnet_tests() -> str:
    """Differences of F1 and AUC on the same frames, in points."""
    return tests_in_points(RESULTS / "eacnet_tests", TESTS)


def eacnet_cost() -> str:
    """Times and ratios of `benchmarks/eacnet.py`, by size and number of pictures at once."""
    cost = pd.read_csv(RESULTS / "benchmark_eacnet.csv")
    networks = cost[cost["width"] > 0]
    cases = list(dict.fromkeys(zip(networks["width"], networks["image_size"], networks["pictures"], strict=True)))
    header = ["", *(f"{width} channels, {size} px, {count} at once" for width, size, count in cases)]
    rows = []
    for measured, unit in dict.fromkeys(zip(networks["measured"], networks["unit"], strict=True)):
        here = networks[networks["measured"] == measured].set_index(["width", "image_size", "pictures"])["value"]
        digits = 0 if unit == "GFLOP/s" else 2 if unit == "ratio" else 1
        rows.append([f"{measured}, {unit}", *(f"{here[case]:.{digits}f}" for case in cases)])
    return rows_to_markdown(header, rows)


def eacnet_alignment_time() -> str:
    """What comes before the network, per picture."""
    cost = pd.read_csv(RESULTS / "benchmark_eacnet.csv").set_index("measured")["value"]
    found = cost["landmarks"]
    rows = [
        ["landmarks and alignment", "2500 ms", f"{found + cost['registered crop']:.1f} ms"],
        ["landmarks alone, crop upright", "30 ms", f"{found + cost['upright crop']:.1f} ms"],
        ["what alignment adds", "2470 ms", f"{cost['registered crop'] - cost['upright crop']:.2f} ms"],
    ]
    return rows_to_markdown(["", "paper", "ours"], rows)


def _of_seeds(values: pd.Series) -> str:
    """Mean of the seeds in percent, and where there are several the lowest and the highest."""
    spread = f" ({100 * values.min():.1f}–{100 * values.max():.1f})" if len(values) > 1 else ""
    return f"{100 * values.mean():.1f}{spread}"


def eacnet_equal() -> str:
    """The networks after as many steps, and other models on the same frames."""
    return _with_seeds(pd.concat(pd.read_csv(RESULTS / f"eacnet_{name}.csv") for name in ("equal", "rivals")))


def eacnet_features() -> str:
    """A regression on the features of the same networks, on people of another look."""
    return _with_seeds(pd.read_csv(RESULTS / "eacnet_transfer.csv"))


def _with_seeds(table: pd.DataFrame) -> str:
    rows = []
    for name, group in table.groupby("row", sort=False):
        scores = [_of_seeds(group[metric]) for metric in ("auc", "f1", "accuracy")]
        rows.append([str(name), "–" if name == "always present" else str(len(group)), *scores])
    return rows_to_markdown(["", "seeds", "AUC", "F1", "accuracy"], rows)


def pairs(name: str) -> str:
    """Differences on the same frames, with intervals over people and trainings, from a file of results/."""
    table = pd.read_csv(RESULTS / name)
    rows = []
    for (first, second), group in table.groupby(["first", "second"], sort=False):
        of = group.set_index("metric")
        cells = [
            f"{100 * of.loc[m, 'difference']:+.1f} ({100 * of.loc[m, 'low']:+.1f} to {100 * of.loc[m, 'high']:+.1f})"
            for m in ("auc", "f1")
        ]
        rows.append([f"{first} less {second}", *cells])
    return rows_to_markdown(["", "AUC, points", "F1, points"], rows)


def eacnet_start() -> str:
    """What recipes from random weights came to."""
    table = pd.read_csv(RESULTS / "eacnet_start.csv", keep_default_na=False)
    names = {model.partition(":")[2] or model: name for name, model in NETWORKS.items()}
    rows = [
        [
            names[row.variant],
            f"{row.optimizer}, {row.lr:g}",
            "no" if row.plain else "yes",
            row.teacher or "–",
            str(row.steps),
            number(row.auc, 3),
        ]
        for row in table.itertuples()
    ]
    return rows_to_markdown(["network", "optimiser, rate", "normalised", "teacher", "steps", "AUC"], rows)


def eacnet_places() -> str:
    """Mean AUC of the seeds where landmarks or faces are elsewhere."""
    table = pd.read_csv(RESULTS / "eacnet_places.csv")
    mean = table.groupby(["kind", "amount", "network"], sort=False)["auc"].mean()
    rows = []
    for kind, unit in (("each landmark", "%"), ("all landmarks", "%"), ("turned", "°"), ("shifted", "%")):
        for amount in mean[kind].index.unique(0):
            if amount or not rows:
                cells = [f"{100 * mean[kind, amount, name]:.1f}" for name in NETWORKS]
                rows.append([f"{kind}: {amount:g}{unit}" if amount else "as they are", *cells])
    return rows_to_markdown(["", *NETWORKS], rows)


def new_people(*names: str) -> str:
    """Released weights on rendered people whom they have not seen, from files of results/ about the same people."""
    table = pd.concat(pd.read_csv(RESULTS / name) for name in names).drop_duplicates("reader", keep="last")
    rows = []
    for row in table.itertuples():
        name = row.reader if row.reader == "always present" else f"`{row.reader}`"
        auc = f"{row.auc:.3f} ({row.auc_low:.3f}–{row.auc_high:.3f})"
        rows.append([name, auc, number(row.f1, 3), number(row.icc, 3)])
    return rows_to_markdown(["reader", "AUC", "F1", "ICC(3,1) of intensity"], rows)
