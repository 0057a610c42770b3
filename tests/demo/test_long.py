"""Ten minutes of mixed use by four visitors at once (`make check`)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

import pytest
from browsing import LIMITS, Opener, tab
from playwright.sync_api import Page, expect

from depdis_demo import examples
from depdis_demo.process import started

MINUTES = float(os.environ.get("DEPDIS_DEMO_MINUTES", "10"))
WARM_SHARE = 0.3  # of the time, until all that is kept once is there
MOST_GROWTH_MB = 60
# After the first round. Gradio starts some as they are needed; a decoder that is kept has three to five.
MOST_MORE_THREADS = 15


def resident_mb_and_threads(pid: int) -> tuple[float, int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return int(found["VmRSS"].split()[0]) / 1024, int(found["Threads"])


class Visitor:
    """Does one thing after the other; `begin` asks for it, `finish` sees it done."""

    def __init__(self, page: Page, number: int) -> None:
        self.page, self.turn = page, number

    def begin(self) -> None:
        page, self.turn = self.page, self.turn + 1
        if self.turn % 4 == 3:
            tab(page, "Video")
            page.get_by_role("button", name="Try a generated drive").click()
        else:
            tab(page, "Picture")
            self.title = list(examples.TITLES.values())[self.turn % len(examples.TITLES)]
            page.get_by_role("button", name=self.title, exact=True).click()

    def finish(self) -> None:
        page = self.page
        if self.turn % 4 == 3:
            cancel = page.get_by_role("button", name="Cancel and keep what is done")
            done = page.get_by_role("link", name="Download the video")
            expect(cancel.or_(done).or_(page.get_by_text("Cancelled before"))).to_be_visible()
            if cancel.is_visible():
                cancel.click(timeout=5000, force=True)
            expect(cancel).to_be_hidden()
            return
        expect(page.get_by_role("heading", name=self.title, exact=True)).to_be_visible()
        page.get_by_role("checkbox").first.uncheck()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Labels, palette PNG").click()
        waiting.value.path()


@pytest.mark.long
@pytest.mark.timeout(int(60 * MINUTES) + 600)
def test_memory_is_flat_and_nothing_fails(open_page: Opener) -> None:
    with started(*LIMITS) as served:
        visitors = [Visitor(open_page(address=served.address), number) for number in range(4)]
        begun, threads = time.monotonic(), list[int]()
        warm, end = list[float](), list[float]()
        while (elapsed := time.monotonic() - begun) < 60 * MINUTES:
            for visitor in visitors:
                visitor.begin()
            for visitor in visitors:
                visitor.finish()
            resident_mb, now = resident_mb_and_threads(served.pid)
            threads.append(now)
            if elapsed > WARM_SHARE * 60 * MINUTES:
                (warm if elapsed < (1 + WARM_SHARE) / 2 * 60 * MINUTES else end).append(resident_mb)
        for visitor in visitors:
            visitor.page.context.close()  # before their server, whose end they would take for a fault
    print(
        f"{len(threads)} rounds; most MB (median) when warm {max(warm):.0f} ({median(warm):.0f}), "
        f"at the end {max(end):.0f} ({median(end):.0f}); threads {threads[0]} at first, {max(threads)} at most"
    )
    assert max(end) < max(warm) + MOST_GROWTH_MB
    assert max(threads) <= threads[0] + MOST_MORE_THREADS
