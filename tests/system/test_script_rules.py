"""Rules that scripts make, where it is hard: under a stream of requests, when a grant ends while a
script is at work, and when a script does badly."""

import os
import signal
import time
import uuid
from types import SimpleNamespace

import openme
from daemon import state_of
from netns import PATIENCE, eventually
from programs_world import ProgramsTest
from spa_world import PORT

ADD = 'echo "add $*" >>$OUT/calls'
HELD = "until [ -e $OUT/go ]; do sleep 0.05; done"  # until the test lets it go
REMOVE = 'echo "remove $*" >>$OUT/calls'


class ScriptRulesTest(ProgramsTest):
    def serve_rules(self, add=ADD, remove=REMOVE, duration="1s", **settings):
        self.run_with({"rule_add": add, "rule_remove": remove}, duration=duration,
                      script_user="daemon", **settings)

    def calls(self, *words):
        """The calls so far that have all these words."""
        path = self.out("calls")
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if all(word in line.split() for word in words)]

    def send(self, packet, space=None):
        space = space or self.client
        space.send(packet, self.server.addresses[1 if space is self.client else 2][4], PORT)

    def assert_removed(self, times=1):
        self.assertTrue(eventually(lambda: len(self.calls("remove")) == times), self.calls())

    def revoke_phone(self):
        configuration = self.daemon.file.read_text()
        self.daemon.configure(configuration.replace(
            "openspa:\n", f"openspa:\n  clients:\n    {self.phone.uuid}:\n      revoked: true\n"))
        self.daemon.reload()

    def test_a_stream_of_requests_does_not_keep_others_open(self):
        self.serve_rules(duration="3s")
        self.granted_for(self.request(self.laptop, first=9), self.laptop)
        end = time.monotonic() + 8
        while time.monotonic() < end:
            self.granted_for(self.request())
            time.sleep(0.3)
        self.assertEqual(len(self.calls("remove", "9")), 1, self.calls())
        self.assert_removed(2)

    def test_reloads_do_not_keep_it_open(self):
        self.serve_rules()
        self.granted_for(self.request())
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self.calls("remove"):
            self.daemon.reload()
            time.sleep(0.3)
        self.assertEqual(len(self.calls("remove")), 1, self.calls())

    def test_revoked_while_it_is_shut(self):
        """What was asked for in the meantime is not opened."""
        self.serve_rules(remove=f"{REMOVE}; {HELD}", script_deadline="60s")
        self.granted_for(self.request())
        self.assert_removed()
        self.send(self.request())
        self.assertTrue(eventually(lambda: "remaining" in self.postern("--json", "sessions")))
        self.revoke_phone()
        self.out("go").touch()
        self.assertTrue(eventually(lambda: self.verdicts("revoked")), self.daemon.lines())
        self.assertEqual(len(self.calls("add")), 1)
        self.assert_removed()

    def test_revoked_while_it_is_opened(self):
        self.serve_rules(add=f"{ADD}; {HELD}", duration="600s", script_deadline="60s")
        self.send(self.request())
        self.assertTrue(eventually(lambda: self.calls("add")))
        self.revoke_phone()
        self.out("go").touch()
        self.assert_removed()
        self.assertEqual(self.verdicts("granted"), [])
        self.assertEqual(len(self.verdicts("revoked")), 1)

    def test_opened_anew_as_asked_last(self):
        self.serve_rules(remove=f"{REMOVE}; sleep 0.5")
        self.granted_for(self.request())
        self.assert_removed()
        self.granted_for(self.request(nat=True))
        self.assert_removed(2)
        for what in ("add", "remove"):
            self.assertEqual([line.split()[-2:] for line in self.calls(what)],
                             [["0", "1"], ["1", "1"]])

    def test_a_stop_tries_again_what_has_failed(self):
        self.serve_rules(remove="[ ! -e $OUT/broken ] || exit 1; " + REMOVE)
        self.out("broken").touch()
        self.granted_for(self.request())
        overdue = "a rule could not be shut and may still be open"
        self.assertTrue(eventually(
            lambda: self.daemon.events(message=overdue, tries="3")), self.daemon.lines())
        self.out("broken").unlink()
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_removed()

    def test_a_stop_waits_while_it_gets_on(self):
        """Longer than it waits for one script, which is 10 seconds here."""
        self.serve_rules(remove=f"sleep 0.3; {REMOVE}", duration="600s", script_deadline="2s",
                         script_limit=1)
        for port in range(1, 46):
            self.granted_for(self.request(first=port))
        began = time.monotonic()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertGreater(time.monotonic() - began, 10)
        self.assertEqual(len(self.calls("remove")), 45)

    def test_a_runner_that_is_missed_by_the_keeper_first(self):
        """It notices when it asks, not when the channel is closed."""
        self.run_with({"authorization": "echo 600", "rule_add": ADD, "rule_remove": REMOVE},
                      script_rule_user="daemon")
        self.granted_for(self.request())
        roles = self.daemon.roles()
        os.kill(roles["keeper"], signal.SIGSTOP)
        self.send(self.request(self.laptop))
        time.sleep(0.3)
        self.daemon.end("runner", signal.SIGKILL)
        self.assertTrue(eventually(lambda: state_of(roles["runner"]) in (None, "Z")))
        os.kill(roles["keeper"], signal.SIGCONT)
        self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
        self.assert_removed()
        self.daemon.start()
        self.assertEqual(self.daemon.stop(), 0)
        self.assert_removed()  # and it is known to be

    def test_a_script_that_opens_and_says_too_much(self):
        self.serve_rules(add=f"{ADD}; head -c 100000 /dev/zero; sleep 1", duration="600s")
        self.assert_silent(self.request(), "firewall_failed")
        self.assert_removed()

    def test_named_rightly_after_a_reload(self):
        """Holders have other numbers then."""
        self.serve_rules(add=f"{ADD}; {HELD}", duration="600s", script_deadline="60s")
        self.send(self.request())
        self.assertTrue(eventually(lambda: self.calls("add")))
        configuration = self.configured({"rule_add": 1, "rule_remove": 1}, duration="600s",
                                        script_user="daemon", script_deadline="60s")
        configuration["clients"]["nobody"] = self.client_entry(openme.ClientKey())
        self.daemon.configure(configuration)
        self.daemon.reload()
        self.out("go").touch()
        self.assertTrue(eventually(lambda: self.verdicts("granted")))
        event, = self.verdicts("granted")
        self.assertEqual(event["client"], str(self.phone.uuid))


