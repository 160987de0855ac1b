"""LangChain's ChatOpenAI: text, pieces, tools, formats and batches, here and through the gateway."""

import asyncio
import sys

import openai
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

BASE_URL, TOKEN = sys.argv[1:]
ELSEWHERE = {"x-tideline-mode": "prefer-in-cloud"}
tide = [SystemMessage("Be brief."), HumanMessage("When does the tide turn? é")]


def model(**more):
    options = {"model": "genai", "temperature": 0, "max_tokens": 24, "max_retries": 0, **more}
    return ChatOpenAI(base_url=BASE_URL, api_key=TOKEN, include_response_headers=True, **options)


here, elsewhere = model(), model(default_headers=ELSEWHERE)


def placement(message):
    return message.response_metadata["headers"]["x-tideline-placement"]


whole = here.invoke(tide)
assert isinstance(whole, AIMessage) and len(whole.content) > 0, whole
assert whole.response_metadata["finish_reason"] == "length" and whole.response_metadata["model_name"] == "genai"
usage = whole.usage_metadata
assert usage["output_tokens"] == 24 and usage["total_tokens"] == usage["input_tokens"] + 24, usage
assert placement(whole) == "device", whole.response_metadata

# The same text as it comes, here and elsewhere; the pieces add up to a message like the whole one.
for place, chat in (("device", model(stream_usage=True)), ("cloud", model(stream_usage=True, default_headers=ELSEWHERE))):
    pieces = list(chat.stream(tide))
    assert len(pieces) > 2 and all(isinstance(piece, AIMessageChunk) for piece in pieces), pieces
    added = pieces[0]
    for piece in pieces[1:]:
        added += piece
    assert added.content == whole.content, (added.content, whole.content)
    assert added.response_metadata["finish_reason"] == "length" and placement(added) == place
    told = added.usage_metadata
    assert (told["input_tokens"], told["output_tokens"]) == (usage["input_tokens"], 24), told

far = elsewhere.invoke(tide)
assert placement(far) == "cloud" and far.content == whole.content, far
# One sensitive message anywhere in the conversation keeps all of it here.
kept = elsewhere.invoke([HumanMessage("I am jo@example.com"), AIMessage("Hello."), *tide], max_tokens=2)
assert placement(kept) == "device" and "pii.email" in kept.response_metadata["headers"]["x-tideline-reason"]

# Many at once, as they are alone.
questions = [f"Which moon is number {number}?" for number in range(5)]
alone = [here.invoke(question).content for question in questions]
for chat in (here, elsewhere):
    assert [one.content for one in chat.batch(questions, config={"max_concurrency": 3})] == alone


async def at_once():
    return await asyncio.gather(*(here.ainvoke(question) for question in questions))


assert [one.content for one in asyncio.run(at_once())] == alone
chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "When does the {what} turn? é")]) | here
assert chain.invoke({"what": "tide"}).content == whole.content
hot = [here.invoke(tide, temperature=1.5, seed=seed).content for seed in (7, 7, 8)]
assert hot[0] == hot[1] != hot[2]
stopped = here.invoke(tide, stop=[whole.content[6:8]])
assert stopped.response_metadata["finish_reason"] == "stop"
assert stopped.content == whole.content[: whole.content.index(whole.content[6:8])]
likely = here.bind(logprobs=True, top_logprobs=2).invoke(tide, max_tokens=8).response_metadata["logprobs"]["content"]
assert len(likely) == 8 and all(one["logprob"] <= 0 and len(one["top_logprobs"]) == 2 for one in likely)


@tool
def set_gate(open: bool) -> str:
    """Opens or closes the gate."""
    return "opened" if open else "closed"


@tool
def ring(times: int) -> str:
    """Rings the bell."""
    return "ding " * times


