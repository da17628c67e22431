"""Many clients behind one address: each is shown, and each once, also while others come and go."""

import json

import openme
from netns import eventually
from world import FAMILIES, LONG, WorldTest

MANY = 300


class SharedAddressTest(WorldTest):
    server_settings = {"knock_timeout": LONG, "client_quota": 1000}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = {f"c{i:03}": openme.ClientKey() for i in range(MANY)}

    def setUp(self):
        super().setUp()
        self.start(self.configuration(clients={
            name: self.client_entry(key, targets="any") for name, key in self.people.items()}))

    def let_in(self, names, family=4, **fields):
        """One after the other: of those that are not known yet, a few may wait at a time."""
        for name in names:
            before = self.counted("granted")
            self.knock(self.people[name], family=family, **fields)
            self.assertTrue(eventually(lambda b=before: self.counted("granted") > b), name)

    def shown(self):
        told = json.loads(self.postern("--json", "sessions"))
        return [(s["client_name"], s["ip"]) for s in told["active_sessions"]], told["last_seen"]

    def test_all_are_shown(self):
        for family, names in zip(FAMILIES, (sorted(self.people), sorted(self.people)[:60])):
            self.let_in(names, family)
            with self.subTest(family=family):
                address = self.address(family, self.client)
                sessions, seen = self.shown()
                self.assertEqual([name for name, ip in sessions if ip == address], names)
                self.assertEqual(set(names) - set(seen), set())
        text = self.postern("sessions")
        self.assertIn(f"ACTIVE SESSIONS ({MANY + 60})", text)
        self.assertEqual(sum(line.startswith("  c") for line in text.splitlines()), MANY + 60)

    def test_others_come_and_go_meanwhile(self):
        """Those that stay are shown once each, whatever comes at the same address."""
        stay = sorted(self.people)[:100]
        self.let_in(stay)
        address = self.address(4, self.client)
        for number in range(20):
            for key in list(self.people.values())[200:210]:
                self.knock(key, target=address if number % 2 else f"203.0.113.{number}")
            sessions, _ = self.shown()
            self.assertEqual([name for name, ip in sessions if ip == address and name in stay],
                             stay)
