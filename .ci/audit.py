"""Known faults of the pinned packages, asked of the advisories that pip-audit knows.

    python .ci/audit.py [--requirements constraints.txt]

Ends with 1 where a package has a known fault. Where the advisories cannot be reached (no network, or a mirror
of the index without them) it says that nothing is known, and ends with 0: that is no finding of the packages.
pip-audit gets an environment of its own, so that what it needs is none of the project's dependencies.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_TOOL = "pip-audit==2.10.1"
_LONGEST_S = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requirements", type=Path, default=Path("constraints.txt"))
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as temporary:
            found = _asked(options.requirements, Path(temporary))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        print(f"audit: nothing is known: {_TOOL} cannot be installed or does not answer ({error})")
        return 0
    return told(found["dependencies"])


def _asked(requirements: Path, place: Path) -> dict[str, Any]:
    """pip-audit's own report. OSError, SubprocessError, ValueError: there is none."""
    out, binaries = place / "found.json", place / "tool" / "bin"
    quiet = {"check": True, "timeout": _LONGEST_S, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([sys.executable, "-m", "venv", str(place / "tool")], **quiet)
    subprocess.run([str(binaries / "pip"), "install", "-q", "--disable-pip-version-check", _TOOL], **quiet)
    words = [
        "--no-deps",
        "--disable-pip",
        "--progress-spinner",
        "off",
        "--format",
        "json",
        "--output",
        str(out),
    ]
    subprocess.run(
        [str(binaries / "pip-audit"), "--requirement", str(requirements), *words],
        timeout=_LONGEST_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return found


def told(packages: list[dict[str, Any]]) -> int:
    """Say what was found of pip-audit's list; the exit status."""
    asked = [package for package in packages if "skip_reason" not in package]
    faulty = [package for package in asked if package["vulns"]]
    for package in faulty:
        for fault in package["vulns"]:
            mended = ", ".join(fault["fix_versions"]) or "no version yet"
            print(f"audit: {package['name']} {package['version']}: {fault['id']}, mended in {mended}")
    if asked:
        print(
            f"audit: {len(asked)} of {len(packages)} packages were looked up, {len(faulty)} have known faults"
        )
    else:
        print("audit: nothing is known: the package index asked here has no advisories")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
