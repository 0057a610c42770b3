"""How long the demo lets one wait: from the command to its page, and from the click to a result in the browser.

    python benchmarks/demo.py [--rounds 15] [--out benchmarks/results/demo.json]

The picture is the shipped 1280x720 example; a click's end is when the page has painted the result, as the
browser itself measures it. Needs Chromium (apt-get install chromium) and the packages of the extra `dev`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from depdis_demo.process import started
from depdis_deploy.backends.cpu import cores, model_name
from depdis_deploy.files import written_whole

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
# From the click to the second frame after the result is in the page: what is painted by then is on the screen.
CLICK = """async name => {
  const begun = performance.now();
  const before = document.querySelector("#dd-picture [data-shown]")?.dataset.shown;
  [...document.querySelectorAll(".dd-example")].find(one => one.innerText.trim() === name).click();
  while ((document.querySelector("#dd-picture [data-shown]")?.dataset.shown) === before) {
    await new Promise(requestAnimationFrame);
  }
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = measured(options.rounds)
    print(json.dumps(found, indent=1))
    if options.out:
        with written_whole(options.out) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")


def measured(rounds: int) -> dict[str, Any]:
    """Seconds to the page, and milliseconds of each click, the first ones (not warm) apart."""
    begun = time.monotonic()
    with started() as demo:
        ready_s = time.monotonic() - begun
        clicks = clicked(demo.address, rounds)
    first, warm = clicks[:2], clicks[2:]
    return {
        "start-up to the address in seconds": round(ready_s, 2),
        "click to result in ms": {
            "first two": [round(one) for one in first], "warm median": round(statistics.median(warm)),
            "warm best": round(min(warm)), "warm worst": round(max(warm)), "rounds": len(warm),
        },
        "load average of the last minute": round(os.getloadavg()[0], 1),
        "machine": f"{model_name()}, {cores()} cores, {platform.platform()}",
    }  # fmt: skip


def clicked(address: str, rounds: int) -> list[float]:
    """Milliseconds from each click to its result."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(address)
        page.get_by_role("button", name="Fog").wait_for()
        return [page.evaluate(CLICK, ("Fog", "High street")[number % 2]) for number in range(rounds + 2)]


if __name__ == "__main__":
    main()
