"""The bundle for the web: what it holds and replaces, and that node gives with it, bit for bit, what Python gives."""

import base64
import hashlib
import json
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from artefacts import flip
from fuzzed_texts import fuzzed
from kdbuild.errors import BadInputError
from kdbuild.export.bundles.web import ENGINES, MODEL, PAGE, Web, page
from kdbuild.export.gates import Limits
from kdbuild.export.pipeline import export_student
from kdbuild.export.sign import make_key, sign
from kdbuild.files import file_digest
from kdbuild.runtime.artefact import Artefact
from kdbuild.runtime.classifier import Classifier
from kdbuild.runtime.text.encoding import PIECES
from kdbuild.sums import SUMS
from pairs import random_trained_of_pairs
from shared_folders import ShareFolder
from students import random_trained

NODE = shutil.which("node")
ROOT = Path(__file__).resolve().parents[3]
HELPERS = ROOT / "tests" / "helpers" / "web"
DEMO, GUIDE = (ROOT / name for name in ("android_demo/models/sst2", "docs/web.md"))
needs_node = pytest.mark.skipif(NODE is None, reason="no node")
TEXTS = [
    *(
        "",
        " ",
        "a funny film",
        "goooood",
        "naïve 電影 ไทย \N{FACE WITH TEARS OF JOY}",
        "half a pair \ud83d alone",
        "a " * 3000,
    ),
    *fuzzed(random.Random(7), 150),
]


@pytest.fixture(scope="module")
def artefact(share_folder: ShareFolder) -> Path:
    def make(folder: Path) -> None:
        export_student(random_trained(PIECES), folder, formats=["native"], quantize=True, limits=Limits(1.0, 1.0))

    return share_folder("web-artefact", make)


@pytest.fixture(scope="module")
def bundle(artefact: Path, share_folder: ShareFolder) -> Path:
    return share_folder("web-bundle", lambda folder: Web().write(artefact, folder))


def in_node(script: str, *arguments: str | Path) -> Any:
    assert NODE is not None
    done = subprocess.run([NODE, HELPERS / script, *arguments], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_node
@pytest.mark.parametrize(("engine", "path"), [("", "wasm-simd"), *((ENGINES[name], name) for name in ENGINES)])
def test_the_same_bits_as_in_python(bundle: Path, tmp_path: Path, engine: str, path: str) -> None:
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS))
    found = in_node("ask.mjs", bundle, engine, tmp_path / "texts.json")
    classify = Classifier.load(bundle / MODEL, engine="native")
    assert found["path"] == {"wasm": "plain"}.get(path, path)
    assert (found["labels"], found["maxTokens"]) == (list(classify.labels), classify.manifest.max_tokens)
    assert found["golden"] == 16
    for text, answer in zip(TEXTS, found["answers"], strict=True):
        encoding = classify.encode(text)
        ours = classify(text)
        assert answer["ids"] == list(encoding.ids)
        assert answer["words"] == list(encoding.tokens)
        assert answer["logits"] == [float(value) for value in classify.engine(encoding.ids)]
        assert (answer["label"], answer["score"], answer["scores"]) == (ours.label, ours.score, ours.scores)
        assert (answer["tokens"], answer["truncated"]) == (ours.tokens, ours.truncated)
        if answer["weights"]:
            assert answer["weights"] == list(classify.explain(text).weights)


@needs_node
def test_pairs_get_the_same_bits_as_in_python(tmp_path: Path) -> None:
    pairs = [("a good film", "bad ."), ("bad .", "a good film"), ("", "good"), ("goooood", ""), ("", "")]
    export_student(
        random_trained_of_pairs(PIECES),
        tmp_path / "artefact",
        formats=["native"],
        quantize=True,
        limits=Limits(1.0, 1.0),
    )
    Web().write(tmp_path / "artefact", tmp_path / "bundle")
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    found = in_node("pairs.mjs", tmp_path / "bundle", tmp_path / "pairs.json")
    classify = Classifier.load(tmp_path / "bundle" / MODEL)
    assert (found["texts"], found["golden"]) == (2, 16)
    for pair, answer in zip(pairs, found["answers"], strict=True):
        ours, explanation = classify(*pair), classify.explain(*pair)
        assert (answer["label"], answer["scores"], answer["tokens"]) == (ours.label, ours.scores, ours.tokens)
        assert answer["weights"] == [explanation.weights, explanation.second_weights]


@needs_node
def test_what_it_refuses_and_the_memory_that_it_takes(bundle: Path) -> None:
    found = in_node("misuse.mjs", bundle)
    assert found["messages"] == [
        "0 texts were given, and this model reads one text at a time",
        "2 texts were given, and this model reads one text at a time",
        "a text must be a string, not number",
        "the model file is damaged: a size or a value is impossible, or a digest is wrong",
        "the model file has another size than its header says",
        "the model file isn't a model of kdbuild",
    ]
    assert found["unchecked"] == ["no", "yes", "so"]
    assert found["same"]
    assert found["grown"] == found["then"]


