"""opentelemetry-instrumentation-openai-v2, with the content of messages as it is told to send it."""

import os
import sys

import openai
from chat import QUESTIONS, find_order, turns
from opentelemetry import _logs, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

session, user = sys.argv[1:]
resource = Resource.create({"service.name": "shop-assistant", "deployment.environment.name": "staging"})
spans = TracerProvider(resource=resource)
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(spans)
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
_logs.set_logger_provider(logs)
OpenAIInstrumentor().instrument()

tracer = trace.get_tracer("shop")


def tool(order_id):
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find_order"}
    with tracer.start_as_current_span("execute_tool find_order", attributes=attributes):
        return find_order(order_id)


for question, turn in zip(QUESTIONS, turns(openai.OpenAI(max_retries=0), tool)):
    with tracer.start_as_current_span("support-turn", attributes={"session.id": session, "user.id": user}) as root:
        root.set_attribute("input.value", question)
        root.set_attribute("output.value", turn())
spans.shutdown()
logs.shutdown()
