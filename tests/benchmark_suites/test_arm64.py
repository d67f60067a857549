"""Emulated ARM64: how its parts are fetched and its counts judged; those marked ``arm64`` need it set up and run it."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artefacts import edit_file
from benchmarks.arm64 import packages, results
from benchmarks.arm64.count import (
    TOKENS,
    Counted,
    committed_models,
    count_instructions,
    decode,
    measure,
    named_models,
)
from benchmarks.arm64.cpus import COUNTED, CPUS
from benchmarks.arm64.emulator import Emulator, Layout, arm64_cache
from benchmarks.arm64.golden import committed_artefacts, failures, replay_golden
from benchmarks.arm64.mirror import debian_mirror, download, run_tool
from benchmarks.arm64.packages import Deb, Lock, Part, Wheel
from benchmarks.arm64.reference import write_references
from benchmarks.arm64.setup import link_root, make, unpack
from commands import run_cli
from kdbuild.errors import BadInputError
from kdbuild.runtime.artefact import GOLDEN

on_debian = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg-deb"))), reason="needs the tools of a Debian-like system"
)


def rounds(*instructions: int, marker: int = 100) -> list[int]:
    """The counts at three yields a round, for inferences of so many instructions."""
    now, counts = 1_000_000, []
    for inference in instructions:
        counts += [now, now + marker, now + 2 * marker + inference]
        now += 5_000
    return counts


def test_counts_are_medians_without_the_marker() -> None:
    counts = rounds(1000, 1001, 990, 1002, 5000) + rounds(2000, 2000, 2000, 2000, 2020)
    assert decode("engine 1.0", [8, 20], counts) == Counted("engine 1.0", {8: 1001, 20: 2000}, spread=5000 / 1001 - 1)


@pytest.mark.parametrize("extra", [[7], []])
def test_a_model_that_yields_itself_is_refused(extra: list[int]) -> None:
    counts = (rounds(1, 2, 3, 4, 5) + extra)[: None if extra else -1]
    message = (
        f"^engine 1: {len(counts)} yields instead of 15, so the model yields the processor itself. It can't be counted"
    )
    with pytest.raises(BadInputError, match=message):
        decode("engine 1", [8], counts)


def test_named_models() -> None:
    assert named_models(["a/b.tflite", "naive/lstm=c/d.onnx"]) == {
        "b.tflite": Path("a/b.tflite"),
        "naive/lstm": Path("c/d.onnx"),
    }


def entry(instructions: int, tokens: str = "8") -> dict[str, Any]:
    return {"sha256": "ab", "bytes": 1234, "engine": "engine 1", "instructions": {"cortex-a76": {tokens: instructions}}}


def test_only_a_rise_of_more_than_three_percent_is_one() -> None:
    committed = {"m": entry(1_000_000)}
    assert results.rises(committed, {"m": entry(1_030_000)}) == []
    assert results.rises(committed, {"m": entry(1_030_001)}) == [
        "m on cortex-a76 at 8 tokens: 1,030,001 instead of 1,000,000 (+3.0%)"
    ]
    assert results.rises(committed, {"m": entry(500_000)}) == []


@pytest.mark.parametrize("found", [{"other": entry(1)}, {"m": entry(1, tokens="9")}])
def test_a_count_without_a_committed_one_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(
        BadInputError, match=r": no committed count on cortex-a76 at \d tokens. Record it with --record.$"
    ):
        results.rises({"m": entry(1)}, found)


def test_results_are_merged_until_a_version_changes(tmp_path: Path) -> None:
    path = tmp_path / "results" / "arm64.json"
    replays = {
        "max": {
            "model_int8.tflite": {
                "engine": "engine 1",
                "texts": 3,
                "wrong_ids": 0,
                "wrong_labels": 0,
                "max_difference": 0.0125,
                "tolerance": 0.05,
                "passed": True,
            }
        }
    }
    assert results.record(path, {"qemu": "10"}, "counts", {"b": entry(2_345_678)}) == []
    assert results.record(path, {"qemu": "10"}, "counts", {"a": entry(1_000_000, tokens="20")}) == []
    assert results.record(path, {"qemu": "10"}, "golden", {"sst2": {"manifest_sha256": "cd", "replays": replays}}) == []
    assert results.read(path) == {
        "versions": {"qemu": "10"},
        "counts": {"a": entry(1_000_000, tokens="20"), "b": entry(2_345_678)},
        "golden": {"sst2": {"manifest_sha256": "cd", "replays": replays}},
    }
    lines = path.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("|")] == [
        "| model | bytes | engine | processor | 8 tokens | 20 tokens |",
        "|---|---|---|---|---|---|",
        "| `a` | 1,234 | engine 1 | cortex-a76 |  | 1.00 M |",
        "| `b` | 1,234 | engine 1 | cortex-a76 | 2.35 M |  |",
        "| artefact | file | engine | processor | texts | other token ids | other labels | max Δ logit | allowed |",
        "|---|---|---|---|---|---|---|---|---|",
        "| sst2 | `model_int8.tflite` | engine 1 | max | 3 | 0 | 0 | 0.013 | 0.05 |",
    ]
    assert "Versions: qemu 10." in lines

    assert results.record(path, {"qemu": "11"}, "counts", {"a": entry(3)}) == ["counts of b", "golden of sst2"]
    assert results.read(path) == {"versions": {"qemu": "11"}, "counts": {"a": entry(3)}, "golden": {}}


def test_the_committed_results_are_those_of_the_lock() -> None:
    committed = results.read(results.RESULTS)
    assert committed["versions"] == Lock.read().versions()
    assert results.RESULTS.with_suffix(".md").read_text(encoding="utf-8") == results.page(committed)


def test_everything_is_pinned() -> None:
    lock = Lock.read()
    digests = [deb.sha256 for debs in lock.debs.values() for deb in debs] + [wheel.sha256 for wheel in lock.wheels]
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)
    assert set(packages.WHEELS) < {wheel.name for wheel in lock.wheels}
    assert lock.versions()["qemu (Debian)"].startswith("1:10.")
    assert lock.versions()["qemu-counting (Debian)"].startswith("1:7.2+")


def test_a_lock_of_other_packages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = json.loads(packages.LOCK.read_bytes())
    del value["debs"]["system"][0]
    monkeypatch.setattr(packages, "LOCK", tmp_path / "lock.json")
    (tmp_path / "lock.json").write_text(json.dumps(value))
    with pytest.raises(
        BadInputError, match=r"^lock.json: pins other packages than packages.py names. Pin them: python -m"
    ):
        Lock.read()


def test_what_is_not_set_up_is_refused(tmp_path: Path) -> None:
    message = r"the emulated ARM64 system isn't set up \(qemu-[0-9a-f]{12} is missing\). Set it up with: python"
    with pytest.raises(BadInputError, match=message):
        Emulator.open(tmp_path)


def test_a_part_of_other_content_has_another_folder() -> None:
    layout = Layout(
        Path("cache"), Lock({"system": [Deb("libc6", "1", "pool/a.deb", 1, "aa")]}, [Wheel("numpy", "2", "bb")])
    )
    newer = replace(layout, lock=replace(layout.lock, debs={"system": [Deb("libc6", "2", "pool/b.deb", 1, "cc")]}))
    cpu = CPUS["max"]
    assert layout.part("system") != newer.part("system")
    assert layout.root(cpu) != newer.root(cpu)
    assert layout.wheels() != newer.wheels()  # bytecode of both lies together
    assert layout.plugin() == newer.plugin()


@pytest.mark.parametrize(
    ("cpu", "log", "names"),
    [("pentium", None, "cortex-a76, cortex-a55, cortex-a53, max"), ("max", Path("log"), "cortex-a76, cortex-a55")],
)
def test_a_processor_that_cannot_be_used_is_refused(cpu: str, log: Path | None, names: str) -> None:
    emulator = Emulator(Layout(Path("cache"), Lock.read()))
    with pytest.raises(BadInputError, match=f"^--cpu {cpu}: not one that can be used here. Use one of: {names}.$"):
        emulator.command(cpu, ["-V"], log=log)


def test_the_cache_is_configurable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.delenv("KDBUILD_ARM64_CACHE", raising=False)
    assert arm64_cache() == Path("/x/kdbuild/arm64")
    monkeypatch.setenv("KDBUILD_ARM64_CACHE", "/y")
    assert arm64_cache() == Path("/y")


def test_a_folder_is_made_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, old, other = (tmp_path / f"qemu-{letter * 12}" for letter in "nox")
    other = other.with_name("qemu-counting-" + "x" * 12)
    old.mkdir()
    other.mkdir()

    def fail(aside: Path) -> None:
        (aside / "half").touch()
        raise BadInputError("no")

    with pytest.raises(BadInputError, match=r"^no$"):
        make(folder, fail)
    assert not folder.exists()
    assert old.is_dir()

    make(folder, lambda aside: (aside / "all").touch())
    assert [path.name for path in folder.iterdir()] == ["all"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, folder.name]
    make(folder, fail)  # it is there
    assert capsys.readouterr().out == f"Making {folder.name}\n" * 2


def test_a_processors_files_lie_beside_links_to_the_system(tmp_path: Path) -> None:
    system = tmp_path / "system-1"
    (system / "usr").mkdir(parents=True)
    (system / "usr" / "file").touch()
    root = tmp_path / "root-1"
    root.mkdir()
    link_root(CPUS["cortex-a55"], system, root)
    assert (root / "usr" / "file").exists()
    assert "CPU part\t: 0xd05\n" in (root / "proc" / "cpuinfo").read_text()
    assert (root / "sys/devices/system/cpu/possible").read_text() == "0\n"


def test_a_tool_that_is_missing_or_fails_is_named() -> None:
    with pytest.raises(BadInputError, match=r"^no-such-tool: not there. It takes a Debian-like x86-64 Linux with apt"):
        run_tool(["no-such-tool"])
    with pytest.raises(BadInputError, match=r"^sh: failed \(E: because\). Try again.$"):
        run_tool(["sh", "-c", "echo W: first; echo E: because >&2; echo last; exit 3"], "Try again")
    with pytest.raises(BadInputError, match=r"^sh: failed \(no output\). Run the same command again.$"):
        run_tool(["sh", "-c", "exit 3"])


def test_a_given_mirror_is_taken() -> None:
    assert debian_mirror("copy:/a/b/") == "copy:/a/b"


@pytest.fixture
def package(tmp_path: Path) -> Deb:
    """A Debian package of two files, on a mirror that is the folder ``mirror``."""
    tree = tmp_path / "tree"
    for path, content in {
        "DEBIAN/control": "Package: two\nVersion: 1:2~3\nArchitecture: all\nMaintainer: Nobody <no@where>\nDescription: -\n",
        "usr/bin/wanted": "w",
        "usr/bin/unwanted": "u",
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content)
    deb = tmp_path / "mirror" / "pool" / "two_2~3_all.deb"
    deb.parent.mkdir(parents=True)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, deb], check=True, capture_output=True)
    return Deb("two", "1:2~3", "pool/two_2~3_all.deb", deb.stat().st_size, hashlib.sha256(deb.read_bytes()).hexdigest())


@on_debian
@pytest.mark.parametrize(("pattern", "unpacked"), [("", ["unwanted", "wanted"]), ("./usr/bin/wanted", ["wanted"])])
def test_packages_are_downloaded_checked_and_unpacked(
    pattern: str, unpacked: list[str], package: Deb, tmp_path: Path
) -> None:
    part = Part("part", "suite", "all", (("two", pattern),))
    cache, folder = tmp_path / "cache", tmp_path / "folder"
    cache.mkdir()
    folder.mkdir()
    unpack(part, [package], f"copy:{tmp_path}/mirror", cache, folder)
    assert sorted(path.name for path in (folder / "usr" / "bin").iterdir()) == unpacked
    assert list((cache / "downloads").iterdir()) == []


@on_debian
def test_a_package_that_is_downloaded_already_is_not_fetched_again(package: Deb, tmp_path: Path) -> None:
    downloads, folder = tmp_path / "cache" / "downloads", tmp_path / "folder"
    downloads.mkdir(parents=True)
    folder.mkdir()
    (tmp_path / "mirror" / package.path).rename(downloads / "two_2~3_all.deb")
    unpack(Part("part", "suite", "all", (("two", ""),)), [package], "copy:/nowhere", tmp_path / "cache", folder)
    assert (folder / "usr" / "bin" / "wanted").read_text() == "w"


@on_debian
def test_another_package_than_the_pinned_one_is_refused(package: Deb, tmp_path: Path) -> None:
    target = tmp_path / "target"
    message = (
        r"^apt-helper: failed \(.+\). Run the same command again; if the mirror has moved on, pin today's: python -m"
    )
    with pytest.raises(BadInputError, match=message):
        download(f"copy:{tmp_path}/mirror", [(package.path, "0" * 64, target)])
    assert not target.exists()


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    """The emulated system, which must be set up."""
    return Emulator.open(arm64_cache())


@pytest.fixture(scope="module")
def artefact_of_both(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artefact for both engines."""
    folder = tmp_path_factory.mktemp("both") / "artefact"
    limits = ("--max-flip-rate", "5", "--max-accuracy-loss", "5")
    result = run_cli("export", finished_run, "--format", "tflite", "--format", "onnx", "--out", folder, *limits)
    assert result.exit_code == 0, result.output
    return folder


