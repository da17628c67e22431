"""The status page in a browser: what it shows, to whom, at which width; and what it never does."""

import json
import time
import unittest
from collections import Counter
from urllib.parse import urlsplit

import chromium
import test_web
from chromium import Chromium
from stage import grant, seen, stat
from world import LONG, WorldTest

from daemon import program
from netns import eventually
from web import Web, with_user

MARKUP = "<img src=x onerror=document.title='taken'>"
WIDTHS = (320, 360, 400, 768, 1280)

# What has text of its own and too little contrast to what it stands on (WCAG 2.2, AA), by the
# colours that the browser has worked out.
CONTRAST = """(() => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (c) => c.slice(0, 3).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (e) => {
        for (; e; e = e.parentElement) {
            const c = channels(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] > 0)
                return c;
        }
        return [255, 255, 255];
    };
    const bad = [];
    let looked = 0;
    for (const e of document.querySelectorAll("body *")) {
        const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        if (!own || !e.checkVisibility() || e instanceof SVGElement)
            continue;
        looked++;
        const pair = [light(channels(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
        if ((pair[0] + 0.05) / (pair[1] + 0.05) < 4.5)
            bad.push(`${e.tagName} ${e.className} ${e.textContent.slice(0, 20)} ${pair}`);
    }
    return looked > 20 ? bad : ["nothing was looked at"];
})()"""


def setUpModule():
    test_web.setUpModule()
    if chromium.PROGRAM is None:
        raise unittest.SkipTest("there is no chromium (tests/setup.sh suite)")


