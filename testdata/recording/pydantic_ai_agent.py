"""An agent of pydantic-ai, told of by logfire, which sends to any OTLP endpoint."""

import sys

import logfire
from chat import QUESTIONS, SYSTEM, find_order
from opentelemetry import baggage, context
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel

session, user = sys.argv[1:]
logfire.configure(send_to_logfire=False, console=False, service_name="shop-assistant", environment="staging")
logfire.instrument_pydantic_ai()
large, small = Agent(OpenAIChatModel("gpt-4o"), system_prompt=SYSTEM["content"], name="shop"), Agent(
    OpenAIChatModel("gpt-4o-mini"), system_prompt=SYSTEM["content"], name="shop-small")


@large.tool_plain(name="find_order")
def tool(order_id: str) -> str:
    """Finds an order"""
    return find_order(order_id)


def streamed(question):
    result = large.run_stream_sync(question, conversation_id=session)
    return "".join(result.stream_text(delta=True))


def falling_back(question):
    try:
        large.run_sync(question, conversation_id=session)
    except Exception:  # too long, as scripted
        pass
    return small.run_sync(question, conversation_id=session).output


turns = [lambda q: large.run_sync(q, conversation_id=session).output, streamed, falling_back]
for question, turn in zip(QUESTIONS, turns):
    token = context.attach(baggage.set_baggage("user.id", user))
    with logfire.span("support-turn", _tags=["beta"]) as span:
        span.set_attribute("user.id", user)
        turn(question)
    context.detach(token)
logfire.shutdown()
