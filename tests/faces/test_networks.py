"""The networks that come with the finder: what MediaPipe reads in a photograph, and how boxes are joined."""

import cv2
import numpy as np
import pytest
import torch

from actionunits.faces import FaceFinder, torch_network
from actionunits.faces.boxes import average_overlapping
from actionunits.faces.detect import FaceDetector
from actionunits.faces.mesh import MeshReader, Region
from actionunits.faces.network import MODELS, PictureNetwork
from actionunits.types import Frame

# Inner lips, mouth corners, lids, irises, brows, chin and nose in a fixed region, by the graph of MediaPipe 0.10.21.
MESH_OF_THE_ASTRONAUT = {
    13: (222.93, 143.08, -5.15),
    14: (222.56, 150.03, -2.98),
    61: (201.55, 139.16, 7.61),
    291: (244.82, 140.23, 7.78),
    159: (202.34, 96.89, -1.72),
    145: (202.52, 103.50, -0.48),
    386: (247.79, 99.56, -1.89),
    374: (246.47, 106.15, -0.67),
    468: (202.84, 100.56, 0.37),
    473: (246.03, 103.01, 0.19),
    105: (198.12, 85.65, -6.81),
    334: (253.91, 87.79, -7.05),
    152: (222.31, 178.33, 8.26),
    4: (224.19, 125.68, -24.32),
}


def test_the_mesh_is_that_of_mediapipe(astronaut: np.ndarray) -> None:
    reading = MeshReader()(astronaut, Region(np.array([224.0, 125.0]), 180.0, 0.05))
    assert reading.mesh_px.shape == (478, 3) and reading.mesh_px.dtype == np.float32
    # The values were read with OpenCV 4, and OpenCV 5 rounds less when it cuts out the region.
    found, expected = reading.mesh_px[list(MESH_OF_THE_ASTRONAUT)], list(MESH_OF_THE_ASTRONAUT.values())
    np.testing.assert_allclose(found, expected, atol=0.05)
    assert reading.presence == pytest.approx(1, abs=1e-4)


def test_a_wall_has_no_presence(astronaut: np.ndarray) -> None:
    assert MeshReader()(np.full_like(astronaut, 90), Region(np.array([224.0, 125.0]), 180.0, 0.0)).presence < 0.01


def test_boxes_are_those_of_mediapipe(astronaut: np.ndarray) -> None:
    detector = FaceDetector()
    (whole,) = detector.whole(astronaut)
    np.testing.assert_allclose(whole.box_xyxy_px, [177.0, 82.32, 271.94, 177.26], atol=0.1)
    np.testing.assert_allclose(whole.points_px[[0, 3]], [[200.67, 104.45], [219.14, 148.02]], atol=0.1)
    assert whole.score == pytest.approx(0.9232, abs=1e-3)
    (close,) = detector.close_up(astronaut[50:178, 160:288])
    np.testing.assert_allclose(close.box_xyxy_px, [12.87, 21.84, 115.25, 124.22], atol=0.1)
    assert close.score == pytest.approx(0.9219, abs=1e-3)


@pytest.mark.parametrize("crop", [np.s_[:, 100:330], np.s_[20:230, :]])
def test_pictures_of_any_shape_are_seen_whole(astronaut: np.ndarray, crop: tuple[slice, slice]) -> None:
    detector = FaceDetector()
    (square,) = detector.whole(astronaut)
    (part,) = detector.whole(astronaut[crop])
    corner = [crop[1].start or 0, crop[0].start or 0]
    eyes_nose_mouth = slice(4)
    np.testing.assert_allclose((part.points_px + corner)[eyes_nose_mouth], square.points_px[eyes_nose_mouth], atol=6)


def test_a_lower_limit_lets_doubtful_faces_pass(astronaut: np.ndarray) -> None:
    faint = cv2.GaussianBlur((128 + (astronaut[:300, 60:360] - 128.0) * 0.07).astype(np.uint8), (0, 0), 3)
    assert FaceDetector().whole(faint) == []
    (doubtful,) = FaceDetector(0.1).whole(faint)
    assert 0.1 <= doubtful.score < 0.5


