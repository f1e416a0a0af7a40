#!/usr/bin/env python3
"""Measures what a quiet brand notices of a noisy one. Run by infra/dev/neighbours.sh, in a box.

The quiet brand's clients come before the servers and the noisy one's after them (CPUWeight=): they are all on
one machine here, and elsewhere in production. A request is timed from when it was due.
"""
import argparse
import asyncio
import collections
import json
import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

EDGE = ("127.0.0.1", 8080)
QUIET = "quiet"
# The noisy brands, by the plan that each has.
BRANDS = {"loud": "unbound", "pro": "pro"}
STATE = "/var/lib/constintel-neighbours.json"
POSTS, READS, PER_SECOND = 4, 2, 10
MANY = 1000
HISTORY = 30_000
SETTLE_SECONDS = 60


def run(*command, text=None, may_fail=False):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode and not may_fail:
        sys.exit(f"neighbours: {' '.join(command)}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout.strip()


def show(slug, name):
    return run("systemctl", "show", "--value", "-p", name, f"constintel-instance@{slug}.service")


# Requests.

def key(slug):
    return json.load(open(STATE))[slug]


def request(slug, method, path, body=b"", length=None):
    return (f"{method} {path} HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {key(slug)}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body) if length is None else length}"
            "\r\n\r\n").encode() + body


def event():
    """An event without an id: sent again it is another one."""
    name = f"{random.getrandbits(40):x}"
    return {"type": "purchase", "occurredAt": "2026-01-31T10:00:00Z", "channel": "web",
            "identifiers": {"email": f"{name[:3]}@example.com"},
            "properties": {"orderId": name, "total": "19.99", "currency": "USD"}}


def single(slug):
    return request(slug, "POST", "/api/events", json.dumps(event()).encode())


def batch(slug):
    events = {"events": [event() for _ in range(1000)]}
    return request(slug, "POST", "/api/events/batch", json.dumps(events).encode())


def listing(slug):
    return request(slug, "GET", "/api/events?limit=100")


def standing(slug):
    return request(slug, "GET", "/api/monitoring/stats")


class Client:
    """One connection that is kept alive."""

    def __init__(self, address=EDGE):
        self.address, self.socket = address, None

    def ask(self, message):
        """Gives the status; 0 where there is none."""
        try:
            if not self.socket:
                self.socket = socket.create_connection(self.address, timeout=70)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(message)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += self.receive()
            head, body = answer.split(b"\r\n\r\n", 1)
            lower = head.lower()
            if b"content-length:" in lower:
                length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
                while len(body) < length:
                    body += self.receive()
            elif b"chunked" in lower:
                while not body.endswith(b"0\r\n\r\n"):
                    body += self.receive()
            if b"connection: close" in lower:
                self.close()
            return int(head[9:12])
        except OSError:
            self.close()
            return 0

    def receive(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        return piece

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None


def measure(seconds):
    """What the quiet brand's clients see: milliseconds of each request, and what was not answered well."""
    seen = {"post": [], "read": [], "bad": []}

    def customer(kind, good, make):
        client, due = Client(), time.monotonic() + random.random() / PER_SECOND
        end = time.monotonic() + seconds
        while due < end:
            time.sleep(max(0, due - time.monotonic()))
            status = client.ask(make(QUIET))
            seen[kind].append((time.monotonic() - due) * 1000)
            if status != good:
                seen["bad"].append(f"{kind} {status}")
            due = max(due + 1 / PER_SECOND, time.monotonic())

    threads = [threading.Thread(target=customer, args=["post", 202, single]) for _ in range(POSTS)]
    threads += [threading.Thread(target=customer, args=["read", 200, standing]) for _ in range(READS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(seen))


# What neighbours do, for so many seconds. Each gives what it got.

def in_turns(slug, seconds, make, clients):
    """So many clients ask without a pause."""
    got, end = collections.Counter(), time.monotonic() + seconds

    def customer():
        client, message = Client(), make(slug)
        while time.monotonic() < end:
            status = client.ask(message)
            got[status] += 1
            if status == 0:
                time.sleep(0.01)

    threads = [threading.Thread(target=customer, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, end + 5 - time.monotonic()))
    return got


def batches(slug, seconds):
    got = in_turns(slug, seconds, batch, 8)
    got["events/s"] = round(got[202] * 1000 / seconds) + round(got[200] * 1000 / seconds)
    return got


def singles(slug, seconds):
    return in_turns(slug, seconds, single, 64)


def reads(slug, seconds):
    return in_turns(slug, seconds, listing, 32)


async def connect(address):
    if isinstance(address, str):
        return await asyncio.open_unix_connection(address)
    return await asyncio.open_connection(*address)


def connections(slug, seconds, each, address=EDGE, count=MANY):
    got, end = collections.Counter(), time.monotonic() + seconds

    async def one():
        while time.monotonic() < end:
            try:
                reader, writer = await connect(address)
            except OSError:
                got["refused"] += 1
                await asyncio.sleep(0.5)
                continue
            got["connected"] += 1
            try:
                await asyncio.wait_for(each(reader, writer, got, end), max(0.01, end - time.monotonic()))
            except TimeoutError:
                pass
            except (OSError, asyncio.IncompleteReadError):
                got["closed"] += 1
                await asyncio.sleep(0.1)
            writer.close()

    async def everyone():
        await asyncio.gather(*[one() for _ in range(count)])

    asyncio.run(everyone())
    return got


async def answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    if b"content-length:" in lower:
        await reader.readexactly(int(lower.split(b"content-length:")[1].split(b"\r\n")[0]))
    elif b"chunked" in lower:
        await reader.readuntil(b"0\r\n\r\n")
    return int(head[9:12])


def idle(slug, seconds):
    message = standing(slug)

    async def each(reader, writer, got, end):
        writer.write(message)
        got[await answer(reader)] += 1
        await reader.read(1)
        raise ConnectionError

    return connections(slug, seconds, each)


def slow(slug, seconds, address=EDGE, count=MANY):
    """Requests of which a byte a second is sent, to the path that the edge passes on as it arrives."""
    message = request(slug, "POST", "/api/events/batch", length=100_000)

    async def each(reader, writer, got, end):
        async def send():
            writer.write(message)
            while True:
                await asyncio.sleep(1)
                writer.write(b" ")
        sending = asyncio.create_task(send())
        try:
            got[await answer(reader)] += 1
        finally:
            sending.cancel()

    return connections(slug, seconds, each, address, count)


def slow_socket(slug, seconds):
    return slow(slug, seconds, f"/run/constintel/instances/{slug}.sock")


def slow_many(slug, seconds):
    return slow(slug, seconds, count=6 * MANY)


def headers(slug, seconds):
    """Requests whose head never ends: the edge cannot know whose they are."""
    async def each(reader, writer, got, end):
        writer.write(b"GET /b/%s/api/events HTTP/1.1\r\nX-Slow: " % slug.encode())
        got["dropped"] += await reader.read(1) == b""
        raise ConnectionError

    return connections(slug, seconds, each, count=6 * MANY)


def active(slug, seconds):
    message = single(slug)

    async def each(reader, writer, got, end):
        while True:
            writer.write(message)
            got[await answer(reader)] += 1

    return connections(slug, seconds, each)


def sessions(slug, seconds, script, limit=True):
    """Sessions of the brand's own role, as many as it may have, with what a session may set for itself."""
    port = run("sh", "-c", "pg_lsclusters --no-header | awk '$2 == \"constintel\" { print $3 }'")
    base = f"/var/lib/constintel/instances/{slug}"
    role = "brand_" + slug
    environment = dict(os.environ, PGPASSWORD=open(f"{base}/credentials/postgres-password").read().strip(),
                       PGCONNECT_TIMEOUT="5")
    command = ["psql", "-qXAt", "-h", "/run/postgresql", "-p", port, "-U", role, "constintel_brands"]
    got, end = collections.Counter(), time.monotonic() + seconds
    alive = []

    def session():
        while time.monotonic() < end:
            client = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            alive.append(client)
            try:
                _, said = client.communicate(
                    "set statement_timeout = 0; set idle_in_transaction_session_timeout = 0;\n" + script,
                    timeout=max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                client.kill()
                client.communicate()
                got["ran to the end"] += 1
                return
            for line in said.splitlines():
                if "FATAL" in line or "ERROR" in line:
                    got[line.split("  ")[-1].strip()[:60]] += 1
            if not said:
                got["done"] += 1
            time.sleep(0.2)

    threads = [threading.Thread(target=session) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A killed client's session goes on: the server notices when it answers.
    run("runuser", "-u", "postgres", "--", "psql", "-qXAt", "-p", port, "-c",
        f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}' "
        "and application_name = 'psql'")
    return got


def query_cross(slug, seconds):
    return sessions(slug, seconds, "set max_parallel_workers_per_gather = 8;"
                    "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b;")


def query_spill(slug, seconds):
    return sessions(slug, seconds, "set work_mem = '64kB';"
                    "select max(r), max(t) from (select repeat('x', 400) t, "
                    "row_number() over (order by md5(a::text)) r from generate_series(1, 20000000) a) s;")


def query_memory(slug, seconds):
    return sessions(slug, seconds, "set work_mem = '60GB';"
                    "select max(r) from (select row_number() over (order by t) r from "
                    "(select repeat(md5(a::text), 1000000) t from generate_series(1, 1000) a offset 0) x) s;")


def query_locks(slug, seconds):
    return sessions(slug, seconds, "begin; select pg_sleep(1000) from (select count(pg_advisory_lock(a)) "
                    "from generate_series(1, 1000000) a) s;")


def transactions(slug, seconds):
    return sessions(slug, seconds, "begin isolation level repeatable read; create temp table t as select 1; "
                    f"select count(*) from customer_raw_event;\n\\! sleep {seconds}")


def refold(slug, seconds):
    got, end = collections.Counter(), time.monotonic() + seconds
    while time.monotonic() < end:
        run("constintel", "brand", "refold", slug, "--plan")
        got["re-folds"] += 1
    return got


def join(slug):
    """Puts this process beside the brand's own, in each hierarchy of control groups."""
    group = show(slug, "ControlGroup")
    roots = [f"/sys/fs/cgroup/{name}" for name in ["", "memory", "pids", "cpu", "systemd"]]
    for root in roots:
        procs = f"{root}{group}/cgroup.procs"
        if os.path.exists(procs):
            with open(procs, "w") as file:
                file.write(str(os.getpid()))


def inside(slug, seconds, body, count=1):
    """Processes of the brand's unit that do something until they are killed; and again."""
    got, end = collections.Counter(), time.monotonic() + seconds
    restarts = int(show(slug, "NRestarts"))
    client = Client()
    while time.monotonic() < end:
        got[f"answer {client.ask(standing(slug))}"] += 1
        children = []
        for _ in range(count):
            child = os.fork()
            if child == 0:
                join(slug)
                body(end)
                os._exit(0)
            children.append(child)
        for child in children:
            status = os.waitpid(child, 0)[1]
            got["killed" if os.WIFSIGNALED(status) else "ended"] += 1
    got["restarts of the brand"] = int(show(slug, "NRestarts")) - restarts
    return got


def allocate(end):
    # Should it not be where it must be, it takes no more than this.
    resource.setrlimit(resource.RLIMIT_AS, [8 << 30] * 2)
    held = []
    while time.monotonic() < end:
        held.append(bytearray(os.urandom(1 << 16)) * 256)


def write_files(end):
    path = f"/var/lib/private/constintel-instance/{sys.argv[-2]}/noise"
    piece = os.urandom(1 << 20)
    with open(path, "wb") as file:
        while time.monotonic() < end:
            file.seek(0)
            for _ in range(256):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    os.unlink(path)


def spin_until(end):
    while time.monotonic() < end:
        pass


def memory(slug, seconds):
    return inside(slug, seconds, allocate, 2)


def disk(slug, seconds):
    return inside(slug, seconds, write_files)


def spin(slug, seconds):
    return inside(slug, seconds, spin_until, 8)


# Name: what it does, whose brand.
KINDS = {
    "batches": (batches, "loud"), "batches-pro": (batches, "pro"), "singles": (singles, "loud"),
    "singles-pro": (singles, "pro"), "reads": (reads, "pro"), "idle": (idle, "pro"), "slow": (slow, "pro"),
    "slow-many": (slow_many, "pro"), "slow-socket": (slow_socket, "pro"), "active": (active, "pro"),
    "headers": (headers, "pro"),
    "query-cross": (query_cross, "pro"), "query-spill": (query_spill, "pro"),
    "query-memory": (query_memory, "pro"), "query-locks": (query_locks, "pro"),
    "transactions": (transactions, "pro"), "refold": (refold, "pro"), "memory": (memory, "pro"),
    "disk": (disk, "pro"), "spin": (spin, "pro"),
}


def make():
    """The brands, the noisy ones with a history, and the shares of the processors of who asks."""
    # What PostgreSQL takes without a bound must not be this machine's.
    version = run("sh", "-c", "pg_lsclusters --no-header | awk '$2 == \"constintel\" { print $1 }'")
    run("systemctl", "set-property", "--runtime", f"postgresql@{version}-constintel.service", "MemoryMax=8G")
    for name, weight in [("quiet", 10_000), ("noise", 20)]:
        with open(f"/etc/systemd/system/{name}.slice", "w") as file:
            file.write(f"[Slice]\nCPUWeight={weight}\n")
    run("systemctl", "daemon-reload")
    run("constintel", "wait")
    run("constintel", "plan", "set", "unbound", "--from", "enterprise", "--limit", "eventsPerSecond=1000000")
    keys = {}
    for slug, plan in [(QUIET, "pro"), *BRANDS.items()]:
        run("constintel", "brand", "create", slug, "--brand-plan", plan)
        made = run("constintel", "key", "create", slug, "--name", "neighbours", "--output", "json")
        keys[slug] = json.loads(made)["key"]
    json.dump(keys, open(STATE, "w"))
    for slug in keys:
        client, message, count = Client(), batch(slug), 0
        while count < (HISTORY if slug != QUIET else 2000):
            if client.ask(message) in (200, 202):
                count += 1000
            else:
                time.sleep(0.5)


def apart(where, *words):
    """Starts a part of this script with its own share of the processors."""
    return subprocess.Popen(
        ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--slice={where}.slice",
         "-p", "LimitNOFILE=65536", "-E", "HOME=/root", sys.executable, os.path.abspath(__file__), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def measured(seconds):
    out, said = apart("quiet", "--measure", str(seconds)).communicate()
    return json.loads(out) if out else sys.exit(f"neighbours: nothing was measured: {said}")


def settle(slug):
    """Waits until the writer has caught up: what is left of a neighbour would count as being alone."""
    password = open("/etc/constintel/credentials/redis-password").read().strip()
    for _ in range(SETTLE_SECONDS):
        time.sleep(1)
        if run("redis-cli", "-s", "/run/constintel-redis/redis.sock", "--no-auth-warning",
               "--user", "constintel", "-a", password, "XLEN", f"ci:{{{slug}}}:events") == "0":
            return


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def compare(name, rounds, seconds):
    """Alone and beside in turns; prints a row."""
    slug = KINDS[name][1]
    ratios = {"post": [], "read": []}
    pooled = {place: {"post": [], "read": [], "bad": []} for place in ["alone", "beside"]}
    got = collections.Counter()
    for _ in range(rounds):
        for place in ["alone", "beside"]:
            noise = place == "beside" and apart("noise", "--noise", name, slug, str(seconds + 2))
            if noise:
                time.sleep(1.5)
            seen = measured(seconds)
            for what, values in seen.items():
                pooled[place][what] += values
            if noise:
                out, said = noise.communicate()
                got.update(json.loads(out) if out.startswith("{") else {f"failed: {said[-200:]}": 1})
                settle(slug)
            if place == "alone":
                alone = seen
        for what in ratios:
            ratios[what].append(percentile(seen[what], 0.99) / percentile(alone[what], 0.99))
    row = f"{name:13}"
    for what in ["post", "read"]:
        for place in ["alone", "beside"]:
            values = pooled[place][what]
            row += f" {percentile(values, 0.5):6.1f} {percentile(values, 0.99):7.1f}"
        row += f" {statistics.median(ratios[what]):5.1f}"
    bad = collections.Counter(pooled["alone"]["bad"] + pooled["beside"]["bad"])
    row += f" {sum(bad.values()):4}  " + ", ".join(f"{count} {what}" for what, count in sorted(got.items()))
    print(row + (f"  (not answered: {dict(bad)})" if bad else ""), flush=True)
    return sum(bad.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--measure", type=float)
    parser.add_argument("--noise", nargs=3)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in KINDS]
    if unknown:
        parser.error(f"there is no neighbour {unknown[0]}; there are: {' '.join(KINDS)}")
    resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
    if options.measure:
        return measure(options.measure)
    if options.noise:
        name, slug, seconds = options.noise
        print(json.dumps(KINDS[name][0](slug, float(seconds))))
        sys.stdout.flush()
        os._exit(0)
    if not os.path.exists(STATE):
        make()
    measured(2)
    heads = [f"{what + ' alone':>15}{'beside':>15} ratio" for what in ["POST", "READ"]]
    print(f"{'':13}{' '.join(heads)}")
    print(f"{'milliseconds':13}" + 2 * (2 * f" {'p50':>6} {'p99':>7}" + f" {'p99':>5}") + "  bad  got")
    print(f"{'load':13} {os.getloadavg()[0]:.1f}")
    bad = sum(compare(name, options.rounds, options.seconds) for name in options.names or KINDS)
    print(f"{'load':13} {os.getloadavg()[0]:.1f}")
    if bad:
        sys.exit(f"neighbours: {bad} requests of the quiet brand were not answered as they should be")


main()