class PageTest(test_web.StageTest):
    """Before a daemon that says what the test wants."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = Chromium(cls.space).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.daemon = self.stage()
        self.served = self.web()
        now = time.time_ns()
        self.daemon.sessions = [
            grant("alice", now - 10**9, 1_200_000, "2001:db8:1234:5678:9abc:def0:1234:5678",
                  ((6, 22, 22), (17, 60000, 61000))),
            grant(MARKUP[:63], now, 30_000), grant("Zo%C3%AB%20B", now, 600_000, flags=2, ports=()),
            seen("alice", now - 10**9), seen(MARKUP[:63], now), seen("bob", now - 10**13)]

    def opened(self, **how):
        page = self.browser
        page.forget()
        page.show(**how)
        page.open(self.served.url())
        page.wait_for("document.querySelectorAll('#open-rows th').length == 3")
        return page

    def assert_clean(self, page):
        """Nothing was asked of others, and nothing was complained of."""
        self.assertEqual(page.logged, [])
        self.assertGreater(len(page.requests), 3)
        self.assertEqual({urlsplit(url).netloc for url in page.requests},
                         {urlsplit(self.served.url()).netloc})

    def test_what_is_shown(self):
        page = self.opened()
        rows = page.run("[...document.querySelectorAll('#open-rows tr')].map((r) => r.innerText)")
        self.assertIn("Zoë B", rows[0])
        self.assertIn("overdue", rows[0])
        self.assertIn("22/tcp, 60000–61000/udp", rows[2])
        self.assertIn("2001:db8:1234:5678:9abc:def0:1234:5678", rows[2])
        self.assertEqual(page.run("document.title"), "3 open · Postern")
        self.assertEqual(page.run("document.querySelector('#state').innerText"), "Healthy")
        names = page.run("[...document.querySelectorAll('#clients-rows bdi')].map((n) => n.innerText)")
        self.assertEqual(names, [MARKUP[:63], "alice", "bob"])
        self.assert_clean(page)

    def test_time_runs_down(self):
        page = self.opened()
        left = "document.querySelectorAll('#open-rows .time')[1].innerText"
        before = page.run(left)
        self.assertRegex(before, r"^0:\d\d$")
        page.wait_for(f"{left} != {json.dumps(before)}")

    def test_markup_stays_text(self):
        page = self.opened()
        self.assertEqual(page.run("document.images.length"), 1)  # the icon
        self.assertIn("<img src=x", page.run("document.body.innerText"))
        self.assertEqual(page.run("document.title"), "3 open · Postern")
        self.assert_clean(page)
        # And if the script were careless: the policy forbids it.
        with self.assertRaises(AssertionError):
            page.run(f"document.body.innerHTML = {json.dumps(MARKUP)}")
        page.run("document.body.append(Object.assign(document.createElement('img'), "
                 "{src: 'http://127.0.0.1:1/x.png'}))")
        page.wait_for("true")
        self.assertTrue(eventually(lambda: page.run("1") and page.logged))
        self.assertIn("Content Security Policy", "".join(page.logged))

    def test_it_is_told_to_those_who_do_not_see(self):
        page = self.opened()
        tree = page.tree()
        kinds = Counter(kind for kind, _ in tree)
        for kind in ("banner", "main", "contentinfo", "search", "status"):
            self.assertEqual(kinds[kind], 1, kind)
        regions = [name for kind, name in tree if kind == "region"]
        self.assertEqual([name.rstrip(" 0123456789") for name in regions],
                         ["Knocks, last hour", "Health", "Open now", "Clients seen",
                          "What became of knocks"])
        self.assertEqual([name for kind, name in tree if kind == "heading"][0], "Postern")
        pictures = [name for kind, name in tree if kind == "image"]
        self.assertEqual([name.split(":")[0] for name in pictures], ["Let in", "Refused", "Noise"])
        tables = [name for kind, name in tree if kind == "table"]
        self.assertEqual(len(tables), 3)
        for kind, name in tree:
            if kind in ("table", "image", "heading", "link", "searchbox", "region", "rowheader",
                        "columnheader"):
                self.assertTrue(name, kind)
        self.assertIn(("searchbox", "Filter by name or address"), tree)
        self.assertIn(("rowheader", MARKUP[:63]), tree)
        # What changes each second is not called out.
        self.assertEqual(page.run("document.querySelectorAll('[aria-live],[role=status],[role=alert],"
                                  "[role=timer]').length"), 1)

    def test_by_keyboard(self):
        """All that can be used is reached by Tab, in the order in which it stands, and is seen."""
        page = self.opened()
        found = []
        for _ in range(5):
            page.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab",
                      windowsVirtualKeyCode=9)
            found.append(page.run(
                "((e) => [e.tagName, getComputedStyle(e).outlineStyle])(document.activeElement)"))
        self.assertEqual(found[:4], [["A", "solid"], ["SUMMARY", "solid"], ["INPUT", "solid"],
                                     ["A", "solid"]])

    def test_no_width_scrolls_sideways(self):
        page = self.opened()
        for dark in (False, True):
            for width in WIDTHS:
                page.show(width=width, height=800, dark=dark)
                page.run("document.querySelector('#minutes').open = true")
                page.wait_for("document.querySelectorAll('#minutes-rows tr').length == 60")
                self.assertLessEqual(page.run("document.documentElement.scrollWidth"), width)
                wide = page.run("[...document.querySelectorAll('body *')].filter((e) => "
                                "e.checkVisibility() && !e.closest('.unseen, .skip') && "
                                "e.getBoundingClientRect().right > innerWidth + 1).length")
                self.assertEqual(wide, 0, width)

    def test_contrast_in_the_light_and_in_the_dark(self):
        page = self.opened()
        grounds = set()
        for dark in (False, True):
            page.show(dark=dark)
            grounds.add(page.run("getComputedStyle(document.body).backgroundColor"))
            self.assertEqual(page.run(CONTRAST), [], dark)
        self.assertEqual(len(grounds), 2, "light and dark are the same")
        page.run("document.body.style.color = '#999'; document.body.style.background = '#fff'")
        self.assertTrue(page.run(CONTRAST), "bad contrast is not found")

    def test_nothing_moves_for_those_who_want_that(self):
        moves = ("[...document.querySelectorAll('*')].filter((e) => "
                 "parseFloat(getComputedStyle(e).transitionDuration) > 0 || "
                 "getComputedStyle(e).animationName != 'none').length")
        page = self.opened(still=True)
        self.assertEqual(page.run(moves), 0)
        page.show(still=False)
        self.assertGreater(page.run(moves), 0)

    def test_more_clients_than_are_shown(self):
        now = time.time_ns()
        page = self.opened(width=360, height=780)
        shown = "document.querySelectorAll('#clients-rows th').length"
        for count, note in ((0, ""), (1, ""), (256, ""), (257, "1 more is not shown here"),
                            (10000, "9,744 more are not shown here")):
            self.daemon.sessions = [seen(f"client{n}", now - n * 10**9) for n in range(count)]
            page.wait_for(f"document.querySelector('#clients-count').innerText == "
                          f"{json.dumps(f'{count:,}')}")
            self.assertEqual(page.run(shown), min(count, 256))
            self.assertIn(note, page.run("document.querySelector('#clients-note').innerText"))
        page.run("document.querySelector('#filter').focus()")
        page.call("Input.insertText", text="Client9999")
        page.wait_for(f"{shown} == 1")
        self.assertEqual(page.run("document.querySelector('#clients-rows th bdi').innerText"), "client9999")
        self.assert_clean(page)

    def test_what_is_wrong(self):
        page = self.opened()
        self.daemon.stats.append(stat("without-seccomp", 1))
        page.wait_for("document.querySelector('#state').innerText == 'Look at it'")
        self.daemon.end = b""
        page.wait_for("document.querySelector('#state').innerText == 'No answer'")
        self.assertFalse(page.run("document.querySelector('#problem').hidden"))
        self.served.process.kill()
        page.wait_for("document.querySelector('#problem').innerText.includes('postern-web does not answer')")


class LivePageTest(WorldTest):
    """With the real daemon behind it."""

    server_settings = {"knock_timeout": LONG}

    def know_user(self, folder):
        command = self.daemon.command
        self.daemon.command = lambda *more: with_user(folder, *command(*more))

    def test_a_knock_appears(self):
        self.start(prepare=self.know_user)
        with Web(self.server, program("postern-web"), self.folder, self.daemon.control) as served, \
                Chromium(self.server) as page:
            page.open(served.url())
            page.wait_for("document.querySelector('#open-rows').innerText.includes('Nothing is open')")
            self.knock()
            page.wait_for("document.querySelector('#open-rows').innerText.includes('alice')")
            self.assertEqual(page.run("document.querySelector('#state').innerText"), "Healthy")
            self.knock(self.bob, 6)
            page.wait_for("document.querySelector('#open-rows').innerText.includes('fd77:1::2')")
            page.wait_for("document.querySelector('figure .sum').innerText == '2'")
            self.assertEqual(page.logged, [])


if __name__ == "__main__":
    unittest.main()