# Machine code of: subs x0, x0, #1; b.ne back; ret. It runs 2 n + 1 instructions.
LOOP = """
import ctypes, mmap, os, sys
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
for word in (0xF1000400, 0x54FFFFE1, 0xD65F03C0):
    memory.write(word.to_bytes(4, "little"))
loop = ctypes.CFUNCTYPE(None, ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
loop(1)
for turns in map(int, sys.argv[1:]):
    os.sched_yield()
    loop(turns)
    os.sched_yield()
"""


@pytest.mark.arm64
@pytest.mark.parametrize("cpu", COUNTED)
def test_the_plugin_counts_each_instruction(emulator: Emulator, cpu: str) -> None:
    _, counts = emulator.counted(cpu, ["-c", LOOP, "1000000", "1000000", "3000000"])
    first, second, third = (end - start for start, end in zip(counts[::2], counts[1::2], strict=True))
    assert 2_000_000 < first < 2_010_000
    assert second == pytest.approx(first, abs=1000)
    assert third - second == pytest.approx(4_000_000, abs=1000)


@pytest.mark.arm64
def test_what_the_emulated_program_says_last_is_the_reason(emulator: Emulator) -> None:
    with pytest.raises(BadInputError, match=r"^The emulated program failed: no way\.$"):
        emulator.output("cortex-a76", ["-c", "import sys; print('yes'); sys.exit('no way.')"])


