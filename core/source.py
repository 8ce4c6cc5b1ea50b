"""Where this package's source lies, and of which commit or version it is."""

from __future__ import annotations

import os
import subprocess
from importlib import metadata
from pathlib import Path

#: The package's folder, and the one to put on the path to import it.
PACKAGE = Path(os.path.abspath(__file__)).parents[1]
ROOT = PACKAGE.parent
#: Whether that is a checkout of this project. Else it may be `site-packages`, with everything else that is installed.
IS_CHECKOUT = (ROOT / "pyproject.toml").is_file() and (ROOT / "core").is_dir()
#: In a snapshot of the source, beside the package: the commit that it was made from.
COMMIT_FILE = "COMMIT"


def git_commit() -> str:
    """Commit of the source, with `+changes` where the working tree differs; `unknown` of a checkout without git, and
    the version where the package was installed."""
    if (ROOT / COMMIT_FILE).exists():
        return (ROOT / COMMIT_FILE).read_text()
    if not IS_CHECKOUT:
        # An installation may lie in somebody else's repository.
        return f"version {metadata.version(PACKAGE.name)}"

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
