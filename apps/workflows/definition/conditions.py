"""Conditions: a JSON tree of comparisons.

    {"all": [
        {"path": "record.stage", "op": "eq", "value": "proposal"},
        {"not": {"path": "record.updated_at", "op": "gt", "value": "{{ now | minus:'P21D' }}"}}
    ]}

`all`, `any` and `not` hold conditions; a comparison has a path, an op and mostly a value, in which `{{ }}` may stand.

How values compare is said in comparison.py.
"""

from dataclasses import dataclass
from itertools import islice

from . import plain, values
from .comparison import compares, is_change
from .values import BadTemplate, BadValue, TooLarge, Unresolved

MOST_LEVELS = 10
MOST_COMPARISONS = 100
MOST_CHOICES = 200
MOST_PROBLEMS = 100

GROUPS = ("all", "any")
KINDS = (*GROUPS, "not")
KEYS = ("path", "op", "value")


@dataclass(frozen=True, slots=True)
class Operand:
    """What `value` may be: `accepts` a literal (a text with a placeholder is taken everywhere but in a flag)."""

    title: str
    schema: dict
    accepts: object
    is_required: bool = True


def _is_choices(value):
    if isinstance(value, str):
        found = values.placeholders(value)
        return len(found) == 1 and (found[0].start, found[0].end) == (0, len(value))
    return isinstance(value, list) and 1 <= len(value) <= MOST_CHOICES


def _is_scalar(value):
    return isinstance(value, str | int | float)


ANYTHING = Operand("a value", {}, lambda value: True)
ORDERED = Operand(
    "a number, a date or a text",
    {"type": ["number", "string"]},
    lambda value: _is_scalar(value) and not isinstance(value, bool),
)
ITEM = Operand("a text, a number, true or false", {"type": ["string", "number", "boolean"]}, _is_scalar)
TEXT = Operand("a text", {"type": "string"}, lambda value: isinstance(value, str))
CHOICES = Operand(
    f"a list of 1 to {MOST_CHOICES} values, or one {{{{ placeholder }}}} of a list",
    {
        "anyOf": [
            {"type": "array", "minItems": 1, "maxItems": MOST_CHOICES},
            {"type": "string", "pattern": r"^\{\{[\s\S]+\}\}$"},
        ]
    },
    _is_choices,
)
FLAG = Operand(
    "true or false, true if it is left out",
    {"type": "boolean"},
    lambda value: isinstance(value, bool),
    is_required=False,
)

# None: there is nothing to compare with.
OPS = {
    "eq": ANYTHING,
    "ne": ANYTHING,
    "gt": ORDERED,
    "gte": ORDERED,
    "lt": ORDERED,
    "lte": ORDERED,
    "in": CHOICES,
    "contains": ITEM,
    "starts_with": TEXT,
    "is_null": FLAG,
    "changed": None,
    "changed_to": ANYTHING,
    "changed_from": ANYTHING,
}
OF_A_CHANGE = ("changed", "changed_to", "changed_from")


# -- For publication


def schema():
    """JSON Schema (2020-12) of a condition; inner ones are {"$ref": "#/$defs/condition"}."""
    inner = {"$ref": "#/$defs/condition"}
    several = {"type": "array", "minItems": 1, "maxItems": MOST_COMPARISONS, "items": inner}
    groups = {"all": ("All hold", several), "any": ("At least one holds", several), "not": ("It does not hold", inner)}
    return {
        "title": "Condition",
        "description": f"At most {MOST_LEVELS} levels and {MOST_COMPARISONS} comparisons.",
        "oneOf": [
            *(_object(title, {name: given}, [name]) for name, (title, given) in groups.items()),
            *(_comparison_schema(op, operand) for op, operand in OPS.items()),
        ],
    }


