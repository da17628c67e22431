"""A gate whose service a guide's own commands start and stop, with its files where the guide has them
but for the folder of the test. What a guide shows of output is compared with what comes."""

import subprocess
import tempfile
from pathlib import Path

from daemon import BUILD, program
from guide_blocks import blotted, shown
from netns import PATIENCE, eventually
from test_guide import GuideTest

# For the units of the packages, which tests/boot starts.
SYSTEMCTL = """#!/bin/sh
case "$*" in
"enable --now postern-guard posternd" | "start posternd") set -- start ;;
"restart posternd") {folder}/bin/systemctl stop posternd; set -- start ;;
"disable --now posternd postern-guard") {folder}/bin/systemctl stop posternd; exec {guard} --release ;;
"stop posternd" | stop) set -- stop ;;
start) ;;
*) echo "systemctl $*: not in this test" >&2; exit 64 ;;
esac
case $1 in
start)
    {daemon} -c {folder}/etc/config.yaml --state-dir {folder}/state --control {folder}/control \\
        >>{folder}/log 2>&1 </dev/null &
    echo $! >{folder}/pid
    until {tool} --control {folder}/control sessions >/dev/null 2>&1; do
        kill -0 $! || exit 1
        sleep 0.05
    done ;;
stop)
    [ -e {folder}/pid ] || exit 0
    kill $(cat {folder}/pid) 2>/dev/null
    while grep -q '^State:.[^Z]' /proc/$(cat {folder}/pid)/status 2>/dev/null; do sleep 0.05; done
    rm {folder}/pid ;;
esac
"""
# Each command finds by these what it finds by itself on a host.
DEFAULTS = """
postern() {{
    case $1 in
    activate) shift; set -- activate --service {folder}/bin/systemctl --state-dir {folder}/state "$@" ;;
    confirm | doctor | history | index | reload | rollback) set -- "$@" --state-dir {folder}/state ;;
    esac
    command postern --config {folder}/etc/config.yaml --control {folder}/control "$@"
}}
posternd() {{ command posternd -c {folder}/etc/config.yaml --state-dir {folder}/state "$@"; }}
export HOME={folder}/home
"""


class Gate:
    """Stands for the daemon of other tests."""

    def __init__(self, space, folder):
        self.space, self.folder = space, folder
        self.control, self.log_path = folder / "control", folder / "log"
        self.log_path.touch()
        for name in ("bin", "etc", "root", "home"):
            (folder / name).mkdir(mode=0o700)
        self.systemctl = folder / "bin/systemctl"
        self.systemctl.write_text(SYSTEMCTL.format(
            folder=folder, daemon=program("posternd"), tool=program("postern"),
            guard=program("postern-guard")))
        self.systemctl.chmod(0o755)

    def close(self):
        self.space.run(self.systemctl, "stop", check=False)


class ServedGuideTest(GuideTest):
    tcp_ports = (22, 8080)
    paths = (("/etc/postern", "etc"), ("/root", "root"), ("/var/lib/postern", "state"))

    def setUp(self):
        super().setUp()
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        folder.chmod(0o755)
        self.daemon = Gate(self.server, folder)
        self.said, self.trial = "", None

    def text_for(self, text):
        for ours, theirs in (("192.0.2.1", self.address(4)),
                             ("198.51.100.7", self.address(4, self.client))):
            text = text.replace(ours, theirs)
        for ours, theirs in self.paths:
            text = text.replace(ours, str(self.daemon.folder / theirs))
        return text

    def words(self, text):
        folder = self.daemon.folder
        return (f"exec 2>&1\nexport PATH={folder}/bin:{BUILD}:$PATH\ncd {folder}\n"
                + DEFAULTS.format(folder=folder) + self.text_for(text))

    def run_block(self, place, text):
        """`server` and `client`: every line has to succeed; `server-refuses`: the last one must not."""
        name, _, how = place.partition("-")
        space = {"server": self.server, "client": self.client}[name]
        if how == "waits":
            out = self.daemon.folder / "trial"
            with open(out, "w") as file:
                self.trial = space.popen("sh", "-ec", self.words(text), stdin=subprocess.DEVNULL, stdout=file)
            self.addCleanup(self.trial.wait)
            self.addCleanup(self.trial.kill)
            waits = lambda: "postern confirm\n" in out.read_text() or self.trial.poll() is not None
            self.assertTrue(eventually(waits))
            self.said = out.read_text()
            self.assertIn("postern confirm\n", self.said)
            return
        with tempfile.TemporaryFile("w+") as out:  # not a pipe, which a daemon would keep open
            done = space.popen("sh", "-ec", self.words(text), stdin=subprocess.DEVNULL, stdout=out)
            code = done.wait(2 * PATIENCE)
            out.seek(0)
            self.said = out.read()
        self.assertEqual(code != 0, how == "refuses", f"{text}\n{self.said}")

    def assert_shown(self, text):
        self.assertRegex(blotted(self.said), shown(self.text_for(text)))

    def follow(self, checks):
        """Runs all blocks. `checks`: what else to look at, by the first line of a block, after it."""
        checks = dict(checks)
        for language, place, text in self.blocks():
            with self.subTest(block=text.splitlines()[0]):
                if place == "shown":
                    self.assert_shown(text)
                elif not place.startswith("machine"):
                    self.run_block(place, text)
                    print(f"{place}: {text}{self.said}", flush=True)
                    checks.pop(text.splitlines()[0], lambda: None)()
        self.assertEqual(checks, {}, "a block is not in the guide")

    def assert_opened(self):
        self.assertTrue(eventually(lambda: self.reaches(port=22)), "the port did not open")
        self.assertFalse(self.reaches(port=22, space=self.other), "it is open for others")

    def assert_closed(self):
        self.assertTrue(eventually(lambda: not self.reaches(port=22)), "the port did not shut")
        self.assertFalse(self.reaches(port=22, space=self.other))
