"""What `make release` insists on, and that wheel and sdist have all that the package needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import release


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that could be released as 1.2.0."""
    package = tmp_path / "src/hortus"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n\n## 1.2.0 - 2026-01-02\n\n## 1.1.0 - 2026-01-01\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "All"]):
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    built = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(built)]
    subprocess.run(command, cwd=release.ROOT, check=True, capture_output=True)
    return sorted(built.iterdir())


def test_the_newest_version_in_the_changelog_is_that_of_the_package() -> None:
    release.require_same_version(release.ROOT)


def test_wheel_and_sdist_have_every_file_of_the_package(archives: list[Path]) -> None:
    wanted = release.tracked_files(release.ROOT)
    assert {"hortus/__init__.py", "hortus/py.typed"} < wanted
    assert [archive.suffix for archive in archives] == [".whl", ".gz"]
    for archive in archives:
        release.require_complete(archive, wanted)


def test_a_file_that_an_archive_lacks_is_named(archives: list[Path]) -> None:
    for archive in archives:
        with pytest.raises(release.NotReleasable, match=r"lacks hortus/forgotten\.json"):
            release.require_complete(archive, {"hortus/py.typed", "hortus/forgotten.json"})


def test_a_clean_repository_with_one_version_can_be_released(repository: Path) -> None:
    assert release.require_same_version(repository) == "1.2.0"
    release.require_clean(repository)


def test_a_version_that_the_changelog_does_not_describe_is_not_released(repository: Path) -> None:
    (repository / "src/hortus/__init__.py").write_text('__version__ = "1.3.0"\n')
    with pytest.raises(release.NotReleasable, match=r"says 1\.3\.0, but the newest version .* is 1\.2\.0"):
        release.require_same_version(repository)


@pytest.mark.parametrize("name", ["CHANGELOG.md", "new.txt"])
def test_what_is_not_committed_is_not_released(repository: Path, name: str) -> None:
    with (repository / name).open("a") as file:
        file.write("# new\n")
    with pytest.raises(release.NotReleasable, match=f"(?s)not committed.*{name}"):
        release.require_clean(repository)
