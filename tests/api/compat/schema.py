"""What our OpenAPI document says, held against the facts."""
import json

FORMATS = {"date-time": "date-time", "uri": "uri", "hostname": "hostname", "email": "email", "ip": "ip",
           "guid": "uuid", "hex": "hex"}
ADDITION = "an addition"  # that is meant: x-addition
LENGTHS = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems"),
           "object": ("minProperties", "maxProperties")}


class Document:
    def __init__(self, document):
        self.document = document

    @classmethod
    def read(cls, path):
        with open(path, encoding="utf-8") as f:
            return cls(json.load(f))

    def operation(self, method, path):
        return self.document["paths"].get(path, {}).get(method.lower())

    def resolve(self, schema):
        """Follows references; what stands beside a reference counts too."""
        while "$ref" in schema:
            target = self.document
            for step in schema["$ref"].lstrip("#/").split("/"):
                target = target[step]
            schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema

    def open(self, schema):
        """(schema without its alternatives, has null, has false)."""
        schema = self.resolve(schema)
        null = false = False
        while "anyOf" in schema and any("const" in a or a.get("type") == "null" for a in schema["anyOf"]):
            null |= any(a.get("type") == "null" for a in schema["anyOf"])
            false |= any(a.get("const", 0) is False for a in schema["anyOf"])
            rest = [a for a in schema["anyOf"] if "const" not in a and a.get("type") != "null"]
            beside = {k: v for k, v in schema.items() if k != "anyOf"}
            if len(rest) != 1:
                return {**beside, "anyOf": rest}, null, false
            schema = {**self.resolve(rest[0]), **beside}
        return schema, null, false


def _is_switched_off(fact):
    """Some condition leaves only null and false."""
    return any("enum" in when.get(side, {}) for when in fact.get("when", ()) for side in ("then", "otherwise"))


def _is_required(fact):
    branches = [when.get("then", {}) for when in fact.get("when", ())]
    return bool(fact.get("required")) and not any(b.get("optional") for b in branches)


def _length(fact, least):
    names = ("length", "minLength", "minItems", "minProperties") if least else ("length", "maxLength", "maxItems")
    return next((fact[n] for n in names if n in fact), None)


def _format(fact):
    # An address that may be a network has no format of that name.
    if fact.get("ip", {}).get("cidr") == "optional":
        return None
    if fact.get("format") == "base64":
        return "base64url" if fact["base64"]["urlSafe"] else "base64"
    return FORMATS.get(fact.get("format"))


def compare(document, fact, schema, required):
    """What is wrong with one field, as words; its members are not looked at."""
    found, null, false = document.open(schema)
    off = _is_switched_off(fact)
    kind = fact.get("type")
    low, high = LENGTHS.get(kind, (None, None))
    pairs = [
        ("type", kind, found.get("type")),
        ("null", bool(fact.get("nullable")) or off, null),
        ("false", False in fact.get("alsoAllowed", ()) or off, false),
        ("required", _is_required(fact), required),
        ("enum", fact.get("enum"), found.get("enum")),
        ("default", ("default" in fact, fact.get("default")), ("default" in found, found.get("default"))),
        ("minimum", fact.get("min"), found.get("minimum")),
        ("maximum", fact.get("max"), found.get("maximum")),
        ("format", _format(fact), found.get("format")),
        ("undocumented", bool(fact.get("undocumented")), bool(found.get("x-undocumented"))),
    ]
    if low:
        pairs += [("least length", _length(fact, True), found.get(low)),
                  ("greatest length", _length(fact, False), found.get(high))]
    if kind == "object":
        pairs.append(("unknown keys", bool(fact.get("unknownKeysAllowed")), found.get("additionalProperties") is True))
    return [f"{what} is {json.dumps(is_)}, wanted {json.dumps(wanted)}" for what, wanted, is_ in pairs
            if wanted != is_ or (isinstance(wanted, bool) != isinstance(is_, bool))]


def _children(document, fact, schema):
    """(name of the path's step, fact, schema or None, required) of what is directly inside."""
    found = document.open(schema)[0]
    for name, child in (fact.get("fields") or {}).items():
        yield "." + name, child, found.get("properties", {}).get(name), name in found.get("required", ())
    if isinstance(fact.get("items"), dict):
        yield "[]", fact["items"], found.get("items"), bool(fact["items"].get("required"))


def compare_tree(document, place, fact, schema, required):
    """(place, faults) of a field and everything in it, in the order of facts.walk."""
    if schema is None:
        faults = ["missing"]
        schema = {}
    else:
        faults = compare(document, fact, schema, required)
    yield place, faults
    for name, is_known in _more_members(document, fact, schema):
        yield f"{place}.{name}", [ADDITION if is_known else "in addition"]
    for step, child, inner, needed in _children(document, fact, schema):
        yield from compare_tree(document, place + step, child, inner, needed)


def _more_members(document, fact, schema):
    """Members of ours that the facts do not name, and whether they say so themselves."""
    if "fields" not in fact:
        return []
    ours = document.open(schema)[0].get("properties", {})
    return [(name, bool(document.resolve(member).get("x-addition")))
            for name, member in ours.items() if name not in fact["fields"]]


def _parameters(document, fact, operation):
    ours = {(p["in"], p["name"]): p for p in operation.get("parameters", ())}
    for key, where in (("pathParams", "path"), ("queryParams", "query")):
        for param in fact.get(key) or ():
            mine = ours.pop((where, param["name"]), None)
            schema = None if mine is None else mine["schema"]
            # A parameter of a path is there by its nature.
            needed = bool(param.get("required")) if where == "path" else mine is not None and mine["required"]
            yield from compare_tree(document, f"{where}.{param['name']}", param, schema, needed)
    for (where, name), mine in ours.items():
        if where != "header":
            yield f"{where}.{name}", [ADDITION if mine["schema"].get("x-addition") else "in addition"]


def _body(document, place, fact, holder):
    """A request body or an answer; holder: what has the content, or None."""
    schema = None
    if holder is not None:
        schema = next(iter(holder["content"].values()))["schema"]
    first = True
    for path, faults in compare_tree(document, place, fact, schema, bool(fact.get("required"))):
        # The body as a whole is no field; what is wrong with it is told under its place.
        if not first or faults:
            yield path, faults
        first = False


def compare_operation(document, fact):
    """[(place, faults)] of everything in an operation; None if it is not there."""
    operation = document.operation(fact["method"], fact["path"])
    if operation is None:
        return None
    out = []
    if fact.get("operationId") is not None:
        for what, wanted, found in (("operationId", fact["operationId"], operation.get("operationId")),
                                    ("tag", [fact["tag"]], operation.get("tags")),
                                    ("documented", fact["documented"], not operation.get("x-undocumented", False)),
                                    ("deprecated", "deprecatedAliasOf" in fact, operation.get("deprecated", False))):
            if wanted != found:
                out.append((what, [f"is {found!r}, wanted {wanted!r}"]))
    out += _parameters(document, fact, operation)
    body = operation.get("requestBody")
    if fact.get("requestBody"):
        out += _body(document, "body", fact["requestBody"], body)
    elif body is not None:
        out.append(("body", ["in addition"]))
    answer = operation["responses"]["200"]
    if fact.get("response200"):
        out += _body(document, "answer", fact["response200"], answer)
    return out
