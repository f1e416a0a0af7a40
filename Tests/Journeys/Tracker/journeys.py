"""What visitors do in the shop. A journey gives its visitors, and what they have done."""

import datetime
import time

from shop import BRAND, Visitor, compare, launch, until

SCARF = {"productId": "scarf-1", "name": "Scarf", "category": "Wool", "price": 24.9, "currency": "EUR"}
RUG = {"productId": "rug-7", "name": "Rug", "category": "Flat weave", "price": "149.00", "currency": "EUR"}
TOWEL = {"productId": "towel-3", "name": "Towel", "category": "Linen", "price": 0.3, "currency": "EUR"}
CART = {"cartId": "cart-9", "value": 0.3, "currency": "EUR",
        "items": [{"productId": "towel-3", "quantity": 1, "price": 0.3}]}
CLOCK_STEP = 20_000
OPT_OUT = "Object.defineProperty(navigator, 'globalPrivacyControl', {get: () => true})"
WRONG_CLOCK = """
    const Right = Date, wrongBy = 28 * 365 * 86400e3;
    Date = class extends Right {
        constructor(...given) { given.length ? super(...given) : super(Right.now() - wrongBy); }
        static now() { return Right.now() - wrongBy; }
    };
"""
# Chromium does not tell its driver of the beacons of a page that is left, so the page notes them.
NOTE_BEACONS = """
    const send = navigator.sendBeacon;
    navigator.sendBeacon = (url, body) => {
        const isTaken = send.call(navigator, url, body);
        localStorage.beacons = (localStorage.beacons || '') + isTaken + url.split('?')[1] + body + '\\n';
        return isTaken;
    };
"""


def event(kind, **properties):
    return {"type": kind, "properties": properties}


def view(shop, path="/", referrer=None, title="Loom & Thread", host=0, **more):
    if referrer:
        more["referrer"] = referrer
    return event("page_view", url=shop.origins[host] + path, path=path.split("?")[0], title=title, **more)


def shopping(service, shop, browser):
    """Everything that a visitor can do, of somebody who agrees and signs in."""
    visitor = Visitor(browser, shop)
    page = visitor.page
    page.click("#scarf-1 .look")
    page.screenshot(path="shop.png")
    visitor.agree()
    page.click("#towel-3 .add")
    page.click("#rug-7 .wish")
    page.fill("#find input", "tea towels")
    page.press("#find input", "Enter")
    page.click("#abandon")
    page.fill("#sign-in input", "ann@example.com")
    page.press("#sign-in input", "Enter")
    page.click("#sign-out")
    page.click("#rug-7 .look")
    visitor.delivered()
    done = [
        view(shop), event("product_view", **SCARF), event("cart_add", **TOWEL, quantity=2),
        event("wishlist_add", **RUG), event("search", query="tea towels", results=3),
        event("cart_abandoned", **CART), event("identify", consent={"email": {"marketing": True}}),
        event("sign_out"), event("product_view", **RUG),
    ]
    cookie, device = visitor.cookie(), visitor.stored()[f"constintel.{BRAND}.device"]
    assert cookie["domain"] == ".shop.localhost" and cookie["sameSite"] == "Lax", cookie
    assert 364 * 86400 < cookie["expires"] - time.time() < 366 * 86400
    visitor.leave()
    for found in service.arrived():
        ids = {"cookie_id": cookie["value"], "device_id": device}
        if found["type"] == "identify":
            ids["email"] = "ann@example.com"
        assert found["identifiers"] == ids, found
        assert found["source"] == "browser" and found["channel"] == "web"
    # What she did before she signed in is hers, what came after she signed out is nobody's we know.
    ann = service.get("/api/profiles", email="ann@example.com")["items"][0]
    compare(done[:-1], service.arrived(profile=ann["id"]))
    return visitor, done


def before_consent(service, shop, browser):
    """Whoever has not been asked, or has said no, or is protected by the browser, leaves no trace."""
    visitors = []
    for choice, tag, init in [
        (None, "", None), ("#decline", "", None), (None, "", OPT_OUT),
        (None, 'data-consent="granted"', OPT_OUT),
    ]:
        visitor = Visitor(browser, shop, tag, init)
        visitors.append(visitor)
        page = visitor.page
        page.clock.install()
        for selector in ["#scarf-1 .look", "#towel-3 .add", "#rug-7 .wish", "#route", "#sign-out"]:
            page.click(selector)
        if choice:
            page.click(choice)
            page.click("#scarf-1 .look")
        page.evaluate("constintel('flush')")
        page.clock.fast_forward(CLOCK_STEP)
        assert visitor.context.cookies() == [] and page.evaluate("document.cookie") == ""
        kept = page.evaluate("""async () => [localStorage.length, sessionStorage.length,
            (await indexedDB.databases()).length, (await caches.keys()).length]""")
        assert kept == [0, 0, 0, 0], kept
        page.click("#away")
        page.wait_for_url("**/away")
        assert visitor.sent == [], [request.url for request in visitor.sent]
        assert visitor.context.storage_state()["origins"] == []
    # One of the last agrees: what she has done since is recorded, on this page and on the next.
    visitor = Visitor(browser, shop, "", OPT_OUT)
    visitors.append(visitor)
    visitor.page.click("#scarf-1 .look")
    visitor.agree()
    visitor.page.click("#rug-7 .look")
    visitor.page.goto(f"{shop.origins[0]}/next")
    visitor.delivered()
    for other in visitors:
        other.leave()
    return visitors, [event("product_view", **RUG), view(shop, "/next")]


