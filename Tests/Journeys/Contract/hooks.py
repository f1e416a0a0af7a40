"""What schemathesis must be told to try our documents; named by SCHEMATHESIS_HOOKS."""

import json

import schemathesis
from hypothesis.internal import lambda_sources

# hypothesis parses the source of each function that it may have to show. Python 3.11's parser fails there when
# it is called from deep down, and nobody needs to see them.
lambda_sources.lambda_description = lambda function: "a function"


@schemathesis.serializer("application/x-ndjson", "application/ndjson", "application/jsonl")
def lines(ctx, value):
    """One document a line; a text is sent as it is."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, list):
        return "\n".join(json.dumps(item) for item in value).encode()
    return str(value).encode("utf-8", "replace")


@schemathesis.serializer("application/offset+octet-stream")
def piece(ctx, value):
    """A piece of a file, as it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def map_query(ctx, query):
    """An answer that never ends has tests of its own."""
    if query:
        query.pop("follow", None)
    return query