# A tool that must be called is called, by the name it was given, whole and in pieces, and can be answered.
for chat in (here, elsewhere):
    for choice in ("any", "set_gate", "required"):
        bound = chat.bind_tools([set_gate, ring] if choice == "set_gate" else [set_gate], tool_choice=choice, strict=True)
        called = bound.invoke(tide, max_tokens=200)
        assert called.response_metadata["finish_reason"] == "tool_calls" and not called.invalid_tool_calls, called
        [call] = called.tool_calls
        assert call["name"] == "set_gate" and isinstance(call["args"]["open"], bool) and call["id"], call
    added = None
    for piece in bound.stream(tide, max_tokens=200):
        added = piece if added is None else added + piece
    [streamed] = added.tool_calls
    assert (streamed["name"], streamed["args"]) == (call["name"], call["args"]), (streamed, call)
    said = set_gate.invoke(call)
    assert isinstance(said, ToolMessage) and said.content in ("opened", "closed")
    answered = chat.bind_tools([set_gate]).invoke([*tide, called, said], max_tokens=4)
    assert answered.usage_metadata["output_tokens"] <= 4 and not answered.invalid_tool_calls


class Person(BaseModel):
    """Someone at the shore."""

    name: str = Field(max_length=8)
    age: int = Field(ge=0, le=150)
    tags: list[str] = Field(max_length=0)


# Held to a format, even noise becomes an object of the caller's own class.
for seed in range(3):
    for headers in ({}, ELSEWHERE):
        chat = model(temperature=1.2, seed=seed, max_tokens=400, default_headers=headers)
        for method in ("json_schema", "function_calling"):
            answer = chat.with_structured_output(Person, method=method, strict=True, include_raw=True).invoke(tide)
            person = answer["parsed"]
            assert answer["parsing_error"] is None and isinstance(person, Person), answer
            assert len(person.name) <= 8 and 0 <= person.age <= 150 and person.tags == []
    strict = chat.with_structured_output(Person.model_json_schema(), method="json_schema", strict=True).invoke(tide)
    assert Person.model_validate(strict)
parts = list(chat.with_structured_output(Person, method="json_schema").stream(tide))
assert isinstance(parts[-1], Person), parts

# The newer API, which ChatOpenAI speaks when asked to: content comes in blocks.
newer = model(use_responses_api=True)
assert newer.invoke(tide).text == whole.content
added = None
for piece in newer.stream(tide):
    added = piece if added is None else added + piece
assert added.text == whole.content and added.usage_metadata["output_tokens"] == 24, added
roomy = model(use_responses_api=True, max_tokens=400)
called = roomy.bind_tools([set_gate], tool_choice="any", strict=True).invoke(tide)
assert isinstance(called.tool_calls[0]["args"]["open"], bool), called
again = newer.bind_tools([set_gate]).invoke([*tide, called, set_gate.invoke(called.tool_calls[0])])
assert again.usage_metadata["output_tokens"] <= 24 and not again.invalid_tool_calls
person = roomy.with_structured_output(Person, method="json_schema").invoke(tide)
assert isinstance(person, Person)

# Errors are the official client's own.
for refused, kind, code in (
    (lambda: model(model="nobody").invoke(tide), openai.NotFoundError, "model_not_found"),
    (lambda: here.invoke("x" * 5000), openai.BadRequestError, "context_length_exceeded"),
    (lambda: ChatOpenAI(base_url=BASE_URL, api_key="another", model="genai", max_retries=0).invoke("x"),
     openai.AuthenticationError, "invalid_api_key"),
):
    try:
        refused()
    except kind as error:
        assert error.code == code, error
    else:
        raise AssertionError(f"{code} was not told")

embeddings = OpenAIEmbeddings(base_url=BASE_URL, api_key=TOKEN, model="minilm", check_embedding_ctx_length=False, max_retries=0)
vectors = embeddings.embed_documents(["The tide comes in.", "Moon"])
assert [len(vector) for vector in vectors] == [384, 384]
assert all(abs(a - b) < 1e-5 for a, b in zip(vectors[0], embeddings.embed_query("The tide comes in.")))
print("ok")
