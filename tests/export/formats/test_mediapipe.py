import hashlib
import io
import json
import re
import struct
import subprocess
import venv
import zipfile
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st

from kdbuild.errors import BadInputError
from kdbuild.export.formats.mediapipe.graph import write_mediapipe
from kdbuild.export.formats.mediapipe.metadata import append_files, pack_text_classifier, text_classifier_metadata
from kdbuild.export.formats.mediapipe.vocabulary import delimiter_pattern, spell
from kdbuild.export.formats.tflite.flatbuffer import Model
from kdbuild.export.golden_texts import GOLDEN_TEXTS
from kdbuild.export.model import LstmWeights, StudentModel
from kdbuild.export.quantize import quantize_rows
from kdbuild.export.student_model import student_model
from kdbuild.runtime.text.tokenizer import tokenize
from kdbuild.runtime.text.vocabulary import SPECIAL, Vocabulary
from kdbuild.trainer.student.bilstm import Student, student_logits
from kdbuild.trainer.training.task import MULTI_LABEL
from students import random_torch_student, word_spotter

LABELS = ["no", "yes", "so"]
TOKENS = 24
WORDS = (
    "the a film is was do ca wo n't not can 's 'm i it well-made and/or j.k. mr. etc. etc '' `` ' ` , . ... -- - ! ? ( ) "
    "naïve 'em '70s 10,000 rock"
).split()
VOCABULARY = Vocabulary([*SPECIAL, *WORDS])

Float64 = npt.NDArray[np.float64]


class Cutter:
    """MediaPipe's tokenizer, by what its source does, with Python's regular expressions for RE2."""

    def __init__(self, pattern: str, lines: bytes) -> None:
        self.delimiter = re.compile(f"({pattern})", re.ASCII)
        self.ids = {line.split(" ")[0]: int(line.split(" ")[1]) for line in lines.decode("utf-8").splitlines()}

    def cut(self, text: str) -> list[str]:
        tokens = []
        while text and (match := self.delimiter.search(text)):
            assert match.end() > 0, "MediaPipe would search for ever"
            tokens.append(text[: match.start(1)])
            text = text[match.end() :]
        return [token for token in [*tokens, text] if token]

    def __call__(self, text: str) -> list[int]:
        return [self.ids.get(token, self.ids["<UNKNOWN>"]) for token in self.cut(text)]


SPELLED = spell(VOCABULARY)
cutter = Cutter(delimiter_pattern(), SPELLED.lines)


def in_full(ids: list[int], vocabulary: Vocabulary = VOCABULARY) -> list[int]:
    """Ids with both ids of each pair in its place."""
    pairs = {len(vocabulary) + place: pair for place, pair in enumerate(spell(vocabulary).pairs)}
    return [word for index in ids for word in pairs.get(index, (index,))]


class Runner:
    def __init__(self, model: bytes) -> None:
        self.interpreter = Interpreter(model_content=model, num_threads=1)
        self.interpreter.allocate_tensors()
        (self.input,) = self.interpreter.get_input_details()
        (self.output,) = self.interpreter.get_output_details()

    def __call__(self, ids: list[int]) -> list[float]:
        padded = np.zeros(self.input["shape"], np.int32)
        padded[0, : len(ids)] = ids
        self.interpreter.set_tensor(self.input["index"], padded)
        self.interpreter.invoke()
        scores: list[float] = self.interpreter.get_tensor(self.output["index"])[0].tolist()
        return scores


def rounded(student: Student) -> Student:
    """The student that the file stores: one scale a row, for the recurrence one a gate."""
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if parameter.ndim != 2:
                continue
            values = parameter.numpy()
            if name.startswith("lstm"):
                values = values.reshape(4, -1)
            integers, scales = quantize_rows(values)
            parameter[:] = torch.from_numpy((integers * scales[:, None]).reshape(parameter.shape))
    return student


