"""A server that says too much must not delay the events of other accounts."""
import time

import pytest
from rig.daemon import BINARY
from rig.flood import KINDS, Flood
from rig.imap import Neighbour

with open(BINARY, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()
# The promise is 50 ms of the loop; this leaves room for a machine that does other things too, and
# for sanitizers.
TURN_S, EVENT_S = (1.0, 2.0) if SANITIZED else (0.1, 0.25)
# While the flood goes on: at least and at most so many events, in about so much time.
EVENTS_MIN, EVENTS_MAX, FLOOD_S = 6, 20, 5


def add(daemon, name, port):
    daemon.post("/v1/account", {"account": name, "name": name, "notifyFrom": "2020-01-01T00:00:00Z", "imap": {
        "auth": {"user": "u", "pass": "p"}, "host": "127.0.0.1", "port": port, "secure": False}})


@pytest.mark.alone
@pytest.mark.parametrize("kind", KINDS)
def test_flood_does_not_delay_the_events_of_a_neighbour(make_daemon, redis, consumer, fake, kind):
    d = make_daemon(redis.url, sync_poll_interval_s=600).start()
    d.hooks(consumer.url)
    neighbour = Neighbour()
    add(d, "neighbour", fake(neighbour).port)
    d.wait_state("neighbour")
    flood = Flood(kind)
    try:
        add(d, "flood", flood.port)
        time.sleep(0.5)
        took, end = [], time.monotonic() + FLOOD_S
        while len(took) < EVENTS_MIN or (len(took) < EVENTS_MAX and time.monotonic() < end):
            at = neighbour.deliver()
            told = consumer.wait("messageNew", "neighbour", uid=neighbour.messages, seconds=20)
            took.append(told.at - at)
            time.sleep(0.05)
        longest = d.metric("postrider_loop_turn_longest_seconds")
        print(f"{kind}: longest turn {longest * 1e3:.1f} ms, events {[round(t * 1e3) for t in sorted(took)]}, "
              f"resident {d.metric('process_resident_memory_bytes') / 1e6:.0f} MB")
        assert longest < TURN_S
        assert sorted(took)[-2] < EVENT_S
        assert d.metric("process_resident_memory_bytes") < (2000e6 if SANITIZED else 150e6)
    finally:
        flood.close()
