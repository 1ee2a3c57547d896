"""Webhooks as a consumer written for the compatible API expects them."""
import base64
import hashlib
import hmac
import json
import os
import re
import threading
import time

import pytest
from rig import mail
from rig.daemon import ROOT
from rig.imap import Neighbour
from rig.process import wait_until
from test_identity import forget_uids

with open(os.path.join(ROOT, "tests", "api", "facts", "webhook-events.json")) as f:
    FACTS = json.load(f)
EVENTS = {e["event"]: e for e in FACTS["events"]}
# Their sources come later: sending, bounces, tracking, exports.
LATER = {"messageSent", "messageDeliveryError", "messageFailed", "messageBounce", "messageComplaint", "trackOpen",
         "trackClick", "listUnsubscribe", "listSubscribe", "exportCompleted", "exportFailed"}
KINDS = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}


def mismatches(value, spec, where):
    """Where a value differs from its description; nothing if it fits."""
    if "variants" in spec:
        spec = spec["variants"]["imap"]
    if value in spec.get("alsoAllowed", []) and isinstance(value, bool):
        return
    if value is None:
        if not spec.get("nullable"):
            yield f"{where} is null"
        return
    kind = KINDS.get(spec.get("type"))
    if kind and (not isinstance(value, kind) or (isinstance(value, bool) and kind is int)):
        yield f"{where} is {type(value).__name__}, not {spec['type']}"
        return
    if "enum" in spec and value not in spec["enum"]:
        yield f"{where} is {value!r}"
    if spec.get("format") == "date-time" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value):
        yield f"{where} is {value!r}"
    if isinstance(value, dict) and "fields" in spec:
        for name, inner in spec["fields"].items():
            if name in value:
                yield from mismatches(value[name], inner, f"{where}.{name}")
            elif not inner.get("optional"):
                yield f"{where}.{name} is missing"
        if not spec.get("dynamicKeys"):
            yield from (f"{where}.{name} is unknown" for name in value if name not in spec["fields"])
    if isinstance(value, list) and "items" in spec:
        for n, item in enumerate(value):
            yield from mismatches(item, spec["items"], f"{where}[{n}]")


@pytest.fixture
def account(daemon, dovecot, consumer, user):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    consumer.wait("accountInitialized", user)
    return user


def provoke_everything(daemon, dovecot, consumer, account):
    """At least one event of each kind that a mailbox can bring about."""
    dovecot.deliver(account, mail.rich(attachments=[("a.pdf", "application/pdf", b"%PDF-")]))
    consumer.wait("messageNew", account)
    dovecot.store(account, 1, "+FLAGS (\\Seen)")
    consumer.wait("messageUpdated", account)
    dovecot.expunge(account, 1)
    consumer.wait("messageDeleted", account)
    with dovecot.client(account) as c:
        c.create("Fresh")
    consumer.wait("mailboxNew", account)
    with dovecot.client(account) as c:
        c.delete("Fresh")
    consumer.wait("mailboxDeleted", account)
    with dovecot.client(account) as c:
        c.create("Shelf")
    consumer.wait("mailboxNew", account, path="Shelf")
    assert daemon.stop() == 0
    time.sleep(1.1)  # Dovecot makes UIDVALIDITY of the time
    forget_uids(dovecot, account, "Shelf")
    daemon.start()
    consumer.wait("mailboxReset", account)
    imap = {"auth": {"user": account, "pass": "wrong"}, "host": "localhost", "port": dovecot.imaps, "secure": True}
    daemon.put(f"/v1/account/{account}", {"imap": imap})
    consumer.wait("authenticationError", account)
    daemon.put(f"/v1/account/{account}", {"imap": {**imap, "port": 1}})
    consumer.wait("connectError", account)
    daemon.delete(f"/v1/account/{account}")
    consumer.wait("accountDeleted", account)


def test_payloads_have_exactly_the_documented_members(daemon, dovecot, consumer, account):
    daemon.hooks(consumer.url, serviceUrl="https://mail.example.com")
    provoke_everything(daemon, dovecot, consumer, account)
    wrong = []
    for d in consumer.seen():
        spec = EVENTS[d.event]
        # The initial listing names every mailbox; the facts describe them all.
        wrong += [f"{d.event}: {m}" for m in mismatches(d.data, spec["data"], "data")]
        assert d.json["eventId"] == d.id  # ours, beside the documented members
        wrong += [f"{d.event}: {m}" for m in mismatches({k: v for k, v in d.json.items() if k not in ("data", "eventId")},
                  {**FACTS["envelope"], "fields": {k: v for k, v in FACTS["envelope"]["fields"].items() if k != "data"}},
                  "body")]
        if spec["envelope"]["path"] and d.event.startswith("message"):
            assert d.json["path"] == "INBOX"
        assert ("path" in d.json) == spec["envelope"]["path"], d.json
    assert not wrong, "\n".join(sorted(set(wrong)))
    # messageMissing has a test of its own.
    assert {d.event for d in consumer.seen()} == set(EVENTS) - LATER - {"messageMissing"}