def file_for(student: Student, **options: Any) -> bytes:
    vocabulary = Vocabulary([*SPECIAL, *(f"word{index}" for index in range(student.config.vocab_size - len(SPECIAL)))])
    labels = list(student.config.id2label.values())
    return write_mediapipe(student_model(student), vocabulary, labels, **{"tokens": TOKENS, **options})


def softmax(logits: npt.NDArray[np.floating[Any]]) -> list[float]:
    powers = np.exp(logits.astype(np.float64))
    return list(powers / powers.sum())


def sentence(length: int) -> list[int]:
    return [int(index) for index in np.random.default_rng(length).integers(1, 40, length)]


@pytest.fixture(scope="module")
def student() -> Student:
    return rounded(random_torch_student())


@pytest.fixture(scope="module")
def model(student: Student) -> bytes:
    return file_for(student)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 17, 24])
def test_scores_differ_from_the_rounded_weights_by_the_rounding_of_activations(
    student: Student, model: bytes, length: int
) -> None:
    ids = sentence(length)
    (logits,) = student_logits(student, [ids])
    assert Runner(model)(ids) == pytest.approx(softmax(logits), abs=0.01)


@pytest.mark.parametrize(
    "shape",
    [{"pooling": "max"}, {"factor_size": 6}, {"channels": 2}, {"factor_size": 5, "channels": 2, "pooling": "max"}],
)
def test_variants(shape: dict[str, Any]) -> None:
    student = random_torch_student(**shape)
    run = Runner(file_for(student))
    answers = []
    for length in (17, 2, 24, 17):
        ids = sentence(length)
        (logits,) = student_logits(student, [ids])
        answers.append(run(ids))
        assert answers[-1] == pytest.approx(softmax(logits), abs=0.02)
    assert answers[0] == answers[3]
    assert np.abs(np.array(answers[0]) - answers[2]).max() > 0.02


def test_padding_changes_nothing(student: Student) -> None:
    ids = sentence(9)
    answers = [Runner(file_for(student, tokens=tokens))(ids) for tokens in (9, 10, 64, 200)]
    assert answers[0] == answers[1] == answers[2] == answers[3]
    run = Runner(file_for(student))
    assert run([*ids[:4], 0, 0, *ids[4:]]) == answers[0]
    assert not np.allclose(run(ids[:-1]), answers[0], atol=0.01)


def test_nothing_is_kept_between_calls(model: bytes) -> None:
    run = Runner(model)
    first, second = sentence(20), [4, 4, 31]
    answer = run(first)
    assert not np.allclose(run(second), answer, atol=0.02)
    assert run(first) == answer == Runner(model)(first)


def test_a_reset_shuts_gates_of_any_weight_and_bias() -> None:
    """Gates that are wide open by their bias and have no weight at all: what they had let in would stay for good."""
    trained = word_spotter()
    labels = ["funny", "warm"]
    run = Runner(
        write_mediapipe(student_model(trained.student), trained.vocabulary, labels, tokens=8, multi_label=True)
    )
    funny, warm, film = (trained.vocabulary.ids([word])[0] for word in ("funny", "warm", "film"))
    for _ in range(2):
        # Logits -4 and 2.077, as the student's own text says.
        assert run([funny]) == pytest.approx([0.88868, 0.01799], abs=1e-3)
        assert run([film, warm]) == pytest.approx([0.01799, 0.88868], abs=1e-3)
        assert run([film]) == pytest.approx([0.01799, 0.01799], abs=1e-3)


def test_a_text_without_tokens_is_an_unknown_word(model: bytes) -> None:
    run = Runner(model)
    assert run([]) == run([1]) != run([2])


