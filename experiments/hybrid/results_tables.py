"""Tables of the hybrid network's README and of docs/analyses.md, for `tables.py`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from markdown_rows import number, rows_to_markdown, tests_in_points

from actionunits.evaluation.published import table

RESULTS = Path(__file__).parents[2] / "results"
NETWORKS = {"HOG": "hog", "ANet": "hybrid:anet", "LSTM": "hybrid:lstm", "fusion": "hybrid"}
TABLES = {"hybrid-table2": "BP4D", "hybrid-table1": "GFT"}
TESTS = {
    "fusion_anet": "BP4D: fusion less ANet",
    "lstm_anet": "BP4D: LSTM less ANet",
    "anet_hog": "BP4D: ANet less HOG",
    "tuned_anet": "BP4D: ANet trained on less ANet",
    "tuned_fusion_anet": "BP4D: fusion less ANet, trained on",
    "tuned_anet_hog": "BP4D: ANet trained on less HOG",
    "transfer_anet": "BP4D: ANet^T less ANet",
    "transfer_hog": "BP4D: ANet^T less HOG",
    "ten2_fusion_anet": "BP4D, 10 folds: fusion less ANet",
    "ten2_lstm_anet": "BP4D, 10 folds: LSTM less ANet",
    "gft_fusion_anet": "GFT: fusion less ANet",
    "gft_lstm_anet": "GFT: LSTM less ANet",
    "gft_anet_hog": "GFT: ANet less HOG",
    "gft_transfer_anet": "GFT: ANet^T less ANet",
    "gft_transfer_hog": "GFT: ANet^T less HOG",
    "ten_fusion_anet": "GFT, 10 folds: fusion less ANet",
    "ten_lstm_anet": "GFT, 10 folds: LSTM less ANet",
}


def _percent(row: pd.Series, metric: str) -> str:
    """A score with its interval over people."""
    return f"{100 * row[metric]:.1f} ({100 * row[f'{metric}_low']:.1f}–{100 * row[f'{metric}_high']:.1f})"


def _name(row: pd.Series) -> str:
    """How the paper calls the network of a run."""
    network = next(name for name, model in NETWORKS.items() if model == row["model"])
    return f"{network}^T" if pd.notna(row["train_data"]) else network + ", trained on" * _trained_on(row)


def _trained_on(row: pd.Series) -> bool:
    """Whether the CNN of other people went on with a fold's own."""
    return "epochs=1," in row["scale"] and pd.isna(row["train_data"])


def _of_ten(row: pd.Series) -> bool:
    """Whether a run has ten folds."""
    return str(row["division"]).startswith("10")


def _place(row: pd.Series) -> tuple[int, bool, bool, bool, int]:
    """Where a run stands among the others: by table, folds, and network."""
    network = list(NETWORKS.values()).index(row["model"])
    return list(TABLES).index(row["table"]), _of_ten(row), pd.notna(row["train_data"]), _trained_on(row), network


def _printed(row: pd.Series) -> str:
    """The average that the paper prints for the network of a run."""
    protocol = "transfer" if pd.notna(row["train_data"]) else "folds-10" if _of_ten(row) else "folds-3"
    found = [r.average for r in table(row["table"]).rows if r.model == row["model"] and r.protocol == protocol]
    return number(found[0], 1) if found and found[0] is not None else "–"


def hybrid_networks() -> str:
    """Averages of every run of Tables I and II."""
    runs = pd.read_csv(RESULTS / "hybrid_small.csv", dtype={"fold": str, "train_data": str})
    runs = runs[(runs["fold"] == "mean") & (runs["au"] == "average")]
    rows = []
    for _, run in sorted(runs.iterrows(), key=lambda item: _place(item[1])):
        where = f"{TABLES[run['table']]}, {'10' if _of_ten(run) else '3'} folds"
        others = [number(100 * run[metric], 1) for metric in ("f1_norm", "f1_event")]
        scores = [_percent(run, "f1"), *others, _percent(run, "auc")]
        rows.append([f"{where}: {_name(run)}", _printed(run), *scores])
    return rows_to_markdown(["", "paper: F1", "F1-frame", "F1-norm", "F1-event", "AUC"], rows)


