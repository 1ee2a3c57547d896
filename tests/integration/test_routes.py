"""Custom webhook routes: made over the API and the command line, each with its own choice and form of events."""
import json
import time

import pytest
from rig import mail
from rig.consumer import Consumer
from rig.process import wait_until
from test_events import wait_for


@pytest.fixture
def other():
    c = Consumer()
    yield c
    c.close()


@pytest.fixture
def account(daemon, dovecot, consumer, user):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    consumer.wait("accountInitialized", user)
    return user


def make_route(daemon, url, **members):
    return daemon.post("/v1/webhooks/routes", {"name": "second", "targetUrl": url, **members})


def bodies(consumer):
    return [json.loads(d.body) for d in consumer.seen()]


def test_a_route_is_made_changed_and_removed(daemon, redis, other):
    made = make_route(daemon, other.url, description="for the CRM", customHeaders=[{"key": "X-Key", "value": "hush-hush"}],
                      filter="event == 'messageNew'", mapping="{id: data.id}", events=["messageNew"], payload="thin")
    route = made["id"]
    assert made["enabled"] is True and made["v"] == 1 and made["tcount"] == 0 and made["webhookErrorFlag"] is None
    path = f"/v1/webhooks/routes/{route}"
    assert daemon.get(path) == made and made["customHeaders"] == [{"key": "X-Key", "value": "******"}]
    compatible = daemon.get(f"/v1/webhookRoutes/webhookRoute/{route}")
    assert compatible == {**{k: v for k, v in made.items() if k not in ("events", "filter", "mapping", "payload")},
                          "content": {"fn": "event == 'messageNew'", "map": "{id: data.id}"}}
    kept = daemon.put(path, {"customHeaders": [*made["customHeaders"], {"key": "X-More", "value": "more"}]})
    assert kept["v"] == 2 and kept["customHeaders"][1]["value"] == "******"
    assert daemon.request("PUT", path, {"customHeaders": [{"key": "X-Other", "value": "******"}]}).status == 400
    second = make_route(daemon, other.url)
    listed = daemon.get("/v1/webhookRoutes", pageSize=1, page=1)
    assert (listed["total"], listed["pages"], listed["page"]) == (2, 2, 1)
    assert [r["id"] for r in listed["webhooks"]] == [second["id"]]
    assert {r["id"] for r in daemon.get("/v1/webhooks/routes")["routes"]} == {"default", route, second["id"]}
    changed = daemon.put(path, {"name": "first", "filter": None, "enabled": False})
    assert changed["name"] == "first" and "filter" not in changed and changed["v"] == 3 and not changed["enabled"]
    assert changed["mapping"] == made["mapping"] and changed["created"] == made["created"]
    # Nothing of it can be read in the store.
    stored = redis.client().dump()
    assert len(stored) > 5
    assert not mail.readable(stored, {"header": "hush-hush", "url": other.url, "mapping": made["mapping"]})
    for bad, what in (({"filter": "a ="}, "line 1, column 3"), ({"mapping": "no('x')"}, "there is no function no"),
                      ({"events": ["messageNow"]}, "name of an event"), ({"targetUrl": "ftp://x"}, "targetUrl"),
                      ({"payload": "fat"}, "payload"), ({"what": 1}, "what")):
        reply = daemon.request("POST", "/v1/webhooks/routes", {"name": "x", "targetUrl": other.url, **bad})
        assert reply.status == 400 and what in reply.body.decode(), reply
        assert daemon.request("PUT", path, bad).status == 400
    assert daemon.delete(path) == {"route": route, "deleted": True}
    for method, more in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/test")):
        body = {"account": "x", "event": {"event": "messageNew"}} if more else {} if method == "PUT" else None
        assert daemon.request(method, path + more, body).status == 404
    assert [r["id"] for r in daemon.get("/v1/webhookRoutes")["webhooks"]] == [second["id"]]


