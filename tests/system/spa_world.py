"""The world of OpenSPA's tests: a daemon with the keys of two devices, and a client that shares no
code with it."""

from pathlib import Path

import openspa
from netns import PATIENCE, eventually
from world import SERVICE_PORT, WorldTest

PORT = 22211
FAR = "203.0.113.5"


class SpaWorldTest(WorldTest):
    """A server for both protocols under guard: all, so that ping has something to open."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.spa_key = openspa.Key()
        cls.phone, cls.laptop = openspa.Device(), openspa.Device()

    def settings(self, **more):
        return {"private_key": "server.key", "duration": "2s", "answer": "always", **more}

    def serve(self, clients=None, server=None, **settings):
        """Starts the daemon with the keys of both devices beside its configuration."""
        configuration = self.configuration(guard="all", **(server or {}))
        configuration["openspa"] = self.settings(**settings)
        if clients:
            configuration["openspa"]["clients"] = clients
        self.start_with_files(configuration, self.files())

    def files(self):
        keys = {f"devices.d/{d.uuid}.pub": d.key.public_pem() for d in (self.phone, self.laptop)}
        return {"server.key": self.spa_key.private_pem(), **keys}

    def start_with_files(self, configuration, files):
        def place(folder):
            for name, text in files.items():
                path = Path(folder) / name
                path.parent.mkdir(mode=0o700, exist_ok=True)
                path.write_text(text)
                path.chmod(0o600)
        self.start(configuration, prepare=place)

    def ask(self, packet, family=4, wait=PATIENCE):
        """Sends a request and returns the answer, or None."""
        with self.client.socket(2 if family == 4 else 10, 2) as s:
            s.settimeout(wait)
            s.sendto(packet, (self.address(family), PORT))
            try:
                return s.recv(2048)
            except TimeoutError:
                return None

    def request(self, device=None, protocol=openspa.TCP, first=SERVICE_PORT, last=None, family=4,
                **fields):
        fields.setdefault("client", self.address(family, self.client))
        return openspa.request(device or self.phone, self.spa_key.public, protocol, first, last,
                               **fields)

    def granted_for(self, packet, device=None, family=4):
        answer = self.ask(packet, family)
        self.assertIsNotNone(answer, self.daemon.log_path.read_text())
        return openspa.open_response(answer, device or self.phone, self.spa_key.public)

    def assert_silent(self, packet, verdict=None, family=4):
        self.assertIsNone(self.ask(packet, family, 0.4))
        if verdict:
            self.assertTrue(eventually(lambda: self.verdicts(verdict)), self.daemon.log_path.read_text())

    def pings(self, family):
        return self.client.run("ping", f"-{family}", "-c", "1", "-W", "1", self.address(family),
                               check=False).find(" 0% packet loss") >= 0