def test_pairs_are_two_words() -> None:
    trained = word_spotter()
    vocabulary = Vocabulary([*trained.vocabulary.tokens[:-2], "ca", "n't"])
    run = Runner(write_mediapipe(student_model(random_torch_student(vocab_size=9)), vocabulary, LABELS, tokens=8))
    lines = spell(vocabulary).lines.decode().splitlines()
    assert [line for line in lines if line.startswith("can't")] == ["can't 19"]
    assert run([5, 19, 3]) == run([5, 7, 8, 3])
    assert run([5, 19, 3]) != run([5, 7, 3])
    last = len(vocabulary) + len(spell(vocabulary).pairs) - 1
    assert f"etc.... {last}" in lines
    assert run([last]) == run([1, 1])


def test_several_labels_and_temperature(student: Student) -> None:
    ids = sentence(6)
    (logits,) = student_logits(student, [ids])
    assert Runner(file_for(student, temperature=2.5))(ids) == pytest.approx(softmax(logits / 2.5), abs=0.01)
    several = rounded(random_torch_student(problem_type=MULTI_LABEL, thresholds=[0.4, 0.5, 0.6]))
    expected = 1 / (1 + np.exp(-logits.astype(np.float64) / 2.5))
    assert Runner(file_for(several, temperature=2.5, multi_label=True))(ids) == pytest.approx(list(expected), abs=0.01)


def test_the_interface_is_one_graph_of_padded_ids_in_and_scores_out(model: bytes) -> None:
    run = Runner(model)
    assert (run.input["name"], run.input["dtype"]) == ("ids", np.int32)
    assert (run.input["shape"].tolist(), run.input["shape_signature"].tolist()) == ([1, 24], [1, 24])
    assert (run.output["name"], run.output["dtype"], run.output["shape"].tolist()) == ("scores", np.float32, [1, 3])
    parsed = schema.ModelT.InitFromPackedBuf(model)
    assert len(parsed.subgraphs) == 1
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    assert {(names[code.builtinCode], code.version) for code in parsed.operatorCodes} == {
        ("MAXIMUM", 1),
        ("SUB", 1),
        ("RESHAPE", 1),
        ("MUL", 1),
        ("GATHER", 1),
        ("GATHER", 2),
        ("ADD", 1),
        ("NOT_EQUAL", 1),
        ("WHERE", 1),
        ("REVERSE_V2", 1),
        ("CONCATENATION", 1),
        ("CAST", 1),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", 2),
        ("STRIDED_SLICE", 1),
        ("FULLY_CONNECTED", 3),
        ("SOFTMAX", 1),
    }


def exact_student() -> StudentModel:
    """Weights of a few binary digits, made without floating-point functions: the same on every machine."""

    def values(*shape: int) -> npt.NDArray[np.float32]:
        numbers = (np.arange(np.prod(shape)) * 7919 + 104729 * len(shape) + shape[0]) % 1009
        return ((numbers - 504) / 512).astype(np.float32).reshape(shape)

    return StudentModel.one_layer(
        embedding=values(len(VOCABULARY), 12),
        forward=LstmWeights(values(40, 12), values(40, 10), values(40)),
        backward=LstmWeights(-values(40, 12), -values(40, 10), -values(40)),
        hidden=values(7, 20),
        hidden_bias=values(7),
        output=values(3, 7),
        output_bias=values(3),
    )


def test_the_same_student_gives_the_same_bytes() -> None:
    files = [write_mediapipe(exact_student(), VOCABULARY, LABELS, tokens=64) for _ in range(2)]
    assert files[0] == files[1]
    assert hashlib.sha256(files[0]).hexdigest() == "cd98958ea6ed873a0cd943f0d298927502f59a523b92da3c2de92775c22fca81"


def test_a_full_sized_student() -> None:
    student = random_torch_student(vocab_size=5000, embedding_size=300, hidden_size=300, classifier_size=400)
    data = file_for(rounded(student), tokens=64)
    # One byte a weight, the extra dimension among them; four for each row's scale and for each bias.
    embedding, recurrence, classifier = 5000 * 301, 8 * 300 * (301 + 300), 400 * 600 + 3 * 400
    scales_and_biases = 4 * (5000 + 8 * 300 + 2 * 400 + 2 * 3)
    files = sum(len(content) for content in files_of(data).values())
    assert 0 < len(data) - (embedding + recurrence + classifier + scales_and_biases + files) < 32768
    ids = sentence(20)
    (logits,) = student_logits(student, [ids])
    assert Runner(data)(ids) == pytest.approx(softmax(logits), abs=0.02)


