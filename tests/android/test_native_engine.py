"""kdbuild's own engine in Java: the same ids and bits as in Python."""

import json
import random
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from android_java import Java
from artefacts import edit_file
from fuzzed_texts import fuzzed
from kdbuild.android.elf import load_alignment
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.runtime import Classifier
from kdbuild.runtime.native.binding import NativeModel, read_aligned
from kdbuild.runtime.native.build import JAVA
from kdbuild.runtime.native.library import library_path
from kdbuild.runtime.text.encoding import PIECES
from pairs import random_trained_of_pairs

SST2 = Path(__file__).resolve().parents[2] / "android_demo" / "models" / "sst2"
NATIVE = "dev.kdbuild.core.NativeEngine"
ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")


# Without a JDK


@pytest.mark.parametrize("abi", ABIS)
def test_libraries_for_phones(abi: str) -> None:
    pytest.importorskip("ziglang")
    library = library_path(f"android-{abi}").read_bytes()
    assert len(library) < 120_000
    assert load_alignment(library, abi) == 16384
    assert b"Java_dev_kdbuild_core_NativeEngine_logits" in library


def test_the_table_is_that_of_the_jdk(tmp_path: Path) -> None:
    """The places of the functions that are called, against the JDK's header."""
    javac, compiler = shutil.which("javac"), shutil.which("cc")
    header = Path(javac).resolve().parents[1] / "include" if javac else Path()
    if compiler is None or not (header / "jni.h").is_file() or not (header / "linux").is_dir():
        pytest.skip("needs a C compiler and a JDK's jni.h")
    source = (JAVA / "jni.c").read_text(encoding="utf-8")
    struct_body = re.search(r"struct jni_functions \{.*?\n\};", source, re.DOTALL)
    assert struct_body is not None
    names = {"GetStringLength": "get_string_length", "GetStringRegion": "get_string_region"}
    names["GetDirectBufferAddress"] = "get_direct_buffer_address"
    checks = "".join(
        f"_Static_assert(offsetof(struct JNINativeInterface_, {theirs}) == offsetof(struct jni_functions, {ours}), "
        f'"{theirs}");\n'
        for theirs, ours in names.items()
    )
    path = tmp_path / "table.c"
    path.write_text(
        "#include <jni.h>\n#include <stddef.h>\n#include <stdint.h>\ntypedef const struct jni_functions *jni_env;\n"
        f"{struct_body[0]}\n{checks}",
        encoding="utf-8",
    )
    command: list[str | Path] = [compiler, "-fsyntax-only", "-w", f"-I{header}", f"-I{header}/linux", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# With one


@pytest.mark.android
@pytest.mark.parametrize("before", [0, 3, 64], ids=lambda before: f"{before} bytes before")
def test_ids_and_bits_of_python(before: int, native_java: Java) -> None:
    """Of every kind of text, lone surrogates among them, wherever the file lies in memory."""
    texts = [*fuzzed(random.Random(18), 3_000), "", "a\ud800b\udc00", "film " * 600, "ﷺ" * 40, "😀 don't"]
    file = SST2 / "model_int8.kdb"
    given = "".join(text.encode("utf-16-be", "surrogatepass").hex() + "\n" for text in texts).encode()
    said = native_java.objects("dev.kdbuild.core.NativeTwin", file, str(before), given=given)
    model = NativeModel(read_aligned(file), file)
    for text, (ids, tokens, unknown, truncated, bits) in zip(texts, said, strict=True):
        answer = model.answer(text)
        assert (ids, truncated) == (list(model.ids(text)[0]), answer.truncated), text
        assert (tokens, unknown) == (answer.tokens, answer.unknown), text
        assert bits == list(struct.unpack("<2i", struct.pack("<2f", *answer.logits))), text


@pytest.mark.android
def test_golden_texts_to_the_bit(native_java: Java) -> None:
    golden, benchmark = native_java.objects("dev.kdbuild.core.GoldenTwin", NATIVE, SST2, "int8")
    assert (golden["texts"], golden["wrong_ids"], golden["wrong_labels"], golden["passed"]) == (247, 0, 0, True)
    assert (golden["max_difference"], golden["engine"]) == (0, "kdbuild")
    assert benchmark["model"] == "model_int8.kdb"


@pytest.mark.android
def test_pairs(native_java: Java, tmp_path: Path) -> None:
    folder, limits = tmp_path / "pairs", Limits(max_accuracy_loss=1, max_flip_rate=1)
    export_student(
        random_trained_of_pairs(PIECES), folder, formats=["native"], quantize=True, limits=limits, temper=False
    )
    (golden,) = native_java.objects("dev.kdbuild.core.GoldenTwin", NATIVE, folder, "int8")
    assert (golden["texts"], golden["wrong_ids"], golden["wrong_labels"]) == (250, 0, 0)
    assert golden["max_difference"] == 0
    pairs = [("a good film", "bad ."), ("bad .", "a good film"), ("", "good"), ("film " * 40, "a"), ("", "")]
    given = "".join(json.dumps(pair) + "\n" for pair in pairs).encode()
    said = native_java.objects("dev.kdbuild.core.ClassifierTwin", NATIVE, folder, "int8", given=given)
    classify = Classifier.load(folder, engine="native")
    for pair, found in zip(pairs, said, strict=True):
        explanation = classify.explain(*pair)
        answer = explanation.prediction
        assert list(found["scores"].values()) == pytest.approx(list(answer.scores.values()), abs=1e-12)
        assert (found["label"], found["tokens"], found["truncated"]) == (answer.label, answer.tokens, answer.truncated)
        assert found["weights"] == pytest.approx(explanation.weights, abs=1e-12)
        assert found["second_weights"] == pytest.approx(explanation.second_weights, abs=1e-12)


@pytest.mark.android
def test_refusals(native_java: Java, tmp_path: Path) -> None:
    damaged, none = (Path(shutil.copytree(SST2, tmp_path / name)) for name in ("damaged", "none"))
    content = bytearray((damaged / "model_int8.kdb").read_bytes())
    content[200] ^= 1
    edit_file(damaged, "model_int8.kdb", bytes(content))
    edit_file(none, "model_int8.kdb", b"no model at all")
    said = native_java.objects("dev.kdbuild.core.ArtefactTwin", NATIVE, given=f"{damaged}\n{none}\n{SST2}\n".encode())
    assert said == [
        f"{damaged}/model_int8.kdb: has a damaged header: its digest is wrong. Export the model again.",
        f"{none}/model_int8.kdb: isn't a model of kdbuild. Export the model again.",
        "loaded",
    ]
