# The newest client, with nothing but its address changed: what it sent is read back with its own typed API.
import sys, time
from langfuse import Langfuse, propagate_attributes

client = Langfuse(public_key="pk-lf-any", secret_key="sk-lf-any", base_url=sys.argv[1])
with propagate_attributes(session_id="read-back", user_id="alice", tags=["beta"]):
    with client.start_as_current_observation(name="turn", as_type="span", input="Where is my order?") as turn:
        with client.start_as_current_observation(name="answer", as_type="generation", model="gpt-4o") as call:
            call.update(output="On its way.", usage_details={"input": 100, "output": 20})
            call.score(name="accuracy", value=0.5, comment="half")
        turn.score_trace(name="helpful", value=1, data_type="BOOLEAN")
client.create_score(name="tone", value="kind", data_type="CATEGORICAL", session_id="read-back", score_id="tone-1")
client.create_score(name="note", value="took its time", data_type="TEXT", trace_id=turn.trace_id)
client.create_score(name="output", value="It arrived.", data_type="CORRECTION", trace_id=turn.trace_id,
                    observation_id=call.id)
client.flush()

scores = client.api.scores
for tries in range(200):
    found = scores.get_many(session_id="read-back", fields="details,subject").data
    if len(found) == 5:
        break
    time.sleep(0.1)
told = {score.name: (score.data_type, score.value, score.subject.kind) for score in found}
assert told == {
    "accuracy": ("NUMERIC", 0.5, "observation"),
    "helpful": ("BOOLEAN", True, "trace"),
    "tone": ("CATEGORICAL", "kind", "session"),
    "note": ("TEXT", "took its time", "trace"),
    "output": ("TEXT", "It arrived.", "observation"),
}, told
half = scores.get_many(trace_id=turn.trace_id, observation_id=call.id, data_type="NUMERIC", value_min=0.5, fields="details")
assert [(score.name, score.comment) for score in half.data] == [("accuracy", "half")], half
assert [score.name for score in scores.get_many(id="tone-1").data] == ["tone"]
first = scores.get_many(limit=2)
rest = scores.get_many(limit=9, cursor=first.meta.cursor)
assert {score.name for score in first.data + rest.data} == set(told) and rest.meta.cursor is None, (first, rest)

observations = client.api.observations.get_many(session_id="read-back", type="GENERATION", fields="core,usage,model")
[answer] = observations.data
assert (answer.id, answer.trace_id, answer.parent_observation_id) == (call.id, turn.trace_id, turn.id), answer
assert (answer.usage_details["total"], answer.total_cost, answer.is_root_observation) == (120, 0.00045, False), answer
assert [root.name for root in client.api.observations.get_many(trace_id=turn.trace_id, is_root_observation=True).data] == ["turn"]

assert client.api.projects.get().data[0].id == "default"
assert client.api.health.health().status == "OK"
assert client.get_prompt("greeting", fallback="Hello {{name}}").compile(name="Ada") == "Hello Ada"
print(client.get_trace_url(trace_id=turn.trace_id))
client.shutdown()