def test_a_route_hears_what_it_wants_from_now_on(daemon, dovecot, consumer, other, account):
    dovecot.deliver(account, mail.plain(1, subject="Before"))
    consumer.wait("messageNew", account)
    route = make_route(daemon, other.url, events=["messageNew", "messageDeleted"],
                       filter="contains(data.subject, 'Invoice') or event != 'messageNew'",
                       customHeaders=[{"key": "X-Key", "value": "v"}])["id"]
    dovecot.deliver(account, mail.plain(2, subject="Hello"))
    dovecot.deliver(account, mail.plain(3, subject="Invoice 7"))
    consumer.wait("messageNew", account, subject="Invoice 7")
    dovecot.store(account, 3, "+FLAGS (\\Seen)")
    consumer.wait("messageUpdated", account)
    dovecot.expunge(account, 3)
    wait_until(lambda: [d.event for d in other.seen()] == ["messageNew", "messageDeleted"], 15, "two of them")
    new = other.seen()[0]
    assert new.data["subject"] == "Invoice 7"
    assert (new.headers["x-ee-wh-custom-route"], new.headers["x-key"]) == (route, "v")
    # The same event under the same id on both ways.
    assert consumer.wait("messageNew", account, subject="Invoice 7").id == new.id
    assert len(consumer.seen("messageNew", account)) == 3
    # Turned off and on again it goes on where it was.
    path = f"/v1/webhooks/routes/{route}"
    daemon.put(path, {"enabled": False})
    dovecot.deliver(account, mail.plain(4, subject="Invoice 8"))
    consumer.wait("messageNew", account, subject="Invoice 8")
    time.sleep(0.3)
    assert len(other.seen()) == 2
    daemon.put(path, {"enabled": True})
    other.wait("messageNew", account, subject="Invoice 8")
    # Heard again from the start, though it was made later.
    daemon.put(f"{path}/cursor", {"position": "start", "account": account})
    other.wait("messageNew", account, subject="Invoice 7", count=2)
    daemon.delete(path)
    seen = len(other.seen())
    dovecot.deliver(account, mail.plain(5, subject="Invoice 9"))
    consumer.wait("messageNew", account, subject="Invoice 9")
    time.sleep(0.3)
    assert len(other.seen()) == seen


def test_forms_and_mappings(daemon, dovecot, consumer, other, account):
    daemon.hooks(consumer.url, serviceUrl="https://mail.example.com")
    make_route(daemon, other.url + "?thin", events=["messageNew"], payload="thin")
    make_route(daemon, other.url + "?cloud", events=["messageNew"], payload="cloudevents")
    make_route(daemon, other.url + "?map", events=["messageNew"],
               mapping="{text: concat('New: ', data.subject), to: join(data.to.address, ','), at: date(date)}")
    dovecot.deliver(account, mail.plain(1, subject="Hello"))
    full = consumer.wait("messageNew", account)
    wait_until(lambda: len(other.seen()) == 3, 15, "three routes")
    got = {d.path.split("?")[1]: d for d in other.seen()}
    thin = json.loads(got["thin"].body)
    assert "subject" not in thin["data"] and thin["data"]["id"] == full.data["id"] and thin["eventId"] == full.id
    cloud = json.loads(got["cloud"].body)
    assert got["cloud"].headers["content-type"] == "application/cloudevents+json"
    assert cloud["specversion"] == "1.0" and cloud["type"] == "postrider.messageNew" and cloud["id"] == full.id
    assert cloud["source"] == f"https://mail.example.com/v1/account/{account}"
    assert (cloud["time"], cloud["data"]) == (full.json["date"], full.json)
    assert json.loads(got["map"].body) == {"text": "New: Hello", "to": "someone@example.com", "at": full.json["date"][:10]}


def test_what_a_route_would_send(daemon, dovecot, consumer, other, account):
    daemon.post("/v1/settings", {"serviceSecret": "a secret"})
    route = make_route(daemon, other.url, filter="data.subject == 'Hello'", mapping="{subject: data.subject}",
                       customHeaders=[{"key": "X-Key", "value": "hush-hush"}])["id"]
    path = f"/v1/webhooks/routes/{route}/test"
    dovecot.deliver(account, mail.plain(1, subject="Hello"))
    entry = wait_for(daemon, account, 1)[0]
    shown = daemon.post(path, {"account": account, "entry": entry["cursor"]})
    assert [json.loads(r["body"]) for r in shown["requests"]] == [{"subject": "Hello"}] and "skipped" not in shown
    request = shown["requests"][0]
    headers = {h["key"].lower(): h["value"] for h in request["headers"]}
    assert request["url"] == other.url and headers["x-ee-wh-custom-route"] == route
    assert headers["webhook-id"] == request["eventId"] == entry["eventId"] and headers["x-key"] == "******"
    assert headers["webhook-signature"] == headers["x-ee-wh-signature"] == "(signature)"  # events may be made up
    other_entry = [e for e in daemon.get(f"/v1/account/{account}/events")["events"] if e["event"] == "accountAdded"][0]
    shown = daemon.post(path, {"account": account, "entry": other_entry["entryId"]})
    assert shown["requests"] == [] and "filter" in shown["skipped"]
    # With changes that are not kept, and for an event that never was.
    shown = daemon.post(path, {"account": account, "event": {"event": "messageDeleted", "path": "INBOX", "data": {"uid": 5}},
                               "changes": {"filter": None, "mapping": "[account, path, data.uid]"}})
    assert [json.loads(r["body"]) for r in shown["requests"]] == [[account, "INBOX", 5]]
    assert daemon.get(f"/v1/webhooks/routes/{route}")["filter"] == "data.subject == 'Hello'"
    # The default route; one entry that is told as two events.
    moved = {"event": "mailboxRenamed", "data": {"path": "b", "old": {"path": "a"}, "new": {"path": "b"}}}
    shown = daemon.post("/v1/webhooks/routes/default/test", {"account": account, "event": moved})
    assert [r["event"] for r in shown["requests"]] == ["mailboxDeleted", "mailboxNew"]
    for bad, status in (({"account": "nobody", "event": {"event": "messageNew"}}, 404),
                        ({"account": account, "event": {"event": "nonsense"}}, 400),
                        ({"account": account}, 400), ({"account": account, "entry": "1-1"}, 404),
                        ({"account": account, "entry": "x"}, 400)):
        assert daemon.request("POST", path, bad).status == status
    assert not [d for d in other.seen() if b"nonsense" in d.body]


