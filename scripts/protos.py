"""Generate the Python code of the wire from `protos/mapreduce.proto`.

Run as `python -m scripts.protos` (or `make protos`); building the package runs it too.
"""

import os
import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent


def generate(root: Path = ROOT) -> None:
    """Write `mapreduce_pb2*.py` and their type stubs beside the .proto file.

    Parameters
    ----------
    root
        The folder that holds `protos/`.

    Raises
    ------
    RuntimeError
        The compiler refused the .proto file; it has printed why.
    """
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    outputs = [f"--{kind}_out={root}" for kind in ("python", "grpc_python")]
    outputs += [f"--{kind}_out=quiet:{root}" for kind in ("mypy", "mypy_grpc")]
    # protoc finds its plug-ins on PATH; they stand beside the interpreter, activated or not.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    arguments = ["protoc", f"-I{root}", f"-I{well_known}", *outputs, "protos/mapreduce.proto"]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc refused protos/mapreduce.proto")


if __name__ == "__main__":
    try:
        generate()
    except RuntimeError as error:
        sys.exit(str(error))
