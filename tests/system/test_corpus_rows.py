"""Rows of doc/openme-moving.md that no other test holds: what stays as it is for those who come from
openme, and what they find when they go back."""

import yaml

import corpus
from corpus import base64_of
from netns import Namespace
from tool import ToolTest

PROFILE = ["server_host", "server_udp_port", "server_pubkey", "private_key", "public_key",
           "shield_key"]


class RowsTest(ToolTest):
    def test_openmes_own_folder(self):
        """~/.openme/config.yaml is read, unless there is one of ours."""
        space = Namespace("rows")
        self.addCleanup(space.close)
        wires = corpus.Wires(space)
        self.addCleanup(wires.close)
        for folder, client in ((".openme", "alice"), (".config/postern", "bob")):
            self.profile(self.room / folder / "config.yaml", client)
            with space.entered():
                done = corpus.run(corpus.program("postern"), "knock", env={"HOME": str(self.room)})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual([corpus.signer(packet) for _, packet in wires.taken()], [client])

    def profile(self, file, client):
        file.parent.mkdir(mode=0o700, parents=True)
        file.touch(0o600)
        file.write_text(yaml.safe_dump({"profiles": {"default": {
            "server_host": corpus.LOOPBACK, "server_pubkey": base64_of(corpus.SERVER_PUBLIC),
            "private_key": base64_of(corpus.seed(client))}}}))

    def test_a_profile_has_the_keys_of_openmes(self):
        """And the shield's, which the apps pass over; all in one depth, since they read line by
        line."""
        self.init()
        text = self.tool("add", "alice")
        self.assertEqual(list(yaml.safe_load(text)["profiles"]["default"]), PROFILE)
        depths = {len(line) - len(line.lstrip()) for line in text.splitlines()}
        self.assertEqual(len(depths), 3, text)

    def test_the_servers_file_is_left_alone(self):
        """Owner, mode and every byte, through all that changes who may in; what was added reads as
        openme's own entries do."""
        self.config.parent.mkdir()
        self.config.write_bytes((corpus.CORPUS / "openme-server/documented.yaml").read_bytes())
        self.config.chmod(0o600)
        before = self.config.read_bytes(), self.config.stat()
        self.tool("add", "tablet", "--ports", "default,443/tcp")
        self.tool("revoke", "alice")
        self.tool("revoke", "tablet")
        self.tool("add", "phone", "--expires", "2099-01-01T00:00:00Z", "--targets", "any")
        after = self.config.read_bytes(), self.config.stat()
        self.assertEqual(before, after)
        phone = yaml.safe_load((self.config.parent / "clients.d/phone.yaml").read_text())
        entry = phone["clients"]["phone"]
        self.assertEqual(set(entry) - {"targets"}, {"ed25519_pubkey", "allowed_ports", "expires"})
