"""What a newer OpenAPI document takes away from those who wrote programs against an older one."""

REQUEST, ANSWER = "request", "answer"
# Limits of what may be sent: (keyword, whether more is narrower).
LIMITS = (("minimum", True), ("minLength", True), ("minItems", True), ("maximum", False), ("maxLength", False))


def breaks(old, new):
    """Sentences, each about one promise of `old` that `new` does not keep. Additions are none."""
    return list(_Comparison(old, new).paths())


class _Comparison:
    def __init__(self, old, new):
        self.old, self.new = old, new
        self.seen = set()

    def paths(self):
        for path, operations in self.old["paths"].items():
            if path not in self.new["paths"]:
                yield f"{path} is gone"
                continue
            for method, operation in operations.items():
                where = f"{method.upper()} {path}"
                if method not in self.new["paths"][path]:
                    yield f"{where} is gone"
                else:
                    yield from self.operation(where, operation, self.new["paths"][path][method])

    def operation(self, where, old, new):
        yield from self.parameters(where, old.get("parameters", []), new.get("parameters", []))
        yield from self.body(where, old.get("requestBody"), new.get("requestBody"))
        for status, answer in old["responses"].items():
            if status not in new["responses"]:
                if status < "400":
                    yield f"{where} no longer answers {status}"
                continue
            yield from self.content(f"{where} {status}", answer, new["responses"][status], ANSWER)

    def parameters(self, where, old, new):
        before = {(p["name"], p["in"]): p for p in old}
        after = {(p["name"], p["in"]): p for p in new}
        for key, parameter in before.items():
            name = f"{where} parameter {key[0]}"
            if key not in after:
                yield f"{name} is gone"
                continue
            if after[key].get("required") and not parameter.get("required"):
                yield f"{name} is newly required"
            yield from self.schema(name, parameter["schema"], after[key]["schema"], REQUEST)
        for key in after.keys() - before.keys():
            if after[key].get("required"):
                yield f"{where} parameter {key[0]} is new and required"

    def body(self, where, old, new):
        if not new:
            if old:
                yield f"{where} takes no body any more"
            return
        if new.get("required") and not (old or {}).get("required"):
            yield f"{where} newly requires a body"
        yield from self.content(f"{where} body", old or {}, new, REQUEST)

    def content(self, where, old, new, direction):
        old, new = self.resolve(self.old, old), self.resolve(self.new, new)
        for kind, media in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where} is no longer {kind}"
            else:
                yield from self.schema(where, media["schema"], new["content"][kind]["schema"], direction)

    @staticmethod
    def resolve(document, node):
        while "$ref" in node:
            found = document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def schema(self, where, old, new, direction):
        pair = (old.get("$ref"), new.get("$ref"), direction)
        if pair[0] and pair[1]:
            if pair in self.seen:
                return
            self.seen.add(pair)
        old, new = self.resolve(self.old, old), self.resolve(self.new, new)
        yield from self.types(where, old, new, direction)
        yield from self.properties(where, old, new, direction)
        if "items" in old and "items" in new:
            yield from self.schema(f"{where}[]", old["items"], new["items"], direction)
        for keyword in ("oneOf", "anyOf", "allOf"):
            before, after = old.get(keyword, []), new.get(keyword, [])
            if len(before) != len(after):
                yield f"{where}: {keyword} has other kinds"
            for one, other in zip(before, after, strict=False):
                yield from self.schema(where, one, other, direction)

    def types(self, where, old, new, direction):
        before, after = _types(old), _types(new)
        lost = before - after if direction == REQUEST else after - before
        if before != after and (lost or not before or not after):
            yield f"{where} was {_words(before)} and is {_words(after)}"
        for keyword in ("format", "pattern"):
            if new.get(keyword) != old.get(keyword) and (keyword in new or direction == ANSWER):
                yield f"{where}: {keyword} was {old.get(keyword)} and is {new.get(keyword)}"
        if direction == ANSWER:
            return
        if "enum" in new and ("enum" not in old or set(map(str, old["enum"])) - set(map(str, new["enum"]))):
            yield f"{where} takes fewer values"
        for keyword, more_is_narrower in LIMITS:
            limit, former = new.get(keyword), old.get(keyword)
            if limit is not None and (former is None or (limit > former if more_is_narrower else limit < former)):
                yield f"{where}: {keyword} was {former} and is {limit}"

    def properties(self, where, old, new, direction):
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            if name not in after:
                yield f"{where}.{name} is gone"
            else:
                yield from self.schema(f"{where}.{name}", schema, after[name], direction)
        required, newly = set(old.get("required", ())), set(new.get("required", ()))
        if direction == REQUEST:
            yield from (f"{where}.{name} is newly required" for name in sorted(newly - required))
        else:
            yield from (f"{where}.{name} may be absent" for name in sorted((required - newly) & after.keys()))


def _types(schema):
    kind = schema.get("type", ())
    return {kind} if isinstance(kind, str) else set(kind)


def _words(types):
    return " or ".join(sorted(types)) or "anything"
