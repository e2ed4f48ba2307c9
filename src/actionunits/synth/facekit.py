"""Reads ICT Face Model Light: a head mesh with identity and expression offsets.

Model: R. Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020; USC Institute for
Creative Technologies, MIT licence. The model is third-party data: the user names its folder. Two forms are read,
the official folder of OBJ files (`FaceXModel`) and one packed `ict_facekit.npz`.

Space of the model: x to the right of the image (the person's own left), y up, z to the viewer; 1 unit = 1 cm.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionunits.errors import UserError

IDENTITIES = 100
MATERIALS = (
    "M_BackHead",
    "M_EyeBlend",
    "M_EyeLashes",
    "M_EyeOcclusion",
    "M_Face",
    "M_GumsTongue",
    "M_IrisLeft",
    "M_IrisRight",
    "M_LacrimalFluid",
    "M_ScleraLeft",
    "M_ScleraRight",
    "M_Teeth",
)
PAIRED_SHAPES = (
    "PupilDilate browDown browInnerUp browOuterUp cheekPuff cheekRaiser cheekSquint eyeBlink eyeLookDown "
    "eyeLookIn eyeLookOut eyeLookUp eyeSquint eyeWide mouthDimple mouthFrown mouthLowerDown mouthPress "
    "mouthSmile mouthStretch mouthUpperUp noseSneer"
).split()
MIDLINE_SHAPES = (
    "jawForward jawLeft jawOpen jawRight mouthClose mouthFunnel mouthLeft mouthPucker mouthRight "
    "mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper"
).split()
EXPRESSIONS = tuple(sorted([f"{n}_{s}" for n in PAIRED_SHAPES for s in "LR"] + MIDLINE_SHAPES))

# Vertex ranges of the model (half-open), from its authors' vertex table.
FACE = slice(0, 9409)
HEAD_AND_NECK = slice(9409, 11248)
MOUTH_SOCKET = slice(11248, 13294)
EYE_SOCKETS = slice(13294, 14062)
GUMS_AND_TONGUE = slice(14062, 17039)
TEETH = slice(17039, 21451)
EYE_LEFT = slice(21451, 22221)  # sclera of the person's left eye
EYE_RIGHT = slice(23021, 23791)
EYELASHES = slice(25351, 26719)
VERTICES = 26719

# The vertices of the 68 Multi-PIE landmarks, in order.
LANDMARK_VERTICES = np.array(
    [1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443]
    + [268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509]
    + [978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360]
    + [1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732]
    + [5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841]
    + [5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966]
)


@dataclass(frozen=True)
class FaceKit:
    """The model as arrays; V vertices, F triangles."""

    neutral: np.ndarray  # (V, 3) float32, cm: the mean head
    identity: np.ndarray  # (100, V, 3) float32, cm: offsets; coefficients are about N(0, 1)
    expression: np.ndarray  # (57, V, 3) float32, cm: offsets at full strength, in the order of EXPRESSIONS
    faces: np.ndarray  # (F, 3) int32: vertices of each triangle
    uv: np.ndarray  # (U, 2) float32: texture coordinates, one unit tile per material group
    face_uv: np.ndarray  # (F, 3) int32: texture coordinates of each triangle
    face_material: np.ndarray  # (F,) uint8: index into MATERIALS


def read_facekit(path: Path | str, *, missing_shapes: str = "error") -> FaceKit:
    """The model from a packed `.npz`, a folder that holds one, or the official folder of OBJ files.

    missing_shapes: "error", or "zero" to take absent identity and expression files as no offset at all.
    Raises UserError where the path holds no such model, or an incomplete one.
    """
    path = Path(path)
    candidates = [path, path / "ict_facekit.npz"] if path.suffix == ".npz" else [path / "ict_facekit.npz"]
    for candidate in candidates:
        if candidate.is_file():
            return _read_packed(candidate)
    for folder in (path, path / "FaceXModel"):
        if (folder / "generic_neutral_mesh.obj").is_file():
            return _read_obj_folder(folder, missing_shapes)
    raise UserError(
        f"no face model in {path}: expected ict_facekit.npz, or the folder FaceXModel of ICT-FaceKit with "
        "generic_neutral_mesh.obj, identity000.obj ... and the expression files"
    )


def _read_packed(path: Path) -> FaceKit:
    try:
        with np.load(path, allow_pickle=False) as packed:
            names = [str(n) for n in packed["expression_names"]]
            material_names = [str(n) for n in packed["materials"]]
            kit = FaceKit(
                neutral=packed["neutral"].astype(np.float32),
                identity=packed["identity"].astype(np.float32),
                expression=packed["expression"].astype(np.float32)[[names.index(n) for n in EXPRESSIONS]],
                faces=packed["faces"].astype(np.int32),
                uv=packed["uv"].astype(np.float32),
                face_uv=packed["face_uv"].astype(np.int32),
                face_material=np.array([MATERIALS.index(n) for n in material_names], np.uint8)[
                    packed["face_material"]
                ],
            )
    except (OSError, KeyError, ValueError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a packed ICT Face Model Light: {error}") from error
    return _checked(kit, path)


def _read_obj_folder(folder: Path, missing_shapes: str) -> FaceKit:
    neutral, uv, faces, face_uv, material = _read_mesh(folder / "generic_neutral_mesh.obj")

    def offsets(names: list[str]) -> np.ndarray:
        result = np.zeros((len(names), *neutral.shape), np.float32)
        absent = [n for n in names if not (folder / f"{n}.obj").is_file()]
        if absent and missing_shapes == "error":
            raise UserError(
                f"{folder} lacks {len(absent)} of {len(names)} files of the face model, the first is {absent[0]}.obj"
            )
        for k, name in enumerate(names):
            if name not in absent:
                vertices = _read_vertices(folder / f"{name}.obj")
                if vertices.shape != neutral.shape:
                    raise UserError(f"{folder / name}.obj has {len(vertices)} vertices; the mesh has {len(neutral)}")
                result[k] = vertices - neutral
        return result

    kit = FaceKit(
        neutral=neutral,
        identity=offsets([f"identity{k:03d}" for k in range(IDENTITIES)]),
        expression=offsets(list(EXPRESSIONS)),
        faces=faces,
        uv=uv,
        face_uv=face_uv,
        face_material=material,
    )
    return _checked(kit, folder)


def _read_vertices(path: Path) -> np.ndarray:
    try:
        lines = [line[2:] for line in path.read_text().splitlines() if line.startswith("v ")]
        return np.array(" ".join(lines).split(), np.float32).reshape(len(lines), 3)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: its vertices cannot be read; copy it again") from error


def _read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, texture coordinates, triangles, their texture indices and materials; polygons become fans."""
    vertices = _read_vertices(path)
    uv_lines, faces, face_uv, material = [], [], [], []
    current = 0
    for line in path.read_text().splitlines():
        if line.startswith("vt "):
            uv_lines.append(line.split()[1:3])
        elif line.startswith("usemtl "):
            name = line.split()[1]
            if name not in MATERIALS:
                raise UserError(f"{path}: unknown material {name}; is this ICT Face Model Light?")
            current = MATERIALS.index(name)
        elif line.startswith("f "):
            corners = [corner.split("/") for corner in line.split()[1:]]
            for k in range(1, len(corners) - 1):
                fan = (corners[0], corners[k], corners[k + 1])
                try:
                    faces.append([int(c[0]) - 1 for c in fan])
                    face_uv.append([int(c[1]) - 1 for c in fan])
                except (ValueError, IndexError) as error:
                    raise UserError(f"{path} is damaged: '{line[:60]}' is no face; copy it again") from error
                material.append(current)
    return (
        vertices,
        np.array(uv_lines, np.float32).reshape(-1, 2),
        np.array(faces, np.int32),
        np.array(face_uv, np.int32),
        np.array(material, np.uint8),
    )


def _checked(kit: FaceKit, path: Path) -> FaceKit:
    if kit.neutral.shape != (VERTICES, 3) or kit.expression.shape != (len(EXPRESSIONS), VERTICES, 3):
        raise UserError(
            f"{path}: expected {VERTICES} vertices and {len(EXPRESSIONS)} expressions, found "
            f"{len(kit.neutral)} and {len(kit.expression)}; this is not ICT Face Model Light"
        )
    triangles = len(kit.faces)
    if (
        kit.identity.shape[1:] != (VERTICES, 3)
        or not kit.faces.shape == kit.face_uv.shape == (triangles, 3)
        or kit.face_material.shape != (triangles,)
        or kit.uv.shape[1:] != (2,)
        or not triangles
        or not 0 <= kit.faces.min() <= kit.faces.max() < VERTICES
        or not 0 <= kit.face_uv.min() <= kit.face_uv.max() < len(kit.uv)
    ):
        raise UserError(f"{path}: its triangles or identities do not fit its vertices; copy the face model again")
    return kit
