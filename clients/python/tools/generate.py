"""Makes the stubs in `src/rialto/_gen` from the protos of the repository.

protoc names modules after the folders of the protos, `rialto.v1`, which is not where they lie here, so
imports are made relative and each module is told its own name. Needs grpcio-tools, which the client itself
does not.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]

CLIENT = Path(__file__).resolve().parent.parent
PROTOS = CLIENT.parent.parent / "proto"
TARGET = CLIENT / "src" / "rialto" / "_gen"
HEAD = '"""Stubs of `proto/rialto/v1`, made by `make python-generate`. Not to be changed by hand."""\n'


def main() -> int:
    """Makes all stubs anew; returns what protoc returned."""
    include = Path(protoc.__file__).parent / "_proto"
    sources = sorted(
        path.relative_to(PROTOS).as_posix() for path in (PROTOS / "rialto" / "v1").glob("*.proto")
    )
    with tempfile.TemporaryDirectory() as made:
        outcome: int = protoc.main(
            ["protoc", f"-I{PROTOS}", f"-I{include}", f"--python_out={made}", f"--pyi_out={made}", *sources]
        )
        if outcome == 0:
            replace(Path(made) / "rialto" / "v1")
    return outcome


def replace(made: Path) -> None:
    """Puts what was made in the place of what is there."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.glob("*_pb2.py*"):
        old.unlink()
    (TARGET / "__init__.py").write_text(HEAD, encoding="utf-8")
    for new in sorted(made.iterdir()):
        (TARGET / new.name).write_text(at_home(new.read_text(encoding="utf-8")), encoding="utf-8")


def at_home(text: str) -> str:
    """The same module as part of the package."""
    text = re.sub(r"^from rialto\.v1 import", "from . import", text, flags=re.MULTILINE)
    return re.sub(r"'rialto\.v1\.(\w+_pb2)'", r"'rialto._gen.\1'", text)


if __name__ == "__main__":
    sys.exit(main())
