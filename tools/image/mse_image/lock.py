# SPDX-License-Identifier: Apache-2.0
"""The lock file: everything that decides an image's bytes but the programs of mse themselves.

    mse-image-lock 1
    name mse-flask
    python 3.11
    memory-min 268435456
    cmdline acpi=off ...
    suite debian bookworm
    root libc6 2.36-9+deb12u14 amd64 SHA256 SIZE
    kernel linux-image-6.12.95+deb12-cloud-amd64 6.12.95-1~bpo12+1 amd64 SHA256 SIZE

One thing has one spelling: format_lock(parse_lock(text)) is text, or the text is refused.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from .problem import Problem

FORMAT = "mse-image-lock 1"
# What a package is for. 'root' goes into the root file system, 'tool' makes it, nothing else.
ROLES = ("root", "kernel", "firmware-snp", "firmware-tdx", "tool")
ARCHIVES = ("debian", "debian-security")
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,127}")
VERSION = re.compile(r"[A-Za-z0-9.+:~-]{1,128}")
SUITE = re.compile(r"[a-z][a-z0-9-]{1,63}")
SIZE_MAX = 1 << 30


class Package(NamedTuple):
    role: str
    name: str
    version: str
    architecture: str
    sha256: str
    size: int

    @property
    def text(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def file_name(self) -> str:
        """As apt names it."""
        version = self.version.replace(":", "%3a")
        return f"{self.name}_{version}_{self.architecture}.deb"


class Suite(NamedTuple):
    archive: str  # "debian" or "debian-security"
    name: str     # "bookworm"


@dataclass
class Lock:
    name: str = ""
    python: str = ""
    memory_min: int = 0
    cmdline: str = ""
    suites: list[Suite] = field(default_factory=list)
    packages: list[Package] = field(default_factory=list)

    def of(self, *roles: str) -> list[Package]:
        return [package for package in self.packages if package.role in roles]

    def one(self, role: str) -> Package:
        found = self.of(role)
        if len(found) != 1:
            raise Problem(f"lock of '{self.name}': {len(found)} packages have the role '{role}', "
                          "expected one")
        return found[0]


def format_lock(lock: Lock) -> str:
    lines = [FORMAT, f"name {lock.name}", f"python {lock.python}",
             f"memory-min {lock.memory_min}", f"cmdline {lock.cmdline}"]
    lines += [f"suite {suite.archive} {suite.name}" for suite in lock.suites]
    lines += [" ".join(str(value) for value in package) for package in
              sorted(lock.packages, key=lambda package: (ROLES.index(package.role), package))]
    return "\n".join(lines) + "\n"


def parse_package(words: list[str], where: str) -> Package:
    role, name, version, architecture, sha256, size = words
    if not NAME.fullmatch(name) or not VERSION.fullmatch(version):
        raise Problem(f"{where}: '{name} {version}' is no package and version")
    if architecture not in ("amd64", "all"):
        raise Problem(f"{where}: architecture '{architecture}', expected amd64 or all")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise Problem(f"{where}: '{sha256}' is no SHA-256 in lower-case hexadecimal")
    if not re.fullmatch(r"[1-9][0-9]{0,9}", size) or int(size) > SIZE_MAX:
        raise Problem(f"{where}: size '{size}', expected 1 to {SIZE_MAX}")
    return Package(role, name, version, architecture, sha256, int(size))


def parse_line(lock: Lock, line: str, where: str) -> None:
    word, _, rest = line.partition(" ")
    words = line.split(" ")
    if word == "name" and NAME.fullmatch(rest):
        lock.name = rest
    elif word == "python" and re.fullmatch(r"3\.[0-9]{1,2}", rest):
        lock.python = rest
    elif word == "memory-min" and re.fullmatch(r"[1-9][0-9]{0,12}", rest):
        lock.memory_min = int(rest)
    elif word == "cmdline" and re.fullmatch(r"[!-~]+( [!-~]+)*", rest) and len(rest) < 1024:
        lock.cmdline = rest
    elif word == "suite" and len(words) == 3 and words[1] in ARCHIVES and SUITE.fullmatch(words[2]):
        lock.suites.append(Suite(words[1], words[2]))
    elif word in ROLES and len(words) == 6:
        lock.packages.append(parse_package(words, where))
    else:
        raise Problem(f"{where}: '{line[:80]}' is not understood")


def parse_lock(text: str, where: str) -> Lock:
    lines = text.split("\n")
    if lines[0] != FORMAT:
        raise Problem(f"{where}: begins with '{lines[0][:40]}', expected '{FORMAT}'")
    lock = Lock()
    for number, line in enumerate(lines[1:-1], 2):
        parse_line(lock, line, f"{where}:{number}")
    if format_lock(lock) != text:
        raise Problem(f"{where}: not as 'mse image lock' writes it: a line is missing, appears "
                      "twice or stands in another place")
    names = [(package.role, package.name) for package in lock.packages]
    if len(set(names)) != len(names):
        raise Problem(f"{where}: a package appears twice with the same role")
    return lock
