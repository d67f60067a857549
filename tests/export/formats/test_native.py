"""What the native format refuses before any weight is read, and that its limits are the engine's."""

from dataclasses import replace

from kdbuild.export.formats.native import layout
from kdbuild.export.formats.native.format import Native
from kdbuild.export.student_model import student_shape
from kdbuild.runtime.native.build import SOURCES
from students import random_torch_student


def test_too_many_words() -> None:
    shape = replace(student_shape(random_torch_student()), vocabulary=layout.MOST_VOCABULARY)
    assert Native().unsupported(shape) is None
    reason = Native().unsupported(replace(shape, vocabulary=layout.MOST_VOCABULARY + 1))
    assert reason == "of 1,048,577 words. Distil one with --max-vocab 1048576, or use this one in torch"


def test_limits_are_the_engines() -> None:
    header = (SOURCES / "model.h").read_text(encoding="utf-8")
    assert layout.MOST_VOCABULARY == 1 << 20
    assert "KDB_MOST_VOCABULARY = 1 << 20," in header
