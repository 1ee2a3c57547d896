"""Requests that must be refused: status and body of each refusal."""
import json
import http.client
import socket

import pytest
from rig.process import HOST

GOOD = {"account": "never-made", "name": "Someone",
        "imap": {"auth": {"user": "u", "pass": "p"}, "host": "localhost", "port": 993, "secure": True}}


def changed(**members):
    return {**GOOD, **members}


def imap(**members):
    return changed(imap={**GOOD["imap"], **members})


def json_bytes(value):
    return json.dumps(value).encode()


# what: (method, path, body, status)
TABLE = {
    "no JSON": ("POST", "/v1/account", b"{", 400),
    "bare text": ("POST", "/v1/account", b"hello", 400),
    "an array": ("POST", "/v1/account", b"[]", 400),
    "a string": ("POST", "/v1/account", b'"x"', 400),
    "two values": ("POST", "/v1/account", json_bytes(GOOD) + b"{}", 400),
    "an empty object": ("POST", "/v1/account", b"{}", 400),
    "no body": ("POST", "/v1/account", b"", 400),
    "bytes that are not UTF-8": ("POST", "/v1/account", b'{"account":"\xff\xfe"}', 400),
    "a NUL byte": ("POST", "/v1/account", json_bytes(changed(account="a\0b")), 400),
    "nested ten thousand deep": ("POST", "/v1/account", b"[" * 10000 + b"]" * 10000, 400),
    "a number too large": ("POST", "/v1/account", b'{"account":"a","name":"b","imap":{"port":1e400}}', 400),
    "a key twice": ("POST", "/v1/account", b'{"account":"a","account":"b","name":"c"}', 400),
    "an unknown key": ("POST", "/v1/account", changed(nonsense=1), 400),
    "an unknown key inside": ("POST", "/v1/account", imap(nonsense=1), 400),
    "a number for a name": ("POST", "/v1/account", changed(name=7), 400),
    "an object for a name": ("POST", "/v1/account", changed(name={}), 400),
    "a port that is text": ("POST", "/v1/account", imap(port="many"), 400),
    "port zero": ("POST", "/v1/account", imap(port=0), 400),
    "port 65536": ("POST", "/v1/account", imap(port=65536), 400),
    "a port with a fraction": ("POST", "/v1/account", imap(port=99.5), 400),
    "an account id too long": ("POST", "/v1/account", changed(account="a" * 257), 400),
    "no password": ("POST", "/v1/account", imap(auth={"user": "u"}), 400),
    "an email without @": ("POST", "/v1/account", changed(email="nobody"), 400),
    "unknown query": ("GET", "/v1/accounts?colour=red", None, 400),
    "page below zero": ("GET", "/v1/accounts?page=-1", None, 400),
    "page that is text": ("GET", "/v1/accounts?page=first", None, 400),
    "page size zero": ("GET", "/v1/accounts?pageSize=0", None, 400),
    "broken escape in the path": ("GET", "/v1/account/%zz", None, 400),
    "unknown account": ("GET", "/v1/account/nobody-here", None, 404),
    "unknown account, messages": ("GET", "/v1/account/nobody-here/messages?path=INBOX", None, 404),
    "unknown account, update": ("PUT", "/v1/account/nobody-here", {"name": "x"}, 404),
    "unknown account, delete": ("DELETE", "/v1/account/nobody-here", None, 404),
    "unknown path": ("GET", "/v1/nothing/here", None, 404),
    "path outside the API": ("GET", "/etc/passwd", None, 404),
    "climbing path": ("GET", "/v1/../../etc/passwd", None, 400),
    "settings with an unknown key": ("POST", "/v1/settings", {"webhook": "http://localhost/"}, 400),
    "settings with a bad URL": ("POST", "/v1/settings", {"webhooks": "javascript:alert(1)"}, 400),
    "verify without a server": ("POST", "/v1/verifyAccount", {"imap": {}}, 400),
}

TEXT = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 413: "Request Entity Too Large",
        405: "Method Not Allowed"}


def check_error(reply, status):
    assert reply.status == status, reply
    assert reply.headers["content-type"].startswith("application/json")
    body = reply.json
    assert body["statusCode"] == status
    assert isinstance(body["message"], str) and body["message"]
    if status in (400, 401, 403, 404):
        assert body["error"] == TEXT[status]
    return body


@pytest.mark.parametrize("what", TABLE)
def test_refused(shared, what):
    method, path, body, status = TABLE[what]
    headers = {"Content-Type": "application/json"} if body is not None else None
    check_error(shared.request(method, path, body, headers=headers), status)
    assert shared.request("GET", "/v1/account/never-made").status == 404


def test_every_wrong_field_is_named(shared):
    body = check_error(shared.request("POST", "/v1/account", imap(port="many", nonsense=1) | {"name": 7}), 400)
    assert body["message"] == "Invalid input"
    keys = {f["key"] for f in body["fields"]}
    assert {"name", "imap.port", "imap.nonsense"} <= keys, body
    assert all(f["message"] for f in body["fields"])


