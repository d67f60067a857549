"""Which token sequences stand in which texts, all of them looked for in one pass (Aho & Corasick 1975).

The sequences are kept as a trie, whose nodes are their beginnings; node 0 is the empty one.
"""

from collections import deque
from collections.abc import Sequence


def find_runs(patterns: Sequence[Sequence[str]], texts: Sequence[Sequence[str]]) -> dict[int, int]:
    """Find the texts in which token sequences stand as an unbroken run.

    Takes time linear in the number of tokens, those of the patterns and those of the texts together.

    Args:
        patterns: tokens of each; distinct, none empty.
        texts: tokens of each.

    Returns:
        For each pattern that was found, by its place, the place of the first text that holds it.
    """
    children, pattern_at = _trie(patterns)
    suffix, shorter = _links(children, pattern_at)
    found: dict[int, int] = {}
    for place, tokens in enumerate(texts):
        node = 0
        for token in tokens:
            while node and token not in children[node]:
                node = suffix[node]
            node = children[node].get(token, 0)
            hit = node if pattern_at[node] >= 0 else shorter[node]
            # One that was found before has taken all its suffixes with it.
            while hit and pattern_at[hit] not in found:
                found[pattern_at[hit]] = place
                hit = shorter[hit]
    return found


def _trie(patterns: Sequence[Sequence[str]]) -> tuple[list[dict[str, int]], list[int]]:
    """Return each node's children by their next token, and the place of the pattern that ends at each, or -1."""
    children: list[dict[str, int]] = [{}]
    pattern_at = [-1]
    for place, pattern in enumerate(patterns):
        node = 0
        for token in pattern:
            if token not in children[node]:
                children[node][token] = len(children)
                children.append({})
                pattern_at.append(-1)
            node = children[node][token]
        pattern_at[node] = place
    return children, pattern_at


def _links(children: Sequence[dict[str, int]], pattern_at: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return each node's longest proper suffix that is a node, too, and the longest that is a pattern; 0 for none."""
    suffix, shorter = [0] * len(children), [0] * len(children)
    queue = deque(children[0].values())
    while queue:
        node = queue.popleft()
        for token, child in children[node].items():
            fall = suffix[node]
            while fall and token not in children[fall]:
                fall = suffix[fall]
            suffix[child] = fall = children[fall].get(token, 0)
            shorter[child] = fall if pattern_at[fall] >= 0 else shorter[fall]
            queue.append(child)
    return suffix, shorter
