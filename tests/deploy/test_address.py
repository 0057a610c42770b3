from __future__ import annotations

from pathlib import Path

import pytest
from calling import Call, infer
from clips import make_clip
from small_rtsp import SmallRtsp

from depdis_deploy.address import fault_of, masked, masked_text
from depdis_deploy.command import InputError
from depdis_deploy.infer import run
from depdis_deploy.job import Options
from depdis_deploy.pictures import read_picture
from depdis_deploy.sources import STREAM_SCHEMES, Source, find_sources

SECRET = "Zq9x"
ACCEPTED = [
    "rtsp://user:Zq9x@127.0.0.1:9/live",
    "RTSP://user:Zq9x@127.0.0.1:9/live",
    "rtsp://user:p%40%23%2FZq9x@127.0.0.1:9/live",
    "rtsp://user:pass=Zq9x@127.0.0.1:9/live",
    "rtsp://user:Zq9x@[::1]:9/live",
    "rtsp://127.0.0.1:9/live?user=admin&password=Zq9x&channel=1",
    "rtsp://127.0.0.1:9/user=admin&password=Zq9x&channel=1&stream=0.sdp",
    "rtsp://127.0.0.1:9/user=admin_password=Zq9x_channel=1_stream=0.sdp?real_stream",
    "rtsp://127.0.0.1:9/cam/realmonitor?channel=1&token=Zq9x",
    "rtsp://127.0.0.1:9/live?authbasic=ab/Zq9x=&channel=1",
    "rtsp://127.0.0.1:9/live?pwd=a/b?Zq9x&channel=1",
    "rtsp://127.0.0.1:9/live%3Fuser%3Dadmin%26passwd%3DZq9x",
    "rtsp://127.0.0.1:9/live?key=Zq9x",
    "rtsp://127.0.0.1:9/live?loginpas=Zq9x",
]
REJECTED = [
    "rtsp://user:pa#Zq9x@host/live",
    "rtsp://user:Zq9x/w@host/live",
    "rtsp://user:pa?Zq9x@host/live",
    "rtsp://user:p@Zq9x@host/live",
    "rtsp://user:12/Zq9x:1@host/live",
    "rtsp://user:a Zq9x@host/live",
    "rtsp://user:a\nZq9x@host/live",
    "rtsp://user:Zq9x@",
    "rtsp://user:Zq9x",
    "rtsp://user:Zq9x#tail",
    "rtsp://user:Zq9x%40host/live",
    "rtsp://user:Zq9x@[::1",
    "rtsp://user:Zq9x@host:99999/live",
    "rtsp://host/live?password=p@Zq9x&channel=1",
    "rtsp://host/live?pass=a#Zq9x",
    "rtps://user:Zq9x@host/live",
    "http://user:Zq9x@host/live.mp4",
    "rtsp:/user:Zq9x@host/live",
    "rtsp:user:Zq9x@host/live",
    "rtsp:\\\\user:Zq9x@host/live",
    " rtsp://user:Zq9x@host/live",
]
WITHOUT_SCHEME = [
    "user:Zq9x@host/live",
    "//user:Zq9x@host/live",
    "rtsp//user:Zq9x@host/live",
    "rtsp;//u:Zq9x@h",
]


@pytest.mark.parametrize("address", ACCEPTED)
def test_accepted_address_is_shown_without_credentials(address: str) -> None:
    (source,) = find_sources([address])
    assert (source.kind, source.location) == ("stream", address)
    for shown in (source.label, source.stem, repr(source), str(source)):
        assert SECRET not in shown
        assert "admin" not in shown
    text = masked_text(f"--retry {address}: wrong")
    assert SECRET not in text
    assert "admin" not in text
    assert source.label.lower().startswith("rtsp://")


def test_label_keeps_what_tells_cameras_apart() -> None:
    label = masked("rtsp://me:Zq9x@nvr:554/cam/realmonitor?channel=2&subtype=0&token=Zq9x&proto=Onvif")
    assert label == "rtsp://nvr:554/cam/realmonitor?channel=2&subtype=0&token=***&proto=Onvif"
    stems = [Source("stream", f"rtsp://h/user=a_password=b_channel={n}_stream=0.sdp").stem for n in (1, 2)]
    assert stems == ["h_channel_1_stream_0.sdp", "h_channel_2_stream_0.sdp"]


@pytest.mark.parametrize("address", REJECTED)
def test_rejected_address_names_the_form_but_not_the_password(address: str) -> None:
    with pytest.raises(InputError) as error:
        find_sources([address])
    assert SECRET not in str(error.value) + Source("stream", address).stem
    fault = fault_of(address, STREAM_SCHEMES)
    assert fault is not None
    assert SECRET not in fault
    assert "rtsp://host" in fault
    assert address.partition(":")[0] != "rtsp" or "://" not in address or "%23" in fault


@pytest.mark.parametrize("address", WITHOUT_SCHEME)
def test_password_of_an_address_without_scheme_is_not_shown(address: str) -> None:
    for read in (lambda: find_sources([address]), lambda: read_picture(address)):
        with pytest.raises(InputError, match="no such file") as error:
            read()
        assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "word", ["a/b.png", "cam:1.png", "me@work/a.png", "C:\\me@work\\a.png", "/data/x@2.png"]
)
def test_names_of_files_are_shown_whole(word: str) -> None:
    assert masked(word) == word


@pytest.mark.parametrize("part", ["pas", "-pas", "%26", "&", "password=", "&a", "@", "a:", "[", "user=a&"])
def test_masking_long_words_is_linear(part: str) -> None:
    masked("rtsp://h/?password=" + part * 20_000 + "=")


def test_no_password_reaches_messages_or_files(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path, call: Call
) -> None:
    lines = [address for address in ACCEPTED + REJECTED + WITHOUT_SCHEME if "\n" not in address]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    result = call("list.txt", "--duration", "1s")
    assert result.status == 1
    assert len(result.errors) == len(lines)
    assert SECRET not in result.err
    assert not (tmp_path / "runs/infer/1").exists()
    for option in ("--retry", "--stride", "--save", "--panel", "--nothing"):
        for address in (ACCEPTED[0], REJECTED[0]):
            wrong = infer(capfd, monkeypatch, option, address, "x.mp4")
            assert wrong.status == 2
            assert SECRET not in wrong.err


def test_no_password_reaches_the_results_of_a_stream(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with SmallRtsp([make_clip(tmp_path / "a.ts", 6)]) as server:  # the last frame is not sent to its end
        address = f"rtsp://me:{SECRET}@127.0.0.1:{server.port}/live?password={SECRET}&channel=1"
        status = run(Options(sources=(address,), model=model, outdir=tmp_path / "out", retry_s=0.0))
    assert status == 1  # it was lost
    written = list((tmp_path / "out").iterdir())
    assert {path.name for path in written} == {"127.0.0.1_live.mp4", "127.0.0.1_live.ndjson"}
    assert not any(SECRET.encode() in path.read_bytes() for path in written)
    said = "".join(capfd.readouterr())
    assert "lost after 5 frames" in said
    assert "channel=1" in said
    assert SECRET not in said
