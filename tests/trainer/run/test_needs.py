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
from kdbuild.trainer.student.embeddings import encode_words
from kdbuild.trainer.teacher.model import TRIED, Teacher
from kdbuild.trainer.training import device as devices
from kdbuild.trainer.training.processes import Processes
from reviews import make_reviews, write_tsv

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
    result = run_cli("augment", run, "--p-pos", "0.1", "--spacy-model", "nosuch")
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
