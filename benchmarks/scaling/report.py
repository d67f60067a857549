"""The Markdown page of the scaling results: a table an axis, and where it bends."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.scaling.points import BERT, ONNX, TFLITE, TOKENS, call_ms

Result = Mapping[str, Any]
Points = Sequence[Mapping[str, Any]]

_BEND = 1.15
"""Ratio of two slopes from which on they are called different; by convention. For TFLite's tokens two runs gave 1.19 (by
the clock) and 1.11 (processor time), so that a ratio near it decides nothing."""
_TIME = "time"
_HEAD = """# Scaling

A student with random weights, {embedding} dimensions, {hidden} units a direction, classifier of {classifier}, {vocabulary:,} \
words, unless one of them is what is varied; int8, {tokens} tokens a text, text in, label out, one thread, each point in a \
process of its own, all points of an axis in turns. Times are medians of the processor time of a call or a load; of several \
threads, those by the clock that nine calls in ten exceed. In brackets are medians by the clock: other work shared the \
machine, and long calls lose much of it. Peak: the most memory that the process ever held, Python, numpy and engine \
included. MB are 10^6 bytes. Compare ratios within a table.

![small multiples of the tables below](scaling.png)
"""


def page(result: Result) -> str:
    """All axes that were measured."""
    size = result["size"]
    parts = [_HEAD.format(tokens=TOKENS, **size)]
    for axis, content in result["axes"].items():
        parts.append(_SECTIONS[axis](content, result))
        parts.append(f"(Load of the machine when this was begun: {content['load_average']:.1f}.)\n")
    env = result["environment"]
    caches = ", ".join(f"{level} {size // 1024:,} KiB" for level, size in result["caches"].items()) or "unknown"
    packages = env["packages"]
    parts.append(
        f"Machine: {env['cpu']}, {env['usable_cores']} cores, caches {caches}; Python {env['python']}, LiteRT "
        f"{packages['ai-edge-litert']}, ONNX Runtime {packages['onnxruntime']}, torch {packages['torch']}.\n"
    )
    parts.append("```\npython -m benchmarks.scaling --work WORK\n```\n")
    return "".join(_wrapped(text) + "\n" for text in "\n".join(parts).removesuffix("\n").split("\n"))


def _wrapped(text: str) -> str:
    """A paragraph in lines of the usual width; a table's line as it is."""
    if text.startswith("|"):
        return text
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope of the least-squares line, every point weighing by the square of 1 / y."""
    weights = [1 / y**2 for y in ys]
    total = sum(weights)
    x_mean = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
    y_mean = sum(w * y for w, y in zip(weights, ys, strict=True)) / total
    across = sum(w * (x - x_mean) * (y - y_mean) for w, x, y in zip(weights, xs, ys, strict=True))
    slope = across / sum(w * (x - x_mean) ** 2 for w, x in zip(weights, xs, strict=True))
    return y_mean - slope * x_mean, slope


def _of(points: Points, series: str) -> Points:
    return [point for point in points if point["series"] == series]


def _values(points: Points) -> list[int]:
    return sorted({int(point["value"]) for point in points})


def _each(points: Points) -> float:
    """Time of a text at the points' one place, in ms."""
    return call_ms(points[0]) / int(points[0]["texts_a_call"])


