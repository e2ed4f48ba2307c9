"""Files damaged at random, seeded: checkpoints, settings and tables of frames either work or are told in one line."""

import copy
import json
import random
import struct
from collections import Counter
from pathlib import Path

import pytest
import torch
from drawn_faces import write_drawn_dataset
from safetensors.torch import load_file, save

from actionunits.datasets.crops.load import load_labels
from actionunits.errors import UserError
from actionunits.models import find_model
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.settings import make_settings, parse_assignments, read_config_file
from actionunits.weights.checkpoint_file import METADATA_KEY, digest

pytestmark = pytest.mark.slow

STRANGE = (
    *(
        None,
        True,
        -1,
        0,
        10**20,
        1e308,
        "",
        "text",
        "x" * 5000,
        "nan",
        [],
        {},
        [[1]],
        [None],
        {"a": []},
        [1, "a"],
        -0.5,
    ),
    *([10**9], {"AU01": None}, {"AU01": "x"}, ["AU01"], 10_000_000, [1, 1], [99]),
)
PIECES = [
    "a",
    "lr",
    ":",
    " ",
    "\n",
    "-",
    "[",
    "]",
    "{",
    "}",
    "*a",
    "&a",
    "!!int",
    "!!python/none",
    "|",
    ">",
    "'",
    '"',
    "@",
]
PIECES += [
    "`",
    "%",
    "#",
    ",",
    "?",
    "1e-3",
    "0x_",
    "0b",
    "1:30",
    "2020-99-99",
    "<<",
    "=",
    ".inf",
    ".nan",
    "~",
    "\t",
    "\x00",
    "é",
]


def told_or_works(call, *arguments):
    """Whether the call worked; a UserError must be one line of bounded length."""
    try:
        call(*arguments)
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < 3000
        return False
    return True


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "m.safetensors"
    entry = find_model("resnet18")
    model = entry.model(entry.config(width=2, image_size=32), (1, 2, 12))
    save_checkpoint(path, model, {"data": {"training_subjects": ["A"]}, "thresholds": {"AU01": 0.5}, "seed": 1})
    return path


def damaged_header(header: dict, chance: random.Random) -> dict:
    """A header with one or two entries replaced, at any depth."""
    header = copy.deepcopy(header)
    for _ in range(chance.randint(1, 2)):
        place = header
        name = chance.choice(list(place))
        while isinstance(place[name], dict) and place[name] and chance.random() < 0.6:
            place = place[name]
            name = chance.choice(list(place))
        place[name] = copy.deepcopy(chance.choice(STRANGE))
    return header


def test_headers_with_a_right_checksum(weights, tmp_path):
    from safetensors import safe_open

    chance = random.Random(0)
    with safe_open(weights, framework="pt") as file:
        header = json.loads(file.metadata()[METADATA_KEY])
    tensors, path = load_file(weights), tmp_path / "m.safetensors"
    refused = 0
    for _ in range(300):
        changed = damaged_header(header, chance)
        changed["sha256"] = digest(changed, {name: value.numpy() for name, value in tensors.items()})
        path.write_bytes(save(tensors, {METADATA_KEY: json.dumps(changed)}))
        refused += not told_or_works(load_checkpoint, path)
    assert refused > 200


@pytest.mark.parametrize("strange", [1e308, -5, 1.5])
def test_thresholds_that_are_no_probability(weights, tmp_path, strange):
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        header = json.loads(file.metadata()[METADATA_KEY]) | {"thresholds": {"AU01": strange}}
    tensors, path = load_file(weights), tmp_path / "m.safetensors"
    header["sha256"] = digest(header, {name: value.numpy() for name, value in tensors.items()})
    path.write_bytes(save(tensors, {METADATA_KEY: json.dumps(header)}))
    with pytest.raises(UserError, match="thresholds"):
        load_checkpoint(path)


