"""The main job: shut, a knock, open, shut again."""

import os
import random
import subprocess
import threading
import time
import unittest
from pathlib import Path

import openme
from netns import PATIENCE, eventually, link
from service import echoes, udp_echoes
from world import FAMILIES, KNOCK_PORT, LONG, SERVICE_PORT, WorldTest

MASQUERADE = """
table inet nat {
	chain out {
		type nat hook postrouting priority srcnat;
		oifname wire masquerade
	}
}
"""


class OpenTest(WorldTest):
    tcp_ports = (22, SERVICE_PORT, 8080, 8085, 8090, 8091)
    udp_ports = (5353, 5354)

    def test_opens_for_the_one_who_knocked_and_shuts_by_itself(self):
        self.start()
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family)
                self.knock(family=family)
                self.assert_opens(family)
                self.assertEqual(self.lifetimes(), {self.address(family, self.client): 2})
                self.assert_shut(family, space=self.other)
                self.assert_shuts(family)
                self.assertEqual(self.granted(), set())

    def lifetimes(self):
        """Address to seconds that its grant was given."""
        return {element["elem"]["val"]: element["elem"]["timeout"] for item in self.table()
                for element in item.get("set", {}).get("elem", []) if "elem" in element}

    def test_established_connections_live_on(self):
        self.start()
        for family in FAMILIES:
            with self.subTest(family=family):
                self.knock(family=family)
                connection = self.connection(family)
                self.assert_shuts(family)
                self.assertTrue(echoes(connection))
                connection.close()

    def test_established_cut_ends_them(self):
        self.start(self.configuration(established="cut"))
        for family in FAMILIES:
            with self.subTest(family=family):
                self.knock(family=family)
                connection = self.connection(family)
                self.assertTrue(echoes(connection))
                self.assert_shuts(family)
                connection.settimeout(1)
                self.assertTrue(eventually(lambda: not echoes(connection)))
                connection.close()

    def test_explicit_target(self):
        self.start()
        for family in FAMILIES:
            with self.subTest(family=family):
                self.knock(family=family, target=self.other.addresses[2][family])
                self.assert_opens(family, space=self.other)
                self.assert_shut(family)

    def test_both_spellings_of_the_wildcard(self):
        self.start()
        for target in (openme.WILDCARD, "0.0.0.0", "::"):
            with self.subTest(target=target):
                self.knock(target=target)
                self.assert_opens()
                self.assert_shuts()

    def test_a_knock_over_one_family_may_open_the_other(self):
        self.start()
        self.knock(family=4, target=self.address(6, self.client))
        self.assert_opens(6)
        self.assert_shut(4)

    def test_ranges_and_single_ports(self):
        ports = {"default": ["8080-8090/tcp", f"{SERVICE_PORT}/tcp"]}
        self.start(self.configuration(ports=ports, knock_timeout=LONG))
        for family in FAMILIES:
            with self.subTest(family=family):
                self.knock(family=family)
                for port in (SERVICE_PORT, 8080, 8085, 8090):
                    self.assert_opens(family, port=port)
                self.assertTrue(self.reaches(family, port=8091), "8091 is not managed")

    def test_clients_open_their_own_ports_only(self):
        ports = {"default": [f"{SERVICE_PORT}/tcp"], "web": ["8080/tcp"]}
        clients = {"bob": {"allowed_ports": ["web"]}}
        self.start(self.configuration(clients, ports, knock_timeout=LONG))
        self.knock(self.bob)
        self.assert_opens(port=8080)
        self.assert_shut(port=SERVICE_PORT)
        self.knock(self.alice)
        self.assert_opens(port=SERVICE_PORT)
        self.assertTrue(self.reaches(port=8080))

    def test_openmes_group_default_is_preset(self):
        """A file without a group `default` shuts 22/tcp, and opens it for clients without ports."""
        configuration = self.configuration(ports={"web": ["8080/tcp"]}, knock_timeout=LONG)
        del configuration["clients"]["alice"]["allowed_ports"]
        self.start(configuration)
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family, port=22)
                self.knock(family=family)
                self.assert_opens(family, port=22)
                self.assert_shut(family, port=8080)

    def test_a_client_of_an_unknown_group_is_skipped(self):
        clients = {"bob": {"allowed_ports": ["webb", "8080/tcp"]}}
        self.start(self.configuration(clients, {"default": [f"{SERVICE_PORT}/tcp"]}))
        said = self.daemon.events(message="the configuration is in force, but")
        self.assertRegex(said[0]["why"], r'clients\.bob\.allowed_ports: found "webb".*skipped')
        self.knock(self.bob)
        self.assertEqual(self.settle(), set())
        self.assertEqual(len(self.verdicts("no_ports", client="bob")), 1)
        self.assert_shut(port=8080)
        self.knock(self.alice)
        self.assert_opens()
        self.daemon.reload()
        self.assertEqual(len(self.daemon.events(message="the configuration is in force, but")), 2)

    def test_udp_ports(self):
        self.start(self.configuration(ports={"default": ["5353/udp"]}))
        for family in FAMILIES:
            with self.subTest(family=family):
                there = (self.client, self.address(family), 5353)
                self.assertFalse(udp_echoes(*there))
                self.knock(family=family)
                self.assertTrue(eventually(lambda: udp_echoes(*there)))

    def test_refreshing_leaves_no_gap(self):
        """Knocks come ten times as often as they have to, and longer than one lasts."""
        self.start(self.configuration(knock_timeout="4s"))
        for family in FAMILIES:
            with self.subTest(family=family):
                self.knock(family=family)
                self.assert_opens(family)
                stop, results = threading.Event(), []

                def probe():
                    # A lost SYN is sent again after a second: too late for this.
                    while not stop.wait(0.001):
                        results.append(self.reaches(family, timeout=0.8))
                prober = threading.Thread(target=probe)
                prober.start()
                for _ in range(14):
                    time.sleep(0.4)
                    self.knock(family=family)
                stop.set()
                prober.join()
                self.assertGreater(len(results), 100)
                self.assertEqual(results.count(False), 0, f"of {len(results)} connections")

    def test_health_port(self):
        clients = {"bob": {"disable_health_port": True}}
        self.start(self.configuration(clients, knock_timeout=LONG))
        for family in FAMILIES:
            with self.subTest(family=family):
                self.assert_shut(family, port=KNOCK_PORT)
                self.knock(family=family)
                connection = self.connection(family, KNOCK_PORT)
                self.assertEqual(connection.recv(100), b"")
                connection.close()
                self.knock(self.bob, family, space=self.other)
                self.assert_opens(family, space=self.other)
                self.assert_shut(family, port=KNOCK_PORT, space=self.other)

    def holders(self):
        """Address to the clients that hold a grant for it."""
        found = {}
        for item in self.table():
            for element in item.get("set", {}).get("elem", []):
                if isinstance(element, dict) and "elem" in element:
                    element = element["elem"]
                    found.setdefault(element["val"], set()).add(element["comment"])
        return found

    def test_no_grant_is_somebody_elses(self):
        """Two clients and strangers, each from hundreds of addresses, in one disorder: a grant has
        the address that its knock came from, and the ports of the client that signed it."""
        stranger = openme.ClientKey()
        self.start(self.configuration({"bob": {"allowed_ports": ["web"]}}, {
            "default": [f"{SERVICE_PORT}/tcp"], "web": ["8080/tcp"]}, knock_timeout=LONG))
        who = {}
        for family, address in ((4, "10.77.1.{}"), (6, "fd77:1::{}")):
            for i in range(10, 250):
                who[address.format(i)] = (family, (self.alice, self.bob, stranger, None)[i % 4])
        batch = "".join(f"address add {a}/{24 if '.' in a else 64} dev wire nodad\n"
                        if ":" in a else f"address add {a}/24 dev wire\n" for a in who)
        self.client.run("ip", "-batch", "-", text=batch)
        self.addCleanup(self.client.run, "ip", "-batch", "-",
                        text=batch.replace("address add", "address del").replace(" nodad", ""))
        packets = [(source, family, key and openme.knock(key, self.server_key.public))
                   for source, (family, key) in who.items()]
        random.Random(1).shuffle(packets)

        def send(part):
            for source, family, packet in part:
                self.deliver(packet or os.urandom(165), family, source=source)
        threads = [threading.Thread(target=send, args=(packets[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wanted = {source: {"alice" if key is self.alice else "bob"}
                  for source, (_, key) in who.items() if key in (self.alice, self.bob)}

        def all_are_there():
            """So many new sources at once are more than may wait: who was refused knocks again."""
            self.settle()
            found = {a: names for a, names in self.holders().items() if names != {"marker"}}
            self.assertEqual({a: n for a, n in found.items() if wanted.get(a) != n}, {})
            for source in wanted.keys() - found.keys():
                family, key = who[source]
                self.knock(key, family, source=source)
            return wanted.keys() == found.keys()
        self.assertTrue(eventually(all_are_there))

    def test_two_clients_behind_one_address(self):
        """alice and bob share the router's address: what one opens is open for both, and each
        grant opens its own ports."""
        router = self.namespace("router")
        home = self.namespace("home")
        link(self.server, router, 3, left_device="wire3")
        link(router, home, 4, left_device="inside")
        for family, route in ((4, "10.77.4.1"), (6, "fd77:4::1")):
            home.ip(f"-{family}", "route", "add", "default", "via", route)
        router.run("sysctl", "-q", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        router.nft(MASQUERADE)
        ports = {"default": [f"{SERVICE_PORT}/tcp"], "web": ["8080/tcp"]}
        self.start(self.configuration({"bob": {"allowed_ports": ["web"]}}, ports, knock_timeout=LONG))
        for family in FAMILIES:
            with self.subTest(family=family):
                server = self.server.addresses[3][family]
                outside = router.addresses[3][family]

                def opens(port):
                    return eventually(lambda: home.connects(server, port, timeout=0.05))
                home.send(openme.knock(self.alice, self.server_key.public), server, KNOCK_PORT)
                self.assertTrue(opens(SERVICE_PORT))
                self.assertFalse(home.connects(server, 8080))
                home.send(openme.knock(self.bob, self.server_key.public), server, KNOCK_PORT)
                self.assertTrue(opens(8080))
                self.assertIn(outside, self.granted())
                self.assertNotIn(home.addresses[4][family], self.granted())

    def test_a_real_ssh_server(self):
        Path("/run/sshd").mkdir(exist_ok=True)
        host_key = self.folder / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key], check=True)
        sshd = self.server.popen(
            "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", host_key, "-p", 2200,
            "-o", "PidFile=none", stderr=subprocess.DEVNULL)
        self.addCleanup(sshd.wait)
        self.addCleanup(sshd.kill)
        self.assertTrue(eventually(lambda: self.server.connects("127.0.0.1", 2200)))
        self.start(self.configuration(ports={"default": ["2200/tcp"]}, knock_timeout=LONG))
        self.assert_shut(port=2200)
        self.knock()
        self.assert_opens(port=2200)
        keys = self.client.run("ssh-keyscan", "-p", 2200, "-T", PATIENCE, self.address(4), check=False)
        self.assertIn("ssh-ed25519", keys)

    def test_bound_to_an_interface(self):
        self.start(self.configuration(interface="wire", knock_timeout=LONG))
        self.knock(space=self.other)
        self.knock()
        self.assert_opens()
        self.settle()
        self.assertEqual({a for a in self.granted() if a.startswith("10.")},
                         {self.address(4, self.client)})


if __name__ == "__main__":
    unittest.main()
