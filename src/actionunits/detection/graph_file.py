"""Graph files: a model as ONNX beside its checkpoint, which keeps the weights.

`model.onnx` holds the operations, and the names, types and shapes of the weights as external data; it is some tens of
kilobytes. Its metadata ends with `weights_sha256`, the digest in the header of the checkpoint that it was exported
from, and `graph_sha256`, the digest of all bytes before: the file is complete and unchanged, or it is refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from actionunits.errors import UserError

GRAPH_SUFFIX = ".onnx"
NEXT_STATE = "next_"  # before the name of a state: what it has become
WEIGHTS_KEY, GRAPH_KEY = "weights_sha256", "graph_sha256"
_SHA256_LETTERS = 64


def graph_beside(weights: Path) -> Path:
    """Where the graph of a checkpoint lies, if it has one."""
    return weights.with_suffix(GRAPH_SUFFIX)


def sealed(graph: bytes, weights_sha256: str) -> bytes:
    """An ONNX model with the digests of its weights and of itself in its metadata."""
    content = graph + _metadata_entry(WEIGHTS_KEY, weights_sha256)
    return content + _metadata_entry(GRAPH_KEY, hashlib.sha256(content).hexdigest())


def read_graph(path: Path, weights_sha256: str, weights: Path) -> bytes:
    """The ONNX model of a graph file. weights: the checkpoint with the digest that it must be of.

    Raises UserError for a file that cannot be read, a damaged one, and one of other weights.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    entry = len(_metadata_entry(GRAPH_KEY, "0" * _SHA256_LETTERS))
    graph = content[:-entry]
    if content[-entry:] != _metadata_entry(GRAPH_KEY, hashlib.sha256(graph).hexdigest()):
        raise UserError(f"{path} is damaged or was changed: its checksum does not match; export it again")
    if not graph.endswith(_metadata_entry(WEIGHTS_KEY, weights_sha256)):
        raise UserError(f"{path} is the graph of other weights than {weights}; export it again, or remove it")
    return content


def _metadata_entry(key: str, value: str) -> bytes:
    """One entry of `metadata_props` (field 14) of an ONNX model in protobuf's encoding; messages may be joined."""
    words = b"".join(bytes([tag, len(word)]) + word for tag, word in ((0x0A, key.encode()), (0x12, value.encode())))
    return bytes([0x72, len(words)]) + words
