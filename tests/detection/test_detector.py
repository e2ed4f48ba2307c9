import dataclasses
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from small_models import SMALL
from staged_faces import StagedFinder, picture, video_frames, write_video
from threadpoolctl import threadpool_info, threadpool_limits

import actionunits.detection.detector as detect_module
from actionunits.aus import SYNTH_AUS, au_label
from actionunits.detection import calibration
from actionunits.detection.calibration import (
    Calibration,
    NeutralReference,
    RestCollector,
    RestSoFar,
    logit_of,
    prob_of,
    reference_of,
)
from actionunits.detection.detector import Detector, without_image
from actionunits.detection.smoothing import Smoother
from actionunits.detection.spool import ResultSpool
from actionunits.errors import DamagedInputError, UserError
from actionunits.faces.align import box_transform, cut_out, register, transform_points
from actionunits.models import find_model
from actionunits.models.batch import Batch, Output
from actionunits.scores.resting import MIN_FRAMES
from actionunits.training.checkpoint import save_checkpoint
from actionunits.types import Frame, Prediction


@pytest.fixture
def staged(monkeypatch):
    monkeypatch.setattr(detect_module, "FaceFinder", StagedFinder)


@pytest.fixture
def detector(staged, tiny_weights):
    return Detector(weights=tiny_weights)


@pytest.mark.parametrize("source", [None, b"a.png", 7])
def test_what_is_no_input_is_refused_in_words(detector, source):
    with pytest.raises(UserError, match="an input is a path"):
        detector.detect(source)
    with pytest.raises(UserError, match="an input is a path"):
        list(detector.stream(source))


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((0, 4, 3), np.uint8),
        None,
    ],
    ids=["grey", "alpha", "float", "empty", "none"],
)
def test_pictures_of_another_form_are_refused_in_words(detector, picture):
    with pytest.raises(UserError, match=r"frame 0: a picture is an array of uint8, \(H, W, 3\), RGB"):
        list(detector.stream_frames([Frame(picture, 0, 0.0, "memory")], video=False))


def pipeline_threads():
    return [thread for thread in threading.enumerate() if thread.name == "bounded"]


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_every_frame_gives_one_result_in_order(detector):
    counts = [1, 0, 2, 3, 0, 0, 1, 5, 1, 1, 0]
    results = list(detector.stream_frames(iter(video_frames(counts)), video=True))
    assert [r.frame.index for r in results] == list(range(len(counts)))
    assert [len(r.faces) for r in results] == counts == [len(r.predictions) for r in results]


def test_batches_across_frames_give_what_each_face_gives_alone(detector):
    results = list(detector.stream_frames(iter(video_frames([2, 1, 0, 3, 1, 2, 2])), video=True))
    for result in results:
        for face, prediction in zip(result.faces, result.predictions, strict=True):
            crop = register(result.frame.image_rgb, face.landmarks_px, 64)
            (alone,) = detector.predict_crops(crop[None])
            np.testing.assert_allclose(prediction.au_prob, alone.au_prob, atol=1e-5)
            np.testing.assert_allclose(prediction.au_intensity, alone.au_intensity, atol=1e-4)
    # The faces are told apart at all.
    first, second = results[0].predictions
    assert np.abs(first.au_prob - second.au_prob).max() > 1e-3


def test_a_crowd_passes_the_model_in_parts(detector, monkeypatch):
    sizes = []
    predict = detector.predict_crops
    monkeypatch.setattr(detector, "predict_crops", lambda c, *points: sizes.append(len(c)) or predict(c, *points))
    detector.batch_size = 2
    (result,) = detector.stream_frames(video_frames([5]), video=True)
    assert sizes == [2, 2, 1] and len(result.predictions) == 5


def test_thresholds_of_the_weights_decide_about_presence(detector):
    (result,) = detector.stream_frames(video_frames([1]), video=True)
    (prediction,) = result.predictions
    expected = np.array([detector.header["thresholds"][au_label(au)] for au in SYNTH_AUS], np.float32)
    np.testing.assert_array_equal(prediction.au_present, prediction.au_prob >= expected)
    assert prediction.aus == SYNTH_AUS


