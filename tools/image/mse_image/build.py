# SPDX-License-Identifier: Apache-2.0
"""Builds an image from a lock: image.json and the files that it names, with their inputs."""

import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import verity
from .debian import KEYRING, Apt, Lists, check_deb, prove, unavailable
from .initrd import build_initrd
from .lock import Lock, Package, parse_lock
from .problem import Problem, sha256_file
from .tree import build_root, extract, new_tree, run_inside

FIRMWARE_FILES = {"snp": re.compile(r"usr/share/ovmf/OVMF\.amdsev\.fd"),
                  "tdx": re.compile(r"usr/share/ovmf/OVMF\.fd")}
KERNEL_FILES = re.compile(r"usr/lib/modules(/.*)?")
CONSOLE, DEBUG_CONSOLE = "console=mse", "console=ttyS0"
# Names that the files of an image have in its folder; `inputs` holds what they are made from.
KERNEL, INITRD, ROOT, DESCRIPTION, INPUTS = "kernel", "initrd", "root", "image.json", "inputs"
EROFS_UUID = "6d736500-0000-4000-8000-000000000000"


@dataclass
class Options:
    lock: Path
    output: Path
    cache: Path
    enclave: Path
    init: Path
    inputs: Path | None = None
    keyring: str = KEYRING
    debug: bool = False
    say: Callable[[str], None] = print


def read_lock(path: Path) -> Lock:
    try:
        return parse_lock(path.read_text(), str(path))
    except FileNotFoundError as error:
        raise Problem(f"no lock file '{path}'", "'mse image lock' makes one") from error
    except UnicodeDecodeError as error:
        raise Problem(f"'{path}' is no text") from error


# --- packages and their proof ---

def proven_lists(lock: Lock, options: Options) -> Lists:
    """Signed lists that name every package of the lock: those of the inputs, those that did it
    before, or today's."""
    if options.inputs is not None:
        lists = Lists(options.inputs)
        if not lists.complete(lock.suites):
            raise Problem(f"'{options.inputs}' lacks a signed list of the lock's suites")
        missing = prove(lock, lists, options.keyring)
        if missing:
            raise Problem(f"no signed list of '{options.inputs}' has {missing[0].text} with "
                          f"SHA-256 {missing[0].sha256}")
        return lists
    kept = Lists(options.cache / "proofs" / sha256_file(options.lock))
    if kept.complete(lock.suites) and not prove(lock, kept, options.keyring):
        return kept
    Apt(options.cache, lock.suites).update(kept)
    missing = prove(lock, kept, options.keyring)
    if missing:
        shutil.rmtree(kept.folder)
        raise unavailable(lock, missing)
    return kept


def have_packages(lock: Lock, options: Options) -> Path:
    """The folder that holds every package of the lock, each with its locked bytes."""
    debs = options.cache / "debs"
    if options.inputs is not None:
        debs = options.inputs / "debs"
    missing = [package for package in lock.packages
               if not check_deb(package, debs / package.file_name)]
    unique = list({package.file_name: package for package in missing}.values())
    if unique and options.inputs is not None:
        raise Problem(f"'{debs}' lacks {unique[0].file_name}")
    if unique:
        options.say(f"fetching {len(unique)} packages")
        Apt(options.cache, lock.suites).download(unique, debs)
        for package in unique:
            check_deb(package, debs / package.file_name)
    return debs


# --- the parts ---

def build_root_image(lock: Lock, debs: Path, enclave: Path, work: Path) -> tuple[Path, str]:
    tree, tools, image = work / "tree", work / "tools", work / ROOT
    build_root(lock, debs, enclave, tree)
    new_tree(tools)
    for package in lock.of("tool"):
        extract(package, debs / package.file_name, tools, re.compile(r"usr/(bin|lib).*").fullmatch)
    run_inside("root", tools, [f"{tools}/usr/bin/mkfs.erofs", "-T", "1", "-U", EROFS_UUID,
                               "--all-root", "-x", "-1", "-z", "lz4hc,9", "-C", "65536",
                               str(image), str(tree)])
    return image, verity.add_tree(image)


def one_file(package: Package, debs: Path, pattern: re.Pattern[str], work: Path) -> Path:
    tree = work / package.role
    new_tree(tree)
    extract(package, debs / package.file_name, tree, pattern.fullmatch)
    found = [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()]
    if len(found) != 1:
        raise Problem(f"{package.text} has {len(found)} files of the name {pattern.pattern}, "
                      "expected one")
    return found[0]


