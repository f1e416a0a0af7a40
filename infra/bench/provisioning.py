#!/usr/bin/env python3
"""Provisions brands one after another, and beside them what others would do, on the same server.

Each of the first rounds is a brand, then bare psql with the statements that the brand's plan lists, then a tenant of
django-tenants with as many tables and indexes; the last two are dropped again, which is not counted. The
percentiles are by nearest rank: of 50 rounds, p99 is the slowest.
"""
import argparse
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import time

import tenants
from load import connect, exchange, request

PATIENCE = 60
# Between two tries to send the first event.
PAUSE = 0.005


class Refused(Exception):
    """An answer that was not expected."""


class Service:
    """The installation under test, and its database server."""

    def __init__(self, state, edge):
        self.state = pathlib.Path(state)
        self.edge = edge
        self.operator = f"unix:{self.state}/run/operator.sock"
        self.password = (self.state / "secrets/postgres-password").read_text().strip()

    def send(self, target, method, path, key="", body=None):
        connection = connect(target)
        try:
            return exchange(connection, request(method, path, key, json.dumps(body).encode() if body else b""))
        finally:
            connection.close()

    def ask(self, method, path, body=None, expected=200):
        """A request to the control plane; gives the answer's JSON."""
        status, answer = self.send(self.operator, method, path, body=body)
        if status != expected:
            raise Refused(f"{method} {path}: {status} {answer[:300]}")
        return json.loads(answer[answer.index(b"{"):answer.rindex(b"}") + 1])

    def finish(self, operation):
        """Follows an operation by its server-sent events to its end."""
        connection = connect(self.operator)
        try:
            connection.settimeout(PATIENCE)
            connection.sendall(request("GET", f"/api/admin/operations/{operation}/events", ""))
            seen = b""
            while not (ended := re.search(rb'"state":"(done|failed|stuck|cancelled)","step":', seen)):
                piece = connection.recv(65536)
                if not piece:
                    raise Refused(f"the events of {operation} broke off")
                seen = seen[-200:] + piece
            if ended[1] != b"done":
                raise Refused(f"{operation} is {ended[1].decode()}")
        finally:
            connection.close()

    def psql(self, *arguments, text=None):
        environment = os.environ | {"PGPASSWORD": self.password}
        command = ["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-h", f"{self.state}/run", "-U", "constintel"]
        done = subprocess.run(
            [*command, "-d", "constintel_brands", *arguments], input=text, text=True, env=environment,
            capture_output=True, check=False)
        if done.returncode:
            raise Refused(f"psql: {done.stderr}")
        return done.stdout.strip()


class Brand:
    """A brand from the request for it to its first event, with the moments between."""

    def __init__(self, service, number):
        self.service = service
        self.slug = f"bench{number:03d}"
        begun = time.perf_counter()
        operation = service.ask("POST", "/api/admin/brands", {"slug": self.slug, "plan": "pro"}, expected=202)
        service.finish(operation["id"])
        self.active = time.perf_counter() - begun
        self.key = service.ask(
            "POST", f"/api/admin/brands/{self.slug}/keys", {"name": "bench"}, expected=201)["key"]
        self.keyed = time.perf_counter() - begun
        self.tries = self.send_event(begun + PATIENCE)
        self.accepted = time.perf_counter() - begun

    def send_event(self, deadline):
        event = {
            "eventId": "first", "type": "page_view", "channel": "web", "identifiers": {"email": "a@example.com"},
            "occurredAt": "2026-01-31T10:00:00Z", "properties": {"page": "/"},
        }
        tries = 1
        while (answer := self.service.send(self.service.edge, "POST", "/api/events", self.key, event))[0] != 202:
            if time.perf_counter() > deadline:
                raise Refused(f"the first event of {self.slug}: {answer}")
            tries += 1
            time.sleep(PAUSE)
        return tries

    def answers(self):
        """Whether the brand counts the one event that it was sent."""
        for _ in range(100):
            status, body = self.service.send(self.service.edge, "GET", "/api/monitoring/stats", self.key)
            if status == 200 and json.loads(body)["events"] == 1:
                return True
            time.sleep(0.05)
        return False


class BareDDL:
    """The statements of a brand's two steps in the database, each step a transaction, run by psql."""

    def __init__(self, service, schema_file, verifier):
        self.service = service
        self.tables = pathlib.Path(schema_file).read_text()
        self.verifier = verifier

    def script(self, slug):
        plan = self.service.ask("POST", "/api/admin/brands?plan=true", {"slug": slug, "plan": "pro"})
        statements = {
            step["name"]: [effect["action"] for effect in step["effects"]] for step in plan["steps"]}
        roles = ";\n".join(statements["createRoles"])
        for placeholder, value in [
            ("<of the plan>", "16"), ("<password>", self.verifier), ("<brands database>", "constintel_brands"),
        ]:
            roles = roles.replace(placeholder, value)
        schema, _, *grants = statements["createSchema"]
        return (
            f"begin;\n{roles};\ncommit;\nbegin;\n{schema};\nset local role owner_{slug};\n"
            f"set local search_path = brand_{slug};\n{self.tables}\n" + "\n".join(grants) + "\ncommit;\n")

    def measure(self, number):
        slug = f"bare{number:03d}"
        text = self.script(slug)
        begun = time.perf_counter()
        self.service.psql("-f", "-", text=text)
        taken = time.perf_counter() - begun
        for role in f"brand_{slug}", f"owner_{slug}":
            self.service.psql("-c", f"drop owned by {role} cascade", "-c", f"drop role {role}")
        return taken


