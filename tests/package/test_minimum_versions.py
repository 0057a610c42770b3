"""The lower bounds of pyproject.toml are those that `make check` installs and tests."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / ".ci"))

from minimum import EXTRAS  # noqa: E402

# PyTorch has no older wheel for the CPU on the package index; the others are pinned so in constraints.txt.
NOT_TESTED = {"torch"}


def bounds() -> dict[str, str]:
    """The lower bound of each package of the tested extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras, wanted, words = project["optional-dependencies"], list(EXTRAS), list(project["dependencies"])
    for extra in wanted:
        words += extras[extra]
        inner = [word for word in extras[extra] if word.startswith("depdis-deploy[")]
        wanted += [name for word in inner for name in word.partition("[")[2].rstrip("]").split(",")]
    found = (re.match(r"([A-Za-z0-9_-]+)(?:\[[^]]*\])?(?:>=|==)([0-9.]+)", word) for word in words)
    return {match[1]: match[2] for match in found if match is not None and match[1] != "depdis-deploy"}


def installed() -> dict[str, str]:
    lines = (ROOT / "constraints-minimum.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def test_every_lower_bound_is_tested_as_it_is() -> None:
    pinned = installed()
    wrong = {
        name: (bound, pinned.get(name.lower()))
        for name, bound in bounds().items()
        if name not in NOT_TESTED and not _same(bound, pinned.get(name.lower(), "none"))
    }
    assert wrong == {}, "run .ci/minimum.py --update"


def _same(bound: str, version: str) -> bool:
    """Whether a version is the lowest that a bound accepts, up to zeros and to releases that do not exist."""
    return version == bound or version.startswith(f"{bound}.")
