# SPDX-License-Identifier: Apache-2.0
"""A confidential VM without its launcher: QEMU's TCG, the image's kernel, initrd and root, disks and
ports as src/model/guest.h names them, and a stand-in for the simulated TEE behind its port."""
import json
import shutil
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

PORTS = ("status", "log", "control", "tee")
BLOCK = 4096
QEMU = "/usr/bin/qemu-system-x86_64"


def missing():
    """Why no guest can be started here, or None."""
    if not Path(QEMU).exists():
        return "qemu-system-x86_64 is not installed (qemu-system-x86)"
    return None


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def package_of(folder):
    """The upload container (docs/package.md) from the files that a node keeps of it."""
    out = b"mse-pkg\n" + struct.pack(">HH", 1, 0)
    for kind, name in enumerate(("manifest.json", "requirements.txt", "certificate.pem", "code.enc"), 1):
        path = folder / name
        if path.exists() and path.stat().st_size > 0:
            data = path.read_bytes()
            out += struct.pack(">B3xQ", kind, len(data)) + data
    return out


class Guest:
    """One boot. `files` are bytes or paths by name: kernel, initrd, root, package, environment,
    storage; None leaves the disk out."""

    def __init__(self, folder, image, files, *, memory=256, console=False, key=b"K" * 32,
                 extra=(), listens=PORTS):
        self.folder, self.key, self.lines = folder, key, []
        folder.mkdir(exist_ok=True)
        cmdline = json.loads((image / "image.json").read_bytes())["cmdline"]
        if console:
            cmdline = cmdline.replace("console=mse", "console=ttyS0")
        paths = {name: self._lay(name, value) for name, value in
                 {"kernel": image / "kernel", "initrd": image / "initrd", "root": image / "root",
                  **files}.items() if value is not None}
        command = [QEMU, "-accel", "tcg", "-cpu", "max", "-M", "q35", "-m", str(memory),
                   "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
                   "-serial", f"file:{folder / 'console'}", "-kernel", paths["kernel"],
                   "-initrd", paths["initrd"], "-append", cmdline,
                   "-device", "virtio-serial-pci,id=vs"]
        for number, port in enumerate(PORTS, 1):
            command += ["-chardev", f"socket,id={port},path={folder / port},server=on,wait=off",
                        "-device", f"virtserialport,bus=vs.0,nr={number},chardev={port},name=mse.{port}"]
        for name in ("root", "package", "environment", "storage"):
            if name in paths:
                command += self._disk(f"mse-{name}", paths[name], name != "storage")
        command += ["-netdev", "user,id=n,ipv6=off", "-device", "virtio-net-pci,netdev=n,romfile="]
        self.process = subprocess.Popen([str(word) for word in command + list(extra)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.sockets = {port: self._connect(port) for port in listens}
        for port in ("status", "log"):
            if port in self.sockets:
                threading.Thread(target=self._read, args=(port,), daemon=True).start()
        if "tee" in self.sockets:
            threading.Thread(target=self._answer_tee, daemon=True).start()

    def _lay(self, name, value):
        if isinstance(value, Path) and name != "storage":
            return value
        path = self.folder / name
        if isinstance(value, bytes):
            path.write_bytes(value)
        elif value != path:
            shutil.copy(value, path)
        return path

    @staticmethod
    def _disk(name, path, read_only):
        return ["-drive", f"if=none,id={name},file={path},format=raw,"
                f"readonly={'on' if read_only else 'off'}",
                "-device", f"virtio-blk-pci,drive={name},serial={name}"]

    def _connect(self, port):
        deadline = time.monotonic() + 10
        while True:
            one = socket.socket(socket.AF_UNIX)
            try:
                one.connect(str(self.folder / port))
                return one
            except OSError:
                one.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _read(self, port):
        buffer = b""
        while True:
            data = self.sockets[port].recv(4096)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            self.lines += [(port, line.decode(errors="replace")) for line in lines]

    def _receive(self, size):
        data = b""
        while len(data) < size:
            more = self.sockets["tee"].recv(size - len(data))
            if not more:
                return None
            data += more
        return data

    def _answer_tee(self):
        """Evidence of zeros; one key. mse-enclave judges neither."""
        while (head := self._receive(4)) is not None:
            request = self._receive(struct.unpack(">I", head)[0])
            answer = b"\0" + (bytes(200) if request[0] == 1 else self.key)
            self.sockets["tee"].sendall(struct.pack(">I", len(answer)) + answer)

    def of(self, port):
        return [line for name, line in list(self.lines) if name == port]

    @property
    def console(self):
        path = self.folder / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(self, wanted, timeout=120):
        """Until a status line has this word, or the guest has ended. Returns the line."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            if ended:
                time.sleep(0.2)  # what is still in the sockets
            for line in self.of("status"):
                if wanted in line:
                    return line
            if ended:
                break
            time.sleep(0.1)
        raise AssertionError(f"no '{wanted}' (ended: {self.process.poll()})\n"
                             + "\n".join(f"{port}: {line}" for port, line in self.lines)
                             + self.console[-2000:])

    def ended(self, timeout=60):
        return self.process.wait(timeout)

    def say(self, data):
        self.sockets["control"].sendall(data)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for one in self.sockets.values():
            one.close()
