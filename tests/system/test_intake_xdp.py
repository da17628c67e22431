"""Knocks that a program at the network device takes, past the stack: what holds for a socket holds for
them, as for captured ones."""

import json
import struct
import time

import control
import openme
import test_intake
import test_open
import test_refuse
import test_reload
from netns import eventually, link
from test_kernel_shield import DeviceTest, KernelShieldTest
from world import FAMILIES, KNOCK_PORT, LONG, WorldTest


class Taken:
    """Before a test class of the world: its daemon takes knocks at `wire`, natively."""

    mode = "xdp-native"

    def configuration(self, clients=None, ports=None, **server):
        return super().configuration(
            clients, ports, **{"intake": "xdp", "interface": "wire", **server})

    def start(self, *arguments, **named):
        found = super().start(*arguments, **named)
        self.assertEqual((self.status("intake"), self.status("shield_at")), ("xdp", self.mode))
        return found

    def tearDown(self):
        super().tearDown()
        for mode in ("xdp", "xdpgeneric"):
            self.server.run("ip", "link", "set", "dev", "wire", mode, "off", check=False)

    def status(self, what):
        return json.loads(self.postern("sessions", "--json"))[what]

    def unread(self, port):
        """What waits in the ring shows nowhere: a knock that is seen is read."""
        self.assertEqual(port, KNOCK_PORT)
        return 0


# --- The same as with a socket

class TakenOpenTest(Taken, test_open.OpenTest):
    pass


class TakenRefuseTest(Taken, test_refuse.RefuseTest):
    server_settings = {"guard": "all", "open_knock_port": False}


class TakenPolicyTest(Taken, test_refuse.PolicyTest):
    pass


class TakenReloadTest(Taken, test_reload.ReloadTest):
    pass
