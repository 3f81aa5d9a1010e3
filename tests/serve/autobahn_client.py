#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs cases of Autobahn's WebSocket test suite against an echo server, one after the other.

usage: autobahn_client.py SUITE URL [GROUP...]

The suite (package autobahntestsuite) is written in Python 2. What it checks is in its case classes,
which talk to a protocol object that its fuzzing client gives them. Here the same classes are read
from SUITE, the folder of that package, as they are, made Python 3 in memory, and given a protocol
object over today's package autobahn.

Prints a list of JSON objects: "case", "behavior" and "close" (the suite's verdicts on what came
and on how the connection ended), "result" and "close_result" (its reasons).
"""
import asyncio
import functools
import importlib.machinery
import json
import os
import re
import ssl
import sys
import traceback
import urllib.parse

from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.protocol import WebSocketProtocol

# The suite waits half a second or one for an answer before it gives up. On a loaded machine that
# is no verdict on the server, so these waits are so many times longer; pauses between what a case
# sends are as the suite has them.
PATIENCE = 20
CASE_SECONDS = 300  # a case that takes longer has failed

# A string of Python 2 is octets: the cases keep theirs as text with one character for each octet.
OCTETS = "latin-1"
# What makes their Python 2 Python 3.
RULES = [(re.compile(pattern, re.MULTILINE), to) for pattern, to in (
    (r"^(\s*)print\b ?(.*)$", r"\1print(\2)"),
    (r"\bxrange\b", "range"),
    (r"\(object, Case, \)", "(Case,)"),
    (r"len\(self\.payload\) / ", "len(self.payload) // "),
    (r"\.validate\(vss\[:i\]\)", f'.validate(vss[:i].encode("{OCTETS}"))'),
    (r"binascii\.b2a_hex\(", "ascii("),  # in descriptions
    (r", pkg_resources\b", ""),
    (r'pkg_resources\.resource_filename\("autobahntestsuite", ', 'os.path.join(os.environ["SUITE"], '),
    # parameters of the library that have new names
    (r"\b(request|accept)NoContextTakeover\b", r"\1_no_context_takeover"),
    (r"\b(request|accept)MaxWindowBits\b", r"\1_max_window_bits"),
    (r"^from case9_9_1 import \*$", ""),  # needs Twisted; the suite does not list it either
)]


class Python2Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, data, path, *, _optimization=-1):
        text = data.decode(OCTETS).replace("\r\n", "\n")
        for pattern, to in RULES:
            text = pattern.sub(to, text)
        return compile(text, path, "exec", dont_inherit=True)

    def get_code(self, fullname):  # never from __pycache__, which may be of other rules
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def load_cases(suite):
    """The classes of the suite in its order."""
    folder = os.path.join(suite, "case")
    hook = importlib.machinery.FileFinder.path_hook((Python2Loader, [".py"]))

    def hook_for_folder(path):
        if path != folder:
            raise ImportError
        return hook(path)

    os.environ["SUITE"] = suite
    sys.dont_write_bytecode = True
    sys.path_hooks.insert(0, hook_for_folder)
    sys.path.insert(0, folder)  # the cases import one another by their bare names
    import case
    case.Case.compare = lambda self, first, second: first == second  # Python 2 compared pickles
    everything = {}
    exec(Python2Loader("cases", os.path.join(folder, "__init__.py")).get_code("cases"), everything)
    return everything["Cases"]


def case_name(case):
    return case.__name__.removeprefix("Case").replace("_", ".")


def octets(text):
    return text.encode(OCTETS) if isinstance(text, str) else text


def guarded(method):
    """An exception in a case ends the connection and is the result of the case."""
    @functools.wraps(method)
    def call(self, *arguments):
        try:
            method(self, *arguments)
        except Exception:
            self.error = traceback.format_exc()
            self.transport.abort()
    return call


class CaseProtocol(WebSocketClientProtocol):
    """What the suite's FuzzingProtocol gives to a case, over autobahn's client."""

    def __init__(self, case, factory, over):
        super().__init__()
        self.factory = factory
        self.over = over
        self.error = None
        self.connectionWasOpen = False
        self.createWirelog = False
        self.txFrameStats = {}
        self.run_case = case(self)

    # --- events ---

    @guarded
    def onOpen(self):
        self.connectionWasOpen = True
        self.run_case.onOpen()

    @guarded
    def onMessage(self, payload, isBinary):
        self.run_case.onMessage(payload.decode(OCTETS), isBinary)

    @guarded
    def onPong(self, payload):
        self.run_case.onPong(payload.decode(OCTETS))

    @guarded
    def onClose(self, wasClean, code, reason):
        self.run_case.onClose(wasClean, code, reason)

    def _connectionLost(self, reason):
        super()._connectionLost(reason)
        try:
            self.run_case.onConnectionLost(self.failedByMe)
        except Exception:
            self.error = traceback.format_exc()
        if not self.over.done():
            self.over.set_result(None)

    # --- what cases call ---

    def sendFrame(self, opcode, payload=b"", **more):
        super().sendFrame(opcode, octets(payload), **more)

    def sendMessage(self, payload, isBinary=False, **more):
        super().sendMessage(octets(payload), isBinary, **more)

    def sendMessageFrameData(self, payload, **more):
        super().sendMessageFrameData(octets(payload), **more)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        super().sendCloseFrame(code, octets(reasonUtf8), isReply)

    def logTxFrame(self, frameHeader, payload, repeatLength, chopsize, sync):
        count = self.txFrameStats.get(frameHeader.opcode, 0)
        self.txFrameStats[frameHeader.opcode] = count + 1

    def enableWirelog(self, enable):
        self.createWirelog = enable

    def later(self, delay, function):
        def call():
            if self.state != WebSocketProtocol.STATE_CLOSED:
                guarded(lambda self: function())(self)
        self.factory.loop.call_later(delay, call)

    def continueLater(self, delay, function, tag=None):
        self.later(delay, function)

    def killAfter(self, delay):
        self.later(delay * PATIENCE, self._fail_connection)

    def closeAfter(self, delay):
        self.later(delay * PATIENCE, self.sendClose)

    # --- the outcome ---

    def outcome(self):
        case = self.run_case
        error = self.error and self.error.strip()
        return {"case": case_name(type(case)),
                "behavior": "ERROR" if error else case.behavior, "result": error or case.result,
                "close": case.behaviorClose, "close_result": case.resultClose}


async def run(case, url):
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    factory = WebSocketClientFactory(url, loop=loop)
    # Close, do not drop, and wait for the server to do its part.
    factory.setProtocolOptions(failByDrop=False, openHandshakeTimeout=PATIENCE,
                               closeHandshakeTimeout=PATIENCE, serverConnectionDropTimeout=PATIENCE)
    factory.logFrames = True
    protocol = CaseProtocol(case, factory, over)
    target = urllib.parse.urlsplit(url)
    context = None
    if target.scheme == "wss":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the server makes its certificate itself
    transport, _ = await loop.create_connection(lambda: protocol, target.hostname, target.port,
                                                ssl=context)
    try:
        await asyncio.wait_for(over, CASE_SECONDS)
    except asyncio.TimeoutError:
        protocol.error = f"not over after {CASE_SECONDS} s"
        transport.abort()
    return protocol.outcome()


async def run_all(cases, url):
    return [await run(case, url) for case in cases]


def main():
    suite, url, *groups = sys.argv[1:]
    cases = [case for case in load_cases(os.path.abspath(suite))
             if not groups or case_name(case).split(".")[0] in groups]
    json.dump(asyncio.run(run_all(cases, url)), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
