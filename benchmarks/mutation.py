"""Files and requests changed at random, from a seeded source of chance."""

from __future__ import annotations

import copy
import random
from typing import Any

EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\xff\xff")
SNIPPETS = (b"\r\n", b"\r\nContent-Length: 5", b"%00%ff", b"\0", b"&&==", b"\r\nHost: x", b"9" * 30, b"../")
# What stands in JSON in place of what ought to.
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -0.5, 1e308, float("inf"), float("nan"), "", "x", "\0",
    "../../x", "\ud800", "9" * 300, "é" * 300, [], [[]], {}, {"": None}, [1, 2], ["labels", "labels"],
)  # fmt: skip


def changed(data: bytes, chance: random.Random, within: int) -> bytes:
    """`data` with 1 to 16 changes, half of them in its first `within` bytes."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(len(found) if chance.random() < 0.5 else min(within, len(found)))
        match chance.randrange(5):
            case 0:
                found[place] = chance.randrange(256)
            case 1:
                found[place] ^= 1 << chance.randrange(8)
            case 2:
                del found[place : place + chance.randrange(1, 20)]
            case 3:
                found[place:place] = chance.choice(SNIPPETS)
            case _:
                found[place : place + 4] = chance.choice(EXTREMES)
        found = found or bytearray(b"x")
    return bytes(found)


def damaged(data: bytes, chance: random.Random, within: int) -> bytes:
    """`data` changed, cut off, or with a part of it doubled, lost or blank."""
    kind = chance.randrange(8)
    if kind < 5:
        return changed(data, chance, within)
    start = chance.randrange(len(data))
    length = chance.randrange(1, max(2, len(data) // 4))
    if kind == 5:
        return data[:start] or b"x"
    if kind == 6:
        return data[:start] + data[start : start + length] * 2 + data[start + length :]
    return data[:start] + bytes(chance.choice((0, min(length, len(data) - start)))) + data[start + length :]


def distorted(value: Any, chance: random.Random) -> Any:
    """A JSON value in which one to three places hold something else, are lost, or are there twice."""
    found = [copy.deepcopy(value)]
    for _ in range(chance.choice((1, 1, 2, 3))):
        holder: Any = found
        key: Any = 0
        while isinstance(holder[key], (dict, list)) and holder[key] and chance.random() < 0.8:
            holder = holder[key]
            key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        match chance.randrange(6):
            case 0 if holder is not found:
                del holder[key]
            case 1 if isinstance(holder, list) and holder is not found:
                holder.insert(key, holder[key])
            case _:
                holder[key] = copy.deepcopy(chance.choice(ODD))
    return found[0]
