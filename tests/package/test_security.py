from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_border_names_a_test_that_there_is() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Border")]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", row)
        assert named, row
        for path, test in named:
            assert re.search(rf"def {test}\(", (ROOT / path).read_text("utf-8")), f"{path} has no {test}"
