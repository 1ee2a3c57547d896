"""Suite wire: what quiet, a flag and a deletion cost in bytes and round trips, on servers that offer
more and less."""
import os
import time

from report import message, say, table

LEAST = "IMAP4rev1 LITERAL+ IDLE ENABLE UIDPLUS MOVE NAMESPACE CHILDREN SPECIAL-USE LIST-EXTENDED LIST-STATUS ESEARCH"
OFFERS = {"everything": None, "no QRESYNC, no NOTIFY": LEAST + " CONDSTORE", "nor CONDSTORE": LEAST}
BOXES = ("Drafts", "Sent", "Trash", "Junk", "Archive")  # and INBOX
USER = "wire"
NEWEST = 200  # whose flags are looked at without CONDSTORE
QUIET_S = 1.5
WAIT_S = 60
HEADS = (b"* LIST ", b"* STATUS ")


def flights_after_login(tap, first):
    """Of the connections from the first on: (from the client?, bytes) each. The first two belong to the
    session: ID, NAMESPACE, ENABLE."""
    return [(client, data) for c in tap.connections[first:] for client, data, _ in c.after_login()]


def size_of(flights):
    return sum(len(data) for _, data in flights)


def size_of_listing(flights):
    return sum(len(line) + 1 for client, data in flights if not client for line in data.split(b"\n") if line.startswith(HEADS))


def rest_of(flights):
    return size_of(flights[2:]) - size_of_listing(flights)


class Run:
    """One account on one server, seen through a proxy that writes everything down."""

    def __init__(self, w, rig, name, offer, size):
        self.w, self.size, self.gone = w, size, 0
        more = f"imap_capability = {offer}\nprotocol imap {{\n  imap_capability = {offer}\n}}\n" if offer else ""
        self.server = rig.Dovecot(os.path.join(w.dir, f"wire{len(os.listdir(w.dir))}"), w.authority, tls=False, more=more)
        w.stack.callback(self.server.stop)
        self.server.start()
        say(f"wire: {size} messages on a server with {name}")
        self.server.fill(USER, (message(i) for i in range(size)))
        for box in BOXES:
            self.server.fill(USER, (message(n) for n in range(2)), mailbox=box)
        self.tap = rig.Tap(self.server.imap)
        w.daemon.add_account(USER, self.server, host=w.host, port=self.tap.port, secure=False)
        self.connected()

    def close(self):
        self.w.daemon.delete(f"/v1/account/{USER}")

    def connected(self):
        self.w.daemon.wait_state(USER, seconds=300)
        self.quiet()

    def total(self):
        return sum(len(f[1]) for c in self.tap.connections for f in list(c.flights))

    def quiet(self):
        """Until nothing has passed for a while."""
        before = -1
        while before != (before := self.total()):
            time.sleep(QUIET_S)

    def come_back(self, meanwhile=None):
        """The flights of a start that follows what happened meanwhile."""
        w, first = self.w, len(self.tap.connections)
        w.daemon.stop()
        if meanwhile:
            meanwhile()
        w.daemon.start()
        self.connected()
        return flights_after_login(self.tap, first)

    def flag(self):
        self.server.store(USER, [self.size], "+FLAGS ($Wire)" if self.gone == 0 else "-FLAGS ($Wire)")

    def delete(self):
        self.gone += 1
        self.server.expunge(USER, [self.size // 2 + self.gone])

    def live(self, change, event):
        """Bytes from a change to its webhook, with what follows it at once."""
        count, before = len(self.w.consumer.seen(event)), self.total()
        change()
        self.w.consumer.wait(event, seconds=WAIT_S, count=count + 1)
        self.quiet()
        return self.total() - before

    def read_most(self):
        """Of the newest, where every second was unread, one in twenty is left so."""
        newest = range(max(self.size - NEWEST, 0) + 1, self.size)
        self.server.store(USER, [uid for uid in newest if uid % 2 == 1 and uid % 20 != 1], "+FLAGS (\\Seen)")

    def measure(self):
        mixed = self.come_back()
        self.come_back(self.read_most)
        quiet = self.come_back()
        out = {"trips": sum(1 for client, _ in mixed if client), "listing_each": size_of_listing(mixed) / (1 + len(BOXES)),
               "session": size_of(mixed[:2]), "mixed": rest_of(mixed), "rest": rest_of(quiet), "flag": self.live(self.flag, "messageUpdated"),
               "delete": self.live(self.delete, "messageDeleted")}
        for name, change in (("missed_flag", self.flag), ("missed_delete", self.delete)):
            out[name] = size_of(self.come_back(change)) - size_of(quiet)
        return out


def suite(w, rig):
    size, rows = w.options.size, {}
    w.make_daemon().settings["sync_threads"] = "false"
    w.daemon.start()
    w.daemon.hooks(w.consumer.url)
    for name, offer in OFFERS.items():
        run = Run(w, rig, name, offer, size)
        rows[name] = run.measure()
        run.close()
    table(f"Bytes on the way, both directions, {size} messages in INBOX, {1 + len(BOXES)} mailboxes",
          ("the server offers", "round trips after login", "bytes of a mailbox in the listing", "of ID, NAMESPACE, ENABLE", "of all else, INBOX selected, every second message read",
           "one in twenty unread", "a flag", "a deletion", "a flag missed", "a deletion missed"), [(name, *r.values()) for name, r in rows.items()])
    return {"size": size, "rows": rows}
