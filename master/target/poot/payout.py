"""How a batch's reward is divided: pure, in integers."""

from __future__ import annotations

from collections.abc import Mapping


def split_reward(reward: int, scores: Mapping[str, int]) -> dict[str, int]:
    """What each node gets of `reward`, in proportion to its score; exactly all of it, or nothing if all scores are 0.

    By largest remainders: each gets its share rounded down, and the units left over go to those who lost most by that (of
    equals, the first by name).
    """
    total = sum(scores.values())
    if total == 0:
        return {}
    shares = {node: divmod(reward * score, total) for node, score in scores.items() if score}
    paid = {node: share for node, (share, _) in shares.items()}
    left = reward - sum(paid.values())
    for node in sorted(shares, key=lambda node: (-shares[node][1], node))[:left]:
        paid[node] += 1
    return paid
