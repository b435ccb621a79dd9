"""A stand-in for a model: answers like OpenAI's and Anthropic's HTTP interfaces, by script.

Every call is said to have used 100 input tokens, 64 of them cached, and 20 output tokens, 8 of them reasoning.
"""

import json
from http.server import BaseHTTPRequestHandler

SERVED = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}
TOO_LONG = "This model's maximum context length is 128000 tokens. However, your messages resulted in 213004 tokens."
ANSWERS = {
    "order 4417?": "Order 4417 has left our workshop and should reach you on 24 November.",
    "Bahnhofstra": "Done: order 4417 now goes to Bahnhofstraße 3 in Zürich.",
    "mail archive": "I could only read the last twenty messages: your refund was approved on 18 November.",
}
SMALL = ("gpt-4o-mini", "claude-haiku-4-5")


def texts(content):
    """All that somebody says in a message's content, however it is wrapped; what a tool found is not said."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        if content.get("type") in ("tool_result", "function_call_output"):
            return ""
        return " ".join(texts(content[key]) for key in ("text", "content", "output") if key in content)
    return " ".join(map(texts, content or []))


def answer(request):
    """What the script says next: an error, a tool call or a text."""
    messages = request.get("messages") or request.get("input") or []
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    said = [message for message in messages if message.get("role") == "user" and texts(message.get("content")).strip()]
    question = texts(said[-1]["content"]) if said else ""
    last = messages[-1] if messages else {}
    after_tool = last.get("role") == "tool" or last.get("type") == "function_call_output" or "tool_result" in json.dumps(last)
    if "mail archive" in question and request["model"] not in SMALL:
        return "error", None
    if "order 4417?" in question and request.get("tools") and not after_tool:
        return "tool", {"order_id": "4417"}
    return "text", next((text for words, text in ANSWERS.items() if words in question), "Hello.")


class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/messages"):
            self.answer_messages(request)
        elif self.path.endswith("/responses"):
            self.answer_responses(request)
        else:
            self.answer_chat(request)

    def answer_chat(self, request):
        what, said = answer(request)
        if what == "error":
            error = {"message": TOO_LONG, "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}
            return self.reply(400, {"error": error})
        message, reason = {"role": "assistant", "content": said}, "stop"
        if what == "tool":
            function = {"name": "find_order", "arguments": json.dumps(said)}
            message, reason = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_4417", "type": "function", "function": function}]}, "tool_calls"
        base = {"id": "chatcmpl-1", "created": 1795262400, "model": SERVED[request["model"]], "service_tier": "default"}
        usage = {
            "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 8},
        }
        if not request.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
            return self.reply(200, {**base, "object": "chat.completion", "choices": [choice], "usage": usage})
        calls = [{"index": 0, **call} for call in message.get("tool_calls", [])]
        deltas = [{"role": "assistant", "content": ""}]
        deltas += [{"tool_calls": calls}] if calls else [{"content": word + " "} for word in said.split(" ")[:-1]] + [{"content": said.split(" ")[-1]}]
        chunks = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas] + [{"index": 0, "delta": {}, "finish_reason": reason}]
        lines = [{**base, "object": "chat.completion.chunk", "choices": [chunk]} for chunk in chunks]
        if (request.get("stream_options") or {}).get("include_usage"):
            lines.append({**base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        self.stream([f"data: {json.dumps(line)}\n\n" for line in lines] + ["data: [DONE]\n\n"])

    def answer_messages(self, request):
        what, said = answer(request)
        if what == "error":
            return self.reply(400, {"type": "error", "error": {"type": "invalid_request_error", "message": TOO_LONG}})
        block = {"type": "text", "text": said}
        if what == "tool":
            block = {"type": "tool_use", "id": "toolu_4417", "name": "find_order", "input": said}
        usage = {"input_tokens": 26, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 64, "output_tokens": 20}
        whole = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": SERVED[request["model"]], "content": [block],
            "stop_reason": "tool_use" if what == "tool" else "end_turn", "stop_sequence": None, "usage": usage,
        }
        if not request.get("stream"):
            return self.reply(200, whole)
        start = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        events = [{"type": "message_start", "message": start}]
        events.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
        events += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}} for part in (said[:9], said[9:])]
        events.append({"type": "content_block_stop", "index": 0})
        events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 20}})
        events.append({"type": "message_stop"})
        self.stream([f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events])

    def answer_responses(self, request):
        what, said = answer(request)
        if what == "error":
            error = {"message": TOO_LONG, "type": "invalid_request_error", "param": "input", "code": "context_length_exceeded"}
            return self.reply(400, {"error": error})
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": said, "annotations": []}]}
        if what == "tool":
            item = {"id": "fc_1", "type": "function_call", "call_id": "call_4417", "name": "find_order",
                    "arguments": json.dumps(said), "status": "completed"}
        usage = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 64}, "output_tokens": 20,
                 "output_tokens_details": {"reasoning_tokens": 8}, "total_tokens": 120}
        self.reply(200, {
            "id": "resp_1", "object": "response", "created_at": 1795262400, "status": "completed", "model": SERVED[request["model"]],
            "output": [item], "usage": usage, "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
            "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        })

    def reply(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, lines):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for line in lines:
            self.wfile.write(line.encode())
            self.wfile.flush()
        self.close_connection = True
