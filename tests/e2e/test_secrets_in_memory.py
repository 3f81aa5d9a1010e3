# SPDX-License-Identifier: Apache-2.0
"""What was provisioned is not left behind in the enclave's memory: an app that never reads its secrets
runs in a process that has none of them."""
import os
import re
from pathlib import Path

import pytest

APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"fine"]
"""


def enclave_of(node, app) -> int:
    """The process that serves: the nearest descendant of its supervisor with that name. Those forked
    from it, the guard among them, may bear the same."""
    supervisor = int(next(node.glob(f"**/apps/{app['id']}/supervisor.lock")).read_text().split()[0])
    level = [supervisor]
    while level:
        level = [int(child) for pid in level
                 for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for pid in level:
            if Path(f"/proc/{pid}/comm").read_text().strip() == "mse-enclave":
                return pid
    raise AssertionError("the app has no enclave")


def count_in_memory(pid: int, text: bytes) -> int:
    found = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end, access = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if "r" not in access or "w" not in access:
                continue
            try:
                memory.seek(int(start, 16))
                found += memory.read(int(end, 16) - int(start, 16)).count(text)
            except (OSError, ValueError, OverflowError):
                continue
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="reads the memory of another process")
@pytest.mark.parametrize("size", [1, 100, 20000])
def test_nothing_of_the_secrets_stays_in_memory(owner, node, size):
    token = "marker-" + os.urandom(8).hex()
    secrets = {"tokens": [token] * size}
    app = owner.deploy(owner.project(f"memory{size}", {"app.py": APP}, secrets=secrets))
    assert count_in_memory(enclave_of(node, app), token.encode()) == 0
    owner.ok("restart", f"memory{size}")  # from the sealed state
    assert count_in_memory(enclave_of(node, app), token.encode()) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="reads the memory of another process")
def test_the_search_finds_what_is_there(owner, node):
    token = "marker-" + os.urandom(8).hex()
    code = {"app.py": APP + "import os, json\nKEPT = open(os.environ['SECRETS_PATH']).read()\n"}
    app = owner.deploy(owner.project("keeps", code, secrets={"token": token}))
    assert count_in_memory(enclave_of(node, app), token.encode()) > 0
