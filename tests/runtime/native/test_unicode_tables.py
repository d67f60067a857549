"""The native engine's Unicode constants are those of the tokenizer's frozen table."""

from tools import generate_native_tables


def test_the_committed_constants_are_what_the_generator_makes() -> None:
    committed = generate_native_tables.TARGET.read_text(encoding="ascii")
    assert committed == generate_native_tables.generate(), "out of date: python tools/generate_native_tables.py"
