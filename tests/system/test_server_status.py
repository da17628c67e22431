"""postern status on a server: its health at a glance. What the command is on a client stays that."""

import json
import os
import socket
import subprocess

import openme
from daemon import program
from netns import PATIENCE, eventually
from test_ladder import lacking
from test_stay import Guard
from tool import UNPRIVILEGED
from world import FAMILIES, LONG, WorldTest

HEALTHY, ILL, FAILED, USAGE, PERMISSION, CONFIG = 0, 3, 1, 2, 77, 78


class ServerStatusTest(WorldTest):
    server_settings = {"knock_timeout": LONG}

    def status(self, *words, code=HEALTHY, user=None, home="/nonexistent"):
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        environment = {k: v for k, v in os.environ.items() if k != "XDG_CONFIG_HOME"}
        done = subprocess.run(
            ["ip", "netns", "exec", self.server.name, *as_user, program("postern"), "--config",
             self.daemon.file, "--control", self.daemon.control, "status", *map(str, words)],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
            env={**environment, "HOME": str(home)})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code in (HEALTHY, ILL) else done.stderr

    def told(self, *words, **how):
        return json.loads(self.status("--json", *words, **how))

    def test_healthy(self):
        self.start()
        told = self.told()
        self.assertEqual((told["healthy"], told["complaints"]), (True, []))
        self.assertEqual(told["pid"], self.daemon.process.pid)
        self.assertEqual((told["firewall"], told["guard"], told["clients"]), ("in-force", "none", 3))
        self.assertEqual((told["grants"], told["granted"], told["last_reload"]), (0, 0, None))
        self.assertLessEqual({"doorman", "keeper", "desk"}, set(told["roles"]))
        text = self.status()
        self.assertRegex(text, r"\APostern \S+: healthy\n")
        self.assertIn("none since the start", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)

    def test_what_came(self):
        self.start()
        for count, family in enumerate(FAMILIES, 1):
            packet = self.knock(family=family)
            self.assert_opens(family)
            self.deliver(packet, family)
            self.assertTrue(eventually(lambda n=count: self.told()["refused"] >= n))
        self.assertTrue(eventually(
            lambda: (self.told()["grants"], self.told()["granted"]) == (2, 2)), self.told())
        self.assertIn("2 granted", self.status())

    def test_reload(self):
        self.start()
        clients = {f"c{i}": self.client_entry(openme.ClientKey()) for i in range(254)}
        self.daemon.configure(self.configuration(clients))
        self.daemon.reload()
        told = self.told()
        self.assertEqual(told["clients"], 257)
        self.assertGreaterEqual(told["last_reload"], told["up_since"])
        self.assertIn(", taken over", self.status())
        self.daemon.configure("server: [\n")
        self.postern("reload", check=False)
        told = self.told(code=ILL)
        self.assertIn("the last reload was refused", told["complaints"][0])
        text = self.status(code=ILL)
        self.assertIn("NOT HEALTHY", text)
        self.assertIn("REFUSED", text)

    def test_guard(self):
        self.start()
        self.daemon.stop()
        guard = Guard(self.daemon)
        try:
            guard.start()
            self.daemon.start()
            self.assertEqual(self.told()["guard"], "there")
            guard.kill()
            self.assertTrue(eventually(lambda: "is gone" in self.postern(
                "status", "--server", check=False)))
            self.assertEqual(self.told(code=ILL)["guard"], "gone")
        finally:
            guard.close()

    def test_without_a_layer(self):
        self.start(self.configuration(sandbox="best"))
        self.daemon.stop()
        command = self.daemon.command
        self.daemon.command = lambda *more: [*lacking("landlock"), *command(*more)]
        self.daemon.start()
        self.assertEqual(self.told()["sandbox_without"], ["landlock"])
        self.assertIn("  without   landlock\n", self.status())

    def test_no_daemon(self):
        self.start()
        self.daemon.stop()
        self.assertEqual(self.told("--server", code=ILL),
                         {"healthy": False, "complaints": ["posternd is not running"]})
        self.assertIn("NOT HEALTHY\n  posternd is not running\n", self.status("--server", code=ILL))
        self.assertEqual(self.status("--server", "--quiet", code=ILL), "")

    def test_a_daemon_that_does_not_answer(self):
        self.start()
        self.daemon.stop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as mute:
            mute.bind(str(self.daemon.control))
            mute.listen(5)
            self.assertEqual(self.told(code=ILL)["complaints"], ["posternd does not answer"])

    def test_for_root(self):
        self.start()
        self.assertIn("try as root", self.status(code=PERMISSION, user=UNPRIVILEGED))

    def test_a_client_stays_a_client(self):
        """With profiles, with a word about another host, and without a server here."""
        self.start()
        self.assertIn("config.yaml", self.status("--client", code=CONFIG))
        self.assertIn("config.yaml", self.status("home", code=CONFIG))
        self.assertIn("config.yaml", self.status("--knock", code=CONFIG))
        home = self.folder / "home"
        (home / ".openme").mkdir(parents=True)
        (home / ".openme/config.yaml").write_text("profiles: [\n")
        self.assertIn(".openme/config.yaml", self.status(code=CONFIG, home=home))
        self.status("--server", home=home)
        self.daemon.stop()
        self.assertIn("config.yaml", self.status(code=CONFIG))

    def test_both_is_none(self):
        self.start()
        for words in (["--server", "--client"], ["--server", "home"], ["--server", "--knock"],
                      ["--server", "--check=22"]):
            self.assertIn("about this host", self.status(*words, code=USAGE))
