"""The baseline of `cargo xtask bench embed`: ONNX Runtime called from Python, one text after another.

usage: onnxruntime_embed.py MODEL TOKENIZER THREADS

Says `ready`, then reads lines of JSON, `{"texts": FILE, "seconds": S}`, and answers each with
`{"count": N, "seconds": S, "p50_us": …, "p99_us": …}`. Tokenisation, mean pooling and normalisation are
part of what is measured, as they are on the other side; a server is not.
"""

import json
import sys
import time

import numpy
import onnxruntime
import tokenizers

model, tokenizer_file, threads = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
names = [tensor.name for tensor in session.get_inputs()]
tokenizer = tokenizers.Tokenizer.from_file(tokenizer_file)
tokenizer.no_padding()


def embed(text):
    encoding = tokenizer.encode(text)
    ids = numpy.array([encoding.ids], dtype=numpy.int64)
    mask = numpy.array([encoding.attention_mask], dtype=numpy.int64)
    known = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
    output = session.run(None, {name: known[name] for name in names})[0]
    if output.ndim == 3:
        weights = mask[:, :, None].astype(numpy.float32)
        output = (output * weights).sum(axis=1) / weights.sum(axis=1)
        output /= numpy.linalg.norm(output, axis=1, keepdims=True)
    return output[0]


def measure(texts, seconds):
    latencies = []
    begin = time.perf_counter() + seconds / 10
    end = begin + seconds
    index = 0
    while True:
        asked = time.perf_counter()
        if asked >= end:
            break
        embed(texts[index % len(texts)])
        index += 1
        if asked >= begin:
            latencies.append(time.perf_counter() - asked)
    latencies.sort()
    at = lambda percent: latencies[max(0, -(-len(latencies) * percent // 100) - 1)] * 1e6
    return {"count": len(latencies), "seconds": seconds, "p50_us": at(50), "p99_us": at(99)}


print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    with open(order["texts"]) as file:
        texts = json.load(file)
    print(json.dumps(measure(texts, order["seconds"])), flush=True)
