"""Renders clips: a person, a scene and a motion become frames with exact labels, landmarks, pose and flow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from actionunits.aus import SYNTH_AUS
from actionunits.synth import natural_light, raster, shading
from actionunits.synth.action_units import lips_part_intensity, shape_strengths
from actionunits.synth.environment import Environment, sky_and_ground
from actionunits.synth.facekit import EXPRESSIONS, EYE_LEFT, EYE_RIGHT
from actionunits.synth.folds import fold_weights
from actionunits.synth.head import landmarks_of
from actionunits.synth.motion import SPEECH_SHAPES, ClipMotion
from actionunits.synth.person import Person
from actionunits.synth.scene import Scene, develop, draw_occluder, expose

SUPERSAMPLING = 2
PIVOT_CM = np.array([0.0, -6.0, -1.5], np.float32)  # the head turns about the top of the neck
FACE_CENTRE_CM = np.array([0.0, -0.5, 9.0], np.float32)
NARROW_FACE = slice(0, 6706)  # vertices from ear to ear and from forehead to chin
SKIN_GLOSS, SKIN_GLOSS_EXPONENT, SKIN_LIGHT_WRAP = 0.35, 14.0, 0.35
MOUTH_SHUT_CM = 0.06  # inner-lip gap below which nothing of the mouth's inside is seen


@dataclass(frozen=True)
class ClipLabels:
    """Exact labels of a clip of T frames; A is the length of SYNTH_AUS."""

    au_intensity: np.ndarray  # (T, A) float32, 0-5: the stronger side
    au_left: np.ndarray  # (T, A) float32, 0-5, the person's own left
    au_right: np.ndarray  # (T, A) float32
    landmarks_px: np.ndarray  # (T, 68, 2) float32
    box_xyxy_px: np.ndarray  # (T, 4) float32 around forehead, ears and chin
    pose_deg: np.ndarray  # (T, 3) float32 pitch, yaw, roll as in types.Face
    gaze_deg: np.ndarray  # (T, 2) float32 yaw (own left > 0), pitch (up > 0), relative to the head


def rotation_matrix(pose_deg: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) of head space into camera space (x right, y up, z to the camera) for pitch, yaw, roll.

    Pitch comes first and roll last, as in faces/pose.py: turning the picture changes roll alone.
    """
    pitch, yaw, roll = np.radians(pose_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_z = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).astype(np.float32)


