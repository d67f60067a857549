"""JSON that every reader takes, whatever stands in names and figures."""

import json
from pathlib import Path

import pytest

from kdbuild.files import write_json
from kdbuild.json_text import json_text, without_surrogates
from kdbuild.runtime.artefact import Manifest


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain", "plain"),
        ("café 😀", "café 😀"),
        ("a\udcff.tsv", "a\ufffd.tsv"),  # a file name's byte ff
        ("\ud83d\ude00", "😀"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("", ""),
    ],
)
def test_halves_of_surrogate_pairs(text: str, plain: str) -> None:
    assert without_surrogates(text) == plain
    assert json.loads(json_text({text: [text]}).encode()) == {plain: [plain]}
    assert json_text(text, ascii_only=True) == json.dumps(plain)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), "null"),
        ([float("inf"), -float("inf"), 1.5], "[null, null, 1.5]"),
        ({"b": (1, True, None), "a": 10**30}, '{"b": [1, true, null], "a": 1000000000000000000000000000000}'),
    ],
)
def test_numbers_that_are_none(value: object, written: str) -> None:
    assert json_text(value) == written


def test_files(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "a\udcff", "perplexity": float("inf")})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "name": "a\ufffd",\n  "perplexity": null\n}\n'.encode()
    manifest = Manifest(labels=["a", "b"], max_tokens=8, tokenizer={}, files={}, provenance={"data": "a\udcff"})
    assert json.loads(manifest.to_bytes())["provenance"] == {"data": "a\ufffd"}
