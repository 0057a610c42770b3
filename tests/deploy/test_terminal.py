from __future__ import annotations

import json
import logging
import sys
import warnings

import pytest
from calling import infer

from depdis_deploy.command import InputError, one_line
from depdis_deploy.progress import Progress, say
from depdis_deploy.serve.logs import _JsonFormatter
from depdis_deploy.terminal import json_line, plain_name, printable, write_err, write_out

# clipboard, clear screen, title, C1, delete, right-to-left, invisible, line separator, stray byte
HOSTILE = (
    "a\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\x7f\b\r\n\t\u202eb\u2066\u200b\u2028\ufeff\U000e0041\udcffé東🚲.png"
)


def is_safe(text: str) -> bool:
    """Whether a terminal shows each character and acts on none, by Unicode's own categories."""
    return text.isprintable()


def test_unsafe_characters_become_visible_escapes() -> None:
    assert printable(HOSTILE) == (
        r"a\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\x7f\x08\r\n\t\u202eb\u2066\u200b\u2028\ufeff\U000e0041\udcffé東🚲.png"
    )
    assert plain_name(HOSTILE) == "a_]52;c;aGk=__[2J_31m______b____" + "_\udcffé東🚲.png"


@pytest.mark.parametrize(
    "name", ["naïve é.png", "東京\u3000駅.png", "صورة.png", "می\u200cروم", "👩\u200d🚀", "a\u202fb"]
)
def test_letters_of_all_scripts_stay_in_names(name: str) -> None:
    assert plain_name(name) == name


def test_json_is_safe_to_print_and_reads_back_exactly() -> None:
    line = json_line({"source": HOSTILE, "é": "東"})
    assert is_safe(line)
    assert json.loads(line) == {"source": HOSTILE, "é": "東"}
    assert "東" in line
    record = logging.makeLogRecord({"msg": "request", "levelname": "INFO", "fields": {"path": HOSTILE}})
    assert is_safe(_JsonFormatter().format(record))


@pytest.mark.parametrize("terminal", [False, True])
def test_every_line_is_escaped(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:  # fmt: skip
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    say(HOSTILE)
    progress = Progress(HOSTILE, 2, unit="frames", plain_every_s=0.0)
    progress.every_s = 0.0
    progress.advance(note=HOSTILE)
    progress.close(HOSTILE)
    write_err(HOSTILE.replace("\n", ""))
    write_out(HOSTILE.replace("\n", ""))
    for text in capfd.readouterr():
        assert "52;c;" in text
        for line in text.replace("\r\x1b[K", "\n").split("\n"):
            assert is_safe(line)


@pytest.mark.parametrize(
    "error", [InputError(HOSTILE), ValueError(HOSTILE), FileNotFoundError(2, "gone", HOSTILE)]
)
def test_message_of_an_error_is_one_safe_line(error: Exception) -> None:
    assert is_safe(one_line(error))


def test_wrong_options_and_warnings_are_escaped(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    for words in ((f"--{HOSTILE}",), ("--stride", HOSTILE), ("--panel", HOSTILE), (HOSTILE,)):
        result = infer(capfd, monkeypatch, *words)
        assert result.status in (1, 2)
        assert len(result.errors) == 1
        assert is_safe(result.err.rstrip("\n"))
    assert is_safe(warnings.formatwarning(HOSTILE, UserWarning, "x.py", 1, "line").replace("\n", ""))
