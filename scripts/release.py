"""Builds a release into dist/ and proves that it can be installed; `make release` runs it.

Nothing is published.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv/bin/uv"
DIST = ROOT / "dist"
SOURCE = "src/hortus"
PATIENCE_SECONDS = 90.0


class NotReleasable(Exception):
    """The reason why this cannot be released."""


def package_version(root: Path) -> str:
    """Return the version in the package's `__init__.py`."""
    text = (root / SOURCE / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise NotReleasable(f"{SOURCE}/__init__.py has no line __version__ = ….")
    return found[1]


def changelog_version(root: Path) -> str:
    """Return the newest version in the changelog."""
    found = re.search(
        r"^## (\d\S*) - \d{4}-\d\d-\d\d$", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    if found is None:
        raise NotReleasable("CHANGELOG.md has no version with a date.")
    return found[1]


def require_same_version(root: Path) -> str:
    """Return the common version of package and changelog. Raises NotReleasable if they differ."""
    package, changelog = package_version(root), changelog_version(root)
    if package != changelog:
        raise NotReleasable(
            f"{SOURCE}/__init__.py says {package}, but the newest version in CHANGELOG.md is {changelog}. "
            "Make them the same."
        )
    return package


def require_clean(root: Path) -> None:
    """Raise NotReleasable unless everything in the folder is committed."""
    changed = _git(root, "status", "--porcelain")
    if changed:
        raise NotReleasable(f"These files are not committed. Commit or remove them first:\n{changed}")


def tracked_files(root: Path) -> set[str]:
    """Return the files of the package that git tracks, such as `hortus/py.typed`."""
    names = _git(root, "ls-files", "-z", "--", SOURCE).split("\0")
    return {name.removeprefix("src/") for name in names if name}


def require_complete(archive: Path, wanted: set[str]) -> None:
    """Raise NotReleasable unless a wheel or sdist contains all these files of the package."""
    missing = wanted - _packaged_files(archive)
    if missing:
        raise NotReleasable(f"{archive.name} lacks {', '.join(sorted(missing))}.")


def _packaged_files(archive: Path) -> set[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return {name.partition("/src/")[2] for name in sdist.getnames()}


def build() -> tuple[Path, Path]:
    """Build and return the wheel and the sdist. The wheel is built from the sdist, as others would do."""
    _run(
        UV,
        "build",
        "--quiet",
        "--clear",
        "--no-build-isolation",
        "--python",
        sys.executable,
        "--out-dir",
        DIST,
        ROOT,
    )
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, sdist


def install(archive: Path, environment: Path) -> Path:
    """Install into a new environment with the current packages of the index; return the path of the command."""
    _run(UV, "venv", "--quiet", "--python", sys.executable, environment)
    _run(UV, "pip", "install", "--quiet", "--python", environment / "bin/python", archive)
    return environment / "bin/hortus"


def require_prints_version(hortus: Path, version: str) -> None:
    """Raise NotReleasable unless the command runs and reports this version."""
    printed = _run(hortus, "--version", cwd=hortus.parent)
    if version not in printed.split():
        raise NotReleasable(f"`hortus --version` printed {printed.strip()!r} instead of {version}.")


def require_starts(hortus: Path, data_dir: Path) -> None:
    """Raise NotReleasable unless `hortus up` becomes ready and exits cleanly on request."""
    log = data_dir.with_suffix(".log")
    arguments = [
        "up",
        "--data-dir",
        str(data_dir),
        "--http-port",
        "0",
        "--mqtt-port",
        "0",
        "--gateway-port",
        "0",
    ]
    with log.open("wb") as output:
        up = subprocess.Popen(
            [hortus, *arguments], stdout=output, stderr=output, cwd=data_dir.parent, env=_environment()
        )
    try:
        _wait_until_ready(up, data_dir, log)
    finally:
        code = _end(up)
    if code != 0:
        raise NotReleasable(f"`hortus up` ended with {code} on SIGTERM, not with 0:\n{log.read_text('utf-8')}")


def _end(up: subprocess.Popen[bytes]) -> int | None:
    """Stop the process; return its exit code, or None if it had to be killed."""
    up.terminate()
    try:
        return up.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        up.kill()
        return None


def _wait_until_ready(up: subprocess.Popen[bytes], data_dir: Path, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _is_ready(data_dir):
        if up.poll() is not None or time.monotonic() > deadline:
            raise NotReleasable(f"`hortus up` did not get ready:\n{log.read_text('utf-8')}")
        time.sleep(0.1)


def _is_ready(data_dir: Path) -> bool:
    try:
        address = json.loads((data_dir / "run.json").read_text("utf-8"))["http_address"]
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (FileNotFoundError, urllib.error.URLError):
        return False


def _environment() -> dict[str, str]:
    """Return this process's environment without variables that point into the repository."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    # The interpreter of whoever releases it may be below /root.
    return {**kept, "HORTUS_ALLOW_ROOT": "1"}


def _git(root: Path, *arguments: str) -> str:
    return _run("git", "-C", root, *arguments).strip()


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode != 0:
        raise NotReleasable(f"`{' '.join(map(str, command))}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def release() -> tuple[Path, Path]:
    """Build and check a release; return the wheel and the sdist."""
    version = require_same_version(ROOT)
    require_clean(ROOT)
    archives = wheel, sdist = build()
    for archive in archives:
        require_complete(archive, tracked_files(ROOT))
    with tempfile.TemporaryDirectory(prefix="hortus-release-") as name:
        place = Path(name)
        place.chmod(0o755)  # if started as root, the database runs as another user
        for archive, environment in (wheel, place / "wheel"), (sdist, place / "sdist"):
            require_prints_version(install(archive, environment), version)
        require_starts(place / "wheel/bin/hortus", place / "data")
    return archives


def main() -> None:
    """Print what was built, or why the release failed."""
    try:
        archives = release()
    except NotReleasable as reason:
        sys.exit(f"No release: {reason}")
    print("Built, installed and started: " + ", ".join(f"dist/{archive.name}" for archive in archives))


if __name__ == "__main__":
    main()
