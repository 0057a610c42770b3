"""Opening of RTSP streams from the server that the address names, and from no other."""

from __future__ import annotations

import errno
import re
import socket
import ssl
import time
from fractions import Fraction
from typing import Any
from urllib.parse import SplitResult, urlsplit

import av
from av.container import InputContainer

from depdis_deploy.command import InputError

from .containers import AUDIO_DECODERS, MAX_PIXELS, PROBING_DECODERS, decoder_options
from .rtsp_relay import relayed

# FFmpeg follows a redirect only if its scheme is listed. The first connection needs the transport alone.
_PROTOCOLS = {"rtsp": "tcp", "rtsps": "tls,tcp"}
_UDP_PROTOCOLS = "tcp,udp,rtp"
_PORTS = {"rtsp": 554, "rtsps": 322}
# Earlier versions do not check the address of a redirect against the whitelist (CVE-2026-107698).
_CHECKS_REDIRECTS = (62, 12, 101)
_MOST_BYTES = 65_536  # of an answer
# A stream inside an MPEG transport stream appears while FFmpeg probes, where it does not apply `max_pixels`.
# Hence probing may use only decoders that read no more than headers, and those of formats that a transport
# stream cannot hold and whose size no header gives.
_DECODERS = f"{PROBING_DECODERS},mjpeg,vp8,vp9,h263,theora,rawvideo,{AUDIO_DECODERS}"
# Without a decoder FFmpeg would wait for 5 s for time stamps that only a decoder gives.
_NO_WAIT = {"fpsprobesize": "0", "max_ts_probe": "0"}
_FASTEST, _USUAL = 1000, Fraction(30)  # frames per second


class Redirected(InputError):
    """The server redirects its clients to another address."""


def open_rtsp(address: str, label: str, timeout_s: tuple[float, float]) -> InputContainer:
    """Open an RTSP stream over TCP, or over UDP if the server supports no other transport.

    No host but the one in `address` is contacted.

    Args:
        address: The URL, which may hold a user name and a password.
        label: The URL as shown in messages, without them.
        timeout_s: Seconds to wait while opening, and for data afterwards.

    Raises:
        Redirected: The server redirects.
        InputError: The installed FFmpeg would follow a redirect, or nothing arrives over UDP.
        OSError, ValueError, av.error.FFmpegError: The stream cannot be opened.
    """
    if av.library_versions["libavformat"] < _CHECKS_REDIRECTS:
        raise InputError(f"{label}: RTSP needs FFmpeg 8.1.1 or newer: pip install 'av>=17.1'")
    url = urlsplit(address)
    address = url.scheme + address[len(url.scheme) :]  # FFmpeg takes `RTSPS:` for `rtsp:`
    deadline = time.monotonic() + timeout_s[0]
    try:
        return _opened(address, timeout_s, rtsp_transport="tcp", protocol_whitelist=_PROTOCOLS[url.scheme])
    except (av.error.ArgumentError, av.error.InvalidDataError) as error:
        target = _redirect_target(url, deadline)
        if target is None and isinstance(error, av.error.InvalidDataError):
            raise
        raise Redirected(
            f"{label}: the server redirects to {target or 'another address'}, which is not followed; "
            "give that address instead"
        ) from None
    except OSError as error:
        # What FFmpeg makes of 461 Unsupported Transport. Over UDP, media would not be encrypted by TLS.
        if error.errno != errno.EPROTONOSUPPORT or url.scheme != "rtsp":
            raise
    return _opened_over_udp(url, label, timeout_s)


def _opened(address: str, timeout_s: tuple[float, float], **options: str) -> InputContainer:
    limits = {"codec_whitelist": _DECODERS, **_NO_WAIT, **decoder_options(MAX_PIXELS)}
    return av.open(address, format="rtsp", options=limits | options, timeout=timeout_s)  # noqa: TID251 (not a file)


def _opened_over_udp(url: SplitResult, label: str, timeout_s: tuple[float, float]) -> InputContainer:
    """Open a stream over UDP, with packets from the server alone."""
    camera = _connected(url, url.port or _PORTS[url.scheme], time.monotonic() + timeout_s[0])
    user_info = "".join(url.netloc.rpartition("@")[:2])
    address = url._replace(netloc=user_info + relayed(camera)).geturl()
    try:
        return _opened(
            address, timeout_s, rtsp_transport="udp", rtsp_flags="filter_src", protocol_whitelist=_UDP_PROTOCOLS
        )
    except (ValueError, OSError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        raise InputError(
            f"{label}: the server supports RTP over UDP only, and no video arrived ({reason}); let the "
            "firewall pass UDP from the camera to ports 5000 to 65000"
        ) from None


def frame_rate(stream: Any) -> Fraction:
    """Return the nominal frame rate of a video stream; a usual one if it is unknown."""
    found = stream.average_rate or stream.guessed_rate
    return Fraction(found) if found and found <= _FASTEST else _USUAL  # FFmpeg may guess the clock's rate


def _redirect_target(url: SplitResult, deadline: float) -> str | None:
    """Ask the server again, without a password, which host it redirects to. None: it does not say."""
    host = f"[{url.hostname}]" if ":" in str(url.hostname) else url.hostname
    port = url.port or _PORTS[url.scheme]
    uri = url._replace(netloc=f"{host}:{port}").geturl()
    try:
        with _connected(url, port, deadline) as server:
            for number, method in enumerate(("OPTIONS", "DESCRIBE"), 1):
                server.sendall(f"{method} {uri} RTSP/1.0\r\nCSeq: {number}\r\n\r\n".encode())
                head = _head(server, deadline)
                if re.match(r"RTSP/1\.\d 3\d\d", head):
                    found = re.search(r"(?im)^location:\s*\w+://(?:[^/@\s]*@)?([\w.:\[\]-]+)", head)
                    return found[1] if found else "another address"
    except OSError:
        pass  # the first error is the one to report
    return None


def _connected(url: SplitResult, port: int, deadline: float) -> socket.socket:
    """Connect over TCP or TLS. As FFmpeg does, accept a camera's own certificate and old ciphers."""
    plain = socket.create_connection((url.hostname, port), _left_s(deadline))
    if url.scheme == "rtsp":
        return plain
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        return context.wrap_socket(plain, server_hostname=url.hostname)
    except BaseException:
        plain.close()
        raise


def _head(server: socket.socket, deadline: float) -> str:
    """Receive an answer up to the end of its header. Answers that come before a redirect have no body."""
    received = b""
    while b"\r\n\r\n" not in received and len(received) < _MOST_BYTES:
        server.settimeout(_left_s(deadline))
        more = server.recv(4096)
        if not more:
            break
        received += more
    return received.decode("utf-8", "replace").replace("\r\n", "\n")


def _left_s(deadline: float) -> float:
    """Return the time until a moment of the monotonic clock; at least a moment, since 0 would mean no limit."""
    return max(0.001, deadline - time.monotonic())