def denial(service, shop, browser):
    """Whoever takes the consent back is forgotten by the browser, with what has not been sent yet."""
    visitor = Visitor(browser, shop)
    visitor.agree()
    visitor.delivered()
    other = visitor.open("/other")
    first = visitor.cookie()
    visitor.delivered(other)
    visitor.context.set_offline(True)
    visitor.page.click("#scarf-1 .look")
    assert len(visitor.waiting()) == 1
    other.evaluate("constintel('consent', {analytics: false})")
    assert visitor.context.cookies() == [] and visitor.stored(other) == {}
    # Browsers tell a tab's process of what another has stored a moment later.
    until(lambda: visitor.pause() or visitor.stored() == {}, "the first tab keeps nothing either")
    visitor.context.set_offline(False)
    # The other tab learns of it by itself.
    visitor.page.click("#rug-7 .look")
    assert visitor.stored() == {} and visitor.context.cookies() == []
    sent = len(visitor.sent)
    visitor.page.goto(f"{shop.origins[0]}/")
    visitor.page.click("#scarf-1 .look")
    visitor.page.evaluate("constintel('flush')")
    visitor.page.wait_for_timeout(500)
    assert visitor.stored() == {} and len(visitor.sent) == sent
    visitor.agree()
    visitor.delivered()
    assert visitor.cookie()["value"] != first["value"], "who comes back is somebody else"
    visitor.leave()
    return visitor, [view(shop), view(shop, "/other"), view(shop), event("product_view", **SCARF)]


def navigation(service, shop, browser):
    """Addresses that a router changes are pages, with where they were come from; places in a page are not."""
    visitor = Visitor(browser, shop, "data-debug")
    page, home = visitor.page, shop.origins[0] + "/"
    visitor.agree()
    page.click("#route")
    visitor.has_viewed(2)
    page.evaluate("history.replaceState({}, '', '/scarves?utm_source=menu#top')")
    page.evaluate("location.hash = 'bottom'")
    page.wait_for_timeout(200)
    page.evaluate("history.go(-2)")
    visitor.has_viewed(3)
    # Two at once are one page, and one that is left at once is a page too.
    page.evaluate("history.pushState({}, '', '/a'); history.replaceState({}, '', '/b')")
    page.click("#away")
    page.wait_for_url("**/away")
    page.go_back()
    page.wait_for_function("constintel.isTracker")
    shop.tag = 'data-page-views="off"'
    page.goto(home + "quiet?utm_campaign=spring&utm_id=7&gclid=x")
    page.wait_for_function("constintel.isTracker")
    page.evaluate("constintel('page', {title: 'By hand'})")
    page.evaluate("history.pushState({}, '', '/unseen')")
    visitor.delivered()
    visitor.leave()
    scarves = "/scarves?utm_source=menu"
    return visitor, [
        view(shop), view(shop, scarves, home, "Scarves", utm_source="menu"),
        view(shop, "/", shop.origins[0] + scarves, "Scarves"), view(shop, "/b", home, "Scarves"),
        view(shop, "/b"),
        view(shop, "/quiet?utm_campaign=spring&utm_id=7&gclid=x", None, "By hand", utm_campaign="spring",
             utm_id="7"),
    ]


def offline(service, shop, browser):
    """What is done without a network arrives when there is one, also of pages that are closed by then."""
    visitor = Visitor(browser, shop)
    visitor.agree()
    visitor.delivered()
    visitor.context.set_offline(True)
    visitor.page.click("#scarf-1 .look")
    closed = visitor.page
    page = visitor.context.new_page()
    for _ in range(25):
        closed.click("#towel-3 .add")
    closed.close(run_before_unload=False)
    visitor.context.set_offline(False)
    page.goto(shop.origins[0] + "/later")
    page.wait_for_function("constintel.isTracker")
    visitor.page = page
    visitor.delivered()
    # A network that fails without telling the page.
    page.route("**/api/events/batch*", lambda route: route.abort("connectionreset"))
    page.click("#rug-7 .wish")
    until(lambda: visitor.pause() or sum(bool(sent.failure) for sent in visitor.sent) >= 2, "two tries fail")
    assert len(visitor.waiting()) == 1
    page.unroute("**/api/events/batch*")
    visitor.delivered()
    visitor.leave()
    return visitor, [
        view(shop), event("product_view", **SCARF), *[event("cart_add", **TOWEL, quantity=2)] * 25,
        view(shop, "/later"), event("wishlist_add", **RUG)]


