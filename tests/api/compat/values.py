"""Inputs made from the facts: right ones with every field, and wrong ones."""
from facts import fields_of

OMIT = object()  # an override: this field is not sent
SAMPLES = {"date-time": "2030-01-02T03:04:05.000Z", "uri": "https://example.com/x", "hostname": "mail.example.com",
           "email": "ann@example.com", "ip": "127.0.0.1", "base64": "QUJDRA==", "hex": "ab",
           "guid": "00000000-0000-4000-8000-000000000000"}
WRONG_TEXT = "\x01 wrong <>"
LONGEST_SENT = 200_000


def _text(node):
    if "enum" in node:
        return node["enum"][0]
    text = SAMPLES.get(node.get("format"), "text")
    if "schemes" in node:
        text = node["schemes"][0] + "://example.com/x"
    if "length" in node:
        text = text[:1] * node["length"]
    return text


def _number(node):
    return max(node.get("min", 1), min(5, node.get("max", 5)))


def full(node, overrides, place=""):
    """A valid value with every field; overrides: by place ("imap.auth.pass"), for what the facts cannot say."""
    if place in overrides:
        return overrides[place]
    kind = node.get("type")
    if kind == "object":
        out = {}
        for name, child in fields_of(node).items():
            value = full(child, overrides, f"{place}.{name}" if place else name)
            if value is not OMIT:
                out[name] = value
        return out
    if kind == "array":
        return [full(node["items"], overrides, place + "[]")] if isinstance(node.get("items"), dict) else []
    if kind == "boolean":
        return {True: "Y", "on": "on"}.get(node.get("looseBoolean"), True)
    return _number(node) if kind in ("integer", "number") else _text(node)


def wrong(node, in_query=False):
    """A value that is refused in every case; OMIT if none is."""
    kind = node.get("type")
    if kind in ("integer", "number"):
        return node["max"] + 1 if "max" in node else "many"
    if kind == "boolean":
        return "perhaps"
    if kind == "string":
        if "enum" in node or "format" in node or "schemes" in node:
            return WRONG_TEXT
        longest = node.get("maxLength", LONGEST_SENT + 1)
        if in_query:
            return "x" * (longest + 1) if longest < 2000 else OMIT
        return {"not": "a text"}
    if kind == "array":
        if in_query:
            return OMIT
        if fields_of(node.get("items")):
            return [wrong_object(node["items"])[0]]
        return [{"not": "an item"}] if isinstance(node.get("items"), dict) and "type" in node["items"] else OMIT
    if kind == "object":
        return wrong_object(node)[0] if fields_of(node) else ("text" if "fields" in node else OMIT)
    return OMIT


def wrong_object(node, place=""):
    """(an object whose every field is wrong and which has one that is unknown, the places told as wrong)."""
    out, places = {}, []
    if not node.get("unknownKeysAllowed"):
        out, places = {"surely-unknown": 1}, [place + "surely-unknown"]
    for name, child in fields_of(node).items():
        value = wrong(child)
        if value is OMIT:
            continue
        out[name] = value
        if child.get("type") == "object" and fields_of(child):
            places += wrong_object(child, f"{place}{name}.")[1]
        elif child.get("type") == "array":
            inner = child["items"]
            places += wrong_object(inner, f"{place}{name}.0.")[1] if fields_of(inner) else [f"{place}{name}.0"]
        else:
            places.append(place + name)
    return out, places


KINDS = {"string": str, "boolean": bool, "object": dict, "array": list}


def _has_kind(node, value):
    kind = node.get("type")
    if kind in ("integer", "number"):
        return isinstance(value, (int, float) if kind == "number" else int) and not isinstance(value, bool)
    return kind not in KINDS or isinstance(value, KINDS[kind])


def check(node, value, place, seen, faults):
    """Holds an answer against the facts; seen: the places that were there."""
    seen.add(place)
    if "anyOf" in node:
        return
    if value is None or (value is False and False in node.get("alsoAllowed", ())):
        if value is None and not node.get("nullable"):
            faults.append(f"{place} is null")
        return
    if not _has_kind(node, value):
        faults.append(f"{place} is {value!r:.60}, wanted {node['type']}")
        return
    if "enum" in node and value not in node["enum"]:
        faults.append(f"{place} is {value!r:.60}, not one of {node['enum']}")
    if isinstance(value, dict) and "fields" in node:
        _check_members(node, value, place, seen, faults)
    if isinstance(value, list) and isinstance(node.get("items"), dict):
        for item in value:
            check(node["items"], item, place + "[]", seen, faults)


def _check_members(node, value, place, seen, faults):
    for name, child in fields_of(node).items():
        if name in value:
            check(child, value[name], f"{place}.{name}", seen, faults)
        elif child.get("required"):
            faults.append(f"{place}.{name} is missing")
    for name in sorted(set(value) - set(fields_of(node))):
        if not node.get("unknownKeysAllowed"):
            faults.append(f"{place}.{name} is in addition")