def test_what_it_holds(artefact: Path, bundle: Path) -> None:
    names = sorted(path.name for path in bundle.iterdir())
    assert names == sorted(
        [PAGE, "README.md", SUMS, "kdbuild.d.ts", "kdbuild.js", *ENGINES.values(), MODEL, "package.json"]
    )
    sums = dict(line.split("  ")[::-1] for line in (bundle / SUMS).read_text().splitlines())
    assert sums == {name: file_digest(bundle / name) for name in names if name != SUMS}
    assert (bundle / MODEL).read_bytes() == (artefact / MODEL).read_bytes()
    package = json.loads((bundle / "package.json").read_text())
    assert package["name"] == "classifier-no-yes-so"
    assert all((bundle / name).is_file() for name in package["files"])
    engine = max((bundle / name).stat().st_size for name in ENGINES.values())
    assert engine + (bundle / "kdbuild.js").stat().st_size < 120_000


def test_the_page_is_whole_and_runs_nothing_else(bundle: Path) -> None:
    content = (bundle / PAGE).read_text()
    held = sum((bundle / name).stat().st_size for name in (MODEL, *ENGINES.values()))
    assert len(content.encode()) <= 4 / 3 * held + 60_000
    policy = dict(
        part.strip().split(" ", 1) for part in re.findall(r'content="(default-src[^"]*)"', content)[0].split(";")
    )
    assert policy["default-src"] == "'none'"
    for tag, directive in (("style", "style-src"), ('script type="module"', "script-src")):
        inside = re.findall(f"<{tag}>(.*?)</{tag.split()[0]}>", content, re.DOTALL)
        (digest,) = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in inside)
        assert f"'sha256-{digest}'" in policy[directive]
    assert "connect-src" not in policy
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|https?://|\bimport\b(?!\()|^export """, content, re.MULTILINE)
    for name, element in ((MODEL, "model"), *((ENGINES[target], target) for target in ENGINES)):
        (inside,) = re.findall(rf'<script type="application/octet-stream" id="{element}">([^<]*)<', content)
        assert base64.b64decode(inside) == (bundle / name).read_bytes()


def test_labels_and_examples_are_text(tmp_path: Path, artefact: Path) -> None:
    content = page(Artefact.open(artefact), ["<b>&", "two"])
    assert '<button type="button">&lt;b&gt;&amp;</button><button type="button">two</button>' in content


def test_it_is_written_again_and_replaces_nothing_else(artefact: Path, tmp_path: Path) -> None:
    out = tmp_path / "web"
    first = Web().write(artefact, out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    assert Web().write(artefact, out) == first
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    (out / "mine.txt").write_text("")
    with pytest.raises(BadInputError, match=r"mine\.txt"):
        Web().write(artefact, out)
    assert {path: path.read_bytes() for path in before} == before


def test_a_damaged_artefact_is_refused(artefact: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(artefact, tmp_path / "artefact")
    flip(copy / MODEL)
    with pytest.raises(BadInputError, match=MODEL):
        Web().write(copy, tmp_path / "web")
    assert not (tmp_path / "web").exists()


@needs_node
def test_what_the_guide_shows_runs(tmp_path: Path) -> None:
    Web().write(DEMO, tmp_path / "web")
    (block,) = re.findall(r"^```js\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "web" / "guide.mjs").write_text(block, encoding="utf-8")
    done = subprocess.run(
        [str(NODE), tmp_path / "web" / "guide.mjs"], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    label, score = done.stdout.splitlines()[0].split()
    assert f"console.log(answer.label, answer.score); // {label} {float(score):.2f}\n" in block


@needs_node
def test_signatures(bundle: Path, tmp_path: Path) -> None:
    """WebCrypto takes what Python signed, and nothing else."""
    for name in ("one", "other"):
        make_key(tmp_path / name)
    unsigned = Path(shutil.copy(bundle / MODEL, tmp_path / "unsigned.kdb"))
    signed = Path(shutil.copy(bundle / MODEL, tmp_path / "signed.kdb"))
    sign(signed, tmp_path / "one")
    changed = tmp_path / "changed.kdb"
    content = bytearray(signed.read_bytes())
    content[-128 + 24] ^= 1  # the serial
    changed.write_bytes(content)
    keys = [tmp_path / "one.pub", tmp_path / "other.pub"]
    found = in_node("signed.mjs", bundle, *keys, signed, unsigned, changed)
    assert found == [
        *("loaded", "the model is signed with another key"),
        *("the model isn't signed", "the model isn't signed"),
        "the model's signature doesn't hold: it was changed",
        "the model is signed with another key",
        "no crypto.subtle: browsers have it on https and localhost only",
    ]


@needs_node
@pytest.mark.parametrize("page", ["README.md", "docs/web.md"])
def test_programs_of_the_documentation(page: str, bundle: Path, tmp_path: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    program = next(
        code for code in re.findall(r"^```js\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if "load()" in code
    )
    (tmp_path / "main.mjs").write_text(program.replace('"./kdbuild.js"', json.dumps(f"{bundle}/kdbuild.js")))
    assert NODE is not None
    done = subprocess.run([NODE, tmp_path / "main.mjs"], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    label = Classifier.load(bundle / MODEL)("a warm, funny film").label
    assert done.stdout.split()[0] == str(label)
