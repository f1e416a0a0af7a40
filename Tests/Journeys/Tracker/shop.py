"""A shop on origins of its own, its visitors in a real Chromium, and what the brand has of them."""

import collections
import http.server
import json
import os
import pathlib
import subprocess
import threading
import time
import urllib.parse
import urllib.request

BRAND = "demo"
HOSTS = ["www.shop.localhost", "checkout.shop.localhost"]
HERE = pathlib.Path(__file__).parent


class Service:
    """The brand behind the edge: keys by the command line, events and profiles by the API."""

    def __init__(self, edge, command):
        self.base, self.command = f"http://{edge}/b/{BRAND}", command
        self.live = self.key("--name", "reader")

    def run(self, *arguments):
        answer = subprocess.run([self.command, *arguments], capture_output=True, text=True, check=False)
        assert answer.returncode == 0, f"{arguments}: {answer.stderr}"
        return answer.stdout

    def key(self, *options):
        return json.loads(self.run("key", "create", BRAND, "--output", "json", *options))["key"]

    def get(self, path, **query):
        request = urllib.request.Request(
            f"{self.base}{path}?{urllib.parse.urlencode(query)}",
            headers={"Authorization": f"Bearer {self.live}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def begin(self):
        """Takes what is stored by now for what was before."""
        self.before = {event["id"] for event in self.events()}

    def arrived(self, **filter):
        """What has been stored since `begin`."""
        return [event for event in self.events(**filter) if event["id"] not in self.before]

    def events(self, **filter):
        """All that are stored, the newest first, once nothing waits."""
        until(lambda: self.get("/api/monitoring/stats")["waiting"] == 0, "all is committed")
        found, cursor = [], None
        while True:
            page = self.get("/api/events", limit=200, **filter, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page.get("nextCursor")
            if not cursor:
                return found


def until(holds, what, seconds=40):
    """Waits for what other processes do."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it does not come to pass that {what}"
        time.sleep(0.05)


class Shop:
    """Serves the page for every path, with what a journey wants in its tag."""

    def __init__(self, service, script, endpoint):
        self.service, self.script = service, script
        self.tag = ""
        self.endpoint = f'data-endpoint="{endpoint}"' if endpoint else ""
        shop = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                text, kind = shop.answer(self.path)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1]
        self.origins = [f"http://{host}:{self.port}" for host in HOSTS]
        self.key = self.browser_key("pages")

    def browser_key(self, name, *options):
        origins = [word for origin in self.origins for word in ("--origin", origin)]
        return self.service.key("--name", name, "--browser", *origins, *options)

    def answer(self, path):
        if path.startswith("/tracker.js"):
            return pathlib.Path(os.environ["CONSTINTEL_TRACKER"]).read_text(), "text/javascript"
        if path.startswith("/away"):
            return "<!doctype html><title>Elsewhere</title><p>Elsewhere", "text/html"
        page = (HERE / "shop.html").read_text()
        for name, value in [("script", self.script), ("key", self.key),
                            ("attributes", f"{self.endpoint} {self.tag}")]:
            page = page.replace("{{" + name + "}}", value)
        return page, "text/html; charset=utf-8"


class Visitor:
    """One browser profile in Chromium, and all that its pages have sent and complained of."""

    def __init__(self, browser, shop, tag="", init=None):
        shop.tag = tag
        self.shop = shop
        self.context = browser.new_context(viewport={"width": 1000, "height": 760})
        self.requests, self.answers, self.errors, self.said = [], [], [], []
        if init:
            self.context.add_init_script(init)
        self.context.on("request", lambda request: self.requests.append(request))
        self.context.on("response", self.note)
        self.context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self.context.on("console", lambda message: self.said.append(message.text))
        self.page = self.open()

    def open(self, path="/", host=0):
        page = self.context.new_page()
        page.goto(self.shop.origins[host] + path)
        page.wait_for_function("constintel.isTracker || document.prerendering")
        return page

    def note(self, answer):
        if "/api/" in answer.url and answer.request.method == "POST":
            self.answers.append(answer)

    def answered(self, status):
        """Waits until the instance has answered so."""
        until(lambda: self.pause() or any(answer.status == status for answer in self.answers),
              f"it says {status}")

    def has_obeyed(self):
        """Expects that the instance was left alone for as long as it has asked for."""
        asked = 0
        for answer in self.answers:
            timing = answer.request.timing
            if answer.status not in (429, 503):
                continue
            asked += 1
            end = timing["startTime"] + timing["responseStart"] + int(answer.headers["retry-after"]) * 1000
            for other in self.sent:
                start = other.timing["startTime"]
                assert start <= timing["startTime"] or start >= end - 20, f"sent {end - start} ms early"
        assert asked > 0

    def agree(self, page=None):
        (page or self.page).click("#agree")

    def press(self, *selectors):
        """Presses one after the other, faster than a hand does."""
        self.page.evaluate("all => all.forEach(one => document.querySelector(one).click())", list(selectors))

    def has_viewed(self, count):
        """Waits until the tracker says that so many page views are recorded; with data-debug."""
        until(lambda: self.pause() or sum("recorded page_view" in text for text in self.said) >= count,
              f"{count} page views are recorded")

    @property
    def sent(self):
        """The requests to the instance, less the script and the beacons."""
        return [request for request in self.requests if "/api/" in request.url]

    def bodies(self):
        """What was sent, a list of events each time; beacons excepted, of which Chromium does not tell."""
        return [json.loads(request.post_data)["events"] for request in self.sent if request.method == "POST"]

    def stored(self, page=None):
        """The entries of localStorage."""
        return (page or self.page).evaluate("({...localStorage})")

    def waiting(self, page=None):
        return [name for name in self.stored(page) if ".event." in name]

    def cookie(self):
        return {cookie["name"]: cookie for cookie in self.context.cookies()}.get(f"ci_cookie_{BRAND}")

    def delivered(self, page=None):
        """Waits until the browser keeps nothing for the server."""
        until(lambda: self.pause(page) or not self.waiting(page), "the queue is empty")

    def pause(self, page=None):
        """Gives the page's events a moment; false."""
        (page or self.page).wait_for_timeout(50)
        return False

    def leave(self):
        self.context.close()


def seen(event):
    """What tells events apart here, as the page did it."""
    return json.dumps([event["type"], event["properties"]], sort_keys=True)


def compare(done, arrived):
    """What arrived equals what was done, each once."""
    lost = collections.Counter(map(seen, done)) - collections.Counter(map(seen, arrived))
    made_up = collections.Counter(map(seen, arrived)) - collections.Counter(map(seen, done))
    assert not lost and not made_up, f"lost: {list(lost.elements())}\nmade up: {list(made_up.elements())}"
    assert len({event["eventId"] for event in arrived}) == len(arrived)


def launch(chromium, **options):
    """Chromium as Debian has it. Its own sandbox needs rights that the service's user may not have."""
    return chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"], **options)
