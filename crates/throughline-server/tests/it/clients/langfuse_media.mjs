// A picture among other things: the client keeps still, and the other things arrive.
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { startActiveObservation } from "@langfuse/tracing";

const [url, name] = process.argv.slice(-2);
const said = [];
for (const level of ["warn", "error"]) console[level] = (...words) => said.push(words.join(" "));
const settings = { publicKey: "pk-lf-any", secretKey: "sk-lf-any", baseUrl: url };
const provider = new NodeTracerProvider({ spanProcessors: [new LangfuseSpanProcessor(settings)] });
provider.register();
const pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA" +
  "AABJRU5ErkJggg==";
for (let number = 0; number < 3; number++) {
  await startActiveObservation(name, async (call) => {
    const picture = { type: "image_url", image_url: { url: pixel } };
    const content = [{ type: "text", text: "What is this?" }, picture];
    call.update({ model: "gpt-4o", input: [{ role: "user", content }], output: "A dot.",
                  usageDetails: { input: 100, output: 20 } });
  }, { asType: "generation" });
}
await provider.shutdown();
if (said.length > 0) throw new Error(said.join("\n"));
