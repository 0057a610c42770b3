"""What the audit of the dependencies makes of pip-audit's answers; asking them needs a network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_known_fault_fails(audit: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    fault = {"id": "PYSEC-2026-1", "fix_versions": ["2.1"], "aliases": [], "description": "..."}
    found = [
        {"name": "good", "version": "1.0", "vulns": []}, {"name": "bad", "version": "2.0", "vulns": [fault]},
        {"name": "own", "skip_reason": "not found"},
    ]  # fmt: skip
    assert audit.told(found) == 1
    said = capsys.readouterr().out
    assert "bad 2.0: PYSEC-2026-1, mended in 2.1" in said
    assert "2 of 3 packages were looked up, 1 have known faults" in said


def test_an_index_without_advisories_is_no_finding(
    audit: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.told([{"name": "own", "skip_reason": "not found"}]) == 0
    assert "nothing is known" in capsys.readouterr().out
    assert audit.told([{"name": "good", "version": "1.0", "vulns": []}]) == 0
    assert "1 of 1 packages were looked up, 0 have known faults" in capsys.readouterr().out
