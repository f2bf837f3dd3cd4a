"""The directory for releases on a host is named in one way, and is never one that holds the system or a home."""

from __future__ import annotations

import pytest

from master.deploy.host.service import Layout, layout_of
from master.errors import InputError
from master.inventory.host import Host


def host(**variables: object) -> Host:
    return Host("pi1", "192.0.2.1", "pi", 22, None, None, None, None, (), None, variables)


def layout(root: object, etc: object = "/home/pi/piswarm/etc") -> Layout:
    return layout_of(host(piswarm_service="/home/pi/agent", piswarm_root=root, piswarm_etc=etc))


@pytest.mark.parametrize(
    "root", ["/opt/piswarm", "/home/pi/piswarm/root", "/srv/a-b_c.d+e", "/var/lib/piswarm", "/data/x", "/tmp/a/b"]
)
def test_a_directory_for_the_releases_alone_is_taken(root: str) -> None:
    """A directory for the releases alone is accepted, and a slash at its end is dropped."""
    assert layout(root).root == layout(f"{root}/").root == root


@pytest.mark.parametrize(
    "root",
    ["", "/", "//", "////", "//a", "/opt//x", "/opt/./x", "/opt/../etc", "/opt/x/..", "/opt/x/.", "opt/x", "~/x", "/opt/x\n", "/o p/x",
     "/opt", "/etc/ssh", "/etc", "/etc/piswarm/x", "/usr/bin", "/usr/local/bin", "/usr/lib/x", "/bin/x", "/home/pi", "/home",
     "/root", "/var/log", "/var/lib", "/var/lib/dpkg", "/proc/self", "/sys/x", "/dev/shm", "/boot/firmware", "/lib/x", "/run/x",
     "/opt/x//", 7, None, ["/opt/x"], {}, pytest.param(10**5000, id="long"), "/opt/" + "x" * 300],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["piswarm_root", "piswarm_etc"])
def test_anything_else_is_refused_before_a_host_is_reached(variable: str, root: object) -> None:
    """Any other directory is refused before a host is reached, since much is removed below it."""
    places = {"piswarm_root": "/opt/piswarm", "piswarm_etc": "/etc/piswarm"} | {variable: root}
    with pytest.raises(InputError, match=f"{variable} of pi1") as caught:
        layout_of(host(piswarm_service="/opt/piswarm/agent", **places))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("root", "etc"), [("/opt/p", "/opt/p"), ("/opt/p", "/opt/p/etc"), ("/opt/p/root", "/opt/p")])
def test_releases_and_the_nodes_own_files_are_apart(root: str, etc: str) -> None:
    with pytest.raises(InputError, match="not apart"):
        layout(root, etc)
