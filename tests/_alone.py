"""Run a command in a network of its own, and tell whom it asked for and what it sent.

Reads ``{"command", "environment", "until_asked"}`` as JSON, and prints ``{"code", "output", "asked", "sent"}``.
``asked`` holds the names that were looked up, ``sent`` how many connections and datagrams were tried. With
``until_asked`` the command is ended at the first look-up.

It has to be started by ``unshare --map-root-user --net --mount``. It brings up the loopback, answers look-ups on
127.0.0.1:53, and shows its processes a resolv.conf that says so. There is no other network.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
COUNTED = {"TcpActiveOpens", "UdpOutDatagrams", "IpOutNoRoutes", "Udp6OutDatagrams", "Ip6OutNoRoutes"}
"""The kernel's counters of this network; Tcp's is for both kinds of addresses."""
LONGEST_SECONDS = 120
SETTINGS = {"/etc/resolv.conf": "nameserver 127.0.0.1\n", "/etc/nsswitch.conf": "hosts: files dns\npasswd: files\n"}


def bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", b"lo", 0)
        (flags,) = struct.unpack("16xh22x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def answer(server: socket.socket, asked: list[str], was_asked: threading.Event) -> None:
    """Write down each name that is looked up, and answer that there is none."""
    while True:
        query, sender = server.recvfrom(4096)
        labels, place = [], 12
        while query[place]:
            labels.append(query[place + 1 : place + 1 + query[place]].decode("ascii", "replace"))
            place += 1 + query[place]
        asked.append(".".join(labels))
        was_asked.set()
        server.sendto(query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[12 : place + 5], sender)


def sent() -> dict[str, int]:
    """Return what the kernel counted in this network."""
    lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines()]
    counts = {
        names[0].removesuffix(":") + name: int(value)
        for names, values in zip(lines[::2], lines[1::2], strict=True)
        for name, value in zip(names[1:], values[1:], strict=True)
    }
    six = (line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    counts |= {name: int(value) for name, value in six}
    return {name: counts[name] for name in sorted(COUNTED)}


def show_settings() -> None:
    """Have this process and its children look names up on 127.0.0.1, and nowhere else."""
    for target, text in SETTINGS.items():
        if os.path.exists(target):
            with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                file.write(text)
                file.flush()
                subprocess.run(["mount", "--bind", file.name, os.path.realpath(target)], check=True)


def main() -> None:
    request = json.load(sys.stdin)
    bring_up_loopback()
    show_settings()
    asked: list[str] = []
    was_asked = threading.Event()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=answer, args=(server, asked, was_asked), daemon=True).start()
    command = subprocess.Popen(
        request["command"], env=request["environment"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if request["until_asked"]:
        was_asked.wait(LONGEST_SECONDS)
        command.kill()
    output, _ = command.communicate()
    print(json.dumps({"code": command.returncode, "output": output, "asked": asked, "sent": sent()}))


if __name__ == "__main__":
    main()