def hybrid_tests() -> str:
    """Differences on the same frames, in points."""
    return tests_in_points(RESULTS / "hybrid_tests", TESTS)


def hybrid_onsets() -> str:
    """How far off each network is where events begin and end."""
    networks = {"HOG": "hog", "ANet": "hybrid-anet", "LSTM": "hybrid-lstm", "fusion": "hybrid"}
    return _onset_rows("hybrid_onsets.csv", networks)


def _onset_rows(file: str, networks: dict[str, str], medians: bool = False) -> str:
    """A row for each network of a table of `report onsets`."""
    found = pd.read_csv(RESULTS / file).set_index("model")
    header = ["", "events found", "detected per true one", "onset off, frames", "offset off, frames"]
    rows = []
    for network, folder in networks.items():
        r = found.loc[folder]
        off = [f"{r[w]:.1f} ({r[f'{w}_low']:.1f}–{r[f'{w}_high']:.1f})" for w in ("onset", "offset")]
        rows.append([network, f"{r['found']:.0%}", number(r["detected_per_true"], 1), *off])
        if medians:
            rows[-1] += [number(r[f"{w}_median"], 1) for w in ("onset", "offset")]
    return rows_to_markdown([*header, *["onset off, median", "offset off, median"][: 2 * medians]], rows)


def hybrid_lstm() -> str:
    """AUC of the LSTMs with the rules of the paper, one by one."""
    found = pd.read_csv(RESULTS / "hybrid_lstm.csv")
    rows = []
    for run, group in found.groupby("run", sort=False):
        of = group.set_index("frames")
        cells = [f"{100 * of.loc[part, 'auc']:.1f}" for part in ("first", "later")]
        rows.append([run, _percent(of.loc["all"].rename({"low": "auc_low", "high": "auc_high"}), "auc"), *cells])
    return rows_to_markdown(["", "AUC of all frames", "of the first ten of a clip", "of later ones"], rows)


CLIPS = {"test": "good pictures", "test-worse": "worse pictures", "calm": "calm"}


def _over_seeds(found: pd.DataFrame, metric: str) -> str:
    """Mean over trainings, and the lowest and highest where there are several."""
    values = 100 * found[metric]
    mean = f"{values.mean():.1f}"
    return mean if len(values) == 1 else f"{mean} ({values.min():.1f}–{values.max():.1f})"


def _time_rows(found: pd.DataFrame, column: str, metrics: tuple[str, ...]) -> list[list[str]]:
    """A row for each value of `column`, with the metrics of each kind of test clips."""
    rows = []
    for name, group in found.groupby(column, sort=False):
        cells = [_over_seeds(group[group["test"] == test], metric) for test in CLIPS for metric in metrics]
        rows.append([str(name), *cells])
    return rows


def _time_header(words: tuple[str, ...]) -> list[str]:
    return ["", *(f"{clips}: {word}" for clips in CLIPS.values() for word in words)]


def hybrid_time() -> str:
    """The later stages on clips that begin anywhere, beside arithmetic on the CNN's scores."""
    found = pd.read_csv(RESULTS / "hybrid_time.csv")
    return rows_to_markdown(_time_header(("AUC", "F1-event")), _time_rows(found, "row", ("auc", "f1_event")))


