"""LangSmith's tracing, exporting over OTLP (LANGSMITH_OTEL_ENABLED, LANGSMITH_OTEL_ONLY)."""

import sys

import openai
from chat import QUESTIONS, find_order, turns
from langsmith import Client, traceable
from langsmith.wrappers import wrap_openai

session, user = sys.argv[1:]
tool = traceable(find_order, run_type="tool", name="find_order")
todo = turns(wrap_openai(openai.OpenAI(max_retries=0)), tool)
client = Client()


@traceable(run_type="chain", name="support-turn", tags=["beta"], client=client)
def support_turn(question):
    return todo[QUESTIONS.index(question)]()


for question in QUESTIONS:
    metadata = {"session_id": session, "user_id": user, "plan": "pro"}
    support_turn(question, langsmith_extra={"metadata": metadata})
client.flush()
from opentelemetry import trace  # the provider that LangSmith set

trace.get_tracer_provider().shutdown()