def _digits(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def _time(point: Mapping[str, Any]) -> str:
    texts = int(point["texts_a_call"])
    return f"{_digits(call_ms(point) / texts)} ({_digits(point['median_ms'] / texts)})"


def _peak(point: Mapping[str, Any]) -> str:
    return "" if point["peak_mb"] is None else f"{point['peak_mb']:.1f}"


def _load(point: Mapping[str, Any]) -> str:
    return _digits(point["load_ms"])


def _file(point: Mapping[str, Any]) -> str:
    return f"{point['size_bytes'] / 1e6:.1f}"


def _table(title: str, points: Points, columns: Mapping[str, Callable[[Mapping[str, Any]], str]]) -> str:
    """A line a value, and for each quantity a column a series."""
    series = list(dict.fromkeys(str(point["series"]) for point in points))
    heads = [f"{name}, {one}" for name in columns for one in series]
    lines = [f"| {title} | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    by_place = {(point["series"], point["value"]): point for point in points}
    for value in _values(points):
        cells = [
            cell(by_place[one, value]) if (one, value) in by_place else ""
            for cell in columns.values()
            for one in series
        ]
        lines.append(f"| {value:,} | {' | '.join(cells)} |")
    return "".join(text + "\n" for text in lines)


def _slope(points: Points, first: int, last: int, key: str) -> float:
    """How much a quantity grows for one more of what is varied, between two places."""
    by_value = {point["value"]: call_ms(point) if key == _TIME else float(point[key]) for point in points}
    return (by_value[last] - by_value[first]) / (last - first)


def _tokens(content: Mapping[str, Any], result: Result) -> str:
    points = content["points"]
    values, size = _values(points), result["size"]
    middle = [value for value in values if 4 <= value <= 64] or values
    a_token = 2 * 4 * size["hidden"] * 4  # bytes: both directions, four gates, fp32
    said = []
    for series in (TFLITE, ONNX):
        mine = _of(points, series)
        inside = [point for point in mine if point["value"] in middle]
        start, slope = line([point["value"] for point in inside], [call_ms(point) for point in inside])
        late = _slope(mine, values[-2], values[-1], _TIME)
        said.append(
            f"{series} takes {1e3 * start:.0f} us a call and {1e3 * slope:.1f} us a token from {middle[0]} to {middle[-1]} "
            f"tokens, and {1e3 * late:.1f} us a token from {values[-2]} to {values[-1]} ({late / slope:.2f} times)."
        )
        said.append(
            f"The input projections of all tokens, {a_token / 1e3:.1f} kB a token in fp32, are made before the loop."
        )
        if late > _BEND * slope:
            l2 = result["caches"].get("L2", 0)
            said.append(
                "It bends"
                + (
                    f"; more than {l2 // a_token:,} tokens' don't fit into {l2 // 1024:,} KiB of L2, which would explain it."
                    if l2
                    else "."
                )
            )
        else:
            said.append("No clear bend: each token is one more step, and reads the same weights.")
        memory = _slope(mine, middle[-1], values[-1], "peak_mb") if middle[-1] < values[-1] else 0.0
        said.append(
            f"Its memory grows by {1e3 * memory:.1f} kB a token beyond {middle[-1]} tokens, "
            f"{1e6 * memory / a_token:.1f} times those projections.\n"
        )
    return "\n".join(
        [
            "## Tokens a text\n",
            _table("tokens", points, {"ms": _time, "peak MB": _peak}),
            " ".join(said).replace("\n ", "\n").rstrip() + "\n",
        ]
    )


def _vocabulary(content: Mapping[str, Any], result: Result) -> str:
    points = content["points"]
    first, last = _values(points)[0], _values(points)[-1]
    said = []
    for series in (TFLITE, ONNX):
        mine = _of(points, series)
        ratio = call_ms(mine[-1]) / call_ms(mine[0])
        said.append(
            f"{series}: {last / first:.0f} times the words cost {round(100 * (ratio - 1)):+d} % of a text's time; a word costs "
            f"{1e6 * _slope(mine, first, last, 'size_bytes') / 1e6:.0f} bytes of the file, "
            f"{1e6 * _slope(mine, first, last, 'peak_mb'):.0f} bytes of peak memory and "
            f"{1e3 * _slope(mine, first, last, 'load_ms'):.2f} us of loading."
        )
    parts = content["load_parts_ms"]
    shares = "; ".join(
        f"{series}: vocabulary {_digits(its['vocabulary'])} ms, the file's SHA-256 {_digits(its['digest'])} ms, engine "
        f"{_digits(its['engine'])} ms"
        for series, its in parts.items()
    )
    return "\n".join(
        [
            "## Vocabulary\n",
            _table("words", points, {"ms": _time, "file MB": _file, "load ms": _load, "peak MB": _peak}),
            f"All is linear. A text reads one row of the table a token ({result['size']['embedding']:,} bytes and a scale), "
            "however many there are; what grows is what has to be looked through once. " + " ".join(said) + "\n",
            f"Loading {last:,} words consists of, in processor time, {shares}. The vocabulary is a string and an entry "
            "of a dictionary a word. TFLite maps its file: of the table, pages around the rows that texts read are in memory, "
            "and the system may drop them. ONNX Runtime reads its file, and makes tensors of it.\n",
        ]
    )


def _hidden(content: Mapping[str, Any], result: Result) -> str:
    points = content["points"]
    values = _values(points)
    l2 = result["caches"].get("L2", 0)
    said = []
    for series in (TFLITE, ONNX):
        mine = {point["value"]: call_ms(point) for point in _of(points, series)}
        powers = [
            math.log(mine[later] / mine[earlier]) / math.log(later / earlier)
            for earlier, later in ((values[0], values[1]), (values[-2], values[-1]))
        ]
        said.append(f"{series} grows with the power {powers[0]:.1f} of the units at first, {powers[1]:.1f} at last.")
        # What nearly fills L2 shares it with everything else, and is on neither side.
        inside = [value for value in values if 8 * value**2 <= 0.75 * l2]
        outside = [value for value in values if 8 * value**2 > l2]
        if len(inside) > 2 and len(outside) > 1:
            low, high = inside[-3:], outside
            rates = [
                1e3 * (mine[part[-1]] - mine[part[0]]) / (_weights(part[-1], result) - _weights(part[0], result)) * 1e3
                for part in (low, high)
            ]
            said.append(
                f"1,000 more weights a token cost {rates[0]:.2f} us a text from {low[0]} to {low[-1]} units and {rates[1]:.2f} "
                f"from {high[0]} to {high[-1]}: "
                + (
                    f"it bends. That the recurrent matrices no longer fit into {l2 // 1024:,} KiB of L2 would explain it; no "
                    "cache misses were counted."
                    if rates[1] > _BEND * rates[0]
                    else "no bend is seen where the recurrent matrices leave L2."
                )
            )
    leaves = f"; they outgrow L2 at {math.isqrt(l2 // 8) + 1} units" if l2 else ""
    return "\n".join(
        [
            "## Units\n",
            _table("units a direction", points, {"ms": _time, "file MB": _file, "peak MB": _peak}),
            "A step reads the recurrent matrices of both directions, 8 h² bytes"
            f"{leaves}. Small students pay for the {TOKENS} steps themselves, large ones for the weights. "
            + " ".join(said),
            "",
        ]
    )


def _weights(units: int, result: Result) -> int:
    """Weights that a token is multiplied with."""
    return 2 * 4 * units * (units + int(result["size"]["embedding"]))


def _batch(content: Mapping[str, Any], result: Result) -> str:
    points = content["points"]
    first, last = _values(points)[0], _values(points)[-1]
    said = []
    for series in dict.fromkeys(str(point["series"]) for point in points):
        one, many = (_each([p for p in _of(points, series) if p["value"] == value]) for value in (first, last))
        said.append(f"{series} {many / one:.2f}")
    at_last = {point["series"]: _each([point]) for point in points if point["value"] == last}
    bert = at_last[BERT] / at_last[TFLITE] if BERT in at_last else None
    return "\n".join(
        [
            "## Texts a call\n",
            _table("texts", points, {"ms a text": _time, "peak MB": _peak}),
            "Our runtime is given a list and answers one text after the other; BERT-tiny (random weights, English words of "
            f"about {TOKENS} pieces) is given one padded batch. Time a text at {last} texts a call, times that at {first}: "
            f"{', '.join(said)}. A list gains nothing, as every text runs the same steps by itself; a batch divides torch's "
            "cost of a call, and its matrices are read once for all texts."
            + (
                f" There it takes {bert:.1f} times as long as TFLite. Most of its memory is torch itself."
                if bert
                else ""
            ),
            "",
        ]
    )


def _threads(content: Mapping[str, Any], result: Result) -> str:
    points = content["points"]
    first, last = _values(points)[0], _values(points)[-1]
    said = []
    for series in (TFLITE, ONNX):
        one, many = (_each([p for p in _of(points, series) if p["value"] == value]) for value in (first, last))
        medians = {point["value"]: float(point["median_ms"]) for point in _of(points, series)}
        said.append(f"{series} {one / many:.2f} times as fast ({medians[first] / medians[last]:.2f} by medians)")
    return "\n".join(
        [
            "## Threads of the engine\n",
            _table("threads", points, {"ms": _time, "peak MB": _peak}),
            f"With {last} threads instead of {first}: {', '.join(said)}. A step's products are too small to share for long; "
            "its gates, the loop and the tokenizer aren't shared at all.\n",
        ]
    )


def _callers(content: Mapping[str, Any], result: Result) -> str:
    points = content["points"]
    first, last = _values(points)[0], _values(points)[-1]
    said = []
    for series in (TFLITE, ONNX):
        mine = {p["value"]: 1 / _each([p]) for p in _of(points, series)}
        best = max(mine, key=mine.__getitem__)
        said.append(
            f"{series} answers {mine[best] / mine[first]:.2f} times as many texts with {best} callers as with {first}, "
            f"{mine[last] / mine[first]:.2f} with {last}."
        )
    return "\n".join(
        [
            "## Calling threads\n",
            _table("callers", points, {"ms a text": _time, "peak MB": _peak}),
            f"One classifier, {points[0]['texts_a_call']} texts shared by the threads. {' '.join(said)} TFLite's callers wait "
            "for one another, as they share an interpreter: only tokenising overlaps, as far as Python's lock allows. ONNX "
            f"Runtime's run side by side where a core is free; this machine has {result['environment']['usable_cores']}, with "
            "other work on them, of which more threads also push more aside.\n",
        ]
    )


def _rows(content: Mapping[str, Any], result: Result) -> str:
    points = content["points"]
    lines = [
        "| rows | sentences | CPU s | us a row and round | peak MB over start | bytes a sentence |",
        "|---|---|---|---|---|---|",
    ]
    for point in points:
        memory = 1e6 * point["peak_mb_over_start"] / point["sentences"]
        lines.append(
            f"| {point['rows']:,} | {point['sentences']:,} | {_digits(point['cpu_seconds'])} | "
            f"{point['cpu_microseconds_a_row_and_round']:.2f} | {point['peak_mb_over_start']:.0f} | {memory:.0f} |"
        )
    costs = {point["rows"]: point["cpu_microseconds_a_row_and_round"] for point in points}
    cheapest = min(costs, key=costs.__getitem__)
    last = points[-1]
    settled = next(rows for rows in costs if costs[rows] < _BEND * costs[cheapest])
    return "\n".join(
        [
            "## Rows to augment\n",
            f"{points[0]['rounds']} rounds over made-up rows of {last['words_a_row']} words on average, parts of speech made "
            "up too: neither spaCy nor making the rows up is in it.\n",
            "".join(text + "\n" for text in lines),
            f"Time is linear from {settled:,} rows on; below, what is paid once (numbering and digesting "
            "the words) shows. At "
            f"{last['rows']:,} rows a row and round takes {costs[last['rows']] / costs[cheapest]:.2f} times what it takes at "
            f"best ({cheapest:,} rows): each sentence's digest is looked up in a table of "
            f"{12 * last['sentences'] / 1e6:.0f} to {24 * last['sentences'] / 1e6:.0f} MB then, which no cache holds. Memory "
            "grows in steps, as that table doubles; besides, rows are held as numbers.\n",
        ]
    )


_SECTIONS: dict[str, Callable[[Mapping[str, Any], Result], str]] = {
    "tokens": _tokens,
    "vocabulary": _vocabulary,
    "hidden": _hidden,
    "batch": _batch,
    "threads": _threads,
    "callers": _callers,
    "rows": _rows,
}