def test_message_payload_tells_headers_text_ids_and_attachments(daemon, dovecot, consumer, account):
    dovecot.deliver(account, mail.rich(attachments=[("Übersicht.pdf", "application/pdf", b"%PDF-" * 100)]))
    data = consumer.wait("messageNew", account).data
    assert data["subject"] == "Prüfung – 検証 ✓"
    assert data["from"] == {"name": "Jürgen Größe", "address": "juergen@example.com"}
    assert data["cc"][0]["name"] == "Команда"
    assert data["inReplyTo"] == "<earlier@example.com>"
    assert data["seemsLikeNew"] is True and data["messageSpecialUse"] == "\\Inbox"
    names = [a.get("filename") for a in data["attachments"] if not a.get("inline")]
    assert names == ["Übersicht.pdf"]
    assert daemon.get(f"/v1/account/{account}/text/{data['text']['id']}")["plain"].startswith("Guten Tag")


def test_headers_and_signatures(daemon, dovecot, consumer, account):
    secret = "a secret that both sides know"
    daemon.hooks(consumer.url.replace("http://", "http://hook%20user:pass@"), serviceSecret=secret,
                 webhooksCustomHeaders=[{"key": "X-Custom", "value": "mine"}, {"key": "X-EE-Wh-Event-Id", "value": "forged"}])
    dovecot.deliver(account, mail.plain(1))
    told = consumer.wait("messageNew", account)
    h = told.headers
    assert h["content-type"].startswith("application/json")
    assert h["authorization"] == "Basic " + base64.b64encode(b"hook user:pass").decode()
    assert h["user-agent"].startswith("Postrider/")
    assert h["x-custom"] == "mine"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", h["x-ee-wh-event-id"])
    assert h["x-ee-wh-attempts-made"] == "0"
    assert re.fullmatch(r"\d+s", h["x-ee-wh-queued-time"]) and h["x-ee-wh-id"]
    expected = base64.urlsafe_b64encode(hmac.new(secret.encode(), told.body, hashlib.sha256).digest()).rstrip(b"=")
    assert h["x-ee-wh-signature"] == expected.decode()
    assert h["webhook-id"] and abs(int(h["webhook-timestamp"]) - time.time()) < 60
    signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + told.body
    standard = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    assert f"v1,{standard}" in h["webhook-signature"].split(" ")


def test_failed_delivery_is_repeated_with_the_same_id_and_body(daemon, dovecot, consumer, account):
    answers = [500, 503, 429, 200]
    consumer.answer = lambda d: answers.pop(0) if d.event == "messageNew" and answers else 200
    dovecot.deliver(account, mail.plain(1, message_id="<again@example.com>"))
    consumer.wait("messageNew", account, seconds=25)
    tries = consumer.seen("messageNew", account, accepted=False)
    assert [t.status for t in tries] == [500, 503, 429, 200]
    assert len({t.id for t in tries}) == 1 and len({t.headers["webhook-id"] for t in tries}) == 1
    assert [t.headers["x-ee-wh-attempts-made"] for t in tries] == ["0", "1", "2", "3"]
    assert len({t.body for t in tries}) == 1


def test_delivery_without_an_answer_is_repeated(daemon, dovecot, consumer, account):
    answers = [None, None, None, 200]
    consumer.answer = lambda d: answers.pop(0) if d.event == "messageNew" and answers else 200
    dovecot.deliver(account, mail.plain(1))
    consumer.wait("messageNew", account, seconds=25)
    tries = consumer.seen("messageNew", account, accepted=False)
    assert len({t.id for t in tries}) == 1 and len({t.body for t in tries}) == 1


def test_retry_after_is_honoured(daemon, dovecot, consumer, account):
    answers = [(503, {"Retry-After": "2"}), 200]
    consumer.answer = lambda d: answers.pop(0) if answers else 200
    dovecot.deliver(account, mail.plain(1))
    consumer.wait("messageNew", account)
    first, second = consumer.seen("messageNew", account, accepted=False)
    assert second.at - first.at >= 1.9


def test_one_broken_account_does_not_hold_up_another_and_order_stays(daemon, dovecot, consumer, account, new_user):
    other = new_user()
    daemon.add_account(other, dovecot)
    daemon.wait_state(other)
    refuse = threading.Event()
    refuse.set()
    consumer.answer = lambda d: 500 if refuse.is_set() and d.account == account else 200
    ids = [f"<order-{n}@example.com>" for n in range(12)]
    for n, message_id in enumerate(ids):
        dovecot.deliver(account, mail.plain(n, message_id=message_id))
        dovecot.deliver(other, mail.plain(n, message_id=message_id))
    consumer.wait("messageNew", other, count=12)
    assert not consumer.seen("messageNew", account)
    refuse.clear()
    consumer.wait("messageNew", account, count=12, seconds=25)
    for who in (account, other):
        assert [d.data["messageId"] for d in consumer.seen("messageNew", who)] == ids


