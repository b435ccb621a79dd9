// The Vercel AI SDK before its seventh version, with the telemetry it has built in.
import { createOpenAI } from "@ai-sdk/openai";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [sessionId, userId] = process.argv.slice(-2);
const sdk = new NodeSDK({ traceExporter: new OTLPTraceExporter(), serviceName: "shop-assistant" });
sdk.start();

const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const system = "You are the assistant of a small shop.";
const find_order = tool({
  description: "Finds an order",
  inputSchema: z.object({ order_id: z.string() }),
  execute: async ({ order_id }) => ({ order: order_id, status: "shipped", due: "2026-11-24" }),
});
const telemetry = { isEnabled: true, functionId: "support-turn", metadata: { sessionId, userId, plan: "pro", tags: ["beta"] } };
const common = { model: openai.chat("gpt-4o"), system, maxRetries: 0, experimental_telemetry: telemetry };

const prompt = "Hi, where is my order 4417?";
await generateText({ ...common, prompt, tools: { find_order }, stopWhen: stepCountIs(3), temperature: 0.2 });
const stream = streamText({ ...common, prompt: "Please deliver it to Bahnhofstraße 3, Zürich instead ☕" });
for await (const _ of stream.textStream);
const last = { ...common, prompt: "Now summarise my whole mail archive about the refund." };
await generateText(last).catch(() => {}); // too long, as scripted
await generateText({ ...last, model: openai.chat("gpt-4o-mini"), maxOutputTokens: 200 });
await sdk.shutdown();
