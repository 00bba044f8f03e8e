"""Where processes of this machine listen, as Linux tells."""

import socket
import struct
from pathlib import Path


def listening(pid: int) -> set[str]:
    """The addresses of TCP sockets on which a process and its descendants listen."""
    found = _listening_inodes()
    return {found[inode] for each in _family(pid) for inode in _sockets(each) if inode in found}


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _sockets(pid: int) -> list[str]:
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return [link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")]


def _listening_inodes() -> dict[str, str]:
    found: dict[str, str] = {}
    for table, family, words in (("tcp", socket.AF_INET, 1), ("tcp6", socket.AF_INET6, 4)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A":
                address = local.partition(":")[0]
                parts = [int(address[8 * n : 8 * n + 8], 16) for n in range(words)]
                packed = socket.inet_ntop(family, struct.pack(f"={words}I", *parts))
                found[rest[5]] = packed.removeprefix("::ffff:")  # an IPv4 address in an IPv6 socket
    return found
