"""The page of a run: what it says, what it leaves out, that it is safe and asks for nothing."""

import base64
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from kdbuild.cli.report import report as report_command
from kdbuild.errors import BadInputError
from kdbuild.trainer.report.page import report, write_report

VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """A page taken apart."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text: dict[str, list[str]] = {}
        """What stands in elements of a name, one after the other."""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self._open.append(tag)
        self.text.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.text[tag][-1] += data

    def pictures(self) -> list[bytes]:
        head = "data:image/svg+xml;base64,"
        return [base64.b64decode(a.removeprefix(head), validate=True) for a in self.addresses if a.startswith(head)]


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def make_run(path: Path, labels: tuple[str, ...] = ("neg", "pos")) -> Path:
    """A run folder with what every run has: options, metrics, splits. 10 dev rows of each class, one of each wrong."""
    count = len(labels)
    confusion = [
        [9 if row == column else int(column == (row + 1) % count) for column in range(count)] for row in range(count)
    ]
    dev = {"n": 10 * count, "accuracy": 0.9, "interval": [0.699, 0.9721], "macro_f1": 0.8996, "confusion": confusion}
    options = {
        "data": {"seed": 7},
        "teacher": {"teacher": "/models/big-one"},
        "student": {"loss": "mse", "hidden_size": 8},
    }
    write(path / "options.json", {"kdbuild": "0.1.0", "files": {"rows.tsv": "ab" * 32}, "options": options})
    metrics = {"data": {"warnings": []}, "distill": {"dev": dev, "seconds": 75.04}}
    write(path / "metrics.json", metrics)
    write(path / "splits" / "labels.txt", "".join(label + "\n" for label in labels))
    rows = "".join(f"text {row}\t{labels[row // 10]}\n" for row in range(10 * count))
    write(path / "splits" / "dev.tsv", "sentence\tlabel\n" + rows)
    return path


def change_metrics(run: Path, stage: str, **values: Any) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    metrics.setdefault(stage, {}).update(values)
    write(run / "metrics.json", metrics)


def complete(run: Path) -> Path:
    """The run with everything that a page can show."""
    teacher = {"n": 20, "accuracy": 0.96, "interval": [0.8, 0.99], "macro_f1": 0.95, "confusion": [[10, 0], [0, 10]]}
    change_metrics(
        run, "data", warnings=["rows.tsv: 5 odd rows."], rows={"train": 120, "dev": 20}, classes={"neg": 90, "pos": 30}
    )
    change_metrics(run, "teacher", dev=teacher, seconds=5.5)
    change_metrics(run, "augment", sentences=12345, seconds=3700)
    change_metrics(run, "label", seconds=0.04)
    change_metrics(run, "distill", parameters=6_130_502, vocabulary=14_815, dev_oov_rate=0.0626, texts=12345)
    log = [
        {"step": 1, "epoch": 0.5, "loss": 2.0, "learning_rate": 0.001},
        {"step": 2, "epoch": 1.0, "eval_loss": 0.5, "eval_accuracy": 0.9, "eval_macro_f1": 0.9},
    ]
    write(run / "student" / "log.json", log)
    write(run / "teacher" / "log.json", log)
    write(run / "recipe.toml", 'data = "rows.tsv"\n\n[data]\nseed = 7\n')
    write(
        run / "misclassified.tsv",
        "text\tlabel\tanswer\tprobability\na dull film\tneg\tpos\t0.6\nnot bad\tpos\tneg\t0.9876\n",
    )
    logits = np.tile(np.array([[2.0, 0.0]], dtype=np.float32), (20, 1))
    np.save(run / "student" / "dev_logits.npy", logits)
    (run / "tensorboard").mkdir()
    return run


def flat(text: str) -> str:
    """With ordinary spaces, one at a time."""
    return " ".join(text.split())


def test_bare_run_leaves_out_what_it_lacks(tmp_path: Path) -> None:
    page = Page(report(make_run(tmp_path / "bare")))
    assert page.text["h1"] == ["bare"]
    assert page.text["h2"] == ["Answers on dev", "What it was made from", "Time", "Next"]
    assert [flat(text) for text in page.text["dt"]] == [
        "dev accuracy",
        "macro-F1",
        "data",
        "labels",
        "student",
        "loss",
        "seed",
        "made by",
    ]
    assert flat(page.text["dd"][0]) == "90.0 %95 % interval 69.9 to 97.2; 20 rows"
    assert page.text["dd"][1] == "0.900mean over 2 labels"
    assert "aside" not in page.tags
    assert len(page.pictures()) == 2


def test_complete_run(tmp_path: Path) -> None:
    run = complete(make_run(tmp_path / "whole"))
    page = Page(report(run))
    assert page.text["p"][1] == "A student of big-one, made from rows.tsv."
    assert page.text["h2"] == ["Training", "Answers on dev", "Mistakes", "What it was made from", "Time", "Next"]
    facts = dict(zip(page.text["dt"], map(flat, page.text["dd"]), strict=True))
    assert facts == {
        "dev accuracy": "90.0 %95 % interval 69.9 to 97.2; 20 rows",
        "macro-F1": "0.900mean over 2 labels",
        "teacher's accuracy": "96.0 %the student keeps 93.8 %: −6.0 points",
        "parameters": "6.13 Mabout 6.2 MB as int8",
        "transfer set": "12,345sentences that the teacher labelled",
        "data": f"rows.tsv sha256 {'ab' * 32}",
        "rows": "120 train, 20 dev",
        "labels": "neg, pos",
        "teacher": "big-one",
        "student": "LSTM of 8",
        "words": "14,815; 93.7 % of dev's are among them",
        "loss": "mse",
        "seed": "7",
        "made by": "kdbuild 0.1.0",
    }
    assert page.text["li"] == ["rows.tsv: 5 odd rows."]
    assert page.text["pre"] == [
        'data = "rows.tsv"\n\n[data]\nseed = 7\n',
        f"kdbuild export {run} --format tflite --quantize\n"
        f'kdbuild predict {run}/artefact "your text"\n'
        f"kdbuild eval {run}/artefact {run}/splits/dev.tsv\n"
        f"tensorboard --logdir {run}/tensorboard",
    ]
    cells = [flat(text) for text in page.text["td"]]
    assert cells[:8] == ["not bad", "pos", "neg", "98.8 %", "a dull film", "neg", "pos", "60.0 %"]
    assert cells[8:] == [
        *("teacher", "5.5 s", ""),
        *("augment", "1 h 01 min", ""),
        *("label", "0.0 s", ""),
        *("distill", "1 min 15 s", ""),
        *("together", "1 h 03 min", ""),
    ]
    # Two curves, the matrix, the reliability and the balance, each for light and for dark.
    assert len(page.pictures()) == 10


def test_the_page_asks_for_nothing(tmp_path: Path) -> None:
    html = report(complete(make_run(tmp_path / "run")))
    page = Page(html)
    assert {address.split(",")[0] for address in page.addresses} == {"data:", "data:image/svg+xml;base64"}
    assert {"script", "iframe", "object", "form"}.isdisjoint(page.tags)
    assert not re.search(r"url\(|@import|https?:", html)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html
    for picture in page.pictures():
        for element in ElementTree.fromstring(picture).iter():
            for name, value in element.attrib.items():
                assert not name.endswith("href") or value.startswith(("#", "data:image/png;base64,"))


def test_what_comes_from_data_is_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>&\"'$title"
    run = complete(make_run(tmp_path / "a<b>&'$body", (evil, "pos")))
    change_metrics(run, "data", warnings=[evil], classes={evil: 3, "pos": 4})
    options = json.loads((run / "options.json").read_text())
    options["files"] = {evil: evil}
    options["options"]["teacher"]["teacher"] = options["options"]["student"]["loss"] = evil
    options["kdbuild"] = evil
    write(run / "options.json", options)
    write(run / "recipe.toml", evil)
    write(run / "misclassified.tsv", f"text\tlabel\tanswer\tprobability\n{evil}\t{evil}\tpos\t0.9\n")
    html = report(run)
    page = Page(html)
    assert "script" not in page.tags
    assert page.text["h1"] == ["a<b>&'$body"]
    assert page.text["title"] == ["a<b>&'$body: report"]
    assert page.text["p"][1] == f"A student of {Path(evil).name}, made from {evil}."
    assert page.text["li"] == [evil]
    assert page.text["td"][:3] == [evil, evil, "pos"]
    facts = dict(zip(page.text["dt"], page.text["dd"], strict=True))
    assert facts["data"] == f"{evil} sha256 {evil}"
    assert (facts["labels"], facts["loss"], facts["made by"]) == (f"{evil}, pos", evil, f"kdbuild {evil}")
    assert page.text["pre"][0] == evil
    assert page.text["pre"][1].startswith("kdbuild export '" + str(run).replace("'", "'\"'\"'") + "' --format")


def test_at_most_fifty_mistakes_and_no_more_than_needed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    rows = [f"row {number}\t\tpos|neg\t{number / 100}\n" for number in range(60)]
    write(run / "misclassified.tsv", "text\tlabel\tanswer\tprobability\n" + "".join(rows))
    page = Page(report(run))
    assert "60 of 20 dev rows, the 50 surest; all of them in misclassified.tsv." in page.text["p"]
    cells = [flat(text) for text in page.text["td"]]
    assert cells[:4] == ["row 59", "none", "pos|neg", "59.0 %"]
    assert cells[196:200] == ["row 10", "none", "pos|neg", "10.0 %"]
    assert cells[200] == "distill"


def test_pairs_show_both_texts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write(run / "misclassified.tsv", "text\ttext2\tlabel\tanswer\tprobability\none\ttwo\tneg\tpos\t1.0\n")
    page = Page(report(run))
    assert page.text["th"][:5] == ["text", "second text", "true label", "answer", "probability"]
    assert [flat(text) for text in page.text["td"][:5]] == ["one", "two", "neg", "pos", "100.0 %"]


def test_no_mistake_at_all(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write(run / "misclassified.tsv", "text\tlabel\tanswer\tprobability\n")
    assert "None: every dev row was answered right." in Page(report(run)).text["p"]


def test_several_labels(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    change_metrics(run, "data", multi_label=True)
    dev = json.loads((run / "metrics.json").read_text())["distill"]["dev"]
    change_metrics(run, "distill", dev=dev | {"n": 3, "confusion": [[1, 0, 1, 1], [1, 1, 0, 1]]})
    write(run / "splits" / "dev.tsv", "sentence\tlabel\na\tneg|pos\nb\t\nc\tneg\n")
    (run / "student").mkdir()
    np.save(run / "student" / "dev_logits.npy", np.array([[2, 2], [-2, 2], [-2, -2]], dtype=np.float32))
    page = Page(report(run))
    assert flat(page.text["dd"][0]) == "90.0 %95 % interval 69.9 to 97.2; 3 rows, all labels of a text right"
    texts = [" ".join(ElementTree.fromstring(picture).itertext()) for picture in page.pictures()]
    assert len(texts) == 4
    assert "precision" in texts[0]
    # Probabilities 0.881 (right twice of three) and 0.119 (right once of three).
    assert "expected calibration error 21.4 points" in flat(texts[2])


def test_many_classes_get_the_whole_width(tmp_path: Path) -> None:
    labels = tuple(f"class {index}" for index in range(20))
    html = report(make_run(tmp_path / "run", labels))
    assert html.count('<div class="scroll wide" tabindex="0"><img') == 1
    assert "mean over 20 labels" in html


@pytest.mark.parametrize(
    ("student", "sentence"),
    [
        (
            {"loss": "mse"},
            "The training loss is the squared distance to the teacher's logits; the dev loss is the cross-entropy of the "
            "true labels. Compare their courses, not their heights.",
        ),
        (
            {"loss": "kl_div", "alpha": 0.5},
            "The training loss is the divergence from the teacher's softened probabilities, blended with the "
            "cross-entropy of the true labels; the dev loss is the cross-entropy of the true labels. "
            "Compare their courses, not their heights.",
        ),
        ({"loss": "cross_entropy"}, "Both losses are the cross-entropy of the true labels."),
    ],
)
def test_what_the_losses_measure(tmp_path: Path, student: dict[str, Any], sentence: str) -> None:
    run = make_run(tmp_path / "run")
    options = json.loads((run / "options.json").read_text())
    options["options"]["student"] = student
    write(run / "options.json", options)
    write(run / "student" / "log.json", [{"step": 1, "loss": 2.0}])
    assert Page(report(run)).text["figcaption"][0] == f"The student, on its training texts and on dev. {sentence}"


def test_a_small_student_without_transfer_set(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    change_metrics(run, "distill", parameters=7_902, vocabulary=147, texts=400)
    facts = dict(zip(*(Page(report(run)).text[tag] for tag in ("dt", "dd")), strict=True))
    assert facts["parameters"] == "7,902about 8 kB as int8"
    assert facts["trained on"] == "400texts"


ABLATION = {
    "teacher": {"accuracy": 0.8888},
    "students": [
        {
            "name": "hard <labels>",
            "accuracy": [0.83, 0.842],
            "mean": 0.836,
            "deviation": 0.0084,
            "parameters": 6_130_502,
            "transfer_sentences": 67_349,
            "cpu_seconds": 2.345,
        },
        {
            "name": "augmented",
            "accuracy": [0.8807],
            "mean": 0.8807,
            "deviation": 0.0,
            "parameters": 6_130_502,
            "transfer_sentences": 966_392,
            "cpu_seconds": 2.3,
        },
    ],
}


def test_ablation_alone(tmp_path: Path) -> None:
    write(tmp_path / "students" / "ablation.json", ABLATION)
    page = Page(report(tmp_path / "students"))
    assert (page.text["h1"], page.text["h2"]) == (["students"], ["Ablation"])
    assert [flat(text) for text in page.text["td"]] == [
        *("teacher", "88.9 %", "", "", "", ""),
        *("hard <labels>", "83.6 ± 0.8 %", "83.0, 84.2", "67,349", "6.13 M", "2.35 s"),
        *("augmented", "88.1 %", "88.1", "966,392", "6.13 M", "2.30 s"),
    ]
    assert "83.6 ± 0.8" in "".join(ElementTree.fromstring(page.pictures()[0]).itertext())


def test_ablation_in_a_run_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write(run / "ablation.json", ABLATION | {"teacher": {}})
    page = Page(report(run))
    assert page.text["h2"] == ["Ablation", "Answers on dev", "What it was made from", "Time", "Next"]
    assert page.text["td"][0] == "hard <labels>"


def test_a_real_run(finished_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    page = Page(report(run))
    assert page.text["h2"][:2] == ["Training", "Answers on dev"]
    assert page.text["h2"][-3:] == ["What it was made from", "Time", "Next"]
    assert page.text["p"][1] == "A student of teacher, made from train.tsv, dev.tsv."
    stages = [flat(text) for text in page.text["td"]][-15::3]
    assert stages == ["teacher", "augment", "label", "distill", "together"]


def test_same_run_same_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert report(run) == report(run)


def test_command_prints_the_file_that_it_wrote(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    result = CliRunner().invoke(report_command, [str(run)])
    assert (result.exit_code, result.output) == (0, f"{run}/report.html\n")
    page = (run / "report.html").read_text(encoding="utf-8")
    elsewhere = tmp_path / "new" / "page.html"
    result = CliRunner().invoke(report_command, [str(run), "--out", str(elsewhere)])
    assert (result.exit_code, result.output) == (0, f"{elsewhere}\n")
    assert elsewhere.read_text(encoding="utf-8") == page
    assert [path.name for path in elsewhere.parent.iterdir()] == ["page.html"]


def test_report_needs_no_training_stack(tmp_path: Path) -> None:
    code = """
