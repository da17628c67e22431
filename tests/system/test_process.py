"""What each role is allowed, and what it holds."""

import ctypes
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import openme
from daemon import descriptors, own_memory
from memory import places
from netns import PATIENCE
from world import WorldTest

CAP_NET_ADMIN = 1 << 12
KILL_AND_READ = 1 << 5 | 1 << 2 | 1 << 14  # CAP_KILL, CAP_DAC_READ_SEARCH, CAP_IPC_LOCK
ROLES = ("main", "doorman", "keeper", "desk")
UNPRIVILEGED = ("doorman", "keeper", "desk")


def status(pid):
    """Fields of /proc/PID/status as lists of words."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


def memory(pid):
    """Every readable piece of a process's memory."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            bounds, rights = line.split()[:2]
            first, last = (int(x, 16) for x in bounds.split("-"))
            if not rights.startswith("r") or "[v" in line:
                continue
            mem.seek(first)
            try:
                yield mem.read(last - first)
            except OSError:
                pass


def holds(pid, secret):
    return any(secret in piece for piece in memory(pid))


SLICE_NS = 100_000  # src/proc/slice.h
SYS_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}.get(os.uname().machine)


def scheduling(pid):
    """Class, niceness and slice of a process."""
    attributes = ctypes.create_string_buffer(56)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SYS_SCHED_GETATTR, pid, attributes, len(attributes), 0) != 0:
        raise OSError(ctypes.get_errno(), "sched_getattr")
    _, policy, _, nice, _, slice_ns = struct.unpack("=IIQiIQ", attributes.raw[:32])
    return policy, nice, slice_ns


UNUSED = range(60706, 61184)  # given neither to people nor to services


