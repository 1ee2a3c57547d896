"""One report and one world for the whole run."""
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from report import Report  # noqa: E402
from world import World  # noqa: E402
from rig.certs import Authority  # noqa: E402
from rig.daemon import BINARY, Daemon  # noqa: E402
from rig.dovecot import Dovecot  # noqa: E402
from rig.redis import Redis  # noqa: E402

NEEDED = ("dovecot", "redis-server", "openssl")


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="write the baseline and the page anew")


def pytest_configure(config):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    config.report = Report()


def pytest_terminal_summary(terminalreporter, config):
    there, wanted, good, fields = config.report.sums()
    terminalreporter.write_line(f"{there} of {wanted} operations, {good} of {fields} fields")


def pytest_sessionfinish(session):
    if session.config.getoption("--update"):
        session.config.report.save()
        session.config.report.save_page()


@pytest.fixture(scope="session")
def report(request):
    return request.config.report


@pytest.fixture(scope="session")
def world():
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        what = f"NOT TESTED, missing: {', '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.exit(what, 1)
        pytest.skip(what)
    assert os.access(BINARY, os.X_OK), f"{BINARY} is not built; set POSTRIDER_BIN or run tests/run"
    top = tempfile.mkdtemp(prefix="pr-")
    os.chmod(top, 0o711)
    authority = Authority(os.path.join(top, "ca"))
    dovecot, redis = Dovecot(top, authority), Redis(top)
    daemon = Daemon(os.path.join(top, "d"), redis.url, authority.file)
    try:
        dovecot.start()
        redis.start()
        yield World(daemon.start(), dovecot)
        daemon.end()
    finally:
        for server in (daemon.process, dovecot, redis):
            if server is not None:
                server.stop()
        shutil.rmtree(top, ignore_errors=True)
