# SPDX-License-Identifier: Apache-2.0
"""The initrd: pid 1, the kernel modules it loads, and a marker behind them.

An uncompressed cpio: the modules stay as the kernel's package has them (.ko.xz), so no version of
a compressor decides the bytes. The marker is the last entry: a kernel that had no memory left to
unpack everything has not unpacked the marker, and pid 1 refuses to go on.
"""

import lzma
import re
from pathlib import Path

from .problem import Problem

INIT, LIST, MARKER = "init", "modules.list", "mse-initrd-end"
# In the order of loading; dependencies come first by themselves.
MODULES = ("virtio_blk", "virtio_net", "dm_verity", "erofs", "loop", "dm_zero", "dm_crypt", "dm_integrity",
           "aegis128", "aegis128_aesni", "sev_guest", "tdx_guest", "tsm")


def cpio_entry(number: int, name: str, mode: int, data: bytes = b"") -> bytes:
    """The 'newc' format (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    head += bytes(-len(head) % 4)
    return head + data + bytes(-len(data) % 4)


def cpio(entries: list[tuple[str, int, bytes]]) -> bytes:
    out = b"".join(cpio_entry(number, *entry) for number, entry in enumerate(entries, 1))
    out += cpio_entry(0, "TRAILER!!!", 0)
    return out + bytes(-len(out) % 512)


def module_name(path: Path) -> str:
    return path.name.split(".")[0].replace("-", "_")


def module_text(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def info(path: Path, key: str) -> list[str]:
    """Values of a key of a module's .modinfo section."""
    pattern = re.compile(rb"(?<=\0)" + key.encode() + rb"=([^\0]*)\0")
    return [value.decode() for value in pattern.findall(module_text(path))]


def load_order(folder: Path, wanted: tuple[str, ...]) -> list[Path]:
    """The modules with what they depend on; what is built into this kernel needs no loading."""
    files = {module_name(path): path for path in sorted((folder / "kernel").rglob("*.ko*"))}
    built_in = {module_name(Path(line)) for line in
                (folder / "modules.builtin").read_text().splitlines()}
    order: list[Path] = []

    def add(name: str, needed_by: str) -> None:
        if name in built_in:
            return
        if name not in files:
            raise Problem(f"kernel '{folder.name}' has no module '{name}', which "
                          f"{needed_by} needs")
        if files[name] in order:
            return
        depends = [word for value in info(files[name], "depends")
                   for word in value.split(",") if word]
        before = [word for value in info(files[name], "softdep") if value.startswith("pre:")
                  for word in value.split("post:")[0].split()[1:]]
        for other in depends:
            add(other.replace("-", "_"), f"'{name}'")
        for other in before:
            if other.replace("-", "_") in files:
                add(other.replace("-", "_"), f"'{name}'")
        if files[name] not in order:
            order.append(files[name])

    for name in wanted:
        add("tsm_report" if name == "tsm" and name not in files else name, "the image")
    return order


def modules_folder(tree: Path) -> Path:
    found = sorted((tree / "usr/lib/modules").iterdir())
    if len(found) != 1:
        raise Problem(f"the kernel's package has {len(found)} folders of modules, expected one")
    return found[0]


def build_initrd(kernel_tree: Path, init: Path) -> bytes:
    modules = load_order(modules_folder(kernel_tree), MODULES)
    names = [path.name for path in modules]
    entries = [("dev", 0o040755, b""), (INIT, 0o100755, init.read_bytes()),
               ("modules", 0o040755, b"")]
    entries += [(f"modules/{path.name}", 0o100644, path.read_bytes()) for path in modules]
    entries.append((LIST, 0o100644, "".join(f"{name}\n" for name in names).encode()))
    entries.append((MARKER, 0o100644, b"mse\n"))
    return cpio(entries)
