"""What the tests of training share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_run import tiny_config, write_blocks

from depdis_training.pipeline import train


@pytest.fixture(scope="session")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a set of 10 pictures, 96x64."""
    return write_blocks(tmp_path_factory.mktemp("blocks") / "set")


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, blocks: Path) -> Path:
    """The folder of a finished run of `tiny_config`."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run")
    train(tiny_config(folder, blocks), folder / "out", folder / "data")
    torch.set_num_threads(before)
    return folder / "out"