def leaving(service, shop, browser):
    """What was done just before a page is left arrives by a beacon, and once, though it is sent again."""
    visitor = Visitor(browser, shop, init=NOTE_BEACONS)
    visitor.agree()
    visitor.delivered()
    requests = len(visitor.sent)
    visitor.press("#towel-3 .add", "#away")
    visitor.page.wait_for_url("**/away")
    until(lambda: len(service.arrived()) == 2, "the beacon has arrived")
    assert len(visitor.sent) == requests
    # The same from a page that is closed; its events, too, are sent again by the next.
    visitor.page.goto(shop.origins[0] + "/back")
    visitor.page.wait_for_function("constintel.isTracker")
    visitor.delivered()
    other = visitor.context.new_page()
    visitor.press("#scarf-1 .look")
    visitor.page.close()
    until(lambda: len(service.arrived()) == 4, "the second beacon has arrived")
    other.goto(shop.origins[0] + "/again")
    other.wait_for_function("constintel.isTracker")
    visitor.delivered(other)
    taken = visitor.stored(other)["beacons"].splitlines()
    assert len(taken) == 2 and all(text.startswith(f"truekey={shop.key}") for text in taken), taken
    again = [sent["type"] for body in visitor.bodies() for sent in body]
    assert sorted(again) == ["cart_add", "page_view", "page_view", "page_view", "product_view"], again
    visitor.leave()
    return visitor, [
        view(shop), event("cart_add", **TOWEL, quantity=2), view(shop, "/back"),
        event("product_view", **SCARF), view(shop, "/again")]


def limited(service, shop, browser):
    """A server that asks for time, by 429 and by 503, gets it, and everything arrives afterwards."""
    ordinary, shop.key = shop.key, shop.browser_key("slow", "--rate", "2")
    visitor = Visitor(browser, shop)
    visitor.agree()
    page = visitor.page
    visitor.press(*["#towel-3 .add"] * 24)
    visitor.answered(429)
    # A page that is opened during the pause keeps to it too.
    page.goto(shop.origins[0] + "/next")
    page.wait_for_function("constintel.isTracker")
    visitor.delivered()
    visitor.has_obeyed()
    shop.key = ordinary
    page.goto(shop.origins[0] + "/full")
    page.wait_for_function("constintel.isTracker")
    visitor.delivered()
    service.run("plan", "set", "enterprise", "--limit", "streamEntries=1")
    try:
        until(lambda: service.get("/api/streams/info")["items"][0]["limit"] == 1, "the limit holds")
        page.click("#scarf-1 .look")
        page.click("#rug-7 .look")
        visitor.answered(503)
        assert len(visitor.waiting()) == 2
    finally:
        service.run("plan", "reset", "enterprise")
    visitor.delivered()
    visitor.has_obeyed()
    visitor.leave()
    return visitor, [
        view(shop), *[event("cart_add", **TOWEL, quantity=2)] * 24, view(shop, "/next"), view(shop, "/full"),
        event("product_view", **SCARF), event("product_view", **RUG)]


def tabs(service, shop, browser):
    """Two tabs and two hosts of a site are one visitor, whose events are sent by either."""
    visitor = Visitor(browser, shop)
    second, checkout = visitor.open("/second"), visitor.open("/checkout", host=1)
    visitor.agree()
    # The others have heard of it when something is done there.
    second.click("#scarf-1 .look")
    checkout.click("#scarf-1 .look")
    visitor.context.set_offline(True)
    for _ in range(15):
        visitor.page.click("#rug-7 .look")
        second.click("#towel-3 .add")
    assert len(visitor.waiting()) >= 30
    visitor.context.set_offline(False)
    for page in [visitor.page, second, checkout]:
        visitor.delivered(page)
    cookie = visitor.cookie()["value"]
    for page in [second, checkout]:
        assert visitor.stored(page)[f"constintel.{BRAND}.device"] == cookie
    visitor.leave()
    return visitor, [
        view(shop), view(shop, "/second"), view(shop, "/checkout", host=1),
        *[event("product_view", **SCARF)] * 2, *[event("product_view", **RUG)] * 15,
        *[event("cart_add", **TOWEL, quantity=2)] * 15]


