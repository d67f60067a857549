"""The live line on a terminal, the plain lines elsewhere."""

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from kdbuild.console import progress, say

Clock = Callable[[float], None]
"""Sets the monotonic clock to a number of seconds."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    now = [0.0]
    monkeypatch.setattr("kdbuild.console.monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, seconds)


def terminal(width: int, **settings: object) -> tuple[Console, io.StringIO]:
    """A console that takes itself for a terminal, and what is written to it."""
    written = io.StringIO()
    environment = {"TERM": "xterm-256color", **settings}
    return Console(file=written, force_terminal=True, width=width, _environ=environment), written  # type: ignore[arg-type]


def frames(written: io.StringIO) -> list[str]:
    """What stood on the terminal's lines, one after the other, without control sequences."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue())
    return [line for line in re.split(r"[\r\n]+", text) if line.strip()]


def last_frame(width: int, clock: Clock, title: str = "distilling", remark: str = "loss 0.345 dev 0.881") -> str:
    """The line after 2000 of 15,000 steps, 200 seconds from the start, 10 of which went before the first report."""
    console, written = terminal(width)
    with progress(title, 15_000, "steps", console) as advance:
        clock(10)
        advance(100, "")
        clock(200)
        advance(2000, remark)
    return frames(written)[-1]


def test_live_line_in_80_columns(clock: Clock) -> None:
    line = last_frame(80, clock)
    assert line == "distilling ━╌╌╌╌╌╌╌╌╌  13%  10 steps/s  3:20  21:40 left  loss 0.345 dev 0.881"


def test_without_rich_a_terminal_gets_plain_lines(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("distilling", 15_000, "steps") as advance:
        clock(10)
        advance(100, "")
        clock(200)
        advance(2000, "")
    assert capsys.readouterr().err.splitlines() == [
        "distilling: 1%, 0:10 gone",
        "distilling: 13%, 10 steps/s, 3:20 gone, 21:40 left",
    ]


def test_bar_stops_growing(clock: Clock) -> None:
    bar = "━" * 5 + "╌" * 35
    assert last_frame(200, clock) == f"distilling {bar}  13%  10 steps/s  3:20  21:40 left  loss 0.345 dev 0.881"


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (72, "distilling ━╌╌╌╌╌╌╌╌╌  13%  10 steps/s  21:40 left  loss 0.345 dev 0.881"),
        (61, "distilling ━╌╌╌╌╌╌╌╌╌  13%  21:40 left  loss 0.345 dev 0.881"),
        (50, "distilling ━╌╌╌╌╌╌╌╌╌  13%  loss 0.345 dev 0.881"),
        (40, "distilling  13%  loss 0.345 dev 0.881"),
        (24, "distilling  13%  loss 0…"),
    ],
)
def test_narrow_terminals_lose_the_least_important_first(clock: Clock, width: int, line: str) -> None:
    assert last_frame(width, clock) == line


def test_what_an_earlier_process_did_counts_for_no_speed(clock: Clock) -> None:
    console, written = terminal(80)
    with progress("labelling", 1000, console=console) as advance:
        clock(1)
        advance(800, "")
        clock(11)
        advance(850, "")
    bar = "━" * 26 + "╌" * 4
    assert frames(written)[-1] == f"labelling  {bar}  85%  5 rows/s  0:11  0:30 left"


def test_finished_work_has_no_time_left(clock: Clock) -> None:
    console, written = terminal(60)
    with progress("tagging", 20, console=console) as advance:
        clock(1)
        advance(10, "")
        clock(7262)
        advance(20, "")
    assert frames(written)[-1] == f"tagging    {'━' * 20} 100%  0.0014 rows/s  2:01:02"


def test_no_work_at_all_is_done() -> None:
    console, written = terminal(60)
    with progress("tagging", 0, console=console) as advance:
        advance(0, "")
    assert frames(written)[-1].startswith(f"tagging    {'━' * 30} 100%  0:00")


def test_say_prints_above_the_live_line(clock: Clock) -> None:
    console, written = terminal(80)
    with progress("distilling", 10, "steps", console) as advance:
        advance(5, "")
        say("Warning: 3 rows left out.")
        sys.stderr.write("from a library\n")
        advance(10, "")
    lines = frames(written)
    bar = re.compile(r"distilling (━|╌)+ +\d+%.*")
    assert [line for line in lines if not bar.fullmatch(line)] == ["Warning: 3 rows left out.", "from a library"]
    assert bar.fullmatch(lines[-1])
    # The live line is erased first, and drawn again below.
    assert "\x1b[2KWarning: 3 rows left out." in written.getvalue()


