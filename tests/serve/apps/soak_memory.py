"""What this process holds, for the apps of the soak test: Python's blocks, and malloc's bytes."""
import ctypes
import gc
import json
import sys


class Mallinfo(ctypes.Structure):
    """struct mallinfo2 of <malloc.h>."""
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
        "keepcost")]


mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Mallinfo


def report():
    gc.collect()
    info = mallinfo2()
    return json.dumps({"blocks": sys.getallocatedblocks(),
                       "heap_bytes": info.uordblks + info.hblkhd}).encode()