def kernel_tree(lock: Lock, debs: Path, work: Path) -> tuple[Path, Path]:
    """(vmlinuz, tree with the modules)"""
    package = lock.one("kernel")
    tree = work / "kernel-modules"
    new_tree(tree)
    extract(package, debs / package.file_name, tree, KERNEL_FILES.fullmatch)
    return one_file(package, debs, re.compile(r"boot/vmlinuz-.*"), work), tree


def command_line(lock: Lock, root: str, debug: bool) -> str:
    console = DEBUG_CONSOLE if debug else CONSOLE
    return (f"{lock.cmdline} {console} mse.memory={lock.memory_min} mse.root={root}")


def canonical(document: dict) -> bytes:
    """RFC 8785 for what an image.json holds: ASCII texts, small integers, objects."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def describe(lock: Lock, lock_file: Path, enclave: Path, folder: Path, root: str,
             debug: bool) -> dict:
    kernel = lock.one("kernel")
    firmware = {}
    for tee in FIRMWARE_FILES:
        if lock.of(f"firmware-{tee}"):
            firmware[tee] = {"sha256": sha256_file(folder / firmware_name(tee)),
                             "package": lock.one(f"firmware-{tee}").text}
    return {
        "format": 1, "name": lock.name, "python": lock.python, "firmware": firmware,
        "kernel": {"sha256": sha256_file(folder / KERNEL), "package": kernel.text},
        "initrd": {"sha256": sha256_file(folder / INITRD)},
        "root": {"sha256": sha256_file(folder / ROOT), "verity": root},
        "cmdline": command_line(lock, root, debug), "memory_min": lock.memory_min,
        "runtime": sha256_file(enclave), "lock": sha256_file(lock_file),
    }


def firmware_name(tee: str) -> str:
    return f"firmware-{tee}.fd"


def lay_file(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o644)


def build_parts(lock: Lock, options: Options, debs: Path, folder: Path) -> dict:
    """Everything but the inputs, into `folder`."""
    with tempfile.TemporaryDirectory(prefix="mse-image-", dir=options.output.parent) as name:
        work = Path(name).resolve()
        started = time.monotonic()
        image, root = build_root_image(lock, debs, options.enclave, work)
        lay_file(image, folder / ROOT)
        vmlinuz, modules = kernel_tree(lock, debs, work)
        lay_file(vmlinuz, folder / KERNEL)
        (folder / INITRD).write_bytes(build_initrd(modules, options.init))
        for tee, pattern in FIRMWARE_FILES.items():
            for package in lock.of(f"firmware-{tee}"):
                lay_file(one_file(package, debs, pattern, work), folder / firmware_name(tee))
        options.say(f"built in {time.monotonic() - started:.1f} s")
    description = describe(lock, options.lock, options.enclave, folder, root, options.debug)
    (folder / DESCRIPTION).write_bytes(canonical(description))
    return description


def lay_inputs(lock: Lock, options: Options, lists: Lists, debs: Path, folder: Path) -> None:
    """What a stranger needs to make the same image without any mirror."""
    (folder / "debs").mkdir(parents=True)
    lay_file(options.lock, folder / f"{lock.name}.lock")
    lay_file(options.enclave, folder / "mse-enclave")
    lay_file(options.init, folder / "mse-init")
    for suite in lock.suites:
        lay_file(lists.release(suite), folder / lists.release(suite).name)
        lay_file(lists.packages(suite), folder / lists.packages(suite).name)
    for package in lock.packages:
        lay_file(debs / package.file_name, folder / "debs" / package.file_name)


def check_static(init: Path) -> None:
    """pid 1 starts before any library is there."""
    if b"/lib64/ld-linux" in init.read_bytes():
        raise Problem(f"'{init}' is linked dynamically, expected a static program")


def build(options: Options) -> dict:
    lock = read_lock(options.lock)
    for path in (options.enclave, options.init):
        if not path.is_file():
            raise Problem(f"no program '{path}'", "build mse first ('make build')")
    check_static(options.init)
    if options.output.exists() and not (options.output / DESCRIPTION).is_file():
        raise Problem(f"'{options.output}' is there and is no image",
                      "give another folder with --output")
    options.say(f"proving {len(lock.packages)} packages from Debian's signed lists")
    lists = proven_lists(lock, options)
    debs = have_packages(lock, options)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mse-image-", dir=options.output.parent) as name:
        folder = Path(name) / "image"
        folder.mkdir()
        description = build_parts(lock, options, debs, folder)
        lay_inputs(lock, options, lists, debs, folder / INPUTS)
        if options.output.exists():
            options.output.rename(Path(name) / "old")
        folder.rename(options.output)
    return description
