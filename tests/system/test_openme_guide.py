"""The guide for moving from an original openme server, block by block, and back."""

import base64
import os

import openme
import yaml
from test_guide import DOC, GuideTest, contents
from test_rights import GROUP, Host

# As the original writes it, with `openme add` after `init`.
FILE = """# openme server configuration
server:
  # Public hostname or IP of this server.
  host: gate.example.org

  udp_port: 54154      # UDP port that receives knock packets
  health_port: 54154   # TCP port used by 'openme status'
  firewall: nft
  knock_timeout: 30s
  replay_window: 1m0s
  open_knock_port: true
  drop_ports: true
  private_key: {secret}
  public_key: {public}
ports:
  default:
    - 22/tcp # SSH
clients:
  phone:
    ed25519_pubkey: {phone}
    allowed_ports:
      - default
"""
# What the original's nft backend makes, in its order, and leaves when it is killed.
LEFT = """
nft add table inet filter
nft add chain inet filter openme
nft 'add chain inet filter input { type filter hook input priority 0; }'
nft add rule inet filter input udp dport 54154 accept comment openme-knock
nft add rule inet filter input jump openme comment openme-jump
nft add rule inet filter openme tcp dport 22 drop comment openme-drop
nft insert rule inet filter openme ip saddr 10.77.1.2 tcp dport 22 accept comment openme
"""


class OpenmeGuideTest(GuideTest):
    guide = DOC / "openme-moving.md"
    paths = (("/etc/openme", "openme"), ("/etc/postern", "postern"))
    tcp_ports = (22,)

    def text_for(self, text):
        return super().text_for(text).replace("/usr/local/sbin/posternd", "posternd")

    def shell(self, space, text, check=True):
        """With the accounts of a host that has the package."""
        run = space.run
        space.run = lambda *words, **how: run(*self.host.before(), *words, **how)
        try:
            return super().shell(space, text, check)
        finally:
            del space.run

    def install(self, folder):
        self.home = folder / "openme"
        self.home.mkdir(mode=0o750)
        (folder / "etc").mkdir()
        self.host = Host(folder / "etc")
        file = self.home / "config.yaml"
        file.write_text(FILE.format(
            secret=openme.text(self.server_key.secret), public=openme.text(self.server_key.public),
            phone=openme.text(self.alice.public)).replace("30s", "5s"))
        file.chmod(0o640)
        for path in (self.home, file):
            os.chown(path, 0, GROUP)
        self.daemon.file = file
        command = self.daemon.command
        self.daemon.command = lambda *more: [*self.host.before(), *command(*more)]
        self.before = contents(self.home)

    def take(self, place):
        _, where, text = self.left.pop(0)
        self.assertEqual(where, place)
        return text

    def run_next(self, place="server"):
        return self.shell(self.server, self.take(place))

    def unit(self, name):
        """What the drop-in has started; tests/boot/test_moving.py starts it."""
        lines = self.take(f"/etc/systemd/system/{name}.service.d/openme.conf").splitlines()
        self.assertEqual(lines[:2], ["[Service]", "ExecStart="])
        self.assertEqual(len(lines), 3)
        return lines[2].removeprefix("ExecStart=")

    def assert_started_so(self, text):
        self.assertEqual(self.text_for(text).split(),
                         ["posternd", "-c", str(self.home / "config.yaml")])

    def clean(self):
        """What is left, by the guide's way."""
        self.assertIn("nothing is left", self.run_next())
        self.server.run("sh", "-ec", LEFT)
        self.assertIn("openme-drop", self.server.run("nft", "list", "ruleset"))
        self.run_next("server-leftovers")
        self.assertNotIn("openme", self.server.run("nft", "list", "ruleset"))
        self.assertIn("chain input", self.server.run("nft", "list", "ruleset"))

    def prepare(self, folder):
        self.install(folder)
        self.assertIn("its group, openme, can read the private key", self.run_next())
        self.clean()
        self.assert_started_so(self.unit("posternd").replace("/usr/local/sbin/", ""))
        self.assertIn(" -c /etc/openme/config.yaml", self.unit("postern-guard"))
        self.assert_started_so(self.take("daemon"))

    def assert_lets_in(self, key):
        self.assertFalse(self.reaches(port=22))
        self.knock(key)
        self.assert_opens(port=22)
        self.assert_shuts(port=22)

    def test_openme_guide(self):
        self.left = self.blocks()
        self.start("", prepare=self.prepare)
        self.assert_lets_in(self.alice)
        self.assertIn("phone", self.run_next())
        self.run_next()
        profile = yaml.safe_load((self.daemon.folder / "tablet.yaml").read_text())
        [tablet] = profile["profiles"].values()
        self.assert_lets_in(openme.ClientKey(base64.b64decode(tablet["private_key"])[:32]))
        self.assertIn("2 clients", self.run_next())
        self.assertEqual(self.daemon.stop(), 0)
        self.assertIn("table inet postern", self.server.run("nft", "list", "tables"))
        self.run_next("server-stopped")
        self.assertNotIn("postern", self.server.run("nft", "list", "ruleset"))
        added = yaml.safe_load(self.run_next())
        self.assertEqual(added["clients"]["tablet"]["ed25519_pubkey"], tablet["public_key"])
        self.assertEqual(self.left, [])
        after = contents(self.home)
        self.assertEqual({name: after.get(name) for name in self.before}, self.before)

    def test_every_block_is_run(self):
        self.assert_every_block_is_run()
