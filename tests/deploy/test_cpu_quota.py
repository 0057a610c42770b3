"""Usable CPUs: affinity, and the quota of control groups in both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from depdis_deploy.backends import cpu
from depdis_deploy.cpu_quota import cpu_quota


def process(folder: Path, groups: str, mounts: str) -> Path:
    """A process's folder in /proc."""
    (folder / "cgroup").write_text(groups)
    lines = [
        f"30 29 0:26 {mount} rw - {rest}\n" for mount, rest in (line.split("|") for line in mounts.split("\n"))
    ]
    (folder / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda rw\n" + "".join(lines))
    return folder


def limit(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("50000 100000\n", 0.5),
        ("150000 50000\n", 3),
        ("", None),
    ],
)
def test_reads_the_quota_of_version_2(tmp_path: Path, text: str, expected: float | None) -> None:
    limit(tmp_path / "fs/user.slice", cpu_max=text)
    place = process(tmp_path, "0::/user.slice\n", f"/ {tmp_path}/fs|cgroup2 cgroup2 rw")
    assert cpu_quota(place) == expected


def test_the_smallest_quota_of_all_groups_above_counts(tmp_path: Path) -> None:
    limit(tmp_path / "fs/a/b", cpu_max="400000 100000")
    limit(tmp_path / "fs/a", cpu_max="150000 100000")
    place = process(tmp_path, "0::/a/b\n", f"/ {tmp_path}/fs|cgroup2 cgroup2 rw")
    assert cpu_quota(place) == 1.5


def test_reads_the_quota_of_version_1(tmp_path: Path) -> None:
    limit(tmp_path / "cpu fs/docker/1", cpu_cfs_quota_us="300000\n", cpu_cfs_period_us="100000\n")
    limit(tmp_path / "cpu fs", cpu_cfs_quota_us="-1\n", cpu_cfs_period_us="100000\n")
    limit(tmp_path / "cpuset", cpu_cfs_quota_us="1000\n", cpu_cfs_period_us="100000\n")
    mounts = (
        f"/ {tmp_path}/cpu\\040fs|cgroup cgroup rw,cpu,cpuacct\n/ {tmp_path}/cpuset|cgroup cgroup rw,cpuset"
    )
    place = process(tmp_path, "4:cpu,cpuacct:/docker/1\n3:cpuset:/docker/1\n0::/\n", mounts)
    assert cpu_quota(place) == 3


def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    limit(tmp_path / "fs", cpu_cfs_quota_us="250000", cpu_cfs_period_us="100000")
    place = process(tmp_path, "4:cpu:/docker/1\n", f"/docker/1 {tmp_path}/fs|cgroup cgroup rw,cpu")
    assert cpu_quota(place) == 2.5
    limit(tmp_path / "fs", cpu_max="100000 100000")
    place = process(tmp_path, "0::/../../elsewhere\n", f"/ {tmp_path}/fs|cgroup2 cgroup2 rw")
    assert cpu_quota(place) == 1


def test_systems_without_control_groups_have_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None


def test_cores_are_the_lesser_of_affinity_and_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for quota, expected in ((None, 8), (2.0, 2), (1.5, 2), (0.1, 1), (64.0, 8)):
        monkeypatch.setattr(cpu, "cpu_quota", lambda quota=quota: quota)
        assert cpu.cores() == expected
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert cpu.cores() == 4
