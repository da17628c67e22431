"""Debian's packages as `make deb` has built them in the tree."""

from pathlib import Path

from machine import CHECKOUT

BUILT = "/src/build/deb"


def packages():
    """Name to file, of those without debugging symbols, as the machine sees them."""
    files = sorted(Path(CHECKOUT, "build/deb").glob("*.deb"))
    return {path.name.split("_")[0]: f"{BUILT}/{path.name}" for path in files
            if "-dbgsym_" not in path.name}


def later(machine):
    """The packages of the server and the tool as of a later version: their files."""
    machine.shell(f"""
        rm -rf /var/tmp/later; mkdir /var/tmp/later
        for package in {packages()['postern-server']} {packages()['postern-client']}; do
            dpkg-deb --raw-extract $package /var/tmp/later/content
            sed -i '/^Version:/s/$/+later/; s/(= [^)]*/&+later/' /var/tmp/later/content/DEBIAN/control
            dpkg-deb --build --root-owner-group /var/tmp/later/content /var/tmp/later/ >&2
            rm -r /var/tmp/later/content
        done""")
    return machine.shell("ls /var/tmp/later/*.deb").split()
