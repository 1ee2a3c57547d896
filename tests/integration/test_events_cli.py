"""`postrider events …` beside a running daemon."""
import json
import os
import subprocess
import threading

from rig import mail
from rig.daemon import BINARY
from rig.process import free_port, wait_until
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
    whole = drain(daemon, user)[0]
    for args, says in (
            (("--from", "start", "--route", "nowhere"), "no route nowhere"),
            (("--from", whole[0]["cursor"]), "a cursor is of one account"),
            (("--from", "2999-01-01T00:00:00Z"), "future"),
            (("--from", "99999999999999-0"), "future"),
            (("--from", "2026-13-01"), "a time such as")):
        done = daemon.cli("events", "replay", *args)
        assert (done.returncode, done.stdout) == (1, "") and says in done.stderr, done
    assert lines(daemon.cli("events", "routes"))[0]["accountsBehind"] == 0, "a mistake moved a cursor"
    assert "--from PLACE" in daemon.cli("help", "events", "replay").stdout


def test_mistakes_are_named(daemon, dovecot, user, new_user, make_daemon):
    other = new_user()
    for name in (user, other):
        daemon.add_account(name, dovecot)
        daemon.wait_state(name)
    cursor = drain(daemon, other)[0][0]["cursor"]
    for args, says in (
            (("tail", "--account", "nobody"), "there is no account nobody"),
            (("tail", "--account", user, "--after", cursor), "not of this account"),
            (("tail", "--account", user, "--after", "nonsense"), "--after: not a cursor"),
            (("tail", "--after", cursor), "start or the `position`"),
            (("requeue", "--entry", "1-1"), "no such dead letter"),
            (("letters", "--account", "nobody"), "there is no account nobody"),
            (("requeue", "--account", "nobody"), "there is no account nobody"),
            (("drop", "--account", "nobody"), "there is no account nobody")):
        done = daemon.cli("events", *args)
        assert (done.returncode, done.stdout) == (1, "") and says in done.stderr, (args, done)
        assert done.stderr.count("\n") <= 2, "more than the mistake and that Redis keeps nothing"
    # Whoever reads what tail prints may leave.
    first = subprocess.run(f"{BINARY} events tail --after start | head -n 1", shell=True, timeout=30,
                           env={**os.environ, **daemon.env}, capture_output=True)
    assert json.loads(first.stdout)["event"] == "accountAdded"
    away = make_daemon(f"redis://127.0.0.1:{free_port()}/0")
    done = daemon.cli("events", "tial")
    assert done.returncode == 2 and "postrider events tail" in done.stderr, done
    done = away.cli("events", "tail")
    assert (done.returncode, done.stdout) == (1, "") and "postrider: Redis: " in done.stderr, done
