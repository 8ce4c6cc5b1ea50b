"""`python sweeps/launch.py STUDY ...` is `seedsweep launch STUDY ...`, installed or not."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts this file's own folder first on the path; the packages are in the one above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from sweeps.cli import main

    sys.argv.insert(1, "launch")
    main()
