"""For tests/packagings: does all of Postern compile with musl? Debian has no libraries for it, so that
nothing is linked: of these, and of the kernel, there are the headers, which are anybody's."""

import os
import re
import subprocess
from pathlib import Path

from package_checks import TREE
from package_lists import bad, run

LIBRARIES = ("libsodium", "libcrypto", "libcurl", "yaml-0.1", "libmnl", "libseccomp", "libcap-ng",
             "libqrencode", "libpng", "jansson", "libmicrohttpd")
HEADERS = ("sodium.h", "sodium", "curl", "yaml.h", "libmnl", "seccomp.h", "seccomp-syscalls.h", "cap-ng.h",
           "qrencode.h", "libpng16", "png.h", "pngconf.h", "pnglibconf.h", "zlib.h", "zconf.h", "jansson.h",
           "jansson_config.h", "microhttpd.h", "linux", "asm", "asm-generic", "sys/queue.h", "openssl/*")


def headers(folder):
    """No other of this system's, whose C library is another one."""
    triplet = run(["gcc", "-print-multiarch"]).stdout.strip()
    for place in (Path("/usr/include"), Path("/usr/include") / triplet):
        for path in [found for name in HEADERS for found in place.glob(name)]:
            link = folder / path.relative_to(place)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(path)


def packages(folder):
    folder.mkdir()
    for name in LIBRARIES:
        version = run(["pkg-config", "--modversion", name]).stdout.strip()
        (folder / f"{name}.pc").write_text(f"Name: {name}\nDescription: headers\nVersion: {version}\n")


def build_musl(work, _):
    headers(work / "headers")
    packages(work / "packages")
    # Its macros for control messages convert signs.
    flags = f"-isystem {work / 'headers'} -Wno-sign-conversion -Wno-conversion"
    done = run(["meson", "setup", work / "build", TREE, f"-Dc_args={flags}", "-Dtests=disabled",
                "-Dxdp=disabled"], env={**os.environ, "CC": "musl-gcc", "PKG_CONFIG_LIBDIR": str(work / "packages")})
    if done.returncode != 0:
        return bad.append(f"musl: {done.stdout[-4000:]}")
    listed = subprocess.run(["ninja", "-C", work / "build", "-t", "targets", "all"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    objects = re.findall(r"^(\S+\.o): ", listed, re.M)
    done = run(["ninja", "-C", work / "build", "-k", "0", *objects])
    bad.extend(f"musl: {line}" for line in re.findall(r"^.*(?:error|warning): .*$", done.stdout, re.M))
    if done.returncode != 0 or len(objects) < 300:
        bad.append(f"musl: exit {done.returncode}, {len(objects)} files")