def test_refusals(student: Student) -> None:
    with pytest.raises(BadInputError) as raised:
        file_for(student, tokens=0)
    assert str(raised.value) == "0 tokens for MediaPipe: it would read nothing of a text. Give 1 or more."
    with pytest.raises(ValueError, match=r"^41 tokens and 1 labels for 40 embedding rows and 3 classes$"):
        write_mediapipe(
            student_model(student),
            Vocabulary([*SPECIAL, *(f"w{index}" for index in range(38))]),
            ["yes"],
            tokens=8,
        )


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def test_vocabulary_and_labels_are_packed_behind_the_model() -> None:
    model = write_mediapipe(exact_student(), VOCABULARY, ["schlecht", "größer", "çok iyi"], tokens=8)
    assert files_of(model) == {"vocab.txt": SPELLED.lines, "labels.txt": "schlecht\ngrößer\nçok iyi\n".encode()}
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        # MediaPipe takes stored files only; a date would change the bytes of the next export.
        assert [(entry.compress_type, entry.date_time) for entry in archive.infolist()] == [
            (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))
        ] * 2


def test_files_go_behind_any_bytes() -> None:
    assert files_of(append_files(b"PK\5\6 model", {"a": b"1", "b": b""})) == {"a": b"1", "b": b""}


class Table:
    """A reader of flatbuffer tables by field number, as the schema numbers them."""

    def __init__(self, data: bytes, at: int | None = None) -> None:
        at = struct.unpack_from("<I", data)[0] if at is None else at
        self.table = flatbuffers.table.Table(bytearray(data), at)

    def _offset(self, field: int) -> int:
        offset: int = self.table.Offset(4 + 2 * field)
        assert offset, f"no field {field}"
        return offset

    def string(self, field: int) -> str:
        text: bytes = self.table.String(self._offset(field) + self.table.Pos)
        return text.decode("utf-8")

    def number(self, field: int) -> int:
        return int(self.table.Get(flatbuffers.number_types.Uint8Flags, self._offset(field) + self.table.Pos))

    def child(self, field: int) -> "Table":
        return Table(bytes(self.table.Bytes), self.table.Indirect(self._offset(field) + self.table.Pos))

    def only(self, field: int) -> "Table":
        offset = self._offset(field)
        assert self.table.VectorLen(offset) == 1
        return Table(bytes(self.table.Bytes), self.table.Indirect(self.table.Vector(offset)))


def test_metadata_by_the_schemas_numbers() -> None:
    metadata = text_classifier_metadata(description="ein Text", pattern="…+", vocabulary_file="v", labels_file="l")
    assert metadata[4:8] == b"M001"
    root = Table(metadata)
    assert (root.string(0), root.string(1), root.string(7)) == ("TextClassifier", "ein Text", "1.2.1")
    graph = root.only(3)
    ids, scores = graph.only(2), graph.only(3)
    unit = ids.only(4)
    assert unit.number(0) == 6  # RegexTokenizerOptions
    assert unit.child(1).string(0) == "…+"
    assert (unit.child(1).only(1).string(0), unit.child(1).only(1).number(2)) == ("v", 5)  # VOCABULARY
    assert (scores.only(6).string(0), scores.only(6).number(2)) == ("l", 2)  # TENSOR_AXIS_LABELS


def test_the_model_holds_the_metadata(model: bytes) -> None:
    parsed = schema.ModelT.InitFromPackedBuf(model)
    ((name, buffer),) = [(entry.name, entry.buffer) for entry in parsed.metadata]
    assert name == b"TFLITE_METADATA"
    stored = Table(bytes(parsed.buffers[buffer].data))
    assert stored.only(3).only(2).only(4).child(1).string(0) == delimiter_pattern()