class ClipRenderer:
    """Renders the frames of one clip, S x S pixels; frames may be asked for in any order."""

    def __init__(self, person: Person, scene: Scene, motion: ClipMotion, size: int, rng: np.random.Generator) -> None:
        self.person = person
        self.scene = scene
        self.motion = motion
        self.size = size
        self._noise_seed = int(rng.integers(2**63))
        self._focal_px = scene.fill * size * scene.distance_cm / 20.0
        # Where the face is centred by default: the mean pose of the clip.
        mean = rotation_matrix(motion.pose_deg.mean(0))
        self._anchor_cm = mean @ (FACE_CENTRE_CM - PIVOT_CM) + PIVOT_CM

    @cached_property
    def _shape_strengths(self) -> np.ndarray:
        """(T, S): action units, speech, and lids that follow the gaze."""
        motion = self.motion
        strengths = shape_strengths(motion.au_left, motion.au_right, self.person.amplitude)
        for k, name in enumerate(SPEECH_SHAPES):
            for shape in (name,) if name in EXPRESSIONS else (f"{name}_L", f"{name}_R"):
                strengths[:, EXPRESSIONS.index(shape)] += motion.speech[:, k]
        yaw, pitch = motion.gaze_deg[:, 0] / 35.0, motion.gaze_deg[:, 1] / 35.0
        for side, outward in (("L", yaw), ("R", -yaw)):
            looks = {"Up": pitch, "Down": -pitch, "Out": outward, "In": -outward}
            for look, amount in looks.items():
                strengths[:, EXPRESSIONS.index(f"eyeLook{look}_{side}")] += np.clip(amount, 0, 1)
        return strengths

    def _model_vertices(self, frame: int) -> np.ndarray:
        """Vertices (V + E, 3) of a frame in head space, before the head turns."""
        vertices = self.person.neutral.copy()
        weights = self._shape_strengths[frame]
        active = np.flatnonzero(weights > 1e-4)
        if len(active):
            kit = self.person.head.kit
            offsets = weights[active] @ kit.expression.reshape(len(kit.expression), -1)[active]
            vertices[: len(kit.neutral)] += offsets.reshape(-1, 3)
        return vertices

    def _camera_vertices(self, frame: int, model: np.ndarray) -> np.ndarray:
        """Vertices of a frame in camera space: the camera at the origin, looking along -z."""
        rotation = rotation_matrix(self.motion.pose_deg[frame])
        turned = (model - PIVOT_CM) @ rotation.T + PIVOT_CM
        turned[self.person.body] = model[self.person.body]
        x, y, log_scale = self.motion.position[frame]
        distance = self.scene.distance_cm / np.exp(log_scale)
        unit = self.size * distance / self._focal_px
        return turned - self._anchor_cm + np.array([x * unit, -y * unit, -distance], np.float32)

    def _project(self, camera: np.ndarray, size: int) -> np.ndarray:
        """Image x, y in pixels of a size x size picture and depth in cm, (..., 3), of camera space points."""
        focal = self._focal_px * size / self.size
        points = np.empty_like(camera)
        points[..., 2] = -camera[..., 2]
        inverse = focal / np.maximum(points[..., 2], 1.0)
        points[..., 0] = camera[..., 0] * inverse + (size - 1) / 2
        points[..., 1] = -camera[..., 1] * inverse + (size - 1) / 2
        return points

    def _rasterise(
        self, camera: np.ndarray, model: np.ndarray, size: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Visible triangle (size, size) as an index into person.triangles, its barycentric weights, and depth."""
        person = self.person
        depth = np.full((size, size), np.inf, np.float32)
        triangle_id = np.full((size, size), -1, np.int32)
        barycentric = np.zeros((size, size, 2), np.float32)
        lips = landmarks_of(model[: len(person.head.kit.neutral)])
        gap = (lips[61:64, 1] - lips[[67, 66, 65], 1]).max()
        bias = person.bias
        if gap < MOUTH_SHUT_CM:
            bias = np.where(self._inside_mouth, np.float32(1e6), bias)
        raster.rasterise(
            self._project(camera, size), person.triangles, person.double_sided, bias, depth, triangle_id, barycentric
        )
        return triangle_id, barycentric, depth

    @cached_property
    def _inside_mouth(self) -> np.ndarray:
        return np.isin(self.person.kind, (raster.MOUTH, raster.GUMS, raster.TEETH))

    def _light_visible(self, frame: int) -> np.ndarray:
        """Share of each light that reaches each vertex, (V + E, K): soft, from the head's reach table."""
        head = self.person.head
        rotation = rotation_matrix(self.motion.pose_deg[frame])
        toward = self.scene.lights.direction @ rotation  # into head space
        weight = np.maximum(head.directions @ toward.T, 0) ** 24
        weight /= weight.sum(0) + 1e-9
        visible = np.full((len(self.person.neutral), toward.shape[0]), 0.9, np.float32)
        visible[: len(head.reached)] = head.reached @ weight.astype(np.float32)
        return visible

    def _gaze_vectors(self, frame: int) -> np.ndarray:
        yaw, pitch = np.radians(self.motion.gaze_deg[frame])
        vector = [np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)]
        return np.array([vector, vector], np.float32)

    def _linear(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Linear light (S, S, 3) and the part of each pixel that the person covers, (S, S)."""
        person, scene = self.person, self.scene
        fine = self.size * SUPERSAMPLING
        model = self._model_vertices(frame)
        camera = self._camera_vertices(frame, model)
        triangle_id, barycentric, _ = self._rasterise(camera, model, fine)
        normals = np.empty_like(camera)
        raster.vertex_normals(camera, person.triangles, normals)
        image: np.ndarray = np.zeros((fine, fine, 3), np.float32)
        surfaces = shading.Surfaces(
            triangles=person.triangles,
            kind=person.kind,
            face_uv=person.face_uv,
            normals=normals,
            camera_points=camera,
            model_points=model,
            light_visible=self._light_visible(frame),
            openness=self._openness(frame, normals),
            hair_cover=person.hair_cover,
            hair_uv=person.hair_uv,
        )
        light = shading.Light(scene.lights.direction, scene.lights.colour, scene.lights.sky, scene.lights.ground)
        paint = self._paint(frame, model)
        if self._environment is None:
            shading.shade(triangle_id, barycentric, surfaces, paint, light, image)
        else:
            px_per_cm = scene.fill * fine / 20 * float(np.exp(self.motion.position[frame][2]))
            natural_light.shade_naturally(
                triangle_id, barycentric, surfaces, paint, light, self._environment, px_per_cm, image
            )
        cover = cv2.resize(
            (triangle_id >= 0).astype(np.float32), (self.size, self.size), interpolation=cv2.INTER_AREA
        )
        image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_AREA)
        image = image + (1 - cover)[..., None] * scene.background
        if person.lenses is not None:
            self._tint_lenses(image, frame)
        return image, cover

    @cached_property
    def _environment(self) -> Environment | None:
        """What lights the clip from all around; None for painted people in a painted scene."""
        if self.scene.environment is None and self.person.skin.photographed:
            return sky_and_ground(self.scene.lights.sky, self.scene.lights.ground)
        return self.scene.environment

    def _openness(self, frame: int, normals: np.ndarray) -> np.ndarray:
        """Share of the light around that reaches each vertex, (V + E,)."""
        if self._environment is None:
            return self.person.openness
        head = self.person.head
        directions = head.directions @ rotation_matrix(self.motion.pose_deg[frame]).T
        radiance = natural_light.brightness(self._environment, directions)
        openness = self.person.openness.copy()
        toward = np.ascontiguousarray(directions.T)
        natural_light.arriving(normals, head.reached, toward, radiance, openness[: len(head.reached)])
        for eye in (EYE_LEFT, EYE_RIGHT):
            openness[eye] = 0.25 + 0.45 * openness[eye]
        return openness

    def _paint(self, frame: int, model: np.ndarray) -> shading.Paint:
        person = self.person
        lids = landmarks_of(model[: len(person.head.kit.neutral)])[:, 1]
        return shading.Paint(
            skin=person.skin.albedo_gloss,
            fold_profile=person.fold_profile,
            fold_group=person.fold_group,
            fold_weight=fold_weights(
                person.fold_rest, person.fold_gain, self.motion.au_left[frame], self.motion.au_right[frame]
            ),
            strands=person.strands,
            colours=person.colours,
            eye_centre=self._eye_centres,
            gaze=self._gaze_vectors(frame),
            eye_angles=person.eye_angles,
            eye_disc=person.skin.eye_disc,
            lid_height=np.array([lids[43:45].mean(), lids[37:39].mean()], np.float32),
            gloss=SKIN_GLOSS,
            exponent=SKIN_GLOSS_EXPONENT,
            wrap=SKIN_LIGHT_WRAP,
        )

    @cached_property
    def _eye_centres(self) -> np.ndarray:
        """Centres (2, 3) of this person's eyeballs: the mean eye moved with the identity."""
        head = self.person.head
        moved = [(self.person.neutral[s] - head.kit.neutral[s]).mean(0) for s in (EYE_LEFT, EYE_RIGHT)]
        return (head.eye_centre + np.array(moved)).astype(np.float32)

    def _tint_lenses(self, image: np.ndarray, frame: int) -> None:
        lenses = self.person.lenses
        if lenses is None:
            return
        rotation = rotation_matrix(self.motion.pose_deg[frame])
        x, y, log_scale = self.motion.position[frame]
        distance = self.scene.distance_cm / np.exp(log_scale)
        unit = self.size * distance / self._focal_px
        turned = (lenses - PIVOT_CM) @ rotation.T + PIVOT_CM
        camera = turned - self._anchor_cm + np.array([x * unit, -y * unit, -distance], np.float32)
        points = np.round(self._project(camera.astype(np.float32), self.size)[..., :2] * 16).astype(np.int32)
        mask = np.zeros(image.shape[:2], np.float32)
        for outline in points:
            cv2.fillPoly(mask, [outline], (1.0,), cv2.LINE_AA, 4)
        tint = self.person.lens_tint
        # A weak reflection of the sky in the upper part of the glass.
        ramp = np.linspace(0.06, 0.0, self.size, dtype=np.float32)[:, None]
        amount = (mask * tint[3])[..., None]
        image += amount * (tint[:3] - image) + (mask * ramp)[..., None] * self.scene.lights.sky

    @cached_property
    def _gain(self) -> float:
        """Exposure of the clip, metered on the face of its first frame."""
        image, cover = self._linear(0)
        box = np.round(self.labels.box_xyxy_px[0]).astype(int).clip(0, self.size)
        window = np.s_[box[1] : max(box[3], box[1] + 1), box[0] : max(box[2], box[0] + 1)]
        covered = cover[window] > 0.5
        light = image[window][covered].mean() if covered.any() else image.mean()
        exposure = self.scene.sensor.exposure
        if self._environment is not None:
            # A meter that lifted dark skin to light skin's brightness would burn out everything else.
            albedo = float(self.person.colours[raster.SKIN].mean())
            exposure *= float(np.clip(albedo / 0.3, 0.15, 1.3)) ** 0.55
        return float(exposure / max(light, 1e-4))

    def frame(self, frame: int) -> np.ndarray:
        """Picture of a frame, (S, S, 3) uint8 RGB."""
        image, _ = self._linear(frame)
        grey = expose(image, self.scene.sensor, self._gain)
        box = self.labels.box_xyxy_px[frame]
        centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        for occluder in self.scene.occluders:
            unit_px = self.scene.fill * self.size
            draw_occluder(grey, occluder, float(self.motion.time_s[frame]), centre, unit_px)
        return develop(grey, self.scene.sensor, np.random.default_rng((self._noise_seed, frame)))

    @cached_property
    def labels(self) -> ClipLabels:
        """Labels of every frame."""
        motion, person = self.motion, self.person
        count = len(motion.time_s)
        landmarks_cm = np.empty((count, 68, 3), np.float32)
        landmarks_px = np.empty((count, 68, 2), np.float32)
        boxes = np.empty((count, 4), np.float32)
        for k in range(count):
            model = self._model_vertices(k)
            camera = self._camera_vertices(k, model)
            landmarks_cm[k] = landmarks_of(model)
            landmarks_px[k] = self._project(landmarks_of(camera), self.size)[:, :2]
            face = self._project(camera[NARROW_FACE], self.size)[:, :2]
            boxes[k] = [*face.min(0), *face.max(0)]
        left, right = motion.au_left.copy(), motion.au_right.copy()
        lips_part = lips_part_intensity(landmarks_cm, person.landmarks_cm)
        left[:, SYNTH_AUS.index(25)] = right[:, SYNTH_AUS.index(25)] = lips_part
        return ClipLabels(
            au_intensity=np.maximum(left, right),
            au_left=left,
            au_right=right,
            landmarks_px=landmarks_px,
            box_xyxy_px=boxes,
            pose_deg=motion.pose_deg,
            gaze_deg=motion.gaze_deg,
        )

    def flow(self, frame: int, to: int) -> tuple[np.ndarray, np.ndarray]:
        """Motion of every pixel from one frame to another, (S, S, 2) float32 in pixels, and where it is exact.

        The second result, (S, S) bool, is True on the person where the same point is seen in both frames. The
        background stands still.
        """
        first_model, second_model = self._model_vertices(frame), self._model_vertices(to)
        first, second = self._camera_vertices(frame, first_model), self._camera_vertices(to, second_model)
        triangle_id, barycentric, _ = self._rasterise(first, first_model, self.size)
        _, _, second_depth = self._rasterise(second, second_model, self.size)
        covered = triangle_id >= 0
        corners = self.person.triangles[triangle_id[covered]]
        weight = barycentric[covered]
        weight = np.concatenate([weight, 1 - weight.sum(1, keepdims=True)], axis=1)[..., None]
        there = (self._project(second, self.size)[corners] * weight).sum(1)
        here = np.argwhere(covered)[:, ::-1]
        flow = np.zeros((self.size, self.size, 2), np.float32)
        flow[covered] = there[:, :2] - here
        column, row = np.round(there[:, :2]).astype(int).T
        inside = (column >= 0) & (column < self.size) & (row >= 0) & (row < self.size)
        seen = np.zeros(len(there), bool)
        seen[inside] = there[inside, 2] <= second_depth[row[inside], column[inside]] + 0.4
        valid = np.zeros((self.size, self.size), bool)
        valid[covered] = seen
        return flow, valid
