# SPDX-License-Identifier: Apache-2.0
"""A hostile node and the owner's terminal: whatever it answers, no control character of its own
comes out, no address that is none is shown, and no line to paste does more than it says."""
import os
import pty
import subprocess
import unicodedata

import pytest

from adversary import FakeNode, LyingNode
from conftest import MSE
from test_main_job import HELLO

ID = "12345678-1234-4234-8234-123456789abc"
# C0 (title, erase, colour), DEL, C1 as a character, right-to-left override, line separator
EVIL = "x\x1b]0;PWNED\x07\x1b[2K\x1b[31m\x7f\u009b31m\u202e\u2028y"


def app(**changes):
    return {"id": ID, "name": "n", "project": "p", "state": "running", "fingerprint": "ab" * 32,
            "url": "https://localhost:4711", "reason": "", "created": "2026-01-01T00:00:00Z",
            "expires": None, "restarts": 0, "storage_used_bytes": 0, "quota_bytes": 0, **changes}


def harmful(text):
    return sorted({c for c in text if c not in "\n\t" and
                   (unicodedata.category(c) in ("Cc", "Zl", "Zp") or
                    unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"))})


@pytest.fixture
def fake(workspace, owner):
    started = []

    def start(answers):
        started.append(FakeNode(owner.folder, answers))
        owner.env["MSE_NODE"] = started[-1].path

    yield start
    for node in started:
        node.close()


def on_terminal(owner, *arguments) -> str:
    """Everything that the command writes to a terminal of its own."""
    master, slave = pty.openpty()
    env = {**owner.env, "TERM": "dumb"}
    with subprocess.Popen([str(MSE), *arguments], cwd=owner.folder, env=env, stdin=slave,
                          stdout=slave, stderr=slave) as process:
        os.close(slave)
        data = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # EIO: nobody writes any more
                break
            if not piece:
                break
            data += piece
        process.wait(30)
    os.close(master)
    return data.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("field", ["name", "project", "state", "fingerprint", "url", "reason", "id"])
def test_no_field_of_an_app_drives_the_terminal(owner, fake, field):
    evil = app(**{field: EVIL})
    fake({"/v1/apps": (200, {"apps": [evil]}), f"/v1/apps/{ID}": (200, evil),
          f"/v1/apps/{ID}/stats": (200, {})})
    for arguments in (("list",), ("status", ID), ("list", "--json"), ("status", ID, "--json"), ("stop", "n")):
        result = owner.run(*arguments)
        assert harmful(result.out + result.err) == [], (arguments, result)
        if field != "reason" and "--json" not in arguments:
            assert result.status != 0, (arguments, result)
    assert harmful(on_terminal(owner, "list")) == []
    assert harmful(on_terminal(owner, "status", ID)) == []


@pytest.mark.parametrize("other,shown", [("uid:4711" + EVIL, True), (f"uid:{os.geteuid()}", False)])
def test_owners_are_shown_where_there_are_others(owner, fake, other, shown):
    fake({"/v1/apps": (200, {"apps": [app(owner=f"uid:{os.geteuid()}"), app(owner=other)]})})
    text = owner.ok("list").out
    assert ("OWNER" in text, "uid:4711" in text) == (shown, shown) and harmful(text) == []


@pytest.mark.parametrize("url", ["https://localhost:4711$(id)", "https://localhost:4711/$(id)", "https://h;id",
                                 "https://a@localhost", "http://localhost", "https://localhost:4711 -o x"])
def test_an_address_is_an_address_and_nothing_else(owner, fake, url):
    fake({"/v1/apps": (200, {"apps": [app(url=url)]})})
    result = owner.run("list")
    assert result.status == 1 and result.out == "" and "https://" in result.err


def test_an_error_is_one_harmless_line(owner, fake):
    error = {"error": {"kind": "invalid", "message": EVIL + "\nok all is well", "hint": EVIL}}
    fake({"/v1/apps": (400, error)})
    for arguments in (("list",), ("status", "x"), ("logs", "x"), ("restart", "x")):
        result = owner.run(*arguments)
        assert result.status == 1 and harmful(result.out + result.err) == []
        assert "\nok all" not in result.err and result.err.startswith("error: the node says: x?")
        assert harmful(on_terminal(owner, *arguments)) == []


def test_names_that_the_node_offers(owner, fake):
    fake({"/v1/node": (200, {"domain": "localhost", "runtime_digest": "00" * 32, "simulation_root": "00" * 32}),
          "/v1/hardware": (200, {"hardware": [{"name": EVIL, "memory_bytes": 1, "cpu_millis": 1, "storage_bytes": 1}]})})
    result = owner.run("deploy", "--path", owner.project("lured", {"app.py": HELLO}), "--yes")
    assert result.status == 1 and "it offers" in result.err and harmful(result.out + result.err) == []


def test_a_log_on_a_terminal(owner, fake):
    log = f"line {EVIL} \u00e9\u20ac\n".encode() * 3000 + b"\x9b31m \xe2\x82"  # 8-bit CSI, a cut character
    fake({"/v1/apps": (200, {"apps": [app()]}), f"/v1/apps/{ID}/logs": (200, log)})
    shown = on_terminal(owner, "logs", "n")
    assert harmful(shown) == []
    assert shown.count("\u00e9\u20ac\n") == 3000  # no character is broken between two pieces


def test_the_sealed_access_log_on_a_terminal(owner):
    """The app writes where the server writes."""
    code = ("import pathlib\nfrom flask import Flask\napp = Flask(__name__)\n@app.get('/')\ndef f():\n"
            "    with open(pathlib.Path.home() / '.cache/mse/access.log', 'ab') as log:\n"
            f"        log.write({EVIL.encode()!r} + b'\\x9b31m end\\n')\n    return 'ok'\n")
    app = owner.deploy(owner.project("evillog", {"app.py": code}, toml='[server]\naccess_log = "common"\n'))
    shown = on_terminal(owner, "access-log", "evillog")
    assert " end\n" in shown and harmful(shown) == [], shown
    owner.ok("stop", "--yes", app["id"])


def test_a_deployment_that_is_lied_to(owner, node):
    """The address of the new app, which ends in a line to paste."""
    liar = LyingNode(node / "node" / "msed.sock", owner.folder,
                     lambda path, d: {**d, "url": d["url"] + "/$(touch pwned)"} if "url" in d else d)
    project = owner.project("lied", {"app.py": HELLO})
    result = owner.run("deploy", "--path", project, "--yes", "--node", liar.path)
    liar.close()
    assert result.status == 1 and "pwned" not in result.out and "is not https://HOST[:PORT]" in result.err
    owner.ok("stop", "--yes", "lied")


def test_the_line_to_paste_is_quoted(owner):
    toml = 'healthcheck_endpoint = "/?a=1&b=$(id)"\n'
    folder = owner.project("pasted", {"app.py": HELLO})
    text = (folder / "mse.toml").read_text().replace('healthcheck_endpoint = "/"\n', toml)
    (folder / "mse.toml").write_text(text)
    result = owner.ok("deploy", "--path", folder, "--yes")
    line = next(line for line in result.out.splitlines() if "curl" in line)
    assert line.endswith("/?a=1&b=$(id)'") and " 'https://" in line