CUTS: dict[str, list[str]] = {
    "The film, the FILM!": ["The", "film", ",", "the", "FILM", "!"],
    "It's (not) a well-made and/or naïve film.": "It 's ( not ) a well-made and/or naïve film .".split(),
    "can't Can't can’t cannot can": ["can't", "Can't", "can’t", "cannot", "can"],
    "ca n't do n't": ["ca", "n't", "do", "n't"],
    "I’m, I've and I'd've": ["I", "’m", ",", "I", "'ve", "and", "I", "'d", "'ve"],
    "“Well,” he said—'rock'n'roll'…": ["“", "Well", ",", "”", "he", "said", "—", "'", "rock'n'roll", "'", "…"],
    "J.K. and Mr. Smith, etc... in the '70s": ["J.K.", "and", "Mr.", "Smith", ",", "etc...", "in", "the", "'70s"],
    "10,000 at 7:30, v1.2.3!": ["10,000", "at", "7:30", ",", "v1.2.3", "!"],
    "I. a.m. a. don's t": ["I", ".", "a.m.", "a", ".", "don", "'s", "t"],
    "writers' ''quoted`` -lrb- **** --- ..": ["writers", "'", "''", "quoted", "``", "-lrb-", "****", "---", ".."],
    "o'clock d'être y'all's i'm-so-cool": ["o'clock", "d'être", "y'all", "'s", "i'm-so-cool"],
    "电影😀!": ["电", "影", "😀", "!"],
    "tab\tand\u00a0more\u200b ": ["tab", "and", "more"],
}


@pytest.mark.parametrize("text", CUTS)
def test_cuts(text: str) -> None:
    assert cutter.cut(text) == CUTS[text]


@pytest.mark.parametrize("text", CUTS)
def test_cuts_have_the_ids_of_our_tokens(text: str) -> None:
    assert in_full(cutter(text)) == VOCABULARY.ids(tokenize(text))


def test_words_with_a_full_stop_or_an_apostrophe_are_those_of_the_tokenizer() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    stems = (
        "mr mrs ms dr jr sr vs etc al inc co bros prof gen gov sen rep st jan feb aug sept oct nov dec film mar".split()
    )
    texts = [f"{stem}. x" for stem in [*letters, *stems]]
    texts += [f"the '{word}" for word in [*letters, *"s re ve ll d m em til tis twas n cause us".split()]]
    texts += [f"they'{word} it" for word in [*letters, *"s re ve ll d m t em sx red vet all".split()]]
    for text in texts:
        every = Vocabulary([*SPECIAL, *dict.fromkeys(tokenize(text))])
        spelled = spell(every)
        assert in_full(Cutter(delimiter_pattern(), spelled.lines)(text), every) == every.ids(tokenize(text)), text


# What the module's text says remains.
DIFFERENT = {
    " the film": ([1, 3, 5], [3, 5]),
    "iPhone tHe": ([1, 1], [1, 3]),
    "nai\u0308ve": ([1], [37]),
    "fi\u200blm": ([1, 1], [5]),
    "x..": ([1, 29], [1, 30]),
}


@pytest.mark.parametrize("text", DIFFERENT)
def test_known_differences(text: str) -> None:
    assert (in_full(cutter(text)), VOCABULARY.ids(tokenize(text))) == DIFFERENT[text]


