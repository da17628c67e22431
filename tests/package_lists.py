"""What tests/check_packaging and tests/packagings share: what `make install` puts down, and whether
packages have each file of it once."""

import json
import os
import re
import subprocess
from pathlib import Path

BUILD = Path(os.environ.get("POSTERN_BUILD") or "build")
PKG = Path(__file__).resolve().parent.parent / "pkg"
SYSTEMD = ("usr/lib/systemd/", "usr/lib/sysusers.d/", "usr/lib/tmpfiles.d/")
bad = []

# What abuild does to a package after `package`: its own functions for -doc, -dev, -libs and -openrc,
# and amove.
ABUILD_SPLIT = """
amove() { for what in "$@"; do ( cd "$pkgdir"; set -- $what; test -e "$1" || { echo "no $what"; exit 1; }
    for path in "$@"; do mkdir -p "$subpkgdir/${path%/*}"; mv "$path" "$subpkgdir/${path%/*}"; done ); done; }
doc() { amove 'usr/share/man' 'usr/share/doc'; }
dev() { amove 'usr/include' 'usr/lib/pkgconfig' 'usr/lib/*.so' 'usr/lib/*.a'; }
libs() { amove 'usr/lib/lib*.so.*'; }
openrc() { amove 'etc/init.d'; }
split() {
    for sub in $subpackages; do
        name=${sub%%:*}; function=${sub#*:}; function=${function%%:*}
        [ "$function" != "$sub" ] || function=${name#$pkgname-}; function=${function#echoip-}
        subpkgdir=$subs/$name; mkdir -p "$subpkgdir"; $function
    done
    for script in $install; do test -x "$1/alpine/$script"; done
}
"""


def run(command, **more):
    return subprocess.run(command, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)


def meson(what):
    return json.loads(subprocess.run(["meson", "introspect", BUILD, what], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout)


def installed():
    """With the places of other systems: prefix /usr, and libraries in /usr/lib."""
    prefix = next(option["value"] for option in meson("--buildoptions") if option["name"] == "prefix")
    for path in meson("--installed").values():
        path = re.sub(f"^{prefix}/", "usr/", path).removeprefix("/")
        yield re.sub(r"^usr/(lib\w*)/[^/]+/(?=lib|pkgconfig)|^usr/lib\w*/(?=lib|pkgconfig)", "usr/lib/", path)


def has_all_of_postern(paths):
    return {"usr/sbin/postern-web", "usr/libexec/postern/postern-runner"} <= paths


def within(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")
            if path.is_symlink() or not path.is_dir()}


def compare(name, packages, wanted):
    """packages: each package's files; of what stands in none of them nobody would ever hear."""
    for path in sorted(wanted):
        holders = [package for package, files in packages.items() if path in files]
        if len(holders) != 1:
            bad.append(f"{name}: {path} is in {' and '.join(holders) or 'no package'}")
    for package, files in packages.items():
        bad.extend(f"{name}: {package} has {path}, which is not installed" for path in sorted(files - wanted))
        if not files:
            bad.append(f"{name}: nothing is in {package}")


def rpm_files(folder):
    """By package. Documents of the tree itself, and links to build ids, are rpmbuild's doing."""
    packages = {}
    for package in folder.rglob("*.rpm"):
        # path size mtime digest mode ...
        listed = [line.split() for line in run(["rpm", "-qp", "--dump", package]).stdout.splitlines()]
        packages[package.name] = {path.lstrip("/") for path, _, _, _, mode, *_ in listed
                                  if not mode.startswith("04")
                                  and not re.search(r"/(doc|licenses)/postern-|/\.build-id/", path)}
    return packages


def alpine_wanted(paths):
    """By what systemd needs less, and by OpenRC's scripts more."""
    return ({path for path in paths if not path.startswith(SYSTEMD)}
            | {f"etc/init.d/{path.name}" for path in PKG.glob("openrc/*")})


OPENWRT_RULES = """
INSTALL_DIR = install -d
INSTALL_BIN = install -m0755
PKG_INSTALL_DIR = out
packages =
MESON_ARGS =
BuildPackage = $(eval packages += $(1))
define depends_of
$(eval DEPENDS=)$(eval $(Package/$(1)))$(DEPENDS)
endef
define all_of
$(foreach line,$(packages),$(call Package/$(line)/install,pkg/$(line))
)
endef
"""
OPENWRT_TARGETS = """
install-all:
\t$(all_of)
meson-args:
\t@echo $(MESON_ARGS)
scripts:
\t$(file >prerm,$(Package/posternd/prerm))
\t$(file >postinst,$(Package/posternd/postinst))
\t@:
depends:
\t@echo $(foreach package,$(packages),$(call depends_of,$(package)))
"""


def openwrt_make(work, *words):
    """What the makefile does, with as little of OpenWrt's build system as it takes, in `work`."""
    for name in ("package.mk", "meson.mk"):
        (work / name).touch()
    (work / "rules.mk").write_text(OPENWRT_RULES)
    (work / "Makefile").write_text((PKG / "openwrt/Makefile").read_text() + OPENWRT_TARGETS)
    done = run(["make", "--warn-undefined-variables", "-s", "TOPDIR=.", "INCLUDE_DIR=.",
                "CONFIG_PACKAGE_postern-web=y", *words], cwd=work)
    if done.returncode != 0 or "Makefile:" in done.stdout:
        bad.append(f"openwrt: {done.stdout}")
    return done.stdout


def compare_openwrt(work):
    """It has the programs alone."""
    packages = {path.name: within(path) for path in (work / "pkg").iterdir()}
    compare("openwrt", packages, {path for path in within(work / "out")
                                  if re.match(r"usr/(s?bin/|libexec/postern/postern-)", path)
                                  and "echoip" not in path}
            | {f"etc/init.d/{path.name.removesuffix('.init')}" for path in PKG.glob("openwrt/files/*")})
