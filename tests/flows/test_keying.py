"""The key host: the endpoint at home; both, the source; neither, the destination."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.addresses import address_array, address_texts
from flows.batch import FlowBatch
from flows.errors import UsageError
from flows.keying import HomeNetworks, key_hosts


def flows(*pairs: tuple[str, str]) -> FlowBatch:
    return FlowBatch.from_columns(
        len(pairs),
        {"src_addr": address_array([src for src, _ in pairs]), "dst_addr": address_array([dst for _, dst in pairs])},
    )


def keys(home: HomeNetworks, *pairs: tuple[str, str]) -> list[str]:
    batch = flows(*pairs)
    return address_texts(key_hosts(batch, home.key_is_dst(batch)))


@pytest.mark.parametrize(
    ("src", "dst", "key"),
    [
        ("10.1.2.3", "8.8.8.8", "10.1.2.3"),
        ("8.8.8.8", "10.1.2.3", "10.1.2.3"),
        ("10.1.2.3", "192.168.0.9", "10.1.2.3"),
        ("1.1.1.1", "8.8.8.8", "8.8.8.8"),
        ("172.15.255.255", "8.8.8.8", "8.8.8.8"),
        ("172.16.0.0", "8.8.8.8", "172.16.0.0"),
        ("172.31.255.255", "8.8.8.8", "172.31.255.255"),
        ("172.32.0.0", "8.8.8.8", "8.8.8.8"),
        ("fd00::1", "2001:db8::1", "fd00::1"),
        ("2001:db8::1", "fc00::2", "fc00::2"),
        ("2001:db8::1", "2001:db8::2", "2001:db8::2"),
        ("::a00:1", "2001:db8::2", "2001:db8::2"),  # ends in 10.0.0.1's bits, and is not it
    ],
)
def test_key_host(src: str, dst: str, key: str) -> None:
    assert keys(HomeNetworks(), (src, dst)) == [key]


def test_each_flow_is_keyed_for_itself() -> None:
    pairs = [("10.0.0.1", "8.8.8.8"), ("8.8.8.8", "10.0.0.2"), ("1.1.1.1", "8.8.8.8")]
    assert keys(HomeNetworks(), *pairs) == ["10.0.0.1", "10.0.0.2", "8.8.8.8"]
    assert keys(HomeNetworks()) == []


def test_other_home_networks() -> None:
    home = HomeNetworks(["147.32.0.0/16", "2001:db8::/32", "192.0.2.7/32"])
    assert keys(home, ("8.8.8.8", "147.32.81.167")) == ["147.32.81.167"]
    assert keys(home, ("2001:db8::9", "2001:db9::9")) == ["2001:db8::9"]
    assert keys(home, ("192.0.2.7", "10.0.0.1"), ("192.0.2.8", "10.0.0.1")) == ["192.0.2.7", "10.0.0.1"]


def test_everything_and_nothing_at_home() -> None:
    pairs = [("1.1.1.1", "2001:db8::1"), ("2001:db8::1", "1.1.1.1")]
    assert keys(HomeNetworks(["0.0.0.0/0", "::/0"]), *pairs) == ["1.1.1.1", "2001:db8::1"]
    assert keys(HomeNetworks(["0.0.0.0/0"]), *pairs) == ["1.1.1.1", "1.1.1.1"]
    assert keys(HomeNetworks([]), *pairs) == ["2001:db8::1", "1.1.1.1"]


@pytest.mark.parametrize("network", ["10.0.0.1/8", "10.0.0.0/33", "home", "", "10.0.0.0/8,192.168.0.0/16"])
def test_what_is_no_network_is_refused(network: str) -> None:
    with pytest.raises(UsageError, match="home network"):
        HomeNetworks([network])


@given(
    st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1), st.integers(0, 128), st.booleans()
)  # half of the addresses are put into the network
def test_containment_is_that_of_the_standard_library(base: int, other: int, prefix: int, inside: bool) -> None:
    network = ipaddress.IPv6Network((base, prefix), strict=False)
    if inside:
        other = int(network.network_address) | other & int(network.hostmask)
    array = address_array([str(ipaddress.IPv6Address(other))])
    expected = ipaddress.IPv6Address(other) in network
    assert HomeNetworks([str(network)]).contain(array).tolist() == [expected]
