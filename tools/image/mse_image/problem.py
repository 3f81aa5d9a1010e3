# SPDX-License-Identifier: Apache-2.0
"""The one error of these tools, and running other programs."""

import hashlib
import shutil
import subprocess
from pathlib import Path


class Problem(Exception):
    """One sentence: what is wrong, where, what was expected; `hint` says what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class Unavailable(Problem):
    """A pinned package that the mirror does not have any more."""


def program(name: str, package: str) -> str:
    """The path of a program of this machine."""
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        raise Problem(f"program '{name}' is not installed", f"apt-get install {package}")
    return path


def run(what: str, command: list[str], **more) -> str:
    """Runs a program to its end; its error output becomes the error. Returns its output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False, **more)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).split("\n")[-4:]
        raise Problem(f"{what}: '{Path(command[0]).name}' failed with status {done.returncode}: "
                      + " / ".join(said))
    return done.stdout


def sha256_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
