"""GET /v1/events: every event once, in order, also over restarts; each token its own."""
import os
import random
import shutil
import threading
import time

from rig import mail
from rig.process import wait_until
from rig.sse import Sse


def two_accounts(daemon, dovecot, new_user):
    users = [new_user(), new_user()]
    for user in users:
        daemon.add_account(user, dovecot)
    for user in users:
        daemon.wait_state(user)
    return users


def test_all_accounts_in_one_stream(daemon, dovecot, new_user, consumer):
    stream = Sse(daemon, "/v1/events").ready()
    a, b = two_accounts(daemon, dovecot, new_user)
    for n in range(3):
        dovecot.deliver(a, mail.plain(n))
        dovecot.deliver(b, mail.plain(n))
    news = stream.wait(6, "messageNew")
    assert sorted(e.data["account"] for e in news) == sorted([a, b] * 3)
    assert [e.data["event"] for e in news] == ["messageNew"] * 6
    # The first event of an account is its creation; ids are those of the webhooks.
    for user in (a, b):
        mine = [e for e in stream.events if e.data["account"] == user]
        assert mine[0].name == "accountAdded"
        assert [e.data["entryId"] for e in mine] == sorted((e.data["entryId"] for e in mine),
                                                           key=lambda i: [int(x) for x in i.split("-")])
        told = consumer.wait("messageNew", user, count=3)
        assert told.id in {e.data["eventId"] for e in mine}
    # Every id continues right behind its event.
    for at in (0, len(stream.events) // 2):
        again = Sse(daemon, "/v1/events", last_id=stream.events[at].id).ready()
        want = [e.data["eventId"] for e in stream.events[at + 1:]]
        again.wait(len(want))
        assert sorted(e.data["eventId"] for e in again.events) == sorted(want)
        again.close()
    stream.close()


def test_filters_and_tokens(daemon, dovecot, new_user):
    a, b = two_accounts(daemon, dovecot, new_user)
    bound = daemon.issue_token("--account", a)
    streams = {
        "bound": Sse(daemon, "/v1/events", token=bound).ready(),
        "account": Sse(daemon, f"/v1/events?account={b}").ready(),
        "types": Sse(daemon, "/v1/events?events=messageDeleted,messageUpdated").ready(),
    }
    for user in (a, b):
        dovecot.deliver(user, mail.plain(1))
    streams["bound"].wait(1, "messageNew")
    streams["account"].wait(1, "messageNew")
    for user in (a, b):
        dovecot.store(user, 1, "+FLAGS (\\Flagged)")
    streams["types"].wait(2, "messageUpdated")
    streams["bound"].wait(1, "messageUpdated")
    streams["account"].wait(1, "messageUpdated")
    assert {e.data["account"] for e in streams["bound"].events} == {a}
    assert {e.data["account"] for e in streams["account"].events} == {b}
    assert {e.name for e in streams["types"].events} == {"messageUpdated"}
    for path, token, status in ((f"/v1/events?account={b}", bound, 403), ("/v1/events?account=nobody", None, 404),
                                ("/v1/events?events=nonsense", None, 400), ("/v1/changes", bound, 403)):
        assert Sse(daemon, path, token=token).status == status, path
    assert Sse(daemon, "/v1/events", last_id="nonsense").status == 400
    assert Sse(daemon, "/v1/events", token="0" * 64).status == 401
    for s in streams.values():
        s.close()


def test_streams_of_a_token_are_capped(make_daemon, redis):
    d = make_daemon(redis.url, http_token_streams=3).start()
    other = d.issue_token()
    open_streams = [Sse(d, "/v1/events").ready() for _ in range(3)]
    refused = d.request("GET", "/v1/events")
    assert refused.status == 429 and int(refused.headers["retry-after"]) > 0
    assert Sse(d, "/v1/events", token=other).ready().status == 200
    open_streams[0].close()
    wait_until(lambda: Sse(d, "/v1/events").status == 200, 10, "a free place")


def test_a_stop_ends_the_streams(make_daemon, redis):
    d = make_daemon(redis.url).start()
    stream = Sse(d, "/v1/events").ready()
    begun = time.time()
    assert d.stop() == 0
    assert time.time() - begun < 5
    assert stream.ended.wait(5)


def test_resumes_over_kills_without_gap_or_repeat(make_daemon, redis, dovecot, new_user):
    d = make_daemon(redis.url).start()
    a, b = two_accounts(d, dovecot, new_user)
    stream = Sse(d, "/v1/events?events=messageNew").ready()
    count, seen, deaths = 60, [], 5

    def change():
        for n in range(count):
            dovecot.deliver((a, b)[n % 2], mail.plain(n))
            time.sleep(0.03)
    changer = threading.Thread(target=change)
    changer.start()
    rng = random.Random(7)
    for _ in range(deaths):
        time.sleep(rng.uniform(0.2, 0.6))
        d.kill()
        assert stream.ended.wait(5)
        seen += stream.events
        d.restart()
        stream = Sse(d, "/v1/events?events=messageNew", last_id=stream.last_id).ready()
    changer.join()
    wait_until(lambda: len(seen) + len(stream.events) >= count, 30, "all events")
    time.sleep(0.5)
    seen += stream.events
    for user in (a, b):
        uids = [e.data["data"]["uid"] for e in seen if e.data["account"] == user]
        assert uids == list(range(1, count // 2 + 1)), user
    assert not [e for e in seen if e.name == "gap"]
    stream.close()


def test_another_node_hears_of_them_too(make_daemon, redis, dovecot, new_user):
    owner = make_daemon(redis.url).start()
    other = make_daemon(redis.url)
    shutil.copy(os.path.join(owner.settings["data_dir"], "secret.key"), other.settings["data_dir"])
    other.start()
    stream = Sse(other, "/v1/events").ready()
    user = new_user()
    owner.add_account(user, dovecot)  # the other node does not know it yet
    owner.wait_state(user)
    dovecot.deliver(user, mail.plain(1))
    assert stream.wait(1, "messageNew")[0].data["account"] == user
    assert stream.events[0].name == "accountAdded"
    now = other.get(f"/v1/account/{user}/events", after="now")["cursor"]
    threading.Timer(0.5, lambda: dovecot.deliver(user, mail.plain(2))).start()
    assert [e["event"] for e in other.get(f"/v1/account/{user}/events", after=now, wait=15)["events"]] == ["messageNew"]
    stream.close()


def test_states_of_accounts(daemon, dovecot, new_user):
    stream = Sse(daemon, "/v1/changes")
    assert stream.reply.headers["Content-Type"] == "text/event-stream"
    good, bad = new_user(), new_user()
    daemon.add_account(good, dovecot)
    daemon.wait_state(good)
    wait_until(lambda: [e for e in stream.events if e.data["key"] == "connected"], 10, "connected")
    assert all((e.name, e.data["type"], e.data["account"]) == ("message", "state", good) for e in stream.events)
    assert [e.data["key"] for e in stream.events][0] == "connecting"
    daemon.add_account(bad, dovecot, password="wrong")
    failed = wait_until(lambda: [e for e in stream.events if e.data["key"] == "authenticationError"], 20, "failure")[0]
    assert failed.data["account"] == bad and failed.data["payload"]["error"]["response"]
    stream.close()
