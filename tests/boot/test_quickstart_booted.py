"""The guide of ten minutes, word for word: every block of it, in its order, on a machine that has a real
sshd and Debian's packages, and on a laptop that comes in by ssh."""

import base64
import contextlib
import json
import re
import socket
import threading
from pathlib import Path

import openme
import yaml
from booted_world import CONFIG, UNITS, Stranger
from guide_machine import LOGIN, GuideTest
from laptop import GATE, HOME, LAPTOP
from machine import CHECKOUT, PATIENCE
from netns import eventually
from packages import later
from web import Connection

KNOCK_PORT, PAGE_PORT = 54154, 9765
AN_HOUR_NS = 3600 * 10**9
HOSTS_OWN = "clock: nothing keeps it right"
JUNK, AT_ONCE, JUNK_PAUSE = b"\x01" * 164, 5, 0.01  # bytes, datagrams, seconds
KEYS = (CONFIG, "/etc/postern/clients.d/laptop.yaml", "/etc/postern/clients.d/phone.yaml")


class QuickstartBootedTest(GuideTest):
    guide = Path(CHECKOUT, "doc/quickstart.md")

    def test_quickstart(self):
        self.follow((
            ("apt install ./postern-server_*.deb ./postern-client_*.deb", self.installed),
            ("postern init --server 192.0.2.1", self.advised),
            (f"scp root@{GATE}:laptop.yaml .", self.key_moves),
            ("postern activate --dry-run", self.nothing_changes),
            ("postern activate --confirm-within 10m", self.shut),
            ("install -D -m 600 laptop.yaml ~/.config/postern/config.yaml", self.opened),
            ("postern confirm", self.confirmed),
            ("postern status --server", self.healthy),
            ("postern doctor", self.examined),
            ("postern sessions", self.let_in),
            ("postern list", self.listed),
            ("postern history laptop", self.refused),
            ("postern stats", self.attacked),
            ("systemctl enable --now postern-web.service", self.page_served),
            (f"ssh -L {PAGE_PORT}:localhost:{PAGE_PORT} root@{GATE}", self.page_seen),
            ("postern reload", self.told_of_the_error),
            ("postern reload --confirm-within 2s", self.taken_back),
            ("postern explain 203.0.113.9 22", self.explained),
            ("systemctl disable --now posternd postern-guard", self.given_up),
            ("systemctl enable --now postern-guard posternd", self.shut_again),
            ("apt install ./postern-server_*.deb ./postern-client_*.deb", self.upgraded),
            ("apt remove postern-server postern-client", self.removed),
        ))

    # Who gets in

    def assert_laptop_alone(self):
        self.assertTrue(eventually(self.laptop.gets_in), "the laptop is shut out")
        self.assertFalse(self.stranger.connects(GATE, 22))
        self.assert_shut(self.stranger)

    def assert_all_shut(self):
        self.assertTrue(eventually(lambda: not self.laptop.gets_in()), "the port is open")
        self.assertFalse(self.stranger.connects(GATE, 22))
        self.assert_shut(self.stranger)

    def assert_all_open(self):
        self.assertTrue(self.stranger.connects(GATE, 22, timeout=PATIENCE))
        self.assert_open(self.stranger)
        self.assertTrue(self.laptop.gets_in())

    def knock_from_laptop(self):
        code, said = self.laptop.run("postern knock --check=22 --timeout 30s")
        self.assertEqual(code, 0, said)

    def enabled(self):
        return [self.machine.run("systemctl", "is-enabled", unit, check=False).strip()
                for unit in UNITS]

    def assert_keys_are_there(self):
        for path in KEYS:
            self.assertTrue(Path(f"{self.machine.root}{path}").exists(), path)

    # The way in

    @contextlib.contextmanager
    def installed(self):
        yield
        self.assertEqual([self.machine.state(unit) for unit in UNITS], ["inactive", "inactive"])
        self.assertEqual(self.enabled(), ["disabled", "disabled"])
        self.assert_all_open()

    @contextlib.contextmanager
    def advised(self):
        yield
        self.assertIn("\n       postern activate --dry-run\n", self.said)

    @contextlib.contextmanager
    def key_moves(self):
        yield
        self.assertEqual(self.machine.shell("ls /root/laptop.yaml 2>/dev/null || echo no"), "no\n")
        self.assertEqual(self.machine.shell(f"stat -c '%a %U' {HOME}/laptop.yaml"), "600 laptop\n")

    @contextlib.contextmanager
    def nothing_changes(self):
        yield
        self.assertEqual(self.machine.run("nft", "list", "ruleset"), self.rules)
        self.assert_all_open()

    @contextlib.contextmanager
    def shut(self):
        yield
        self.assert_all_shut()

    @contextlib.contextmanager
    def opened(self):
        yield
        self.assert_laptop_alone()

    @contextlib.contextmanager
    def confirmed(self):
        self.assertEqual(self.enabled(), ["disabled", "disabled"])
        yield
        said, _ = self.trial.communicate(timeout=PATIENCE)
        self.assertIn("was confirmed", said)
        self.assertEqual(self.trial.returncode, 0)
        self.assertEqual(self.enabled(), ["enabled", "enabled"])

    # The questions

    @contextlib.contextmanager
    def healthy(self):
        yield
        self.assertRegex(self.said, r"^Postern \S+: healthy\n")

    @contextlib.contextmanager
    def examined(self):
        """In a container the clock, and what /proc says of the boot, are the host's."""
        self.may_complain = True
        yield
        self.may_complain = False
        ills = re.findall(r"(?m)^(?:warning|problem) .*", self.said)
        self.assertEqual(self.code, 3 if "\nproblem " in self.said else 0, self.said)
        self.assertEqual([ill for ill in ills if not re.search(HOSTS_OWN, ill)], [])
        self.assertRegex(self.said, r"(?m)^ok +units: posternd.service is enabled$")

    @contextlib.contextmanager
    def let_in(self):
        self.knock_from_laptop()
        yield

    @contextlib.contextmanager
    def listed(self):
        yield
        for name in ("laptop", "phone"):
            self.assertRegex(self.said, rf"(?m)^{name} .* active .* 22/tcp$")

    def knock_of(self, profile, **fields):
        secret, public = (base64.b64decode(profile[name]) for name in ("private_key", "server_pubkey"))
        return openme.knock(openme.ClientKey(secret[:32]), public, **fields)

    @contextlib.contextmanager
    def refused(self):
        """A laptop whose clock is wrong."""
        file = yaml.safe_load(self.machine.read(f"{HOME}/.config/postern/config.yaml"))
        self.client.send(self.knock_of(file["profiles"]["default"],
                                       timestamp=openme.now_ns() - AN_HOUR_NS), GATE, KNOCK_PORT)
        self.assertTrue(eventually(lambda: "stale" in self.machine.run("postern", "history")))
        yield
        self.assertRegex(self.said, rf"refused +laptop from {LAPTOP}: stale")

    @contextlib.contextmanager
    def attacked(self):
        over = threading.Event()

        def attack():
            with self.stranger.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
                while not over.wait(JUNK_PAUSE):
                    for _ in range(AT_ONCE):
                        wire.sendto(JUNK, (GATE, KNOCK_PORT))
        thread = threading.Thread(target=attack)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        self.assertRegex(self.said, r"^UNDER ATTACK: [\d,]+ datagrams a second are refused,\s+most as bad_size")

    # The page

    @contextlib.contextmanager
    def page_served(self):
        self.knock_from_laptop()
        yield
        self.assert_ready()
        self.assertEqual(self.machine.state("postern-web"), "active")
        self.assert_laptop_alone()
        self.assertFalse(self.client.connects(GATE, PAGE_PORT))

    def ask_page(self, address, path):
        link = self.client.connection(address, PAGE_PORT)
        if link is None:
            return ""
        connection = Connection(link)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Host": f"localhost:{PAGE_PORT}"})
            return connection.getresponse().read().decode()

    @contextlib.contextmanager
    def page_seen(self):
        yield
        for address in ("127.0.0.1", "::1"):
            self.assertTrue(eventually(lambda a=address: "<html" in self.ask_page(a, "/")), address)
            data = eventually(lambda a=address: LAPTOP in self.ask_page(a, "/data.json") and
                              json.loads(self.ask_page(a, "/data.json")))
            self.assertIn("laptop", json.dumps(data))

    # What goes wrong

    @contextlib.contextmanager
    def told_of_the_error(self):
        yield
        self.assertRegex(self.at_console("postern status --server || true")[1], "(?i)reload.*refused")
        self.assert_shut(self.stranger)

    @contextlib.contextmanager
    def taken_back(self):
        yield
        self.assertNotIn("8080", self.machine.run("nft", "list", "ruleset"))
        self.assert_shut(self.stranger)

    @contextlib.contextmanager
    def explained(self):
        yield
        self.assertEqual(self.code, 3)

    @contextlib.contextmanager
    def given_up(self):
        yield
        self.assert_all_open()
        self.assert_keys_are_there()

    @contextlib.contextmanager
    def shut_again(self):
        yield
        self.assert_all_shut()
        code, said = self.laptop.run(LOGIN, typed="hostname\n")
        self.assertEqual(code, 0, said)  # it knocks by itself
        self.assertEqual(self.enabled(), ["enabled", "enabled"])

    # Another version, and none

    @contextlib.contextmanager
    def upgraded(self):
        """While a grant lives, and a connection."""
        self.bring_packages(later(self.machine))
        before, text = self.machine.show("posternd", "MainPID"), self.machine.read(CONFIG)
        self.knock_from_laptop()
        link = eventually(lambda: self.client.connection(GATE, 22))
        with contextlib.closing(link), Stranger(self) as stranger:
            self.assertIn(b"SSH-2.0", link.recv(256))
            yield
            self.assert_nobody_got_in(stranger)
            self.assertIn(LAPTOP, self.machine.run("postern", "sessions"))
            self.assertTrue(self.laptop.gets_in())
            link.sendall(b"SSH-2.0-guide\r\n")
            self.assertTrue(link.recv(1))
        self.assertNotEqual(self.machine.show("posternd", "MainPID"), before)
        self.assertIn("+later", self.machine.run("dpkg-query", "-W", "postern-server"))
        self.assertEqual(self.machine.read(CONFIG), text)

    @contextlib.contextmanager
    def removed(self):
        yield
        self.assertEqual(self.machine.run("nft", "list", "ruleset"), self.rules)
        self.assert_all_open()
        self.assert_keys_are_there()
        self.assertEqual(self.at_console("apt purge postern-server postern-client")[0], 0)
        self.assertEqual(self.machine.shell("ls -d /etc/postern 2>/dev/null || echo gone"), "gone\n")
