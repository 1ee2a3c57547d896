"""Suite churn: does memory stay flat while mail comes and goes, connections break, accounts are
deleted and made again, clients read, and everything is told by webhook?"""
import contextlib
import http.client
import imaplib
import random
import smtplib
import statistics
import threading
import time

from report import message, resident_kib, say, table

START_MESSAGES = 20
CUT_EVERY_S = 5
RENEW_EVERY_S = 20
SEND_S = 20    # for one command of ours
LISTEN_S = 30  # to the stream of events, then again
RENEWED = [f"renewed{i}" for i in range(5)]
READS = ("/v1/account/{0}", "/v1/account/{0}/mailboxes", "/v1/account/{0}/messages?path=INBOX&pageSize=20",
         "/v1/account/{0}/messages?path=INBOX&pageSize=5&page=2", "/v1/account/{0}/diagnose", "/v1/account/{0}/events?limit=50",
         "/v1/account/{0}/changes", "/v1/accounts?pageSize=50", "/v1/webhooks/routes", "/metrics", "/health")


class Counts:
    """What was done; the threads share it."""

    def __init__(self):
        self.lock, self.done = threading.Lock(), {}

    def add(self, name):
        with self.lock:
            self.done[name] = self.done.get(name, 0) + 1


class Mailboxes:
    """Delivers, flags and deletes, so that each INBOX keeps about its size."""

    def __init__(self, w, users, counts):
        self.w, self.users, self.counts, self.r = w, users, counts, random.Random(1)
        self.sizes = dict.fromkeys(users, START_MESSAGES)
        self.clients, self.lmtp, self.number = {}, None, 0

    def close(self):
        for c in [*self.clients.values(), *([self.lmtp.sock] if self.lmtp else [])]:
            with contextlib.suppress(OSError):
                c.shutdown() if hasattr(c, "select") else c.close()

    def client(self, user):
        if user not in self.clients:
            self.clients[user] = self.w.dovecot.client(user)
            self.clients[user].select("INBOX")
        return self.clients[user]

    def step(self):
        user = self.r.choice(self.users)
        try:
            self.change(user, self.r.random())
        except (imaplib.IMAP4.abort, smtplib.SMTPException, OSError):
            # Dovecot ends a connection of ours now and then.
            self.clients.pop(user, None)
            self.lmtp = None
            self.counts.add("own connections lost")

    def change(self, user, choice):
        size = self.sizes[user]
        if size < START_MESSAGES // 2 or (choice < 0.4 and size < START_MESSAGES * 2):
            self.deliver(user)
            return
        c = self.client(user)
        c.noop()
        number = str(self.r.randrange(1, size + 1))
        if choice < 0.7:
            c.store(number, self.r.choice("+-") + "FLAGS.SILENT", self.r.choice(("(\\Seen)", "(\\Flagged $Churn)")))
            self.counts.add("flag changes")
        else:
            c.store(number, "+FLAGS.SILENT", "(\\Deleted)")
            c.expunge()
            self.sizes[user] -= 1
            self.counts.add("deletions")

    def deliver(self, user):
        if self.lmtp is None:
            self.lmtp = smtplib.LMTP(self.w.host, self.w.dovecot.lmtp, timeout=SEND_S)
        self.number += 1
        data = message(self.number, f"<churn-{self.number}@bench.example.com>")
        self.lmtp.sendmail("sender@example.com", [f"{user}@example.com"], data, mail_options=[])
        self.sizes[user] += 1
        self.counts.add("deliveries")


class Work:
    """A thread that repeats one thing at a pace until the end. What fails ends the suite."""

    def __init__(self, pause_s, act):
        self.pause_s, self.act, self.failure, self.stopping = pause_s, act, None, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        due = time.monotonic()
        try:
            while not self.stopping.wait(max(0, due - time.monotonic())):
                self.act()
                due = max(due + self.pause_s, time.monotonic() - 1)
        except Exception as e:  # told by the main thread
            self.failure = e

    def stop(self):
        self.stopping.set()
        self.thread.join(SEND_S)


class Reader:
    """Asks the API for this and that, content of messages too."""

    def __init__(self, w, users, counts):
        self.w, self.users, self.counts, self.r = w, users, counts, random.Random(2)

    def step(self):
        user = self.r.choice(self.users)
        if self.r.random() < 0.3:
            listing = self.w.daemon.request("GET", f"/v1/account/{user}/messages?path=INBOX")
            if listing.status != 200 or not listing.json["messages"]:
                return
            path = f"/v1/account/{user}/message/{self.r.choice(listing.json['messages'])['id']}"
            path += self.r.choice(("", "?textType=*", "/source"))
        else:
            path = self.r.choice(READS).format(user)
        reply = self.w.daemon.request("GET", path)
        # A message may have gone meanwhile, and a connection may just be broken.
        if reply.status not in (200, 404, 502, 503, 504):
            raise RuntimeError(f"GET {path}: {reply}")
        self.counts.add(f"answers {reply.status}")


