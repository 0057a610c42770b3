from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TEXTS = (".py", ".md", ".sh", ".toml", ".html", ".js")


def test_each_boundary_names_an_existing_test() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Boundary")]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", row)
        assert named, row
        for path, test in named:
            assert re.search(rf"def {test}\(", (ROOT / path).read_text("utf-8")), f"{path} has no {test}"


def test_no_instruction_installs_the_unregistered_name_from_an_index() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in _TEXTS or path.name in ("Dockerfile", "Makefile"):
            text = path.read_text("utf-8")
            assert not re.search(r"pip install [^\n]*\bdepdis[_-]deploy", text), name
