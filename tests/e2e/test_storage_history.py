# SPDX-License-Identifier: Apache-2.0
"""Older copies of what an app stored, put in its place by whoever holds the disk: the app starts, since
nothing inside remembers; who verified it before notices."""
import contextlib
import json
import shutil
import subprocess

from conftest import Owner
from test_releases import OWNER_KEEPS, Life, life  # noqa: F401 (a fixture)


def copy(source, target):
    """With owners and times, as a backup of the operator's has them."""
    subprocess.run(["cp", "--archive", source, target], check=True)


class Disk:
    """What the operator does with an app's storage while it rests."""

    def __init__(self, life, app):
        self.life = life
        self.at = life.node / "apps" / app["id"] / "storage"
        self.copy = life.node / "copy"

    def rest(self, work):
        self.life.owner.ok("pause", "life")
        work()
        return self.life.owner.ok("resume", "life")

    def keep(self):
        self.rest(lambda: copy(self.at, self.copy))

    def put_back(self):
        def exchange():
            shutil.rmtree(self.at)
            copy(self.copy, self.at)
        return self.rest(exchange)


def refused(result, name):
    assert result.status == 3 and f"storage.{name}: " in result.err, result
    assert "ACCEPTED" not in result.out


def opening(result):
    line, = [line for line in result.out.splitlines() if "storage      opening" in line]
    return line.split("opening ", 1)[1]


def test_an_older_copy_is_noticed(life):  # noqa: F811
    life.project("one")
    app = life.deploy()
    disk = Disk(life, app)
    user = Owner(life.owner.folder.parent / "user", life.node.parent)
    user.folder.mkdir(parents=True)
    context = user.folder / "life.context"
    life.owner.ok("context", "--export", "life", "--output", context)

    def both(name=None):
        for who, arguments in ((life.owner, ["life"]), (user, ["--context", context])):
            if name is None:
                who.ok("verify", *arguments)
            else:
                refused(who.run("verify", *arguments), name)

    assert opening(life.owner.ok("verify", "life")) == "1, which goes on from opening 1"
    assert opening(user.ok("verify", "--context", context)) == "1, which goes on from opening 1"  # as its owner saw it
    disk.keep()
    life.store("mine")
    both()
    life.owner.ok("restart", "life")
    assert opening(user.ok("verify", "--context", context)) == "3, which goes on from opening 2"
    both()

    disk.put_back()  # opening 1, and so this is 2
    assert life.ask() == "one nothing nothing"
    both("rolled-back")
    life.owner.ok("restart", "life")
    both("forked")
    life.owner.ok("restart", "life")
    both("forked")
    assert user.run("verify", "--context", context, "--json").status == 3
    life.owner.ok("context", "--export", "life", "--output", context)  # what the owner saw, not what is there
    newcomer = Owner(life.owner.folder.parent / "newcomer", life.node.parent)
    newcomer.folder.mkdir(parents=True)
    refused(newcomer.run("verify", "--context", context), "forked")
    failed = life.deploy(ok=False)  # the same code: it would take over what is stored
    refused(failed, "forked")
    assert life.ask() == "one nothing nothing"

    user.ok("verify", "--context", context, "--accept-storage")
    user.ok("verify", "--context", context)
    life.owner.ok("verify", "life", "--accept-storage")
    life.deploy()
    both()


def test_the_owner_notices_where_he_unlocks(life):  # noqa: F811
    life.project("one", OWNER_KEEPS)
    app = life.deploy()
    disk = Disk(life, app)
    disk.keep()
    life.store("mine")
    life.project("two", OWNER_KEEPS)
    life.deploy()  # another version, the same storage
    assert opening(life.owner.ok("verify", "life")) == "3, which goes on from opening 3"
    disk.put_back()  # no slot of this version was in it
    assert life.app()["state"] == "locked"
    result = life.owner.run("verify", "life")
    refused(result, "unknown")
    refused(life.owner.run("unlock", "life"), "rolled-back")
    assert life.owner.run("verify", "life").status == 3
    life.deploy("--discard-data")
    assert opening(life.owner.ok("verify", "life")) == "1, which goes on from opening 1"


def test_a_question_about_an_opening(life):  # noqa: F811
    """Of strangers: nothing but a number is understood, and nothing is said of what is not known."""
    life.project("one")
    app = life.deploy()
    path = app["url"] + "/.well-known/mse/attestation?nonce=" + "ab" * 32

    def ask(more):
        return subprocess.run(["curl", "-sk", "-w", "\n%{http_code}", path + more], capture_output=True, text=True,
                              check=True).stdout.rsplit("\n", 1)

    for more in ("&opening=", "&opening=0", "&opening=-1", "&opening=1x", "&opening=" + "9" * 30, "&other=1",
                 "&opening=1&opening=1", "&opening=9007199254740992"):
        assert ask(more)[1] == "400", more
    for more, asked in (("", 0), ("&opening=1", 1), ("&opening=7", 7)):
        answer, status = ask(more)
        assert status == "200", more
        storage = json.loads(answer)["storage"]
        assert storage["opening"] == 1 and storage["asked"] == asked
        assert storage["then"] == (storage["head"] if asked == 1 else None)


@contextlib.contextmanager
def another_machine(life):  # noqa: F811
    """A node with a TEE of its own, and the same owner's key there."""
    base = life.node.parents[1] / "there"
    owner = Owner(base / "o", base / "s")
    owner.config.mkdir(parents=True)
    shutil.copy(life.owner.config / "owner.key", owner.config)
    node = base / "s/node"
    node.mkdir(parents=True)
    text = (life.node / "msed.toml").read_text()
    (node / "msed.toml").write_text(text.replace(str(life.node), str(node)))
    owner.ok("node", "start")
    try:
        yield Life(owner, node)
    finally:
        stopped = owner.run("node", "stop", "--apps")
    assert stopped.status == 0, stopped


def test_what_is_stored_moves_to_another_machine(life):  # noqa: F811
    life.project("one", OWNER_KEEPS)
    app = life.deploy()
    disk = Disk(life, app)
    life.store("mine")
    life.owner.ok("restart", "life")
    disk.keep()
    with another_machine(life) as there:
        there.project("one", OWNER_KEEPS)
        assert there.deploy()["fingerprint"] == app["fingerprint"]
        moved = Disk(there, app)
        moved.copy = disk.copy
        moved.put_back()
        assert there.app()["state"] == "locked"
        refused(there.owner.run("unlock", "life"), "forked")  # of what was empty here before
        there.owner.ok("verify", "life", "--accept-storage")
        there.deploy()  # nothing was sealed for this machine's TEE
        assert there.ask() == "one mine mine"
        there.owner.ok("restart", "life")
        assert there.ask() == "one mine mine"
        there.owner.ok("verify", "life")
