"""Readers of the change log over HTTP."""
import json
import threading
import time

from rig import mail
from rig.process import wait_until


def drain(daemon, account, after=None, limit=100):
    """Everything behind a cursor, page by page; returns (entries, cursor, gap)."""
    out, gap = [], False
    while True:
        query = {"limit": limit, **({"after": after} if after else {})}
        page = daemon.get(f"/v1/account/{account}/events", **query)
        out += page["events"]
        gap, after = gap or page["gap"], page["cursor"]
        if not page["more"]:
            return out, after, gap


def wait_for(daemon, account, count, event="messageNew", after=None):
    """Until the log has so many entries of the type behind a cursor; returns them."""
    def look():
        found = [e for e in drain(daemon, account, after)[0] if e["event"] == event]
        return found if len(found) >= count else None
    return wait_until(look, 20, f"{count} {event} in the log of {account}")


def test_the_log_is_read_page_by_page(daemon, dovecot, user, consumer):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    for n in range(5):
        dovecot.deliver(user, mail.plain(n))
    found = wait_for(daemon, user, 5)
    whole, cursor, gap = drain(daemon, user)
    assert not gap
    assert [e["event"] for e in whole][:1] == ["accountAdded"]
    pages, end, _ = drain(daemon, user, limit=2)
    assert pages == whole and end == cursor
    # Each entry's cursor, and its id, continue behind it.
    for key in ("cursor", "entryId"):
        assert drain(daemon, user, after=whole[2][key])[0] == whole[3:]
    assert drain(daemon, user, after=cursor)[0] == []
    # The same ids and data as the webhook has, without content.
    for entry in found:
        told = consumer.wait("messageNew", user, id=entry["data"]["id"])
        assert (told.id, told.json["path"], told.json["date"]) == (entry["eventId"], entry["path"], entry["date"])
        assert "subject" not in entry["data"]
    for bad in ("x", "1-", "AAAA", "-1", "%ff"):
        assert daemon.request("GET", f"/v1/account/{user}/events?after={bad}").status == 400
    assert daemon.request("GET", "/v1/account/nobody/events").status == 404


def test_a_long_poll_ends_with_the_next_entry(daemon, dovecot, user):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    wait_until(lambda: daemon.get(f"/v1/account/{user}/events", after="now", wait=1)["events"] == [], 10, "quiet")
    now = daemon.get(f"/v1/account/{user}/events", after="now")
    assert now["events"] == []
    got = {}

    def poll():
        begun = time.time()
        got.update(daemon.get(f"/v1/account/{user}/events", after=now["cursor"], wait=20))
        got["took"] = time.time() - begun
    t = threading.Thread(target=poll)
    t.start()
    time.sleep(0.5)
    assert not got
    dovecot.deliver(user, mail.plain(1))
    t.join(20)
    assert [e["event"] for e in got["events"]] == ["messageNew"]
    assert 0.4 < got["took"] < 10
    begun = time.time()
    assert daemon.get(f"/v1/account/{user}/events", after=got["cursor"], wait=1)["events"] == []
    assert time.time() - begun >= 1


def test_a_cursor_of_an_account_made_anew_shows_the_gap(daemon, dovecot, user):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    _, old, _ = drain(daemon, user)
    daemon.delete(f"/v1/account/{user}")
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    entries, _, gap = drain(daemon, user, after=old)
    assert gap and entries[0]["event"] == "accountAdded"


def test_an_export_is_one_object_a_line(daemon, dovecot, user):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    for n in range(40):
        dovecot.append(user, "INBOX", mail.plain(n))
    wait_for(daemon, user, 40)
    whole, _, _ = drain(daemon, user)

    def export(query=""):
        reply = daemon.request("GET", f"/v1/account/{user}/events/export{query}")
        assert reply.status == 200 and reply.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in reply.body.splitlines()]
    assert export() == whole
    assert export(f"?after={whole[5]['cursor']}") == whole[6:]
    ms = [int(e["entryId"].split("-")[0]) for e in whole]
    at = ms[20]
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000)) + f".{at % 1000:03}Z"
    assert export(f"?from={iso}") == [e for e, m in zip(whole, ms) if m >= at]
    assert export(f"?to={iso}") == [e for e, m in zip(whole, ms) if m < at]
    assert daemon.request("GET", f"/v1/account/{user}/events/export?to=x").status == 400


def test_changes_are_folded_into_ids(daemon, dovecot, user):
    for n in range(4):
        dovecot.append(user, "INBOX", mail.plain(n))
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    ids = {m["uid"]: m["id"] for m in daemon.messages(user)}
    path = f"/v1/account/{user}/changes"
    begin = daemon.get(path)
    assert begin["newState"] == begin["oldState"] and not begin["created"]
    dovecot.store(user, 1, "+FLAGS (\\Flagged)")   # updated
    dovecot.store(user, 2, "+FLAGS (\\Flagged)")   # updated, then destroyed
    for n in (5, 6):
        dovecot.deliver(user, mail.plain(n))       # created; the second one not for long
    wait_for(daemon, user, 2, "messageUpdated", begin["newState"])
    wait_for(daemon, user, 2, "messageNew", begin["newState"])
    dovecot.expunge(user, 2)
    dovecot.expunge(user, 6)
    dovecot.store(user, 5, "+FLAGS (\\Flagged)")   # created, and stays that
    wait_for(daemon, user, 2, "messageDeleted", begin["newState"])
    wait_for(daemon, user, 3, "messageUpdated", begin["newState"])
    ids.update({m["uid"]: m["id"] for m in daemon.messages(user)})
    all_at_once = daemon.get(path, since=begin["newState"])
    assert (all_at_once["created"], all_at_once["updated"], all_at_once["destroyed"]) == ([ids[5]], [ids[1]], [ids[2]])
    assert not all_at_once["hasMoreChanges"] and all_at_once["oldState"] == begin["newState"]
    assert daemon.get(path, since=all_at_once["newState"])["newState"] == all_at_once["newState"]
    # In pages, a client ends at the same state and with the same messages.
    have, state, pages = {ids[n] for n in (1, 2, 3, 4)}, begin["newState"], 0
    while True:
        page = daemon.get(path, since=state, limit=1)
        have = (have | set(page["created"])) - set(page["destroyed"])
        state, pages = page["newState"], pages + 1
        if not page["hasMoreChanges"]:
            break
    assert state == all_at_once["newState"] and pages > 2
    assert have == {m["id"] for m in daemon.messages(user)}
    daemon.delete(f"/v1/account/{user}")
    daemon.add_account(user, dovecot)
    reply = daemon.request("GET", f"{path}?since={state}")
    assert (reply.status, reply.json["code"]) == (409, "cannotCalculateChanges")
    assert daemon.request("GET", f"{path}?since=x").status == 400


