# SPDX-License-Identifier: Apache-2.0
"""mse-init and mse-enclave in a VM of the real image under QEMU's TCG, without the launcher: it comes
up, and what a host can do to it ends in a named refusal. Skipped aloud without QEMU or packages."""
import hashlib
import json
import os
import struct
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import guest as vm
from conftest import Owner
from test_image import BUILD, CACHE, UNAVAILABLE, initrd, tool

STORAGE_BYTES = 64 << 20


@pytest.fixture(scope="module")
def work():
    with tempfile.TemporaryDirectory(prefix="mse-vm-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def image(work):
    if (why := vm.missing()) is not None:
        pytest.skip(why)
    CACHE.mkdir(exist_ok=True)
    done = tool("build", "mse-flask", "--output", work / "image", "--enclave", BUILD / "mse-enclave",
                "--init", BUILD / "mse-init", "--cache", CACHE)
    if done.returncode == UNAVAILABLE or "the signed lists" in done.stderr or \
            "packages: 'apt-get' failed" in done.stderr:
        pytest.skip("no packages for an image: " + done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return work / "image"


@pytest.fixture(scope="module")
def disks(work):
    """Package and environment of a real deployment, made by a node of the test."""
    state = work / "state"
    owner = Owner(work / "owner", state)
    owner.folder.mkdir()
    owner.ok("node", "start")
    try:
        app = owner.deploy(owner.project("guest", {"app.py": "def app(e, s):\n    s('200 OK', [])\n"
                                                             "    return [b'hello']\n"}))
        package = next(state.glob(f"**/apps/{app['id']}/package"))
        environment = next(state.glob("**/environment.json")).read_bytes()
        found = {"package": vm.padded(vm.package_of(package)),
                 "environment": vm.padded(struct.pack(">I", len(environment)) + environment)}
    finally:
        owner.run("node", "stop", "--apps")
    return found


@pytest.fixture
def boot(work, image, disks, request):
    """Starts a guest with something changed; ends it afterwards."""
    guests = []

    def start(name="one", **changes):
        folder = work / f"{request.node.name[:40].strip('[]')}-{name}"
        folder.mkdir(exist_ok=True)
        storage = folder / "storage"
        if not storage.exists():
            with open(storage, "wb") as file:
                file.truncate(STORAGE_BYTES)
        files = {**disks, "storage": storage, **changes.pop("files", {})}
        guests.append(vm.Guest(folder, image, files, **changes))
        return guests[-1]

    yield start
    for one in guests:
        one.close()


def test_it_comes_up_keeps_its_storage_and_stops_when_asked(boot):
    first = boot()
    first.wait("initializing")
    first.say(b"\0\xff nonsense " * 1000 + b'\n{"cmd":"reboot"}\n{"cmd":"stop"}\n')
    assert first.ended() == 0
    assert any("asked to stop" in line for line in first.of("log"))
    assert not any("failed" in line for line in first.of("status"))
    assert first.console == ""  # the production command line: nothing of the kernel reaches the host
    raw = (first.folder / "storage").read_bytes()
    assert raw.startswith(b"mse-storage 1\n")
    assert b"provisioned" not in raw and b"lost+found" not in raw

    second = boot()  # the same disk, the same key
    second.wait("initializing")
    second.say(b'{"cmd":"stop"}\n')
    assert second.ended() == 0

    other = boot(key=b"L" * 32)
    assert "the storage does not open" in other.wait("failed")
    assert other.ended() == 0


def test_changed_storage_is_refused(boot):
    first = boot()
    first.wait("initializing")
    first.say(b'{"cmd":"stop"}\n')
    assert first.ended() == 0
    path = first.folder / "storage"
    data = bytearray(path.read_bytes())
    for offset in range(vm.BLOCK + 100, len(data), vm.BLOCK):
        if data[offset:offset + 64] != bytes(64):
            data[offset] ^= 1
    path.write_bytes(data)
    second = boot()
    line = second.wait("failed")
    assert "the storage does not open" in line or "mapper" in line
    assert second.ended() == 0


def flipped(data, offset):
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1:]


def without_marker(data):
    """The initrd as far as it fits into too little memory."""
    entry = initrd.cpio_entry(0, initrd.MARKER, 0o100644, b"mse\n")[110:140]
    at = data.rindex(b"070701", 0, data.rindex(entry[:len(initrd.MARKER)]))
    return data[:at] + initrd.cpio_entry(0, "TRAILER!!!", 0)


REFUSALS = {
    "package of another format": (lambda f, d: {"files": {"package": flipped(d["package"], 0)}},
                                  "package: package: not an mse package"),
    "environment": (lambda f, d: {"files": {"environment": flipped(d["environment"], 30)}},
                    "the environment is not the manifest's"),
    "no storage": (lambda f, d: {"files": {"storage": None}}, "no disk is called 'mse-storage'"),
    "foreign storage": (lambda f, d: {"files": {"storage": b"\1" + bytes(STORAGE_BYTES - 1)}},
                        "holds something else than an app's storage"),
    "storage cut": (lambda f, d: {"files": {"storage": b"mse-storage 1\n" + bytes(STORAGE_BYTES // 2 - 14)}},
                    "the storage does not open"),
    "short memory": (lambda f, d: {"memory": 160}, "MiB of memory, the image needs 256 MiB"),
    "initrd cut": (lambda f, d: {"files": {"initrd": without_marker((f / "initrd").read_bytes())}},
                   "initrd: the initrd is not whole"),
    "root cut": (lambda f, d: {"files": {"root": (f / "root").read_bytes()[:1 << 20]}},
                 "root: the disk 'mse-root' has 256 blocks"),
    "two roots": (lambda f, d: {"extra": vm.Guest._disk("mse-other", f / "root", True)[:-1]
                                + ["virtio-blk-pci,drive=mse-other,serial=mse-root"]},
                  "root: 2 disks are called 'mse-root'"),
    "silent TEE": (lambda f, d: {"listens": ("status", "log", "control")},
                   "simulated TEE: no answer within"),
}


@pytest.fixture(scope="module")
def refusals(work, image, disks):
    """Each of REFUSALS booted once, as many side by side as there are processors."""
    def run(number, change):
        folder = work / f"refused-{number}"
        folder.mkdir()
        changes = change(image, disks)
        files = {**disks, "storage": bytes(STORAGE_BYTES), **changes.pop("files", {})}
        one = vm.Guest(folder, image, files, **changes)
        try:
            return one.wait("failed"), one.ended(), one.of("status")
        except AssertionError as error:
            return str(error), None, []
        finally:
            one.close()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {what: pool.submit(run, number, change)
                   for number, (what, (change, _)) in enumerate(REFUSALS.items())}
        return {what: one.result() for what, one in running.items()}


@pytest.mark.parametrize("what", REFUSALS)
def test_refused(refusals, what):
    line, status, lines = refusals[what]
    assert REFUSALS[what][1] in line
    assert status == 0
    assert not any("initializing" in other for other in lines)


def test_a_changed_root_stops_the_kernel(boot, image):
    """The console of a debug image says which; without one it simply ends."""
    one = boot(console=True, files={"root": flipped((image / "root").read_bytes(), 1030)})
    assert one.ended(120) == 0
    assert "verity" in one.console and "Kernel panic" in one.console
    assert one.of("status") == []
    assert not any("folders" in line for line in one.of("log"))


# --- the firmware of SEV-SNP, which compares what it starts with the measured table ---

KERNEL_STARTS = "EFI stub: Loaded initrd"
TABLE_AT = 0x810c00  # of Debian's ovmf-amdsev; src/measure/firmware.c reads it from the file


def kernel_hashes(kernel, initrd, cmdline):
    """As QEMU lays it out (docs/measure.md), made here without mse's own code."""
    def entry(guid, data):
        return uuid.UUID(guid).bytes_le + struct.pack("<H", 50) + hashlib.sha256(data).digest()
    entries = entry("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", cmdline + b"\0") + \
        entry("44baf731-3a2f-4bd7-9af1-41e29169781d", initrd) + \
        entry("4de79437-abd2-427f-b835-d5b172d2045b", kernel)
    table = uuid.UUID("9438d606-4f22-4cc9-b479-a793d411fd21").bytes_le
    table += struct.pack("<H", 18 + len(entries)) + entries
    return table + bytes(-len(table) % 16)


@pytest.fixture(scope="module")
def measured(work, image, disks):
    """The real firmware with a table laid where a measured launch has it: does it start the kernel, with
    the right table and with each wrong one?"""
    kernel, initrd = (image / "kernel").read_bytes(), (image / "initrd").read_bytes()
    cmdline = json.loads((image / "image.json").read_bytes())["cmdline"].encode()
    tables = {
        "right": kernel_hashes(kernel, initrd, cmdline),
        "command line": kernel_hashes(kernel, initrd, cmdline.replace(b"acpi=off ", b"")),
        "initrd": kernel_hashes(kernel, initrd + b"\0", cmdline),
        "kernel": kernel_hashes(flipped(kernel, len(kernel) // 2 // 4096), initrd, cmdline),
        "none": None,
    }

    def run(name, table, patience):
        """Console, whether the kernel was started, and after how long that was known."""
        folder = work / f"measured-{name.replace(' ', '-')}"
        folder.mkdir()
        extra = ["-bios", image / "firmware-snp.fd"]
        if table is not None:
            (folder / "table").write_bytes(table)
            extra += ["-device", f"loader,file={folder / 'table'},addr={TABLE_AT:#x},force-raw=on"]
        one = vm.Guest(folder, image, {**disks, "storage": bytes(STORAGE_BYTES)}, extra=extra)
        start = time.monotonic()
        while time.monotonic() < start + patience and KERNEL_STARTS not in one.console:
            time.sleep(0.2)
        try:
            return one.process.poll(), KERNEL_STARTS in one.console, time.monotonic() - start
        finally:
            one.close()

    found = {"right": run("right", tables.pop("right"), 120)}
    patience = 3 * found["right"][2] + 5  # several at once now
    with ThreadPoolExecutor(len(tables)) as pool:
        running = {name: pool.submit(run, name, table, patience) for name, table in tables.items()}
        return found | {name: one.result() for name, one in running.items()}


def test_the_firmware_starts_what_the_table_names(measured):
    ended, started, _ = measured["right"]
    assert ended is None and started


@pytest.mark.parametrize("what", ["command line", "initrd", "kernel", "none"])
def test_the_firmware_starts_nothing_else(measured, what):
    """The firmware says nothing then, so it gets three times the time that the right one needed."""
    ended, started, _ = measured[what]
    assert ended is None and not started


def test_a_host_that_reads_nothing_stops_nothing(boot):
    """Nobody takes status and log; it boots all the same, as the mark of a whole storage shows."""
    one = boot(listens=("control", "tee"))
    storage = one.folder / "storage"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and one.process.poll() is None:
        with open(storage, "rb") as file:
            if file.read(14) == b"mse-storage 1\n":
                break
        time.sleep(0.3)
    else:
        raise AssertionError("no storage was made")
    one.say(b'{"cmd":"stop"}\n')
    assert one.ended() == 0


def test_init_is_one_static_file():
    assert b"/lib64/ld-linux" not in (BUILD / "mse-init").read_bytes()
