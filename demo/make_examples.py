"""Draw the demo's example pictures anew: python demo/make_examples.py (some minutes).

Generated streets like those that the bundled model learned from, of a seed that no training used.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from depdis_deploy.pictures import read_picture

EXAMPLES = Path(__file__).parent / "depdis_demo" / "examples"
NAMES = {13: "dusk", 15: "fog", 16: "suburb", 22: "high-street"}  # by the picture's number


def main() -> None:
    """Draw the set, keep four of its pictures as JPEG."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "street"
        command = [sys.executable, "-m", "depdis_training.data_cli", "street", str(root), "--domain", "random"]
        options = ["--pictures", str(max(NAMES) + 1), "--size", "1280x720", "--seed", "11"]
        subprocess.run([*command, *options], check=True)
        convert(root)


def convert(root: Path) -> None:
    """The chosen pictures of a drawn set into the package."""
    EXAMPLES.mkdir(exist_ok=True)
    for number, name in NAMES.items():
        image = Image.fromarray(read_picture(root / "RGB" / f"{number:07d}.png"))
        image.save(EXAMPLES / f"{name}.jpg", quality=86, optimize=True, progressive=True)


if __name__ == "__main__":
    main()
