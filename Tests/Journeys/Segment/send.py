"""Makes the calls on its standard input by an SDK as PyPI has it, and waits until all are sent.

Prints what the SDK says of batches that it has given up, as a list.
"""

import datetime
import json
import sys


def main():
    name, host, key, options = sys.argv[1:]
    if name == "segment":
        from segment.analytics.client import Client
    else:
        from rudderstack.analytics.client import Client
    failures = []
    client = Client(
        key, host=host, on_error=lambda error, batch: failures.append(f"{error}"), **json.loads(options))
    for call in json.load(sys.stdin):
        arguments = call["arguments"]
        if "timestamp" in arguments:
            arguments["timestamp"] = datetime.datetime.fromisoformat(arguments["timestamp"])
        getattr(client, call["call"])(**arguments)
    client.flush()
    client.join()
    print(json.dumps(failures))


main()