@pytest.mark.arm64
@pytest.mark.parametrize("name", ["model_int8.tflite", "model_int8.onnx"])
def test_counts_repeat(emulator: Emulator, name: str, tmp_path: Path) -> None:
    model = write_references(tmp_path)[f"reference/{name}"]
    first, second = (count_instructions(emulator, "cortex-a76", model, [20]).instructions[20] for _ in range(2))
    assert first > 1_000_000
    assert second == pytest.approx(first, rel=1e-3)


@pytest.mark.arm64
def test_no_count_rose(emulator: Emulator, tmp_path: Path) -> None:
    models = {**committed_models(), **write_references(tmp_path)}
    assert "sst2/model_int8.tflite" in models
    found = measure(emulator, models, COUNTED, TOKENS)
    assert results.rises(results.read(results.RESULTS)["counts"], found) == []


@pytest.mark.arm64
@pytest.mark.parametrize("cpu", CPUS)
def test_golden_texts_of_the_committed_artefacts(emulator: Emulator, cpu: str) -> None:
    artefacts = committed_artefacts()
    assert "sst2" in [artefact.name for artefact in artefacts]
    for artefact in artefacts:
        replays = replay_golden(emulator, cpu, artefact)
        assert replays
        assert failures(artefact.name, cpu, replays) == []


