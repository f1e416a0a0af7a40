"""Sends a file by tuspy, as PyPI has it, up to a place, and prints the upload's address.

With an address it goes on with what was sent before.
"""

import sys

from tusclient import client


def main():
    endpoint, key, path, stop_at, url = sys.argv[1:]
    tus = client.TusClient(endpoint, headers={"Authorization": f"Bearer {key}"})
    uploader = tus.uploader(path, chunk_size=100_000, metadata={"filename": "orders.csv"}, url=url or None)
    uploader.upload(stop_at=int(stop_at) or None)
    print(uploader.url)


main()
