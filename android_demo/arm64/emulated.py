"""The ARM64 code of Android's TensorFlow Lite library under emulation: what a phone's library computes, without a phone.

    python -m benchmarks.arm64 setup
    python -m android_demo.arm64.emulated android_demo/models/sst2

replays an artefact's golden texts and counts instructions. Needed are a cross compiler (``aarch64-linux-gnu-gcc``) and the
emulated system, whose C library is GNU's. So what runs is a copy of the library that this C library loads: the same code
and constants, but the names of Android's system libraries and the versions of its symbols taken out, and what only
Android's C library has supplied from outside (see ``android_demo/core/glibc_copy.py``). What Android's own C library, its
scheduler and a real processor add is not seen. Counts are emulated instructions, never times.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from android_demo.core.build import PINS, TENSORFLOW_LITE
from android_demo.core.glibc_copy import SHIM, glibc_copy
from benchmarks.arm64.count import ROUNDS, TOKENS, Counted, decode
from benchmarks.arm64.cpus import COUNTED, CPUS
from benchmarks.arm64.emulator import Emulator, arm64_cache
from kdbuild.android.java import take_from
from kdbuild.android.pins import fetch_pinned
from kdbuild.errors import BadInputError
from kdbuild.runtime.artefact import GOLDEN, VOCABULARY, Artefact
from kdbuild.runtime.golden import Replay, replay
from kdbuild.runtime.text.vocabulary import Vocabulary

COMPILER = "aarch64-linux-gnu-gcc"
PROGRAM = Path(__file__).resolve().with_name("run_model.c")
_MEMBER = "jni/arm64-v8a/libtensorflowlite_jni.so"
_FLAGS = ("-O1", "-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True)
class AndroidLibrary:
    """The copy of the library with what runs it; make one with :meth:`prepare`."""

    emulator: Emulator
    library: Path
    shim: Path
    program: Path

    @classmethod
    def prepare(cls, emulator: Emulator, out: Path) -> "AndroidLibrary":
        """Fetch the library, copy it, and compile what runs it.

        Args:
            emulator: the system to run it on.
            out: folder to put it all in.

        Raises:
            BadInputError: the library can't be had, or there is no cross compiler, or it fails.
        """
        if shutil.which(COMPILER) is None:
            raise BadInputError(f"{COMPILER}: not there. Install it; on Debian it is in gcc-aarch64-linux-gnu.")
        library, shim, program = out / "libtensorflowlite_jni.so", out / "bionic_shim.so", out / "run_model"
        take_from(fetch_pinned(PINS, TENSORFLOW_LITE[0]), {_MEMBER: library})
        library.write_bytes(glibc_copy(library.read_bytes()))
        _compile("-shared", "-fPIC", "-Wl,--no-as-needed", "-o", shim, SHIM, "-lm", "-ldl")
        _compile("-o", program, PROGRAM, "-ldl")
        return cls(emulator, library, shim, program)

    def logits(self, cpu: str, model: Path, texts: Sequence[npt.NDArray[np.int32]]) -> list[npt.NDArray[np.float32]]:
        """The logits ``[classes]`` of each text's token ids.

        Raises:
            BadInputError: the program fails.
        """
        qemu: list[str | Path] = [self.emulator.layout.part("qemu") / "usr/bin/qemu-aarch64", "-cpu", cpu]
        lines = self._run(qemu, cpu, model, texts, rounds=0)[1:]
        return [np.array(line.split(), np.float32) for line in lines]

    def count(self, cpu: str, model: Path, lengths: Sequence[int] = TOKENS) -> Counted:
        """Count the emulated instructions of an inference, without resizing the input.

        Raises:
            BadInputError: the program fails.
        """
        layout = self.emulator.layout
        own = layout.part("qemu-counting")
        libraries = f"{own}/lib/x86_64-linux-gnu:{own}/usr/lib/x86_64-linux-gnu"
        texts = [np.full(length, 3, np.int32) for length in lengths]
        with tempfile.TemporaryDirectory() as work:
            log = Path(work) / "log"
            qemu: list[str | Path] = [
                own / "lib64/ld-linux-x86-64.so.2",
                "--library-path",
                libraries,
                own / "usr/bin/qemu-aarch64",
            ]
            qemu += ["-cpu", str(CPUS[cpu].counting), "-plugin", layout.plugin() / "count_instructions.so"]
            version, *_ = self._run([*qemu, "-d", "plugin", "-D", log], cpu, model, texts, rounds=ROUNDS)
            counts = [int(line) for line in log.read_text(encoding="ascii").split()]
        return decode(f"tensorflow-lite {version}", lengths, counts)

    def _run(
        self,
        qemu: Sequence[str | Path],
        cpu: str,
        model: Path,
        texts: Sequence[npt.NDArray[np.int32]],
        *,
        rounds: int,
    ) -> list[str]:
        """The lines that the program prints: the library's version, and each text's logits."""
        words = [*qemu, "-L", self.emulator.layout.root(CPUS[cpu]), "-E", f"LD_PRELOAD={self.shim}"]
        words += [self.program, self.library, model.resolve(), str(rounds)]
        given = "".join(f"{len(ids)} {' '.join(map(str, ids))}\n" for ids in texts)
        command = [str(word) for word in ("nice", *words)]
        done = subprocess.run(command, input=given, env={}, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
            raise BadInputError(f"The emulated program failed: {reason[0].removeprefix('Error: ').rstrip('.')}.")
        return done.stdout.splitlines()


def _compile(*words: str | Path) -> None:
    done = subprocess.run([COMPILER, *_FLAGS, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadInputError(f"{COMPILER}: failed ({done.stderr.strip().splitlines()[0]}). Correct the source.")


def replay_golden(library: AndroidLibrary, cpu: str, artefact: Artefact, model_file: str) -> Replay:
    """Ask the emulated library an artefact's golden texts.

    Args:
        library: what runs them.
        cpu: one of :data:`benchmarks.arm64.cpus.CPUS`.
        artefact: whose texts.
        model_file: a TFLite file of it.

    Raises:
        BadInputError: the artefact is damaged, or the program fails.
    """
    manifest, content = artefact.manifest, artefact.read(GOLDEN)
    vocabulary = Vocabulary(artefact.read_lines(VOCABULARY), manifest.tokenizer["version"])
    # One process answers all of them, before they are asked for one by one.
    texts = [np.array(json.loads(line)["ids"], np.int32) for line in content.splitlines()]
    answers = iter(library.logits(cpu, artefact.folder / model_file, texts))
    return replay(
        content,
        lambda text: vocabulary.encode(text, manifest.max_tokens),
        model_file,
        lambda _: next(answers),
        manifest.labels,
        thresholds=manifest.thresholds,
        temperature=manifest.temperature,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m android_demo.arm64.emulated", description="Golden texts and instruction counts."
    )
    parser.add_argument("artefact", type=Path, help="folder")
    folder: Path = parser.parse_args(arguments).artefact
    try:
        artefact = Artefact.open(folder)
        with tempfile.TemporaryDirectory() as work:
            library = AndroidLibrary.prepare(Emulator.open(arm64_cache()), Path(work))
            for name in (
                name for name in artefact.manifest.files if name in ("model_int8.tflite", "model_fp32.tflite")
            ):
                for cpu in CPUS:
                    result = replay_golden(library, cpu, artefact, name)
                    said = "passed" if result.passed else "FAILED"
                    sys.stdout.write(
                        f"{name}  {cpu}  {result.texts} texts, {result.wrong_ids} other ids, {result.wrong_labels} other "
                        f"labels, max Δ {result.max_difference:.4f} of {result.tolerance}  {said}\n"
                    )
                for cpu in COUNTED:
                    counted = library.count(cpu, artefact.folder / name)
                    cells = "  ".join(f"{length}: {value:,}" for length, value in counted.instructions.items())
                    sys.stdout.write(f"{name}  {cpu}  {counted.engine}  instructions  {cells}\n")
    except BadInputError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
