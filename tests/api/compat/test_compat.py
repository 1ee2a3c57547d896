"""Every operation of the compatible API: described as it should be, and doing it on a running daemon."""
import urllib.parse
import warnings

import pytest

import cases
import facts
import values
from values import OMIT

OPERATIONS = {facts.name_of(fact): fact for fact in facts.in_scope()}
NOBODY = {"account": "nobody-of-that-name", "message": "AAAA", "attachment": "AAAA", "text": "AAAA",
          "token": "0" * 64, "listId": "list.example.com", "queue": "notify", "webhookRoute": "AAAA"}


def url(fact, params, query):
    path = fact["path"]
    for name, value in params.items():
        path = path.replace("{%s}" % name, urllib.parse.quote(value, safe=""))
    asked = [(k, v) for k, v in query.items() if v is not OMIT]
    return path + ("?" + urllib.parse.urlencode(asked, doseq=True) if asked else "")


def said(value):
    """As a query says it."""
    return {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value


def full_query(fact, overrides):
    out = {}
    for param in fact.get("queryParams") or ():
        value = overrides.get(param["name"], values.full(param, {}, param["name"]))
        out[param["name"]] = value if value is OMIT else said(value)
    return out


def requests_of(case, fact, world):
    """(what, params, query, body) of the minimal and the full call."""
    takes_body = bool(fact.get("requestBody"))
    yield "minimal", case.path(world), case.query(world), case.body(world) if takes_body else None
    overrides = {**case.query(world), **case.full_query(world)}
    body = values.full(fact["requestBody"], case.full_body(world)) if takes_body else None
    yield "full", case.path(world), full_query(fact, overrides), body
    for path, query, body in case.also(world):
        yield "another", path, {name: said(value) for name, value in query.items()}, body


def judge_answer(op, what, fact, case, reply):
    if reply.status != case.status:
        op.blame("", f"{what} call: status {reply.status}, wanted {case.status}: {reply.body[:300]!r}")
        return
    if case.status != 200:
        judge_error(op, what, reply)
        return
    types = fact.get("responseMediaTypes") or [fact.get("mediaType", "application/json")]
    given = reply.headers.get("content-type", "").split(";")[0]
    if given != types[0] and types[0] != "application/octet-stream":
        op.blame("", f"{what} call: content is {given}, wanted {types[0]}")
    if fact.get("response200"):
        faults = []
        values.check(fact["response200"], reply.json, "answer", op.seen, faults)
        for fault in sorted(set(faults)):
            op.blame(fault.split(" ")[0], f"{what} call: {fault}")


def judge_error(op, what, reply):
    body = reply.json
    if not (body.get("statusCode") == reply.status and body.get("error") and body.get("message")):
        op.blame("", f"{what} call: the error is {body}")


def call(world, fact, params, query, body, **more):
    return world.daemon.request(fact["method"], url(fact, params, query), body, **more)


def call_stream(world, fact, case, op):
    """Looks at the beginning of an answer that does not end."""
    from rig.sse import Sse
    stream = Sse(world.daemon, url(fact, case.path(world), {}))
    try:
        if stream.status != 200:
            op.blame("", f"status {stream.status}")
    finally:
        stream.close()


def wrong_query(fact):
    out, places = {"surely-unknown": "1"}, ["surely-unknown"]
    for param in fact.get("queryParams") or ():
        value = values.wrong(param, in_query=True)
        if value is not OMIT:
            out[param["name"]] = value
            places.append(param["name"])
    return out, places


def judge_wrong(op, fact, world):
    """A call with everything wrong is told of every fault at once."""
    query, places = wrong_query(fact)
    body = None
    if fact.get("requestBody"):
        body, more = values.wrong_object(fact["requestBody"])
        places = places + more
    params = {**NOBODY, "account": world.account}
    reply = call(world, fact, params, query, body)
    if reply.status != 400:
        op.blame("", f"wrong call: status {reply.status}, wanted 400: {reply.body[:300]!r}")
        return
    judge_error(op, "wrong", reply)
    told = {field["key"] for field in reply.json.get("fields", ())}
    for place in places[:100]:
        if place not in told and len(told) < 100:
            op.blame("", f"wrong call: nothing is told of {place}")


def judge_refusals(op, fact, world):
    if fact["auth"] == "none":
        return
    params = {name: NOBODY[name] for name in NOBODY if "{%s}" % name in fact["path"]}
    if call(world, fact, params, {}, None, token=None).status != 401:
        op.blame("", "answers without a token")
    if call(world, fact, params, {}, None, token="0" * 64).status != 401:
        op.blame("", "answers to a token that is none")


def judge_no_account(op, fact, case, world):
    if "{account}" not in fact["path"] or 404 not in fact.get("statusCodes", ()):
        return
    takes_body = bool(fact.get("requestBody"))
    reply = call(world, fact, NOBODY, case.query(world), case.body(world) if takes_body else None)
    if reply.status != 404:
        op.blame("", f"an account that is not there: status {reply.status}: {reply.body[:200]!r}")
    else:
        judge_error(op, "no account", reply)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(name, report, world, request):
    op, fact = report.operations[name], OPERATIONS[name]
    assert not report.lost(op), report.lost(op)
    if not op.is_there:
        return  # the sum tells
    case = cases.CASES[name]
    if case.stream:
        call_stream(world, fact, case, op)
    else:
        for what, params, query, body in requests_of(case, fact, world):
            judge_answer(op, what, fact, case, call(world, fact, params, query, body))
    if fact.get("operationId") and not (case.stream and not fact["queryParams"]):
        judge_wrong(op, fact, world)
    judge_refusals(op, fact, world)
    judge_no_account(op, fact, case, world)
    op.called = True
    faults = report.unexplained(op) + report.lost(op)
    if faults and name not in report.baseline and not request.config.getoption("--update"):
        # Nothing that was right before: --update takes it in once it is right.
        warnings.warn("\n".join([f"{name} is new and not right yet", *faults]))
        return
    assert not faults, "\n".join([name, *faults])


def example_of(document, fact):
    operation = document.operation(fact["method"], fact["path"]) or {}
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return content.get("example")


# Such an account is registered, and credentials for a host that is none are tried, elsewhere.
NOT_SENT = ("postV1Verifyaccount",)


@pytest.mark.parametrize("name", OPERATIONS)
def test_example(name, report, world):
    """A request of the documentation is taken."""
    fact = OPERATIONS[name]
    body = example_of(report.document, fact)
    if body is None or name in NOT_SENT:
        return
    case = cases.CASES[name]
    world.example()
    params = {**case.path(world), **({"account": "example"} if "message" not in fact["path"] else {})}
    params = params if "{account}" in fact["path"] else {k: v for k, v in params.items() if k != "account"}
    reply = call(world, fact, params, case.query(world), body)
    assert reply.status == case.status or name not in report.baseline, f"{name}: {reply}"


def test_daemon_shows_the_same_document(report, world):
    shown = world.daemon.request("GET", "/swagger.json").json
    assert shown == report.document.document, "docs/openapi.json is not what the daemon shows: run `ninja docs`"


def test_every_reason_is_needed(report):
    for name, places in report.reasons.items():
        op = report.operations[name]
        for place in places:
            assert not op.called or place in op.faults, f"{name} {place} is right now: take it out of deviations.json"


def test_it_is_known_why_a_field_was_not_seen(report):
    unknown = [(name, place) for name, place in report.unseen_by_reason().get(None, ()) if name in report.baseline]
    assert not unknown, unknown


def test_page_lists_what_differs(report, request):
    if request.config.getoption("--update"):
        report.save_page()
    page = report.page()
    unnamed = [row for row in report.rows() if row not in page]
    assert not unnamed, f"docs/COMPATIBILITY.md lacks {unnamed}: tests/run compat --update"


def test_every_operation_has_a_case():
    assert set(cases.CASES) == set(OPERATIONS)
