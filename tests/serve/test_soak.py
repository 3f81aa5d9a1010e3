"""The load of tests/soak for some seconds: every answer is checked to the last byte while a third of
the connections are left amid something. The long run is `make soak`."""
import re
import signal
import subprocess
import time

import pytest

from conftest import SOAK_WAYS, soak_command, soak_server


def start(server, *options):
    return subprocess.Popen(soak_command(server, *options), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=120)
    counters = {name: int(value) for name, value in re.findall(r"(\w+) (\d+)", out)}
    return process.returncode, counters, err


def run(server, *options):
    status, counters, err = finish(start(server, *options))
    assert (status, err) == (0, ""), (status, err, counters, server.text())
    assert counters["sent"] == counters["verified"] + counters["cut"], counters
    return counters


@pytest.mark.parametrize("way", SOAK_WAYS)
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_no_answer_is_lost_mixed_up_or_leaked(serve, kind, way):
    server = soak_server(serve, f"soak_{kind}:app", way)
    run(server, "--requests", 8000, "--seed", 1, "--connections", 48, "--per-connection", 15)
    before = server.held()["blocks"]
    counters = run(server, "--requests", 8000, "--seed", 2, "--connections", 48,
                   "--per-connection", 15)
    for ending in ("cut_connect", "cut_head", "cut_body", "cut_waiting", "cut_response"):
        assert counters[ending] > 0, counters
    assert server.held()["blocks"] - before < 400  # blocks of Python, for 8000 requests
    ended = server.stop()
    assert (ended["open"], ended["failed"], ended["refused"]) == (0, 0, 0)
    assert server.text() == ""


@pytest.mark.parametrize("way", ["plain", "http2"])
@pytest.mark.parametrize("app", ["mixed", "head", "short", "late"])
def test_the_load_notices_wrong_answers(serve, app, way):
    server = soak_server(serve, f"soak_wrong:{app}", way, "--threads", 2)
    status, counters, err = finish(start(server, "--requests", 3000, "--connections", 8, "--cuts", 0,
                                         "--patience", 500))
    assert status == 1 and counters["errors"] > 0 and "error: " in err


@pytest.mark.parametrize("way", SOAK_WAYS)
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_stop_under_load_loses_nothing(serve, kind, way):
    """What the server has read is answered, and what it does not read it closes on: the requests
    that it counts are those that the clients have verified."""
    for seed in range(3):
        server = soak_server(serve, f"soak_{kind}:app", way)
        load = start(server, "--seconds", 30, "--cuts", 0, "--until-stopped", "--seed", seed,
                     "--max-size", 100000)
        time.sleep(0.3 + seed / 5)  # amid the load: wherever it is
        server.process.send_signal(signal.SIGTERM)
        status, counters, err = finish(load)
        assert (status, err) == (0, ""), (counters, err)
        ended = server.stop()
        assert (ended["requests"], ended["aborted"]) == (counters["verified"], 0), (ended, counters)
