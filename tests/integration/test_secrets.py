"""Nothing a person would recognise is readable in Redis, in logs or in answers."""
import base64

from rig import mail
from rig.dovecot import PASSWORD

ACCOUNT = "recognisable-account"
SECRETS = {
    "account id": ACCOUNT,
    "user": "private.person",
    "name": "Owner of private.person",
    "email": "private.person@example.com",
    "password": PASSWORD,
    "mailbox": "Divorce Papers",
    "subject": "Salary negotiations",
    "text": "the quarterly figures",
    "sender": "whistle.blower@example.org",
    "message id": "very-unique-4711@example.org",
    "keyword": "VerySecretLabel",
    "file": "diagnosis.pdf",
    "webhook path": "private-hook-4711",
    "service secret": "hush hush hush hush",
    "custom header": "header-with-a-password",
    "mail host": "localhost",
}


def test_redis_holds_nothing_readable(make_daemon, redis, dovecot, consumer):
    d = make_daemon(redis.url, log_level="info").start()
    d.hooks(f"{consumer.url}/private-hook-4711", serviceSecret=SECRETS["service secret"],
            webhooksCustomHeaders=[{"key": "X-Mine", "value": SECRETS["custom header"]}])
    user = SECRETS["user"]
    with dovecot.client(user) as c:
        c.create('"Divorce Papers"')
    d.add_account(ACCOUNT, dovecot, user=user, email=SECRETS["email"])
    d.wait_state(ACCOUNT)
    message = mail.rich(message_id=f"<{SECRETS['message id']}>",
                        attachments=[(SECRETS["file"], "application/pdf", b"%PDF")])
    message = message.replace(b"\r\n", b"\r\nX-Sender: whistle.blower@example.org\r\n", 1)
    dovecot.append(user, '"Divorce Papers"', message, f"({SECRETS['keyword']})")
    dovecot.deliver(user, mail.plain(1, subject=SECRETS["subject"], text=SECRETS["text"] + "\r\n"))
    consumer.wait("messageNew", ACCOUNT, count=2)
    row = d.messages(ACCOUNT)[0]
    d.put(f"/v1/account/{ACCOUNT}/message/{row['id']}", {"flags": {"add": [SECRETS["keyword"]]}})
    consumer.wait("messageUpdated", ACCOUNT)
    # Something that stays undelivered, so that the log holds it.
    consumer.answer = lambda delivery: 500
    dovecot.deliver(user, mail.plain(2, subject=SECRETS["subject"]))
    client = redis.client()
    stored = client.dump()
    client.close()
    assert len(stored) > 20
    found = mail.readable(stored, SECRETS)
    assert not found, f"{found[0]} is readable in Redis: {found[1][:200]!r}"
    assert not any(d.token.encode() in s for s in stored), "tokens are stored as hashes"
    consumer.answer = lambda delivery: 200


def test_the_search_finds_what_is_planted(redis):
    secret = SECRETS["user"]
    client = redis.client()
    try:
        assert not mail.readable(client.dump(), {"user": secret})
        within = f"..{secret}..."
        plants = [("SET", "planted", within), ("SET", "planted", "x" * 5000 + within + "x" * 5000),
                  ("SET", f"planted:{secret}", "1"), ("HSET", "planted", "field", within),
                  ("HSET", "planted", within, "1"), ("SADD", "planted", within), ("RPUSH", "planted", within),
                  ("ZADD", "planted", "1", within), ("XADD", "planted", "*", "d", within),
                  ("SET", "planted", within.upper()), ("SET", "planted", within.encode("utf-16-le")),
                  ("SET", "planted", within.encode("utf-16-be")), ("SET", "planted", within.encode().hex()),
                  ("SET", "planted", within.encode("utf-16-le").hex().upper())]
        plants += [("SET", "planted", base64.b64encode(b"." * n + secret.encode() + b"...")) for n in range(3)]
        for plant in plants:
            client(*plant)
            assert mail.readable(client.dump(), {"user": secret}), plant
            client("DEL", plant[1])
        client("SET", "planted", within)
        assert any(secret.encode() in s for s in [client("DUMP", "planted")])
        client("DEL", "planted")
    finally:
        client.close()


def test_logs_hold_no_addresses_subjects_or_secrets(make_daemon, redis, dovecot, consumer):
    d = make_daemon(redis.url, log_level="info").start()
    d.hooks(consumer.url, serviceSecret=SECRETS["service secret"])
    user = "logged.person"
    d.add_account("logged", dovecot, user=user)
    d.wait_state("logged")
    d.add_account("refused", dovecot, user=user, password="not-the-password")
    d.wait_state("refused", "authenticationError")
    dovecot.deliver(user, mail.plain(1, subject=SECRETS["subject"], text=SECRETS["text"] + "\r\n"))
    consumer.wait("messageNew", "logged")
    d.stop()
    log = d.log()
    for secret in (PASSWORD, "not-the-password", user, f"{user}@example.com", SECRETS["subject"], SECRETS["text"],
                   SECRETS["service secret"], "ann@example.com", d.token):
        assert secret not in log, secret


def test_answers_mask_stored_secrets(shared):
    shared.post("/v1/settings", {"serviceSecret": SECRETS["service secret"]})
    shown = shared.request("GET", "/v1/settings?serviceSecret=true&webhooks=true")
    assert shown.status in (200, 400)
    reply = shared.request("GET", "/v1/tokens")
    assert shared.token.encode() not in reply.body
