# The client before OpenTelemetry: batches of events, decorators, and lists that are read with types.
import sys, time
from langfuse import Langfuse
from langfuse.api import CreateScoreRequest
from langfuse.decorators import langfuse_context, observe

keys = {"public_key": "pk-lf-any", "secret_key": "sk-lf-any", "host": sys.argv[1]}
client = Langfuse(**keys)
assert client.auth_check(), "the keys were refused"
trace = client.trace(name="chat-turn", session_id="langfuse-chat", user_id="alice", tags=["conversion"],
                     input="Where is my order?", metadata={"channel": "web"})
call = trace.span(name="workflow").generation(
    name="answer", model="gpt-4o", model_parameters={"temperature": 0.2},
    input=[{"role": "user", "content": "Where is my order?"}])
call.end(output="On its way.", usage={"input": 100, "output": 20})
trace.update(output="On its way.")
trace.score(name="helpful", value=1, data_type="BOOLEAN", comment="quick")
call.score(name="tone", value="kind")
client.flush()

langfuse_context.configure(**keys)

@observe(as_type="generation")
def complete(question):
    langfuse_context.update_current_observation(model="gpt-4o", usage={"input": 10, "output": 5})
    return "yes"

@observe()
def turn(question):
    langfuse_context.update_current_trace(session_id="decorated", user_id="bob")
    langfuse_context.score_current_trace(name="sure", value=0.5)
    return complete(question)

turn("Is it?")
langfuse_context.flush()

for tries in range(200):
    traces = {trace.session_id: trace for trace in client.fetch_traces().data}
    arrived = {session: (len(t.observations), len(t.scores)) for session, t in traces.items()}
    if arrived == {"decorated": (1, 1), "langfuse-chat": (2, 2)}:
        break
    time.sleep(0.1)
assert traces["langfuse-chat"].id == trace.id, traces
assert [t.name for t in client.fetch_traces(user_id="bob", session_id="decorated").data] == ["turn"]
full = client.fetch_trace(trace.id).data
assert {o.name: o.type for o in full.observations} == {"workflow": "SPAN", "answer": "GENERATION"}, full
assert {score.name: score.string_value for score in full.scores} == {"helpful": "True", "tone": "kind"}, full
assert (full.total_cost, full.metadata["channel"]) == (0.00045, "web"), full
one = client.fetch_observation(call.id).data
assert (one.trace_id, one.usage.total, one.calculated_total_cost) == (trace.id, 120, 0.00045), one
assert [o.id for o in client.fetch_observations(trace_id=trace.id, type="GENERATION").data] == [call.id]
assert {session.id for session in client.fetch_sessions().data} == {"langfuse-chat", "decorated"}
api = client.client
assert {t.name for t in api.sessions.get("langfuse-chat").traces} == {"chat-turn"}
assert [s.name for s in api.score.get(data_type="NUMERIC", value=0.4, operator=">").data] == ["sure"]
assert len(api.score.get().data) == 3
assert api.score.create(request=CreateScoreRequest(id="direct", name="sure", value=0.9, traceId=traces["decorated"].id)).id == "direct"
assert client.get_prompt("greeting", fallback="Hello").compile() == "Hello"
client.shutdown()