class OrphanTest(ProgramsTest):
    """The process that runs a script is killed, and what the script has started sleeps."""

    LATER = "sleep 5; echo late >>$OUT/calls"

    def serve(self, start, **settings):
        self.run_with({"rule_add": f"export OUT; echo add >>$OUT/calls; {start}; touch $OUT/begun; "
                                   "sleep 60",
                       "rule_remove": "echo remove >>$OUT/calls"}, script_user="daemon",
                      duration="600s", **settings)
        self.client.send(self.request(), self.server.addresses[1][4], PORT)
        self.assertTrue(eventually(self.out("begun").exists))

    def calls(self):
        return self.out("calls").read_text().split()

    def test_it_is_ended(self):
        for start in (f"(setsid sh -c '{self.LATER}' &)", f"({self.LATER}) & :"):
            with self.subTest(start=start):
                self.serve(start)
                self.daemon.end("privileged-runner", signal.SIGKILL)
                self.assertEqual(self.daemon.process.wait(PATIENCE), 1)
                self.assertTrue(self.daemon.events(message="ending what programs of a process that "
                                                           "was killed have left behind"))
                self.daemon.start()
                time.sleep(6)
                self.assertEqual(self.calls(), ["add", "remove"])
                self.assertEqual(self.daemon.stop(), 0)

    def test_a_child_of_whoever_executed_main(self):
        daemon = self.make({"rule_add": "(setsid sleep 60 &); touch $OUT/begun; sleep 60",
                            "rule_remove": "exit 0"}, script_user="daemon", duration="600s")
        command = daemon.command
        daemon.command = lambda *more: [
            "sh", "-c", 'sleep 60 & echo $! >child; exec "$@"', "-", *command(*more)]
        daemon.start()
        child = int((daemon.folder / "child").read_text())
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.client.send(self.request(), self.server.addresses[1][4], PORT)
        self.assertTrue(eventually(self.out("begun").exists))
        daemon.pids.remove(child)
        daemon.end("privileged-runner", signal.SIGKILL)
        self.assertEqual(daemon.process.wait(PATIENCE), 1)
        self.assertEqual(len(daemon.events(message="ending what programs of a process that was "
                                                   "killed have left behind")), 1)
        self.assertEqual(state_of(child), "S")

    def test_all_are_killed(self):
        """Then nobody is left to end it, and the next start removes the rule twice."""
        self.serve(f"(setsid sh -c '{self.LATER}' &)", script_deadline="2s")
        # Or it would see main go, and end it.
        os.kill(self.daemon.roles()["privileged-runner"], signal.SIGSTOP)
        self.daemon.kill()
        self.daemon.start()
        self.assertTrue(eventually(lambda: self.calls() == ["add", "remove", "late", "remove"]),
                        self.calls())
        self.assertEqual(self.daemon.stop(), 0)


