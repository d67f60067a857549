"""What the stages will need of the teacher and the machine is tried before the first of them, for every architecture."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BartConfig,
    BertConfig,
    BertForSequenceClassification,
    DebertaConfig,
    FNetConfig,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    T5Config,
    XLNetConfig,
)

from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.trainer.options import TrainOptions
from kdbuild.trainer.run.needs import check_machine, check_teacher, load_teacher
from kdbuild.trainer.run.start import start
from kdbuild.trainer.student.embeddings import encode_words
from kdbuild.trainer.teacher.model import TRIED, Teacher
from kdbuild.trainer.training import device as devices
from kdbuild.trainer.training.processes import Processes
from reviews import make_reviews, write_tsv

Command = tuple[str | Path, ...]
STAGES = ("data", "teacher", "augment", "label", "distill")
SHAPE: dict[str, Any] = {
    "vocab_size": 2000,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
ARCHITECTURES: dict[str, PretrainedConfig] = {
    "BERT": BertConfig(**SHAPE),
    "DeBERTa": DebertaConfig(**SHAPE, relative_attention=True, pos_att_type=["c2p", "p2c"]),
    "XLNet": XLNetConfig(vocab_size=2000, d_model=16, n_layer=1, n_head=2, d_inner=16),
    "FNet": FNetConfig(vocab_size=2000, hidden_size=16, num_hidden_layers=1, intermediate_size=16),
    "T5": T5Config(
        vocab_size=2000,
        d_model=16,
        d_kv=8,
        d_ff=16,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
        pad_token_id=0,
    ),
    "BART": BartConfig(
        vocab_size=2000,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
    ),
    "GPT-2": GPT2Config(vocab_size=2000, n_embd=16, n_layer=1, n_head=2),
    "Llama": LlamaConfig(**SHAPE),
}
NO_BF16 = {"DeBERTa": ("--teacher-dtype",), "FNet": ("--label-dtype", "--dtype")}
"""What each can't compute in bfloat16."""


def save(name: str, tokenizer_of: Path, folder: Path) -> Path:
    """Write an untrained encoder with the reviews' tokenizer, whose separator ends a text."""
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_of)
    config = type(ARCHITECTURES[name]).from_dict(ARCHITECTURES[name].to_dict())
    config.eos_token_id = tokenizer.sep_token_id
    if name in ("GPT-2", "Llama"):
        tokenizer.pad_token = None
        tokenizer.eos_token = "[SEP]"
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # An encoder, to be fine-tuned.
    content = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**content, "architectures": None}))
    return folder


def options(**dtypes: Any) -> TrainOptions:
    chosen: dict[str, Any] = {"label_dtype": "fp32", "dtype": "fp32", "teacher_dtype": "fp32", **dtypes}
    start = TrainOptions()
    return dataclasses.replace(
        start,
        label=dataclasses.replace(start.label, label_dtype=chosen["label_dtype"]),
        training=dataclasses.replace(start.training, dtype=chosen["dtype"]),
        teacher_training=dataclasses.replace(start.teacher_training, dtype=chosen["teacher_dtype"]),
        machine=dataclasses.replace(start.machine, device="cpu"),
    )


def replace_teacher(given: TrainOptions, teacher: Path) -> TrainOptions:
    return dataclasses.replace(given, teacher=dataclasses.replace(given.teacher, teacher=(str(teacher),)))


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_does_in_fp32_what_the_stages_ask(
    name: str, paired: bool, teacher_folder: Path, tmp_path: Path
) -> None:
    folder = save(name, teacher_folder, tmp_path)
    check_teacher(options(), load_teacher(options(), str(folder)), STAGES, paired=paired)
    assert encode_words(str(folder), ["film", "unheardof"], bf16=False).shape == (2, 16)


