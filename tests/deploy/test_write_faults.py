from __future__ import annotations

import errno
import os
from pathlib import Path

import av
import pytest

from depdis_deploy.write_faults import Unwritable, is_disk_fault, write_fault


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "ENODEV", "ESTALE", "ENOTCONN"])
def test_faults_of_the_disk_end_the_run(tmp_path: Path, name: str) -> None:
    number = getattr(errno, name)
    for error in (OSError(number, os.strerror(number)), av.error.FFmpegError(number, os.strerror(number))):
        assert is_disk_fault(error, tmp_path)
        assert isinstance(write_fault(error, tmp_path, "a"), Unwritable)


@pytest.mark.parametrize(
    "name", ["EINVAL", "ENOSYS", "ENOMEM", "EISDIR", "ENAMETOOLONG", "ELOOP", "EPERM", "ENOENT"]
)
def test_other_faults_are_of_one_result_alone(tmp_path: Path, name: str) -> None:
    number = getattr(errno, name)
    for error in (OSError(number, os.strerror(number)), av.error.FFmpegError(number, os.strerror(number))):
        assert not is_disk_fault(error, tmp_path)
        fault = write_fault(error, tmp_path, "a.mp4")
        assert not isinstance(fault, Unwritable)
        assert str(fault).startswith("a.mp4: ")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.ENOTDIR])
def test_folder_that_is_gone_ends_the_run(tmp_path: Path, number: int) -> None:
    assert is_disk_fault(OSError(number, os.strerror(number)), tmp_path / "gone")
