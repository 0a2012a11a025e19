"""Several hosts on one machine: network namespaces on a bridge, which can be cut off and healed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


def missing() -> str:
    """Say why there can be no hosts here; "" if there can."""
    if shutil.which("ip") is None:
        return "needs ip, from iproute2"
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    probe = f"km{os.getpid()}p"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    return "" if made.returncode == 0 else f"network namespaces are not to be had: {made.stderr.strip()}"


@dataclass(frozen=True)
class Host:
    """A network namespace with an address of its own."""

    namespace: str
    address: str
    cable: str
    switch: str

    @property
    def prefix(self) -> list[str]:
        """What to put before a command so that it runs on this host."""
        return ["ip", "netns", "exec", self.namespace]

    def cut_off(self) -> None:
        """Pull its cable: packets are lost both ways, and nobody is told."""
        _in(self.switch, "ip", "link", "set", self.cable, "nomaster")

    def heal(self) -> None:
        """Plug the cable in again."""
        _in(self.switch, "ip", "link", "set", self.cable, "master", "bridge0")


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """Make that many hosts, all on one switch; take them away afterwards."""
    name = f"km{os.getpid()}"
    switch = f"{name}s"
    made = [
        Host(f"{name}h{number}", f"10.77.0.{number}", f"port{number}", switch)
        for number in range(1, count + 1)
    ]
    try:
        _run("ip", "netns", "add", switch)
        _in(switch, "ip", "link", "add", "bridge0", "type", "bridge")
        _in(switch, "ip", "link", "set", "bridge0", "up")
        for host in made:
            _run("ip", "netns", "add", host.namespace)
            _in(
                switch,
                *("ip", "link", "add", host.cable, "type", "veth"),
                *("peer", "name", "eth0", "netns", host.namespace),
            )
            _in(switch, "ip", "link", "set", host.cable, "master", "bridge0")
            _in(switch, "ip", "link", "set", host.cable, "up")
            _in(host.namespace, "ip", "addr", "add", f"{host.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _in(host.namespace, "ip", "link", "set", device, "up")
        yield made
    finally:
        for namespace in [*(host.namespace for host in made), switch]:
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


def _in(namespace: str, *command: str) -> None:
    _run("ip", "netns", "exec", namespace, *command)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
