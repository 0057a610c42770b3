"""JSON from anyone: beyond its limits it is an error of one short line that names the file."""

import json
from pathlib import Path

import pytest

from depdis_deploy.command import InputError
from depdis_deploy.json_files import LARGEST_FILE, parse_json, read_json, shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[1, 2]", r"expected an object, got \[1, 2\]"),
        ("[" + "1," * 100_000 + "1]", r"expected an object, got \[1, 1, 1, \.\.\.\]"),
        ('"' + "a" * 100_000 + '"', "expected an object, got 'aaa"),
        ("[" * 100_000, "nested deeper than 32"),
        ('{"a":' * 100_000, "nested deeper than 32"),
        ('{"a":' * 40 + "1" + "}" * 40, "nested deeper than 32"),
        ('{"a": NaN}', "NaN is not a number in JSON"),
        ('{"a": -Infinity}', "-Infinity is not a number in JSON"),
        ('{"a": 1e999}', "expected finite numbers, got inf"),
        ('{"a": ' + "9" * 100_000 + "}", "not JSON: Exceeds the limit"),
        ('{"a": ' + "9" * 100 + "}", "an integer beyond 64 bits"),
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ('{"\\udfff": 1}', "half of a surrogate pair"),
        ("{'a': 1}", "not JSON"),
    ],
)
def test_rejects_json_beyond_the_limits(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_json(path, dict)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_reads_json_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes('{"é": 1}\r\n'.encode(encoding))
    assert read_json(path, dict) == {"é": 1}


def test_rejects_files_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    with pytest.raises(InputError, match=r"file\.json: no such file"):
        read_json(path, dict)
    with pytest.raises(InputError, match="not a regular file"):
        read_json(tmp_path, dict)
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(InputError, match=r"not UTF-8 text \(invalid start byte at byte 7\)"):
        read_json(path, dict)
    path.write_bytes('{"a": 1}'.encode("utf-16-le"))
    with pytest.raises(InputError, match="UTF-16 without a byte order mark"):
        read_json(path, dict)
    with path.open("wb") as file:  # sparse
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(InputError, match="larger than 33554432 bytes"):
        read_json(path, dict)


def test_reads_what_json_writes() -> None:
    value = {"a": [1, -2.5, None, True, "ä"], "b": {"c": {}}, "": 2**63 - 1}
    assert parse_json(json.dumps(value), dict) == value
    assert parse_json("[[]]", list) == [[]]
    assert len(shown([["x" * 1000] * 100] * 100)) <= 120
