# SPDX-License-Identifier: Apache-2.0
"""A tree of files from packages, none of whose scripts run; and the root of an image.

The same packages give the same tree whatever the folder, umask, user and time zone: names and
modes are set here, owners and times by what packs the tree.
"""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import Callable

from .lock import Lock, Package
from .problem import Problem, program, run

MERGED = ("bin", "sbin", "lib", "lib64")  # links into usr/, as Debian has them
ITEMS_MAX, BYTES_MAX = 100_000, 1 << 30

# What no app reads, or what a package manager, a login, a compiler or an init would.
PRUNED = re.compile(r"""(
    etc(?!/mime\.types) | var | boot
  | usr/share/(?!ca-certificates/|zoneinfo/|mime/|python-wheels/).*
  | usr/share/zoneinfo/(right|posix)
  | usr/lib/(systemd|udev|dpkg|valgrind|lsb|init|apt|cpp|tmpfiles\.d)
  | usr/lib/x86_64-linux-gnu/(gconv|perl.*|audit|e2fsprogs|.*\.o)
  | usr/lib/python3(\.\d+)?/(pydoc_data|lib2to3|idlelib|turtledemo|tkinter|ensurepip|test
      |config-[^/]*|dist-packages/[^/]*/tests?|dist-packages/README)
  | usr/(bin|sbin)/(?!(python3[.0-9]*|mkfs\.ext4|mke2fs|e2fsck)$).*
)(/.*)?""", re.X)

ETC = {
    "passwd": "root:x:0:0:the app:/root:/usr/sbin/nologin\n"
              "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost mse\n::1 localhost\n",
    "hostname": "mse\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n"
                     "protocols: files\n",
    "mke2fs.conf": "[defaults]\n\tbase_features = sparse_super,large_file,filetype,resize_inode,"
                   "dir_index,ext_attr\n\tdefault_mntopts = acl,user_xattr\n\tblocksize = 4096\n"
                   "\tinode_size = 256\n\tinode_ratio = 16384\n\n[fs_types]\n\text4 = {\n"
                   "\t\tfeatures = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,"
                   "dir_nlink,extra_isize\n\t}\n",
}
# What pid 1 mounts something on.
FOLDERS = ("proc", "sys", "dev", "run", "tmp", "root", "mse-app", "mse-env", "var")
LINKS = {
    "etc/resolv.conf": "/run/mse/resolv.conf",
    "etc/localtime": "/usr/share/zoneinfo/Etc/UTC",
    "usr/lib/ssl/certs": "/etc/ssl/certs",
    "usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt",
    "var/tmp": "../tmp",
}


def safe_path(name: str, where: str) -> str:
    """Below the tree, with the merged folders in their place."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts:
        raise Problem(f"{where}: '{name}' leaves the tree")
    if parts and parts[0] in MERGED:
        parts = ("usr", *parts)
    return "/".join(parts)


def check_parents(tree: Path, path: str, where: str) -> None:
    """No item is written through a link that another one made."""
    for parent in list(PurePosixPath(path).parents)[:-1]:
        if (tree / parent).is_symlink():
            raise Problem(f"{where}: '{path}' stands behind the link '{parent}'")


def place(tree: Path, item: tarfile.TarInfo, archive: tarfile.TarFile, where: str) -> None:
    path = safe_path(item.name, where)
    check_parents(tree, path, where)
    target = tree / path
    if item.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        raise Problem(f"{where}: two packages have '{path}'")
    if item.issym():
        target.symlink_to(item.linkname)
    elif item.islnk():
        other = tree / safe_path(item.linkname, where)
        if not other.is_file() or other.is_symlink():
            raise Problem(f"{where}: '{path}' is a link to '{item.linkname}', which is not there")
        shutil.copyfile(other, target)
        target.chmod(other.stat().st_mode & 0o777)
    elif item.isreg():
        content = archive.extractfile(item)
        with open(target, "xb") as file:
            shutil.copyfileobj(content, file)
        target.chmod(0o755 if item.mode & 0o100 else 0o644)
    else:
        raise Problem(f"{where}: '{path}' is neither file, folder nor link")


def extract(package: Package, deb: Path, tree: Path, wanted: Callable[[str], bool]) -> None:
    """Lays the files of a package whose path is wanted into the tree."""
    command = [program("dpkg-deb", "dpkg"), "--fsys-tarfile", str(deb)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as unpacker:
        items = size = 0
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
                for item in archive:
                    items, size = items + 1, size + item.size
                    if items > ITEMS_MAX or size > BYTES_MAX:
                        raise Problem(f"{package.text}: more than {ITEMS_MAX} files or "
                                      f"{BYTES_MAX >> 20} MiB")
                    if wanted(safe_path(item.name, package.text)):
                        place(tree, item, archive, package.text)
        except tarfile.TarError as error:
            raise Problem(f"{package.text}: {error}") from error
    if unpacker.returncode != 0:
        raise Problem(f"{package.text}: dpkg-deb failed with status {unpacker.returncode}")


def is_of_root(path: str) -> bool:
    return path not in ("", "usr") and PRUNED.fullmatch(path) is None


def new_tree(tree: Path) -> None:
    (tree / "usr").mkdir(parents=True)
    for name in MERGED:
        (tree / "usr" / name).mkdir()
        (tree / name).symlink_to(f"usr/{name}")


def run_inside(what: str, tree: Path, command: list[str], **more) -> str:
    """Runs a program of a tree with the tree's own libraries, so that it is the same program on
    every machine."""
    loader = tree / "usr/lib64/ld-linux-x86-64.so.2"
    if not loader.exists():
        loader = tree / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    libraries = f"{tree}/usr/lib/x86_64-linux-gnu:{tree}/usr/lib"
    return run(what, [str(loader), "--inhibit-cache", "--library-path", libraries, *command],
               env={"PATH": "/nonexistent", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "TZ": "UTC"},
               cwd=tree, **more)


def compile_python(lock: Lock, tree: Path) -> None:
    """Byte code beside the sources, believed without a look at them: the root is read-only."""
    python = f"{tree}/usr/bin/python{lock.python}"
    for folder in (f"usr/lib/python{lock.python}", "usr/lib/python3/dist-packages"):
        run_inside("byte code", tree,
                   [python, "-B", "-I", "-S", "-m", "compileall", "-f", "-q", "-j1", "--invalidation-mode",
                    "unchecked-hash", "-s", f"{tree}", "-p", "/", f"{tree}/{folder}"])


def write_etc(tree: Path) -> None:
    for name, text in ETC.items():
        path = tree / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    certificates = sorted((tree / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle = tree / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes(b"".join(path.read_bytes() for path in certificates))
    shutil.rmtree(tree / "usr/share/ca-certificates", ignore_errors=True)


def normalise(tree: Path) -> None:
    """Modes from nothing but 'may it be executed'."""
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            path = Path(folder) / name
            if path.is_symlink():
                continue
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    tree.chmod(0o755)


def build_root(lock: Lock, debs: Path, enclave: Path, tree: Path) -> None:
    new_tree(tree)
    for package in lock.of("root"):
        extract(package, debs / package.file_name, tree, is_of_root)
    write_etc(tree)
    for name in FOLDERS:
        (tree / name).mkdir(exist_ok=True)
    for name, target in LINKS.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(target)
    compile_python(lock, tree)
    program_path = tree / "usr/lib/mse/mse-enclave"
    program_path.parent.mkdir()
    shutil.copyfile(enclave, program_path)
    program_path.chmod(0o755)
    normalise(tree)