@pytest.mark.arm64
@pytest.mark.parametrize("cpu", CPUS)
def test_golden_texts_in_both_formats(emulator: Emulator, cpu: str, artefact_of_both: Path) -> None:
    replays = replay_golden(emulator, cpu, artefact_of_both)
    names = [f"model_{kind}" for kind in ("int8.tflite", "fp32.tflite", "int8.onnx", "fp32.onnx")]
    assert list(replays) == names
    assert failures("artefact", cpu, replays) == []


@pytest.mark.arm64
def test_other_answers_than_the_golden_ones_are_failures(
    emulator: Emulator, artefact_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "artefact"
    shutil.copytree(artefact_folder, folder)
    rows = [json.loads(line) for line in (folder / GOLDEN).read_bytes().splitlines()]
    rows[0]["ids"] = [2]
    for name in rows[5]["logits"]:
        rows[5]["logits"][name][0] += 1000.0
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    edit_file(folder, GOLDEN, content)

    found = replay_golden(emulator, "cortex-a76", folder)["model_fp32.tflite"]
    assert found["wrong_ids"] == 1
    assert found["max_difference"] == pytest.approx(1000, rel=0.01)
    (line,) = failures("artefact", "cortex-a76", {"model_fp32.tflite": found})
    assert line.startswith("artefact/model_fp32.tflite on cortex-a76: 1 texts with other token ids, ")
