"""How schemathesis writes the body types that it does not know."""

from __future__ import annotations

import io
from typing import Any

import msgpack
import numpy as np
import schemathesis


@schemathesis.serializer("application/msgpack")
def as_msgpack(context: Any, value: Any) -> bytes:
    return msgpack.packb(value, default=str)


@schemathesis.deserializer("application/msgpack")
def from_msgpack(context: Any, response: Any) -> Any:
    return msgpack.unpackb(response.content)


@schemathesis.serializer("application/x-npy")
def as_npy(context: Any, value: Any) -> bytes:
    """Now and then a file that is right, else the bytes as they were made up."""
    data = value.encode() if isinstance(value, str) else bytes(value)
    if len(data) % 2:
        return data
    file = io.BytesIO()
    np.save(file, np.frombuffer(data, np.int16))
    return file.getvalue()
