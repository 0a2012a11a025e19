"""Where our programs import from, whatever lies in the working directory."""

import os
import sys
from importlib.util import find_spec

_NOT_GENERATED = "Error: protos/ lacks its generated code; in the folder of the project, run: make protos"


def keep_to_our_own() -> None:
    """Import our packages from the first folder of `sys.path`, and nothing from the working directory.

    Python searches the working directory first, and PYTHONPATH may lead to packages of other people with our
    names. `common` is loaded, as this is in it, and the others follow here; then the folder, perhaps one of
    many packages, stands again where it stood.
    """
    ours, here = sys.path[0], os.path.realpath(".")
    others = [path for path in sys.path[1:] if os.path.realpath(path or ".") != here]
    sys.path[:] = [ours]
    if find_spec("protos.mapreduce_pb2") is None:
        print(_NOT_GENERATED, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    sys.path[:] = others if ours in others else [ours, *others]
