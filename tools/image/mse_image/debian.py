# SPDX-License-Identifier: Apache-2.0
"""Debian's signed lists and packages: fetched by apt with a state of its own, believed by nothing
but signatures.

Trust goes: Debian's archive keyring -> InRelease (gpgv) -> SHA-256 of Packages -> SHA-256 of each
package. apt only carries bytes; which mirror it asks comes from the system's own configuration.
"""

import hashlib
import lzma
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

from .lock import Lock, Package, Suite
from .problem import Problem, Unavailable, program, run, sha256_file

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PACKAGES = "main/binary-amd64/Packages"
RELEASE_MAX, PACKAGES_MAX = 4 << 20, 512 << 20
INDEX_FIELD = re.compile(r"^(Package|Version|Architecture|SHA256|Size|Depends|Pre-Depends|Provides): "
                         r"(.*)$", re.M)


@dataclass
class Lists:
    """A folder of NAME.InRelease and NAME.Packages.xz, one pair a suite."""

    folder: Path
    names: dict[tuple[str, str, str], tuple[str, int]] = field(default_factory=dict)

    def release(self, suite: Suite) -> Path:
        return self.folder / f"{suite.name}.InRelease"

    def packages(self, suite: Suite) -> Path:
        return self.folder / f"{suite.name}.Packages.xz"

    def complete(self, suites: list[Suite]) -> bool:
        return all(self.release(suite).is_file() and self.packages(suite).is_file()
                   for suite in suites)


def unpack_xz(path: Path, most: int) -> bytes:
    decompressor = lzma.LZMADecompressor()
    try:
        data = decompressor.decompress(path.read_bytes(), most)
    except lzma.LZMAError as error:
        raise Problem(f"'{path}' is no xz file: {error}") from error
    if not decompressor.eof:
        raise Problem(f"'{path}' unpacks to more than {most >> 20} MiB, or is cut short")
    return data


