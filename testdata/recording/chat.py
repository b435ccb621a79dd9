"""The conversation that every Python client is recorded with, against OpenAI's interface."""

import json

SYSTEM = {"role": "system", "content": "You are the assistant of a small shop."}
QUESTIONS = [
    "Hi, where is my order 4417?",
    "Please deliver it to Bahnhofstraße 3, Zürich instead ☕",
    "Now summarise my whole mail archive about the refund.",
]
TOOLS = [{
    "type": "function",
    "function": {
        "name": "find_order", "description": "Finds an order",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
    },
}]


def find_order(order_id):
    return json.dumps({"order": order_id, "status": "shipped", "due": "2026-11-24"})


def first_turn(client, tool=find_order):
    """A call that asks for a tool, the tool, a second call."""
    messages = [SYSTEM, {"role": "user", "content": QUESTIONS[0]}]
    reply = client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS, temperature=0.2)
    call = reply.choices[0].message.tool_calls[0]
    messages.append(reply.choices[0].message.model_dump(exclude_none=True))
    result = tool(**json.loads(call.function.arguments))
    messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS).choices[0].message.content


def second_turn(client):
    """A streamed answer."""
    messages = [SYSTEM, {"role": "user", "content": QUESTIONS[1]}]
    stream = client.chat.completions.create(
        model="gpt-4o", messages=messages, stream=True, stream_options={"include_usage": True})
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def third_turn(client):
    """A call that fails, and a smaller model that answers."""
    messages = [SYSTEM, {"role": "user", "content": QUESTIONS[2]}]
    try:
        client.chat.completions.create(model="gpt-4o", messages=messages)
    except Exception:  # too long, as scripted
        pass
    return client.chat.completions.create(model="gpt-4o-mini", messages=messages, max_tokens=200).choices[0].message.content


def turns(client, tool=find_order):
    return [lambda: first_turn(client, tool), lambda: second_turn(client), lambda: third_turn(client)]
