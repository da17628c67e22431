"""The ladder of the sandbox: each layer really taken away, under both words of server.sandbox, and
the small places where something else is missing. The rows are those of the table in posternd(8)."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from daemon import Daemon, program
from netns import eventually
from programs_world import ProgramsTest
from spa_tool import need_openspa
from spa_world import SpaWorldTest
from test_process import ROLES, status
from test_programs import ALL
from world import SERVICE_PORT, WorldTest

MISSING = "a layer of the sandbox is missing here"
WITHOUT = "going on without a layer of the sandbox that is missing here"
PAGE = os.sysconf("SC_PAGE_SIZE")
NO_LOCKS = ("setpriv", "--bounding-set=-ipc_lock", "prlimit")

# What is taken away: the layer that is missing then, by which error, and what the remedy names.
LAYERS = {
    "landlock": ("landlock", "Function not implemented", "CONFIG_SECURITY_LANDLOCK=y"),
    "landlock-in-lsm": ("landlock", "Operation not supported", "lsm=landlock,"),
    "landlock-by-filter": ("landlock", "Operation not permitted", "lets landlock_create_ruleset"),
    "seccomp": ("seccomp", "Invalid argument", "CONFIG_SECCOMP_FILTER=y"),
    "seccomp-call": ("seccomp", "Invalid argument", "lets seccomp by"),
}


def lacking(*what):
    return (program("tests/system/lacking"), *what, "--")


def manual(page):
    text = subprocess.run(["mandoc", "-Tascii", Path(__file__).parents[2] / "man" / page],
                          check=True, text=True, stdout=subprocess.PIPE).stdout
    return re.sub(r"\s+", " ", re.sub(".\b", "", text))


class Ladder:
    """For a WorldTest: daemons in a place where something is missing."""

    def in_place(self, place, configuration, prepare=None):
        """A daemon that is started by what takes things away."""
        if self.daemon:
            self.daemon.close()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.daemon = Daemon(self.server, folder, configuration)
        if prepare:
            prepare(folder)
        command = self.daemon.command
        self.daemon.command = lambda *more: [*place, *command(*more)]
        return self.daemon

    def refuses(self, place, configuration, prepare=None):
        """That line which says why."""
        daemon = self.in_place(place, configuration, prepare)
        daemon.start(ready=False)
        self.assertEqual(daemon.process.wait(20), 1)
        said = [line for line in daemon.lines() if "remedy" in line and line["role"] != "guard"]
        self.assertEqual(len(said), 1, said)
        self.assertEqual(said[0]["level"], "error")
        self.assertEqual(daemon.events(message="a process spoke out of turn"), [])
        return said[0]

    def check(self):
        done = subprocess.run(self.daemon.command("--check"), text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def assert_serves(self):
        self.knock()
        self.assert_opens()

    def ready(self, end):
        return [line for line in self.daemon.lines()
                if line["message"].startswith("ready for ") and line["message"].endswith(end)]

    def assert_shown(self, *layers):
        """Wherever the ladder is: the log, the service manager, and the tool."""
        names = ", ".join(layers)
        self.assertTrue(self.ready(f", without {names}"))
        self.assertEqual(self.daemon.notices.status, f"Serving, without {names}")
        shown = json.loads(self.postern("--json", "sessions"))
        self.assertEqual((shown["sandbox_without"], shown["guard"]), (list(layers), "none"))
        text = self.postern("sessions")
        for layer in layers:
            self.assertIn(f"\nThe daemon runs without {layer} (server.sandbox: best)\n", text)


class LayersTest(Ladder, WorldTest):
    def test_strict_refuses(self):
        for name, (layer, error, remedy) in LAYERS.items():
            with self.subTest(lacking=name):
                line = self.refuses(lacking(name), self.configuration())
                self.assertEqual((line["message"], line["role"], line["layer"], line["error"]),
                                 (MISSING, "main", layer, error))
                self.assertIn(remedy, line["remedy"])
                self.assertIn("server.sandbox: best", line["remedy"])
                self.assertEqual(self.daemon.events(level="error"), [line])
                code, said = self.check()
                self.assertEqual(code, 78)
                self.assertEqual(said, f"posternd: {MISSING}; layer: {layer}; error: {error}; "
                                 f"remedy: {line['remedy']}\n")

    def test_best_goes_on_and_says_so(self):
        for name, (layer, error, _) in LAYERS.items():
            with self.subTest(lacking=name):
                self.in_place(lacking(name), self.configuration(sandbox="best")).start()
                said = self.daemon.events(message=WITHOUT)
                self.assertEqual([(line["level"], line["role"], line["layer"], line["error"])
                                  for line in said], [("warn", "main", layer, error)])
                self.assert_serves()
                self.assert_shown(layer)
                self.assert_closed_but(layer)
                code, text = self.check()
                self.assertEqual(code, 0)
                self.assertIn(f"posternd: warning: {WITHOUT}; layer: {layer}; ", text)
                self.assertTrue(text.endswith(f" fine, without {layer}\n"), text)

    def assert_closed_but(self, layer):
        """The steps that are on every rung, and seccomp unless that is what is missing. One filter
        is the test's own."""
        for role, pid in self.daemon.roles().items():
            fields = status(pid)
            self.assertEqual(fields["NoNewPrivs"], ["1"])
            self.assertEqual(fields["Seccomp_filters"], ["1" if layer == "seccomp" else "2"], role)
            if role != "main":
                self.assertNotIn("0", fields["Uid"])
        self.assertEqual(sorted(self.daemon.roles()), sorted(ROLES))

    def test_both_are_missing(self):
        self.in_place(lacking("landlock", "seccomp"), self.configuration(sandbox="best")).start()
        self.assertEqual([line["layer"] for line in self.daemon.events(message=WITHOUT)],
                         ["landlock", "seccomp"])
        self.assert_serves()
        self.assert_shown("landlock", "seccomp")

    def test_nothing_is_missing(self):
        """Then the best is all of it."""
        self.start(self.configuration(sandbox="best"))
        self.assertEqual(self.daemon.events(message=WITHOUT), [])
        self.assertEqual(self.ready("without"), [])
        self.assertEqual(self.check()[1].split(",")[-1], " fine\n")
        self.assertEqual(json.loads(self.postern("--json", "sessions"))["sandbox_without"], [])
        self.assertNotIn("without", self.postern("sessions"))
        for pid in self.daemon.roles().values():
            self.assertEqual(status(pid)["Seccomp_filters"], ["1"])

    def test_what_fails_in_another_way_is_not_left_out(self):
        self.in_place(lacking("landlock-broken"), self.configuration(sandbox="best"))
        self.daemon.start(ready=False)
        self.assertEqual(self.daemon.process.wait(20), 1)
        said = self.daemon.events(message="cannot close the sandbox", step="landlock")
        self.assertTrue(said)
        self.assertEqual(self.daemon.events(message=WITHOUT), [])

    def test_it_cannot_change_while_running(self):
        self.start()
        self.daemon.configure(self.configuration(sandbox="best"))
        self.daemon.reload()
        self.assertIn("server.sandbox: cannot change while running; restart posternd",
                      self.daemon.log_path.read_text())


