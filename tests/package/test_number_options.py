"""Options that take a number reject infinity and NaN, which no minimum or maximum does."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from depdis_deploy import command

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def float_options() -> Iterator[tuple[str, list[str], str]]:
    """Each option of each console command that takes a float: module, subcommand, option."""
    for target in PROJECT["scripts"].values():
        module = target.partition(":")[0]
        commands = importlib.import_module(module).app.registered_commands
        for one in commands:
            words = [one.name or one.callback.__name__] if len(commands) > 1 else []
            for parameter, hint in get_type_hints(one.callback, include_extras=True).items():
                kinds = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
                if kinds is float or float in get_args(kinds):
                    yield module, words, "--" + parameter.replace("_", "-")


OPTIONS = list(float_options())


def test_finds_options_of_several_commands() -> None:
    assert {"--timeout", "--drain", "--max-megapixels", "--camera-fov", "--max-seconds", "--cap"} <= {
        option for _, _, option in OPTIONS
    }


@pytest.mark.parametrize(("module", "words", "option"), OPTIONS, ids=lambda value: str(value))
@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_rejects_numbers_that_are_not_finite(
    module: str, words: list[str], option: str, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = importlib.import_module(module).app
    with pytest.raises(SystemExit) as end:
        command.run(app, args=[*words, f"{option}={number}"])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), err.startswith("error: Invalid value for")) == (1, True)
    assert option in err
