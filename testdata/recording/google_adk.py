"""An agent of Google's ADK with a model behind LiteLLM; ADK writes spans of its own."""

import asyncio
import sys

from chat import QUESTIONS, SYSTEM, find_order as look_up
from google.adk.agents import Agent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai import types
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

session, user = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({"service.name": "shop-assistant"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("shop")


def find_order(order_id: str) -> str:
    """Finds an order"""
    return look_up(order_id)


def runner(name, model):
    agent = Agent(name=name, model=LiteLlm(model=model), instruction=SYSTEM["content"], tools=[find_order])
    return InMemoryRunner(agent=agent, app_name="shop")


async def main():
    large, small = runner("shop", "openai/gpt-4o"), runner("shop_small", "openai/gpt-4o-mini")
    for each in (large, small):
        await each.session_service.create_session(app_name="shop", user_id=user, session_id=session)
    for question in QUESTIONS:
        message = types.Content(role="user", parts=[types.Part(text=question)])
        with tracer.start_as_current_span("support-turn", attributes={"user.id": user}):
            try:
                async for _ in large.run_async(user_id=user, session_id=session, new_message=message):
                    pass
            except Exception:  # too long, as scripted
                async for _ in small.run_async(user_id=user, session_id=session, new_message=message):
                    pass


asyncio.run(main())
provider.shutdown()