def test_colours_and_their_absence() -> None:
    coloured, plain = terminal(80), terminal(80, NO_COLOR="1")
    for console, _ in (coloured, plain):
        with progress("distilling", 4, "steps", console) as advance:
            advance(1, "")
    colour = re.compile(r"\x1b\[(?:3[0-8]|9[0-7])(?:;\d+)*m")
    assert colour.search(coloured[1].getvalue())
    assert not colour.search(plain[1].getvalue())
    assert frames(plain[1])[-1] == f"distilling {'━' * 10}{'╌' * 30}  25%  0:00"


def test_terminal_without_unicode(clock: Clock) -> None:
    written = io.BytesIO()
    ascii_only = io.TextIOWrapper(written, encoding="ascii", newline="")
    console = Console(file=ascii_only, force_terminal=True, width=24, _environ={"TERM": "xterm", "NO_COLOR": "1"})
    with progress("distilling", 4, "steps", console) as advance:
        advance(2, "")
    ascii_only.flush()
    shown = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", written.getvalue())
    assert shown.splitlines()[-1] == b"distilling ###---  50%"


def test_plain_lines_ten_seconds_apart(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("distilling", 15_000, "steps") as advance:
        for second in range(0, 36, 3):
            clock(second)
            advance(100 + 50 * second, f"loss {1 / (1 + second):.3f}")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "distilling: 5%, 50 steps/s, 0:12 gone, 4:46 left, loss 0.077",
        "distilling: 9%, 50 steps/s, 0:24 gone, 4:34 left, loss 0.040",
    ]


def test_first_report_after_long_has_no_rate_yet(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("labelling", 1_000_000, "pieces") as advance:
        clock(61)
        advance(250_000, "")
        clock(71)
        advance(2_750_000, "")  # more than was thought
    assert capsys.readouterr().err.splitlines() == [
        "labelling: 25%, 1:01 gone",
        "labelling: 100%, 75,000 pieces/s, 1:11 gone",
    ]


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("labelling", 2) as advance:
        advance(1, "")
        advance(2, "")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("rate", "shown"), [(0.25, "0.25"), (3.44, "3.4"), (1234.4, "1,234"), (250e3, "250k"), (3e6, "3.0M")]
)
def test_rates_are_short(clock: Clock, capsys: pytest.CaptureFixture[str], rate: float, shown: str) -> None:
    with progress("work", 1e10) as advance:
        advance(0, "")
        clock(1000)
        advance(1000 * rate, "")
    assert f", {shown} rows/s, " in capsys.readouterr().err


_CHILD = """
from kdbuild.console import progress, say
with progress("tagging", 4) as advance:
    advance(2, "")
    say("a line")
    print("a result")
    advance(4, "")
"""


def run_on_terminal(term: str) -> tuple[str, str]:
    """What a process writes to standard error, a terminal, and to standard output, a pipe."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": term, "PYTHONIOENCODING": "utf-8", "COLUMNS": "60"}
    command = [sys.executable, "-W", "error", "-c", _CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment, text=True) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # how Linux tells that the other end was closed
                break
            written += part
        output, _ = process.communicate()
    os.close(ours)
    assert process.returncode == 0, written
    return written.decode(), output


def test_on_a_real_terminal() -> None:
    written, output = run_on_terminal("xterm")
    lines = frames(io.StringIO(written))
    assert "a line" in lines
    assert lines[-1].startswith(f"tagging    {'━' * 20} 100%  ")
    assert output == "a result\n"


def test_on_a_dumb_terminal() -> None:
    assert run_on_terminal("dumb") == ("a line\r\n", "a result\n")


def test_forced_colours_make_no_terminal_of_a_pipe() -> None:
    command = [sys.executable, "-c", _CHILD]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "FORCE_COLOR": "1"}, check=True)
    assert (done.stderr, done.stdout) == ("a line\n", "a result\n")


def test_only_the_first_process_speaks(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        say(f"process {rank}")
        clock(0)
        with progress("labelling", 100) as advance:
            clock(20)
            advance(50, "")
    assert [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()] == ["process 0", "labelling: 50%"]