class ShareTest(ProgramsTest):
    """What many questions of one leave to others."""

    def ask_from(self, space, packet):
        with space.socket(2, 2) as s:
            s.settimeout(PATIENCE)
            s.sendto(packet, (self.server.addresses[2][4], PORT))
            try:
                return s.recv(2048)
            except TimeoutError:
                return None

    def test_strangers_of_one_source_leave_room_for_others(self):
        self.make({"user_directory_service": f"[ $2 = {self.phone.uuid} ] || {{ sleep 0.5; exit 1;"
                                             f" }}; cat $OUT/phone"}, duration="60s")
        self.out("phone").write_text(self.phone.key.public_pem())
        self.out("phone").chmod(0o644)
        self.daemon.start()
        for _ in range(95):
            stranger = SimpleNamespace(key=self.phone.key, uuid=uuid.uuid4())
            self.client.send(self.request(stranger), self.server.addresses[1][4], PORT)
        request = self.request(client=self.other.addresses[2][4])
        self.assertIsNotNone(self.ask_from(self.other, request), self.daemon.lines())
        self.assertTrue(self.verdicts("busy"))

    def test_a_device_leaves_room_for_another(self):
        self.run_with({"authorization": "sleep 0.5; echo 60"}, script_limit=2)
        for port in range(1, 81):
            self.client.send(self.request(first=port), self.server.addresses[1][4], PORT)
        self.assertIsNotNone(self.ask(self.request(self.laptop)), self.daemon.lines())
        self.assertTrue(self.verdicts("busy"))

    def test_a_device_leaves_room_for_another_s_rule(self):
        self.run_with({"rule_add": "sleep 0.4", "rule_remove": "exit 0"}, duration="60s",
                      script_limit=2)
        for port in range(1, 81):
            self.client.send(self.request(first=port), self.server.addresses[1][4], PORT)
        self.assertIsNotNone(self.ask(self.request(self.laptop)), self.daemon.lines())
        self.assertTrue(self.verdicts("busy"))

    def test_shutting_goes_before_opening(self):
        """While a rule is being opened and others wait, one is to be shut: it is the next."""
        self.make({"rule_add": f"{ADD}; {HELD}; sleep 0.5", "rule_remove": REMOVE}, duration="2s",
                  script_user="daemon", script_limit=1, script_deadline="60s")
        self.out("go").touch()
        self.daemon.start()
        self.granted_for(self.request(first=9))
        self.out("go").unlink()
        for port in range(1000, 1016):
            self.client.send(self.request(self.laptop, first=port),
                             self.server.addresses[1][4], PORT)
        time.sleep(4)
        self.out("go").touch()

        def opened_after():
            """Rules of the laptop, after that of the phone was shut."""
            shut, what = False, []
            for line in self.out("calls").read_text().splitlines():
                shut = shut or line.startswith("remove") and " 9 9 " in line
                what += [line] if shut and line.startswith("add") else []
            return what
        self.assertTrue(eventually(opened_after), self.out("calls").read_text())
