"""Secrets that more than their owner can read: what openme's package installs, and what is mounted
into containers. The accounts of the host are files of the test's, in a mount namespace."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import yaml

import openme
from daemon import Daemon, descendants, program
from netns import PATIENCE
from spa_tool import VECTORS, need_openspa
from tool import CONFIG, ToolTest
from world import SERVICE_PORT, WorldTest

GROUP = 998
SERVICES = ("root:x:0:0::/root:/bin/bash\nopenme:x:998:998::/nonexistent:/usr/sbin/nologin\n"
            "alice:x:1000:1000::/home/alice:/bin/bash\n")
NOT_ALICE = "root:x:0:0::/root:/bin/bash\nopenme:x:998:998::/nonexistent:/usr/sbin/nologin\n"
FILES = {"passwd": SERVICES, "group": "root:x:0:\nopenme:x:998:\n", "gshadow": "openme:!::\n",
         "nsswitch.conf": "passwd: files\ngroup: files\n"}
STRANGER = 12345
# Not so in tests/debian13, whose tree has processes of its own.
ON_HOST = os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC


class Host:
    """The accounts that what is started with `before` sees."""

    def __init__(self, folder, **changed):
        self.folder = Path(folder)
        for name, text in {**FILES, **changed}.items():
            self.write(name, text)
        self.mounts = "".join(f"mount --bind {self.folder / name} /etc/{name}; " for name in FILES)

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def before(self, more="", pids=False, proc=True):
        """`more` is a shell's, and mounts what the test is about. `pids`: as in a container; without
        `proc`, it sees the host's processes."""
        return ["unshare", "-m", *(["-pf", "--kill-child"] if pids else []),
                *(["--mount-proc"] if pids and proc else []),
                "sh", "-ec", self.mounts + more + ' exec "$@"', "sh"]


