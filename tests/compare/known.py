# SPDX-License-Identifier: Apache-2.0
"""What differs from the peers by design, or by theirs, each with its reason (docs/compatibility.md
says the same in words). A difference that no row names is new."""
import collections

Known = collections.namedtuple("Known", "apps part is_it reason")


def is_fault(mine, theirs):
    return b"Internal Server Error" in (mine or b"") and b"Internal Server Error" in (theirs or b"")


# apps: names, or None for all; is_it: of what mse and the peer said
KNOWN = [
    Known(None, "header content-length", lambda mine, theirs: mine is not None and theirs is None,
          "the body is there whole: mse gives its length, the peer sends it in chunks"),
    Known(None, "body", is_fault, "the server's own page for an app that raised"),
    Known(("wsgi",), "header content-type", lambda mine, theirs: theirs == ["text/html"],
          "the server's own page for an app that raised"),
    Known(("wsgi",), "header content-length", lambda mine, theirs: theirs == ["141"],
          "the server's own page for an app that raised"),
    Known(("wsgi",), "header content-length", lambda mine, theirs: mine is None and theirs == ["0"],
          "a 304 has no body: its length would be that of the 200 (RFC 9110, 8.6), which nobody knows"),
    Known(("wsgi",), "header x-first", lambda mine, theirs: mine is None and theirs == ["1"],
          "start_response with exc_info replaces the headers (PEP 3333); gunicorn adds to them"),
    Known(("fastapi",), "header vary", lambda mine, theirs: mine is None,
          "with pathsend Starlette's gzip middleware leaves a file's answer as it is"),
    Known(None, "reason", lambda mine, theirs: {mine, theirs} in (
        {"Range Not Satisfiable", "Requested Range Not Satisfiable"},
        {"Unprocessable Content", "Unprocessable Entity"}),
          "ASGI has no reason phrases: mse says those of RFC 9110, uvicorn those of its Python"),
]


def reason(app, part, mine, theirs):
    for known in KNOWN:
        if known.part == part and (known.apps is None or app in known.apps) and known.is_it(mine, theirs):
            return known.reason
    return None
