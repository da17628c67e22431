"""Start, stop, death: no rule outlives its time, and nothing that is not ours is touched."""

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import openme
from daemon import Daemon
from flood import hurry
from netns import PATIENCE, eventually
from world import FAMILIES, KNOCK_PORT, WorldTest

HOST_RULES = """
table inet host {
	set friends { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 }; }
	chain input {
		type filter hook input priority filter; policy accept;
		ip saddr @friends counter packets 7 bytes 420 comment "postern is not my name"
	}
}
table ip postern {
	chain mine { }
}
table ip6 filter {
	chain other {
		tcp dport 22 accept
	}
}
"""


class LifetimeTest(WorldTest):
    def ruleset(self):
        return self.server.run("nft", "list", "ruleset")

    def test_sigterm_removes_our_table_and_nothing_else(self):
        """Where the configuration asks for that."""
        self.server.nft(HOST_RULES)
        before = self.ruleset()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.start(self.configuration(shutdown="remove"))
            self.knock()
            self.assert_opens()
            self.assertNotEqual(self.table(), [])
            self.daemon.process.send_signal(number)
            self.assertEqual(self.daemon.process.wait(PATIENCE), 0)
            self.assertEqual(self.ruleset(), before)
            self.assertTrue(eventually(lambda: not self.daemon.living()))
            self.daemon.close()

    def test_sigterm_to_all_is_one_to_main(self):
        """As a process group gets it, or by systemctl kill."""
        for others_first in (True, False, True, False):
            self.start(self.configuration(shutdown="remove"))
            self.knock()
            self.assert_opens()
            pids = self.daemon.living()
            for pid in reversed(pids) if others_first else pids:
                os.kill(pid, signal.SIGTERM)
            self.assertEqual(self.daemon.process.wait(PATIENCE), 0)
            self.assertEqual(self.table(), [])
            self.assertEqual(self.daemon.events(level="error"), [])
            self.daemon.close()

    def test_kill_9_leaves_no_grant_behind(self):
        for family in FAMILIES:
            with self.subTest(family=family):
                self.start()
                self.knock(family=family)
                self.assert_opens(family)
                self.daemon.kill()
                self.assert_shuts(family)
                self.assertEqual(self.granted(), set())
                self.assertNotEqual(self.table(), [], "the gate fell with the daemon")
                self.assert_shut(family)
                self.daemon.close()

    def test_kill_9_with_a_hundred_grants(self):
        self.start(self.configuration(knock_timeout="15s"))
        self.grant_all(f"203.0.113.{last}" for last in range(100))
        self.assertEqual(len(self.settle()), 100)
        self.daemon.kill()
        time.sleep(16)  # knock_timeout and one second
        self.assertEqual(self.granted(), set())

    def test_a_start_replaces_what_a_dead_one_left(self):
        """All of it, but for the grants of those who may still have them."""
        for family in FAMILIES:
            with self.subTest(family=family):
                self.start(self.configuration(knock_timeout="60s"))
                self.knock(family=family)
                self.knock(self.bob, family, space=self.other)
                self.assert_opens(family)
                self.assert_opens(family, space=self.other)
                self.daemon.kill()
                self.leave_strays(family)
                self.daemon.configure(self.configuration(
                    {"bob": None}, knock_timeout="60s", shutdown="remove"))
                self.daemon.start()
                self.assertEqual(self.ruleset().count("table inet postern "), 1)
                self.assertNotIn("stray", self.ruleset())
                self.assertEqual(self.granted(), {self.address(family, self.client)})
                self.assertTrue(self.reaches(family), "a grant was lost")
                self.assert_shut(family, space=self.other)
                self.knock(family=family, target="203.0.113.9")
                self.assertIn("203.0.113.9", self.settle())
                self.assertEqual(self.daemon.stop(), 0)
                self.assertEqual(self.table(), [])
                self.daemon.close()

    def leave_strays(self, family):
        """In our table: a chain that lets everybody in, and a grant of nobody's."""
        address = self.address(family, self.client)
        name, = [item["set"]["name"] for item in self.table()
                 if address in json.dumps(item.get("set", {}).get("elem", []))]
        stray = "203.0.113.66" if family == 4 else "2001:db8::66"
        self.server.nft(f"""
            add chain inet postern stray {{ type filter hook input priority -300; }}
            add rule inet postern stray tcp dport 1 counter comment "stray"
            add element inet postern {name} {{ {stray} timeout 60s comment "stray" }}""")
        self.assertEqual(self.ruleset().count('"stray"'), 2)
        self.assertIn(stray, self.granted())

    def test_shutdown_keep_leaves_grants_to_their_timers(self):
        self.start(self.configuration(shutdown="keep", knock_timeout="15s"))
        self.knock()
        self.assert_opens()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertTrue(self.reaches(), "the grant did not survive the stop")
        self.daemon.start()
        self.assertTrue(self.reaches(), "the grant did not survive the start")
        self.assert_shuts()

    def test_a_stop_grants_what_the_doorman_has_read(self):
        """The doorman hands it on, with its key found, before the keeper is told to end. No service
        manager keeps anything here."""
        # Longer than a keeper takes to end, and far shorter than the half second that a stop waits.
        many = {f"c{i:03}": openme.ClientKey() for i in range(800)}
        configuration = self.configuration(
            {name: self.client_entry(key) for name, key in many.items()}, shutdown="keep",
            knock_timeout="60s")
        for number, name in enumerate(("c003", "c400", "c798")):
            with self.subTest(name=name):
                self.start(configuration)
                hurry(self)
                target = f"203.0.113.{number + 1}"
                before = self.read_so_far()
                self.knock(many[name], target=target)
                while self.read_so_far() == before:  # what is on its way does not wait anywhere yet
                    pass
                self.assertEqual(self.daemon.stop(), 0)
                self.assertIn(target, self.granted())

    def read_so_far(self):
        """Datagrams that a process has got, as the kernel counts them."""
        lines = Path(f"/proc/{self.daemon.process.pid}/net/snmp").read_text().splitlines()
        names, values = (line.split() for line in lines if line.startswith("Udp:"))
        return int(values[names.index("InDatagrams")])

    def test_death_of_a_role_ends_the_daemon_closed(self):
        for role in ("doorman", "keeper", "desk"):
            with self.subTest(role=role):
                self.start()
                self.knock()
                self.assert_opens()
                self.daemon.end(role, signal.SIGKILL)
                self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
                self.assert_shuts()
                self.assertNotEqual(self.table(), [], "the gate fell with the daemon")
                self.assert_shut()
                self.daemon.close()

    def test_death_of_main_ends_the_roles_closed(self):
        self.start()
        self.knock()
        self.assert_opens()
        self.daemon.end("main", signal.SIGKILL)
        self.assertTrue(eventually(lambda: not self.daemon.living()), "a role outlived main")
        self.assert_shuts()
        self.assertNotEqual(self.table(), [], "the gate fell with the daemon")
        self.assert_shut()

    def test_who_has_ended_and_how_is_said_in_one_line(self):
        for role, number in (("doorman", signal.SIGSEGV), ("keeper", signal.SIGABRT),
                             ("desk", signal.SIGALRM), ("keeper", signal.SIGKILL)):
            with self.subTest(role=role, number=number.name):
                self.start()
                self.daemon.end(role, number)
                self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
                event, = self.daemon.events(message="a process has ended")
                self.assertEqual((event["process"], event["how"], event["level"]),
                                 (role, f"killed by {number.name}", "error"))
                self.assertEqual(event["then"], "stopping; the ports stay shut")

    def test_a_crash_while_stopping_is_said_too(self):
        """The role is held until main waits for it, and then crashes."""
        for role in ("doorman", "keeper", "desk"):
            with self.subTest(role=role):
                self.start()
                os.kill(self.daemon.roles()[role], signal.SIGSTOP)
                self.daemon.process.terminate()
                self.assertTrue(eventually(lambda: self.daemon.events(message="stopping")))
                self.daemon.end(role, signal.SIGSEGV)
                os.kill(self.daemon.roles()[role], signal.SIGCONT)
                self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
                event, = self.daemon.events(message="a process has ended")
                self.assertEqual((event["process"], event["how"], event["level"]),
                                 (role, "killed by SIGSEGV", "error"))

    def test_a_clean_stop_says_nothing_of_the_kind(self):
        self.start()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.daemon.events(message="a process has ended"), [])
        self.assertEqual(self.daemon.crashes(), [])

    def test_a_second_daemon_is_refused_or_leaves_the_first_alone(self):
        self.start()
        elsewhere = ["--control", self.daemon.folder / "second"]
        for more in ([], elsewhere):
            with self.subTest(more=more):
                second = self.server.popen(*self.daemon.command(*more), stderr=subprocess.DEVNULL)
                self.assertEqual(second.wait(PATIENCE), 1)
                self.knock(family=6)
                self.assert_opens(6)

    def test_a_flushed_ruleset_keeps_its_grants(self):
        self.start(self.configuration(knock_timeout="30s"))
        self.knock()
        self.assert_opens()
        self.server.flush_rules()
        self.assertTrue(eventually(self.table), "the table was not put back")
        self.assertTrue(eventually(lambda: self.address(4, self.client) in self.granted()))
        self.assert_shut(space=self.other)
        self.assertTrue(self.reaches())

    def test_a_table_deleted_by_others_is_there_again(self):
        """It is refused where the kernel knows owners of tables, else the table is put back."""
        self.start()
        for _ in range(3):
            self.server.run("nft", "delete", "table", "inet", "postern", check=False)
            self.assertTrue(eventually(self.table))
            self.assert_shut()
        self.knock()
        self.assert_opens()

    def needs_owners(self):
        """Of tables, which outlive them."""
        if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 9):
            self.skipTest("tables have owners that they outlive since Linux 6.9")
        self.start()

    def test_flushing_lets_no_stranger_in(self):
        """Not for a moment: one tries without a pause, in four threads, while the rules are flushed
        again and again."""
        self.needs_owners()
        began, over = time.monotonic(), threading.Event()
        reached = []

        def knock_on():
            while not over.is_set():
                if self.reaches(space=self.other, timeout=0.02):
                    reached.append(time.monotonic())
        strangers = [threading.Thread(target=knock_on) for _ in range(4)]
        for stranger in strangers:
            stranger.start()
        flushed = 0
        while flushed < 50 or time.monotonic() < began + 3:
            self.server.flush_rules()
            flushed += 1
        over.set()
        for stranger in strangers:
            stranger.join()
        self.assertEqual(reached, [])
        self.assertNotIn("repaired", self.daemon.log_path.read_text())

    def test_a_second_daemon_on_the_same_table_says_so_and_changes_nothing(self):
        """Another folder, other ports, other sockets: only the table is the same."""
        self.needs_owners()
        self.knock()
        self.assert_opens()
        before = self.ruleset()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        second = Daemon(self.server, folder,
                        self.configuration(udp_port=54160, health_port=54160))
        self.addCleanup(second.close)
        second.start(ready=False)
        self.assertEqual(second.process.wait(PATIENCE), 1)
        self.assertIn("owns the table inet postern", second.log_path.read_text())
        self.assertEqual(set(re.findall(r"chain \S+|drop.*|jump.*", self.ruleset())),
                         set(re.findall(r"chain \S+|drop.*|jump.*", before)))
        self.knock(self.bob, space=self.other)
        self.assert_opens(space=self.other)

    def test_a_new_table_of_somebodys_is_no_alarm(self):
        self.start()
        for name in ("one", "two", "three"):
            self.server.nft(f"add table inet {name}\nadd chain inet {name} x")
        self.server.nft("table inet dropping { chain input { type filter hook input priority 0; "
                        "policy drop; }; }")
        self.assertTrue(eventually(lambda: "let granted packets by" in self.ruleset()))
        self.knock()
        self.assert_opens()
        self.assertNotIn("repaired", self.daemon.log_path.read_text())

