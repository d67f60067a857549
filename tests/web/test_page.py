"""The page of a bundle for the web in Chromium, driven by the keyboard, in both colour schemes and on a phone's width."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kdbuild.export.bundles.web import PAGE, Web
from kdbuild.files import default_cache
from kdbuild.runtime.classifier import Classifier

HELPERS = Path(__file__).resolve().parents[1] / "helpers" / "web"
DEMO = Path(__file__).resolve().parents[2] / "android_demo" / "models" / "sst2"
PLAYWRIGHT = "playwright-core@1.50.1"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NPM, NODE = shutil.which("npm"), shutil.which("node")
TEXT = "a goooood film , but loud <b>"

pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install your system's package chromium"),
    pytest.mark.skipif(not (NPM and NODE), reason="no npm: install your system's packages nodejs and npm"),
]


@pytest.fixture(scope="module")
def playwright() -> Path:
    """What drives the browser, from npm, kept in the cache."""
    folder = default_cache() / "web" / PLAYWRIGHT
    if not (folder / "node_modules" / "playwright-core").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(NPM), "install", "--silent", "--prefix", folder, PLAYWRIGHT], check=True)
    return folder


def test_typing_is_answered(playwright: Path, tmp_path: Path) -> None:
    Web().write(DEMO, tmp_path / "web")
    classify = Classifier.load(DEMO, engine="native")
    wanted = classify(TEXT)
    explained = classify.explain(TEXT)
    arguments = [playwright, CHROMIUM, tmp_path / "web" / PAGE, TEXT, len(explained.tokens), tmp_path]
    command = [str(part) for part in (NODE, HELPERS / "browse.mjs", *arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    looks = json.loads(done.stdout)
    assert [look["name"] for look in looks] == ["light", "dark", "phone"]
    for look in looks:
        assert look["errors"] == []
        # The page itself, and the worker that it makes of its own text.
        assert [url.partition(":")[0] for url in look["requests"]] == ["file", "blob"]
        assert look["empty"] == "Type a text."
        assert look["answer"] == wanted.label
        assert look["shares"] == [f"{100 * share:.1f} %" for share in wanted.scores.values()]
        for shown, word, weight in zip(look["words"], explained.tokens, explained.weights, strict=True):
            points = f" ({'+' if weight > 0 else '−'}{100 * abs(weight):.0f} points) "
            assert shown == (word + points if abs(weight) >= 0.02 else word)
        assert re.match(rf"\d+ µs · {wanted.tokens} tokens read · .*engine wasm-simd", look["facts"])
        assert look["wide"]
        for role in ('textbox "Text"', 'heading "Answer"', "status"):
            assert role in look["tree"]
    assert {path.name for path in tmp_path.glob("*.png")} == {"light.png", "dark.png", "phone.png"}