def size_of(service, slug):
    """How many tables and indexes a brand's schema has."""
    count = (
        "select count(*) filter (where relkind in ('r', 'p')), count(*) filter (where relkind in ('i', 'I'))"
        f" from pg_class where relnamespace = 'brand_{slug}'::regnamespace")
    return [int(number) for number in service.psql("-c", count).split("|")]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def row(name, values, floor):
    p50, p99 = percentile(values, 0.50), percentile(values, 0.99)
    print(f"{name:46} {p50 * 1000:8.0f} {p99 * 1000:8.0f} {p50 / floor:8.2f}", flush=True)


def descendants(root):
    """The ids of a process and of all that it has begun."""
    children = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def megabytes(process, file="status", field="VmRSS"):
    try:
        text = pathlib.Path(f"/proc/{process}/{file}").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0


def show_processes(name, service, daemon):
    processes = descendants(daemon)
    sessions = service.psql("-c", "select count(*) from pg_stat_activity where backend_type = 'client backend'")
    total = sum(megabytes(process, "smaps_rollup", "Pss") for process in processes)
    print(
        f"{name:46} constinteld {megabytes(daemon):.0f} MB, {len(processes)} processes {total:.0f} MB, "
        f"{sessions} sessions", flush=True)


def compare(options, service, first, ddl, django):
    """The rounds; gives the brands."""
    brands, bare, others = [first], [], []
    for number in range(1, options.rounds + 1):
        if number > 1:
            brands.append(Brand(service, number))
        bare.append(ddl.measure(number))
        if django:
            others.append(django.measure(number))
    floor = percentile(bare, 0.50)
    print(f"{f'{options.rounds} rounds':46} {'p50 ms':>8} {'p99 ms':>8} {'of psql':>8}")
    row("bare DDL by psql", bare, floor)
    if others:
        row("django-tenants", others, floor)
    row("brand, from POST to the first event accepted", [brand.accepted for brand in brands], floor)
    row("  POST until the operation is done", [brand.active for brand in brands], floor)
    row("  creating a key", [brand.keyed - brand.active for brand in brands], floor)
    row("  the first event", [brand.accepted - brand.keyed for brand in brands], floor)
    tries = [brand.tries for brand in brands]
    print(f"{'  tries of the first event':46} {percentile(tries, 0.5):8} {percentile(tries, 0.99):8}")
    return brands


def grow(options, service, brands):
    """Provisions the rest of the brands, and looks at all of them."""
    for number in range(len(brands) + 1, options.brands + 1):
        brands.append(Brand(service, number))
    times = [brand.accepted * 1000 for brand in brands]
    ten = min(10, len(times))
    print(
        f"{f'{len(brands)} brands':46} first {times[0]:.0f} ms, last {times[-1]:.0f} ms; median of the first {ten} "
        f"{statistics.median(times[:ten]):.0f} ms, of the last {ten} {statistics.median(times[-ten:]):.0f} ms")
    show_processes(f"with {len(brands)} brands", service, options.daemon)
    answering = sum(brand.answers() for brand in brands)
    print(f"{'brands that answer':46} {answering} of {len(brands)}")
    if answering < len(brands):
        raise SystemExit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", required=True, help="the state directory of the service")
    parser.add_argument("--edge", required=True, help="HOST:PORT")
    parser.add_argument("--daemon", required=True, type=int, help="the id of constinteld's process")
    parser.add_argument("--schema", required=True, help="the file of the tenant schema")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--brands", type=int, default=200)
    parser.add_argument("--django", help="a directory for a Django project; without it there is none")
    options = parser.parse_args()

    service = Service(options.state, options.edge)
    show_processes("without brands", service, options.daemon)
    first = Brand(service, 1)
    tables, indexes = size_of(service, first.slug)
    print(f"{'a brand has':46} {tables} tables, {indexes} indexes")
    verifier = service.psql("-c", f"select rolpassword from pg_authid where rolname = 'brand_{first.slug}'")
    django = None
    if options.django:
        django = tenants.Tenants(options.django, service, tables, indexes)
        print(f"{'a tenant of django-tenants has':46} {django.tables} tables, {django.indexes} indexes")
    brands = compare(options, service, first, BareDDL(service, options.schema, verifier), django)
    grow(options, service, brands)


if __name__ == "__main__":
    main()