def test_weights_that_are_not_finite(weights, tmp_path):
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        header = json.loads(file.metadata()[METADATA_KEY])
    tensors, path = load_file(weights), tmp_path / "m.safetensors"
    tensors["image.head.bias"][0] = torch.nan
    header["sha256"] = digest(header, {name: value.numpy() for name, value in tensors.items()})
    path.write_bytes(save(tensors, {METADATA_KEY: json.dumps(header)}))
    with pytest.raises(UserError, match=r"image\.head\.bias' holds numbers that are not finite"):
        load_checkpoint(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "null", "[]", "7", '"text"', ""])
def test_headers_that_are_no_mapping(weights, tmp_path, text):
    (tmp_path / "m.safetensors").write_bytes(save(load_file(weights), {METADATA_KEY: text}))
    assert not told_or_works(load_checkpoint, tmp_path / "m.safetensors")


def test_a_tensor_of_another_kind(weights, tmp_path):
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        metadata = file.metadata()
    for kind, name in ((torch.bfloat16, "BF16"), (torch.complex64, "C64"), (torch.float8_e5m2, "F8_E5M2")):
        tensors = load_file(weights) | {"image.head.bias": torch.zeros(6).to(kind)}
        (tmp_path / "m.safetensors").write_bytes(save(tensors, metadata))
        with pytest.raises(UserError, match=name):
            load_checkpoint(tmp_path / "m.safetensors")


def damaged_bytes(content: bytes, chance: random.Random, start: int = 0) -> bytes:
    """Cut off, or with some bits flipped from `start` on."""
    if chance.random() < 0.2:
        return content[: chance.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 20))):
        changed[chance.randrange(start, len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def test_damaged_checkpoints(weights, tmp_path):
    chance, content = random.Random(1), weights.read_bytes()
    for _ in range(150):
        (tmp_path / "m.safetensors").write_bytes(damaged_bytes(content, chance))
        assert not told_or_works(load_checkpoint, tmp_path / "m.safetensors")
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", 2**62) + content[8:])
    assert not told_or_works(load_checkpoint, tmp_path / "m.safetensors")


def test_settings_of_random_words(tmp_path):
    chance, path, counts = random.Random(2), tmp_path / "s.yaml", Counter[bool]()
    for _ in range(600):
        text = "".join(chance.choices(PIECES, k=chance.randint(1, 25)))
        path.write_text(text)
        counts[told_or_works(lambda: make_settings("resnet18", read_config_file(path)))] += 1
        counts[told_or_works(lambda text=text: make_settings("resnet18", parse_assignments([f"lr={text}"])))] += 1
    assert counts[False] > 900 and counts[True] > 0, "damage is told, and what is sound is read"


@pytest.mark.parametrize(
    "text",
    [
        "lr: " + "9" * 5000,
        "lr: 0x" + "f" * 5000,
        "lr: " + "[" * 3000,
        "lr: !!python/object/apply:os.system ['true']",
        "lr: !!timestamp x",
        "a: &a [1, 1]\nb: &b [*a, *a]\nlr: [*b, *b]",
        "lr: &l [*l]",
        "<<: [{lr: 1}, {lr: 2}]\nlr: x",
        "lr: @",
        "\x00",
        "- 1",
        "x" * 2_000_000,
    ],
    ids=range(12),
)
def test_settings_made_to_hurt(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    assert not told_or_works(lambda: make_settings("resnet18", read_config_file(tmp_path / "s.yaml")))


def test_damaged_tables_of_frames(tmp_path):
    write_drawn_dataset(tmp_path)
    chance, path, counts = random.Random(3), tmp_path / "frames.parquet", Counter[bool]()
    content = path.read_bytes()
    footer = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
    for number in range(300):
        path.write_bytes(damaged_bytes(content, chance, footer if number % 2 else 0))
        counts[told_or_works(load_labels, tmp_path)] += 1
    assert counts[False] > 200 and counts[True] > 0