def hybrid_corrections() -> str:
    """LSTMs that correct the CNN's scores, beside arithmetic, and what they gain in AUC over a moving average."""
    found = pd.read_csv(RESULTS / "hybrid_corrections.csv")
    found = found[~found["row"].str.contains("lowest")]
    rows = _time_rows(found, "row", ("auc", "f1_event"))
    for row, (_, group) in zip(rows, found.groupby("row", sort=False), strict=True):
        mean = group.groupby("test")[["gain", "gain_low", "gain_high"]].mean().mul(100)
        row.extend(
            "–" if pd.isna(g.gain) else f"{g.gain:+.1f} ({g.gain_low:+.1f} to {g.gain_high:+.1f})"
            for g in (mean.loc[test] for test in CLIPS)
        )
    header = [*_time_header(("AUC", "F1-event")), *(f"{clips}: AUC above the mean of 7" for clips in CLIPS.values())]
    return rows_to_markdown(header, rows)


def hybrid_clips() -> str:
    """The released hybrid network on new people's clips, beside its CNN and the default detector."""
    hybrid, detector = (pd.read_csv(RESULTS / name) for name in ("hybrid_corrections.csv", "over_time.csv"))
    hybrid = hybrid[hybrid["seed"].fillna(0) == 0]
    readers = {
        "`hybrid`": hybrid[hybrid["row"] == "corrections from each score"],
        "its CNN, frame by frame": hybrid[hybrid["row"] == "CNN, frame by frame"],
        "its CNN, mean of 7 frames": hybrid[hybrid["row"] == "CNN, mean of 7 frames"],
        "`resnet18`, the default detector": detector[detector["reading"] == "frame by frame"],
        "`resnet18`, mean of 7 frames": detector[detector["reading"] == "mean of 7 frames"],
        "always present": hybrid[hybrid["row"] == "always present"],
    }
    found = pd.concat(table.assign(reader=name) for name, table in readers.items())
    return rows_to_markdown(_time_header(("AUC", "F1-event")), _time_rows(found, "reader", ("auc", "f1_event")))


def hybrid_released_onsets() -> str:
    """How far off the released networks are where events begin and end."""
    return _onset_rows("hybrid_released_onsets.csv", {"`hybrid`": "hybrid", "its CNN": "cnn"}, medians=True)


def over_time() -> str:
    """The default detector's outputs over time."""
    found = pd.read_csv(RESULTS / "over_time.csv")
    found["reading"] = found["reading"].str.replace(r"network, seed \d+", "recurrent network", regex=True)
    words, metrics = ("AUC", "F1-event", "ICC"), ("auc", "f1_event", "icc")
    real = pd.read_csv(RESULTS / "over_time_real.csv")
    real["reading"] = real["reading"].str.replace(r"network, seed \d+", "recurrent network", regex=True)
    followed = real.groupby("reading")[["r", "flicker"]].mean()
    rows = [
        [*row, f"{followed.loc[row[0], 'r']:.2f}", f"{followed.loc[row[0], 'flicker']:.3f}"]
        for row in _time_rows(found, "reading", metrics)
    ]
    return rows_to_markdown([*_time_header(words), "real: r with blendshapes", "real: flicker"], rows)


def _looks_ahead() -> pd.DataFrame:
    """Rows of over_time_ahead.csv, with names that tell fewer training clips, by the frames that they see ahead."""
    found = pd.read_csv(RESULTS / "over_time_ahead.csv")
    clips = found["training_clips"]
    fewer = (clips > 0) & (clips < clips.max())
    found.loc[fewer, "reading"] += " of " + clips[fewer].astype(str) + " training clips"
    found["frames"] = found["ahead"].astype(str).replace("-1", "all")
    network = found["reading"].str.contains("network")
    return found.assign(network=network).sort_values(["frames", "network"], kind="stable")


def over_time_ahead() -> str:
    """Small networks over the detector's outputs, and arithmetic, by the frames that they see ahead."""
    rows = []
    for (frames, name), group in _looks_ahead().groupby(["frames", "reading"], sort=False):
        cells = [_over_seeds(group[group["test"] == test], m) for test in CLIPS for m in ("auc", "f1_event")]
        rows.append([str(name), str(frames), *cells])
    return rows_to_markdown(["", "frames ahead", *_time_header(("AUC", "F1-event"))[1:]], rows)