@pytest.mark.parametrize("flag", ["--teacher-dtype", "--label-dtype", "--dtype"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_bf16_asked_for_by_name(
    name: str, flag: str, teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Processors without it emulate it, which is enough here.
    monkeypatch.setattr(devices, "has_bf16", lambda device: True)
    monkeypatch.setattr("kdbuild.trainer.training.device.has_bf16", lambda device: True)
    folder = save(name, teacher_folder, tmp_path)
    chosen = options(**{flag[2:].replace("-", "_"): "bf16"})
    if flag not in NO_BF16.get(name, ()):
        check_teacher(chosen, load_teacher(chosen, str(folder)), STAGES)
        return
    with pytest.raises(BadInputError, match=rf"^{flag} bf16: \w+ can't compute in it \(.*\)\. Use auto or fp32\.$"):
        check_teacher(chosen, load_teacher(chosen, str(folder)), STAGES)


def test_auto_falls_back_and_says_so(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda device: True)
    teacher = Teacher(save("FNet", teacher_folder, tmp_path), max_pieces=32)
    assert not teacher.labels_in_bf16("auto", "--label-dtype")
    assert teacher.logits(teacher.encode(TRIED)).shape == (len(TRIED), 2)
    # What transformers writes before, it writes unless a command silenced it.
    assert capsys.readouterr().err.splitlines()[-1] == (
        "--label-dtype auto: FNetForSequenceClassification can't compute in bf16 (Unsupported dtype BFloat16), "
        "so it does in fp32"
    )
    assert encode_words(str(tmp_path), ["film"], bf16=True).shape == (1, 16)


@pytest.mark.trains
@pytest.mark.parametrize("name", ["DeBERTa", "FNet", "T5", "GPT-2"])
def test_whole_runs_with_auto(name: str, teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda device: True)
    monkeypatch.setattr("kdbuild.trainer.student.embeddings.has_bf16", lambda device: True)
    # What it reaches isn't asked here.
    monkeypatch.setattr("kdbuild.trainer.teacher.fine_tune.check_teacher", lambda *_, **__: None)
    folder = save(name, teacher_folder, tmp_path / "teacher")
    data = write_tsv(tmp_path / "rows.tsv", make_reviews(60, seed=2))
    short = ("--teacher-epochs", "1", "--epochs", "1", "--rounds", "1", "--p-pos", "0", "--device", "cpu")
    result = run_cli("train", data, "--out", tmp_path / "run", "--teacher", folder, *short, *SMALL_STUDENT, fp32=False)
    assert result.exit_code == 0, result.output
    # The student's own fallback depends on the processor: has_bf16 only pretends here.
    said = [
        line for line in result.stderr.splitlines() if "can't compute in bf16" in line and "Student can't" not in line
    ]
    assert len(said) == len(NO_BF16.get(name, ()))


def test_what_the_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda device: False)
    for flag in ("label_dtype", "dtype", "teacher_dtype"):
        with pytest.raises(BadInputError, match=r"bf16: cpu has no bfloat16 arithmetic here\. Use auto or fp32\.$"):
            check_machine(options(**{flag: "bf16"}), STAGES, Processes())
        check_machine(options(**{flag: "bf16"}), ("data",), Processes())
    with pytest.raises(BadInputError, match=r"can't be shared by 3 processes\. Use a multiple of 3\.$"):
        check_machine(options(), ("distill",), Processes(0, 3))


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "the student's format": (("--dtype", "bf16"), "Error: --dtype bf16: cpu has no bfloat16 arithmetic here."),
    "the labels' format": (
        ("--label-dtype", "bf16"),
        "Error: --label-dtype bf16: cpu has no bfloat16 arithmetic here.",
    ),
    "the teacher's format": (
        ("--teacher-dtype", "bf16"),
        "Error: --teacher-dtype bf16: cpu has no bfloat16 arithmetic here.",
    ),
    "the device": (("--device", "cuda"), "Error: --device cuda: torch finds no CUDA device."),
    "the tagger": (
        ("--perturb", "article", "--p-pos", "0.1", "--spacy-model", "nosuch"),
        "Error: --spacy-model nosuch: not an installed spaCy pipeline.",
    ),
    "the student's batches": (
        ("--batch-size", "32", "--teacher-batch-size", "33"),
        "Error: --batch-size 32: can't be shared by 3 processes.",
    ),
    "the teacher's batches": (
        ("--batch-size", "33", "--teacher-batch-size", "32"),
        "Error: --teacher-batch-size 32: can't be shared by 3 processes.",
    ),
}
"""Options that the machine or the processes don't go with, and the beginning of what is said."""


class Refusing:
    """A machine without bfloat16 and CUDA, or one of three processes."""

    def __init__(self, kind: str, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(devices, "has_bf16", lambda device: False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        if "batches" in kind:
            monkeypatch.setattr("kdbuild.trainer.training.processes.join_processes", lambda: Processes(0, 3))
        monkeypatch.setattr("kdbuild.trainer.run.folder.RunFolder.complete", self._complete)

    def _complete(self, stage: str, *_: Any) -> None:
        raise AssertionError(f"{stage} ran")


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", REFUSED)
def test_no_stage_runs_where_one_would_be_refused(
    kind: str, data_folder: Path, encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, message = REFUSED[kind]
    common: Command = ("--teacher", encoder_folder, "--p-pos", "0", *arguments)
    with monkeypatch.context() as patch:
        Refusing(kind, patch)
        result = run_cli("train", data_folder, "--out", tmp_path / "run", *common)
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1].startswith(message)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", REFUSED)
def test_no_stage_of_a_run_that_has_begun_does_either(
    kind: str, data_folder: Path, encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, message = REFUSED[kind]
    start(str(data_folder), tmp_path / "run", replace_teacher(options(), encoder_folder))
    before = files(tmp_path / "run")
    Refusing(kind, monkeypatch)
    result = run_cli(
        "train", data_folder, "--out", tmp_path / "run", "--teacher", encoder_folder, "--p-pos", "0", *arguments
    )
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1].startswith(message)
    assert files(tmp_path / "run") == before


@pytest.mark.parametrize("kind", REFUSED)
def test_nor_where_a_run_goes_on_elsewhere(
    kind: str, data_folder: Path, encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The options are the run's; what they need was there where it was started."""
    arguments, message = REFUSED[kind]
    command: Command = (
        "train",
        data_folder,
        "--out",
        tmp_path / "run",
        "--teacher",
        encoder_folder,
        "--p-pos",
        "0",
        *arguments,
    )
    with monkeypatch.context() as patch:
        for check in ("start", "runner"):
            patch.setattr(f"kdbuild.trainer.run.{check}.check_machine", lambda *_: None)
        patch.setattr("kdbuild.trainer.run.start.load_teacher", lambda *_: None)
        patch.setattr("kdbuild.trainer.run.start.check_teacher", lambda *_, **__: None)
        patch.setattr("kdbuild.trainer.run.runner.Run._run_one", lambda *_: None)
        assert run_cli(*command).exit_code == 0
    Refusing(kind, monkeypatch)
    result = run_cli(*command)
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1].startswith(message)
    # What is done already needs nothing.
    check = "kdbuild.trainer.run.folder.RunFolder.is_done"
    monkeypatch.setattr(check, lambda *_: True)
    assert run_cli(*command).exit_code == 0


def test_a_teacher_that_cannot_read_pairs(teacher_folder: Path, tmp_path: Path) -> None:
    config = BertConfig(**SHAPE, type_vocab_size=1)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "teacher")
    AutoTokenizer.from_pretrained(teacher_folder).save_pretrained(tmp_path / "teacher")
    content = json.loads((tmp_path / "teacher" / "config.json").read_bytes())
    (tmp_path / "teacher" / "config.json").write_text(json.dumps({**content, "architectures": None}))
    chosen = replace_teacher(options(), tmp_path / "teacher")
    check_teacher(chosen, load_teacher(chosen, str(tmp_path / "teacher")), STAGES)
    rows = "".join(f"{text}\t{text}\t{label}\n" for text, label in make_reviews(60, seed=2))
    (tmp_path / "pairs.tsv").write_text(f"sentence\tsentence2\tlabel\n{rows}")
    arguments = ("train", tmp_path / "pairs.tsv", "--out", tmp_path / "run", "--p-pos", "0", "--teacher")
    result = run_cli(*arguments, tmp_path / "teacher")
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith(
        f"Error: --teacher {tmp_path / 'teacher'}: BertForSequenceClassification can't classify pairs of texts "
    )
    assert last.endswith("Use another teacher.")
    assert not (tmp_path / "run").exists()
    # Also where the pairs were read before.
    good = save("BERT", teacher_folder, tmp_path / "good")
    start(str(tmp_path / "pairs.tsv"), tmp_path / "run", replace_teacher(options(), good))
    before = files(tmp_path / "run")
    assert run_cli(*arguments, tmp_path / "teacher").stderr.splitlines()[-1] == last
    assert files(tmp_path / "run") == before


class NoGradient(torch.autograd.Function):
    """Can't be derived."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no derivative here")


class InfiniteGradient(NoGradient):
    """Its derivative isn't finite."""

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * torch.inf


@pytest.mark.parametrize("dtype", ["fp32", "auto"])
@pytest.mark.parametrize(
    ("function", "reason"), [(NoGradient, "no derivative here"), (InfiniteGradient, "its results aren't finite")]
)
def test_a_teacher_that_cannot_be_fine_tuned(
    function: type[NoGradient],
    reason: str,
    dtype: str,
    encoder_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_library = BertForSequenceClassification.forward

    def forward(self: BertForSequenceClassification, **batch: torch.Tensor) -> Any:
        answer = of_library(self, **batch)
        return type(answer)(logits=function.apply(answer.logits))

    monkeypatch.setattr(BertForSequenceClassification, "forward", forward)
    data = write_tsv(tmp_path / "rows.tsv", make_reviews(60, seed=2))
    arguments = ("--teacher", encoder_folder, "--p-pos", "0", "--teacher-dtype", dtype)
    result = run_cli("train", data, "--out", tmp_path / "run", *arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1] == (
        f"Error: --teacher {encoder_folder}: BertForSequenceClassification can't be fine-tuned ({reason}). "
        "Use another teacher."
    )
    assert not (tmp_path / "run").exists()


def test_the_teacher_is_loaded_once_at_the_start(
    teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is asked which of its classes is which label."""
    rows = [(text, {"pos": "good", "neg": "bad"}[label]) for text, label in make_reviews(200, seed=2)]
    data = write_tsv(tmp_path / "rows.tsv", rows)
    loaded: list[str] = []

    def load(given: TrainOptions, name: str) -> Teacher:
        loaded.append(name)
        return load_teacher(given, name)

    monkeypatch.setattr("kdbuild.trainer.run.start.load_teacher", load)
    run = start(str(data), tmp_path / "run", replace_teacher(options(), teacher_folder))
    assert run.data.labels == ["bad", "good"]
    assert loaded == [str(teacher_folder)]


def test_refused_options_do_not_stick(finished_run: Path, tmp_path: Path) -> None:
    import shutil

    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    before = (run / "options.json").read_bytes()
    if not torch.cuda.is_available():
        for stage in ("label", "distill"):
            result = run_cli(stage, run, "--device", "cuda")
            assert result.exit_code == 2
            assert result.stderr.startswith("Error: --device cuda: torch finds no CUDA device.")
            assert (run / "options.json").read_bytes() == before
    result = run_cli("augment", run, "--perturb", "article", "--p-pos", "0.1", "--spacy-model", "nosuch")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: --spacy-model nosuch: not an installed spaCy pipeline.")
    assert (run / "options.json").read_bytes() == before


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_a_training_that_diverges_is_stopped(stage: str, encoder_folder: Path, tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "rows.tsv", make_reviews(60, seed=2))
    out = tmp_path / "run"
    rate = ("--learning-rate", "1e30") if stage == "student" else ("--teacher-learning-rate", "1e30")
    loss = ("--loss", "cross_entropy", "--embeddings", "random") if stage == "student" else ()
    result = run_cli(
        *("train", data, "--out", out, "--teacher", encoder_folder, "--p-pos", "0", *SMALL_STUDENT, *loss, *rate),
        *("--epochs", "3", "--warmup-steps", "0", "--teacher-warmup-steps", "0", "--clip", "0", "--teacher-clip", "0"),
    )
    assert result.exit_code == 2, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"Error: {rate[0]} 1e+30: ")
    assert last.endswith("so nothing can be learned any more. Use a lower learning rate.")
    assert not (out / stage).exists()


def test_a_label_of_five_thousand_digits(tmp_path: Path) -> None:
    rows = [(text, "9" * 5000 if label == "pos" else "10") for text, label in make_reviews(60, seed=2)]
    data = write_tsv(tmp_path / "rows.tsv", rows)
    hard = ("--loss", "cross_entropy", "--embeddings", "random", "--epochs", "1", *SMALL_STUDENT)
    result = run_cli("train", data, "--out", tmp_path / "run", *hard)
    assert result.exit_code == 0, result.output[-500:]