def test_chosen_aus_are_those_columns_of_the_model(staged, tiny_weights, detector):
    few = Detector(weights=tiny_weights, aus=(25, 1, 12))
    assert few.aus == (1, 12, 25)
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    at = [SYNTH_AUS.index(au) for au in few.aus]
    for all_18, three in zip(detector.predict_crops(crops), few.predict_crops(crops), strict=True):
        np.testing.assert_allclose(three.au_prob, all_18.au_prob[at], rtol=1e-6)
        np.testing.assert_array_equal(three.au_present, all_18.au_present[at])
    np.testing.assert_array_equal(few.neutral_logit, detector.neutral_logit[at])


def test_unusable_settings_are_refused_in_one_line(tiny_weights, tmp_path):
    pickle = tmp_path / "model.pt"
    pickle.write_bytes(b"\x80\x04.")
    changed = tmp_path / "changed.safetensors"
    content = bytearray(tiny_weights.read_bytes())
    content[-5] ^= 1
    changed.write_bytes(content)
    for settings, words in (
        ({"model": "resnet19"}, "not a known model"),
        ({"weights": tmp_path / "none.safetensors"}, "none.safetensors"),
        ({"weights": pickle}, "pickle"),
        ({"weights": changed}, "changed"),
        ({"weights": tiny_weights, "aus": (1, 27)}, "does not report AU27"),
        ({"weights": tiny_weights, "device": "cuda:77"}, "not a device"),
        ({"weights": tiny_weights, "device": "gpu"}, "not a device"),
        ({"weights": tiny_weights, "batch_size": 0}, "batch size"),
        ({"weights": tiny_weights, "smoothing_s": 0}, "smoothing"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            Detector(**settings)
        assert "\n" not in str(caught.value)


class Recorder:
    """A model without intensities that keeps its batches."""

    def __init__(self):
        self.batches = []

    def __call__(self, batch: Batch) -> Output:
        self.batches.append(batch)
        return Output(au_logit=batch.image.mean(dim=(1, 2, 3))[:, None].repeat(1, len(SYNTH_AUS)))


def test_the_model_sees_rgb_from_0_to_1_and_mesh_and_landmarks_in_crop_coordinates(detector):
    detector._engine.model = recorder = Recorder()
    (result,) = detector.stream_frames(video_frames([2]), video=True)
    (batch,) = recorder.batches
    crops = np.stack([register(result.frame.image_rgb, f.landmarks_px, 64) for f in result.faces])
    np.testing.assert_allclose(batch.image.permute(0, 2, 3, 1).numpy(), crops / 255, atol=1e-6)
    # The staged mesh carries the mean face, whose place in the crop is known.
    from actionunits.faces.mean_face import template_landmarks

    np.testing.assert_allclose(batch.mesh[0, :68, :2].numpy(), template_landmarks(), atol=1e-4)
    assert batch.mesh_valid.tolist() == [True, True]
    np.testing.assert_allclose(batch.landmarks.numpy(), np.stack([template_landmarks()] * 2), atol=1e-4)


def test_weights_of_faces_that_were_not_aligned_get_such_faces(staged, tmp_path):
    entry = find_model("resnet18")
    save_checkpoint(
        tmp_path / "w.safetensors",
        entry.model(entry.config(image_size=64, width=2), (1, 2)),
        {"data": {"aligned": False}},
    )
    detector = Detector(weights=tmp_path / "w.safetensors")
    detector._engine.model = recorder = Recorder()
    (result,) = detector.stream_frames(video_frames([1]), video=True)
    ((face,), (batch,)) = result.faces, recorder.batches
    matrix = box_transform(face.landmarks_px, 64)
    np.testing.assert_allclose(
        batch.image[0].permute(1, 2, 0).numpy(), cut_out(result.frame.image_rgb, matrix, 64) / 255, atol=1e-6
    )
    expected = (transform_points(face.landmarks_px, matrix) + 0.5) / 64
    np.testing.assert_allclose(batch.landmarks[0].numpy(), expected, atol=1e-4)


def test_a_face_without_mesh_is_marked_so(detector):
    detector._engine.model = recorder = Recorder()
    meshes = np.full((2, 478, 3), 0.5, np.float32)
    meshes[1] = np.nan
    predictions = detector.predict_crops(np.zeros((2, 64, 64, 3), np.uint8), meshes)
    (batch,) = recorder.batches
    assert batch.mesh_valid.tolist() == [True, False] and batch.mesh.isfinite().all()
    # This model has no intensities: they are unknown, not 0.
    assert np.isnan(predictions[0].au_intensity).all() and predictions[0].au_prob[0] == 0.5


def test_the_next_batch_is_found_while_the_model_works(detector):
    """Else the finder waits for the model at every batch, and the model for the finder."""
    handed_out, size, ready = 0, detector.batch_size, threading.Event()
    predict = detector.predict_crops

    def frames():
        nonlocal handed_out
        for frame in video_frames([1] * 5 * size):
            handed_out += 1
            yield frame
            if handed_out > 2 * size + detect_module.QUEUE_FRAMES:
                ready.set()

    def slow(*arguments):
        assert ready.wait(10), f"{handed_out} frames handed out while {size} are in the model"
        return predict(*arguments)

    detector.predict_crops = slow
    assert len(list(detector.stream_frames(frames(), video=True))) == 5 * size


def test_blas_has_one_thread_while_frames_are_worked_on(detector):
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        results = detector.stream_frames(video_frames([1] * 3), video=True)
        next(results)
        assert threads() == {1}
        results.close()
        assert 2 in threads()


def test_crops_of_another_size_or_type_are_refused(detector):
    with pytest.raises(ValueError, match="uint8"):
        detector.predict_crops(np.zeros((1, 63, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        detector.predict_crops(np.zeros((1, 64, 64, 3), np.float32))
    assert detector.predict_crops(np.zeros((0, 64, 64, 3), np.uint8)) == []


def test_decoding_waits_for_the_consumer(detector):
    handed_out = 0

    def frames():
        nonlocal handed_out
        for frame in video_frames([1] * 200):
            handed_out += 1
            yield frame

    results = detector.stream_frames(frames(), video=True)
    next(results)
    time.sleep(0.3)
    # Four decoded frames, a batch before the model, in it and behind it, and one frame in the hands of each stage.
    assert handed_out <= detect_module.QUEUE_FRAMES + 3 * detector.batch_size + 8
    assert len(list(results)) == 199


def test_leaving_early_or_raising_ends_all_threads(detector):
    assert wait_until(lambda: not pipeline_threads())
    results = detector.stream_frames(iter(video_frames([1] * 100)), video=True)
    next(results)
    results.close()
    assert wait_until(lambda: not pipeline_threads())

    def consumer():
        for k, _ in enumerate(detector.stream_frames(iter(video_frames([1] * 100)), video=True)):
            if k == 5:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consumer()
    assert wait_until(lambda: not pipeline_threads())


@pytest.mark.parametrize("stage", ["decode", "find", "predict"])
def test_an_error_in_a_stage_reaches_the_caller(detector, monkeypatch, stage):
    def fail(*_):
        raise ZeroDivisionError(stage)

    def frames():
        yield from video_frames([1] * 20)
        if stage == "decode":
            fail()

    if stage == "find":
        monkeypatch.setattr(StagedFinder, "__call__", fail)
    if stage == "predict":
        detector._engine.run = fail
    with pytest.raises(ZeroDivisionError, match=stage):
        list(detector.stream_frames(frames(), video=True))
    assert wait_until(lambda: not pipeline_threads())


def test_the_threads_of_other_work_are_left_alone(detector):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        list(detector.stream_frames(video_frames([1] * 3), video=True))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_live_results_do_not_wait_for_later_frames(detector):
    seen = threading.Semaphore(0)

    def camera():
        for frame in video_frames([1] * 5):
            yield frame
            # The next picture is taken only when this one's result was seen.
            assert seen.acquire(timeout=10)

    for _ in detector.stream_frames(camera(), video=True, live=True):
        seen.release()


def test_a_photograph_is_searched_without_tracking(detector, monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(detect_module, "FaceFinder", lambda **k: made.append(k) or StagedFinder(**k))
    Image.fromarray(picture(2)).save(tmp_path / "two.png")
    found = detector.detect(tmp_path / "two.png")
    assert [m["video"] for m in made] == [False]
    assert found.table["face"].tolist() == [0, 1] and found.damage is None
    assert found.frames[0].frame.image_rgb.shape == (120, 200, 3)


def test_a_damaged_video_gives_the_frames_before_the_damage(detector, tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, [1] * 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    stream, results = detector.stream(path), []
    with pytest.raises(DamagedInputError, match="damaged after"):
        for result in stream:
            results.append(result)
    assert 0 < len(results) < 60
    found = detector.detect(path)
    assert len(found.frames) == len(results) and "damaged after" in found.damage


def test_a_real_photograph_gives_one_face_with_numbers(tiny_weights, astronaut, tmp_path):
    Image.fromarray(astronaut).save(tmp_path / "astronaut.jpg")
    found = Detector(weights=tiny_weights).detect(tmp_path / "astronaut.jpg")
    assert len(found.table) == 1 and found.table["confidence"][0] > 0.5
    aus = found.table[[f"{au_label(au)}_{kind}" for au in SYNTH_AUS for kind in "rcp"]]
    assert aus.notna().all(axis=None)
    # The eyes of this photograph.
    assert 190 < found.table["x_36"][0] < found.table["x_45"][0] < 260


def test_the_spool_gives_back_what_it_was_given(detector):
    results = list(detector.stream_frames(video_frames([2, 0, 1]), video=True))
    with ResultSpool() as spool:
        for result in results:
            spool.add(result)
        for _ in range(2):
            for given, back in zip(results, spool, strict=True):
                assert (back.frame.index, back.frame.time_s) == (given.frame.index, given.frame.time_s)
                assert back.frame.image_rgb.shape == given.frame.image_rgb.shape
                assert back.frame.image_rgb.strides == without_image(given).frame.image_rgb.strides == (0, 0, 0)
                for a, b in zip(given.predictions, back.predictions, strict=True):
                    np.testing.assert_array_equal(a.au_prob, b.au_prob)


def prediction(prob, intensity, thresholds=0.5):
    prob, intensity = np.array(prob, np.float32), np.array(intensity, np.float32)
    return Prediction(tuple(range(1, len(prob) + 1)), prob, intensity, prob >= thresholds)


def test_calibration_by_hand():
    thresholds = np.array([0.5, 0.9])
    reference = NeutralReference(np.array([1.0, -3.0]), np.array([[1.0], [0.0]]))
    calibrate = Calibration(thresholds, np.array([-2.0, -3.0]), {7: reference})
    # AU of index 0: logit 2 - 2 - 1 = -1, intensity (3 - 1) * 5 / 4; index 1: unchanged.
    given = prediction([prob_of(2.0), 0.8], [3.0, 4.0])
    moved = calibrate(given, 7)
    np.testing.assert_allclose(moved.au_prob, [1 / (1 + np.e), 0.8], rtol=1e-5)
    np.testing.assert_allclose(moved.au_intensity, [2.5, 4.0], rtol=1e-6)
    assert moved.au_present.tolist() == [False, False]
    assert calibrate(given, 8) is given


def test_calibration_keeps_5_and_brings_the_neutral_face_to_the_models_neutral():
    face = prediction([0.6, 0.2], [2.0, 0.5])
    calibrate = Calibration(np.full(2, 0.5), np.array([-2.0, -1.0]), {}, for_others=reference_of(face))
    neutral = calibrate(face, 0)
    np.testing.assert_allclose(logit_of(neutral.au_prob), [-2, -1], rtol=1e-5)
    assert neutral.au_intensity.tolist() == [0, 0]
    assert calibrate(prediction([0.6, 0.2], [5.0, 5.0]), 0).au_intensity.tolist() == [5, 5]
    below = calibrate(prediction([0.1, 0.1], [1.0, 0.0]), 0)
    assert below.au_intensity.tolist() == [0, 0]
    # A reference at the very top leaves nothing above it, and no division by zero.
    top = Calibration(np.full(1, 0.5), np.zeros(1), {}, reference_of(prediction([0.5], [5.0])))
    assert top(prediction([0.5], [5.0]), 0).au_intensity.tolist() == [0]


def test_the_resting_face_is_that_of_each_person():
    neutral, collector = np.array([-4.0, -5.0]), RestCollector()
    for k in range(200):
        acts = k >= 60
        for face_id, offset in ((0, 1.5), (3, 0.0)):
            prob = prob_of(np.array([2.0 * acts - 3 + offset, -9.0 + 8 * acts]))
            collector.add(prediction(prob, [3 * acts + offset / 30, 2.0 * acts]), face_id)
        collector.add(prediction([0.9, 0.9], [3.0, 3.0]), 5)  # never rests
    collector.add(prediction([0.5, 0.25], [1, 1]), 9)  # seen too briefly
    references = collector.references(neutral)
    assert set(references) == {0, 3}
    # -1.5 at rest is 0.05's -2.94 and 1.44 more; nothing that reads lower at rest than it should is raised.
    np.testing.assert_allclose(references[0].au_logit - neutral, [-1.5 + np.log(19), 0], atol=1e-5)
    np.testing.assert_allclose(references[0].intensities[:, 0], [0.05, 0], atol=1e-6)
    np.testing.assert_allclose(references[3].au_logit, neutral, atol=1e-5)


def test_of_a_long_input_the_outputs_of_every_second_frame_are_kept(monkeypatch):
    monkeypatch.setattr(calibration, "MOST_KEPT", 64)
    neutral = np.array([-4.0, -5.0])
    rest = RestSoFar(neutral)
    for k in range(1000):
        acts = k % 100 >= 60
        prob = prob_of(np.array([2.0 * acts - 1.5, -9.0 + 8 * acts]))
        rest.add(prediction(prob, [3 * acts + 0.05, 2.0 * acts]), 4)
        if k == 40:
            early = rest.shown[4]
    np.testing.assert_allclose(rest.shown[4].au_logit, early.au_logit, atol=1e-6)
    np.testing.assert_allclose(rest.shown[4].intensities, early.intensities, atol=1e-6)
    assert 32 <= rest._people[4]._kept < 64 and rest._people[4].seen == 1000


def test_who_turns_out_never_to_rest_is_left_again():
    rest = RestSoFar(np.array([-4.0, -5.0]))
    for k in range(400):
        acts = k >= 30
        rest.add(prediction([0.9, 0.9] if acts else [0.02, 0.01], [3.0 * acts, 3.0 * acts]), 1)
        assert (1 in rest.shown) == (k >= MIN_FRAMES - 1) or k > 250
    assert rest.shown == {}


def test_smoothing_is_an_exponential_average_in_time_and_per_person():
    smooth = Smoother(0.5, np.array([0.5]))
    assert smooth(prediction([0.5], [0.0]), 0, 0.0).au_intensity[0] == 0
    other = smooth(prediction([0.9], [4.0]), 1, 0.1)
    assert other.au_intensity[0] == 4
    # One time constant later the old value counts 1/e, however many frames lie between.
    later = smooth(prediction([prob_of(1.0)], [5.0]), 0, 0.5)
    assert later.au_intensity[0] == pytest.approx(5 * (1 - 1 / np.e), abs=1e-5)
    assert logit_of(later.au_prob)[0] == pytest.approx(1 - 1 / np.e, abs=1e-5)
    # After a long gap the person starts anew.
    assert smooth(prediction([0.5], [1.0]), 0, 9.0).au_intensity[0] == 1


def test_smoothing_is_off_unless_asked_for_and_never_touches_photographs(staged, tiny_weights):
    plain = list(Detector(weights=tiny_weights).stream_frames(video_frames([1] * 6), video=True))
    smoothed = Detector(weights=tiny_weights, smoothing_s=0.2)
    moved = list(smoothed.stream_frames(video_frames([1] * 6), video=True))
    photos = list(smoothed.stream_frames(video_frames([1] * 6), video=False))
    assert np.abs(moved[5].predictions[0].au_prob - plain[5].predictions[0].au_prob).max() > 1e-5
    np.testing.assert_array_equal(photos[5].predictions[0].au_prob, plain[5].predictions[0].au_prob)


def test_a_model_that_reads_landmarks_gets_those_of_the_face(staged, tmp_path, monkeypatch):
    entry = find_model("eacnet")
    torch.manual_seed(0)
    model = entry.model(entry.config(image_size=64, width=4, crop_units=8), (1, 12))
    save_checkpoint(tmp_path / "model.safetensors", model, {})
    detector = Detector(weights=tmp_path / "model.safetensors")
    frame = video_frames([1])[0]
    (result,) = detector.stream_frames([frame], video=False)
    open_mouthed = StagedFinder(False)(frame)[0]
    open_mouthed.landmarks_px[48:68, 1] += 10
    monkeypatch.setattr(StagedFinder, "_face", lambda self, i: open_mouthed)
    (other,) = detector.stream_frames([frame], video=False)
    # The crop is the same: the mouth has no part in registration.
    assert np.abs(other.predictions[0].au_prob - result.predictions[0].au_prob).max() > 1e-5
    assert np.isnan(result.predictions[0].au_intensity).all()


@pytest.fixture
def temporal(staged, tmp_path):
    """A detector whose network remembers the frames before."""
    torch.manual_seed(0)
    entry = find_model("hybrid")
    model = entry.model(entry.config(**SMALL["hybrid"]), (1, 4, 12)).eval()
    save_checkpoint(tmp_path / "hybrid.safetensors", model, {})
    return lambda **options: Detector(weights=tmp_path / "hybrid.safetensors", device="cpu", **options)


def test_faces_of_a_video_are_followed_by_person_whatever_the_batches(temporal):
    """Person 1 is lost twice; everybody's outputs are those of their own crops in a row."""
    counts = [1, 2, 2, 1, 1, 2, 1, 2]
    batched, single = (
        list(temporal(batch_size=size).stream_frames(iter(video_frames(counts)), video=True)) for size in (8, 1)
    )
    for a, b in zip(batched, single, strict=True):
        for one, other in zip(a.predictions, b.predictions, strict=True):
            np.testing.assert_allclose(one.au_prob, other.au_prob, atol=1e-5)
    detector = temporal()
    for person in (0, 1):
        seen = [
            (r.frame, face, p)
            for r in batched
            for face, p in zip(r.faces, r.predictions, strict=True)
            if face.face_id == person
        ]
        crops = np.stack([register(frame.image_rgb, face.landmarks_px, 64) for frame, face, _ in seen])
        memory = detector._engine.memory()
        alone = detector.predict_crops(crops, face_ids=[0] * len(crops), memory=memory)
        np.testing.assert_allclose(
            np.stack([p.au_prob for p in alone]), np.stack([p.au_prob for _, _, p in seen]), atol=1e-5
        )


def test_photographs_do_not_remember_each_other(temporal):
    detector = temporal(batch_size=4)
    together = list(detector.stream_frames(iter(video_frames([1] * 4)), video=False))
    for k, frame in enumerate(video_frames([1] * 4)):
        (alone,) = detector.stream_frames(iter([frame]), video=False)
        np.testing.assert_allclose(alone.predictions[0].au_prob, together[k].predictions[0].au_prob, atol=1e-5)
    follow = list(detector.stream_frames(iter(video_frames([1] * 4)), video=True))
    assert not np.allclose(follow[3].predictions[0].au_prob, together[3].predictions[0].au_prob, atol=1e-5)


def test_left_and_right_are_calibrated_and_smoothed_as_the_whole_is():
    def told(intensity, left, right):
        return dataclasses.replace(prediction([0.5], [intensity]), au_sides=np.array([[left, right]], np.float32))

    calibrate = Calibration(np.full(1, 0.5), np.zeros(1), {}, reference_of(told(1.0, 0.0, 2.5)))
    moved = calibrate(told(3.0, 3.0, 5.0), 0)
    np.testing.assert_allclose(moved.au_intensity, [2.5])
    np.testing.assert_allclose(moved.au_sides, [[3.0, 5.0]])
    smooth = Smoother(0.5, np.array([0.5]))
    smooth(told(0.0, 0.0, 0.0), 0, 0.0)
    later = smooth(told(5.0, 5.0, 0.0), 0, 0.5)
    np.testing.assert_allclose(later.au_sides, [[5 * (1 - 1 / np.e), 0.0]], atol=1e-5)


def test_the_released_weights_tell_left_from_right():
    detector = Detector()
    assert detector.tells_sides
    crops = np.zeros((2, detector.image_size, detector.image_size, 3), np.uint8)
    sides = detector.predict_crops(crops)[0].au_sides
    assert sides.shape == (len(detector.aus), 2) and (sides >= 0).all() and (sides <= 5).all()


@pytest.mark.parametrize(("device", "finder_device"), [("cuda:0", "cuda:0"), ("cpu", "cpu"), ("cpu:0", "cpu")])
def test_faces_are_looked_for_where_the_model_runs(detector, monkeypatch, device, finder_device):
    asked = []

    def finder(device, **settings):
        asked.append(device)
        return StagedFinder(**settings)

    monkeypatch.setattr(detect_module, "FaceFinder", finder)
    monkeypatch.setattr(detector, "device", device)
    assert len(list(detector.stream_frames(video_frames([1]), video=True))) == 1
    assert asked == [finder_device]
