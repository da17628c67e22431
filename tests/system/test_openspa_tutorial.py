"""The original's tutorial for a host with iptables: its chains, and scripts of the form that it has
people install, as they are. Only where they stand is put in for the test."""

import json
import tempfile
from pathlib import Path

import openspa
from daemon import BUILD, Daemon
from netns import eventually
from spa_world import SpaWorldTest
from test_openspa_original import KEYS
from world import SERVICE_PORT

# What stands before the chains lets in loopback and requests; what is behind them, answers.
HOST = """
{0} -I INPUT 1 -i lo -j ACCEPT
{0} -A INPUT -p udp --dport 22211 --jump ACCEPT
{0} -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
{0} --new-chain OPENSPA
{0} --insert INPUT 3 --jump OPENSPA
{0} --new-chain OPENSPA-BLOCK
{0} --insert INPUT 4 --jump OPENSPA-BLOCK
{0} --policy INPUT DROP
"""
NEIGHBOURS = """
ip6tables -I INPUT -p icmpv6 --icmpv6-type neighbour-solicitation --jump ACCEPT
ip6tables -I INPUT -p icmpv6 --icmpv6-type neighbour-advertisement --jump ACCEPT
"""
HEAD = """#!/usr/bin/env python3
import logging
import os
import subprocess
import sys
from threading import Timer

logging.basicConfig()
log = logging.getLogger(__file__)
log.setLevel(logging.DEBUG)
"""
# The folder of keys is found by the script's own path.
DIRECTORY = HEAD + """
FOLDER = os.path.join(os.path.abspath(os.path.dirname(sys.argv[0])), "public_keys")

if sys.argv[1].upper() != "GET_USER_PUBLIC_KEY" or len(sys.argv) != 3:
    log.error("unknown command")
    sys.exit(1)
try:
    with open(os.path.join(FOLDER, sys.argv[2] + ".pub")) as file:
        sys.stdout.write(file.read())
        sys.stdout.flush()
except FileNotFoundError:
    log.info("no key of %s", sys.argv[2])
    sys.exit(3)
"""
AUTHORIZATION = HEAD + """
if len(sys.argv) != 10:
    log.error("wrong number of arguments")
    sys.exit(1)
sys.stdout.write(str(3) + "\\n")
sys.stdout.flush()
sys.exit(0)
"""
RULE = HEAD + """
if len(sys.argv) != 11:
    log.error("wrong number of arguments")
    sys.exit(1)
device, family, client, server_family, server, protocol = sys.argv[1:7]
first, last, nat, duration = int(sys.argv[7]), int(sys.argv[8]), sys.argv[9] == "1", int(sys.argv[10])
protocol = protocol.lower()


def change(how, chain, target):
    words = ["iptables" if family.lower() == "ipv4" else "ip6tables", how, chain, "--source",
             client, "-p", protocol]
    if protocol in ("tcp", "udp"):
        words += ["--dport", str(first)] if first == last else [
            "--match", "multiport", "--dport", "{}:{}".format(first, last)]
    words += ["--jump", target]
    log.info("running %s", words)
    process = subprocess.Popen(words)
    timer = Timer(15, process.kill)
    timer.start()
    process.wait()
    timer.cancel()
    if process.returncode != 0:
        log.warning("failed: %s", words)
    return process.returncode == 0

"""
ADD = RULE + """
if not change("--append", "OPENSPA", "ACCEPT"):
    sys.exit(2)
change("--delete", "OPENSPA-BLOCK", "DROP")
"""
REMOVE = RULE + """
if not change("--delete", "OPENSPA", "ACCEPT") or not change("--append", "OPENSPA-BLOCK", "DROP"):
    sys.exit(2)
"""
SCRIPTS = {"user_directory_service": DIRECTORY, "authorization": AUTHORIZATION, "rule_add": ADD,
           "rule_remove": REMOVE}
CONFIG = KEYS + """serverIP: "{}"
extensionScripts:
  userDirectoryService: "./es/user_directory_service.py"
  authorization: "./es/authorization.py"
  ruleAdd: "./es/rule_add.py"
  ruleRemove: "./es/rule_remove.py"
"""


def build_option(name):
    options = json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text())
    return next(option["value"] for option in options if option["name"] == name)


class Tutorial(SpaWorldTest):
    host = ("iptables", "ip6tables")

    def setUp(self):
        super().setUp()
        for tool in self.host:
            self.server.run("sh", "-ec", HOST.format(tool))
        self.server.run("sh", "-ec", NEIGHBOURS)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.daemon = Daemon(self.server, folder, CONFIG.format(self.address(4)))
        self.install(folder, SCRIPTS)

    def install(self, folder, scripts):
        for name in ("keys", "es", "es/public_keys"):
            (folder / name).mkdir()
        for name, text, mode in [
                ("keys/server.pub", self.spa_key.public_pem(), 0o644),
                ("keys/server.key", self.spa_key.private_pem(), 0o600),
                (f"es/public_keys/{self.phone.uuid}.pub", self.phone.key.public_pem(), 0o644),
                *((f"es/{name}.py", text, 0o755) for name, text in scripts.items())]:
            (folder / name).write_text(text)
            (folder / name).chmod(mode)

    def run_server(self):
        words = self.daemon.command
        self.daemon.command = lambda *more: [words()[0], "start", *words(*more)[3:]]
        self.daemon.start()

    def rules(self, chain, family=4):
        tool = "iptables" if family == 4 else "ip6tables"
        return [line for line in self.server.run(tool, "-S", chain).splitlines()
                if line.startswith("-A")]

    def ask_for(self, family=4, **what):
        return self.granted_for(self.request(server=self.address(4), family=family, **what),
                                family=family)[1:]

    def assert_over(self, family=4):
        self.assertTrue(eventually(lambda: not self.rules("OPENSPA", family)))