def over_time_gains() -> str:
    """What the networks gain above the best mean that sees as many frames ahead, in points."""
    found = _looks_ahead()
    rows = []
    for (frames, name, best), group in found[found["network"]].groupby(
        ["frames", "reading", "best_mean"], sort=False
    ):
        rows.append([str(name), str(frames), str(best)])
        for test in CLIPS:
            of = group[group["test"] == test]
            low, high, auc = (100 * of[column].mean() for column in ("gain_low", "gain_high", "gain"))
            event = 100 * of["event_gain"]
            rows[-1] += [f"{auc:+.1f} ({low:+.1f} to {high:+.1f})"]
            rows[-1] += [f"{event.mean():+.1f} ({event.min():+.1f} to {event.max():+.1f})"]
    return rows_to_markdown(["", "frames ahead", "beside", *_time_header(("AUC", "F1-event"))[1:]], rows)


def over_time_ceilings() -> str:
    """Scores of the detector with parts of its errors taken off."""
    found = pd.read_csv(RESULTS / "over_time_ceilings.csv")
    return rows_to_markdown(_time_header(("AUC", "F1-event")), _time_rows(found, "taken_off", ("auc", "f1_event")))


def over_time_errors() -> str:
    """Shares of the parts of the detector's errors."""
    found = pd.read_csv(RESULTS / "over_time_errors.csv").set_index("test")
    parts = {"same": "the same in all of a clip", "slow": "slower than a second", "fast": "faster"}
    rows = [
        [clips, f"{found.loc[test, 'error']:.2f}", *(f"{found.loc[test, part]:.0%}" for part in parts)]
        for test, clips in CLIPS.items()
    ]
    return rows_to_markdown(["", "error, log-odds", *parts.values()], rows)


def over_time_onsets() -> str:
    """How far off the detector is where events begin, by the rise of the intensity."""
    found = pd.read_csv(RESULTS / "over_time_onsets.csv")
    rows = []
    for r in found[~found["part"].str.startswith("AU")].itertuples():
        part = {"all": "all", "slow": "slowest third", "middle": "middle third", "fast": "fastest third"}[r.part]
        shares = [f"{value:.0%}" for value in (r.missed, r.on_at_first, r.within, r.early, r.late, r.far)]
        onset_f1 = "–" if pd.isna(r.onset_f1) else f"{100 * r.onset_f1:.0f}"
        of = [r.reading, r.thresholds, part, str(r.events), number(r.rise, 2), shares[0], shares[1]]
        rows.append([*of, number(r.mean, 1), number(r.median, 1), *shares[2:], onset_f1])
    header = [
        "reading",
        "thresholds for",
        "events",
        "number",
        "rise a frame",
        "missed",
        "on at first",
        "off, mean",
        "off, median",
    ]
    header += ["within 2", "earlier", "later", "by over 10", "F1 of onsets within 2"]
    return rows_to_markdown(header, rows)


def hybrid_people() -> str:
    """Divergence between people, and what the nearest frames share, by kind of features."""
    found = pd.read_csv(RESULTS / "hybrid_people.csv")
    rows = [
        [
            r.features,
            f"{r.divergence:,.0f} ± {r.divergence_sd:,.0f}",
            f"{r.same_person:.0%} ({r.same_person_low:.0%}–{r.same_person_high:.0%})",
            f"{r.AU12_around:.0%}",
            f"{r.AU12_around_others:.0%}",
        ]
        for r in found.itertuples()
    ]
    header = ["features", "divergence", "same person", "AU12, around frames with it", "AU12, around others"]
    chance = f"Of the same person by chance: {found['by_chance'].iloc[0]:.1%}.\n"
    return rows_to_markdown(header, rows) + "\n" + chance