class Contained(Daemon):
    """posternd as the first process of a container."""

    def main(self):
        return descendants(self.process.pid)[0]

    def stop(self):
        os.kill(self.main(), signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.assert_no_crash()
        return code


def read_only(folder):
    return f"mount --bind {folder} {folder}; mount -o remount,bind,ro {folder};"


def volume(folder, *files):
    """The files, moved into it, behind Kubernetes' two links."""
    (folder / "..2026_11_26").mkdir(parents=True)
    (folder / "..data").symlink_to("..2026_11_26")
    for file in files:
        shutil.move(file, folder / "..data" / file.name)
        (folder / file.name).symlink_to(f"..data/{file.name}")
    folder.chmod(0o1777)


class ServedTest(WorldTest):
    """The daemon itself."""

    tcp_ports = (SERVICE_PORT,)

    def daemon_with(self, kind, more="", pids=False, **accounts):
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.daemon = kind(self.server, folder, self.configuration())
        (folder / "etc").mkdir()
        self.host = Host(folder / "etc", **accounts)
        command = self.daemon.command
        before = self.host.before(more.format(folder=folder), pids)
        self.daemon.command = lambda *words: [*before, *command(*words)]

    def served(self):
        self.daemon.start()
        self.knock()
        self.assert_opens()
        found = [event["why"] for event in self.daemon.events(level="warn") if "why" in event]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def reload_refused(self):
        self.postern("reload", check=False)
        refused = self.daemon.events(message="reload refused, the old configuration stays")
        return refused[-1]["why"] if refused else ""

    def test_a_file_as_openmes_package_has_it(self):
        """Served as it is, until somebody joins the group."""
        self.daemon_with(Daemon)
        os.chown(self.daemon.file, 0, GROUP)
        self.daemon.file.chmod(0o640)
        warning = self.served()
        self.assertEqual(warning, f"{self.daemon.file}: its group, openme, can read the private key; "
                         "nobody is in it but accounts of services; chmod 600 when the group "
                         "needs it no more")
        self.daemon.reload()
        self.host.write("group", "openme:x:998:alice\n")
        self.assertIn(f"mode 0640 lets others at a private key; take that away: chmod 600 "
                      f"{self.daemon.file} (alice is in its group, openme)", self.reload_refused())
        self.knock(self.bob)
        self.assertTrue(self.reaches())
        self.host.write("group", "openme:x:998:\n")
        self.daemon.reload()
        self.assertEqual(self.daemon.file.stat().st_mode & 0o777, 0o640)

    def test_a_secret_of_kubernetes(self):
        """Its own processes, under uids of their own, are nobody else; another one is."""
        self.daemon_with(Contained, read_only("{folder}/volume"), pids=True, passwd=NOT_ALICE)
        self.daemon.file.chmod(0o644)
        volume(self.daemon.folder / "volume", self.daemon.file)
        self.daemon.file = self.daemon.folder / "volume/config.yaml"
        warning = self.served()
        self.assertIn("mode 0644 lets everybody in this container at the private key; it is "
                      "mounted read-only, and nobody else is here", warning)
        self.postern("reload")
        with subprocess.Popen(
                ["nsenter", "-t", str(self.daemon.main()), "-p", "-m", "setpriv",
                 f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", "cat"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
            stranger.stdin.write(b"here")
            stranger.stdin.flush()
            self.assertEqual(stranger.stdout.read1(), b"here")
            self.assertRegex(self.reload_refused(),
                             rf"process \d+ of user {STRANGER} is here")
            stranger.stdin.close()
        self.postern("reload")


class CheckedTest(ToolTest):
    """What --check and the tool say, for servers and clients."""

    def setUp(self):
        super().setUp()
        self.init()
        (self.room / "etc").mkdir()
        self.room.chmod(0o755)
        self.host = Host(self.room / "etc")
        self.secret = self.config

    def check(self, *words, mounts="", **how):
        """Exit status and what is said, of posternd or another program."""
        words = words or (program("posternd"), "-c", self.secret, "--check")
        done = subprocess.run([*self.host.before(mounts, **how), *map(str, words)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
                              check=False)
        return done.returncode, done.stdout

    def rights(self, mode, group=GROUP, owner=0):
        os.chown(self.secret, owner, group)
        self.secret.chmod(mode)

    def assert_taken(self, found, warning):
        self.assertEqual(found[0], 0, found[1])
        self.assertIn(warning, found[1])

    def assert_refused(self, found, why, mend="take that away: chmod 600"):
        self.assertEqual(found[0], CONFIG, found[1])
        self.assertIn(why, found[1])
        self.assertIn(f"{mend} {self.secret}", found[1])

    def test_who_is_in_the_group(self):
        self.rights(0o640)
        self.assert_taken(self.check(), "its group, openme, can read the private key")
        for files, why in (
                ({"group": "openme:x:998:alice\n"}, "alice is in its group, openme"),
                ({"passwd": SERVICES + "bob:x:1001:998::/home/bob:/bin/sh\n"},
                 "bob is in its group, openme"),
                ({"group": "openme:x:998:carol\n"}, "carol is in its group, openme, and has no "
                                                   "account in /etc/passwd"),
                ({"group": "root:x:0:\n"}, "its group has no entry on this host"),
                ({"gshadow": "openme:$y$j9T$x::\n"}, "its group has a password"),
                ({"nsswitch.conf": "passwd: sss\ngroup: sss\n"},
                 "nsswitch.conf takes accounts or groups from elsewhere")):
            with self.subTest(why):
                self.host = Host(self.room / "etc", **files)
                self.assert_refused(self.check(), why)

    def test_sources_beside_the_files_are_named(self):
        self.rights(0o640)
        self.host.write("nsswitch.conf", "passwd: files sss\ngroup: files sss\n")
        self.assert_taken(self.check(), "(members by sss are not looked at)")

    def test_what_else_others_may_is_refused(self):
        for mode in (0o644, 0o604, 0o650, 0o641):
            with self.subTest(oct(mode)):
                self.rights(mode)
                self.assert_refused(self.check(), f"mode {mode:04o} lets others")
        for mode in (0o660, 0o620):
            with self.subTest(oct(mode)):
                self.rights(mode)
                self.assert_refused(self.check(), f"mode {mode:04o} lets others write it",
                                    "take that away: chmod go-w")

    def test_an_access_control_list_is_refused(self):
        """The group's bits are a mask then."""
        self.rights(0o600)
        acl = bytes.fromhex("02000000" "01000600ffffffff" "02000400e8030000" "04000000ffffffff"
                            "10000400ffffffff" "20000000ffffffff")  # user 1000 may read
        try:
            os.setxattr(self.secret, "system.posix_acl_access", acl)
        except OSError:
            self.skipTest("this file system has no access control lists")
        os.chown(self.secret, 0, GROUP)
        self.assertEqual(self.secret.stat().st_mode & 0o777, 0o640)
        self.assert_refused(self.check(), "it has an access control list: setfacl -b")

    def mounted(self):
        return read_only(self.secret.parent)

    def test_where_a_mounted_secret_is_taken(self):
        self.rights(0o444, group=0)
        self.host.write("passwd", NOT_ALICE)
        self.assert_taken(self.check(mounts=self.mounted(), pids=True),
                          "mode 0444 lets everybody in this container at the private key")
        self.rights(0o640, group=4321)  # Kubernetes' fsGroup, which has no name in there
        self.assert_taken(self.check(mounts=self.mounted(), pids=True),
                          "mode 0640 lets everybody in this container at the private key")

    def test_a_secret_of_docker(self):
        """One file, mounted by itself."""
        self.rights(0o444, group=0)
        self.host.write("passwd", NOT_ALICE)
        place = self.room / "postern"
        place.touch()
        self.assert_taken(self.check(
            program("posternd"), "-c", place, "--check", pids=True,
            mounts=f"mount --bind {self.secret} {place}; mount -o remount,bind,ro {place};"),
            "mode 0444 lets everybody in this container at the private key")

    def clients_in_volumes(self):
        """Two folders of clients: one is a link into its volume, the other a volume."""
        for name in ("one", "two"):
            folder = self.room / name
            folder.mkdir()
            shutil.copyfile(self.config, folder / "config.yaml")
            (folder / "config.yaml").chmod(0o600)
            for person in ("carol", "dave"):
                subprocess.run([program("postern"), "--config", folder / "config.yaml", "--quiet",
                                "add", person], check=True, stdout=subprocess.PIPE)
            shutil.move(folder / "clients.d/dave.yaml", folder / "dave.yaml")
            (folder / "dave.yaml").chmod(0o644)
            (folder / "clients.d/carol.yaml").chmod(0o644)
            (folder / "clients.d").chmod(0o755)
        volume(self.room / "one/v", self.room / "one/clients.d", self.room / "one/config.yaml")
        shutil.move(self.room / "two/clients.d", self.room / "two/old")
        volume(self.room / "two/clients.d", self.room / "two/old/carol.yaml")
        return self.room / "one/v", self.room / "two"

    def test_clients_in_a_volume(self):
        """Links of Kubernetes are followed there, and nowhere else; others are not."""
        self.host.write("passwd", NOT_ALICE)
        for folder in self.clients_in_volumes():
            with self.subTest(folder.name):
                words = program("posternd"), "-c", folder / "config.yaml", "--check"
                mounts = read_only(folder) + read_only(folder / "clients.d")
                status, said = self.check(*words, mounts=mounts, pids=True)
                self.assertEqual(status, 0, said)
                self.assertIn("1 clients", said)
                for place in [{"pids": True}] + [{"mounts": mounts}] * ON_HOST:
                    status, said = self.check(*words, **place)
                    self.assertEqual(status, CONFIG, said)
                    self.assertRegex(said, "clients.d: a link; it must|lets others add clients")
        (folder / "clients.d").chmod(0o755)
        self.assertIn("carol.yaml: a link; it must be the file itself", self.check(*words)[1])
        link = folder / "clients.d/dave.yaml"
        for target in (folder / "dave.yaml", "..data/../../dave.yaml"):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
            status, said = self.check(*words, mounts=mounts, pids=True)
            self.assertEqual(status, CONFIG, said)
            self.assertIn("dave.yaml: a link; it must be the file itself", said)

    def test_where_it_is_not(self):
        """On the host; not read-only; where people have accounts; where /proc is another's; where it
        is not root's."""
        self.rights(0o444, group=0)
        self.host.write("passwd", NOT_ALICE)
        if ON_HOST:
            self.assert_refused(self.check(mounts=self.mounted()), "this is no container")
        self.assert_refused(self.check(pids=True), "mode 0444 lets others at a private key")
        other_proc = self.mounted() + "umount -l /proc; mount --bind / /proc || true;"
        self.assert_refused(self.check(mounts=other_proc, pids=True),
                            "/proc does not show who else is here")
        self.assert_refused(self.check(mounts=self.mounted(), pids=True, proc=False),
                            "/proc does not show who else is here")
        self.host.write("passwd", SERVICES)
        self.assert_refused(self.check(mounts=self.mounted(), pids=True), "alice has an account")
        self.host.write("passwd", NOT_ALICE)
        here = self.room / "here"
        sleeper = (f"mkfifo {here}; setpriv --reuid={STRANGER} sh -c 'echo; exec sleep 60' > {here} "
                   f"& read -r _ < {here};")
        self.assert_refused(self.check(mounts=self.mounted() + sleeper, pids=True),
                            f"of user {STRANGER} is here")

    def test_a_key_of_openspa(self):
        need_openspa()
        self.tool("openspa", "gen-server-key", self.room)
        self.secret = self.room / "server.key"
        config = self.room / "openspa.yaml"
        config.write_text("publicKey: server.pub\nprivateKey: server.key\nduration: 30s\n"
                          "serverIP: 192.0.2.1\n")
        words = program("posternd"), "-c", config, "--check"
        self.rights(0o640)
        self.assert_taken(self.check(*words), f"{self.secret}: its group, openme, can read")
        self.rights(0o444)
        self.assert_refused(self.check(*words), "mode 0444 lets others at a private key")
        self.host.write("passwd", NOT_ALICE)
        self.assert_taken(self.check(*words, mounts=self.mounted(), pids=True),
                          f"{self.secret}: mode 0444 lets everybody in this container")

    def test_an_ospa_file(self):
        need_openspa()
        self.secret = self.room / "client.ospa"
        shutil.copyfile(VECTORS / "client.ospa", self.secret)
        words = program("postern"), "request", self.secret, "-p", 22
        self.rights(0o640)
        found = self.check(*words)
        self.assertIn(f"{self.secret}: its group, openme, can read the private key", found[1])
        self.assertIn("names no server: give --server-ip", found[1])
        self.host.write("group", "openme:x:998:alice\n")
        self.assert_refused(self.check(*words), "alice is in its group, openme")

    def profile(self):
        server, alice = openme.ServerKey(), openme.ClientKey()
        self.secret = self.room / "profiles/config.yaml"
        self.secret.parent.mkdir()
        self.secret.write_text(yaml.safe_dump({"profiles": {"default": {
            "server_host": "127.0.0.1", "server_pubkey": openme.text(server.public),
            "private_key": openme.text(alice.secret)}}}))
        return program("postern"), "--client-config", self.secret, "profiles", "default"

    def test_a_clients_profile(self):
        words = self.profile()
        self.host.write("passwd", NOT_ALICE)
        self.rights(0o640)
        self.assert_taken(self.check(*words), "its group, openme, can read the private key")
        self.rights(0o444, group=0)
        self.assert_refused(self.check(*words), "mode 0444 lets others at a private key")
        for mode in (0o666, 0o555):
            self.rights(mode, group=0)
            self.assert_refused(self.check(*words, mounts=self.mounted(), pids=True),
                                f"mode {mode:04o} lets others at a private key")
        self.rights(0o444, group=0)
        user = ("setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *words)
        self.assert_taken(self.check(*user, mounts=self.mounted(), pids=True),
                          "mode 0444 lets everybody in this container at the private key")