class TutorialTest(Tutorial):
    def test_ssh_and_again(self):
        """Twice over each family: the second time what the first has left is taken away."""
        self.run_server()
        for family in (4, 6, 4, 6):
            with self.subTest(family=family):
                self.assertFalse(self.reaches(family))
                self.assertEqual(self.ask_for(family), (openspa.TCP, SERVICE_PORT, SERVICE_PORT, 3))
                self.assertTrue(self.reaches(family))
                self.assertEqual(self.rules("OPENSPA-BLOCK", family), [])
                self.assert_shuts(family)
                self.assert_over(family)
                self.assertEqual(len(self.rules("OPENSPA-BLOCK", family)), 1)

    def test_an_established_connection_is_cut(self):
        self.run_server()
        self.ask_for()
        connection = self.connection()
        connection.sendall(b"here")
        self.assertEqual(connection.recv(4), b"here")
        self.assertTrue(eventually(lambda: self.rules("OPENSPA-BLOCK")))
        connection.settimeout(0.5)
        connection.sendall(b"still")
        with self.assertRaises(TimeoutError):
            connection.recv(5)
        connection.close()

    def test_ping_as_the_tutorial_asks_for_it(self):
        self.run_server()
        for family, protocol in ((4, openspa.ICMP), (6, openspa.ICMPV6)):
            with self.subTest(family=family):
                self.assertFalse(self.pings(family))
                self.assertEqual(self.ask_for(family, protocol=protocol, first=1)[1:], (1, 1, 3))
                self.assertTrue(self.pings(family))
                self.assert_over(family)
                self.assertFalse(self.pings(family))

    def test_a_range_of_ports(self):
        self.run_server()
        self.ask_for(first=SERVICE_PORT - 2, last=SERVICE_PORT + 2)
        self.assertIn("multiport", self.rules("OPENSPA")[0])
        self.assertTrue(self.reaches())
        self.assert_over()

    def test_a_stranger(self):
        self.run_server()
        self.assert_silent(self.request(self.laptop, server=self.address(4)), "unknown_signer")

    def test_stopping_shuts(self):
        self.run_server()
        self.ask_for()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertEqual(self.rules("OPENSPA"), [])
        self.assertFalse(self.reaches())


class SudoTest(Tutorial):
    """Scripts that call sudo, with the one that is installed beside the daemon's programs: it
    stands there in a name space of mounts, and nothing on the host changes."""

    def run_server(self):
        programs = Path(build_option("prefix")) / build_option("libexecdir") / "postern/programs"
        above = next(folder for folder in programs.parents if folder.exists())
        sudo = Path(__file__).parents[2] / "pkg/programs/sudo"
        there = ("unshare", "--mount", "sh", "-ec",
                 'cp "$0" "$1"; mount -t tmpfs -o mode=755 none "$2"; mkdir -p "$3"; '
                 'mv "$1" "$3/sudo"; shift 3; exec "$@"', sudo, self.daemon.folder / "sudo", above,
                 programs)
        words = self.daemon.command
        self.daemon.command = lambda *more: [*there, words()[0], "start", *words(*more)[3:]]
        self.daemon.start()

    def with_sudo(self, *options):
        for name in ("rule_add", "rule_remove"):
            path = self.daemon.folder / f"es/{name}.py"
            path.write_text(SCRIPTS[name].replace(
                "Popen(words)", f"Popen({['sudo', *options]!r} + words)"))
        self.run_server()

    def install(self, folder, scripts):
        super().install(folder, {name: text.replace("Popen(words)", "Popen(['sudo'] + words)")
                                 for name, text in scripts.items()})

    def test_as_it_stands_in_scripts(self):
        self.run_server()
        for family in (4, 6):
            self.ask_for(family)
            self.assertTrue(self.reaches(family))
            self.assert_shuts(family)
            self.assert_over(family)

    def test_with_options(self):
        self.with_sudo("-n", "-E", "-u", "root", "LC_ALL=C")
        self.ask_for()
        self.assertTrue(self.reaches())
        self.assert_over()

    def test_as_somebody_else(self):
        self.with_sudo("-u", "nobody")
        self.assert_silent(self.request(server=self.address(4)), "firewall_failed")
        self.assertIn("gives no rights", self.daemon.log_path.read_text())
        self.assertFalse(self.reaches())

    def test_no_right_is_gained(self):
        """The rights are those of the script, and no more; also of one that has some."""
        look = HEAD + """
def rights(*before):
    said = subprocess.run([*before, "grep", "-E", "^(Uid|Gid|Groups|Cap|NoNewPrivs)",
                           "/proc/self/status"], stdout=subprocess.PIPE).stdout.decode()
    assert "NoNewPrivs:\\t1" in said
    return said

assert rights() == rights("sudo")
print(9)
"""
        for name in ("authorization", "rule_add", "rule_remove"):
            (self.daemon.folder / f"es/{name}.py").write_text(look)
        self.run_server()
        self.assertEqual(self.ask_for()[-1], 9)