def signed_text(path: Path, keyring: str) -> str:
    """What of an InRelease file is signed, and nothing that stands beside it."""
    if path.stat().st_size > RELEASE_MAX:
        raise Problem(f"'{path}' is larger than {RELEASE_MAX >> 20} MiB")
    if not Path(keyring).is_file():
        raise Problem(f"no keyring '{keyring}'", "apt-get install debian-archive-keyring")
    command = [program("gpgv", "gpgv"), "--quiet", "--keyring", keyring, "--output", "-", str(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        raise Problem(f"'{path}' is not signed by a key of '{keyring}': "
                      f"{done.stderr.decode(errors='replace').strip().splitlines()[-1:]}")
    return done.stdout.decode()


def signed_packages(lists: Lists, suite: Suite, keyring: str) -> str:
    """The text of a suite's Packages, whose hash its signed InRelease names."""
    release = signed_text(lists.release(suite), keyring)
    codename = re.search(r"^Codename: (\S+)$", release, re.M)
    origin = re.search(r"^Origin: (.+)$", release, re.M)
    if origin is None or not origin[1].startswith("Debian"):
        raise Problem(f"'{lists.release(suite)}' is not of origin Debian")
    if codename is None or codename[1] != suite.name:
        found = codename[1] if codename else "nothing"
        raise Problem(f"'{lists.release(suite)}' is of '{found}', expected '{suite.name}'")
    data = unpack_xz(lists.packages(suite), PACKAGES_MAX)
    digest = hashlib.sha256(data).hexdigest()
    hashes = release.partition("\nSHA256:\n")[2]
    if not re.search(rf"^ {digest} +{len(data)} {re.escape(PACKAGES)}$", hashes, re.M):
        raise Problem(f"'{lists.packages(suite)}' is not the one that "
                      f"'{lists.release(suite)}' names")
    return data.decode()


def stanzas(text: str) -> Iterator[dict[str, str]]:
    for stanza in text.split("\n\n"):
        fields = dict(INDEX_FIELD.findall(stanza))
        if "SHA256" in fields:
            yield fields


def prove(lock: Lock, lists: Lists, keyring: str) -> list[Package]:
    """Holds every package of the lock against the signed lists; returns those that are in none."""
    missing = {(package.name, package.version, package.architecture, package.sha256,
                package.size): package for package in lock.packages}
    wanted = {package.sha256 for package in lock.packages}
    for suite in lock.suites:
        text = signed_packages(lists, suite, keyring)
        for match in re.finditer(r"^SHA256: ([0-9a-f]{64})$", text, re.M):
            if match[1] not in wanted:
                continue
            begin = text.rfind("\n\n", 0, match.start()) + 1
            end = text.find("\n\n", match.end())
            found = dict(INDEX_FIELD.findall(text[begin:end if end >= 0 else len(text)]))
            missing.pop((found["Package"], found["Version"], found["Architecture"],
                         found["SHA256"], int(found["Size"])), None)
    return [package for package in lock.packages if package in missing.values()]


class Apt:
    """The ordinary apt client with folders of its own; the system's stay as they are."""

    def __init__(self, cache: Path, suites: list[Suite]) -> None:
        self.folder = cache / "apt"
        self.suites = suites

    def mirror(self, archive: str) -> str:
        """Where the system's own sources have this archive from."""
        text = run("apt", [program("apt-get", "apt"), "indextargets", "--format",
                           "$(RELEASE) $(REPO_URI)", "Created-By: Packages", "Component: main"])
        for line in text.splitlines():
            release, _, address = line.partition(" ")
            security = release.endswith("-security")
            if re.fullmatch(r"(bookworm|trixie|forky|sid|(old)?stable|testing|unstable)(-\w+)*",
                            release) and security == (archive == "debian-security"):
                return address
        raise Problem(f"the system's apt sources have no Debian archive '{archive}'",
                      "add it to /etc/apt/sources.list.d, or build from an image's inputs "
                      "(--inputs)")

    def options(self) -> list[str]:
        values = {
            "Dir::Etc::sourcelist": self.folder / "mse.sources",
            "Dir::Etc::sourceparts": "/nonexistent",
            "Dir::Etc::preferences": "/nonexistent",
            "Dir::Etc::preferencesparts": "/nonexistent",
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "APT::Architecture": "amd64",
            "Acquire::GzipIndexes": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        if os.geteuid() == 0:  # its own user may not enter our folders
            values["APT::Sandbox::User"] = "root"
        return [word for key, value in values.items() for word in ("-o", f"{key}={value}")]

    def run(self, what: str, arguments: list[str], folder: Path) -> str:
        command = [program("apt-get", "apt"), "-q", *self.options(), *arguments]
        return run(what, command, cwd=folder, env={**os.environ, "LC_ALL": "C"})

    def prepare(self) -> None:
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").write_text("")
        text = ""
        for archive in dict.fromkeys(suite.archive for suite in self.suites):
            names = " ".join(suite.name for suite in self.suites if suite.archive == archive)
            text += (f"Types: deb\nURIs: {self.mirror(archive)}\nSuites: {names}\n"
                     f"Components: main\nArchitectures: amd64\nTargets: Packages\n"
                     f"Signed-By: {KEYRING}\n\n")
        (self.folder / "mse.sources").write_text(text)

    def update(self, lists: Lists) -> None:
        """Today's signed lists, copied as they are into the folder of `lists`."""
        self.prepare()
        self.run("the signed lists", ["update", "--error-on=any"], self.folder)
        lists.folder.mkdir(parents=True, exist_ok=True)
        targets = run("apt", [program("apt-get", "apt"), "indextargets", *self.options(),
                              "--format", "$(RELEASE) $(FILENAME)", "Created-By: Packages"])
        files = dict(line.split(" ", 1) for line in targets.splitlines())
        for suite in self.suites:
            if suite.name not in files:
                raise Problem(f"apt has no list of '{suite.name}'")
            packages = Path(files[suite.name])
            release = packages.with_name(re.sub(r"_main_binary-amd64_Packages$", "_InRelease",
                                                packages.name))
            shutil.copyfile(release, lists.release(suite))
            with open(packages, "rb") as plain, \
                    lzma.open(lists.packages(suite), "wb", preset=0) as packed:
                shutil.copyfileobj(plain, packed, 1 << 20)

    def download(self, packages: list[Package], debs: Path) -> None:
        """Into `debs`; never another version than the one asked for."""
        self.prepare()
        partial = debs / "partial"
        partial.mkdir(parents=True, exist_ok=True)
        words = [f"{package.name}={package.version}" for package in packages]
        self.run("packages", ["download", *words], partial)
        for package in packages:
            (partial / package.file_name).rename(debs / package.file_name)


def check_deb(package: Package, path: Path) -> bool:
    """Is it there? Wrong bytes are an error, not an absence."""
    if not path.is_file():
        return False
    if path.stat().st_size != package.size or sha256_file(path) != package.sha256:
        raise Problem(f"'{path}' is not the locked package {package.text}: expected SHA-256 "
                      f"{package.sha256}, {package.size} bytes", "delete it and try again")
    return True


def unavailable(lock: Lock, missing: list[Package]) -> Unavailable:
    names = ", ".join(package.text for package in missing[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    return Unavailable(
        f"image '{lock.name}': no signed list has {names}{more} any more",
        "build from the inputs of an image that somebody has (--inputs DIR), or make a new lock "
        "('mse image lock')")
