"""For tests/packagings: what packages that were really built have to be. What fails is put into
package_lists.bad."""

import os
import re
import subprocess

from package_lists import PKG, bad, run

TREE = PKG.parent
VERSION = re.search(r"^  version: '(.+)',$", (TREE / "meson.build").read_text(), re.M)[1]
TELL_VERSION = ("postern", "posternd", "postern-echoip", "postern-web")


def archive(folder):
    """postern-VERSION.tar.gz, of what is tracked here or would be, as it stands."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=TREE, check=True, stdout=subprocess.PIPE).stdout.split(b"\0")
    files = [name for name in listed if name and (TREE / os.fsdecode(name)).exists()]
    path = folder / f"postern-{VERSION}.tar.gz"
    subprocess.run(["tar", "-czf", path, "--null", "--files-from=-",
                    f"--transform=s,^,postern-{VERSION}/,S"],
                   cwd=TREE, check=True, input=b"\0".join(files))
    return path


def done_well(name, done):
    """No warning of the compiler, the linker or the packager is let pass."""
    if done.returncode != 0:
        bad.append(f"{name}: exit {done.returncode}\n{done.stdout[-4000:]}")
    for line in sorted(set(re.findall(r"^.*warning: .*$", done.stdout, re.M | re.I))):
        if "Skipping dependency checks" not in line:  # as it is told to
            bad.append(f"{name}: {line}")
    return done.returncode == 0


def check_modes(name, root):
    """Nothing that others may write or that runs as its owner; programs run, and nothing else does."""
    for path in [path for path in root.rglob("*") if not path.is_symlink()]:
        place = f"{name}: {path.relative_to(root)}"
        mode = path.stat().st_mode & 0o7777
        if path.is_dir():
            wanted = 0o700 if path.relative_to(root).parts[:2] == ("etc", "postern") else 0o755
        else:
            wanted = 0o755 if runs(path) else 0o644
        if mode != wanted:
            bad.append(f"{place} has mode {mode:o}, not {wanted:o}")


def runs(path):
    with open(path, "rb") as file:
        head = file.read(18)
    executable = head[:4] == b"\x7fELF" and not path.name.endswith(".a") and head[16] in (2, 3)
    return executable or head[:2] == b"#!"


def elf_files(root):
    return [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()
            and path.read_bytes()[:4] == b"\x7fELF"]


def needed(root):
    """Names of the libraries that programs and libraries under `root` are linked with, without ours."""
    names = set()
    for path in elf_files(root):
        names |= set(re.findall(r"\(NEEDED\).*\[(\S+?)\.so", run(["readelf", "-d", path]).stdout))
    return {name for name in names if "postern" not in name and not name.startswith("ld-linux")}


def check_programs(name, root):
    """What is installed under `root` knows its version, and where the rest of it is."""
    programs = {path.name: path for path in elf_files(root) if path.parent.name in ("bin", "sbin", "postern")}
    for missing in {"postern", "posternd", "postern-keeper"} - set(programs):
        return bad.append(f"{name}: {missing} is not installed")
    for program in TELL_VERSION:
        if program in programs and VERSION not in (said := run([programs[program], "--version"]).stdout):
            bad.append(f"{name}: {program} --version: {said}")
    keeper = programs["postern-keeper"].parent.relative_to(root)
    if f"/{keeper}".encode() not in programs["posternd"].read_bytes():
        bad.append(f"{name}: posternd does not look for its processes in {keeper}")
    check_services(name, root)


def check_services(name, root):
    for unit in [*root.rglob("*.service"), *root.glob("etc/init.d/*")]:
        started = re.findall(r"^(?:ExecStart=|command=|GUARD=)(/\S+)|procd_set_param command (/\S+)",
                             unit.read_text(), re.M)
        for program in [one or other for one, other in started]:
            if not (root / program.lstrip("/")).exists():
                bad.append(f"{name}: {unit.name} starts {program}, which is not installed")


def unpack(packages, root):
    """As if all had been installed."""
    root.mkdir()
    for package in packages:
        if package.suffix == ".rpm":
            script = 'rpm2cpio "$1" | cpio --quiet -idm'
        else:
            script = 'tar -xf "$1" --exclude=".[A-Z]*"'
        subprocess.run(["sh", "-ec", script, "-", package], cwd=root, check=True)


# A layer above this system's files that goes with the script, and a network of its own. What asks
# systemd for something ($asker) writes it down, with whether the programs of what it names were still there.
LAYER = """
layer=$1 work=$2 script=$3 asker=$4
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
root=$layer/root
mkdir -p "$root/mnt/work" "$root/run/systemd/system"
mount --bind "$work" "$root/mnt/work"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
sed -i '/^postern/d' "$root"/etc/passwd "$root"/etc/shadow "$root"/etc/group "$root"/etc/gshadow
rm -rf "$root/etc/postern" "$root/var/lib/postern"
cat >"$root/$asker" <<'END'
#!/bin/sh
there=with
for word; do
    case $word in postern-echoip.*) program=postern-echoip ;; postern*) program=posternd ;; *) continue ;; esac
    command -v $program >/dev/null || there=without
