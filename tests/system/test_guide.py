"""The guides: the commands of their fenced blocks, in their order, each on the machine that the
word behind `sh` names. Only paths, the address and the times granted are put in for a test."""

import os
import re
import stat
import uuid
from pathlib import Path
from types import SimpleNamespace

import openspa
from cryptography.hazmat.primitives import serialization
from daemon import BUILD
from guide_blocks import blocks
from netns import eventually
from spa_tool import DEVICE, VECTORS, captured_keys
from spa_world import SpaWorldTest
from world import KNOCK_PORT, WorldTest

DOC = Path(__file__).parents[2] / "doc"


class GuideTest(WorldTest):
    guide = None
    file = None
    paths = ()  # (ours, the test's below the daemon's folder)

    def blocks(self):
        """(language, place, text) of every block."""
        return blocks(self.guide)

    def places(self):
        return [place for _, place, _ in self.blocks()]

    def text_for(self, text):
        folder = self.daemon.folder
        for ours, theirs in self.paths:
            text = text.replace(ours, str(folder / theirs))
        for ours, theirs in (("192.0.2.1", self.address(4)), ("30s", "10s"), ("180s", "6s")):
            text = text.replace(ours, theirs)
        return text

    def shell(self, space, text, check=True):
        """Every line has to succeed; or, not to be checked, only the output counts."""
        script = (f"export PATH={BUILD}:$PATH\ncd {self.daemon.folder}\n"
                  f'postern() {{ command postern --control {self.daemon.control} "$@"; }}\n')
        return space.run("sh", "-ec", script + self.text_for(text), check=check)

    def assert_this_daemon(self, text):
        self.assertEqual(self.text_for(text).split(),
                         ["posternd", *map(str, self.daemon.command()[1:3])])

    def assert_every_block_is_run(self):
        self.assertEqual(len(self.blocks()),
                         len(re.findall(r"^```", self.guide.read_text(), re.M)) / 2)


class OpenspaGuideTest(GuideTest):
    """From nothing to a ping."""

    guide = DOC / "openspa.md"
    file = "/etc/postern/openspa.yaml"
    paths = ((file, "config.yaml"), ("/etc/postern", ""))

    def pings(self, command):
        return " 0% packet loss" in self.shell(self.client, command, False)

    def test_openspa_guide(self):
        blocks = self.blocks()
        self.assertEqual(self.places(), ["server", "server", self.file, "server", "daemon",
                                         "client-silent", "client"])
        *_, (_, _, daemon), (_, _, silent), (_, _, asking) = blocks

        def prepare(_):
            for _, place, text in blocks:
                if place == self.file:
                    self.daemon.configure(self.text_for(text))
                elif place == "server":
                    self.shell(self.server, text)
            self.assert_this_daemon(daemon)

        self.start("", prepare=prepare)
        self.assertFalse(self.pings(silent))
        self.shell(self.client, asking)
        self.assertTrue(eventually(lambda: not self.pings(silent)), "the ping did not end")

    def test_every_block_is_run(self):
        self.assert_every_block_is_run()


