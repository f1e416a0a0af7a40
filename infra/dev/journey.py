#!/usr/bin/env python3
"""Lives through what happens to an installation under systemd, and says where it is not as it must be.

Run by infra/dev/journey.sh in a box, one stage after the other: a power cut lies between some of them. What a
stage has to know of those before it is in a file.
"""
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

EDGE = ("127.0.0.1", 8080)
NOTES = "/var/lib/constintel-journey.json"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RELEASES = "/usr/lib/constintel/releases"
UNITS = "/etc/systemd/system"
SHORT, LONG = "acme", "a-brand-of-two-and-thirty-letter"
IDLE_SECONDS = 1
AMOUNT_CENTS = 1999
SOAK = "CONSTINTEL_TEST_SOAK" in os.environ


class Failure(Exception):
    pass


def must(is_so, otherwise):
    if not is_so:
        raise Failure(otherwise)


def run(*command, may_fail=False, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    must(may_fail or done.returncode == 0,
         f"{' '.join(command)}: status {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout.strip()


def constintel(*words):
    return run("constintel", *words)


def eventually(what, condition, seconds=30):
    """Waits until it is so, and gives how long that took; `what` is said when it never is."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise Failure(f"after {seconds} s it is not so that {what() if callable(what) else what}")
        time.sleep(0.05)
    return time.monotonic() - began


def service(slug):
    return f"constintel-instance@{slug}.service"


def show(unit, name):
    return run("systemctl", "show", "--value", "-p", name, unit)


def is_asleep(slug):
    return show(service(slug), "ActiveState") == "inactive" and \
        show(f"constintel-instance@{slug}.socket", "ActiveState") == "active"


def fall_asleep(slug):
    eventually(lambda: f"{slug} sleeps; it is {show(service(slug), 'ActiveState')}", lambda: is_asleep(slug))


def cluster():
    """The version, port and data directory of the servers' cluster."""
    rows = [line.split() for line in run("pg_lsclusters", "--no-header").splitlines()]
    return next((row[0], row[2], row[5]) for row in rows if row[1] == "constintel")


def psql_command():
    return ["runuser", "-u", "postgres", "--", "psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-p", cluster()[1]]


def database():
    names = run(*psql_command(), "-d", "postgres", "-c", "select datname from pg_database")
    return next(name for name in names.split() if name.endswith("_brands"))


def schema(slug):
    return "brand_" + slug.replace("-", "_")


def committed(slug):
    """The brand's events in PostgreSQL, asked without waking it."""
    return int(run(*psql_command(), "-d", database(), "-c",
                   f"select count(*) from {schema(slug)}.customer_raw_event"))


def redis(*words):
    password = open("/etc/constintel/credentials/redis-password").read().strip()
    return run("redis-cli", "-s", "/run/constintel-redis/redis.sock", "--no-auth-warning",
               "--user", "constintel", "-a", password, *words)


def waiting(slug):
    return int(redis("XLEN", f"ci:{{{slug}}}:events"))


@contextmanager
def held_up(*slugs):
    """While it lasts nothing can be committed for these brands: what they accept stays in their streams."""
    holder = subprocess.Popen([*psql_command(), "-d", database()], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    tables = ", ".join(f"{schema(slug)}.event_key" for slug in slugs)
    holder.stdin.write(f"begin; lock table {tables} in exclusive mode; select 'held';\n")
    holder.stdin.flush()
    must(holder.stdout.readline().strip() == "held", "the tables could not be locked")
    try:
        yield
    finally:
        holder.stdin.close()
        holder.wait()


class Notes(dict):
    """What stages tell those after them: the keys, and how many events of each brand were accepted."""

    def __init__(self):
        super().__init__(json.load(open(NOTES)) if os.path.exists(NOTES) else {"keys": {}, "sent": {}})

    def save(self):
        with open(NOTES + ".new", "w") as file:
            json.dump(self, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(NOTES + ".new", NOTES)


notes = Notes()
counting = threading.Lock()


class Shop:
    """One client of a brand, on one connection that is kept alive. It never asks twice."""

    def __init__(self, slug):
        self.slug = slug
        self.key = notes["keys"][slug]
        self.connection = http.client.HTTPConnection(*EDGE, timeout=70)
        self.refused = []

    def ask(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        try:
            self.connection.request(method, path, body and json.dumps(body), headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            return 0, repr(error).encode()

    def buy(self):
        name = f"{random.getrandbits(64):x}"
        event = {"eventId": name, "type": "purchase", "occurredAt": "2026-01-31T10:00:00Z",
                 "channel": "web", "identifiers": {"email": f"{name[:2]}@example.com"},
                 "properties": {"orderId": name, "total": f"{AMOUNT_CENTS / 100:.2f}", "currency": "USD"}}
        status, text = self.ask("POST", "/api/events", event)
        if status == 202:
            with counting:
                notes["sent"][self.slug] = notes["sent"].get(self.slug, 0) + 1
        else:
            self.refused.append(f"{time.strftime('%T')} {status} {text.decode(errors='replace')[:300]}")

    def stats(self):
        status, text = self.ask("GET", "/api/monitoring/stats")
        must(status == 200, f"the statistics of {self.slug} are answered {status}: {text[:300]}")
        return json.loads(text)


def expect_exact(*slugs):
    """Every event that was accepted is committed once, and counts."""
    for slug in slugs:
        sent = notes["sent"].get(slug, 0)
        eventually(lambda: f"the stream of {slug} is empty; {waiting(slug)} wait",
                   lambda: waiting(slug) == 0, 60)
        must(committed(slug) == sent, f"{slug} has {committed(slug)} events, and {sent} were accepted")
        stats = Shop(slug).stats()
        cents = AMOUNT_CENTS * sent
        must((stats["events"], stats["orders"], stats["revenue"]) ==
             (sent, sent, f"{cents // 100}.{cents % 100:02}"),
             f"{slug}: {sent} were accepted, and it says {stats}")


@contextmanager
def load(*slugs, clients=2):
    """Each brand's clients buy without a pause meanwhile; none may be refused."""
    over = threading.Event()
    shops = [Shop(slug) for slug in slugs for _ in range(clients)]
    before = sum(notes["sent"].values())

    def customers(shop):
        while not over.is_set():
            shop.buy()
            time.sleep(0.01)

    threads = [threading.Thread(target=customers, args=[shop]) for shop in shops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    refused = [line for shop in shops for line in shop.refused]
    sent = sum(notes["sent"].values()) - before
    must(not refused, f"{len(refused)} of {sent + len(refused)} requests were refused, first: {refused[:1]}")
    print(f"     {sent} requests, 0 refused")


# The stages.

def settle_plans():
    """Plans by which brands fall asleep after a second, in the release that is current."""
    plans = f"{RELEASES}/../current/templates/plans"
    for name in os.listdir(plans):
        plan = json.load(open(f"{plans}/{name}"))
        plan["limits"].update(idleSeconds=IDLE_SECONDS, eventsPerSecond=10_000)
        json.dump(plan, open(f"{plans}/{name}", "w"))


def make_brands():
    """Brands are provisioned, one with the longest slug, and count their first events exactly."""
    settle_plans()
    run("systemctl", "restart", "constinteld.service")
    constintel("wait")
    must(len(LONG) == 32, "the long slug is the longest that there can be")
    for slug in [SHORT, LONG]:
        constintel("brand", "create", slug)
        made = constintel("key", "create", slug, "--name", "journey", "--output", "json")
        notes["keys"][slug] = json.loads(made)["key"]
        shop = Shop(slug)
        for _ in range(20):
            shop.buy()
        must(not shop.refused, f"{slug}: {shop.refused[:1]}")
    expect_exact(SHORT, LONG)
    users = {show(service(slug), "User") for slug in [SHORT, LONG]}
    must(len(users) == 2 and f"ci-{SHORT}" in users and all(len(user) < 32 for user in users),
         f"the users are {users}")


def sleep():
    """Nobody sleeps too early or with something to do; a request wakes, and an entry in the stream does."""
    fall_asleep(SHORT)
    shop = Shop(SHORT)
    asked = time.time()
    shop.stats()
    eventually("it sleeps again", lambda: is_asleep(SHORT))
    must(time.time() - asked >= IDLE_SECONDS, "it fell asleep before its time")
    must(show(service(SHORT), "Result") == "success", "falling asleep is no failure")
    with held_up(SHORT):
        for _ in range(3):
            shop.buy()
        began = time.monotonic()
        while time.monotonic() - began < 5 * IDLE_SECONDS:
            must(not is_asleep(SHORT), "it fell asleep with events in its stream")
            time.sleep(0.1)
        # As one that was killed a moment after an event was there; its socket goes on listening.
        run("systemctl", "stop", service(SHORT))
        must(waiting(SHORT) >= 3, "the events stay in the stream")
    seconds = eventually("an entry in its stream wakes it",
                         lambda: committed(SHORT) == notes["sent"][SHORT])
    print(f"     committed {seconds:.1f} s after it could be, woken by its stream")
    must(not shop.refused, f"refused: {shop.refused[:1]}")
    expect_exact(SHORT)


def race_sleep():
    """Requests on connections that are kept alive come when the brand is just leaving."""
    clients, requests, burst = 4, 20_000 if SOAK else 2_000, 20
    shops = [Shop(SHORT) for _ in range(clients)]
    sleeps = "asleep until somebody asks"
    since = f"@{time.time():.0f}"
    with ThreadPoolExecutor(clients) as pool:
        for _ in range(requests // clients // burst):
            list(pool.map(lambda shop: [shop.buy() for _ in range(burst)], shops))
            # It leaves between 1.0 and 1.1 seconds after the last one, and is gone at 1.3.
            time.sleep(IDLE_SECONDS + random.uniform(-0.02, 0.28))
    refused = [line for shop in shops for line in shop.refused]
    must(not refused, f"{len(refused)} of {requests} were refused, first: {refused[:1]}")
    expect_exact(SHORT)
    run("journalctl", "--sync")
    count = run("journalctl", "-u", service(SHORT), "--since", since, "-o", "cat").count(sleeps)
    must(count >= requests // clients // burst // 4, f"it fell asleep only {count} times: there was no race")
    print(f"     {requests} requests, 0 refused, while it fell asleep {count} times")


def current_release():
    return os.path.realpath(f"{RELEASES}/../current")


def install_release(name):
    run("cp", "-a", f"{RELEASES}/../current/.", f"{RELEASES}/{name}")


def change_releases():
    """Instances are restarted, upgraded and rolled back while they are asked; nobody is refused."""
    install_release("journey-brand")
    rounds = 20 if SOAK else 2
    with load(SHORT, LONG):
        for _ in range(rounds):
            constintel("instance", "restart", SHORT)
            constintel("instance", "upgrade", SHORT, "journey-brand")
            shown = constintel("instance", "show", SHORT)
            must("journey-brand" in shown, f"it is not served by the new release: {shown}")
            constintel("instance", "rollback", SHORT)
            constintel("instance", "restart", LONG)
    expect_exact(SHORT, LONG)


def change_daemons():
    """constinteld is killed, upgraded and taken back; brands do not notice."""
    binaries = current_release()
    with load(SHORT, LONG):
        run("systemctl", "kill", "--signal=KILL", "constinteld.service")
        constintel("wait")
        run(f"{ROOT}/infra/deploy-production.sh", "--binaries", binaries, "--release", "journey-next")
        must(current_release().endswith("/journey-next"), "the new release is not current")
        run(f"{ROOT}/infra/deploy-production.sh", "--back")
        must(current_release() == binaries, "the former release is not current again")
    constintel("wait")
    expect_exact(SHORT, LONG)


def hand_over():
    """Another constinteld takes over from one that dies with work begun; brands do not notice."""
    unit = open(f"{UNITS}/constinteld.service").read().replace("constinteld.service\n", "standby.service\n")
    with open("/run/systemd/system/standby.service", "w") as file:
        file.write(unit)
    settings = json.load(open("/etc/constintel/constinteld.json"))
    for server in ["postgres", "redis"]:
        path = settings[server]["passwordFile"]
        settings[server]["passwordFile"] = path.replace("constinteld.service", "standby.service")
    with open("/run/constintel-standby.json", "w") as file:
        json.dump(settings, file)
    os.makedirs("/run/systemd/system/standby.service.d", exist_ok=True)
    with open("/run/systemd/system/standby.service.d/50-standby.conf", "w") as file:
        file.write("[Service]\nExecStart=\nExecStart=/usr/lib/constintel/current/constinteld --attached "
                   "--config /run/constintel-standby.json\n")
    run("systemctl", "daemon-reload")
    daemons = ["constinteld.service", "standby.service"]
    with load(SHORT, LONG):
        for turn in range(20 if SOAK else 2):
            leader, follower = daemons[turn % 2], daemons[1 - turn % 2]
            run("systemctl", "start", "--no-block", follower)
            eventually("the other stands by", lambda: int(show(follower, "MainPID")) > 0)
            operation = json.loads(constintel("brand", "update", SHORT, "--name", f"Turn {turn}", "--output",
                                              "json", "--no-wait"))["id"]
            run("systemctl", "kill", "--signal=KILL", leader)
            run("systemctl", "stop", leader)
            eventually("the other leads", lambda: show(follower, "ActiveState") == "active", 60)
            constintel("wait")
            eventually(lambda: f"the operation is done: {constintel('operation', 'show', operation)}",
                       lambda: "done" in constintel("operation", "show", operation))
    run("systemctl", "start", "--no-block", "constinteld.service")
    run("systemctl", "stop", "standby.service")
    constintel("wait")
    run("rm", "-r", "/run/systemd/system/standby.service", "/run/systemd/system/standby.service.d")
    run("systemctl", "daemon-reload")
    expect_exact(SHORT, LONG)


def hang():
    """Who hangs is killed and started again, and who asked meanwhile is answered."""
    shop = Shop(SHORT)
    shop.stats()
    process, deaths = int(show(service(SHORT), "MainPID")), int(show(service(SHORT), "NRestarts"))
    os.kill(process, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(Shop(SHORT).ask, "GET", "/api/monitoring/stats")
        seconds = eventually("a process that hangs is killed and started again",
                             lambda: int(show(service(SHORT), "NRestarts")) > deaths, 40)
        status = answer.result()[0]
    run("journalctl", "--sync")
    must("watchdog" in run("journalctl", "-u", service(SHORT), "-o", "cat", "-n", "30").lower(),
         "it was not the watchdog who killed it")
    print(f"     killed and started again after {seconds:.0f} s; who was in its socket got {status}")
    eventually("it serves again", lambda: Shop(SHORT).ask("GET", "/api/monitoring/stats")[0] == 200)
    expect_exact(SHORT)


def backups():
    """A brand is backed up and tried asleep; what its disk loses comes back with what came since; and back again."""
    for slug in (SHORT, LONG):
        fall_asleep(slug)
        constintel("backup", "create", slug)
        must(is_asleep(slug), f"a backup has woken {slug}")
    constintel("backup", "verify", SHORT)
    must(is_asleep(SHORT), f"a drill has woken {SHORT}")
    constintel("backup", "clone", SHORT, "looked-at")
    figures = [constintel("brand", "stats", slug, "--output", "json") for slug in (SHORT, "looked-at")]
    must(len(set(json.loads(figure)["events"] for figure in figures)) == 1, f"the clone has others: {figures}")
    constintel("brand", "delete", "looked-at", "--yes")
    constintel("brand", "purge", "looked-at", "--confirm", "looked-at")
    shop = Shop(SHORT)
    for _ in range(20):
        shop.buy()
    expect_exact(SHORT)
    run(*psql_command(), "-d", database(), "-c",
        f"delete from {schema(SHORT)}.customer_order; delete from {schema(SHORT)}.order_totals")
    run(f"{ROOT}/infra/restore-backup.sh", SHORT, "--confirm", SHORT)
    expect_exact(SHORT)
    shop.buy()
    run(f"{ROOT}/infra/restore-backup.sh", "--back", SHORT)
    must(not shop.refused, f"refused: {shop.refused}")
    expect_exact(SHORT)
    said = run(f"{ROOT}/infra/backup-database.sh")
    must(all(f"Backing up {what}" in said for what in ("the control plane", SHORT, LONG)), said)


def taken_number():
    """PostgreSQL, gone without a farewell, starts also where its number is another server's by now."""
    version, _, data = cluster()
    unit = f"postgresql@{version}-constintel.service"
    lock = f"{data}/postmaster.pid"
    lines = open(lock).read().splitlines()
    run("systemctl", "kill", "--signal=KILL", unit)
    eventually("the cluster is gone", lambda: show(unit, "ActiveState") == "failed")
    other = subprocess.Popen(["postgres", "600"], executable="/bin/sleep")
    try:
        # As a power cut would leave it: systemd has had it cleared away.
        with open(lock, "w") as file:
            file.write("\n".join([str(other.pid), *lines[1:]]) + "\n")
        run("systemctl", "start", unit)
    finally:
        other.kill()
        other.wait()
    constintel("wait")
    shop = Shop(SHORT)
    shop.buy()
    must(not shop.refused, f"refused: {shop.refused}")
    expect_exact(SHORT, LONG)


def before_cut():
    """Leaves events in the streams of one that serves and of one that sleeps; the cut comes upon it."""
    holding = held_up(SHORT, LONG)
    holding.__enter__()
    for slug in [SHORT, LONG]:
        shop = Shop(slug)
        for _ in range(50):
            shop.buy()
        must(not shop.refused, f"refused: {shop.refused[:1]}")
    run("systemctl", "stop", service(LONG))
    must(waiting(SHORT) >= 50 and waiting(LONG) >= 50, "the events wait in the streams")
    notes["cut"] = True
    notes.save()
    print("     100 events wait in two streams")
    sys.stdout.flush()
    # What holds the tables must not end before the machine does.
    os._exit(0) if os.fork() else signal.pause()


def after_cut():
    """After a power cut all sockets listen, and what waited is committed without being asked for."""
    for slug in [SHORT, LONG]:
        must(show(f"constintel-instance@{slug}.socket", "ActiveState") == "active",
             f"the socket of {slug} does not listen after the cut")
    listening = max(int(show(f"constintel-instance@{slug}.socket", "ActiveEnterTimestampMonotonic"))
                    for slug in [SHORT, LONG])
    began = int(run("systemctl", "show", "--value", "-p", "UserspaceTimestampMonotonic"))
    print(f"     the sockets listened {(listening - began) / 1e6:.2f} s after systemd began")
    constintel("wait")
    for slug in [SHORT, LONG]:
        seconds = eventually(
            lambda: f"what was in the stream of {slug} is committed without a request: {committed(slug)} of "
            f"{notes['sent'][slug]}, {waiting(slug)} wait",
            lambda: committed(slug) == notes["sent"][slug], 60)
        print(f"     {slug} had everything {seconds:.1f} s after that")
    expect_exact(SHORT, LONG)


def purge():
    """Nothing of a purged brand is left in systemd or in the file system."""
    constintel("brand", "delete", LONG, "--grace-days", "0", "--yes")
    constintel("brand", "purge", LONG, "--confirm", LONG)
    places = [UNITS, "/run/systemd", "/run/constintel", "/run/credentials", "/var/lib/constintel",
              "/var/lib/constintel-instance", "/var/lib/private", "/var/lib/systemd"]
    def left():
        # systemd's own notes of units for the journal, which it keeps until the next boot, are left out.
        return run("find", *places, "-path", "/run/systemd/units", "-prune", "-o", "-name", f"*{LONG}*",
                   "-printf", "%p (%M, %C+)\n").splitlines()

    def units():
        return run("systemctl", "list-units", "--all", "--no-legend", f"*{LONG}*")

    # The purge itself hides it from the edge, and does not leave that to whoever looks after.
    marker = f"/run/constintel/instances/{LONG}.known"
    must(not os.path.exists(marker), f"{marker} outlives the purge; there are {left()}, {units()}")
    eventually(lambda: f"nothing is left of the purged brand; there are {left()}, {units()}", lambda: not left())
    must(not units(), f"systemd still knows {units()}")
    status = Shop(LONG).ask("GET", "/api/monitoring/stats")[0]
    must(status == 404, f"the edge answers {status} for a purged brand")
    expect_exact(SHORT)


def mapped_files(slug):
    """The files that a brand's process has mapped: its program, libraries and what they read."""
    pid = show(service(slug), "MainPID")
    with open(f"/proc/{pid}/maps") as maps:
        return sorted({line.split(maxsplit=5)[5].strip() for line in maps if line.count("/") > 0})


def evict(files):
    """Takes files out of the kernel's cache, as far as nobody else has them mapped."""
    for path in files:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def wake_times():
    """How long a request takes that wakes its brand, through the edge; then with its files out of the cache."""
    shop = Shop(SHORT)
    shop.stats()
    files = mapped_files(SHORT)
    rounds = 200 if SOAK else 20
    for name, count, prepare in [("warm", rounds, lambda: None), ("evicted", rounds // 4, lambda: evict(files))]:
        times = []
        for _ in range(count):
            fall_asleep(SHORT)
            prepare()
            began = time.monotonic()
            shop.stats()
            times.append((time.monotonic() - began) * 1000)
        times.sort()
        p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        print(f"     {len(times)} wakes, {name}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, load {os.getloadavg()[0]:.1f}")


STAGES = {stage.__name__.replace("_", "-"): stage for stage in [
    make_brands, sleep, race_sleep, change_releases, change_daemons, hand_over, hang, backups, wake_times,
    taken_number, before_cut, after_cut, purge]}


def main():
    for name in sys.argv[1:]:
        began = time.monotonic()
        print(f"   {name}: {STAGES[name].__doc__}", flush=True)
        try:
            STAGES[name]()
        except Failure as failure:
            sys.exit(f"journey: {name}: {failure}")
        finally:
            notes.save()
        print(f"     done in {time.monotonic() - began:.1f} s", flush=True)


main()