def test_lines() -> None:
    lines = (
        spell(Vocabulary([*SPECIAL, "well-made", "''", "n't", "does", "ß", "--"])).lines.decode("utf-8").splitlines()
    )
    assert lines[:2] == ["<PAD> 0", "<UNKNOWN> 1"]
    assert lines[2:6] == ["well-made 3", "Well-made 3", "Well-Made 3", "WELL-MADE 3"]
    assert lines[6:11] == ["'' 4", "’’ 4", '" 4', "” 4", "″ 4"]
    assert lines[11:17] == ["n't 5", "N't 5", "N'T 5", "n’t 5", "N’t 5", "N’T 5"]
    assert lines[17:21] == ["does 6", "Does 6", "DOES 6", "ß 7"]
    assert lines[21:25] == ["-- 8", "— 8", "― 8", "--- 8"]
    assert [line for line in lines if line.lower().startswith("doesn")] == [
        "doesn't 14",
        "Doesn't 14",
        "DOESN'T 14",
        "doesn’t 14",
        "Doesn’t 14",
        "DOESN’T 14",
    ]


def test_each_spelling_has_the_ids_of_its_tokens() -> None:
    for line in SPELLED.lines.decode("utf-8").splitlines()[2:]:
        spelling, index = line.split(" ")
        assert in_full([int(index)]) == VOCABULARY.ids(tokenize(spelling)), spelling


@given(st.text() | st.text(alphabet="aIt 's'’nT.-–—,\"“”*/&19é漢😀`\u200b(etc)"))
def test_every_text_is_cut_without_losing_a_letter(text: str) -> None:
    text = text.replace("\0", "")

    def letters(cut: str) -> str:
        return "".join(character for character in cut if character.isalnum())

    assert letters("".join(cutter.cut(text))) == letters(text)


IN_MEDIAPIPE = """
import json, sys
from mediapipe.tasks.python.text import TextClassifier

texts, answers = json.load(sys.stdin), []
for path in sys.argv[1:]:
    classifier = TextClassifier.create_from_model_path(path)
    results = [classifier.classify(text).classifications[0].categories for text in texts]
    answers.append([{category.category_name: category.score for category in result} for result in results])
    classifier.close()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def mediapipe_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment with MediaPipe."""
    folder = tmp_path_factory.mktemp("mediapipe")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "mediapipe==1.2.3"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"pip can't install mediapipe 1.2.3: {installed.stderr.strip()[-200:]}")
    return python


def ids_as_scores(tokens: int) -> bytes:
    """A model for MediaPipe whose score of the label "3" is the id of token 3."""
    model = Model("test")
    graph = model.subgraph("main")
    ids = graph.input("ids", [1, tokens], np.int32)
    scores = graph.result([1, tokens])
    options = schema.CastOptionsT(inDataType=schema.TensorType.INT32, outDataType=schema.TensorType.FLOAT32)
    graph.operator(schema.BuiltinOperator.CAST, [ids], [scores], options)
    graph.output(scores)
    labels = [str(place) for place in range(tokens)]
    return pack_text_classifier(model, pattern=delimiter_pattern(), vocabulary=SPELLED.lines, labels=labels)


@pytest.mark.slow
def test_mediapipe_reads_the_same_ids_and_gives_the_same_scores(mediapipe_python: Path, tmp_path: Path) -> None:
    tokens = 64
    student = random_torch_student(vocab_size=len(VOCABULARY))
    model = write_mediapipe(student_model(student), VOCABULARY, LABELS, tokens=tokens)
    # MediaPipe takes texts as C strings.
    texts = ["", *CUTS, *DIFFERENT, *(text for text in GOLDEN_TEXTS if "\0" not in text and text.isprintable())]
    paths = [tmp_path / "model.tflite", tmp_path / "ids.tflite"]
    for path, data in zip(paths, (model, ids_as_scores(tokens)), strict=True):
        path.write_bytes(data)
    answer = subprocess.run(
        [str(mediapipe_python), "-c", IN_MEDIAPIPE, *map(str, paths)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    scores, ids = json.loads(answer.stdout)
    run = Runner(model)
    for text, found, places in zip(texts, scores, ids, strict=True):
        expected = cutter(text)[:tokens]
        assert [places[str(place)] for place in range(tokens)] == expected + [0] * (tokens - len(expected)), text
        assert [found[label] for label in LABELS] == pytest.approx(run(expected), abs=0.01), text
