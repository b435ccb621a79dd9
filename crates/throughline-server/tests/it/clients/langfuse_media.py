# A picture among other things: the client keeps still, and the other things arrive.
import logging, os, sys
from langfuse import Langfuse

said = []
handler = logging.Handler(logging.WARNING)
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger("langfuse").addHandler(handler)
PIXEL = ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
         "AABJRU5ErkJggg==")
client = Langfuse(public_key="pk-lf-any", secret_key="sk-lf-any", base_url=sys.argv[1])
for number in range(3):
    with client.start_as_current_observation(name=sys.argv[2], as_type="generation", model="gpt-4o", input=[
            {"role": "user", "content": [{"type": "text", "text": "What is this?"},
                                         {"type": "image_url", "image_url": {"url": PIXEL}}]}]) as call:
        call.update(output="A dot.", usage_details={"input": 100, "output": 20})
client.flush()
client.shutdown()
assert said == [], said
