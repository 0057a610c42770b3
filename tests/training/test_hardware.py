"""Which precision `auto` is, by what a processor says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from depdis_training.hardware import fast_precision


@pytest.mark.parametrize(
    ("vendor", "flags", "resnet101", "small"),
    [
        ("GenuineIntel", "fpu avx2", "fp32", "fp32"),
        ("GenuineIntel", "avx512f avx512_bf16", "fp32", "bf16"),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16 amx_tile", "bf16", "bf16"),
        ("AuthenticAMD", "avx512f avx512_bf16", "bf16", "bf16"),
        ("AuthenticAMD", "avx2", "fp32", "fp32"),
    ],
)
def test_auto(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str, flags: str, resnet101: str, small: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    core = f"processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: some: name\nflags\t\t: {flags}\n\n"
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(2 * core)
    assert fast_precision("resnet101", cpuinfo) == resnet101
    assert fast_precision("efficientnet_lite0", cpuinfo) == small


def test_a_system_without_cpuinfo_takes_fp32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert fast_precision("efficientnet_lite0", tmp_path / "none") == "fp32"
