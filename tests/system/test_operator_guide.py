"""The operator's guide, block by block."""

from guide_world import ServedGuideTest
from test_guide import DOC


class OperatorGuideTest(ServedGuideTest):
    guide = DOC / "operator.md"

    def old_key(self):
        """The one in the client's profile opens nothing any more."""
        self.run_block("client", "postern knock\n")
        self.assert_closed()

    def test_operator_guide(self):
        self.follow({
            "postern init --server 192.0.2.1": self.assert_closed,
            "install -D -m 600 alice.yaml ~/.config/postern/config.yaml": self.assert_opened,
            "postern list": lambda: self.assertRegex(self.said, r"alice[^\n]*admins"),
            "postern stats": lambda: self.assertIn("granted", self.said),
            "postern revoke alice": self.assert_closed,
            "postern --config /etc/postern/new/config.yaml init --server 192.0.2.1": self.old_key,
            "systemctl disable --now posternd postern-guard":
                lambda: self.assertTrue(self.reaches(port=22, space=self.other)),
        })

    def test_every_block_is_run(self):
        self.assert_every_block_is_run()
