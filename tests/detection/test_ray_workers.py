"""A Ray cluster of two machines, simulated here: one outcome and one part for each input, whatever dies."""

import os
import secrets
import signal
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import cv2
import pandas as pd
import pytest

from actionunits.detection.detector import Detector
from actionunits.detection.inputs import find_inputs
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.run import Run
from actionunits.errors import UserError
from actionunits.media import VideoWriter, open_media

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is missing")]
CLIPS, FRAMES, KILLED = 40, 4, ("clip03.mp4", "clip20.mp4", "clip33.mp4")


@pytest.fixture(scope="module")
def cluster():
    """Two machines with a core each."""
    # They trust each other alone. Ray reads this when it is imported.
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_AUTH_MODE", "token")
        patched.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        yield from _two_machines()


def _two_machines():
    import ray
    from ray.cluster_utils import Cluster

    bare = {"num_cpus": 1, "include_log_monitor": False}  # what watches a cluster is not needed
    made = Cluster(initialize_head=True, head_node_args={**bare, "include_dashboard": False, "no_monitor": True})
    made.second = made.add_node(**bare)
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def clips(mini_dir, tmp_path_factory):
    """A folder of short clips, one of them damaged."""
    folder = tmp_path_factory.mktemp("bulk") / "clips"
    folder.mkdir()
    with open_media(str(next((mini_dir / "studio" / "clips").glob("*.mp4")))) as media:
        frames = [cv2.resize(frame.image_rgb, (128, 128)) for frame in islice(media, FRAMES)]
    for number in range(CLIPS):
        with VideoWriter(folder / f"clip{number:02d}.mp4", fps=25) as writer:
            for frame in frames:
                writer.write(frame)
    (folder / "clip07.mp4").write_bytes(b"no video")
    return folder


def dying_detector(weights: Path, markers: Path, names: tuple[str, ...], always: bool = False):
    """Makes a detector whose process is killed in the middle of these inputs: once for each, or always."""

    class Dying(Detector):
        def stream_frames(self, *arguments, **settings):
            for number, result in enumerate(super().stream_frames(*arguments, **settings)):
                marker = markers / Path(result.frame.source).name
                if number == FRAMES // 2 and marker.name in names and (always or not marker.exists()):
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                yield result

    return partial(Dying, weights=weights)


def frames_of(out: Path) -> dict[str, list[int]]:
    table = pd.read_parquet(out / "table", columns=["file", "frame", "face_id"])
    name = table["file"].astype(str).map(lambda file: Path(file).name)
    return table.groupby(name)["frame"].apply(sorted).to_dict()


def test_workers_that_are_killed_lose_and_double_nothing(cluster, clips, tiny_weights, tmp_path):
    out = tmp_path / "out"
    inputs = find_inputs([str(clips)], out, "dataset")
    run = Run(dying_detector(tiny_weights, tmp_path, KILLED), AnalysisOptions(), on="ray")
    shares = []
    statuses = {Path(o.source).name: o.status for o in run.over(inputs, lambda *told: shares.append(told))}
    good = {f"clip{number:02d}.mp4" for number in range(CLIPS)} - {"clip07.mp4"}
    assert statuses == dict.fromkeys(good, "done") | {"clip07.mp4": "failed"}
    assert all((tmp_path / name).exists() for name in KILLED)
    assert frames_of(out) == {name: list(range(1, FRAMES + 1)) for name in good}
    assert not [path for path in out.rglob(".*")] and len(list((out / "table").iterdir())) == len(good)
    assert all(0 <= share <= 1 for _, share in shares)
    again = Run(partial(Detector, weights=tiny_weights), AnalysisOptions(), skip_done=True, on="ray")
    assert {o.status for o in again.over(inputs) if o.card} == {"done before"}


def test_an_input_that_kills_every_worker_is_set_aside(cluster, clips, tiny_weights, tmp_path):
    inputs = find_inputs([str(clips / f"clip0{k}.mp4") for k in (1, 2, 3)], tmp_path / "out", "dataset")
    run = Run(dying_detector(tiny_weights, tmp_path, ("clip02.mp4",), always=True), AnalysisOptions(), on="ray")
    outcomes = {Path(o.source).name: o for o in run.over(inputs)}
    assert {name: o.status for name, o in outcomes.items()} == {
        "clip01.mp4": "done",
        "clip02.mp4": "failed",
        "clip03.mp4": "done",
    }
    assert "ended from outside" in str(outcomes["clip02.mp4"].error) and len(frames_of(tmp_path / "out")) == 2


def test_a_detector_that_cannot_be_made_ends_the_run(cluster, clips, tmp_path):
    inputs = find_inputs([str(clips / "clip01.mp4")], tmp_path / "out", "dataset")
    run = Run(partial(Detector, weights=tmp_path / "lost.safetensors"), AnalysisOptions(), on="ray")
    with pytest.raises(UserError, match=r"a worker of the cluster cannot start: .*lost.safetensors"):
        list(run.over(inputs))


def test_a_machine_that_leaves_takes_nothing_with_it(cluster, clips, tiny_weights, tmp_path):
    inputs = find_inputs([str(clips / "clip1*.mp4")], tmp_path / "out", "dataset")
    run = Run(partial(Detector, weights=tiny_weights), AnalysisOptions(), jobs=2, on="ray")
    outcomes = run.over(inputs)
    statuses = [outcome.status for outcome in islice(outcomes, 4)]  # by then, both are at work
    cluster.remove_node(cluster.second, allow_graceful=False)
    statuses += [outcome.status for outcome in outcomes]
    assert statuses == ["done"] * 10
    assert set(map(len, frames_of(tmp_path / "out").values())) == {FRAMES}