class MemoryTest(Ladder, SpaWorldTest):
    """Locked memory: the doorman says it, who needs it."""

    @classmethod
    def setUpClass(cls):
        need_openspa()
        super().setUpClass()

    def configured(self, openspa, **server):
        configuration = self.configuration(**server)
        if openspa:
            configuration["openspa"] = self.settings()
        return configuration

    def put_keys(self, folder):
        for name, text in self.files().items():
            path = folder / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)

    @staticmethod
    def limited(size):
        """Addresses that are the same each time, for the size of a stack hangs on where it begins."""
        return ("setarch", "--addr-no-randomize", *NO_LOCKS, f"--memlock={size}:{size}")

    def refused(self, size, openspa, error="Cannot allocate memory"):
        """How much it takes, in bytes, as that line says."""
        line = self.refuses(self.limited(size), self.configured(openspa), self.put_keys)
        self.assertEqual((line["message"], line["role"], line["layer"], line["error"]),
                         (MISSING, "doorman", "locked memory", error))
        self.assertIn("a limit of what is needed, or more (LimitMEMLOCK=", line["remedy"])
        return self.needed(line)

    def needed(self, line):
        self.assertRegex(line["needed"], r"\A[0-9]+ KiB\Z")
        return int(line["needed"].split()[0]) << 10

    def serves(self, openspa):
        self.assert_serves()
        if openspa:
            self.answered()

    def answered(self):
        """A request, whose answer takes the server's RSA key."""
        self.assertEqual(self.granted_for(self.request())[2], SERVICE_PORT)

    def test_too_little(self):
        for size, error in ((0, "Operation not permitted"), (64 << 10, "Cannot allocate memory")):
            for openspa in (False, True):
                with self.subTest(size=size, openspa=openspa):
                    needed = self.refused(size, openspa, error)
                    self.assertGreater(needed, size)
                    self.in_place(self.limited(size), self.configured(openspa, sandbox="best"),
                                  self.put_keys).start()
                    said = self.daemon.events(message=WITHOUT)
                    self.assertEqual([(line["role"], line["layer"]) for line in said],
                                     [("doorman", "locked memory")])
                    self.assertEqual(self.needed(said[0]), needed)
                    self.assert_shown("locked memory")
                    self.serves(openspa)

    def test_enough_and_just_less(self):
        """What the line says is needed, and with it what the manual says. From glibc 2.41 on, one page
        of it is memory that is never in swap, and not locked."""
        for openspa, most in ((False, 2 << 20), (True, 4 << 20)):
            with self.subTest(openspa=openspa):
                needed = self.refused(64 << 10, openspa)
                self.assertLessEqual(needed, most)
                self.assertEqual(self.refused(needed - 2 * PAGE, openspa), needed)
                self.in_place(self.limited(needed), self.configured(openspa),
                              self.put_keys).start()
                self.serves(openspa)
                self.assertIn(self.locked(), (needed - PAGE, needed))

    def locked(self):
        """Of the doorman, in bytes."""
        return int(status(self.daemon.roles()["doorman"])["VmLck"][0]) << 10


