"""By which names the page may be called."""

import pytest

from shared.errors import AppError
from shared.web import hosts
from shared.web.hosts import Hosts

OTHERS = [
    *("evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "2130706433"),
    *("0x7f.1", "127.1.evil", "localhost:80:80", "localhost:99999", "a@localhost"),
    *("", ".", "..", "localhost..", "[::1", "[127.0.0.1]", "[::1]x", "[localhost]"),
    *(
        "loca lhost",
        "localhost/",
        "xn--e1awd7f.example",
        "lo\u0441alhost",
        "x" * 300,
    ),
]


@pytest.fixture(autouse=True)
def computer(monkeypatch):
    monkeypatch.setattr(hosts.socket, "gethostname", lambda: "Mine.lan")


def allowed(bound, *tried, names=()):
    known = Hosts(bound, names)
    return [host for host in tried if known.allows(host)]


@pytest.mark.parametrize("bound", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_a_page_for_this_computer_goes_by_its_own_names(bound):
    own = ["localhost", "127.0.0.1", "[::1]", "localhost:1", "127.0.0.1:7860"]
    own += ["[::1]:65535", "LocalHost:80", "localhost.", "127.0.0.2:5", "[0:0::1]"]
    assert allowed(bound, *own) == own
    assert allowed(bound, *OTHERS, "192.168.1.5", "mine.lan", "0.0.0.0", "[::]") == []


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_a_page_for_all_goes_by_addresses_and_names_of_the_computer(bound):
    own = ["localhost", "192.168.1.5:7860", "10.0.0.1", "[2001:db8::1]:80", "127.0.0.1"]
    own += ["mine.lan:7860", "mine", "MINE.local"]
    assert allowed(bound, *own) == own
    assert allowed(bound, *OTHERS, "other.lan", "mine.evil.example") == []


def test_a_page_at_one_address_goes_by_that():
    assert allowed("192.0.2.1", "192.0.2.1:7860", "192.0.2.2", "localhost") == [
        "192.0.2.1:7860"
    ]
    assert allowed("2001:db8::1", "[2001:DB8:0::1]:1", "[2001:db8::2]") == [
        "[2001:DB8:0::1]:1"
    ]


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", "192.0.2.1"])
def test_names_can_be_given(bound):
    names = ["photos.example", "B.Example:8443", "192.0.2.7", "2001:db8::1"]
    own = ["photos.example", "PHOTOS.example.:1", "b.example", "192.0.2.7"]
    own += ["[2001:db8::1]:7860"]
    assert allowed(bound, *own, names=names) == own
    assert allowed(bound, "x.photos.example", "evil.example", names=names) == []


@pytest.mark.parametrize("name", ["", "a b", "http://x", "x/", "*", "*.example"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(AppError, match="--host-name"):
        Hosts(names=[name])
