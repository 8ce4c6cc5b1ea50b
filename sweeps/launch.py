"""`python sweeps/launch.py STUDY ...` is `seedsweep launch STUDY ...`, installed or not."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts this file's own folder first on the path. In a checkout the package is beside it, in an installation
    # this file is inside of the package.
    above = Path(__file__).resolve().parent.parent
    sys.path[0] = str(above.parent if (above / "__init__.py").exists() else above)
    from seedsweep.sweeps.cli import main

    sys.argv.insert(1, "launch")
    main()