def test_routes_and_places_outlive_a_kill(make_daemon, redis, dovecot, consumer, other, user):
    d = make_daemon(redis.url).start()
    d.hooks(consumer.url)
    d.add_account(user, dovecot)
    d.wait_state(user)
    consumer.wait("accountInitialized", user)
    route = make_route(d, other.url, events=["messageNew"], mapping="{subject: data.subject}")
    other.delay = 0.1
    subjects = [f"s{n}" for n in range(12)]
    for n, subject in enumerate(subjects):
        dovecot.deliver(user, mail.plain(n, subject=subject))
    for at_least in (2, 6):
        wait_until(lambda: len(other.seen()) >= at_least, 15, "deliveries", pause=0.01)
        d.kill()
        d.restart()
    wait_until(lambda: subjects[-1] in [b["subject"] for b in bodies(other)], 20, "the last one")
    told = [b["subject"] for b in bodies(other)]
    assert list(dict.fromkeys(told)) == subjects and len(told) <= len(subjects) + 2
    assert d.get(f"/v1/webhooks/routes/{route['id']}")["created"] == route["created"]


def test_a_bad_route_holds_up_nobody_and_410_turns_it_off(daemon, dovecot, consumer, other, account):
    route = make_route(daemon, other.url, events=["messageNew"])["id"]
    other.answer = lambda delivery: 500
    dovecot.deliver(account, mail.plain(1, subject="A"))
    dovecot.deliver(account, mail.plain(2, subject="B"))
    consumer.wait("messageNew", account, subject="B")
    assert not [d for d in other.seen(accepted=False) if d.data.get("subject") == "B"], "order within the route"
    other.answer = lambda delivery: 410
    shown = wait_until(lambda: (r := daemon.get(f"/v1/webhooks/routes/{route}"))["enabled"] is False and r, 15, "off")
    assert "410" in shown["webhookErrorFlag"]["message"]
    other.answer = lambda delivery: 200
    assert daemon.put(f"/v1/webhooks/routes/{route}", {"enabled": True})["webhookErrorFlag"] is None
    other.wait("messageNew", account, subject="A")
    other.wait("messageNew", account, subject="B")
    dovecot.deliver(account, mail.plain(3, subject="C"))
    consumer.wait("messageNew", account, subject="C")


def test_the_command_line_makes_routes_too(daemon, dovecot, consumer, other, account):
    def cli(*args):
        done = daemon.cli("events", "routes", *args)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr
    status, made, err = cli("create", "--name", "by hand", "--url", other.url, "--events", "messageNew,messageDeleted",
                            "--filter", "data.uid > 0", "--mapping", "{uid: data.uid}", "--payload", "thin",
                            "--header", "X-Key: v")
    assert status == 0, err
    route = made[0]["id"]
    assert made[0]["events"] == ["messageNew", "messageDeleted"]
    assert made[0]["customHeaders"] == [{"key": "X-Key", "value": "v"}]
    wait_until(lambda: daemon.request("GET", f"/v1/webhooks/routes/{route}").status == 200, 10, "the daemon knows it")
    dovecot.deliver(account, mail.plain(1))
    wait_until(lambda: bodies(other) == [{"uid": 1}], 10, "told")
    assert other.seen()[0].headers["x-key"] == "v"
    status, changed, err = cli("update", route, "--enabled", "false", "--mapping", "")
    assert status == 0 and changed[0]["enabled"] is False and "mapping" not in changed[0], err
    assert [r["id"] for r in cli("list")[1]] == [route]
    for args, status in ((("create", "--name", "x"), 1), (("create", "--what",), 2), (("update", "nothere", "--name", "x"), 1),
                         (("create", "--name", "x", "--url", other.url, "--filter", "a ="), 1), (("delete",), 2),
                         (("delete", "nothere"), 1)):
        assert cli(*args)[0] == status, args
    assert cli("delete", route)[0] == 0
    assert cli("list")[1] == []
    wait_until(lambda: daemon.get("/v1/webhookRoutes")["total"] == 0, 10, "gone")
