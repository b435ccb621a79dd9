#!/usr/bin/env python3
"""Takes out of recorded requests what tells of the machine they were recorded on.

    scrub.py FOLDER [PATH...]

Resource attributes of the host, the process and the operating system go; each PATH, wherever it is said, becomes /app.
Requests without any of it stay as they are. Needs opentelemetry-proto.
"""

import gzip
import json
import sys
from pathlib import Path

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

OF_THE_MACHINE = ("host.", "process.", "os.")
# A version that is read from whatever repository the recording ran in.
OF_THE_PLACE = ("service.version", "langsmith.metadata.revision_id")


def without_paths(text, paths):
    for path in paths:
        text = text.replace(path, "/app")
    return text


def scrub_message(message, paths):
    if message.DESCRIPTOR.name == "Resource":
        kept = [a for a in message.attributes if not a.key.startswith(OF_THE_MACHINE) and a.key not in OF_THE_PLACE]
        del message.attributes[:]
        message.attributes.extend(kept)
    if message.DESCRIPTOR.name == "Span":
        kept = [a for a in message.attributes if a.key not in OF_THE_PLACE]
        if len(kept) < len(message.attributes):
            del message.attributes[:]
            message.attributes.extend(kept)
    for field, value in message.ListFields():
        if isinstance(value, str):
            setattr(message, field.name, without_paths(value, paths))
        elif isinstance(value, Message):
            scrub_message(value, paths)
        elif field.message_type:
            for each in value:
                scrub_message(each, paths)


def scrub_json(value, paths):
    if isinstance(value, str):
        return without_paths(value, paths)
    if isinstance(value, list):
        machine = lambda each: isinstance(each, dict) and str(each.get("key", "")).startswith(OF_THE_MACHINE)
        return [scrub_json(each, paths) for each in value if not machine(each)]
    if isinstance(value, dict):
        return {key: scrub_json(each, paths) for key, each in value.items()}
    return value


def scrubbed(body, about, paths):
    if "json" in (about["content_type"] or ""):
        return json.dumps(scrub_json(json.loads(body), paths), ensure_ascii=False, separators=(",", ":")).encode()
    kind = ExportLogsServiceRequest if about["path"].endswith("/logs") else ExportTraceServiceRequest
    request = kind.FromString(body)
    before = request.SerializeToString()
    scrub_message(request, paths)
    after = request.SerializeToString()
    return body if after == before else after


def main(folder, *paths):
    for meta in sorted(Path(folder).glob("[0-9][0-9][0-9].json")):
        about = json.loads(meta.read_text())
        body = meta.with_suffix(".body").read_bytes()
        packed = about["content_encoding"] == "gzip"
        plain = gzip.decompress(body) if packed else body
        clean = scrubbed(plain, about, paths)
        if clean != plain:
            body = gzip.compress(clean, mtime=0) if packed else clean
            meta.with_suffix(".body").write_bytes(body)
            if "content-length" in about["headers"]:
                about["headers"]["content-length"] = str(len(body))
        about["headers"]["host"] = "127.0.0.1"
        meta.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
