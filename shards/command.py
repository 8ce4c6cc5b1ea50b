"""The command line of `python -m seedsweep.shards.pack`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from seedsweep.core.component import is_own, short_names
from seedsweep.core.errors import SeedsweepError
from seedsweep.core.user_modules import use_folder
from seedsweep.shards import flags
from seedsweep.shards import pack as packing
from seedsweep.shards.camelyon16 import command as camelyon16
from seedsweep.shards.data_set import HOME, DataSet, data_set_class, make, resolved


def main(arguments: Sequence[str]) -> int:
    """Pack a data set; returns the exit status."""
    try:
        return _main(arguments)
    except SeedsweepError as error:
        print(f"\nerror: {error}")
        return 2


def _main(arguments: Sequence[str]) -> int:
    name, code = arguments[0] if arguments else "--help", ""
    if name == "camelyon16":
        return camelyon16.main(arguments[1:])
    parser = flags.parser("", packing.__doc__)
    parser.add_argument("name", help=f"{', '.join(short_names(HOME, DataSet))}, or file.py:Name")
    if name.startswith("-"):
        parser.parse_args([name])
    if is_own(name):
        use_folder(Path.cwd())
    kind = data_set_class(name)
    if is_own(name):
        code = hashlib.sha256(Path(name.rpartition(":")[0]).read_bytes()).hexdigest()
    given = flags.parse(parser, kind.Settings, arguments)
    root = given.pop("to")

    def show(done: int, total: int) -> None:
        print(f"\rpacked {done}{f'/{total}' if total else ''} samples", end="", flush=True)

    settings = resolved(given)
    print(f"\nin {packing.pack(settings['name'], make(settings), settings, root, code, show)}")
    return 0
