"""OpenAI's own client against a local base URL: every shape of input, both encodings, and errors."""

import sys

from openai import AuthenticationError, BadRequestError, NotFoundError, OpenAI

base_url, token = sys.argv[1:]
client = OpenAI(base_url=base_url, api_key=token, max_retries=0)

raw = client.embeddings.with_raw_response.create(model="minilm", input="The tide comes in.")
assert raw.headers["x-tideline-placement"] == "device", raw.headers
one = raw.parse()
assert len(one.data[0].embedding) == 384 and one.usage.prompt_tokens == 7, one.usage

plain = client.embeddings.create(model="minilm", input="The tide comes in.", encoding_format="float")
assert all(abs(a - b) < 1e-6 for a, b in zip(plain.data[0].embedding, one.data[0].embedding))

many = client.embeddings.create(model="minilm", input=[f"text number {i}" for i in range(40)])
assert [item.index for item in many.data] == list(range(40))

ids = client.embeddings.create(model="minilm", input=[1996, 10401, 3310, 1999])
text = client.embeddings.create(model="minilm", input="the tide comes in")
assert all(abs(a - b) < 1e-5 for a, b in zip(ids.data[0].embedding, text.data[0].embedding))
lists = client.embeddings.create(model="minilm", input=[[1996, 10401], [3310]])
assert len(lists.data) == 2

assert "minilm" in [model.id for model in client.models.list()]
assert client.models.retrieve("minilm").id == "minilm"


def refused(kind, code, **arguments):
    try:
        client.embeddings.create(**arguments)
    except kind as error:
        assert error.code == code, (error.code, code)
        return
    raise AssertionError(f"{arguments} was accepted")


refused(NotFoundError, "model_not_found", model="nobody", input="x")
refused(BadRequestError, "invalid_request", model="minilm", input=[])
refused(BadRequestError, "invalid_request", model="minilm", input=[99999999])
refused(BadRequestError, "invalid_request", model="minilm", input=["x"] * 10_000)
try:
    OpenAI(base_url=base_url, api_key="another", max_retries=0).models.list()
    raise AssertionError("another token was accepted")
except AuthenticationError:
    pass
