"""A small blocking HTTP/2 client for the tests, upon the package h2: it can do what a browser never
would. WebSocket frames are made and read by the package wsproto."""
import collections
import socket
import ssl

import h2.config
import h2.connection
import h2.events
import h2.settings
import wsproto.frame_protocol as frames

ENDS = (h2.events.StreamEnded, h2.events.StreamReset, h2.events.ConnectionTerminated)


class Answer:
    def __init__(self):
        self.informational = []
        self.headers = {}
        self.trailers = {}
        self.body = bytearray()
        self.ended = False
        self.reset = None  # the error code

    @property
    def status(self):
        return int(self.headers.get(":status", 0))


class Client:
    """One connection. `window` False: nothing that is read is given back to the windows."""

    def __init__(self, server, window=True, settings=None, receive_buffer=None):
        plain = socket.socket()
        plain.settimeout(60)
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.connect(("127.0.0.1", server.port))
        context = ssl.create_default_context(cafile=server.cert)
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        assert self.socket.selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False))
        self.h2.local_settings.update(settings or {})
        self.window = window
        self.answers = collections.defaultdict(Answer)
        self.terminated = None  # the error code of a GOAWAY
        self.closed = False
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def take(self, event):
        if isinstance(event, h2.events.ConnectionTerminated):
            self.terminated = event.error_code
            # The package takes that for the end; streams that are open may go on (6.8).
            self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
            return
        answer = self.answers[getattr(event, "stream_id", 0)]
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer.informational.append(dict(event.headers))
        elif isinstance(event, h2.events.ResponseReceived):
            answer.headers = dict(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.window and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = event.error_code

    def pump(self):
        """One read of what comes."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            self.take(event)
        try:
            self.flush()
        except (ConnectionError, ssl.SSLError):
            self.closed = True

    def until(self, condition):
        while not condition():
            assert not self.closed, f"closed, GOAWAY {self.terminated}"
            self.pump()

    def start(self, method, path, headers=(), end=True, authority="localhost", **pseudo):
        stream = self.h2.get_next_available_stream_id()
        first = [(":method", method), (":scheme", "https"), (":path", path),
                 (":authority", authority)]
        first += [(f":{name}", value) for name, value in pseudo.items()]
        self.h2.send_headers(stream, [*first, *headers], end_stream=end)
        self.flush()
        return stream

    def send(self, stream, data, end=True):
        """As the windows allow."""
        view = memoryview(data)
        while True:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size,
                       len(view))
            if room == 0 and len(view) > 0:
                self.pump()
                continue
            last = room == len(view)
            self.h2.send_data(stream, bytes(view[:room]), end_stream=end and last)
            self.flush()
            view = view[room:]
            if last:
                return

    def answer(self, stream):
        answer = self.answers[stream]
        self.until(lambda: answer.ended or answer.reset is not None)
        return answer

    def get(self, path, headers=(), method="GET"):
        return self.answer(self.start(method, path, headers))


class WebSocket:
    """RFC 8441: a stream of a Client that carries WebSocket frames."""

    def __init__(self, client, path, subprotocols=(), version="13"):
        self.client = client
        headers = [("sec-websocket-version", version)]
        if subprotocols:
            headers.append(("sec-websocket-protocol", ", ".join(subprotocols)))
        client.until(lambda: client.h2.remote_settings.enable_connect_protocol == 1)
        self.stream = client.start("CONNECT", path, headers, end=False, protocol="websocket")
        self.answer = client.answers[self.stream]
        client.until(lambda: self.answer.status or self.answer.reset is not None)
        self.protocol = frames.FrameProtocol(client=True, extensions=[])
        self.taken = 0
        self.received = collections.deque()

    def send(self, payload, fin=True):
        self.client.send(self.stream, self.protocol.send_data(payload, fin=fin), end=False)

    def raw(self, data, end=False):
        self.client.send(self.stream, data, end=end)

    def ping(self, payload):
        self.raw(self.protocol.ping(payload))

    def close(self, code, reason=""):
        self.raw(self.protocol.close(code, reason))

    def frame(self):
        """The next one: opcode and payload, a message whole; None: the stream has ended."""
        parts = None
        while True:
            for frame in self.protocol.received_frames():
                payload = frame.payload
                if not frame.message_finished or parts is not None:
                    parts = payload if parts is None else parts + payload
                    payload = parts
                if frame.message_finished:
                    return frame.opcode, payload
            if self.taken == len(self.answer.body) and (
                    self.answer.ended or self.answer.reset is not None):
                return None
            if self.taken == len(self.answer.body):
                self.client.until(lambda: len(self.answer.body) > self.taken or self.answer.ended
                                  or self.answer.reset is not None)
            data = self.answer.body[self.taken:]
            self.taken += len(data)
            self.protocol.receive_bytes(bytes(data))

    def message(self):
        return self.frame()[1]
