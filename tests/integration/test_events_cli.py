"""`postrider events …` beside a running daemon."""
import json
import threading

from rig import mail
from rig.process import wait_until
from test_events import drain, wait_for


def lines(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_tail_of_one_account_and_of_all(daemon, dovecot, new_user):
    a, b = new_user(), new_user()
    for user in (a, b):
        daemon.add_account(user, dovecot)
        daemon.wait_state(user)
        dovecot.deliver(user, mail.plain(1))
        wait_for(daemon, user, 1)
    whole = drain(daemon, a)[0]
    got = lines(daemon.cli("events", "tail", "--account", a, "--after", "start", "--count", str(len(whole))))
    assert got == whole
    got = lines(daemon.cli("events", "tail", "--account", a, "--after", whole[0]["entryId"], "--count", "1"))
    assert got == whole[1:2]
    everything = whole + drain(daemon, b)[0]
    got = lines(daemon.cli("events", "tail", "--after", "start", "--count", str(len(everything))))
    assert sorted(e["eventId"] for e in got) == sorted(e["eventId"] for e in everything)
    rest = lines(daemon.cli("events", "tail", "--after", got[0]["position"], "--count", str(len(got) - 1)))
    assert [e["eventId"] for e in rest] == [e["eventId"] for e in got[1:]]
    # From now on: what comes while it runs.
    timer = threading.Timer(2, lambda: dovecot.deliver(b, mail.plain(2)))
    timer.start()
    assert [e["account"] for e in lines(daemon.cli("events", "tail", "--count", "1"))] == [b]
    for wrong in (("--count", "x"), ("--what",), ("--after",)):
        assert daemon.cli("events", "tail", *wrong).returncode == 2
    assert daemon.cli("events", "tail", "--account", "nobody").returncode == 1
    assert daemon.cli("events", "tail", "--after", "nonsense").returncode == 1


def test_replay_and_routes(daemon, dovecot, consumer, user):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)
    dovecot.deliver(user, mail.plain(1))
    wait_for(daemon, user, 1)
    ids = [e["eventId"] for e in drain(daemon, user)[0]]
    wait_until(lambda: [d.id for d in consumer.seen(account=user)] == ids, 10, "all delivered")
    wait_until(lambda: lines(daemon.cli("events", "routes")) == [
        {"route": "default", "accountsBehind": 0, "oldestUndelivered": None}], 10, "nothing behind")
    done = daemon.cli("events", "replay", "--from", "start", "--account", user)
    assert (done.returncode, done.stdout) == (0, "1 accounts moved\n"), done.stderr
    wait_until(lambda: [d.id for d in consumer.seen(account=user)] == ids + ids, 10, "all again")
    consumer.answer = lambda delivery: 500
    assert daemon.cli("events", "replay", "--from", "2020-01-01T00:00:00Z").returncode == 0
    wait_until(lambda: lines(daemon.cli("events", "routes"))[0]["accountsBehind"] == 1, 10, "one behind")
    assert lines(daemon.cli("events", "routes"))[0]["oldestUndelivered"]
    assert daemon.cli("events", "replay", "--from", "end").returncode == 0
    wait_until(lambda: lines(daemon.cli("events", "routes"))[0]["accountsBehind"] == 0, 10, "skipped")
    for args, status in (((), 2), (("--from", "nonsense"), 1), (("--from", "end", "--account", "nobody"), 1)):
        assert daemon.cli("events", "replay", *args).returncode == status
    assert "--from PLACE" in daemon.cli("help", "events", "replay").stdout
