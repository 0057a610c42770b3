"""The Dockerfile keeps step with the project, and breaks no rule of its linter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from dockerfile import Instruction, instructions, sent

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
FOUND = list(instructions(TEXT))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LAST = FOUND[-1].stage


def of(word: str, stage: int | None = None) -> list[Instruction]:
    return [one for one in FOUND if one.word == word and stage in (None, one.stage)]


def test_no_rule_of_the_linter_is_broken() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [linter, "--no-color", "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_copied_exists_and_is_sent() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
        capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    given = sent(ROOT, (ROOT / ".dockerignore").read_text())
    copied: set[str] = set()
    for one in of("COPY"):
        if "from" in one.flags:
            continue
        for source in one.words[:-1]:
            files = {name for name in tracked if name == source or name.startswith(source + "/")}
            files = {name for name in files if (ROOT / name).exists()}
            assert files, f"{source} is not in the project"
            assert files <= given, f".dockerignore keeps {sorted(files - given)[:3]} out"
            copied |= files
    assert not [name for name in given - copied if not name.endswith((".egg-info", ".pyc"))]
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    for package in packages["packages"]:
        assert f"{package}/__init__.py" in copied
    for name in (PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml", "constraints.txt"):
        assert name in copied


def extras_named(texts: Iterable[str]) -> set[str]:
    return {match for text in texts for match in re.findall(r"EXTRAS=([a-z,]+)", text)}


def test_extras_that_are_named_exist_and_can_be_together() -> None:
    named = extras_named([TEXT, (ROOT / "docs" / "deployment.md").read_text()])
    assert {"cpu", "cuda"} <= named
    for words in named:
        chosen = words.split(",")
        assert set(chosen) <= set(PROJECT["optional-dependencies"])
        assert len({"cpu", "gpu", "cuda"} & set(chosen)) == 1


def test_pinned_packages_cover_the_default_and_the_cuda_build() -> None:
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for extra in ("cpu", "openvino", "cuda"):
        for requirement in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]):
            name = re.split(r"[\[><=! ]", requirement)[0].lower()
            assert name in pinned, f"{name} is not pinned"
    for line in (line for one in of("RUN") for line in one.text.split("&&")):
        assert "-c constraints.txt" in line or not re.search(r"\bpip\b.* install ", line)


def test_the_base_is_pinned_and_the_same_for_both_stages() -> None:
    (base,) = of("ARG", -1)
    assert re.fullmatch(r"PYTHON=3\.\d+\.\d+-slim-\w+", base.text)
    minimum = tuple(map(int, re.findall(r"\d+", PROJECT["requires-python"])))
    assert tuple(map(int, base.text.partition("=")[2].split("-")[0].split("."))) >= minimum
    assert [one.words[0] for one in of("FROM")] == ["python:${PYTHON}"] * (LAST + 1)


def test_it_runs_as_nobody_and_starts_the_command() -> None:
    (user,) = of("USER", LAST)
    assert int(user.text.split(":")[0]) > 0
    (entry,) = of("ENTRYPOINT", LAST)
    assert entry.words[0] in PROJECT["scripts"]
    position = {one.word: index for index, one in enumerate(FOUND) if one.stage == LAST}
    assert position["USER"] > position["COPY"] > position["FROM"]


def test_the_health_check_does_what_it_says(tmp_path: Path) -> None:
    (check,) = of("HEALTHCHECK", LAST)
    command = json.loads(check.text.partition("CMD ")[2])
    assert command[0] == "python"
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    environment["PYTHONPATH"] = str(tmp_path)
    (tmp_path / "depdis_deploy.py").write_text("raise ImportError('broken')")
    done = subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == [tmp_path / "depdis_deploy.py"]
