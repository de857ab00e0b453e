"""Reads and writes safetensors files with numpy and json alone.

Format: 8 bytes little-endian header length, a JSON header, the raw data.
https://huggingface.co/docs/safetensors
"""

import json
import struct

import numpy

TYPES = {
    "F32": numpy.float32,
    "F16": numpy.float16,
    "F64": numpy.float64,
    "I64": numpy.int64,
    "I32": numpy.int32,
}


def save(path, tensors, metadata=None):
    header, data, offset = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name in sorted(tensors):
        array = numpy.ascontiguousarray(tensors[name])
        kind = next(key for key, value in TYPES.items() if value == array.dtype)
        raw = array.tobytes()
        header[name] = {
            "dtype": kind,
            "shape": list(tensors[name].shape),
            "data_offsets": [offset, offset + len(raw)],
        }
        data.append(raw)
        offset += len(raw)
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))


def load(path):
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        flat = numpy.frombuffer(content[begin:end], TYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"]).copy()
    return tensors, metadata
