"""Nothing a person would recognise is readable in Redis, in logs or in answers."""
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
    for what, secret in SECRETS.items():
        forms = mail.encoded(secret)
        for form in forms:
            found = [s for s in stored if form in s or form in s.lower()]
            assert not found, f"{what} is readable in Redis: {found[0][:200]!r}"
    assert not any(d.token.encode() in s for s in stored), "tokens are stored as hashes"
    consumer.answer = lambda delivery: 200


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
