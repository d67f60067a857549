"""A bundle from outside: an artefact in a box."""

from pathlib import Path
from typing import Any

from kdbuild.errors import BadInputError
from kdbuild.export.bundles.registry import BUNDLES, Bundle, BundleRow


class ToyBundle(Bundle):
    def check(self, out: Path, **_: Any) -> None:
        if out.exists():
            raise BadInputError(f"--out {out}: is there already. Choose another name.")

    def write(self, artefact: Path, out: Path, **_: Any) -> list[Path]:
        out.mkdir()
        for path in artefact.glob("*.toy"):
            (out / f"boxed-{path.name}").write_bytes(path.read_bytes())
        return sorted(path.relative_to(out) for path in out.iterdir())

    def next_step(self, out: Path) -> str:
        return f"wrap {out}"


BUNDLES.register(
    BundleRow(
        name="box", formats=("toy",), help="a box: an artefact with paper around it", opener="toy_bundle:ToyBundle"
    )
)
