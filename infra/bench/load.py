#!/usr/bin/env python3
"""Sends events over kept-alive connections, by a few processes, and waits until all of them are committed.

Prints one row: a name, events committed a second from the first byte sent to the last commit, that rate as a
share of a floor, events accepted a second, and the latency of the answers in milliseconds. Only Python's standard
library is used.
"""
import argparse
import json
import multiprocessing
import queue
import random
import selectors
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


class Client:
    """A connection that is kept, over which one request follows the answer to the one before."""

    def __init__(self, target):
        self.connection = connect(target)

    def send(self, message):
        self.message = message
        self.answer = b""
        self.begin = time.perf_counter()
        self.connection.sendall(message)

    def receive(self):
        """Takes in what has come of the answer; gives (status, body) once that is all of it, before that nothing."""
        piece = self.connection.recv(65536)
        if not piece:
            raise ConnectionError("the server closed the connection")
        self.answer += piece
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return None
        head = head.lower()
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        is_whole = len(body) == int(length) if length else body.endswith(b"0\r\n\r\n")
        return (int(head[9:12]), body) if is_whole else None

    def exchange(self, message):
        self.send(message)
        while (answer := self.receive()) is None:
            pass
        return answer


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


def sender(options, run, first, count, connections, start, latencies):
    """Sends events over so many connections, in turns, as one process."""
    prepared = messages(options, run, first, count)[::-1]
    ready = selectors.DefaultSelector()
    clients = [Client(options.target) for _ in range(connections)]
    for client in clients:
        ready.register(client.connection, selectors.EVENT_READ, client)
    start.wait()
    times = []
    for client in clients[:len(prepared)]:
        client.send(prepared.pop())
    under_way = min(len(clients), count // options.batch)
    while under_way:
        for found, _ in ready.select():
            client = found.data
            answer = client.receive()
            if answer is None:
                continue
            status, body = answer
            if status == 503:
                time.sleep(0.2)
                client.send(client.message)
                continue
            if status != 202 or b'"rejected":0' not in body and options.batch > 1:
                raise SystemExit(f"unexpected answer {status}: {body[:300]}")
            times.append((time.perf_counter() - client.begin) * 1000)
            if prepared:
                client.send(prepared.pop())
            else:
                under_way -= 1
    latencies.put(times)


def collect(latencies, senders):
    """The latencies of all senders, from the quickest to the slowest; the end of all when one has failed."""
    times = []
    for _ in senders:
        while True:
            try:
                times += latencies.get(timeout=1)
                break
            except queue.Empty:
                if any(sender.exitcode for sender in senders):
                    raise SystemExit(1)
    return sorted(times)


def committed(options):
    path = options.prefix + "/api/monitoring/stats"
    status, body = Client(options.target).exchange(request("GET", path, options.key))
    if status != 200:
        raise SystemExit(f"the totals cannot be read: {status} {body[:300]}")
    return json.loads(body)["events"]


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
    parser.add_argument("--processes", type=int, default=4, help="which share the connections")
    parser.add_argument("--customers", type=int, default=60_000)
    parser.add_argument("--everyone", action="store_true", help="one event of each customer, in order")
    parser.add_argument("--ties", type=float, help="customers are seen by e-mail or phone, by both in this share")
    options = parser.parse_args()

    run = f"{time.time_ns():x}"
    processes = min(options.processes, options.connections)
    connections = options.connections // processes
    share = options.events // processes // options.batch * options.batch
    before = committed(options)
    start = multiprocessing.Barrier(processes + 1)
    latencies = multiprocessing.Queue()
    senders = [
        multiprocessing.Process(
            target=sender, args=(options, run, index * share, share, connections, start, latencies), daemon=True)
        for index in range(processes)
    ]
    for process in senders:
        process.start()
    start.wait()
    begin = time.perf_counter()
    times = collect(latencies, senders)
    accepted = time.perf_counter() - begin
    total = share * processes
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