import sys
for name in ("torch", "transformers", "spacy", "datasets", "accelerate"):
    sys.modules[name] = None
from kdbuild.cli.report import report
report.main(sys.argv[1:])
"""
    run = complete(make_run(tmp_path / "run"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(run)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{run}/report.html\n", "")


def assert_refused(run: Path, message: str, out: Path | None = None) -> None:
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        write_report(run, out)
    assert not (run / "report.html").exists()


def test_folders_that_are_no_finished_run(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert_refused(missing, f"{missing}: no such run folder. Make one with: kdbuild train DATA --out {missing}")
    message = f"{tmp_path}: not a run folder of kdbuild (no options.json of ours). Choose another folder."
    assert_refused(tmp_path, message)
    run = make_run(tmp_path / "run")
    message = f"{run}: its student isn't trained. Finish it with: kdbuild distill {run}"
    write(run / "metrics.json", {"data": {"warnings": []}})
    assert_refused(run, message)
    (run / "metrics.json").unlink()
    assert_refused(run, message)


def test_damaged_files(tmp_path: Path) -> None:
    run = complete(make_run(tmp_path / "run"))
    path = run / "student" / "log.json"
    write(path, {"step": 1})
    assert_refused(run, f"{path}: holds no JSON list. Restore the file, or train again.")
    write(path, "{")
    reason = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    assert_refused(run, f"{path}: not valid JSON ({reason}). Restore the file, or train again.")
    path.unlink()

    path = run / "misclassified.tsv"
    again = f"Train again: kdbuild distill {run}"
    write(path, "text\tlabel\tprobability\na\tneg\t0.5\n")
    assert_refused(run, f"{path}: no column 'answer'. {again}")
    write(path, "text\tlabel\tanswer\tprobability\na\tneg\tpos\tmuch\n")
    assert_refused(run, f"{path}: could not convert string to float: 'much'. {again}")
    path.unlink()

    path = run / "student" / "dev_logits.npy"
    np.save(path, np.zeros((19, 2), dtype=np.float32))
    assert_refused(run, f"{path}: is of shape (19, 2), and dev has 20 rows and 2 labels. {again}")
    np.save(path, np.array([{}]), allow_pickle=True)
    reason = "Object arrays cannot be loaded when allow_pickle=False"
    assert_refused(run, f"{path}: not an array ({reason}). {again}")


def test_out_that_cannot_be_written(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert_refused(run, f"--out {tmp_path}: is a folder. Name a file in it.", tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    out = file / "page.html"
    assert_refused(run, f"--out {out}: can't be written (File exists). Choose another file.", out)


OTHERS = {"a page of others": "<html>a page of mine</html>", "data": "sentence\tlabel\n", "nothing yet": ""}


@pytest.mark.parametrize("name", OTHERS)
def test_file_of_others_is_not_replaced(name: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    out = tmp_path / "page.html"
    out.write_text(OTHERS[name])
    message = f"--out {out}: is there already, and no page of kdbuild's. Choose another file."
    assert_refused(run, message, out)
    assert out.read_text() == OTHERS[name]
    (run / "report.html").write_text(OTHERS[name])
    with pytest.raises(
        BadInputError, match=r"report\.html: is there already, and no page of kdbuild's\. Choose another"
    ):
        write_report(run)
    assert (run / "report.html").read_text() == OTHERS[name]


def test_own_page_is_replaced_and_a_link_to_it_stays(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write_report(run)
    page = (run / "report.html").read_text()
    assert '<meta name="generator" content="kdbuild">' in page
    (run / "report.html").write_text(page + "old")
    (tmp_path / "link.html").symlink_to(run / "report.html")
    write_report(run, tmp_path / "link.html")
    assert (tmp_path / "link.html").is_symlink()
    assert (run / "report.html").read_text() == page