class FloodGuideTest(GuideTest):
    """From a file that came from openme to captured knocks behind a shield at the device."""

    guide = DOC / "flood.md"
    paths = (("/etc/postern", ""), ("bob.yaml", "bob.yaml"))
    tcp_ports = (22,)

    def text_for(self, text):
        return super().text_for(text).replace("eth0", "wire")

    def shell(self, space, text, check=True):
        """With the test's own file as the one that programs read by default."""
        default = (f'postern() {{ command postern --config {self.daemon.file} '
                   f'--control {self.daemon.control} "$@"; }}\n'
                   f'posternd() {{ command posternd -c {self.daemon.file} "$@"; }}\n')
        return super().shell(space, default + text, check)

    def take(self, place):
        _, where, text = self.left.pop(0)
        self.assertEqual(where, place)
        return text

    def run_next(self):
        return self.shell(self.server, self.take("server"))

    def restart(self):
        self.assertEqual(self.take("service"), "systemctl restart posternd\n")
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon.start()

    def test_flood_guide(self):
        self.left = self.blocks()
        self.start(self.configuration({"bob": None}, host=self.address(4), interface=""))
        self.assertNotIn("shield_key", self.daemon.file.read_text())
        self.run_next()
        self.assertIn("shield_key", self.daemon.file.read_text())
        self.run_next()
        knock = self.take("client")
        self.assertIn("(redacted)", self.shell(self.client, knock))
        self.assertTrue(eventually(lambda: self.reaches(port=22)))
        self.assert_shuts(port=22)
        self.run_next()
        self.assert_nobody_else_gets_in(knock)
        self.take("systemd")  # tests/boot/test_service_shield.py runs it
        self.run_next()
        self.restart()
        self.assert_nobody_else_gets_in(knock)
        self.assertIn("(XDP, native)", self.postern("sessions"))
        self.run_next()
        self.restart()
        self.assert_nobody_else_gets_in(knock)
        self.assertEqual(self.server.run("ss", "-Hlun", f"sport = :{KNOCK_PORT}"), "")
        self.assertIn("(XDP, native)", self.run_next())
        self.assertEqual(self.left, [])

    def assert_nobody_else_gets_in(self, knock):
        """alice is a client of openme's."""
        self.knock(self.alice)
        self.shell(self.client, knock)
        self.assertTrue(eventually(lambda: self.reaches(port=22)))
        self.assertEqual(self.verdicts("granted", client="alice"), [])
        self.assert_shuts(port=22)

    def test_every_block_is_run(self):
        self.assert_every_block_is_run()


HOST_RULES = """
iptables -P INPUT DROP
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
"""
RULE = """#!/usr/bin/env python3
import subprocess, sys
device, family, client, _, server, protocol, first, last, nat, duration = sys.argv[1:]
tool = "iptables" if family == "ipv4" else "ip6tables"
ports = f"--dport {{first}}:{{last}}" if protocol in ("TCP", "UDP") else ""
sys.exit(subprocess.call(
    f"sudo {{tool}} {change} INPUT -s {{client}} -p {{protocol.lower()}} {{ports}} -j ACCEPT",
    shell=True))
"""
DIRECTORY = """#!/usr/bin/env python3
import os, sys
assert sys.argv[1] == "GET_USER_PUBLIC_KEY"
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "clients", sys.argv[2] + ".pem")) as key:
    print(key.read())
"""
AUTHORIZATION = """#!/usr/bin/env python3
import sys
print(6 if sys.argv[4] == "TCP" and sys.argv[5] == sys.argv[6] == "22" else 0)
"""
SOMEBODY = 4321


