"""Scripts under systemd: in cgroups of their own, within the limits of these, and gone with the unit.
Whether there are limits depends on the controllers that this machine's cgroups have; in that of
tests/emulated they have all of them."""

from booted_world import CONFIG, UNITS, BootedTest
from machine import PATIENCE
from netns import eventually

OSPA, FOLDER = "/root/phone.ospa", "/opt/scripts"
GROUP = "/sys/fs/cgroup/system.slice/posternd.service"
KEYS, RULES = "scriptkeys", "scriptrules"
DEADLINE = "30s"  # a machine that is emulated on a busy one is slow
FINE, HELD, HUNGRY, RESTLESS, FULL, BUSY = range(1000, 1006)  # ports by which scripts know what to do
SPA = f"""
openspa:
  private_key: server.key
  script_user: {KEYS}
  script_rule_user: {RULES}
  script_deadline: {DEADLINE}
  extension_scripts:
    authorization: {FOLDER}/authorization
    rule_add: {FOLDER}/add
    rule_remove: {FOLDER}/remove
"""
AUTHORIZATION = f"""#!/usr/bin/python3 -S
import os, sys, time
port = int(sys.argv[5])
if port == {HELD}:
    time.sleep(60)
if port == {HUNGRY}:
    for _ in range(5):
        if os.fork() == 0:
            full = b"x" * (400 << 20)
            time.sleep(60)
    time.sleep(60)
if port == {BUSY}:
    os.sched_setaffinity(0, [0])
    while True:
        pass
if port == {RESTLESS}:
    while True:
        try:
            if os.fork():
                os.setsid()
                os._exit(0)
            os.fork()
        except BlockingIOError:
            pass
print(600)
"""
# As root, whose processes no limit for users counts
ADD = f"""#!/usr/bin/python3 -S
import os, sys, time
if int(sys.argv[7]) == {FULL}:
    try:
        while True:
            if os.fork() == 0:
                os.setsid()
                time.sleep(60)
    except BlockingIOError:
        time.sleep(60)
"""
SPIN = "timeout 100 taskset -c 0 sh -c \"while :; do :; done\""
REMOVE = "#!/bin/sh\n/bin/true\n"
# Where the manager of the machine may not lift the limit of locked memory, as in some containers
UNLIMITED = "[Service]\nCapabilityBoundingSet=CAP_IPC_LOCK\n"


