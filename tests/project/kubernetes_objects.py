"""Objects as kubectl sends them: JSON, or protobuf as far as the tests look at it."""

import base64
import json


def fields(message: bytes) -> dict[int, list[bytes]]:
    """The parts of a message in protobuf by their numbers, of which only those with a length are kept."""
    found, place = {}, 0

    def number() -> int:
        nonlocal place
        value = shift = 0
        while True:
            place += 1
            value |= (message[place - 1] & 0x7F) << shift
            shift += 7
            if message[place - 1] < 0x80:
                return value

    while place < len(message):
        key = number()
        value = number()
        if key & 7 == 2:
            found.setdefault(key >> 3, []).append(message[place : place + value])
            place += value
    return found


def decoded(sent: bytes) -> dict:
    """An object that kubectl sent: all of it if it is JSON; of protobuf its name, its bytes, and what a secret has."""
    if not sent.startswith(b"k8s\0"):
        return json.loads(sent)
    [about], [raw] = (fields(sent[4:])[number] for number in (1, 2))
    [[version], [kind]] = (fields(about)[number] for number in (1, 2))
    each = {"apiVersion": version.decode(), "kind": kind.decode(), "raw": raw}
    each["metadata"] = {"name": fields(fields(raw)[1][0])[1][0].decode()}
    if each["kind"] == "Secret":
        pairs = [fields(pair) for pair in fields(raw)[2]]
        each["data"] = {pair[1][0].decode(): base64.b64encode(pair[2][0]).decode() for pair in pairs}
    return each
