"""The guard before hosts and addresses that users choose."""

from ipaddress import ip_address

import pytest

from app.kit.outbound_guard import Allowed, address_fault, host_fault

NOTHING = Allowed()

NOT_PUBLIC = {
    "unspecified": "0.0.0.0",  # noqa: S104
    "this network": "0.1.2.3",
    "private 10": "10.1.2.3",
    "private 172.16": "172.31.255.255",
    "private 192.168": "192.168.0.1",
    "loopback": "127.0.0.1",
    "loopback beyond the first": "127.9.9.9",
    "link-local": "169.254.1.1",
    "metadata": "169.254.169.254",
    "metadata of Azure": "168.63.129.16",
    "metadata of Alibaba": "100.100.100.200",
    "carriers' NAT": "100.64.0.1",
    "protocol assignments": "192.0.0.192",
    "documentation 1": "192.0.2.1",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "relays of 6to4": "192.88.99.1",
    "benchmarking": "198.19.255.255",
    "multicast": "224.0.1.1",
    "multicast that is local": "239.255.255.250",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "unspecified, IPv6": "::",
    "loopback, IPv6": "::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped, in hexadecimal": "::ffff:7f00:1",
    "mapped and public": "::ffff:8.8.8.8",
    "compatible": "::127.0.0.1",
    "translated": "::ffff:0:10.0.0.1",
    "6to4": "2002:7f00:1::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "NAT64 of loopback": "64:ff9b::127.0.0.1",
    "NAT64 of a private address": "64:ff9b::10.0.0.1",
    "NAT64 of metadata": "64:ff9b::169.254.169.254",
    "NAT64 of a local network": "64:ff9b:1::8.8.8.8",
    "discard": "100::1",
    "unique local": "fd12:3456::1",
    "metadata, IPv6": "fd00:ec2::254",
    "link-local, IPv6": "fe80::1",
    "link-local with a zone": "fe80::1%eth0",
    "public with a zone": "2606:4700::1111%eth0",
    "site-local": "fec0::1",
    "multicast, IPv6": "ff02::1",
    "documentation, IPv6": "2001:db8::1",
    "documentation, IPv6, newer": "3fff::1",
    "benchmarking, IPv6": "2001:2::1",
    "ORCHID": "2001:20::1",
    "segment routing": "5f00::1",
    "outside of what is given out": "4000::1",
}
PUBLIC = ("8.8.8.8", "1.1.1.1", "192.1.0.1", "2606:4700:4700::1111", "64:ff9b::8.8.8.8")


@pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC.keys())
def test_an_address_outside_of_the_internet_is_refused(address: str) -> None:
    assert address_fault(ip_address(address), NOTHING) is not None
    assert host_fault(address, NOTHING) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_admitted(address: str) -> None:
    assert address_fault(ip_address(address), NOTHING) is None
    assert host_fault(address, NOTHING) is None


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "010.8.8.8",
        "8.8.8.08",
        "1.1.1.1.",
        "example.com.1",
        "example.0x",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "api.localhost",
        "hooks.example.com.",
        "printer.local",
        "metadata.google.internal",
        "botkeys-api",
        "１２７.0.0.1",  # noqa: RUF001
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "a b.example",
        "a@b.example",
        "-a.example",
        "a..example",
        "",
        "a" * 64 + ".example",
        "a." * 127 + "a",
        "[::1]",
    ],
)
def test_a_host_that_is_local_or_spelled_unusually_is_refused(host: str) -> None:
    assert host_fault(host, NOTHING) is not None


@pytest.mark.parametrize(
    "host", ["hooks.example.com", "Hooks.Example.COM", "a_b.example", "xn--bcher-kva.example"]
)
def test_a_name_is_judged_by_its_addresses(host: str) -> None:
    assert host_fault(host, NOTHING) is None


def test_the_list_allows_what_it_names_and_no_more() -> None:
    allowed = Allowed.of(("Alerts", "10.1.0.0/16", "::1", "localhost"))
    for host in ("alerts", "ALERTS", "10.1.2.3", "::1", "localhost"):
        assert host_fault(host, allowed) is None
        assert allowed.names(host)
    for host in ("alerts.local", "alerts.", "10.2.0.1", "::ffff:10.1.2.3", "127.0.0.1", "10.1.769"):
        assert host_fault(host, allowed) is not None
        assert not allowed.names(host)
    assert address_fault(ip_address("10.1.2.3"), allowed) is None
    assert address_fault(ip_address("10.2.0.1"), allowed) is not None


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("0.0.0.0/0", "guards nothing"),
        ("::/0", "guards nothing"),
        ("10.1.2.3/16", "without bits beyond its prefix"),
        ("127.1", "must be a host"),
        ("https://hooks.example", "must be a host"),
        ("*.example", "must be a host"),
        ("hooks.example:443", "must be a host"),
    ],
)
def test_a_word_that_names_nothing_is_refused_by_its_number(word: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        Allowed.of(("10.1.0.0/16", word))
    assert "item 2" in str(refused.value)
