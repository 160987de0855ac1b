"""Triton's own clients on the Open Inference Protocol: metadata, numbers, texts, and errors."""

import sys

import numpy as np

kind, address, token = sys.argv[1:]
if kind == "grpc":
    import tritonclient.grpc as triton
else:
    import tritonclient.http as triton

headers = {"authorization": f"Bearer {token}"}
client = triton.InferenceServerClient(address)
assert client.is_server_live(headers=headers) and client.is_server_ready(headers=headers)
assert client.is_model_ready("echo", headers=headers)
assert not client.is_model_ready("nobody", headers=headers)

server = client.get_server_metadata(headers=headers)
assert (server.name if kind == "grpc" else server["name"]) == "tideline-agent"
model = client.get_model_metadata("echo", headers=headers)
inputs = model.inputs if kind == "grpc" else model["inputs"]
name = inputs[0].name if kind == "grpc" else inputs[0]["name"]
assert name == "input"


def infer(model, array, datatype):
    tensor = triton.InferInput("input", list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return client.infer(model, [tensor], headers=headers).as_numpy("output")


numbers = np.arange(4096, dtype=np.float32).reshape(1, 4096)
assert np.array_equal(infer("echo", numbers, "FP32"), numbers)
texts = np.array([b"tide", b"", "€".encode()], dtype=object)
assert list(infer("identity_bytes", texts, "BYTES")) == list(texts)

for wrong in (lambda: infer("nobody", numbers, "FP32"), lambda: infer("echo", numbers.astype(np.int64), "INT64")):
    try:
        wrong()
    except triton.InferenceServerException as error:
        assert "nobody" in str(error) or "type" in str(error), error
    else:
        raise AssertionError("a wrong request was accepted")
