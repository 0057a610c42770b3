"""The Dockerfile matches the project and passes its linter."""

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
STAGES = {one.words[2]: one.stage for one in FOUND if one.word == "FROM" and len(one.words) == 3}
RUNTIME = "runtime"


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
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    for extra in ("cpu", "openvino", "cuda", "serve"):
        for requirement in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]):
            name = re.split(r"[\[><=! ]", requirement)[0].lower()
            assert name in pinned, f"{name} is not pinned"
    for line in (line for one in of("RUN") for line in one.text.split("&&")):
        assert "-c constraints.txt" in line or not re.search(r"\bpip\b.* install ", line)


def test_every_stage_builds_on_the_pinned_python() -> None:
    (base,) = of("ARG", -1)
    assert re.fullmatch(r"PYTHON=3\.\d+\.\d+-slim-\w+", base.text)
    minimum = tuple(map(int, re.findall(r"\d+", PROJECT["requires-python"])))
    assert tuple(map(int, base.text.partition("=")[2].split("-")[0].split("."))) >= minimum
    stages = [one.words for one in of("FROM")]
    assert {words[0] for words in stages} == {"python:${PYTHON}", RUNTIME}
    assert [words[2] for words in stages[:-1]] == ["build", RUNTIME, "serve"]


def test_runs_as_an_unprivileged_user() -> None:
    (user,) = of("USER")
    assert user.stage == STAGES[RUNTIME]
    assert int(user.text.split(":")[0]) > 0
    position = {one.word: index for index, one in enumerate(FOUND) if one.stage == user.stage}
    assert position["USER"] > position["COPY"] > position["FROM"]


def test_default_image_infers_and_the_serve_target_serves() -> None:
    for stage, script in ((LAST, "depdis-infer"), (STAGES["serve"], "depdis-serve")):
        (entry,) = of("ENTRYPOINT", stage)
        assert entry.words[0] == script
        assert script in PROJECT["scripts"]
    (install,) = (one for one in of("RUN") if "pip --python" in one.text)
    assert "[${EXTRAS},serve]" in install.text


def test_only_the_server_has_a_health_check_and_it_starts_no_python() -> None:
    """`tests/deploy/test_serve_end.py` runs it."""
    (check,) = of("HEALTHCHECK")
    command = json.loads(check.text.partition("CMD ")[2])
    assert command[:2] == ["bash", "-c"]
    assert "/readyz" in command[2]
    assert check.stage == STAGES["serve"]
