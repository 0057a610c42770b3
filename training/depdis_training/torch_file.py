"""Files of `torch.save`, checked before they are loaded: what they would call, and how much memory they take.

`torch.load(weights_only=True)` executes nothing, but a small file can still fill the memory: parts of the
archive that overlap, tensors that are views of a single value, storages larger than the file.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
import warnings
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

import torch

from depdis_deploy.json_files import shown

LARGEST_PICKLE = 4 << 20  # bytes; a ResNet-101's with its optimizer's has 0.3 MB
MOST_VALUES = 1_000_000  # opcodes of the pickle, of which that one has 95,000; values wherever they are used
DEEPEST = 32  # levels of lists and mappings
_LARGEST_DIRECTORY = 16 << 20  # bytes
_MOST_SHARING = 4  # bytes of tensors for each byte of the file; a checkpoint holds its weights twice
_LOCAL_HEADER = 30  # bytes before the name
_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LEGACY_PICKLES = 5  # magic number, version, system, content, names of the storages

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# Those that torch.save writes for dense tensors and plain values.
_OPCODES = """
    PROTO STOP MARK GLOBAL REDUCE BUILD BINPERSID BINPUT LONG_BINPUT BINGET LONG_BINGET NONE NEWTRUE NEWFALSE
    BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINSTRING EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE
    EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS
"""
# Nested tuples overflow the stack when they are hashed, and long integers can be chosen with equal hashes.
_SCARCE, _MOST_SCARCE = ("TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "LONG1"), 50_000


class RefusedError(ValueError):
    """A file that was understood and is not read; the message says why."""


def read_torch_file(path: Path) -> Any:
    """Return the tensors and plain values in a file of `torch.save`.

    Raises:
        RefusedError: It would run code, or holds anything but dense tensors and plain values within the limits.
        Exception: Whatever arbitrary bytes lead the readers to.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        content = _archived(file, size) if file.read(4) == b"PK\x03\x04" else _legacy(file, size)
    _check_values(content, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickle protocols
        return torch.load(path, map_location="cpu", weights_only=True)


class _Storage(NamedTuple):
    """Stand-in for a block of memory."""

    dtype: torch.dtype
    numel: int

    @property
    def nbytes(self) -> int:
        return self.numel * self.dtype.itemsize


class _Tensor(NamedTuple):
    """Stand-in for a tensor."""

    nbytes: int


def _archived(file: IO[bytes], size: int) -> Any:
    """Unpickle an archive's content with stand-ins; every storage has to be a part of the archive."""
    _check_end(file, size)
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        _check_parts(parts, size)
        held = {part.filename.partition("/")[2]: part for part in parts}
        if held["data.pkl"].file_size > LARGEST_PICKLE:
            raise RefusedError(f"{held['data.pkl'].filename} is larger than {LARGEST_PICKLE} bytes")
        data = archive.read(held["data.pkl"])

    def check(key: str, storage: _Storage) -> None:
        part = held.get(f"data/{key}")
        if part is None or part.file_size != storage.nbytes:
            has = "is missing" if part is None else f"has {part.file_size} bytes"
            raise RefusedError(f"the storage {shown(key)} of {storage.nbytes} bytes {has} in the archive")

    return _DryRun(_checked_pickle(io.BytesIO(data)), check).load()


def _legacy(file: IO[bytes], size: int) -> Any:
    """Unpickle a file from before the archives (before PyTorch 1.6) with stand-ins."""
    file.seek(0)
    head = io.BytesIO(file.read(LARGEST_PICKLE))
    held, total = set[str](), 0

    def check(key: str, storage: _Storage) -> None:
        nonlocal total
        held.add(key)
        total += storage.nbytes
        if total > size:
            raise RefusedError(f"its tensors have more than the file's {size} bytes")

    content = [_DryRun(_checked_pickle(head), check).load() for _ in range(_LEGACY_PICKLES)]
    keys = content[-1]
    if type(keys) is not list or not held <= {key for key in keys if type(key) is str}:
        raise RefusedError("it names storages that it does not hold")  # torch would leave them uninitialised
    return content


def _check_end(file: IO[bytes], size: int) -> None:
    """Check that the archive ends with its directory, as torch writes it.

    Otherwise zipfile and torch's own reader could each find another directory.
    """
    end = max(0, size - _END.size)
    file.seek(end)
    signature, *_, length, offset, comment = _END.unpack(file.read(_END.size))
    if signature != b"PK\x05\x06" or comment:
        raise ValueError("the archive's end is missing")
    place = end - _END64_PLACE.size
    file.seek(max(0, place))
    signature, _, end64, _ = _END64_PLACE.unpack(file.read(_END64_PLACE.size))
    if signature == b"PK\x06\x07":
        end = place - _END64.size
        file.seek(max(0, end))
        signature, *_, length, offset = _END64.unpack(file.read(_END64.size))
        if signature != b"PK\x06\x06" or end64 != end:
            raise ValueError("the archive's end is malformed")
    if offset + length != end:
        raise RefusedError("the archive's directory is not at its end, where torch.save writes it")
    if length > _LARGEST_DIRECTORY:
        raise RefusedError(f"the archive's directory is larger than {_LARGEST_DIRECTORY} bytes")


def _check_parts(parts: list[zipfile.ZipInfo], size: int) -> None:
    """Check that the parts lie unpacked in the file, each in a place of its own."""
    packed = [part for part in parts if part.file_size != part.compress_size or part.compress_type]
    if packed:
        largest = max(packed, key=lambda part: part.file_size)
        raise RefusedError(
            f"a packed archive ({shown(largest.filename)} would unpack to {largest.file_size} bytes); only "
            "files of torch.save are read"
        )
    # torch's reader does not tell upper case from lower case.
    names = Counter(part.filename.lower() for part in parts)
    if len(names) < len(parts):
        raise RefusedError(f"the archive has two parts named {shown(names.most_common(1)[0][0])}")
    if len({part.filename.partition("/")[0] for part in parts}) > 1:
        raise RefusedError("the archive has more than one folder; torch.save writes one")
    in_order = sorted(parts, key=lambda part: part.header_offset)
    starts = [*(part.header_offset for part in in_order), size]
    for part, following in zip(in_order, starts[1:], strict=True):
        if part.header_offset + _LOCAL_HEADER + part.file_size > following:
            raise RefusedError(f"parts of the archive overlap ({shown(part.filename)} reaches into the next)")


def _checked_pickle(stream: IO[bytes]) -> io.BytesIO:
    """Return the next pickle of a stream once its opcodes are known to be harmless."""
    start = stream.tell()
    known, counts = frozenset(_OPCODES.split()), Counter[str]()
    for opcode, argument, _ in pickletools.genops(stream):
        counts[opcode.name] += 1
        if opcode.name not in known:
            raise RefusedError(
                "a bare pickle, which could run code, or no torch file at all; only files of torch.save are "
                "read"
            )
        # Python's unpickler takes memory for all numbers up to this one.
        if opcode.name == "LONG_BINPUT" and int(argument or 0) > MOST_VALUES:
            raise RefusedError(f"its pickle refers to value {argument}; torch.save numbers them from 0")
    if counts.total() > MOST_VALUES or sum(counts[name] for name in _SCARCE) > _MOST_SCARCE:
        raise RefusedError(f"its pickle has {counts.total()} opcodes, at most {MOST_VALUES} are read")
    end = stream.tell()
    stream.seek(start)
    return io.BytesIO(stream.read(end - start))


class _DryRun(pickle.Unpickler):
    """Unpickle with stand-ins for tensors, so that nothing is allocated; only what is named here can be called.

    check: is given each storage's key the first time that the storage occurs.
    """

    def __init__(self, stream: IO[bytes], check: Callable[[str, _Storage], None]) -> None:
        super().__init__(stream, encoding="utf-8")
        self._check, self._storages = check, dict[str, _Storage]()

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": self._parameter,
        }
        full = f"{module}.{name}"
        if full in known:
            return known[full]
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if module.partition(".")[0] == "torch":
            raise RefusedError(f"it holds a {shown(full)}; only dense tensors and plain values are read")
        raise RefusedError(f"loading it would run code ({full[:80]}); only tensors and plain values are read")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, location, numel, *view = pid
        if kind != "storage" or type(key) is not str or type(location) is not str:
            _malformed("storage", pid)
        storage = _Storage(dtype, _whole(numel))
        if self._storages.setdefault(key, storage) != storage:
            _malformed("storage", pid)
        if storage is self._storages[key]:
            self._check(key, storage)
        if view and view[0] is not None:  # of old files: a part of a storage, with a key of its own
            _, start, length = view[0]
            if _whole(start) + _whole(length) > storage.numel:
                _malformed("storage", pid)
            return _Storage(dtype, length)
        return storage

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
        """Check that every value of a tensor is one of its storage, and not the same one again and again."""
        if type(storage) is not _Storage or type(size) is not tuple or type(stride) is not tuple:
            _malformed("tensor", (size, stride))
        numel = math.prod(map(_whole, size))
        steps = zip(size, map(_whole, stride), strict=True)
        last = _whole(offset) + sum((length - 1) * step for length, step in steps)
        if numel > storage.numel or (numel and last >= storage.numel):
            raise RefusedError(
                f"a tensor of size {shown(size)} and stride {shown(stride)} is larger than its storage of "
                f"{storage.numel} values"
            )
        return _Tensor(numel * storage.dtype.itemsize)

    def _parameter(self, tensor: Any, *_: Any) -> Any:
        return tensor


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**48:
        _malformed("size", value)
    return int(value)


def _malformed(what: str, value: object) -> NoReturn:
    raise RefusedError(f"a malformed {what} {shown(value)}; only files of torch.save are read")


def _check_values(content: Any, size: int) -> None:
    """Check that a content is a tree of plain values and tensors, of a size that the file accounts for."""
    level, count, total = [content], 0, 0
    for _ in range(DEEPEST + 1):
        following: list[Any] = []
        for value in level:
            if type(value) is _Tensor:
                total += value.nbytes
            else:
                following.extend(_inside(value))
            if total > _MOST_SHARING * size or count + len(following) > MOST_VALUES:
                raise RefusedError("it refers to the same tensors or values over and over")
        count += len(following)
        level = following
        if not level:
            return
    raise RefusedError(f"it is nested deeper than {DEEPEST} levels")


def _inside(value: Any) -> Iterator[Any]:
    if type(value) in (dict, OrderedDict):
        for key in value:
            if type(key) not in (str, int):
                raise RefusedError(f"it has a key that is neither text nor an integer: {shown(key)}")
        yield from value.values()
    elif type(value) in (list, tuple):
        yield from value
    elif type(value) not in (str, int, float, bool, type(None)):
        kind = type(value).__name__.strip("_").lower()
        raise RefusedError(f"it holds a {kind}; only tensors and plain values are read")
