"""Fixtures: servers for the whole run, a store, a consumer and a daemon for each test."""
import itertools
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from rig.certs import Authority
from rig.consumer import Consumer
from rig.daemon import BINARY, Daemon
from rig.dovecot import Dovecot
from rig.fake import Fake
from rig.redis import Redis

NEEDED = ("dovecot", "redis-server", "openssl")
numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time, so that no other test may run beside it")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.exit(f"missing: {', '.join(missing)}; in CI nothing is skipped", 1)
    config.missing = missing


def pytest_collection_modifyitems(config, items):
    if config.missing:
        reason = f"NOT TESTED, missing: {', '.join(config.missing)}"
        print("\n" + reason, file=sys.stderr)
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def top():
    """The directory of the run. Short, since it holds unix sockets; open to the mail user."""
    path = tempfile.mkdtemp(prefix="pr-")
    os.chmod(path, 0o711)
    yield path
    if os.environ.get("KEEP"):
        print(f"\nkept: {path}", file=sys.stderr)
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def binary():
    assert os.access(BINARY, os.X_OK), f"{BINARY} is not built; set POSTRIDER_BIN or run tests/run"
    return BINARY


@pytest.fixture(scope="session")
def authority(top):
    return Authority(os.path.join(top, "ca"))


@pytest.fixture(scope="session")
def dovecot(top, authority):
    server = Dovecot(top, authority)
    server.start()
    yield server
    server.stop()


def _dir(top):
    path = os.path.join(top, f"t{next(numbers)}")
    os.makedirs(path)
    return path


@pytest.fixture
def work(top):
    return _dir(top)


@pytest.fixture(scope="module")
def module_work(top):
    return _dir(top)


@pytest.fixture
def user():
    """A mail user nobody used before; its mailboxes exist once it logs in."""
    return f"user{next(numbers)}"


@pytest.fixture
def new_user():
    return lambda: f"user{next(numbers)}"


def _redis(directory, **options):
    server = Redis(directory, **options)
    server.start()
    return server


@pytest.fixture
def redis(work):
    server = _redis(work)
    yield server
    server.stop()


@pytest.fixture
def consumer():
    c = Consumer()
    yield c
    c.close()


@pytest.fixture
def fake():
    """fake(speak) starts a misbehaving server."""
    made = []

    def make(speak):
        made.append(Fake(speak))
        return made[-1]
    yield make
    for f in made:
        f.close()


QUICK = {"webhook_retry_first_ms": 50, "sync_poll_interval_s": 1, "sync_delete_confirm_s": 1}


@pytest.fixture
def make_daemon(work, authority, binary):
    """make_daemon(redis_url, **settings): not started yet."""
    made = []

    def make(redis_url, **settings):
        name = os.path.join(work, f"d{len(made)}")
        made.append(Daemon(name, redis_url, authority.file, **{**QUICK, **settings}))
        return made[-1]
    yield make
    failures = []
    for d in made:
        try:
            d.end()
        except AssertionError as e:
            failures.append(str(e))
    assert not failures, "\n".join(failures)


@pytest.fixture
def daemon(make_daemon, redis, consumer):
    """A running daemon that tells `consumer` every event."""
    d = make_daemon(redis.url).start()
    d.hooks(consumer.url)
    return d


@pytest.fixture(scope="module")
def shared(module_work, authority, binary):
    """A running daemon for tests that only read or use an account of their own."""
    redis = _redis(module_work)
    d = Daemon(os.path.join(module_work, "d"), redis.url, authority.file, **QUICK).start()
    yield d
    try:
        d.end()
    finally:
        redis.stop()
