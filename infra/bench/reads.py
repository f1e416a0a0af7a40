#!/usr/bin/env python3
"""Asks for profiles over kept-alive connections, by a few processes, beside what is refused without a look-up.

Prints a row for each way of asking: a name, answers a second, that rate as a share of that refusal's, and the
latency of the answers in milliseconds. Only Python's standard library is used, and `load.py` beside this file.
"""
import argparse
import concurrent.futures
import json
import random
import selectors
import time

from load import Client, request


def profiles(options):
    """The ids and the e-mail addresses of some profiles."""
    found, client, cursor = [], Client(options.target), ""
    while len(found) < options.profiles:
        status, body = client.exchange(request("GET", f"/api/profiles?limit=200{cursor}", options.key))
        if status != 200:
            raise SystemExit(f"the profiles cannot be listed: {status} {body[:300]}")
        page = json.loads(body)
        found += page["items"]
        if not page.get("nextCursor"):
            break
        cursor = f"&cursor={page['nextCursor']}"
    return found


def read(options, paths, expected, seed):
    """Asks for paths by chance over some connections, in turns, for some seconds; gives each answer's milliseconds."""
    chance = random.Random(seed)
    prepared = [request("GET", path, options.key) for path in paths]
    ready = selectors.DefaultSelector()
    clients = [Client(options.target) for _ in range(options.connections // options.processes)]
    end = time.perf_counter() + options.seconds
    for client in clients:
        ready.register(client.connection, selectors.EVENT_READ, client)
        client.send(chance.choice(prepared))
    times, under_way = [], len(clients)
    while under_way:
        for found, _ in ready.select():
            client = found.data
            answer = client.receive()
            if answer is None:
                continue
            if answer[0] != expected:
                raise ValueError(f"unexpected answer {answer[0]}: {answer[1][:300]}")
            now = time.perf_counter()
            times.append((now - client.begin) * 1000)
            if now < end:
                client.send(chance.choice(prepared))
            else:
                under_way -= 1
    return times


def measure(options, paths, expected):
    """Answers a second, and their latencies from the quickest to the slowest."""
    begin = time.perf_counter()
    with concurrent.futures.ProcessPoolExecutor(options.processes) as pool:
        readers = [pool.submit(read, options, paths, expected, seed) for seed in range(options.processes)]
        times = sorted(time for reader in readers for time in reader.result())
    return len(times) / (time.perf_counter() - begin), times


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="unix:PATH or HOST:PORT")
    parser.add_argument("--key", required=True)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--profiles", type=int, default=2000, help="how many are asked for, by chance")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--processes", type=int, default=2, help="which share the connections")
    options = parser.parse_args()

    known = profiles(options)
    emails = [value for profile in known for value in profile["identifiers"].get("email", [])]
    print(f"{'':<34} {'answers/s':>9}  {'of that':>8}  {'p50 ms':>8}  {'p99 ms':>8}")
    refusal = None
    for name, expected, paths in [
        ("what cannot be an id", 404, ["/api/profiles/0"]),
        ("a profile by its id", 200, [f"/api/profiles/{profile['id']}" for profile in known]),
        ("a profile by its e-mail", 200, [f"/api/profiles?email={email}" for email in emails]),
    ]:
        rate, times = measure(options, paths, expected)
        refusal = refusal or rate
        print(
            f"{name:<34} {rate:>9,.0f}  {rate / refusal:>8.2f}"
            f"  {times[len(times) // 2]:>8.2f}  {times[len(times) * 99 // 100]:>8.2f}"
        )


if __name__ == "__main__":
    main()