done
echo "asked $there $*"
END
printf '%s' "$5" >"$root/usr/bin/systemd-run"
chmod 755 "$root/$asker" "$root/usr/bin/systemd-run"
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 bash -euc "$script"
"""

# The daemon that ran when something was put on trial is gone before packages change: no service manager
# runs here that would stop it.
LIFE = """
cd /mnt/work
ready() {
    getent passwd postern postern-web
    for folder in /etc/postern /etc/postern/clients.d; do [ "$(stat -c %%a-%%U $folder)" = 700-root ]; done
    posternd --check
}
gone() {
    hash -r
    for program in posternd postern postern-web postern-echoip; do
        if command -v $program; then exit 1; fi
    done
}
on_trial() {
    posternd >/tmp/log 2>&1 &
    for _ in {1..300}; do ! postern sessions >/dev/null 2>&1 || break; sleep 0.1; done
    echo '# tried' >>/etc/postern/config.yaml
    postern reload --confirm-within 1h --no-wait || { cat /tmp/log; exit 1; }
    kill $!; wait $! || :
}
echo step unused; { %(install)s; %(remove)s; } >/tmp/unused 2>&1 || { cat /tmp/unused; exit 1; }
gone
[ ! -e /var/lib/postern ] || [ -z "$(ls -A /var/lib/postern)" ]
echo step installation; %(install)s
postern init --server gate.example.org
postern add alice --ports 22/tcp >/dev/null
ready
cp -a /etc/postern /kept
on_trial
echo step upgrade; %(upgrade)s
ready
nft list table inet postern >/dev/null
grep -q tried /etc/postern/config.yaml
echo step removal; %(remove)s
gone
if nft list table inet postern 2>/dev/null; then exit 1; fi
mv /etc/postern/config.yaml.rejected /
diff -r /kept /etc/postern
echo step end
"""
# As there is no systemd that would run it: apart, as systemd does.
SYSTEMD_RUN = r"""#!/bin/bash
while [[ $1 != /* ]]; do shift; done
setsid "$@" </dev/null >/dev/null 2>&1 &
"""


def live(name, work, asker, **commands):
    """Installs, upgrades and removes the packages that lie in `work`, each by a command in bash. Gives
    what each step asked systemd for, by name of the step."""
    layer = work / "layer"
    layer.mkdir()
    done = run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-euc", LAYER, "layer",
                layer, work, LIFE % commands, asker, SYSTEMD_RUN])
    if done.returncode != 0 or "step end" not in done.stdout:
        bad.append(f"{name}: exit {done.returncode} of:\n{done.stdout[-4000:]}")
    steps = re.split(r"^step (\w+)\n", done.stdout, flags=re.M)[1:]
    return {step: re.findall("^asked (.*)$", said, re.M) for step, said in zip(steps[::2], steps[1::2])}


def check_asked(name, root, asked, *, stop, restart):
    """All services are stopped before a removal, while the programs are there, and restarted by an
    upgrade; nothing is started. `stop` and `restart`: the words that ask for it."""
    units = {path.name for path in root.rglob("*.service")} | {path.name for path in root.rglob("*.socket")}
    services = {unit for unit in units if unit.endswith(".service")}
    for step, word, wanted in (("removal", stop, units), ("upgrade", restart, services)):
        lines = [line for line in asked.get(step, []) if word in line]
        missing = {unit for unit in wanted if not any(unit in line for line in lines)}
        if missing:
            bad.append(f"{name}: no {word} at the {step} of {', '.join(sorted(missing))}: {asked.get(step)}")
    if any(line.startswith("without") and stop in line for line in asked.get("removal", [])):
        bad.append(f"{name}: services are stopped when their programs are gone: {asked['removal']}")
    for step in ("installation", "upgrade"):
        if any(re.search(rf"\b(enable|start|{stop})\b", line) for line in asked.get(step, [])):
            bad.append(f"{name}: the {step} asks for {asked[step]}")
