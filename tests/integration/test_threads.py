"""Threads of a server that tells none: found by what messages say of each other."""
from rig import mail
from rig.process import wait_until


def letter(n, refs=(), parent=None, subject=None, message_id=None):
    headers = {}
    if refs:
        headers["References"] = " ".join(f"<t{r}@example.com>" for r in refs)
    if parent is not None:
        headers["In_Reply_To"] = f"<t{parent}@example.com>"
    return mail.plain(n, subject=subject, message_id=message_id or f"<t{n}@example.com>", **headers)


def start(daemon, dovecot, user):
    daemon.add_account(user, dovecot)
    daemon.wait_state(user)


def threads(daemon, user, path="INBOX"):
    return {m["messageId"]: m.get("threadId") for m in daemon.messages(user, path)}


def test_new_mail_gets_the_thread_of_what_it_answers(daemon, dovecot, consumer, user):
    start(daemon, dovecot, user)
    dovecot.deliver(user, letter(1, subject="Plan"))
    first = consumer.wait("messageNew", user, messageId="<t1@example.com>").data
    dovecot.deliver(user, letter(2, refs=(1,), parent=1, subject="Something else"))
    answer = consumer.wait("messageNew", user, messageId="<t2@example.com>").data
    dovecot.deliver(user, letter(3, subject="Plan"))
    other = consumer.wait("messageNew", user, messageId="<t3@example.com>").data
    assert len(first["threadId"]) == 8
    assert answer["threadId"] == first["threadId"]
    assert other["threadId"] != first["threadId"], "the subject does not count"
    listed = threads(daemon, user)
    assert listed["<t2@example.com>"] == listed["<t1@example.com>"] == first["threadId"]
    full = daemon.get(f"/v1/account/{user}/message/{answer['id']}")
    assert full["threadId"] == first["threadId"]


def test_a_missing_message_joins_those_that_name_it(daemon, dovecot, consumer, user):
    start(daemon, dovecot, user)
    dovecot.deliver(user, letter(11, parent=10))
    consumer.wait("messageNew", user, messageId="<t11@example.com>")
    dovecot.deliver(user, letter(12, refs=(10,)))
    consumer.wait("messageNew", user, messageId="<t12@example.com>")
    found = threads(daemon, user)
    assert found["<t11@example.com>"] == found["<t12@example.com>"]


def test_older_mail_is_put_into_threads_across_mailboxes(daemon, dovecot, consumer, user):
    dovecot.fill(user, [letter(20), letter(22, refs=(20, 21), parent=21), letter(30)])
    dovecot.fill(user, [letter(21, refs=(20,), parent=20), letter(23, refs=(21, 22))], mailbox="Archive")
    start(daemon, dovecot, user)

    def joined():
        found = threads(daemon, user) | threads(daemon, user, "Archive")
        same = {found[f"<t{n}@example.com>"] for n in (20, 21, 22, 23)}
        return len(same) == 1 and None not in same and found["<t30@example.com>"] not in same
    wait_until(joined, 40, "the threads of older mail")
    before = threads(daemon, user)
    assert daemon.stop() == 0
    daemon.restart()
    daemon.wait_state(user)
    wait_until(lambda: threads(daemon, user) == before, 20, "the same threads after a restart")


def test_rows_that_are_kept_follow_their_threads(daemon, dovecot, consumer, user):
    start(daemon, dovecot, user)
    for n in (50, 51):
        dovecot.deliver(user, letter(n))
        consumer.wait("messageNew", user, messageId=f"<t{n}@example.com>")
    apart = threads(daemon, user)
    assert threads(daemon, user) == apart and len(set(apart.values())) == 2
    dovecot.deliver(user, letter(52, refs=(50, 51)))
    answer = consumer.wait("messageNew", user, messageId="<t52@example.com>").data
    assert set(threads(daemon, user).values()) == {answer["threadId"]}
    for row in daemon.messages(user):
        assert daemon.get(f"/v1/account/{user}/message/{row['id']}")["threadId"] == answer["threadId"]


def test_no_message_id_lies_in_redis_in_the_clear(daemon, dovecot, consumer, redis, user):
    start(daemon, dovecot, user)
    dovecot.deliver(user, letter(41, refs=(40,), message_id="<unmistakable-id@example.com>"))
    consumer.wait("messageNew", user, messageId="<unmistakable-id@example.com>")
    client = redis.client()
    stored = client.dump()
    client.close()
    assert any(b":th:" in item for item in stored), "the account has a map"
    assert not mail.readable(stored, {"own": "unmistakable-id", "reference": "t40@example"})
