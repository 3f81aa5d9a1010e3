"""The cases of tests/unit/http/http1_cases.h sent to a served app: what the app saw is held against
what was answered, so that nothing reaches it that the table does not call a request."""
import contextlib
import json
import os
import re
import socket
import subprocess

import pytest

from conftest import BUILD

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def cases():
    program = os.path.join(BUILD, "tests", "unit", "unit-http-http1")
    text = subprocess.run([program, "--cases"], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        kind, clause, statuses, digits = line.split("\t")
        yield kind == "good", clause, statuses.split(), bytes.fromhex(digits)


def exchange(server, data):
    """Everything that comes back until the server closes."""
    with contextlib.closing(server.socket()) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                answer += piece
        return answer


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_the_app_sees_requests_and_nothing_else(serve, kind):
    server = serve(f"seen_app:{kind}")
    count = 0
    for good, clause, statuses, data in cases():
        answer = exchange(server, data if good else data + SMUGGLED)
        seen = json.loads(server.get("/seen").content)
        found = re.findall(rb"HTTP/1\.1 ([2-5]\d\d) ", answer)
        assert not any("/smuggled" == target for _, target, _ in seen), (clause, seen)
        assert len(seen) == found.count(b"200"), (clause, seen, answer)
        if not good:  # the good ones have targets to which another app answers otherwise
            assert [status.decode() for status in found] == statuses, (clause, answer)
        count += 1
    assert count > 200
