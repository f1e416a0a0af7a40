#!/usr/bin/env python3
"""Sends events over kept-alive connections, one process each, and waits until all of them are committed.

Prints one row: a name, events committed a second from the first byte sent to the last commit, that rate as a
share of a floor, events accepted a second, and the latency of the answers in milliseconds. Only Python's standard
library is used.
"""
import argparse
import json
import multiprocessing
import random
import socket
import time


def connect(target):
    if target.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(target[5:])
    else:
        host, port = target.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def request(method, path, key, body=b""):
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def exchange(connection, message):
    """Sends one request and reads its answer; gives (status, body)."""
    connection.sendall(message)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("the server closed the connection")
        answer += piece
    head, body = answer.split(b"\r\n\r\n", 1)
    length, chunked = 0, False
    for line in head.split(b"\r\n")[1:]:
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            length = int(value)
        chunked = chunked or (name.lower() == b"transfer-encoding" and b"chunked" in value)
    while (not body.endswith(b"0\r\n\r\n")) if chunked else len(body) < length:
        body += connection.recv(65536)
    return int(head[9:12]), body


def identifiers(customer, chance, ties):
    """A customer's e-mail and phone: both; or where ties are rare, one of them, and both in that share of events."""
    email = {"email": f"customer{customer}@example.com"}
    phone = {"phone": f"+1202555{customer:05d}"[:12] if customer < 10000 else f"+1303{customer:07d}"}
    if ties is None:
        return email | phone
    email = {"email": f"apart{customer}@example.com"}
    phone = {"phone": f"+1404{customer:07d}"}
    if chance.random() < ties:
        return email | phone
    return email if chance.random() < 0.5 else phone


def events(run, first, count, options):
    """Purchases and page views by customers who are known by e-mail and phone."""
    chance = random.Random(first)
    for number in range(first, first + count):
        customer = (number if options.everyone else chance.randrange(options.customers))
        is_purchase = number % 4 == 0
        properties = {"page": f"/p/{number % 1000}", "referrer": "https://www.example.com/spring"}
        if is_purchase:
            properties = {
                "orderId": f"{run}-{number}", "total": f"{chance.randrange(1, 20000) / 100:.2f}", "currency": "USD",
            }
        yield {
            "eventId": f"{run}-{number}", "type": "purchase" if is_purchase else "page_view",
            "occurredAt": "2026-01-31T10:00:00Z", "channel": "web",
            "identifiers": identifiers(customer, chance, options.ties),
            "properties": properties,
        }


def messages(options, run, first, count):
    sent = list(events(run, first, count, options))
    if options.batch == 1:
        path = options.prefix + "/api/events"
        return [request("POST", path, options.key, json.dumps(event).encode()) for event in sent]
    path = options.prefix + "/api/events/batch"
    return [
        request("POST", path, options.key, json.dumps({"events": sent[at:at + options.batch]}).encode())
        for at in range(0, count, options.batch)
    ]


def sender(options, run, first, count, start, latencies):
    prepared = messages(options, run, first, count)
    connection = connect(options.target)
    start.wait()
    times = []
    for message in prepared:
        while True:
            begin = time.perf_counter()
            status, body = exchange(connection, message)
            if status == 503:
                time.sleep(0.2)
                continue
            if status != 202 or b'"rejected":0' not in body and options.batch > 1:
                raise SystemExit(f"unexpected answer {status}: {body[:300]}")
            times.append((time.perf_counter() - begin) * 1000)
            break
    latencies.put(times)


def committed(options):
    connection = connect(options.target)
    status, body = exchange(connection, request("GET", options.prefix + "/api/monitoring/stats", options.key))
    if status != 200:
        raise SystemExit(f"the totals cannot be read: {status} {body[:300]}")
    stats = json.loads(body)
    return stats["events"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="unix:PATH or HOST:PORT")
    parser.add_argument("--prefix", default="", help="what paths begin with, such as /b/bench")
    parser.add_argument("--key", required=True)
    parser.add_argument("--name", default="load")
    parser.add_argument("--floor", type=float, default=1.0, help="events a second that count as 1.00")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=1000, help="events in a request; 1 for single events")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--customers", type=int, default=60_000)
    parser.add_argument("--everyone", action="store_true", help="one event of each customer, in order")
    parser.add_argument("--ties", type=float, help="customers are seen by e-mail or phone, by both in this share")
    options = parser.parse_args()

    run = f"{time.time_ns():x}"
    share = options.events // options.connections // options.batch * options.batch
    before = committed(options)
    start = multiprocessing.Barrier(options.connections + 1)
    latencies = multiprocessing.Queue()
    senders = [
        multiprocessing.Process(target=sender, args=(options, run, index * share, share, start, latencies))
        for index in range(options.connections)
    ]
    for process in senders:
        process.start()
    start.wait()
    begin = time.perf_counter()
    times = sorted(time for _ in senders for time in latencies.get())
    accepted = time.perf_counter() - begin
    total = share * options.connections
    while committed(options) < before + total:
        time.sleep(0.02)
    seconds = time.perf_counter() - begin
    for process in senders:
        process.join()
    rate = total / seconds
    print(
        f"{options.name:<34} {rate:>9,.0f}  {rate / options.floor:>7.2f}  {total / accepted:>10,.0f}"
        f"  {times[len(times) // 2]:>8.2f}  {times[len(times) * 99 // 100]:>8.2f}"
    )


if __name__ == "__main__":
    main()