def renew(w, users, port, counts):
    """One account after another is deleted and made again."""
    spare = iter(range(1 << 30))

    def act():
        user = users[next(spare) % len(users)]
        w.daemon.delete(f"/v1/account/{user}")
        w.daemon.add_account(user, w.dovecot, port=port)
        counts.add("accounts renewed")
    return act


def hooks_counted(w, counts):
    """The consumer shall count, not collect: its own memory must stay small too."""
    def answer(delivery):
        counts.add("webhooks")
        if len(w.consumer.deliveries) > 10000:
            with w.consumer.lock:
                del w.consumer.deliveries[:-1000]
        return 200
    w.consumer.answer = answer


def slope(samples):
    """KiB an hour: least squares over (seconds, KiB)."""
    if len(samples) < 2:
        return None
    mean_t = statistics.fmean(t for t, _ in samples)
    mean_k = statistics.fmean(k for _, k in samples)
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return sum((t - mean_t) * (k - mean_k) for t, k in samples) / spread * 3600


def sample(w, works, minutes, counts):
    """(seconds, KiB) each minute."""
    begin, samples = time.monotonic(), []
    for i in range(1, minutes + 1):
        while time.monotonic() < begin + i * 60:
            time.sleep(0.5)
            for work in works:
                if work.failure is not None:
                    raise RuntimeError(f"after {i} minutes: {work.failure!r}")
            if not w.daemon.process.running():
                raise RuntimeError("the daemon ended:\n" + w.daemon.log()[-4000:])
        samples.append((time.monotonic() - begin, resident_kib(w.daemon.process.pid)))
        say(f"churn: {samples[-1][1]} KiB after {i} minutes; {counts.done}")
    return samples


def listen(w, counts):
    """A client of the stream of all events that comes back every half minute."""
    def act():
        c = http.client.HTTPConnection(w.host, w.daemon.port, timeout=LISTEN_S)
        try:
            c.request("GET", "/v1/events", headers={"Authorization": f"Bearer {w.daemon.token}"})
            answer, end = c.getresponse(), time.monotonic() + LISTEN_S
            while time.monotonic() < end and (line := answer.readline()):
                if line.startswith(b"data:"):
                    counts.add("streamed events")
        finally:
            c.close()
    return act


def start(w, users, relay, counts):
    """The work of all threads; it ends with the suite."""
    boxes = Mailboxes(w, users, counts)

    def cut():
        if relay.cut():
            counts.add("connections cut")
    works = [Work(1 / w.options.rate, boxes.step), Work(0.2, Reader(w, users, counts).step), Work(CUT_EVERY_S, cut),
             Work(1, listen(w, counts)), Work(RENEW_EVERY_S, renew(w, RENEWED, relay.port, counts))]
    w.stack.callback(boxes.close)
    for work in works:
        w.stack.callback(work.stop)
    return works


def suite(w, relay):
    minutes, users, counts = w.options.minutes, [f"churn{i}" for i in range(w.options.accounts)], Counts()
    w.start_dovecot()
    say(f"writing {len(users)} mailboxes")
    for user in (*users, *RENEWED):
        w.dovecot.fill(user, (message(n) for n in range(START_MESSAGES)))
    w.start_daemon()
    hooks_counted(w, counts)
    relay = relay(w.dovecot.imaps)
    w.stack.callback(relay.close)
    for user in (*users, *RENEWED):
        w.daemon.add_account(user, w.dovecot, port=relay.port)
    w.wait_connected(len(users) + len(RENEWED))
    time.sleep(w.options.settle)
    begin, works = resident_kib(w.daemon.process.pid), start(w, users, relay, counts)
    samples = sample(w, works, minutes, counts)
    for work in works:
        work.stop()
    # What grows while caches fill is no leak.
    warm = samples[max(1, minutes // 6):]
    sizes = [k for _, k in warm]
    out = {"accounts": len(users), "minutes": minutes, "idle_kib": begin, "samples_kib": [k for _, k in samples],
           "first_kib": sizes[0], "last_kib": sizes[-1], "min_kib": min(sizes), "max_kib": max(sizes),
           "kib_per_hour": slope(warm), "done": counts.done}
    table(f"Memory during {minutes} minutes of churn, {len(users)} accounts over TLS",
          ("RSS KiB at rest before", "after warming up", "at the end", "least", "most", "KiB/hour"),
          [(begin, sizes[0], sizes[-1], min(sizes), max(sizes), out["kib_per_hour"])])
    print("\nDone meanwhile: " + ", ".join(f"{n} {name}" for name, n in sorted(counts.done.items())) + ".")
    return out