@pytest.mark.parametrize("kind", ("none", "empty", "short", "not hex", "foreign", "Basic", "in the query"))
def test_without_a_valid_token_nothing_opens(shared, kind):
    header = {"none": None, "empty": "Bearer ", "short": "Bearer abc", "not hex": "Bearer " + "g" * 64,
              "foreign": "Bearer " + "ab" * 32, "Basic": "Basic dXNlcjpwYXNz", "in the query": None}[kind]
    headers = {"Authorization": header} if header is not None else {}
    query = f"?access_token={shared.token}" if kind == "in the query" else ""
    for method, path in (("GET", "/v1/accounts"), ("POST", "/v1/account"), ("GET", "/v1/settings"), ("GET", "/metrics")):
        body = check_error(shared.request(method, path + query, b"{}" if method == "POST" else None,
                                          token=None, headers=headers), 401)
        assert "token" not in json.dumps(body).lower() or shared.token not in json.dumps(body)


def test_token_of_one_account_does_not_open_another(shared, dovecot, user, new_user):
    other = new_user()
    for name in (user, other):
        shared.add_account(name, dovecot)
        shared.wait_state(name)
    token = shared.issue_token("--account", user, scope="api")
    assert shared.request("GET", f"/v1/account/{user}", token=token).status == 200
    for method, path in (("GET", f"/v1/account/{other}"), ("GET", f"/v1/account/{other}/messages?path=INBOX"),
                         ("DELETE", f"/v1/account/{other}")):
        reply = shared.request(method, path, token=token)
        assert reply.status in (401, 403), reply
    for method, path in (("GET", "/v1/settings"), ("POST", "/v1/settings")):
        assert shared.request(method, path, b"{}" if method == "POST" else None, token=token).status in (401, 403)
    assert shared.account(other)["account"] == other


def test_token_of_another_scope_does_not_open_the_api(shared):
    token = shared.issue_token(scope="metrics")
    check_error(shared.request("GET", "/v1/accounts", token=token), 403)
    assert shared.request("GET", "/metrics", token=token).status == 200


def test_public_paths_need_no_token(shared):
    for path in ("/health", "/swagger.json", "/v1/openapi.json"):
        assert shared.request("GET", path, token=None).status == 200
        assert shared.request("GET", path, token=None, headers={"Authorization": "Bearer nonsense"}).status == 200


def test_unknown_message_mailbox_attachment_and_text(shared, dovecot, user):
    shared.add_account(user, dovecot)
    shared.wait_state(user)
    for rest in ("message/AAAAAQAAAAE", "message/AAAAAQAAAAE/source", "message/_____w____8", "text/AAAAAQAAAAGTkaExkaEykA",
                 "messages?path=No%2FSuch"):
        check_error(shared.request("GET", f"/v1/account/{user}/{rest}"), 404)
    for rest in ("message/%21%21%21", "messages", "messages?path=INBOX&pageSize=1001", "messages?path=INBOX&page=x"):
        check_error(shared.request("GET", f"/v1/account/{user}/{rest}"), 400)
    for rest in ("message/AAAA", "attachment/AAAA", "text/AAAA"):
        assert shared.request("GET", f"/v1/account/{user}/{rest}").status in (400, 404)


def test_wrong_method_is_not_found_or_not_allowed(shared):
    for method in ("PATCH", "PUT", "DELETE", "TRACE"):
        assert shared.request(method, "/v1/accounts").status in (404, 405)


def test_body_larger_than_allowed_is_refused(shared):
    head = (f"POST /v1/settings HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {shared.token}\r\n"
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n")
    # The refusal comes before the body, so a client that asks first sends nothing in vain.
    with socket.create_connection((HOST, shared.port), 10) as s:
        s.sendall(head.format(2 ** 30).encode())
        assert s.recv(4096).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection((HOST, shared.port), 10) as s:
        s.sendall(head.format(2 ** 30).replace("Content-Length: 1073741824", "Transfer-Encoding: chunked").encode())
        answer = b""
        try:
            while not answer:
                s.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                s.setblocking(False)
                try:
                    answer = s.recv(4096)
                except BlockingIOError:
                    pass
                s.settimeout(10)
        except OSError:
            pass
        # A reset may overtake the answer, since the rest of the body is not read.
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413 "), answer
    assert shared.health() == 200


def raw_exchange(port, data, seconds=3):
    """Sends bytes as they are; returns what came back until the server closed."""
    with socket.create_connection((HOST, port), seconds) as s:
        s.settimeout(seconds)
        out = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while part := s.recv(65536):
                out += part
        except OSError:
            pass
        return out


@pytest.mark.parametrize("data", (b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET /health\r\n",
                                  b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\n" + b"X-Long: " + b"y" * 300000 + b"\r\n\r\n",
                                  b"POST /v1/account HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                                  b"POST /v1/account HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                                  b"POST /v1/account HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                  b"PO\0ST /v1/account HTTP/1.1\r\n\r\n"),
                         ids=lambda d: repr(d[:24]))
def test_broken_http_does_not_disturb_the_daemon(shared, data):
    answer = raw_exchange(shared.port, data)
    assert not answer.startswith(b"HTTP/1.1 200"), answer[:200]
    assert shared.health() == 200


def test_many_clients_that_say_nothing_do_not_block_others(shared):
    idle = [socket.create_connection((HOST, shared.port), 5) for _ in range(200)]
    try:
        assert shared.health() == 200
        assert shared.get("/v1/accounts")["total"] >= 0
    finally:
        for s in idle:
            s.close()


def test_one_connection_serves_many_requests(shared):
    c = http.client.HTTPConnection(HOST, shared.port, timeout=10)
    for _ in range(20):
        c.request("GET", "/health")
        r = c.getresponse()
        assert (r.status, json.loads(r.read())["success"]) == (200, True)
    c.close()
