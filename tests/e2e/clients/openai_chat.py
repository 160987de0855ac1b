"""Chats and completions with the official client: whole, as they come, here and through the gateway."""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
MODEL = "genai"
ELSEWHERE = {"x-tideline-app": "indexer"}
tide = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "When does the tide turn? é"}]


def ask(messages=tide, **more):
    return client.chat.completions.create(model=MODEL, messages=messages, temperature=0, **more)


whole = ask(max_tokens=24)
assert whole.object == "chat.completion" and whole.model == MODEL, whole
assert len(whole._request_id) == 26, "the decision, by which it can be explained"
assert whole.choices[0].finish_reason == "length" and whole.choices[0].message.role == "assistant"
assert whole.usage.completion_tokens == 24 and whole.usage.total_tokens == whole.usage.prompt_tokens + 24

# The same text as it comes; its prompt is in the cache by now.
text, finish, usage = "", None, None
for chunk in ask(max_tokens=24, stream=True, stream_options={"include_usage": True}):
    if chunk.usage:
        usage = chunk.usage
    for choice in chunk.choices:
        text += choice.delta.content or ""
        finish = choice.finish_reason or finish
assert text == whole.choices[0].message.content, (text, whole.choices[0].message.content)
assert finish == "length" and usage.completion_tokens == 24
assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens - 1

# Through the gateway, which has the same weights: the same text, from another place.
raw = client.chat.completions.with_raw_response.create(
    model=MODEL, messages=tide, temperature=0, max_tokens=24, extra_headers=ELSEWHERE)
assert raw.headers["x-tideline-placement"] == "cloud", raw.headers
assert raw.parse().choices[0].message.content == text
assert abs(float(raw.headers["x-tideline-cost-usd"]) - 2e-6 * raw.parse().usage.total_tokens) < 1e-12
streamed = ask(max_tokens=24, stream=True, extra_headers=ELSEWHERE)
assert streamed.response.headers["x-tideline-placement"] == "cloud"
assert "".join(choice.delta.content or "" for chunk in streamed for choice in chunk.choices) == text

# One sensitive message anywhere in the conversation keeps all of it here.
kept = client.chat.completions.with_raw_response.create(
    model=MODEL, temperature=0, max_tokens=2, extra_headers=ELSEWHERE,
    messages=[{"role": "user", "content": "I am jo@example.com"}, {"role": "assistant", "content": "Hello."}, *tide])
assert kept.headers["x-tideline-placement"] == "device", kept.headers
assert "pii.email" in kept.headers["x-tideline-reason"], kept.headers

several = ask(max_tokens=8, n=3, logprobs=True, top_logprobs=2)
assert len(several.choices) == 3 and several.usage.completion_tokens == 24
content = several.choices[0].logprobs.content
assert len(content) == 8 and all(one.logprob <= 0 and len(one.top_logprobs) == 2 for one in content)
hot = lambda seed: client.chat.completions.create(model=MODEL, messages=tide, seed=seed, temperature=1.5, max_tokens=16)
assert hot(7).choices[0].message.content == hot(7).choices[0].message.content != hot(8).choices[0].message.content
stopped = ask(max_tokens=24, stop=[text[6:8]])
assert stopped.choices[0].finish_reason == "stop"
assert stopped.choices[0].message.content == text[: text.index(text[6:8])]

completion = client.completions.create(model=MODEL, prompt="The tide", max_tokens=9, temperature=0)
pieces = client.completions.create(model=MODEL, prompt="The tide", max_tokens=9, temperature=0, stream=True)
assert completion.choices[0].text == "".join(c.text for chunk in pieces for c in chunk.choices)
elsewhere = client.completions.create(model=MODEL, prompt="The tide", max_tokens=9, temperature=0, extra_headers=ELSEWHERE)
assert elsewhere.choices[0].text == completion.choices[0].text

# Held to a format, even noise parses and fits.
schema = {"type": "object", "additionalProperties": False, "required": ["name", "age", "tags"], "properties": {
    "name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "tags": {"type": "array", "items": {"enum": ["ebb", "flow"]}, "maxItems": 3}}}
for seed in range(6):
    for place in ({}, ELSEWHERE):
        answer = client.chat.completions.create(
            model=MODEL, messages=tide, seed=seed, temperature=1.2, max_tokens=400, extra_headers=place,
            response_format={"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}})
        person = json.loads(answer.choices[0].message.content)
        assert set(person) == {"name", "age", "tags"} and len(person["name"]) <= 8 and 0 <= person["age"] <= 150
        assert answer.choices[0].finish_reason == "stop"

# So do the arguments of a tool that must be called, whole and as they come.
tools = [{"type": "function", "function": {"name": "set_gate", "description": "Opens or closes.", "parameters": {
    "type": "object", "additionalProperties": False, "required": ["open"], "properties": {"open": {"type": "boolean"}}}}}]
called = ask(max_tokens=200, tools=tools, tool_choice="required").choices[0]
assert called.finish_reason == "tool_calls" and called.message.content is None
call = called.message.tool_calls[0]
assert call.function.name == "set_gate" and isinstance(json.loads(call.function.arguments)["open"], bool)
pieces = [choice.delta.tool_calls for chunk in ask(max_tokens=200, tools=tools, tool_choice="required", stream=True)
          for choice in chunk.choices if choice.delta.tool_calls]
assert "".join(piece[0].function.arguments for piece in pieces) == call.function.arguments
answered = ask(max_tokens=4, tools=tools, messages=[*tide, called.message, {
    "role": "tool", "tool_call_id": call.id, "content": "done"}])
assert answered.usage.completion_tokens == 4

# The newer API, over the same conversation.
response = client.responses.create(model=MODEL, instructions="Be brief.", input=tide[1:], temperature=0, max_output_tokens=24)
assert response.status == "incomplete" and response.output_text == whole.choices[0].message.content, response
events = list(client.responses.create(
    model=MODEL, instructions="Be brief.", input=tide[1]["content"], temperature=0, max_output_tokens=24, stream=True))
assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == response.output_text
assert events[-1].type == "response.incomplete" and events[-1].response.usage.output_tokens == 24
functions = [{"type": "function", **tools[0]["function"]}]
functions = client.responses.create(model=MODEL, input="Open it.", tools=functions, tool_choice="required", temperature=0)
assert functions.output[0].type == "function_call" and functions.output[0].name == "set_gate", functions


def refused(status, code, param=None, **call):
    try:
        ask(**call)
    except openai.APIStatusError as error:
        assert (error.status_code, error.code, error.param) == (status, code, param), error.response.text
        return
    raise AssertionError(f"{call} was not refused")


refused(400, "context_length_exceeded", "messages", messages=[{"role": "user", "content": "x" * 5000}])
refused(400, "invalid_request", "temperature", max_tokens=1, extra_body={"temperature": 3})
refused(400, "unsupported_parameter", "functions", extra_body={"functions": []})
refused(400, "unsupported_parameter", "messages", messages=[{"role": "user", "content": [
    {"type": "image_url", "image_url": {"url": "data:,"}}]}])
refused(400, "invalid_request", "messages", messages=[])
impossible = {"type": "json_schema", "json_schema": {"name": "none", "schema": {"type": "integer", "minimum": 2, "maximum": 1}}}
refused(400, "invalid_request", "response_format", extra_body={"response_format": impossible})
print("ok")