class ScriptsTest(BootedTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.run("systemctl", "enable", "--now", *UNITS)

    @classmethod
    def set_up_postern(cls):
        super().set_up_postern()
        for user in (KEYS, RULES):
            cls.machine.run("useradd", "--system", "--shell", "/usr/sbin/nologin", user)
        for name, text in (("authorization", AUTHORIZATION), ("add", ADD), ("remove", REMOVE)):
            cls.machine.write(f"{FOLDER}/{name}", text, 0o755)
        cls.machine.shell("mkdir -p -m 0700 /etc/postern/devices.d; postern openspa gen-server-key "
                          "/etc/postern; postern openspa gen-client /etc/postern/server.pub --server-ip "
                          f"10.77.1.1 --out {OSPA} --devices /etc/postern/devices.d; chmod 600 {OSPA}")
        cls.machine.write("/etc/systemd/system/posternd.service.d/memory.conf", UNLIMITED)
        cls.machine.run("systemctl", "daemon-reload")
        cls.good += SPA
        cls.machine.write(CONFIG, cls.good, 0o600)

    def setUp(self):
        self.configure(self.good)
        self.machine.run("systemctl", "restart", *UNITS)
        self.assert_ready()
        self.before = self.machine.show("posternd", "MainPID"), self.machine.restarts()

    def request(self, port, timeout="20s"):
        """Whether it was granted."""
        said = self.client.run("chroot", self.machine.root, "postern", "request", OSPA, "--port", port,
                               "--client-ip", "10.77.1.2", "--timeout", timeout, "-r", "1", check=False)
        return "granted" in said

    def look(self, name):
        return self.machine.run("cat", f"{GROUP}/{name}").split()

    def count(self, name, what):
        """Of events."""
        words = self.look(name)
        return int(words[words.index(what) + 1])

    def of_users(self):
        """Processes that run as either."""
        return self.machine.run("ps", "--no-headers", "-o", "pid=,args=", "-u", f"{KEYS},{RULES}",
                                check=False).splitlines()

    def scripts(self):
        return [line for line in self.of_users() if "postern-runner" not in line]

    def places(self):
        """Runners, all others of the daemon, and what is in the cgroup of those."""
        main = self.machine.show("posternd", "MainPID")
        listed = self.machine.run("ps", "--no-headers", "-o", "pid=,args=", "-p", main, "--ppid",
                                  main).splitlines()
        runners = {line.split()[0] for line in listed if "postern-runner" in line}
        return runners, {line.split()[0] for line in listed} - runners, set(self.look("main/cgroup.procs"))

    def assert_in_place(self):
        """All but the runners, and no script, in one; these in theirs."""
        def is_found():  # main's own children come and go
            _, others, placed = self.places()
            return others == placed
        self.assertTrue(eventually(is_found, PATIENCE), self.places())
        runners = self.places()[0]
        self.assertEqual(len(runners), 2)
        self.assertLessEqual({"main", "doorman", "keeper", "desk"}, set(self.machine.roles()))
        self.assertEqual(self.look("cgroup.procs"), [])
        self.assertLessEqual(runners, set(self.look("runner/cgroup.procs") +
                                          self.look("privileged-runner/cgroup.procs")))

    def assert_served(self):
        self.assertTrue(eventually(lambda: self.request(FINE), PATIENCE), "no request is granted")

    def assert_same_daemon(self):
        self.assertEqual((self.machine.show("posternd", "MainPID"), self.machine.restarts()), self.before)

    def need(self, *controllers):
        there = self.machine.run("cat", "/sys/fs/cgroup/cgroup.controllers").split()
        if not set(controllers) <= set(there):
            self.skipTest(f"cgroups of this machine have no {' '.join(controllers)}, but {there}")

    def test_each_has_its_place(self):
        self.request(HELD, "300ms")
        self.assertTrue(eventually(self.scripts, PATIENCE))
        script, = [line.split()[0] for line in self.scripts()]
        self.assertIn(script, self.look("runner/cgroup.procs"))
        self.assertEqual(len(self.look("privileged-runner/cgroup.procs")), 1)
        self.assert_in_place()
        self.assert_same_daemon()

    def test_limits(self):
        self.need("cpu", "memory", "pids")
        for name in ("runner", "privileged-runner"):
            self.assertEqual(self.look(f"{name}/pids.max"), ["144"])
            self.assertLessEqual(int(self.look(f"{name}/memory.max")[0]), 768 << 20)
            self.assertEqual(self.look(f"{name}/cpu.weight"), ["20"])
            self.assertEqual(self.look("main/memory.max"), ["max"])

    def used(self, name):
        """Microseconds of the processor."""
        return self.count(f"{name}/cpu.stat", "usage_usec")

    def test_a_processor_is_wanted(self):
        """By a program and by the daemon: that has most of it."""
        self.need("cpu")
        self.request(BUSY, "300ms")
        self.assertTrue(eventually(self.scripts, PATIENCE))
        busy = self.machine.shell(f"sh -c 'echo $$ >{GROUP}/main/cgroup.procs; exec {SPIN}' "
                                  ">/dev/null 2>&1 & echo $!").strip()
        self.addCleanup(self.machine.run, "kill", busy)
        before = self.used("main"), self.used("runner")
        self.assertTrue(eventually(lambda: self.used("main") > before[0] + 3000000, PATIENCE))
        used = self.used("main") - before[0], self.used("runner") - before[1]
        self.assertGreater(used[0], 2 * used[1])
        self.assertGreater(used[1], 0)

    def test_a_fork_bomb(self):
        self.need("pids")
        self.configure(self.good.replace(f"script_rule_user: {RULES}", "script_rule_user: root"))
        self.machine.restart("posternd")
        self.before = self.machine.show("posternd", "MainPID"), self.machine.restarts()
        self.request(FULL, "300ms")
        self.assertTrue(eventually(
            lambda: self.count("privileged-runner/pids.events", "max") > 0, PATIENCE), "there is no limit")
        self.assertTrue(eventually(lambda: int(self.look("privileged-runner/pids.current")[0]) < 5, PATIENCE))
        self.assert_served()
        self.assert_same_daemon()

    def test_memory_is_short(self):
        self.need("memory")
        self.request(HUNGRY, "300ms")
        self.assertTrue(eventually(
            lambda: self.count("runner/memory.events", "oom_kill") > 0, PATIENCE), "nobody was killed")
        self.assertGreater(self.count("runner/memory.events", "max"), 0, "there is no limit")
        self.assertEqual(self.count("main/memory.events", "oom_kill"), 0)
        self.assert_served()
        self.assert_same_daemon()

    def test_restarts(self):
        """Nothing of before is left, and the next one has its cgroups as well."""
        kill = ["kill", "--signal=KILL"]
        for how in (["restart"], [*kill, "--kill-who=main"], ["restart"], kill, ["restart"]):
            with self.subTest(how=how):
                self.assert_served()
                self.request(RESTLESS, "300ms")
                self.request(HELD, "300ms")
                self.assertTrue(eventually(self.scripts, PATIENCE))
                main = self.machine.show("posternd", "MainPID")
                self.machine.run("systemctl", *how, "posternd")
                self.assertTrue(eventually(lambda: self.is_ready() and self.machine.show(
                    "posternd", "MainPID") not in (main, "0"), PATIENCE))
                self.assertEqual(self.scripts(), [])
                self.assert_in_place()

    def test_nothing_outlives_the_unit(self):
        self.request(RESTLESS, "300ms")
        self.request(HELD, "300ms")
        self.assertTrue(eventually(self.scripts, PATIENCE))
        self.machine.run("systemctl", "stop", "posternd")
        self.assertEqual(self.of_users(), [])
        self.assertEqual(self.machine.run("sh", "-c", f"ls -d {GROUP} 2>/dev/null || true"), "")

    def test_a_reload(self):
        self.machine.run("systemctl", "reload", "posternd")
        self.assert_served()
        self.assert_same_daemon()
