"""Requests that hold large bodies: so many at a time, others come again."""
import base64
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from rig import mail
from rig.process import HOST, wait_until

LIMIT = 2
MESSAGE = b"Subject: large\r\n\r\n" + mail.binary(1_000_000).hex().encode() + b"\r\n"


def body_of(raw):
    return json.dumps({"path": "INBOX", "raw": base64.b64encode(raw).decode()}).encode()


LARGE, SMALL = body_of(MESSAGE), body_of(b"Subject: small\r\n\r\nx\r\n")


@pytest.fixture
def d(make_daemon, redis, dovecot, user):
    dovecot.fill(user, [b"Subject: long\n\n" + b"word " * 400_000])
    d = make_daemon(redis.url, http_large_bodies=LIMIT).start()
    d.add_account(user, dovecot)
    d.wait_state(user)
    return d


class Upload:
    """One whose client has sent half of it."""

    def __init__(self, d, user, **headers):
        self.c = http.client.HTTPConnection(HOST, d.port, timeout=30)
        self.c.putrequest("POST", f"/v1/account/{user}/message")
        headers = {"Authorization": f"Bearer {d.token}", "Content-Type": "application/json",
                   "Content-Length": str(len(LARGE)), **headers}
        for name, value in headers.items():
            self.c.putheader(name, value)
        self.c.endheaders()

    def half(self):
        self.c.send(LARGE[:len(LARGE) // 2])
        return self

    def finish(self):
        self.c.send(LARGE[len(LARGE) // 2:])
        reply = self.reply()
        assert reply.status == 200, reply.read()
        self.c.close()

    def reply(self):
        return self.c.getresponse()


def upload(d, user, body):
    return d.request("POST", f"/v1/account/{user}/message", body, headers={"Content-Type": "application/json"})


def held(d):
    return d.metric("postrider_api_large_bodies")


def test_no_more_than_so_many_at_a_time(d, user):
    long = f"/v1/account/{user}/message/{d.messages(user)[0]['id']}?textType=*"
    assert d.request("GET", long).status == 200
    first = [Upload(d, user).half() for _ in range(LIMIT)]
    wait_until(lambda: held(d) == LIMIT, 10, "both are under way")
    for refused in (upload(d, user, LARGE), d.request("GET", long)):
        assert refused.status == 503 and refused.headers["retry-after"] == "2", refused
        assert refused.json["code"] == "NotAvailable" and "try again" in refused.json["message"]
    # One that asks before it sends is told at once.
    asking = Upload(d, user, Expect="100-continue")
    assert asking.reply().status == 503
    asking.c.close()
    assert upload(d, user, SMALL).status == 200
    assert d.metric("postrider_api_large_bodies_refused_total") == 3
    first[0].finish()
    wait_until(lambda: held(d) == LIMIT - 1, 10, "one ended")
    assert upload(d, user, LARGE).status == 200
    first[1].c.close()
    wait_until(lambda: held(d) == 0, 25, "the other left")
    assert upload(d, user, LARGE).status == 200
    assert d.request("GET", long).status == 200


def test_parallel_uploads_all_get_through(d, user):
    refused = []

    def insist(_):
        while True:
            reply = upload(d, user, LARGE)
            if reply.status == 200:
                return
            assert reply.status == 503, reply
            refused.append(reply)
            time.sleep(0.1)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(insist, range(6)))
    assert d.metric("postrider_api_large_bodies_refused_total") == len(refused) > 0
    wait_until(lambda: d.page(user)["total"] == 7, 20, "all are there")
    assert held(d) == 0


def test_what_refers_to_others_counts_too(d, user):
    row = d.messages(user)[0]
    reference = {"path": "INBOX", "text": "see below", "to": [{"address": "a@example.com"}],
                 "reference": {"message": row["id"], "action": "forward", "inline": True}}
    held_back = [Upload(d, user).half() for _ in range(LIMIT)]
    wait_until(lambda: held(d) == LIMIT, 10, "both are under way")
    assert upload(d, user, json.dumps(reference).encode()).status == 503
    for one in held_back:
        one.finish()
    assert upload(d, user, json.dumps(reference).encode()).status == 200