def contents(folder):
    """What is in it: owner, mode and bytes by name."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        st = path.stat()
        found[str(path.relative_to(folder))] = (
            st.st_uid, stat.S_IMODE(st.st_mode), path.read_bytes() if path.is_file() else None)
    return found


class MovingGuideTest(GuideTest, SpaWorldTest):
    """From an original's installation, with its scripts and an OSPA file that its tool wrote."""

    guide = DOC / "openspa-moving.md"
    file = "/etc/openspa/config.yaml"
    paths = (("/etc/openspa", "openspa"),)
    tcp_ports = (22, 23)

    def install(self):
        """What the original's administrator has: everything is somebody's, and open to a group."""
        self.home = self.daemon.folder / "openspa"
        server, client = captured_keys()
        public = [key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
            for key in (server, client)]
        secret = server.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption()).decode()
        for name, text in {
                "config.yaml": self.text_for(self.blocks()[0][2]),
                "keys/server.pub": public[0], "keys/server.key": secret,
                f"es/clients/{DEVICE}.pem": public[1], "es/authorization.py": AUTHORIZATION,
                "es/user_directory_service.py": DIRECTORY,
                "es/rule_add.py": RULE.format(change="-I"),
                "es/rule_remove.py": RULE.format(change="-D")}.items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o775 if path.suffix == ".py" else 0o664)
        for path in [self.home, *self.home.rglob("*")]:
            os.chown(path, SOMEBODY, SOMEBODY)
            if path.is_dir():
                path.chmod(0o775)
        self.daemon.file = self.home / "config.yaml"
        (self.daemon.folder / "client.ospa").write_text((VECTORS / "client.ospa").read_text())

    def as_the_original(self):
        """The original client: a request without our tool, its answer verified."""
        server, client = captured_keys()
        device = SimpleNamespace(uuid=uuid.UUID(DEVICE), key=SimpleNamespace(private=client))
        self.spa_key = SimpleNamespace(public=server.public_key())
        packet = self.request(device, first=22, server=self.address(4))
        self.assertEqual(self.granted_for(packet, device)[1:], (openspa.TCP, 22, 22, 6))

    def input_rules(self):
        return self.server.run("iptables", "-S", "INPUT")

    def as_the_guide(self):
        self.shell(self.client, next(text for _, place, text in self.blocks() if place == "client"))

    def assert_serves(self, *ways):
        """Whoever asks gets in, for a time, and to nothing else."""
        for ask in ways:
            self.assertFalse(self.reaches(port=22))
            ask()
            self.assertTrue(self.reaches(port=22))
            self.assertFalse(self.reaches(port=23))
            self.assert_shuts(port=22)

    def take(self, place):
        """The text of the next block, which is for `place`."""
        _, where, text = self.left.pop(0)
        self.assertEqual(where, place)
        return text

    def run_next(self):
        return self.shell(self.server, self.take("server"))

    def put_in_order(self):
        """Until the first check is content."""
        self.run_next()
        refused = self.shell(self.server, self.take("server-refuses"), check=False)
        self.assertRegex(refused, "belongs to user 4321|lets others")
        self.run_next()
        self.run_next()
        self.run_next()

    def test_moving_guide(self):
        self.left = self.blocks()
        self.take(self.file)
        self.server.run("sh", "-ec", HOST_RULES)
        host = self.input_rules()

        def prepare(_):
            self.install()
            self.before = contents(self.home)
            self.put_in_order()
            self.assertIn("-P INPUT DROP", self.run_next())
            self.assert_this_daemon(self.take("daemon"))

        self.start("", prepare=prepare)
        self.shell(self.client, self.take("client"))
        self.assertTrue(self.reaches(port=22))
        self.assertIn(self.address(4, self.client), self.input_rules())
        self.assertIn("postern: let granted packets by",
                      self.server.run("nft", "list", "chain", "ip", "filter", "INPUT"))
        self.assertRegex(self.run_next(), rf"{DEVICE} .* 22/tcp")
        self.assert_shuts(port=22)
        self.assert_serves(self.as_the_original)
        self.step_by_step()
        self.server.run("iptables", "-P", "INPUT", "ACCEPT")
        self.assert_shut(port=22)
        self.server.run("iptables", "-P", "INPUT", "DROP")
        self.assertEqual(self.daemon.stop(), 0)
        self.assertNotEqual(self.input_rules(), host)
        self.postern("release", "--yes")
        self.assertEqual(self.input_rules(), host)
        self.shell(self.server, self.take("server-stopped"))
        self.assertEqual(self.left, [])
        after = contents(self.home)
        self.assertEqual({name: after.get(name) for name in self.before}, self.before)

    def step_by_step(self):
        for step, asks in (("keys", [self.as_the_guide]), ("authorization", [self.as_the_original]),
                           ("rules", [self.as_the_guide, self.as_the_original])):
            self.assertEqual(self.daemon.stop(), 0)
            if step == "rules":
                self.daemon.configure(self.text_for(self.take(self.file)))
            self.run_next()
            self.daemon.start()
            self.assert_serves(*asks)
            self.assertEqual("runner" in self.daemon.roles(), step == "keys")
            self.assertEqual("privileged-runner" in self.daemon.roles(), step != "rules")

    def test_what_the_guide_says_of_sudo(self):
        """Left in where ours is not installed, nobody is let in, and nobody is told so."""
        self.left = self.blocks()
        self.take(self.file)
        self.server.run("sh", "-ec", HOST_RULES)

        def prepare(_):
            self.install()
            self.put_in_order()
            for name in ("rule_add", "rule_remove"):
                (self.home / f"es/{name}.py").write_text(RULE.format(change="-I"))
        self.start("", prepare=prepare)
        asking = next(text for _, place, text in self.blocks() if place == "client")
        with self.assertRaises(RuntimeError):
            self.shell(self.client, asking.rstrip() + " --timeout 1s -r 1")
        self.assertTrue(eventually(lambda: self.verdicts("firewall_failed")))
        self.assertFalse(self.reaches(port=22))

    def test_every_block_is_run(self):
        self.assert_every_block_is_run()

