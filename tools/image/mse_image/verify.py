# SPDX-License-Identifier: Apache-2.0
"""Is this image what its lock says? Proves each package from Debian's signed lists, rebuilds, and
compares every byte. Needs nothing but the image's folder and Debian's keyring."""

import json
import tempfile
from pathlib import Path

from .build import (DESCRIPTION, INITRD, INPUTS, KERNEL, ROOT, DEBUG_CONSOLE, Options,
                    build_parts, canonical, firmware_name, have_packages, proven_lists, read_lock)
from .problem import Problem, sha256_file

DESCRIPTION_MAX = 64 << 10


def read_description(folder: Path) -> dict:
    path = folder / DESCRIPTION
    if not path.is_file():
        raise Problem(f"'{folder}' is no image: it has no '{DESCRIPTION}'")
    if path.stat().st_size > DESCRIPTION_MAX:
        raise Problem(f"'{path}' is larger than {DESCRIPTION_MAX} bytes")
    text = path.read_bytes()
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Problem(f"'{path}' is no JSON: {error}") from error
    if not isinstance(document, dict) or canonical(document) != text:
        raise Problem(f"'{path}' is no canonical JSON object")
    if document.get("format") != 1:
        raise Problem(f"'{path}': format {document.get('format')!r}, this program knows 1")
    return document


def named_files(document: dict) -> dict[str, str]:
    """file -> SHA-256, for all that image.json names."""
    try:
        files = {KERNEL: document["kernel"]["sha256"], INITRD: document["initrd"]["sha256"],
                 ROOT: document["root"]["sha256"]}
        for tee, firmware in document["firmware"].items():
            files[firmware_name(tee)] = firmware["sha256"]
        for key in ("lock", "runtime", "name", "cmdline"):
            document[key].encode()
        return files
    except (KeyError, TypeError, AttributeError) as error:
        raise Problem(f"'{DESCRIPTION}' lacks {error}") from error


def compare_files(folder: Path, files: dict[str, str]) -> None:
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise Problem(f"'{folder}' lacks '{name}'")
        found = sha256_file(path)
        if found != expected:
            raise Problem(f"'{path}' has SHA-256 {found}, '{DESCRIPTION}' says {expected}")


def compare_descriptions(ours: dict, theirs: dict) -> None:
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            raise Problem(f"rebuilt, '{key}' is {ours.get(key)!r}, the image says "
                          f"{theirs.get(key)!r}")


def verify(folder: Path, options: Options) -> list[str]:
    """Returns what was found out, one line each."""
    document = read_description(folder)
    compare_files(folder, named_files(document))
    inputs = folder / INPUTS
    if not inputs.is_dir():
        raise Problem(f"'{folder}' has no folder '{INPUTS}', so nobody can say what it was made "
                      "from", "ask for the image with its inputs")
    options.lock = inputs / f"{document.get('name')}.lock"
    lock = read_lock(options.lock)
    compare_files(inputs, {options.lock.name: document["lock"], "mse-enclave": document["runtime"]})
    lines = []
    for ours, found in ((options.enclave, inputs / "mse-enclave"),
                        (options.init, inputs / "mse-init")):
        if not found.is_file():
            raise Problem(f"'{inputs}' lacks '{found.name}'")
        same = ours.is_file() and sha256_file(ours) == sha256_file(found)
        lines.append(f"{found.name}: " + ("the same as the one installed here" if same else
                     "not the one installed here; build it from source and compare "
                     f"({sha256_file(found)})"))
    options.enclave, options.init = inputs / "mse-enclave", inputs / "mse-init"
    options.inputs = inputs
    options.debug = DEBUG_CONSOLE in str(document.get("cmdline")).split(" ")
    debs = have_packages(lock, options)
    proven_lists(lock, options)
    lines.insert(0, f"{len(lock.packages)} packages, each with a hash that a signed list of "
                    "Debian leads to")
    with tempfile.TemporaryDirectory(prefix="mse-image-verify-") as name:
        rebuilt = Path(name).resolve() / "image"
        rebuilt.mkdir()
        options.output = rebuilt
        compare_descriptions(build_parts(lock, options, debs, rebuilt), document)
    lines.append(f"rebuilt: every byte the same, root {document['root']['verity'].split(':')[0]}")
    if options.debug:
        lines.append("a debug image: what the kernel and pid 1 say goes to a console that the "
                     "host reads")
    return lines