def test_a_replay_delivers_again_with_the_same_ids(daemon, dovecot, consumer, user, new_user):
    other = new_user()
    for account in (user, other):
        daemon.add_account(account, dovecot)
        daemon.wait_state(account)
    path = "/v1/webhooks/routes/default/cursor"
    for n in range(3):
        dovecot.deliver(user, mail.plain(n))
        dovecot.deliver(other, mail.plain(n))
    for account in (user, other):
        consumer.wait("messageNew", account, count=3)
    whole = drain(daemon, user)[0]
    ids = [e["eventId"] for e in whole]

    def told(account=user):
        return [d.id for d in consumer.seen(account=account)]

    def forget():
        with consumer.lock:
            consumer.deliveries.clear()
    wait_until(lambda: told() == ids, 10, "all deliveries")
    forget()
    assert daemon.put(path, {"position": "start", "account": user}) == {
        "route": "default", "account": user, "accounts": 1}
    wait_until(lambda: len(told()) >= len(ids), 10, "the whole log again")
    assert told() == ids and told(other) == []
    forget()
    assert daemon.put(path, {"after": whole[-3]["cursor"], "account": user})["accounts"] == 1
    wait_until(lambda: len(told()) >= 2, 10, "the last two")
    forget()
    at = int(whole[2]["entryId"].split("-")[0])
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000)) + f".{at % 1000:03}Z"
    assert daemon.put(path, {"time": iso})["accounts"] == 2
    want = [e["eventId"] for e in whole if int(e["entryId"].split("-")[0]) >= at]
    wait_until(lambda: len(told()) >= len(want), 10, "what followed that time")
    assert told() == want

    def route():
        return daemon.get("/v1/webhooks/routes")["routes"][0]
    wait_until(lambda: route()["accountsBehind"] == 0, 10, "the other account's too")
    # A consumer that fails holds the log up; skipping to the end lets go of it.
    forget()
    consumer.answer = lambda delivery: 500
    dovecot.deliver(user, mail.plain(9))
    wait_until(lambda: consumer.seen("messageNew", user, accepted=False), 10, "a refused delivery")
    behind = route()
    assert (behind["id"], behind["enabled"], behind["accountsBehind"]) == ("default", True, 1)
    assert behind["oldestUndelivered"]
    daemon.put(path, {"position": "end"})
    wait_until(lambda: route()["accountsBehind"] == 0, 10, "nothing behind")
    consumer.answer = lambda delivery: 200
    forget()
    dovecot.deliver(user, mail.plain(10))
    assert consumer.wait("messageNew", user).data["subject"] == "Message 10"
    wait_until(lambda: route()["oldestUndelivered"] is None, 5, "all delivered")
    for body, status in (({}, 400), ({"position": "start", "after": "1-1"}, 400), ({"position": "middle"}, 400),
                         ({"after": "x", "account": user}, 400), ({"position": "end", "account": "nobody"}, 404)):
        assert daemon.request("PUT", path, body).status == status, body
    assert daemon.request("PUT", "/v1/webhooks/routes/nobody/cursor", {"position": "end"}).status == 404
    for wrong in ({"after": whole[-3]["cursor"]}, {"time": "2999-01-01T00:00:00Z"}, {"after": "99999999999999-0"}):
        assert daemon.request("PUT", path, wrong).status == 400, wrong


def test_a_reader_behind_the_limit_of_bytes_is_told_of_the_gap(make_daemon, redis, dovecot, user):
    dovecot.fill(user, mail.many(300, "gap"))
    d = make_daemon(redis.url, changelog_max_bytes=30000).start()
    d.add_account(user, dovecot)
    d.wait_state(user)
    begin = drain(d, user)[1]
    state = d.get(f"/v1/account/{user}/changes")["newState"]
    for change in "+-+":
        dovecot.store(user, list(range(1, 301)), change + "FLAGS (\\Flagged)")
        time.sleep(0.5)
    wait_until(lambda: drain(d, user, after=begin)[2], 20, "the gap")
    entries, cursor, gap = drain(d, user, after=begin)
    assert gap and entries
    assert drain(d, user, after=cursor)[2] is False
    assert drain(d, user)[2] is False  # who never read misses nothing
    assert d.request("GET", f"/v1/account/{user}/changes?since={state}").status == 409
    first = d.request("GET", f"/v1/account/{user}/events/export?after={begin}").body.splitlines()[0]
    assert json.loads(first) == {"gap": True}
    metrics = d.request("GET", "/metrics").body.decode()
    size = [line for line in metrics.splitlines() if line.startswith("postrider_log_bytes ")][0]
    assert 0 < int(size.split()[1]) < 40000
    assert 'postrider_route_entries_total{route="default",result="done"}' in metrics
