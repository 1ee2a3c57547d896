"""The program as an operator meets it: start, stop, command line."""
import signal
import time

from rig.daemon import run_cli
from rig.process import wait_until


def test_embedded_start_is_healthy_within_seconds(make_daemon):
    d = make_daemon(None)
    begin = time.monotonic()
    d.launch()
    d.wait_healthy(15)
    assert time.monotonic() - begin < 10  # with sanitizers, on a busy machine
    assert d.request("GET", "/health", token=None).json == {"success": True}


def test_sigterm_ends_within_ten_seconds_with_status_zero(make_daemon, redis, dovecot, user):
    d = make_daemon(redis.url).start()
    d.add_account(user, dovecot)
    d.wait_state(user)
    begin = time.monotonic()
    d.process.child.send_signal(signal.SIGTERM)
    assert d.process.child.wait(12) == 0
    assert time.monotonic() - begin < 10


def test_sigterm_while_redis_is_missing_ends_with_status_zero(make_daemon):
    d = make_daemon("redis://127.0.0.1:1")
    d.launch()
    wait_until(lambda: d.health() == 500, 10, "answer")
    assert d.stop() == 0


def test_sigint_ends_like_sigterm(daemon):
    daemon.process.child.send_signal(signal.SIGINT)
    assert daemon.process.child.wait(12) == 0


def test_sighup_keeps_serving(daemon):
    daemon.process.child.send_signal(signal.SIGHUP)
    wait_until(lambda: "configuration read again" in daemon.log(), 10, "log line")
    assert daemon.health() == 200


def test_second_daemon_on_the_same_data_directory_is_refused(make_daemon, redis):
    first = make_daemon(redis.url).start()
    second = make_daemon(redis.url, data_dir=first.settings["data_dir"])
    second.launch()
    assert second.process.child.wait(15) == 1
    assert "cannot start" in second.log()


def test_port_in_use_is_refused_with_a_reason(make_daemon, redis):
    first = make_daemon(redis.url).start()
    second = make_daemon(redis.url, http_port=first.port)
    second.launch()
    assert second.process.child.wait(15) == 1
    assert str(first.port) in second.log() or "in use" in second.log()


def test_version_help_and_check_config(binary, work):
    version = run_cli("version")
    assert version.returncode == 0 and version.stdout.startswith("postrider ")
    overview = run_cli("help")
    assert overview.returncode == 0
    for word in ("serve", "token issue", "check-config", "--redis.url", "--http.port"):
        assert word in overview.stdout, word
    assert run_cli("help", "token", "issue").returncode == 0
    assert run_cli("--help").returncode == 0
    checked = run_cli("check-config", env={"POSTRIDER_SECRET_KEY": "open sesame, open sesame",
                                           "POSTRIDER_HTTP_PORT": "4321", "POSTRIDER_DATA_DIR": work})
    assert checked.returncode == 0
    assert "4321" in checked.stdout and "sesame" not in checked.stdout


def test_wrong_usage_ends_with_status_two(binary):
    for args in (["fly"], ["serve", "now"], ["token"], ["token", "issue"], ["token", "issue", "--scope", "all",
                 "--description", "x"], ["token", "issue", "--scope"], ["--config"], ["help", "nothing"],
                 ["token", "revoke"]):
        done = run_cli(*args)
        assert done.returncode == 2, (args, done)
        assert done.stderr.startswith("postrider: "), (args, done)


def test_wrong_configuration_names_the_setting(binary, work):
    for env, name in (({"POSTRIDER_HTTP_PORT": "eighty"}, "http.port"),
                      ({"POSTRIDER_LOG_LEVEL": "loud"}, "log.level"),
                      ({"POSTRIDER_REDIS_URL": "http://x"}, "redis.url")):
        done = run_cli("check-config", env={"POSTRIDER_DATA_DIR": work, **env})
        assert done.returncode == 1, (env, done)
        assert name in done.stderr, (env, done)


def test_unknown_setting_is_refused(binary, work):
    done = run_cli("check-config", "--http.prot", "1")
    assert done.returncode in (1, 2) and "http.prot" in done.stderr


def test_configuration_file_environment_and_flag_in_rising_precedence(binary, work):
    path = f"{work}/postrider.conf"
    with open(path, "w") as f:
        f.write("[http]\nport = 1001\nhost = 127.0.0.2\n[log]\nlevel = warn\n")
    env = {"POSTRIDER_HTTP_PORT": "1002", "POSTRIDER_LOG_LEVEL": "error"}
    out = run_cli("check-config", "--config", path, "--log.level", "debug", env=env).stdout
    assert "127.0.0.2" in out and "1002" in out and "debug" in out and "1001" not in out


def test_token_of_the_command_line_opens_the_api_and_revoked_does_not(daemon):
    token = daemon.issue_token(scope="api")
    assert daemon.request("GET", "/v1/accounts", token=token).status == 200
    assert daemon.cli("token", "list").returncode == 0
    assert daemon.cli("token", "revoke", token).returncode == 0
    wait_until(lambda: daemon.request("GET", "/v1/accounts", token=token).status == 401, 5, "revocation")


def test_command_without_redis_fails_with_a_reason(binary, work):
    done = run_cli("token", "issue", "--scope", "*", "--description", "x",
                   env={"POSTRIDER_REDIS_URL": "redis://127.0.0.1:1", "POSTRIDER_DATA_DIR": work})
    assert done.returncode == 1 and done.stdout == "", done
    assert "connect" in done.stderr.lower() or "redis" in done.stderr.lower(), done.stderr


def test_commands_work_on_the_embedded_store_without_a_daemon(binary, work):
    env = {"POSTRIDER_DATA_DIR": work}
    issued = run_cli("token", "issue", "--scope", "api", "--description", "made offline", env=env)
    assert issued.returncode == 0, issued.stderr
    token = issued.stdout.strip().split("\n")[-1]
    assert len(token) == 64 and int(token, 16) >= 0
    listed = run_cli("token", "list", env=env)
    assert listed.returncode == 0 and "made offline" in listed.stdout and token not in listed.stdout
