"""``--perturb`` on the command line, in recipes and in run folders of earlier versions."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from commands import SMALL_STUDENT, run_cli
from kdbuild.errors import BadInputError
from kdbuild.trainer.options import ArticleOptions, AugmentOptions, SpansOptions, TrainOptions
from kdbuild.trainer.run.folder import RunFolder, keep_former
from kdbuild.trainer.run.stages import STAGES


@pytest.mark.parametrize(
    ("perturb", "rounds", "copies"),
    [
        (("spans",), 30, {"spans": 30}),
        (("spans=7", "article"), 4, {"spans": 7, "article": 4}),
        (("joins=2", "clauses=1"), 0, {}),
        ((), 9, {}),
    ],
)
def test_copies(perturb: tuple[str, ...], rounds: int, copies: dict[str, int]) -> None:
    assert AugmentOptions(perturb=perturb, rounds=rounds).copies() == copies


def test_copies_by_default() -> None:
    assert AugmentOptions().copies() == {"spans": 30}


COUNT = "copies must be a whole number, at least 1. Write spans=COPIES, or leave spans out."
BAD = {
    "unknown": (("spins",), "--perturb spins: unknown. Did you mean 'spans'?"),
    "unknown among others": (("spans", "zzz=3"), "--perturb zzz: unknown. There are: spans, article, clauses, joins."),
    "none": (("spans=0",), f"--perturb spans=0: {COUNT}"),
    "negative": (("spans=-3",), f"--perturb spans=-3: {COUNT}"),
    "not whole": (("spans=2.5",), f"--perturb spans=2.5: {COUNT}"),
    "no count": (("spans=",), f"--perturb spans=: {COUNT}"),
    "not ASCII": (("spans=³",), f"--perturb spans=³: {COUNT}"),
    "twice": (("spans", "spans=3"), "--perturb spans: given twice. Give it once, with all its copies: spans=COPIES."),
}


@pytest.mark.parametrize("name", BAD)
def test_what_perturb_refuses(name: str, data_folder: Path, tmp_path: Path) -> None:
    given, message = BAD[name]
    options = [part for value in given for part in ("--perturb", value)]
    result = run_cli("train", data_folder, "--out", tmp_path / "run", *options)
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")
    assert not (tmp_path / "run").exists()


def test_spans_of_unlabelled_texts_need_some(data_folder: Path, tmp_path: Path) -> None:
    result = run_cli("train", data_folder, "--out", tmp_path / "run", "--spans-of", "unlabelled")
    message = "--spans-of unlabelled: there are no unlabelled texts. Add --unlabelled FILE, or use rows."
    assert (result.exit_code, result.stderr) == (2, f"Error: {message}\n")
    assert not (tmp_path / "run").exists()


def test_the_taggers_pipeline_is_asked_for_only_where_it_tags() -> None:
    article = TrainOptions(augment=AugmentOptions(perturb=("spans", "article=2")))
    assert article.tagger == "en_core_web_sm"
    assert replace(article, article=ArticleOptions(p_pos=0.0)).tagger is None
    assert replace(article, augment=replace(article.augment, rounds=0)).tagger is None
    assert TrainOptions().tagger is None


def test_options_of_perturbations_that_make_no_copies_are_named() -> None:
    options = TrainOptions(article=ArticleOptions(p_pos=0.0, max_ng=4), spans=SpansOptions(max_span=3))
    assert options.unread_flags() == {"article": ["--p-pos", "--max-ng"]}
    assert TrainOptions().unread_flags() == {}


def test_options_of_the_article_are_read_where_they_stood_once() -> None:
    former = {"augment": {"rounds": 6, "p_mask": 0.3, "ngram": "keep"}}
    options = TrainOptions.from_dict(former)
    assert options.augment.copies() == {"article": 6}
    assert options.article == ArticleOptions(p_mask=0.3, ngram="keep")
    written = options.to_dict()
    assert "perturb" not in written["augment"]
    assert written["article"]["p_mask"] == 0.3
    assert TrainOptions.from_dict(written) == options
    both = {"augment": {"p_mask": 0.3}, "article": {"p_mask": 0.2}}
    message = "r.toml: 'p_mask' stands in [augment] and in [article]. Keep that in [article] alone."
    with pytest.raises(BadInputError, match=f"^{re.escape(message)}$"):
        TrainOptions.from_dict(both, "r.toml")


def inputs(options: TrainOptions) -> str:
    return STAGES["augment"].inputs(options, {"data": "d"}, {})


def test_a_transfer_set_depends_on_the_perturbations_that_are_in_it() -> None:
    spans = TrainOptions()
    other = replace(spans, spans=SpansOptions(max_span=5))
    assert inputs(spans) != inputs(other)
    assert inputs(spans) == inputs(replace(spans, article=ArticleOptions(p_mask=0.5)))
    article = TrainOptions(augment=AugmentOptions(perturb=("article",)))
    assert inputs(article) != inputs(replace(article, article=ArticleOptions(p_mask=0.5)))
    assert inputs(article) == inputs(replace(article, spans=SpansOptions(max_span=5)))
    assert (
        len({inputs(spans), inputs(article), inputs(TrainOptions(augment=AugmentOptions(perturb=("spans=29",))))}) == 3
    )


@pytest.fixture(scope="module")
def hard_run(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, for its folder."""
    run = tmp_path_factory.mktemp("perturb") / "run"
    hard = ("--loss", "cross_entropy", "--embeddings", "random", *SMALL_STUDENT, "--epochs", "0.1")
    result = run_cli("train", data_folder, "--out", run, *hard)
    assert result.exit_code == 0, result.output
    return run


def test_a_run_of_an_earlier_version_keeps_its_perturbations(hard_run: Path) -> None:
    options = json.loads((hard_run / "options.json").read_text())
    assert options["options"]["augment"]["perturb"] == ["spans"]
    assert keep_former(TrainOptions(), hard_run).augment.copies() == {"spans": 30}
    del options["options"]["augment"]["perturb"], options["options"]["article"]
    options["options"]["augment"] |= {"rounds": 6, "p_mask": 0.3}
    (hard_run / "options.json").write_text(json.dumps(options))
    before = RunFolder.open(hard_run).options
    assert (before.augment.copies(), before.article.p_mask) == ({"article": 6}, 0.3)
    assert keep_former(TrainOptions(), hard_run).augment.copies() == {"article": 6}
    chosen = TrainOptions(augment=AugmentOptions(rounds=2))
    assert keep_former(chosen, hard_run, {"augment": {"rounds"}}).augment.copies() == {"article": 2}
    assert keep_former(chosen, hard_run, {"augment": {"rounds", "perturb"}}).augment.copies() == {"spans": 2}


def test_a_finished_run_of_an_earlier_version_runs_nothing_again(
    data_folder: Path, teacher_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    common = (*SMALL_STUDENT, "--epochs", "0.1", "--tokenizer", "words", "--p-pos", "0", "--rounds", "2")
    command = ("train", data_folder, "--out", run, "--teacher", teacher_folder, *common)
    result = run_cli(*command, "--perturb", "article")
    assert result.exit_code == 0, result.output
    # As it was written when the article's options stood among the others, and nothing could be named.
    kept = json.loads((run / "options.json").read_text())
    sections = kept["options"]
    sections["augment"] |= sections.pop("article")
    for later in ("spans", "clauses", "joins"):
        del sections[later]
    (run / "options.json").write_text(json.dumps(kept))
    for again in (command, command[:-2], ("augment", run)):
        result = run_cli(*again)
        assert result.exit_code == 0, result.output
        assert "augment: done before, kept" in result.stderr
        assert "Warning" not in result.stderr
