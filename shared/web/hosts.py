"""The names by which browsers may call the page.

A page on the internet can let its own name lead to an address of this computer or its
network (DNS rebinding), so that its visitors' browsers take our page for a part of it.
Such requests are known by that name, which the browser sends along.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator

from shared.errors import AppError

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_HOST = re.compile(r"(\[[^\]]*\]|[^\[\]:]*)(?::(\d{1,5}))?")


class Hosts:
    """Names and addresses by which the page may be called, with any port.

    A page for this computer alone is called by its own names, localhost or an address
    of its own. One at an address of a network is called by that, and one at all of
    them (0.0.0.0) by any address, which no name leads to, and by this computer's name.

    Args:
        bound: the address or name at which the page listens.
        names: other ones, as people type them into a browser.

    Raises:
        AppError: if one of these is no name.
    """

    def __init__(self, bound: str = "127.0.0.1", names: Iterable[str] = ()):
        self._names = {_read_given(name) for name in names}
        address = _look_up(bound)
        self._any = bool(address and address.is_unspecified)
        self._own = bool(address and address.is_loopback)
        self._names |= {read_host(bound), read_host(str(address)), f"[{address}]"}
        if self._own or self._any:
            self._names.add("localhost")
        if self._any:
            self._names |= set(_own_names())

    def allows(self, host: str) -> bool:
        """Whether the page goes by a name, of which a port may follow."""
        name = read_host(host)
        if not name:
            return False
        address = _to_address(name.strip("[]"))
        if address and (self._any or (self._own and address.is_loopback)):
            return True
        return name in self._names


def read_host(host: str) -> str:
    """Bring a host, without its port, into one form; an odd one becomes nothing.

    Args:
        host: as in HTTP's header: a name, or an address, of version 6 in brackets.
    """
    found = _HOST.fullmatch(host.lower())
    if not found or int(found[2] or 0) > 65535:
        return ""
    name = found[1]
    if name.startswith("["):
        address = _to_address(name[1:-1])
        return f"[{address}]" if address and address.version == 6 else ""
    name = name.removesuffix(".")
    return name if len(name) <= 253 and _NAME.fullmatch(name) else ""


def _read_given(name: str) -> str:
    found = read_host(name) or read_host(f"[{name}]")
    if not found:
        raise AppError(
            f"--host-name {name!r:.100}: this is no name of a computer. It is what "
            "stands in the page's address after http://, such as photos.example.org."
        )
    return found


def _to_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _look_up(bound: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Find the address that `shared.web.serving.listen` takes for a name."""
    try:
        found = socket.getaddrinfo(
            bound, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        return None
    return _to_address(str(found[0][4][0]))


def _own_names() -> Iterator[str]:
    """Give this computer's names; in a home, its routers and phones know the last."""
    name = read_host(socket.gethostname())
    short = name.partition(".")[0]
    if name and not _to_address(name):
        yield from (name, short, f"{short}.local")
