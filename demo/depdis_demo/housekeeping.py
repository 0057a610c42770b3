"""Regular removal of what abandoned sessions leave behind, on the disk and in Gradio's memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from depdis_deploy.command import one_line
from depdis_deploy.terminal import write_err

from .visitors import Visitors

if TYPE_CHECKING:
    from gradio.blocks import Blocks

_EVERY_S = 30.0


def housekeeping(page: Blocks, visitors: Visitors) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Return a lifespan that removes what is abandoned while the server runs."""

    async def regularly() -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await asyncio.to_thread(visitors.expire)
                forget_sessions(page, visitors.known())
            except Exception as error:  # the next round must come in any case
                write_err(f"depdis-demo: clean-up failed: {one_line(error)}")

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(regularly())
        try:
            yield
        finally:
            task.cancel()

    return lifespan


def forget_sessions(page: Blocks, known: set[str]) -> None:
    """Drop what Gradio keeps of sessions that are not known any more and have nothing queued or running.

    Gradio keeps the names of all sessions and uploads that ever were. Clients choose a session's name.
    Call it on the server's event loop, so that no request is handled in between.
    """
    queue, states = page._queue, page.state_holder
    for session, events in list(queue.pending_event_ids_session.items()):
        if session not in known and not any(event in queue.event_ids_to_events for event in events):
            queue.pending_event_ids_session.pop(session, None)
            queue.pending_messages_per_session.pop(session, None)
    for session in list(states.session_data):
        if session not in known:
            states.session_data.pop(session, None)
            states.time_last_used.pop(session, None)
    page.upload_file_set.clear()  # `Visitors.expire` removes the files
