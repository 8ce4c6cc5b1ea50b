"""Where this package's source lies, and of which commit it is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

#: The package's folder, and the one to put on the path to import it.
PACKAGE = Path(os.path.abspath(__file__)).parents[1]
ROOT = PACKAGE.parent
#: In a snapshot of the source, beside the package: the commit that it was made from.
COMMIT_FILE = "COMMIT"


def git_commit() -> str:
    """Commit of the source, with `+changes` where the working tree differs; `unknown` outside git."""
    if (ROOT / COMMIT_FILE).exists():
        return (ROOT / COMMIT_FILE).read_text()

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
