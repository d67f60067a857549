"""Names beside the points of a plot, none upon another or upon a point."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle, in any unit of length."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: "Box") -> bool:
        """Whether the two have a point in common, their edges not counted."""
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )

    def within(self, other: "Box") -> bool:
        """Whether all of it lies inside the other."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.bottom <= self.bottom
            and self.top <= other.top
        )


class Line(NamedTuple):
    """From a point to the place of its name."""

    start: tuple[float, float]
    end: tuple[float, float]

    def is_drawn(self, gap: float) -> bool:
        """Whether it is so long that the name's point can't be told without it; ``gap`` is the least distance."""
        return math.dist(self.start, self.end) > 2.5 * gap

    def crosses(self, box: Box) -> bool:
        """Whether a part of it lies inside a box (Liang and Barsky 1984)."""
        (x, y), (to_x, to_y) = self
        first, last = 0.0, 1.0  # the part that is left, as shares of the way
        for begin, way, low, high in ((x, to_x - x, box.left, box.right), (y, to_y - y, box.bottom, box.top)):
            if way == 0:
                if not low < begin < high:
                    return False
            else:
                entry, leaving = sorted(((low - begin) / way, (high - begin) / way))
                first, last = max(first, entry), min(last, leaving)
        return first < last


_DIRECTIONS = 24
_FARTHEST = 40
"""Circles around a point that are tried."""
_FURTHER = 8
"""Circles that are tried beyond the first free place, for one where no line is crossed."""


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    area: Box,
    obstacles: Sequence[Box],
    *,
    gap: float,
) -> list[Box]:
    """Find a place for each label, near its point: to the right if that is free (above if it stands upright), else around it.

    A place is free if no other label and no obstacle is there, and if no line between a label and its point crosses another.
    Labels whose points have the most neighbours are placed first, as they have the least choice. Nothing is left to
    chance: the same input gives the same places.

    Args:
        points: what the labels name.
        sizes: width and height of each label.
        area: that the labels have to lie in.
        obstacles: that they have to keep clear of, such as the marks of the points.
        gap: between a point and its label, and between two circles.

    Returns:
        The place of each label. Where none is free, it is one inside the area, upon as few others as possible, and with as
        few of the lines crossed.
    """
    reach = max((max(size) for size in sizes), default=0.0)
    neighbours = [sum(math.dist(point, other) < reach for other in points) for point in points]
    placed: dict[int, Box] = {}
    for index in sorted(range(len(points)), key=lambda i: (-neighbours[i], i)):
        ways = [way_to(points[other], box) for other, box in placed.items()]
        lines = [line for line in ways if line.is_drawn(gap)]
        x, y = points[index]
        others = [*placed.values(), *(box for box in obstacles if not Box(x, y, x, y).within(box))]
        best: tuple[tuple[bool, int, int], Box] | None = None
        enough = _FARTHEST
        for circle, box in _candidates(points[index], sizes[index], gap):
            if circle > enough:
                break
            way = way_to(points[index], box)
            crossed = sum(way.crosses(other) for other in others) if way.is_drawn(gap) else 0
            faults = (
                not box.within(area),
                sum(box.meets(other) for other in (*obstacles, *placed.values())),
                crossed + sum(line.crosses(box) for line in lines),
            )
            if best is None or faults < best[0]:
                best = faults, box
                if not any(faults[:2]):  # only lines are crossed
                    enough = min(enough, circle + _FURTHER)
            if not any(faults):
                break
        if best is not None:
            placed[index] = best[1]
    return [placed[index] for index in range(len(points))]


def way_to(point: tuple[float, float], box: Box) -> Line:
    """The shortest line from a point to a box."""
    x, y = point
    return Line(point, (min(max(x, box.left), box.right), min(max(y, box.bottom), box.top)))


def _candidates(point: tuple[float, float], size: tuple[float, float], gap: float) -> Iterator[tuple[int, Box]]:
    """Circles around a point and places for its label, the best first: its nearest edge or corner lies on the circle."""
    x, y = point
    width, height = size
    for circle in range(1, _FARTHEST + 1):
        radius = gap * circle
        # From the right, or, if it stands upright, from above, by turns to either side.
        for turn in sorted(range(_DIRECTIONS), key=lambda turn: (min(turn, _DIRECTIONS - turn), turn)):
            angle = 2 * math.pi * turn / _DIRECTIONS + (math.pi / 2 if height > width else 0)
            towards_x, towards_y = math.cos(angle), math.sin(angle)
            left = x + radius * towards_x - width * (1 - towards_x) / 2
            bottom = y + radius * towards_y - height * (1 - towards_y) / 2
            yield circle, Box(left, bottom, left + width, bottom + height)
