"""`postern` as a client: knock, check, profiles, the original's files."""

import openme
from daemon import program, yaml
from netns import eventually
from world import FAMILIES, KNOCK_PORT, WorldTest


class ClientTest(WorldTest):
    def client_file(self, host, **more):
        profile = {
            "server_host": f'"{host}"', "server_udp_port": KNOCK_PORT,
            "server_pubkey": openme.text(self.server_key.public),
            "private_key": openme.text(self.alice.secret),
            "public_key": openme.text(self.alice.public), **more}
        path = self.folder / "client.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml({"profiles": {"default": profile}}) + "\n")
        return path

    def tool(self, host, *arguments, check=True, **profile):
        return self.client.run(program("postern"), "--client-config",
                               self.client_file(host, **profile), *arguments, check=check)

    def test_knock(self):
        self.start()
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family)
                self.tool(self.address(family), "knock")
                self.assert_opens(family)
                self.assert_shuts(family)

    def test_knock_for_another_address(self):
        self.start()
        self.tool(self.address(4), "knock", "--ip", "203.0.113.5")
        self.assertTrue(eventually(lambda: self.granted() == {"203.0.113.5"}))

    def test_status_that_knocks(self):
        self.start()
        self.tool(self.address(4), "status", "--knock")
        self.assert_opens()

    def test_post_knock(self):
        self.start()
        witness = self.folder / "witness"
        self.tool(self.address(4), "knock", post_knock=f"touch {witness}")
        self.assertTrue(eventually(witness.exists))
