"""Has visitors go through the shop with constintel-tracker.js in Chromium.

    run.py --edge 127.0.0.1:8080 --command constintel [JOURNEY…]

Prints a line for each journey, and fails at the first that goes wrong. CONSTINTEL_TRACKER names the file of a
tracker that is being worked on, which is served by the shop instead of the instance's.
"""

import argparse
import os
import time

from playwright.sync_api import sync_playwright

from journeys import JOURNEYS
from shop import Service, Shop, compare, launch


def go(journey, service, shop, browser):
    """One journey: what arrived equals what was done, and the pages have noticed nothing."""
    service.begin()
    start = time.monotonic()
    visitors, done = journey(service, shop, browser)
    visitors = visitors if isinstance(visitors, list) else [visitors]
    arrived = service.arrived()
    compare(done, arrived)
    errors = [error for visitor in visitors for error in visitor.errors]
    assert not errors, errors
    bodies = [body for visitor in visitors for body in visitor.bodies()]
    ids = [sent["eventId"] for body in bodies for sent in body]
    print(f"{journey.__name__}: {len(arrived)} events done and arrived, in {len(bodies)} posts, "
          f"{len(ids) - len(set(ids))} sent again, {time.monotonic() - start:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--edge", required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("journeys", nargs="*")
    options = parser.parse_args()
    service = Service(options.edge, options.command)
    is_local = "CONSTINTEL_TRACKER" in os.environ
    script = "/tracker.js" if is_local else f"{service.base}/constintel-tracker.js"
    shop = Shop(service, script, service.base if is_local else None)
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        print(f"Chromium {browser.version}")
        for journey in JOURNEYS:
            if not options.journeys or journey.__name__ in options.journeys:
                go(journey, service, shop, browser)
        browser.close()


if __name__ == "__main__":
    main()
