"""MLflow's tracing with its autolog of OpenAI, exporting over OTLP."""

import sys

import mlflow
import openai
from chat import QUESTIONS, find_order, turns

session, user = sys.argv[1:]
mlflow.openai.autolog()
tool = mlflow.trace(find_order, name="find_order", span_type="TOOL")
todo = turns(openai.OpenAI(max_retries=0), tool)


@mlflow.trace(name="support-turn", span_type="CHAIN")
def support_turn(question):
    # What is said of a trace stays with MLflow's own server, but for tags: over OTLP only attributes of spans are sent.
    mlflow.update_current_trace(tags={"plan": "pro"})
    mlflow.get_current_active_span().set_attributes({"mlflow.trace.session": session, "mlflow.trace.user": user})
    return todo[QUESTIONS.index(question)]()


for question in QUESTIONS:
    support_turn(question)
mlflow.flush_trace_async_logging(terminate=True)
