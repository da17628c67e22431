"""Starts that fail one after the other, under a service manager: the pause between them."""

import os
import signal
import subprocess

from netns import eventually
from world import WorldTest

CONFIG, FAILED = 78, 1
MANY = b"x" * 20  # failures, after which a pause takes 30 seconds
BEFORE_THAT = 20


class RetryTest(WorldTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.daemon.stop()
        self.good = self.daemon.file.read_text()
        self.counter = self.daemon.folder / "control.failures"

    def pauses(self):
        return [line["seconds"] for line in
                self.daemon.events(message="waiting before the next start")]

    def fail(self, text="nonsense: 1\n"):
        self.daemon.configure(self.good + text)
        self.daemon.start(ready=False)

    def fail_for_long(self, *how):
        self.counter.write_bytes(MANY)
        self.fail(*how)
        self.assertTrue(eventually(self.pauses))
        self.assertEqual(self.pauses(), ["30"])
        self.assert_shut()

    def assert_ends(self, code):
        self.assertEqual(self.daemon.process.wait(BEFORE_THAT), code)

    def test_the_pauses_grow(self):
        for seconds in ([], ["1"], ["1", "2"]):
            self.fail()
            self.assert_ends(CONFIG)
            self.assertEqual(self.pauses(), seconds)

    def test_a_stop_ends_it(self):
        self.fail_for_long()
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assert_ends(0)
        self.assertFalse(self.counter.exists())

    def test_a_changed_file_ends_it(self):
        self.fail_for_long()
        self.daemon.configure(self.good)
        self.assert_ends(CONFIG)
        self.assertFalse(self.counter.exists())
        self.daemon.start()

    def test_a_replaced_file_ends_it(self):
        """As editors do it."""
        self.fail_for_long()
        new = self.daemon.folder / "new"
        new.write_text(self.good)
        new.chmod(0o600)
        new.rename(self.daemon.file)
        self.assert_ends(CONFIG)
        self.daemon.start()

    def test_a_changed_client_ends_it(self):
        folder = self.daemon.folder / "clients.d"
        folder.mkdir()
        (folder / "dora.yaml").write_text("nonsense: 1\n")
        self.fail_for_long("")
        (folder / "dora.yaml").unlink()
        self.assert_ends(CONFIG)

    def test_an_interface_ends_it(self):
        self.good = self.good.replace("server:\n", "server:\n  interface: late\n")
        self.fail_for_long("")
        self.server.ip("link", "add", "late", "type", "veth")
        self.addCleanup(self.server.ip, "link", "delete", "late")
        self.assert_ends(FAILED)
        self.daemon.start()

    def test_an_interface_mends_no_file(self):
        self.fail_for_long()
        self.server.ip("link", "add", "other", "type", "veth")
        self.server.ip("link", "delete", "other")
        with self.assertRaises(subprocess.TimeoutExpired):
            self.daemon.process.wait(1)
        self.daemon.process.terminate()
        self.assert_ends(0)

    def test_a_good_start_forgets(self):
        self.counter.write_bytes(MANY)
        self.daemon.start()
        self.assertFalse(self.counter.exists())
        self.daemon.end("keeper", signal.SIGKILL)
        self.assert_ends(FAILED)  # it had started, so this is none
        self.assertFalse(self.counter.exists())
        self.fail()
        self.assert_ends(CONFIG)
        self.assertEqual(self.pauses(), [])

    def test_without_a_service_manager(self):
        self.counter.write_bytes(MANY)
        self.daemon.configure(self.good + "nonsense: 1\n")
        environment = {name: value for name, value in os.environ.items()
                       if name != "NOTIFY_SOCKET"}
        done = self.server.popen(*self.daemon.command(), env=environment,
                                 stderr=subprocess.DEVNULL)
        self.assertEqual(done.wait(BEFORE_THAT), CONFIG)
        self.assertEqual(self.counter.read_bytes(), MANY)
