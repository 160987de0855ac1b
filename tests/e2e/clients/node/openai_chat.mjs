// OpenAI's own client for Node: chats, tools, formats, responses, embeddings, errors, and a stream let go.

import assert from "node:assert/strict";

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const model = "genai";
const elsewhere = { headers: { "x-tideline-app": "indexer" } };
const tide = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "When does the tide turn? é" },
];
const ask = (more, options) =>
  client.chat.completions.create({ model, messages: tide, temperature: 0, max_tokens: 24, ...more }, options);

/** What the pieces of a stream add up to. */
async function added(stream) {
  const whole = { text: "", calls: [], finish: null, usage: null, chunks: 0 };
  for await (const chunk of stream) {
    assert.equal(chunk.object, "chat.completion.chunk");
    whole.chunks += 1;
    whole.usage = chunk.usage ?? whole.usage;
    for (const { delta, finish_reason } of chunk.choices) {
      whole.text += delta.content ?? "";
      whole.finish = finish_reason ?? whole.finish;
      for (const call of delta.tool_calls ?? []) {
        const at = (whole.calls[call.index] ??= { id: call.id, name: call.function.name, arguments: "" });
        at.arguments += call.function.arguments ?? "";
      }
    }
  }
  return whole;
}

const { data: whole, response: from } = await ask({}).withResponse();
const text = whole.choices[0].message.content;
assert.equal(whole.object, "chat.completion");
assert.equal(whole.model, model);
assert.equal(whole.choices[0].message.role, "assistant");
assert.equal(whole.choices[0].finish_reason, "length");
assert.equal(whole.usage.completion_tokens, 24);
assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + 24);
assert.equal(from.headers.get("x-tideline-placement"), "device");

// The same text as it comes, and from another place.
for (const [place, options] of [["device", {}], ["cloud", elsewhere]]) {
  const streams = ask({ stream: true, stream_options: { include_usage: true } }, options);
  const { data, response } = await streams.withResponse();
  assert.equal(response.headers.get("x-tideline-placement"), place);
  const pieces = await added(data);
  assert.equal(pieces.text, text);
  assert.equal(pieces.finish, "length");
  assert.equal(pieces.usage.completion_tokens, 24);
  assert.equal(pieces.usage.prompt_tokens, whole.usage.prompt_tokens);
  assert.ok(pieces.chunks > 2);
}
const far = await ask({}, elsewhere).withResponse();
assert.equal(far.response.headers.get("x-tideline-placement"), "cloud");
assert.equal(far.data.choices[0].message.content, text);
// The client's own gathering of a stream comes to the same.
const gathered = client.chat.completions.stream({ model, messages: tide, temperature: 0, max_tokens: 24 });
let heard = "";
gathered.on("content", (delta) => (heard += delta));
assert.equal((await gathered.finalChatCompletion()).choices[0].message.content, text);
assert.equal(heard, text);
const hot = async (seed) => (await ask({ seed, temperature: 1.5 })).choices[0].message.content;
assert.equal(await hot(7), await hot(7));
assert.notEqual(await hot(7), await hot(8));

// A tool that must be called: whole, in pieces, answered, and run by the client's own loop.
const tools = [{ type: "function", function: {
  name: "set_gate", description: "Opens or closes.", strict: true, parameters: {
    type: "object", additionalProperties: false, required: ["open"], properties: { open: { type: "boolean" } } } } }];
for (const options of [{}, elsewhere]) {
  for (const tool_choice of ["required", { type: "function", function: { name: "set_gate" } }]) {
    const call = { max_tokens: 200, tools, tool_choice };
    const [called] = (await ask(call, options)).choices;
    assert.equal(called.finish_reason, "tool_calls");
    assert.equal(called.message.content, null);
    const [made] = called.message.tool_calls;
    assert.equal(made.type, "function");
    assert.equal(made.function.name, "set_gate");
    assert.equal(typeof JSON.parse(made.function.arguments).open, "boolean");
    const pieces = await added(await ask({ ...call, stream: true }, options));
    assert.equal(pieces.finish, "tool_calls");
    assert.equal(pieces.calls.length, 1);
    assert.ok(pieces.calls[0].id);
    assert.equal(pieces.calls[0].name, "set_gate");
    assert.equal(pieces.calls[0].arguments, made.function.arguments);
    const result = { role: "tool", tool_call_id: made.id, content: "done" };
    const answered = await ask({ max_tokens: 4, tools, messages: [...tide, called.message, result] }, options);
    assert.equal(answered.usage.completion_tokens, 4);
  }
}
let turned = null;
const runner = client.chat.completions.runTools({
  model, messages: tide, temperature: 0, max_tokens: 200, tool_choice: { type: "function", function: { name: "set_gate" } },
  tools: [{ type: "function", function: {
    ...tools[0].function, parse: JSON.parse, function: ({ open }) => { turned = open; return "done"; } } }],
});
await runner.done();
assert.equal(typeof turned, "boolean");

// Held to a format, even noise parses and fits the caller's own schema.
const Person = z.object({
  name: z.string().max(8), age: z.number().int().min(0).max(150), tags: z.array(z.enum(["ebb", "flow"])).max(3) });
