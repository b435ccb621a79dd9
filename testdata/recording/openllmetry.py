"""OpenLLMetry's instrumentations of OpenAI and Anthropic, with the association properties that traceloop-sdk would set."""

import sys

import anthropic
import openai
from chat import QUESTIONS, SYSTEM, find_order, turns
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider_name, session, user = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({"service.name": "shop-assistant"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
if provider_name == "openai":
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()
else:
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor

    AnthropicInstrumentor().instrument()

tracer = trace.get_tracer("shop")


def tool(order_id):
    with tracer.start_as_current_span("find_order.tool") as span:
        span.set_attribute("traceloop.span.kind", "tool")
        span.set_attribute("traceloop.entity.name", "find_order")
        span.set_attribute("traceloop.entity.input", f'{{"order_id": "{order_id}"}}')
        result = find_order(order_id)
        span.set_attribute("traceloop.entity.output", result)
        return result


def anthropic_turns(client):
    system = SYSTEM["content"]
    schema = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
    tools = [{"name": "find_order", "description": "Finds an order", "input_schema": schema}]

    def create(question, model="claude-sonnet-4-5", **more):
        messages = question if isinstance(question, list) else [{"role": "user", "content": question}]
        return client.messages.create(model=model, system=system, messages=messages, max_tokens=300, **more)

    def first():
        reply = create(QUESTIONS[0], tools=tools)
        call = reply.content[0]
        result = {"type": "tool_result", "tool_use_id": call.id, "content": tool(**call.input)}
        messages = [{"role": "user", "content": QUESTIONS[0]}, {"role": "assistant", "content": [call.model_dump(exclude_none=True)]}]
        return create([*messages, {"role": "user", "content": [result]}], tools=tools).content[0].text

    def second():
        said = [event.delta.text for event in create(QUESTIONS[1], stream=True) if event.type == "content_block_delta"]
        return "".join(said)

    def third():
        try:
            create(QUESTIONS[2])
        except Exception:  # too long, as scripted
            pass
        return create(QUESTIONS[2], model="claude-haiku-4-5").content[0].text

    return [first, second, third]


todo = turns(openai.OpenAI(max_retries=0), tool) if provider_name == "openai" else anthropic_turns(anthropic.Anthropic(max_retries=0))
properties = {"session_id": session, "user_id": user, "plan": "pro"}
for question, turn in zip(QUESTIONS, todo):
    with tracer.start_as_current_span("support_turn.workflow") as root:
        root.set_attribute("traceloop.span.kind", "workflow")
        root.set_attribute("traceloop.workflow.name", "support_turn")
        root.set_attribute("traceloop.entity.name", "support_turn")
        root.set_attribute("traceloop.entity.input", question)
        for key, value in properties.items():
            root.set_attribute(f"traceloop.association.properties.{key}", value)
        root.set_attribute("traceloop.entity.output", turn())
provider.shutdown()
