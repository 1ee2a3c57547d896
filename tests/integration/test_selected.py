"""Connections that have a mailbox selected from before are asked for news before they are used."""
import os
import signal
import subprocess
import threading

from rig import mail
from rig.process import wait_until

SLOW = {"sync_poll_interval_s": 3600}


def at_once(count, work):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def test_every_connection_lists_a_message_that_arrived_meanwhile(make_daemon, redis, dovecot, user):
    count = 900  # so many that listings overlap and each opens a connection
    dovecot.fill(user, mail.many(count), "Work")
    d = make_daemon(redis.url).start()
    d.add_account(user, dovecot)
    d.wait_state(user)
    pages = []

    def look():
        pages.append(d.page(user, "Work", size=1000))
    at_once(6, look)
    dovecot.append(user, "Work", mail.plain(9))
    wait_until(lambda: {m["path"]: m for m in d.get(f"/v1/account/{user}/mailboxes")["mailboxes"]}["Work"]["messages"]
               == count + 1, 15, "one more message")
    pages.clear()
    at_once(6, look)
    assert [len(p["messages"]) for p in pages] == [count + 1] * 6


def test_old_id_changes_nothing_under_another_uidvalidity(make_daemon, redis, dovecot, user):
    for n in range(3):
        dovecot.append(user, "Archive", mail.plain(n))
    d = make_daemon(redis.url, **SLOW).start()
    d.add_account(user, dovecot)
    d.wait_state(user)
    old = d.messages(user, "Archive")
    d.process.child.send_signal(signal.SIGSTOP)
    subprocess.run(["doveadm", "-c", os.path.join(dovecot.dir, "dovecot.conf"), "mailbox", "update", "-u", user,
                    "--uid-validity", "77", "Archive"], check=True, capture_output=True)
    d.process.child.send_signal(signal.SIGCONT)
    path = f"/v1/account/{user}/message/{old[0]['id']}"
    replies = [d.request("PUT", path, {"flags": {"add": ["\\Flagged"]}}), d.request("DELETE", path, None),
               d.request("GET", path)]
    assert all(r.status in (404, 502, 503) for r in replies), replies
    assert dovecot.uids(user, "Archive", "FLAGGED") == []
    assert len(dovecot.uids(user, "Archive")) == 3
