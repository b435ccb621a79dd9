"""Laminar's SDK with its own instrumentation of OpenAI."""

import os
import sys
from urllib.parse import urlsplit

import openai
from chat import QUESTIONS, find_order, turns
from lmnr import Laminar, observe

session, user = sys.argv[1:]
recorder = urlsplit(os.environ["RECORDER"])
Laminar.initialize(
    project_api_key="dummy", base_url=f"http://{recorder.hostname}", http_port=recorder.port, force_http=True)
tool = observe(name="find_order", span_type="TOOL")(find_order)
todo = turns(openai.OpenAI(max_retries=0), tool)


@observe(name="support-turn", session_id=session, user_id=user, metadata={"plan": "pro"}, tags=["beta"])
def support_turn(question):
    return todo[QUESTIONS.index(question)]()


for question in QUESTIONS:
    support_turn(question)
Laminar.flush()
Laminar.shutdown()