def test_events_wait_for_a_consumer_over_a_restart(daemon, dovecot, consumer, account):
    consumer.answer = lambda d: 503
    ids = [f"<wait-{n}@example.com>" for n in range(5)]
    for n, message_id in enumerate(ids):
        dovecot.deliver(account, mail.plain(n, message_id=message_id))
    wait_until(lambda: consumer.seen("messageNew", account, accepted=False), 15, "a first try")
    first_id = consumer.seen("messageNew", account, accepted=False)[0].id
    assert daemon.stop() == 0
    consumer.answer = lambda d: 200
    daemon.start()
    consumer.wait("messageNew", account, count=5, seconds=25)
    told = consumer.seen("messageNew", account)
    assert [d.data["messageId"] for d in told] == ids and told[0].id == first_id
    assert all("enriched" not in d.data for d in told)


def test_only_chosen_events_are_sent(daemon, dovecot, consumer, account):
    daemon.hooks(consumer.url, events=["messageDeleted"])
    before = len(consumer.seen())
    dovecot.deliver(account, mail.plain(1))
    wait_until(lambda: daemon.page(account)["total"] == 1, 10, "the message")
    dovecot.expunge(account, 1)
    consumer.wait("messageDeleted", account)
    assert [d.event for d in consumer.seen()[before:]] == ["messageDeleted"]
    daemon.post("/v1/settings", {"webhooksEnabled": False})
    dovecot.deliver(account, mail.plain(2))
    wait_until(lambda: daemon.page(account)["total"] == 1, 10, "the message")
    time.sleep(0.5)
    assert len(consumer.seen()) == before + 1


def test_message_deleted_before_its_delivery_is_told_as_gone(daemon, dovecot, consumer, account):
    consumer.answer = lambda d: 500
    dovecot.deliver(account, mail.plain(1))
    wait_until(lambda: consumer.seen("messageNew", account, accepted=False), 15, "a first try")
    dovecot.expunge(account, 1)
    daemon.kill()
    consumer.answer = lambda d: 200
    daemon.start()
    told = consumer.wait("messageNew", account, seconds=25)
    assert told.data["uid"] == 1 and told.data["gone"] is True
    consumer.wait("messageDeleted", account, uid=1)


class Hides(Neighbour):
    """Lists its messages, and shows nothing of some (UID: how often) when their content is asked for."""

    def __init__(self, times):
        super().__init__()
        self.boxes, self.times = ("INBOX",), times

    def _instead(self, server, command, tag, rest, s):
        uid = rest.split(b" ")[0]
        if command == b"UID FETCH" and b"[HEADER]" in rest and self.times.get(uid, 0) > 0:
            self.times[uid] -= 1
            s.sendall(tag + b" OK nothing\r\n")
            return True
        return super()._instead(server, command, tag, rest, s)


def test_message_that_the_server_does_not_show_is_told_as_missing(daemon, consumer, fake):
    server = fake(Hides({b"4": 1, b"5": 1000}))
    daemon.hooks(consumer.url, notifyHeaders=["*"])
    daemon.post("/v1/account", {"account": "hides", "name": "h", "imap": {
        "auth": {"user": "u", "pass": "p"}, "host": "127.0.0.1", "port": server.port, "secure": False}})
    daemon.wait_state("hides")
    server.speak.deliver()
    late = consumer.wait("messageNew", "hides", uid=4)
    assert late.data["missingRetries"] == 1 and 1000 <= late.data["missingDelay"] < 10000
    server.speak.deliver()
    told = consumer.wait("messageMissing", "hides", uid=5, seconds=20)
    assert told.data["id"] and told.data["missingRetries"] == 3 and told.data["missingDelay"] >= 5000
    for d in (late, told):
        assert not list(mismatches(d.data, EVENTS[d.event]["data"], "data"))
        assert d.json["path"] == "INBOX" and d.json["eventId"] == d.id
    server.speak.deliver()
    consumer.wait("messageNew", "hides", uid=6)
    assert not consumer.seen("messageNew", "hides", uid=5)


def test_consumer_that_answers_gone_turns_webhooks_off(daemon, dovecot, consumer, account):
    consumer.answer = lambda d: 410
    dovecot.deliver(account, mail.plain(1))
    wait_until(lambda: daemon.get("/v1/settings", webhooksEnabled="true").get("webhooksEnabled") is False, 15, "webhooks off")


def test_link_local_address_is_not_called(daemon, dovecot, consumer, account):
    daemon.hooks("http://169.254.169.254/latest/meta-data")
    dovecot.deliver(account, mail.plain(1))
    wait_until(lambda: "delivery failed" in daemon.log(), 15, "refusal in the log")
    assert daemon.health() == 200
