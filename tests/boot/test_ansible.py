"""The Ansible role, as doc/operator.md has it: word for word, by the release's own Ansible and real ssh.
The controller has the machine's files, as in other tests here, but the client's place in the network."""

import re
import subprocess
from pathlib import Path

from booted_world import CONFIG, UNITS, BootedTest
from machine import CHECKOUT, PATIENCE
from netns import eventually
from test_lockout_booted import KEY

GUIDE = Path(__file__).parents[2] / "doc" / "operator.md"
CONTROLLER, VARIABLES = "machine-controller", "group_vars/all.yaml"
HOST = "gate.example.org"
ENVIRONMENT = ("ANSIBLE_HOST_KEY_CHECKING=False", "ANSIBLE_PIPELINING=True", "ANSIBLE_NOCOLOR=1",
               f"ANSIBLE_PRIVATE_KEY_FILE={KEY}", "PATH=/opt/controller/usr/bin:/usr/sbin:/usr/bin")
BOB = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # of RFC 8032
TIME_LIMIT = 1200


class AnsibleTest(BootedTest):
    @classmethod
    def install(cls):
        """The role does."""

    @classmethod
    def prepare_system(cls):
        super().prepare_system()
        cls.machine.write("/etc/hosts", f"127.0.0.1 localhost\n10.77.1.1 {HOST}\nfd77:1::1 {HOST}\n")

    @classmethod
    def set_up_postern(cls):
        """What the guide takes for granted on the controller: the tool, a checkout, a way in."""
        cls.machine.shell(f"""
            mkdir -p /root/.ssh /opt/controller; chmod 700 /root/.ssh
            ssh-keygen -q -t ed25519 -N '' -f {KEY}; cat {KEY}.pub >>/root/.ssh/authorized_keys
            dpkg-deb -x /src/build/deb/postern-client_*.deb /opt/controller
            ln -s /src /root/postern""")

    # The controller

    def controller(self, text, check=True):
        """Every line has to succeed, or what it says and that one does not is the answer."""
        words = self.machine.command("env", *ENVIRONMENT, "bash", "-euc",
                                     f"cd /root; [ ! -d gates ] || cd gates\n{text}")
        words[words.index("--net")] = f"--net=/run/netns/{self.client.name}"
        done = subprocess.run(words, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIME_LIMIT)
        print(f"{text}\n{done.stdout}", flush=True)
        self.assertEqual(done.returncode == 0, check, done.stdout)
        return done.stdout

    def play(self, *words, check=True):
        self.controller("postern knock")
        return self.controller(" ".join((self.playing, *words)), check)

    def take(self, first, place=CONTROLLER):
        """The next block of the guide, which is the one that begins so."""
        where, text = self.blocks.pop(0)
        self.assertEqual((where, text.splitlines()[0]), (place, first))
        return text

    def put(self, text):
        self.machine.write(f"/root/gates/{VARIABLES}", text)

    # The gate

    def states(self):
        return [self.machine.state(unit) for unit in UNITS]

    def enabled(self):
        return [self.machine.run("systemctl", "is-enabled", unit, check=False).strip() for unit in UNITS]

    def everything(self):
        """What a play that is refused leaves as it was."""
        return self.machine.shell("cd /etc/postern; find . -type f -exec stat -c '%n %a %Y %Z' {} + "
                                  "-exec sha256sum {} + | sort; systemctl show -p MainPID posternd")

    def assert_changed(self, said, count=None):
        changed = int(re.search(r"changed=(\d+) .*failed=0", said)[1])
        self.assertTrue(changed > 0 if count is None else changed == count, said)

    def refused(self, said, *words):
        before = self.everything()
        output = self.play(*words, check=False)
        self.assertIn(said, output)
        self.assertIn("changed=0", output)
        self.assertEqual(self.everything(), before)

    # The guide

    def test_the_guide(self):
        self.blocks = [(place, text) for place, text in re.findall(
            r"^```\w+ (machine-\S+)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)]
        self.prepare()
        self.activate()
        self.again()
        self.one_more_client()
        self.bad_ones()
        self.assertEqual(self.blocks, [])

    def prepare(self):
        self.controller(self.take("cp -r postern/pkg/ansible gates"))
        self.machine.write("/root/gates/vault-password", "of this test\n", 0o600)
        self.controller(self.take("umask 077"))
        secrets = self.machine.read(f"/root/gates/host_vars/{HOST}.yaml")
        self.assertTrue(secrets.startswith("$ANSIBLE_VAULT;"), secrets)
        self.variables = self.take("postern_config:", f"machine-{VARIABLES}")
        self.put(self.variables)

    def activate(self):
        self.playing = self.take(f"ansible-playbook -u root -i {HOST}, --vault-password-file vault-password "
                                 "playbook.yaml").strip()
        said = self.controller(f"{self.playing} -e postern_knock_command=false -e postern_confirm_within=5s",
                               check=False)
        self.assertIn("Knock", said)
        self.assertTrue(eventually(lambda: self.states() == ["inactive"] * 2, PATIENCE), self.states())
        self.assertEqual(self.enabled(), ["disabled"] * 2)
        self.assert_open(self.stranger)
        self.assert_changed(self.controller(self.playing))
        self.assertEqual(self.states(), ["active"] * 2)
        self.assertEqual(self.enabled(), ["enabled"] * 2)
        self.assertIn("was confirmed", self.machine.run("postern", "confirm"))
        self.assert_shut(self.stranger)
        self.assertEqual(self.machine.shell(f"stat -c '%a %U' {CONFIG} /etc/postern").split(),
                         ["600", "root", "700", "root"])

    def again(self):
        knocks, *_ = text = self.take("postern knock").splitlines(True)
        self.assertIn(self.playing, text[1])
        before = self.everything()
        said = self.controller("".join(text))
        self.assert_changed(said, 0)
        for secret in re.findall(r"_key: (\S+)", self.machine.read(CONFIG)):
            self.assertNotIn(secret, said)
        self.assertEqual(self.everything(), before)

    def one_more_client(self):
        self.variables = self.variables.replace(
            "postern_clients:\n", f"postern_clients:\n  bob:\n    ed25519_pubkey: {BOB}\n")
        self.put(self.variables)
        before = self.everything()
        self.assertIn("bob", self.controller(self.take(f"{self.playing} --check --diff")))
        self.assertEqual(self.everything(), before)
        main = self.machine.show("posternd", "MainPID")
        self.assert_changed(self.play(), 1)
        self.assertIn("bob", self.machine.run("postern", "list"))
        self.assertIn("bob", self.machine.run("postern", "history", "--since", "1h"))  # the daemon knows
        self.assert_changed(self.play("-e", "'{\"postern_clients_absent\": [\"bob\"], \"postern_clients\": "
                                      "{\"alice\": {\"ed25519_pubkey\": \"{{ vault_postern_alice }}\"}}}'"))
        self.assertNotIn("bob", self.machine.run("postern", "list"))
        self.assertEqual(self.machine.show("posternd", "MainPID"), main)

    def bad_ones(self):
        self.put(self.variables.replace("  ports:\n", "    knock_timeout: never\n  ports:\n"))
        self.refused("knock_timeout")
        self.put(self.variables)
