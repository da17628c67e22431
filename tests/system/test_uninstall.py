"""`make uninstall` leaves no daemon without its file and no unit without its program."""

import os
import shutil
import subprocess
import unittest
from pathlib import Path

from daemon import BUILD
from netns import eventually
from world import WorldTest

SCRIPT = Path(__file__).parents[2] / "pkg" / "uninstall"


class UninstallTest(WorldTest):
    def setUp(self):
        super().setUp()
        self.place = self.folder / f"place-{self.id().rpartition('.')[2]}"
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir",
                        self.place], check=True, stdout=subprocess.DEVNULL)
        self.posternd = next(self.place.rglob("sbin/posternd"))

    def files(self):
        return [path for path in self.place.rglob("*") if not path.is_dir()]

    def uninstall(self, **environment):
        done = subprocess.run([SCRIPT, BUILD, self.place], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env={**os.environ, **environment})
        return done.returncode, done.stdout

    def test_takes_all_away(self):
        self.assertGreater(len(self.files()), 20)
        code, output = self.uninstall()
        self.assertEqual(code, 0, output)
        self.assertEqual(self.files(), [])

    def test_not_under_a_running_daemon(self):
        for path in self.place.rglob("libexec/**/postern-*"):
            shutil.copy(path, self.posternd.parent)  # it looks beside itself first
        beside = [path for path in self.posternd.parent.glob("postern-*")
                  if path.name not in ("postern-echoip", "postern-web")]
        start, posternd = type(self).server.popen, self.posternd

        def installed(program, *words, **options):
            return start(posternd, *words, **options)
        self.server.popen = installed
        self.addCleanup(self.server.__dict__.pop, "popen")
        self.start()
        before = self.files()
        code, output = self.uninstall()
        self.assertEqual(code, 1, output)
        self.assertIn(f"{self.posternd} is running, pid {self.daemon.process.pid}", output)
        self.assertIn("FORCE=1", output)
        self.assertEqual(self.files(), before)
        self.daemon.stop()
        self.assertEqual(self.uninstall()[0], 0)
        self.assertEqual(sorted(self.files()), sorted(beside))

    def test_by_force(self):
        program = next(self.place.rglob("postern-echoip"))
        running = self.server.popen(program, "-b", "127.0.0.1", "-p", "0",
                                    stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(running.wait)
        self.addCleanup(running.terminate)
        self.assertTrue(eventually(
            lambda: os.readlink(f"/proc/{running.pid}/exe") == str(program)))
        self.assertEqual(self.uninstall()[0], 1)
        self.assertEqual(self.uninstall(FORCE="0")[0], 1)
        code, output = self.uninstall(FORCE="1")
        self.assertEqual(code, 0, output)
        self.assertEqual(self.files(), [])

    @unittest.skipUnless(shutil.which("systemctl"), "there is no systemctl")
    def test_not_with_an_enabled_unit(self):
        systemctl = ["systemctl", "--quiet", f"--root={self.place}"]
        subprocess.run([*systemctl, "enable", "posternd.service"], check=True)
        code, output = self.uninstall()
        self.assertEqual(code, 1, output)
        self.assertIn("posternd.service is enabled", output)
        self.assertIn(f"systemctl --root={self.place} disable posternd.service", output)
        self.assertTrue(self.posternd.exists())
        subprocess.run([*systemctl, "disable", "posternd.service"], check=True)
        self.assertEqual(self.uninstall()[0], 0)
        self.assertEqual(self.files(), [])