def back(service, shop, browser):
    """A page that the back button brings back as it was is seen again, and sends nothing twice."""
    browser = launch(browser.browser_type, ignore_default_args=["--disable-back-forward-cache"])
    visitor = Visitor(browser, shop, 'data-consent="granted"')
    page = visitor.page
    page.evaluate("window.isTheSame = true")
    visitor.delivered()
    page.click("#scarf-1 .look")
    page.click("#away")
    page.wait_for_url("**/away")
    page.evaluate("setTimeout(() => history.back())")
    page.wait_for_function("window.isTheSame")
    visitor.delivered()
    browser.close()
    return visitor, [view(shop), event("product_view", **SCARF), view(shop)]


def wrong_clock(service, shop, browser):
    """What is done in a browser whose clock is wrong by decades has happened now."""
    visitor = Visitor(browser, shop, 'data-consent="granted"', WRONG_CLOCK)
    visitor.page.click("#scarf-1 .look")
    visitor.delivered()
    assert visitor.page.evaluate("new Date().getFullYear()") < 2010
    for found in service.arrived():
        happened = datetime.datetime.fromisoformat(found["occurredAt"].replace("Z", "+00:00"))
        assert abs(time.time() - happened.timestamp()) < 300, found
    visitor.leave()
    return visitor, [view(shop), event("product_view", **SCARF)]


def strangers(service, shop, browser):
    """A browser that is handed on is another visitor after a reset; a page loaded in advance is none yet."""
    visitor = Visitor(browser, shop, f'data-consent="granted" data-endpoint="{service.base}/"', """
        Object.defineProperty(document, 'prerendering', {get: () => !window.isShown});
    """)
    page = visitor.page
    page.click("#scarf-1 .look")
    assert visitor.cookie() is None and visitor.stored() == {}
    show = "window.isShown = true; document.dispatchEvent(new Event('prerenderingchange'))"
    page.evaluate(show)
    visitor.delivered()
    first = visitor.cookie()["value"]
    page.evaluate("constintel('reset')")
    second = visitor.cookie()["value"]
    page.click("#rug-7 .look")
    visitor.delivered()
    visitor.leave()
    sent = [found["identifiers"] for found in service.arrived()]
    ids = {kinds["cookie_id"]: kinds["device_id"] for kinds in sent}
    assert first != second and ids == {first: first, second: second}, ids
    return visitor, [view(shop), event("product_view", **SCARF), event("product_view", **RUG)]


def mistakes(service, shop, browser):
    """What a page does wrong never hurts it, nor the events beside it; data-debug says what it was."""
    visitor = Visitor(browser, shop, 'data-debug data-consent="granted"')
    page = visitor.page
    visitor.delivered()
    for call in [
        "'nonsense'", "'constructor'", "", "'consent'", "'consent', {analytics: 'yes'}", "'cart', 'eat'",
        "'identify'", "'identify', {email: ' '}",
        "'product', (() => { const a = {}; a.a = a; return a; })()",
        "'product', {productId: 'x', name: 'x'.repeat(20000)}",
        "'identify', {shoe_size: 43}", "'product', {productId: 1n}",
    ]:
        page.evaluate(f"constintel({call})")
    page.evaluate("constintel('product', {productId: 'good', price: 1 / 3})")
    # Two tags are one tracker, and a stub that somebody has kept still works.
    page.evaluate("""() => new Promise(done => {
        const tag = document.createElement('script');
        Object.assign(tag, {src: document.querySelector('script[src]').src, onload: done});
        tag.dataset.key = document.querySelector('script[src]').dataset.key;
        document.head.append(tag);
    })""")
    page.evaluate("constintel.q.push(['search', {query: 'kept'}])")
    visitor.delivered()
    said = "\n".join(visitor.said)
    for word in ["there is no 'nonsense'", "there is no 'constructor'", "'add' or 'abandon'", "too large",
                 "analytics: true", "there is no such identifier", '"rejected":1']:
        assert word in said, f"{word}: {said}"
    # Storage that refuses everything.
    blocked = Visitor(browser, shop, 'data-consent="granted"', """
        for (const name of ['getItem', 'setItem', 'removeItem'])
            Storage.prototype[name] = () => { throw new Error('no storage'); };
        Object.defineProperty(Document.prototype, 'cookie', {get() { throw new Error('no'); }, set() {}});
    """)
    until(lambda: blocked.pause() or len(service.arrived()) == 4, "it arrives without storage")
    names = page.evaluate("""() => {
        const frame = document.createElement('iframe');
        document.body.append(frame);
        return Object.keys(window).filter(name => !(name in frame.contentWindow || name >= 0));
    }""")
    assert names == ["constintel"], names
    visitor.leave()
    blocked.leave()
    return [visitor, blocked], [
        view(shop), event("product_view", productId="good", price=0.3333), event("search", query="kept"),
        view(shop)]


JOURNEYS = [
    shopping, before_consent, denial, navigation, offline, leaving, limited, tabs, back, wrong_clock, strangers,
    mistakes,
]
