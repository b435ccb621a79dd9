#!/usr/bin/env python3
"""Records what a telemetry client sends.

    record.py FOLDER COMMAND...

Runs the command with a recorder and a scripted model beside it, both on free ports of loopback, and writes each
request that the recorder gets into FOLDER as NNN.body and NNN.json. The command finds the recorder in RECORDER and
OTEL_EXPORTER_OTLP_ENDPOINT, the model in OPENAI_BASE_URL and ANTHROPIC_BASE_URL.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from model import Model

SECRET = ("authorization", "x-api-key", "api-key")


class Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()
    count = 0
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def take(self):
        body = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        for name in SECRET:
            if name in headers:
                headers[name] = f"{headers[name].split()[0]} dummy" if " " in headers[name] else "dummy"
        about = {
            "method": self.command, "path": self.path, "headers": headers,
            "content_type": headers.get("content-type"), "content_encoding": headers.get("content-encoding"),
        }
        # Metrics are counted and dropped: nothing to keep.
        if not self.path.endswith("/metrics"):
            with self.lock:
                Recorder.count += 1
                path = self.folder / f"{Recorder.count:03}.body"
            path.write_bytes(body)
            path.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
        self.answer(headers.get("content-type") or "")

    do_GET = do_POST = do_PUT = do_PATCH = take

    def answer(self, content_type):
        status, body = 200, b"{}"
        if "protobuf" in content_type:
            body = b""
        elif self.path.endswith("/ingestion"):
            status, body = 207, b'{"successes":[],"errors":[]}'
        elif self.path.endswith("/projects"):
            body = b'{"data":[{"id":"p","name":"p","organization":{"id":"o","name":"o"},"metadata":{}}]}'
        self.send_response(status)
        self.send_header("content-type", content_type or "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def main(folder, *command):
    Recorder.folder = Path(folder)
    Recorder.folder.mkdir(parents=True, exist_ok=True)
    for old in Recorder.folder.glob("[0-9][0-9][0-9].*"):
        old.unlink()
    recorder, model = serve(Recorder), serve(Model)
    environment = {
        **os.environ,
        "RECORDER": recorder, "OTEL_EXPORTER_OTLP_ENDPOINT": recorder, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OPENAI_BASE_URL": f"{model}/v1", "ANTHROPIC_BASE_URL": model,
        "OPENAI_API_KEY": "dummy", "ANTHROPIC_API_KEY": "dummy", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
    }
    status = subprocess.run(command, env=environment, check=False).returncode
    print(f"{Recorder.count} requests in {folder}, the client ended with {status}")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