for (const seed of [0, 1, 2]) {
  for (const options of [{}, elsewhere]) {
    const format = { response_format: zodResponseFormat(Person, "person"), model, messages: tide };
    const parsed = await client.chat.completions.parse({ ...format, seed, temperature: 1.2, max_tokens: 400 }, options);
    assert.equal(parsed.choices[0].finish_reason, "stop");
    const person = Person.parse(JSON.parse(parsed.choices[0].message.content));
    assert.deepEqual(parsed.choices[0].message.parsed, person);
  }
}
const schema = { type: "object", additionalProperties: false, required: ["open"], properties: { open: { type: "boolean" } } };
const plain = { type: "json_schema", json_schema: { name: "gate", strict: true, schema } };
const gate = await ask({ response_format: plain });
assert.deepEqual(Object.keys(JSON.parse(gate.choices[0].message.content)), ["open"]);
const loose = await added(await ask({ response_format: plain, stream: true }));
assert.equal(loose.text, gate.choices[0].message.content);

// The newer API, over the same conversation.
const turn = { model, instructions: "Be brief.", input: tide[1].content, temperature: 0, max_output_tokens: 24 };
const response = await client.responses.create(turn);
assert.equal(response.status, "incomplete");
assert.equal(response.incomplete_details.reason, "max_output_tokens");
assert.equal(response.output_text, text);
const events = [];
for await (const event of await client.responses.create({ ...turn, stream: true })) events.push(event);
const kinds = events.map((event) => event.type);
assert.equal(kinds[0], "response.created");
assert.equal(kinds.at(-1), "response.incomplete");
assert.equal(events.at(-1).response.usage.output_tokens, 24);
assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, index) => index));
const deltas = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
assert.equal(deltas.join(""), text);
const final = await client.responses.stream(turn).finalResponse();
assert.equal(final.output_text, text);
const fits = await client.responses.parse({
  ...turn, max_output_tokens: 400, text: { format: zodTextFormat(Person, "person") } });
assert.deepEqual(fits.output_parsed, Person.parse(JSON.parse(fits.output_text)));
const functions = [{ type: "function", ...tools[0].function }];
const { output: [made] } = await client.responses.create({
  model, input: "Open it.", temperature: 0, tools: functions, tool_choice: "required" });
assert.equal(made.type, "function_call");
assert.equal(typeof JSON.parse(made.arguments).open, "boolean");

// Numbers come as base64 unless asked for plainly, and are the same.
const input = ["The tide comes in.", "Moon"];
const packed = await client.embeddings.create({ model: "minilm", input });
const floats = await client.embeddings.create({ model: "minilm", input, encoding_format: "float" });
assert.deepEqual(packed.data.map((one) => [one.index, one.embedding.length]), [[0, 384], [1, 384]]);
packed.data.forEach((one, index) => one.embedding.forEach((number, at) =>
  assert.ok(Math.abs(number - floats.data[index].embedding[at]) < 1e-5)));
const models = [];
for await (const one of client.models.list()) models.push(one.id);
assert.ok(models.includes(model) && models.includes("minilm"), models.join());

/** That a call fails as the client says such calls fail. */
const refused = (call, kind, status, code, param = null) =>
  assert.rejects(call, (error) => {
    assert.ok(error instanceof kind, String(error));
    assert.deepEqual([error.status, error.code, error.param], [status, code, param]);
    assert.ok(error.message.length > 0, error.message);
    return true;
  });
await refused(ask({ temperature: 3 }), OpenAI.BadRequestError, 400, "invalid_request", "temperature");
await refused(ask({ functions: [] }), OpenAI.BadRequestError, 400, "unsupported_parameter", "functions");
const long = [{ role: "user", content: "x".repeat(5000) }];
for (const stream of [false, true]) {
  await refused(ask({ messages: long, stream }), OpenAI.BadRequestError, 400, "context_length_exceeded", "messages");
}
await refused(ask({ model: "nobody" }), OpenAI.NotFoundError, 404, "model_not_found", "model");
const stranger = new OpenAI({ baseURL, apiKey: "another", maxRetries: 0 });
await refused(stranger.models.list(), OpenAI.AuthenticationError, 401, "invalid_api_key");

// A stream let go ends at once, here and elsewhere, and what comes after is served as ever.
for (const options of [{}, elsewhere]) {
  const controller = new AbortController();
  const endless = await ask({ max_tokens: 3000, stream: true }, { ...options, signal: controller.signal });
  let pieces = 0;
  for await (const _ of endless) {
    pieces += 1;
    if (pieces === 5) controller.abort();
  }
  assert.ok(controller.signal.aborted && pieces < 3000, String(pieces));
  const left = await ask({ max_tokens: 3000, stream: true }, options);
  for await (const _ of left) break;
  assert.equal((await ask({}, options)).choices[0].message.content, text);
}
const early = new AbortController();
const never = ask({ max_tokens: 3000 }, { signal: early.signal });
// It is under way when others that were sent later have been answered.
ask({ max_tokens: 1 }).then(() => ask({ max_tokens: 1 })).then(() => early.abort());
await assert.rejects(never, OpenAI.APIUserAbortError);
console.log("ok");
