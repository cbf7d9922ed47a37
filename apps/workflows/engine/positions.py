"""Where a run stands: a stack of frames, the innermost last.

A frame is {"at": index in its block} and, but for the outermost, "in": the block of the enclosing step: `on_error`, or
a member of its `with`. The frame of a for-each has "round" and "rounds" as well.
"""

from itertools import pairwise

ON_ERROR = "on_error"


def start():
    return [{"at": 0}]


def current(stack, actions):
    """(the action, its path) that comes next, or None at the end. Frames that are done are taken off `stack`."""
    while True:
        blocks = _blocks(stack, actions)
        frame = stack[-1]
        if frame["at"] < len(blocks[-1]):
            return blocks[-1][frame["at"]], _path(stack)
        if frame.get("round", 0) + 1 < frame.get("rounds", 0):
            frame["round"] += 1
            frame["at"] = 0
            continue
        if len(stack) == 1:
            return None
        stack.pop()
        stack[-1]["at"] += 1


def step_over(stack):
    stack[-1]["at"] += 1


def enter(stack, block, rounds=None):
    frame = {"in": block, "at": 0}
    if rounds is not None:
        frame |= {"round": 0, "rounds": rounds}
    stack.append(frame)


def innermost_round(stack, actions):
    """(key of the for-each, number of its round) that the run is in, or None."""
    blocks = _blocks(stack, actions)
    for level in range(len(stack) - 1, 0, -1):
        if "rounds" in stack[level]:
            return blocks[level - 1][stack[level - 1]["at"]]["key"], stack[level]["round"]
    return None


def _blocks(stack, actions):
    """The lists of actions that the frames stand in."""
    blocks = [actions]
    for outer, frame in pairwise(stack):
        step = blocks[-1][outer["at"]]
        blocks.append(step[ON_ERROR]["branch"] if frame["in"] == ON_ERROR else step["with"].get(frame["in"], []))
    return blocks


def _path(stack):
    """ "2", or "2#7.do.0" in the eighth round of a for-each."""
    path = ""
    for number, frame in enumerate(stack):
        if number:
            path += f"#{frame['round']}" if "rounds" in frame else ""
            path += f".{frame['in']}."
        path += str(frame["at"])
    return path
