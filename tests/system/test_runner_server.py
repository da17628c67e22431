"""serverStart and serverStop, which the privileged runner runs when main says so."""

from pathlib import Path

from daemon import state_of
from netns import eventually
from runner import USER, RunnerTest


class ServerTaskTest(RunnerTest):
    def privileged(self, *settings, start="exit 0", stop="exit 0", **options):
        self.sh(start, "start.sh")
        self.sh(stop, "stop.sh")
        return self.runner(f"start=script:{self.folder}/start.sh",
                           f"stop=script:{self.folder}/stop.sh", *settings, role="privileged-runner",
                           **options)

    def test_outcomes(self):
        for text, outcome, deadline in (
                ("exit 0", "done", 60000), ("echo anything", "done", 60000),
                ("exit 1", "refused", 60000), ("exit 127", "failed", 60000),
                ("kill -9 $$", "failed", 60000), ("sleep 999", "timeout", 3000)):
            runner = self.privileged(f"deadline={deadline}", start=text)
            with self.subTest(text=text):
                self.assertEqual(runner.main_asks("start"), outcome)
                self.assertEqual(runner.main_asks("stop"), "done", "it still runs others")
                self.assert_nothing_left(runner)

    def test_what_it_is_given(self):
        folder = self.writable()
        self.privileged(f"writable={folder}", start=f'echo "$#" "$0" "$PWD" >{folder}/seen').main_asks(
            "start")
        self.assertEqual((folder / "seen").read_text().split(),
                         ["0", f"{self.folder}/start.sh", str(self.folder)])

    def test_its_user_and_rights(self):
        folder = self.writable()
        self.privileged(f"writable={folder}", start=f"cp /proc/self/status {folder}/seen").main_asks(
            "start")
        fields = dict(line.split(":", 1) for line in (folder / "seen").read_text().splitlines())
        self.assertEqual(fields["Uid"].split(), [str(USER)] * 4)
        self.assertEqual(int(fields["CapEff"], 16), 1 << 12 | 1 << 13)

    def test_why_is_logged(self):
        runner = self.privileged(start="echo no firewall here >&2; exit 3")
        runner.main_asks("start")
        event, = runner.events(message="a program refused")
        self.assertEqual((event["task"], event["why"], event["stderr"]),
                         ("serverStart", "exit status 3", "no firewall here"))
        self.assertNotIn("device", event)

    def test_not_configured(self):
        runner = self.runner(f"start=script:{self.sh('exit 0')}", role="privileged-runner")
        self.assertEqual(runner.main_asks("stop"), "failed")

    def test_main_cannot_ask_for_rules(self):
        runner = self.runner(f"add=script:{self.sh('exit 0')}", role="privileged-runner")
        self.assertEqual(runner.main_asks("add"), "failed")

    def test_the_keeper_cannot_ask_for_it(self):
        marker = self.writable() / "ran"
        add = self.sh("exit 0", "add.sh")
        runner = self.privileged(f"writable={marker.parent}", f"add=script:{add}",
                            start=f": >{marker}")
        self.assertEqual(runner.outcome("start"), "failed")
        self.assertEqual(runner.outcome("add", 2), "done")
        self.assertFalse(marker.exists())

    def test_after_the_keeper(self):
        """The keeper ends before serverStop is asked for, perhaps with a rule under way."""
        runner = self.privileged(f"add=script:{self.sh('sleep 0.5', 'add.sh')}")
        runner.ask("add", 1)
        self.assertTrue(eventually(runner.programs))
        runner.lose_keeper()
        self.assertEqual(runner.main_asks("stop"), "done")
        self.assertNotIn(state_of(runner.pid), (None, "Z"))
        self.assertEqual(runner.close(), 0)

    def test_goes_before_rules_that_wait(self):
        runner = self.privileged("at_once=1", "deadline=60000",
                            f"add=script:{self.sh('sleep 0.4', 'add.sh')}")
        for i in range(8):
            runner.ask("add", i)
        self.assertEqual(runner.main_asks("stop"), "done")
        self.assertNotIn(7, runner.answers, "all of them went before")

    def test_no_helper(self):
        self.sh("exit 0")
        with self.assertRaises(AssertionError):
            self.runner(f"start=helper:{self.folder}/script", role="privileged-runner")

    def test_a_runner_has_none(self):
        """Main may not ask it, and what is configured is not its own."""
        marker = self.writable() / "ran"
        self.sh(f": >{marker}", "start.sh")
        runner = self.runner(f"start=script:{self.folder}/start.sh",
                             f"authorize=script:{self.sh('echo 180')}")
        self.assertEqual(runner.outcome("start"), "failed")
        self.assertFalse(Path(marker).exists())