def test_overlapping_boxes_become_their_average_by_score() -> None:
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [0, 2, 10, 12], [3, 3, 3, 3]], float)
    points = np.arange(4)[:, None, None] * np.ones((4, 6, 2))
    first, second, empty = average_overlapping(boxes, points, np.array([0.75, 0.9, 0.25, 0.1]))
    assert first.score == 0.9 and (first.box_xyxy_px == boxes[1]).all()
    np.testing.assert_allclose(second.box_xyxy_px, [0, 0.5, 10, 10.5])
    np.testing.assert_allclose(second.points_px, 0.5)
    assert (second.score, empty.score) == (0.75, 0.1)


def test_the_finders_of_a_process_share_their_networks() -> None:
    first, second = MeshReader(), MeshReader()
    assert first._network is not second._network and first._network._session is second._network._session


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pictures in each pass in torch."""
    sizes: list[int] = []
    passed = torch_network.TorchNetwork._passed
    monkeypatch.setattr(
        torch_network.TorchNetwork, "_passed", lambda self, given: sizes.append(len(given)) or passed(self, given)
    )
    return sizes


@pytest.mark.parametrize("name", ["attention_mesh", "short_range", "full_range"])
def test_a_batch_in_torch_is_read_as_one_picture_after_the_other(
    name: str, astronaut: np.ndarray, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = PictureNetwork(MODELS / f"{name}.onnx", "cpu:0")
    near, far, noise = astronaut[40:180, 155:295], astronaut[:300, 60:360], np.random.default_rng(0)
    pictures = [cv2.resize(part, (network.side_px,) * 2) for part in (near, far, near[:, ::-1], np.rot90(near))]
    pictures.append(noise.integers(0, 256, pictures[0].shape, np.uint8))
    monkeypatch.setattr(torch_network, "MOST_AT_ONCE", 3)
    for found, expected in zip(network.many(pictures), map(network, pictures), strict=True):
        for values, one_by_one in zip(found, expected, strict=True):
            assert values.shape == one_by_one.shape
            np.testing.assert_allclose(values, one_by_one, atol=1e-3)  # pixels, and scores from 0 to 1
    assert passes == [3, 2]
    network.many(pictures[:3])
    assert passes == [3, 2]  # so few are read sooner one by one


def test_the_short_factors_of_a_gpu_hardly_move_a_point(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NVIDIA's TF32 keeps ten bits of the mantissa of what is multiplied."""

    def short(value: torch.Tensor) -> torch.Tensor:
        return ((value.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)

    convolved, path = torch_network._OPERATIONS["Conv"], MODELS / "attention_mesh.onnx"
    monkeypatch.setitem(
        torch_network._OPERATIONS,
        "Conv",
        lambda value, weight, *bias, **settings: convolved(short(value), short(weight), *bias, **settings),
    )
    picture = cv2.resize(astronaut[40:180, 155:295], (192, 192))
    mesh, _ = torch_network._graph.__wrapped__(path, "cpu")[0](torch.from_numpy(picture)[None])
    distance = np.abs(mesh.numpy() - PictureNetwork(path)(picture)[0])
    assert 1e-4 < distance.max() < 0.05


def test_a_finder_on_a_device_finds_the_same_in_few_passes(astronaut: np.ndarray, passes: list[int]) -> None:
    scene = np.zeros((400, 760, 3), np.uint8)
    scene[100:300] = np.tile(astronaut[20:220, 130:320], (1, 4, 1))
    frames = [Frame(np.roll(scene, 3 * k, 1), k, k / 25, "four") for k in range(2)]
    found = []
    for device in ("cpu", "cpu:0"):
        with FaceFinder(video=True, device=device) as finder:
            found.append([face for frame in frames for face in finder(frame)])
    assert passes == [6, 4]  # the tiles of the first frame, and the faces that the second one follows
    for here, there in zip(*found, strict=True):
        assert here.face_id == there.face_id
        np.testing.assert_allclose(there.mesh_px, here.mesh_px, atol=0.1)