class RunnersTest(ProgramsTest):
    def test_with_nothing_but_users(self):
        """Scripts run as whom they should, and every process is there."""
        need_openspa()
        scripts = {key: text for key, text in ALL.items() if key != "user_directory_service"}
        daemon = self.make({**scripts, "authorization": "id -u >$OUT/uid; echo 60"})
        text = daemon.file.read_text().replace("server:\n", "server:\n  sandbox: best\n", 1)
        daemon.configure(text)
        command = daemon.command
        daemon.command = lambda *more: [*lacking("landlock", "seccomp"), *command(*more)]
        daemon.start()
        roles = daemon.roles()
        self.assertEqual(sorted(roles), sorted((*ROLES, "runner", "privileged-runner")))
        self.assertEqual(len(daemon.events(message=WITHOUT)), 2)
        self.granted_for(self.request())
        self.assertEqual(self.out("uid").read_text().split(), status(roles["runner"])["Uid"][:1])


class PlacesTest(Ladder, WorldTest):
    """What no rung is without, and what has nothing to do with the sandbox."""

    def refused_by_both(self, place):
        lines = [self.refuses(place, self.configuration(sandbox=word))
                 for word in ("strict", "best")]
        self.assertEqual(*[(line["message"], line["remedy"]) for line in lines])
        return lines[0]

    def test_a_right_is_missing(self):
        line = self.refused_by_both(("setpriv", "--bounding-set=-setuid,-setpcap"))
        self.assertEqual(line["missing"], "CAP_SETUID, CAP_SETPCAP")

    def test_a_user_namespace_with_one_user(self):
        line = self.refused_by_both(("unshare", "--user", "--map-root-user", "--net"))
        self.assertEqual(line["message"], "no process can become another user here")
        self.assertIn("/etc/subuid", line["remedy"])

    def test_no_nf_tables(self):
        """Nor netlink for packet filters, or that alone."""
        preload = ("env", f"LD_PRELOAD={program('tests/system/no_nf_tables.so')}")
        for place in (lacking("nf_tables"), preload):
            line = self.refused_by_both(place)
            self.assertEqual((line["message"], line["error"]),
                             ("cannot open the firewall", "Protocol not supported"))
            self.assertIn("CONFIG_NF_TABLES", line["remedy"])
        self.in_place(lacking("nf_tables"), self.configuration(firewall="none")).start()

    def test_no_ipv6(self):
        self.in_place(lacking("ipv6"), self.configuration()).start()
        self.assert_serves()

    def test_a_read_only_root(self):
        bound = ("unshare", "--mount", "sh", "-c",
                 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"')
        room = Path(tempfile.mkdtemp(dir=self.folder))
        (room / "there").mkdir(mode=0o700)

        def in_room(name, **options):
            daemon = self.in_place((*bound, room), self.configuration(), **options)
            daemon.state = room / name
            return daemon

        daemon = in_room("new")
        daemon.start(ready=False)
        self.assertEqual(daemon.process.wait(20), 1)
        line = daemon.events(message="cannot make the state directory")[0]
        self.assertEqual(line["error"], "Read-only file system")
        self.assertIn("--state-dir", line["remedy"])
        daemon = in_room("there")
        daemon.control = room / "control"
        daemon.start(ready=False)
        self.assertEqual(daemon.process.wait(20), 1)
        line = daemon.events(message="cannot open the control socket")[0]
        self.assertEqual(line["error"], "Read-only file system")
        self.assertIn("--control, or a tmpfs mounted there", line["remedy"])
        in_room("there").start()
        said = self.daemon.events(message="cannot use the file that the replay guard is kept in")
        self.assertEqual([line["why"] for line in said], ["Read-only file system"])
        self.knock()
        self.assertTrue(eventually(lambda: self.verdicts("not_remembered")),
                        "nothing is known of what was granted before")


class NoIPv6Test(Ladder, WorldTest):
    def test_turned_off(self):
        """It is in the kernel, and no device has it."""
        for device in ("all", "default", "lo"):
            self.server.run("sh", "-c", f"echo 1 >/proc/sys/net/ipv6/conf/{device}/disable_ipv6")
        self.assertEqual(self.server.run("ip", "-6", "address"), "")
        self.start()
        self.assert_serves()
        self.assertEqual(self.daemon.events(level="error"), [])


class ManualTest(unittest.TestCase):
    def test_the_table(self):
        """Each line that was asserted stands there."""
        text = manual("posternd.8")
        for line in (MISSING, WITHOUT, "root lacks rights here that no sandbox is made without",
                     "no process can become another user here", "cannot open the firewall",
                     "forbidden system call, ending",
                     "cannot make the state directory", "cannot open the control socket",
                     "cannot use the file that the replay guard is kept in"):
            self.assertTrue(line in text, line)


if __name__ == "__main__":
    unittest.main()