def _comparison_schema(op, operand):
    part = r"(\.([A-Za-z_][A-Za-z0-9_-]{0,63}|[0-9]{1,4}))"
    roots = f"({'|'.join(values.ROOTS)}){part}{{0,{values.MOST_PARTS - 1}}}"
    properties = {
        "path": {"type": "string", "pattern": f"^record{part}$" if op in OF_A_CHANGE else f"^{roots}$"},
        "op": {"const": op},
    }
    required = ["path", "op"]
    if operand is not None:
        properties["value"] = operand.schema
        required += ["value"] if operand.is_required else []
    return _object(op, properties, required)


def _object(title, properties, required):
    return {
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


# -- Checking


def problems(tree, resolves):
    """[(pointer, sentence)] of everything that is wrong with a condition, at most 100; `resolves` as in values."""
    return list(islice(_Check(resolves).condition(tree, "", 1), MOST_PROBLEMS))


class _Check:
    def __init__(self, resolves):
        self.resolves = resolves
        self.comparisons = 0

    def condition(self, tree, pointer, level):
        if not isinstance(tree, dict):
            yield pointer, 'is no condition, which is such as {"path": "record.status", "op": "eq", "value": "lead"}.'
            return
        kinds = [name for name in KINDS if name in tree]
        if level > MOST_LEVELS:
            yield pointer, f"is nested too deeply: a condition has at most {MOST_LEVELS} levels."
        elif not kinds:
            yield from self._comparison(tree, pointer)
        elif len(tree) > 1:
            yield pointer, f"holds {kinds[0]} and more beside it. One of all, any and not stands alone."
        elif kinds[0] == "not":
            yield from self.condition(tree["not"], _under(pointer, "not"), level + 1)
        else:
            yield from self._group(tree[kinds[0]], _under(pointer, kinds[0]), level)

    def _group(self, inner, pointer, level):
        if not isinstance(inner, list) or not inner:
            yield pointer, "is a list of at least one condition."
            return
        for number, one in enumerate(inner):
            if self.comparisons > MOST_COMPARISONS:
                return
            yield from self.condition(one, f"{pointer}/{number}", level + 1)

    def _comparison(self, leaf, pointer):
        self.comparisons += 1
        if self.comparisons > MOST_COMPARISONS:
            if self.comparisons == MOST_COMPARISONS + 1:
                yield pointer, f"is one too many: a condition has at most {MOST_COMPARISONS} comparisons."
            return
        for key in leaf:
            if key not in KEYS:
                yield _under(pointer, str(key)[:64]), "is unknown. A comparison has path, op and value."
        op = leaf.get("op")
        is_known = isinstance(op, str) and op in OPS
        yield from self._path(leaf, pointer, op)
        if "op" not in leaf:
            yield _under(pointer, "op"), f"is missing. It is one of {', '.join(OPS)}."
        elif not is_known:
            yield _under(pointer, "op"), f"is unknown. Known are {', '.join(OPS)}."
        else:
            yield from self._value(leaf, _under(pointer, "value"), op, OPS[op])

    def _path(self, leaf, pointer, op):
        pointer = _under(pointer, "path")
        if not isinstance(leaf.get("path"), str):
            yield pointer, "must be a text such as record.status." if "path" in leaf else "is missing."
            return
        try:
            path = values.parse_path(leaf["path"])
        except BadTemplate as error:
            yield pointer, str(error)
            return
        if op in OF_A_CHANGE and (path[0] != "record" or len(path) != 2):
            yield pointer, f"must be record.<field> with {op}, which asks about a field of the record."
        elif sentence := self.resolves(path):
            yield pointer, sentence

    def _value(self, leaf, pointer, op, operand):
        if "value" not in leaf:
            if operand is not None and operand.is_required:
                yield pointer, f"is missing. With {op} it is {operand.title}."
            return
        value = leaf["value"]
        if operand is None:
            yield pointer, f"must be left out: {op} compares with nothing."
            return
        # A text is read before it is asked what it is; anything else is looked into only if it is of the right kind.
        is_read = isinstance(value, str) or operand.accepts(value)
        found = values.problems(value, self.resolves) if is_read else []
        for inner, sentence in found:
            yield _under(pointer, inner) if inner else pointer, sentence
        if not found and not operand.accepts(value):
            yield pointer, f"is {plain.named(value)}. With {op} it is {operand.title}."


def _under(pointer, name):
    return f"{pointer}/{name}" if pointer else name


# -- Evaluating


def holds(tree, look_up, changes):
    """Whether a condition that has no problems holds.

    `look_up(path)` answers a value or raises Unresolved; it is asked once for each path. Whatever else it raises passes
    through, and nothing else is raised: where something that is no condition is come upon, the whole does not hold.
    `changes` is {field: (from, to)} of the event that starts a run, or None.
    """
    try:
        return _Evaluation(look_up, changes).condition(tree, 1)
    except _Malformed:
        return False


def explain(tree, look_up, changes):
    """[{"path", "op", "value", "found", "holds"}] of every comparison, in the order of the tree, as JSON.

    `value` is filled in, None without one; `found` is [from, to] with changed, changed_to and changed_from.
    """
    evaluation, found, waiting = _Evaluation(look_up, changes), [], [(tree, 1)]
    try:
        while waiting:
            tree, level = waiting.pop()
            kind, inner = evaluation.opened(tree, level)
            if kind is None:
                found.append(evaluation.comparison(tree))
            else:
                waiting += [(one, level + 1) for one in reversed(inner)]
    except _Malformed:
        return found
    return found


class _Malformed(Exception):
    """Not a condition, or more of one than may be."""


class _Evaluation:
    def __init__(self, look_up, changes):
        self.asks, self.changes = look_up, changes
        self.known = {}
        self.rendering = values.Rendering(self.look_up)
        self.comparisons = 0

    def opened(self, tree, level):
        """("all", [conditions]), or (None, None) of a comparison."""
        if level > MOST_LEVELS or not isinstance(tree, dict):
            raise _Malformed
        kind = next((name for name in KINDS if name in tree), None)
        if kind is None:
            return None, None
        inner = [tree[kind]] if kind == "not" else tree[kind]
        if not isinstance(inner, list) or not 1 <= len(inner) <= MOST_COMPARISONS:
            raise _Malformed
        return kind, inner

    def condition(self, tree, level):
        kind, inner = self.opened(tree, level)
        if kind is None:
            return self.comparison(tree, shown=False)
        found = (self.condition(one, level + 1) for one in inner)
        match kind:
            case "all":
                return all(found)
            case "any":
                return any(found)
        return not next(found)

    def comparison(self, leaf, shown=True):
        """Whether it holds; or, `shown`, what `explain` says of it."""
        self.comparisons += 1
        path, op = self._path(leaf.get("path")), leaf.get("op")
        if self.comparisons > MOST_COMPARISONS or not isinstance(op, str) or op not in OPS:
            raise _Malformed
        value = self._value(leaf["value"]) if "value" in leaf else None
        if op in OF_A_CHANGE:
            found = self.changes.get(path[-1]) if self.changes else None
            result = found is not None and is_change(op, *found, value)
        else:
            found = self.look_up(path)
            result = compares(op, found, value)
        if not shown:
            return result
        said = {"path": leaf["path"], "op": op, "value": value, "found": found, "holds": result}
        return plain.jsonable(said)

    @staticmethod
    def _path(text):
        try:
            return values.parse_path(text if isinstance(text, str) else "")
        except BadTemplate:
            raise _Malformed from None

    def look_up(self, path):
        if path not in self.known:
            try:
                self.known[path] = self.asks(path)
            except Unresolved:
                self.known[path] = None
        return self.known[path]

    def _value(self, given):
        try:
            return self.rendering.render(given)
        except (BadValue, TooLarge):
            return None
        except BadTemplate:
            raise _Malformed from None
