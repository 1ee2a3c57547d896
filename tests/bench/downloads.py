"""What large and slow downloads cost: memory, and the time of others' requests for the same account."""
import base64
import http.client
import multiprocessing
import queue
import threading
import time

from report import percentile, resident_kib, table

LARGE = 100_000_000  # bytes of the attachment
FEW = 3_000_000
SLOW = 50
PIECE, PAUSE = 4096, 0.1  # what a slow client reads, and how often
USER = "downloads"


def mail(size):
    """One attachment of that size; made of the same line, so that writing it takes no time."""
    line = base64.b64encode(bytes(range(57))) + b"\n"
    body = line * (size // 57) + base64.b64encode(bytes(size % 57)) + b"\n"
    return (b"From: Ann Sender <ann@example.com>\nSubject: %d bytes\nMIME-Version: 1.0\n"
            b"Content-Type: multipart/mixed; boundary=edge\n\n--edge\nContent-Type: text/plain\n\nHello.\n--edge\n"
            b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
            b"Content-Disposition: attachment; filename=large.bin\n\n" % size + body + b"--edge--\n")


def path_of(w, row):
    entry = w.daemon.get(f"/v1/account/{USER}/message/{row['id']}")["attachments"][0]
    return f"/v1/account/{USER}/attachment/{entry['id']}"


def open_download(w, path, buffer=None):
    c = http.client.HTTPConnection(w.host, w.daemon.port, timeout=120)
    c.connect()
    if buffer:
        c.sock.setsockopt(1, 8, buffer)  # SO_RCVBUF
    c.request("GET", path, headers={"Authorization": f"Bearer {w.daemon.token}"})
    return c


def listing_ms(w, until, pause=0.005):
    """Times of a listing, over and over on one connection."""
    times = []
    c = http.client.HTTPConnection(w.host, w.daemon.port, timeout=60)
    while not until():
        begin = time.monotonic()
        c.request("GET", f"/v1/account/{USER}/messages?path=INBOX&pageSize=20",
                  headers={"Authorization": f"Bearer {w.daemon.token}"})
        reply = c.getresponse()
        reply.read()
        if reply.status != 200:
            raise RuntimeError(f"the listing answered {reply.status}")
        times.append((time.monotonic() - begin) * 1e3)
        time.sleep(pause)
    c.close()
    return times


def for_seconds(seconds):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def read_to_end(connection, piece, pause, out):
    """Tells (seconds, bytes, what went wrong)."""
    begin, read, error = time.monotonic(), 0, None
    try:
        reply = connection.getresponse()
        if reply.status != 200:
            raise RuntimeError(f"the download answered {reply.status}")
        while data := reply.read(piece):
            read += len(data)
            time.sleep(pause)
    except (OSError, RuntimeError, http.client.HTTPException) as e:
        error = str(e)
    out.put((time.monotonic() - begin, read, error))


def read_slowly(connections):
    threads = [threading.Thread(target=read_to_end, args=(c, PIECE, PAUSE, queue.SimpleQueue())) for c in connections]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def beside(target, *args):
    """In another process: reading must not keep the measuring from its work."""
    p = multiprocessing.get_context("fork").Process(target=target, args=args, daemon=True)
    p.start()
    return p


def large(w, path):
    """(MiB more while it runs, MB/s, times of listings meanwhile)"""
    before, most, told = resident_kib(w.daemon.process.pid), 0, multiprocessing.Queue()
    reader = beside(read_to_end, open_download(w, path), 1 << 20, 0, told)

    def ended():
        nonlocal most
        most = max(most, resident_kib(w.daemon.process.pid))
        return not told.empty()
    times = listing_ms(w, ended)
    seconds, read, error = told.get()
    reader.join(30)
    if error or read != LARGE:
        raise RuntimeError(f"the download ended after {read} bytes: {error}")
    return (most - before) / 1024, LARGE / 1e6 / seconds, times


def beside_slow_ones(w, path):
    connections = [open_download(w, path, 4096) for _ in range(SLOW)]
    readers = beside(read_slowly, connections)
    time.sleep(1)
    times = listing_ms(w, for_seconds(w.options.seconds))
    if not readers.is_alive():
        raise RuntimeError("the slow downloads ended too soon")
    readers.kill()
    readers.join(30)
    for c in connections:
        c.close()
    return times


def suite(w):
    w.start_dovecot()
    w.start_daemon()
    w.dovecot.fill(USER, [*(mail(2000) for _ in range(20)), mail(FEW), mail(LARGE)])
    w.daemon.add_account(USER, w.dovecot)
    w.consumer.wait("accountInitialized", USER, seconds=120)
    rows = w.daemon.page(USER)["messages"]
    whole, few = path_of(w, rows[0]), path_of(w, rows[1])
    listing_ms(w, for_seconds(1))
    idle = listing_ms(w, for_seconds(w.options.seconds))
    first, _, _ = large(w, whole)  # takes the memory that is kept for the next
    more, rate, meanwhile = large(w, whole)
    more = max(more, first)
    slowly = beside_slow_ones(w, few)
    out = {"more_mib": more, "mb_per_s": rate, "slow": SLOW}
    cases = (("nothing else", idle), ("one of 100 MB", meanwhile), (f"{SLOW} slow ones", slowly))
    lines = [(name, len(t), percentile(t, 50), percentile(t, 99)) for name, t in cases]
    table("A listing of 20 beside downloads of its account", ("downloads", "listings", "p50 ms", "p99 ms"), lines)
    table("A download of 100 MB", ("MiB more resident", "MB/s"), [(more, rate)])
    out["listings"] = [dict(zip(("beside", "count", "p50_ms", "p99_ms"), line)) for line in lines]
    return out