class ProcessTest(WorldTest):
    def setUp(self):
        super().setUp()
        self.start()
        if self.daemon.events(message="built with a sanitizer: no sandbox"):
            self.skipTest("a build with sanitizers has no sandbox")
        self.knock()
        self.assert_opens()
        self.roles = self.daemon.roles()

    def test_every_role_is_there(self):
        self.assertEqual(sorted(self.roles), sorted(ROLES))

    def test_users(self):
        users = {role: status(self.roles[role])["Uid"] for role in UNPRIVILEGED}
        for role, uids in users.items():
            with self.subTest(role=role):
                self.assertEqual(len(set(uids)), 1, "one of its four user ids differs")
                self.assertNotIn(uids[0], ("0", "65534"))
                groups = status(self.roles[role])
                self.assertEqual(len(set(groups["Gid"])), 1)
                self.assertNotIn(groups["Gid"][0], ("0", "65534"))
                self.assertIn(groups["Groups"], ([], groups["Gid"][:1]))
        if subprocess.run(["getent", "passwd", "postern"], capture_output=True).returncode != 0:
            self.assertEqual(len({uids[0] for uids in users.values()}), len(users))
            for uids in users.values():
                self.assertIn(int(uids[0]), UNUSED)

    def test_groups_of_whoever_starts_it_are_given_up(self):
        self.daemon.stop()
        command = self.daemon.command
        self.daemon.command = lambda *more: ["setpriv", "--groups=4,27,12345", *command(*more)]
        self.daemon.start()
        for role, pid in self.daemon.roles().items():
            with self.subTest(role=role):
                fields = status(pid)
                self.assertIn(fields["Groups"], ([], fields["Gid"][:1]))

    def test_a_uid_that_a_process_has_is_left_alone(self):
        """Who it belongs to could signal the role, and look into it."""
        if subprocess.run(["getent", "passwd", "postern"], capture_output=True).returncode == 0:
            self.skipTest("this host has a user postern, which the roles run as")
        self.daemon.stop()
        taken = UNUSED[:4]
        for uid in taken:
            other = subprocess.Popen(["sleep", "60"], user=uid)
            self.addCleanup(other.wait)
            self.addCleanup(other.kill)
        self.daemon.start()
        users = [int(status(self.daemon.roles()[role])["Uid"][0]) for role in UNPRIVILEGED]
        self.assertFalse(set(users) & set(taken), users)
        self.assertLessEqual(set(users), set(UNUSED))

    def test_a_uid_that_a_user_has_is_left_alone(self):
        """Also one that runs nothing now."""
        if subprocess.run(["getent", "passwd", "postern"], capture_output=True).returncode == 0:
            self.skipTest("this host has a user postern, which the roles run as")
        self.daemon.stop()
        taken, users = UNUSED[:4], self.daemon.folder / "passwd"
        users.write_text(Path("/etc/passwd").read_text() + "".join(
            f"service{uid}:x:{uid}:{uid}::/:/bin/false\n" for uid in taken))
        command = self.daemon.command
        self.daemon.command = lambda *more: [
            "unshare", "--mount", "sh", "-ec", f'mount --bind {users} /etc/passwd; exec "$@"', "-",
            *command(*more)]
        self.daemon.start()
        given = [int(status(self.daemon.roles()[role])["Uid"][0]) for role in UNPRIVILEGED]
        self.assertFalse(set(given) & set(taken), given)
        self.assertLessEqual(set(given), set(UNUSED))

    def test_a_short_slice(self):
        """Of the ordinary class, as nice as whoever started it; kernels before 6.12 keep none."""
        if SYS_SCHED_GETATTR is None or tuple(
                int(part) for part in os.uname().release.split(".")[:2]) < (6, 12):
            self.skipTest("this kernel keeps no slice")
        self.daemon.stop()
        command = self.daemon.command
        self.daemon.command = lambda *more: ["nice", "-n", "3", *command(*more)]
        self.daemon.start()
        roles = self.daemon.roles()
        for role in ROLES:
            policy, nice, slice_ns = scheduling(roles[role])
            with self.subTest(role=role):
                self.assertEqual((policy, nice), (os.SCHED_OTHER, 3))
                if role in ("doorman", "keeper"):
                    self.assertEqual(slice_ns, SLICE_NS)
                else:
                    self.assertNotEqual(slice_ns, SLICE_NS)

    def test_capabilities(self):
        for role in UNPRIVILEGED:
            allowed = CAP_NET_ADMIN if role == "keeper" else 0
            fields = status(self.roles[role])
            for which in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"):
                with self.subTest(role=role, which=which):
                    self.assertEqual(int(fields[which][0], 16) & ~allowed, 0)
        keeper = int(status(self.roles["keeper"])["CapEff"][0], 16)
        self.assertEqual(keeper, CAP_NET_ADMIN)

    def test_capabilities_of_main(self):
        """It stays root, to read its configuration again, and can do no more than that."""
        fields = status(self.roles["main"])
        self.assertEqual(set(fields["Uid"]), {"0"})
        self.assertEqual(fields["Groups"], [])
        for which in ("CapPrm", "CapEff"):
            self.assertEqual(int(fields[which][0], 16), KILL_AND_READ)
        for which in ("CapBnd", "CapInh", "CapAmb"):
            self.assertEqual(int(fields[which][0], 16), 0)

    def test_a_folder_of_somebody_else_is_not_read(self):
        """Who owns it could put another file in the place of the configuration."""
        folder = self.daemon.folder
        os.chown(folder, 12345, 12345)
        self.daemon.reload()
        self.assertIn("belongs to user 12345", self.daemon.log_path.read_text())
        os.chown(folder, 0, 0)
        self.daemon.reload()
        self.assertEqual(len(self.daemon.events(message="reloaded: 3 clients, 0 devices")), 1)

    def test_sandbox(self):
        for role in ROLES:
            with self.subTest(role=role):
                fields = status(self.roles[role])
                self.assertEqual(fields["NoNewPrivs"], ["1"])
                self.assertEqual(fields["Seccomp"], ["2"])

    def test_only_the_doorman_holds_the_private_key(self):
        secret = self.server_key.secret
        shapes = {"raw": secret, "base64": openme.text(secret).encode()[:-2],
                  "hex": secret.hex().encode()}
        self.assertTrue(holds(self.roles["doorman"], secret), "the search finds nothing at all")
        for role in ROLES:
            for shape, wanted in shapes.items():
                if role == "doorman" and shape == "raw":
                    continue
                with self.subTest(role=role, shape=shape):
                    self.assertFalse(holds(self.roles[role], wanted))
        found = [region.head for _, region in places(self.roles["doorman"], {"raw": secret})
                 if not region.locked]
        self.assertEqual(found, [], "it may get to swap")

    def test_nor_after_a_reload(self):
        self.daemon.reload()
        secret = self.server_key.secret
        for role in ("main", "keeper", "desk"):
            for wanted in (secret, openme.text(secret).encode()[:-2]):
                with self.subTest(role=role):
                    self.assertFalse(holds(self.roles[role], wanted))

    def test_no_secret_in_arguments_or_environment(self):
        for role, pid in self.roles.items():
            for place in ("cmdline", "environ"):
                data = Path(f"/proc/{pid}/{place}").read_bytes()
                self.assertNotIn(openme.text(self.server_key.secret).encode(), data)

    def test_no_core_dumps(self):
        for role in ROLES:
            limits = Path(f"/proc/{self.roles[role]}/limits").read_text()
            with self.subTest(role=role):
                self.assertRegex(limits, r"Max core file size +0 +0 ")
        self.daemon.end("doorman", signal.SIGSEGV)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assertEqual(list(self.daemon.folder.glob("core*")), [])

    def test_open_files(self):
        """No role but main keeps a file of the disk open, but for the keeper its replay guard's."""
        for role in UNPRIVILEGED:
            for goal in descriptors(self.roles[role]).values():
                with self.subTest(role=role, goal=goal):
                    kind = goal.startswith(("socket:", "anon_inode:", "pipe:", "/memfd:",
                                            "/dev/null")) or goal == str(self.daemon.log_path)
                    kind = kind or (role == "keeper" and
                                    goal == str(self.daemon.state / "replay"))
                    self.assertTrue(kind, "an open file")

    def test_memory_stays_flat_under_junk(self):
        junk = [os.urandom(165) for _ in range(50)] + [b"\x01" + os.urandom(164)] * 5
        junk += [openme.knock(openme.ClientKey(), self.server_key.public) for _ in range(5)]
        address = self.address(4)

        def flood(count):
            with self.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.connect((address, 54154))
                for i in range(count):
                    s.send(junk[i % len(junk)])
                    if i % 50 == 0:
                        time.sleep(0.001)  # so that most of it is read, not lost
            self.settle()
        flood(20_000)
        pids = self.daemon.living()
        before = sum(map(own_memory, pids))
        flood(100_000)
        after = sum(map(own_memory, pids))
        self.assertLessEqual(after, before + 256, f"{before} KiB before, {after} KiB after")
