# SPDX-License-Identifier: Apache-2.0
"""dm-verity without a superblock: an image's data blocks followed by their hash tree.

Every parameter stands in the measured command line as ROOT:DATA_BLOCKS:SALT: SHA-256, blocks of
4096 bytes, a salt of 32 zero bytes. The tree as the kernel reads it: levels from the root's down,
each a run of blocks of 128 digests (Documentation/admin-guide/device-mapper/verity.rst).
"""

import hashlib
from pathlib import Path

BLOCK = 4096
SALT = bytes(32)


def digests(data: bytes) -> bytes:
    """The digests of a level's blocks, padded to whole blocks."""
    salted = hashlib.sha256(SALT)
    level = bytearray()
    for offset in range(0, len(data), BLOCK):
        one = salted.copy()
        one.update(data[offset:offset + BLOCK])
        level += one.digest()
    return bytes(level) + bytes(-len(level) % BLOCK)


def add_tree(path: Path) -> str:
    """Pads the file to whole blocks, appends its hash tree, returns ROOT:DATA_BLOCKS:SALT."""
    data = path.read_bytes()
    data += bytes(-len(data) % BLOCK)
    levels = [data]
    while len(levels[-1]) > BLOCK:
        levels.append(digests(levels[-1]))
    root = hashlib.sha256(SALT + levels[-1]).hexdigest()
    path.write_bytes(data + b"".join(reversed(levels[1:])))
    return f"{root}:{len(data) // BLOCK}:{SALT.hex()}"
