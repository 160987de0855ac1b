"""Generates with one engine and tells how long it took: `measure.py ours|genai|llamacpp WHERE THREADS [TOKEN FILE]`.

Orders come line by line as JSON: {"prompt": TOKENS, "answer": TOKENS, "streams": N, "again": TOKENS}. Each is answered by
one line: seconds to the first token, seconds for each token after it, tokens a second of all streams together, resident
memory in MiB. With `again` the prompt is first read once, and then asked again with so many tokens more.
Prompts are random and never the same twice.
"""

import http.client
import json
import random
import resource
import sys
import threading
import time

LOW, HIGH = 300, 40_000


def prompt(count: int) -> list[int]:
    return [random.randrange(LOW, HIGH) for _ in range(count)]


class Ours:
    """The agent, over HTTP as any app would use it."""

    def __init__(self, where: str, _threads: int, token_file: str) -> None:
        self.address = where.removeprefix("http://")
        self.token = open(token_file).read().strip()

    def run(self, tokens: list[int], count: int) -> tuple[float, float, int]:
        body = json.dumps({"model": "smol", "prompt": tokens, "max_tokens": count, "temperature": 0, "stream": True,
                           "logit_bias": {"2": -100}})
        connection = http.client.HTTPConnection(self.address)
        begun = time.perf_counter()
        connection.request("POST", "/v1/completions", body, {"Authorization": f"Bearer {self.token}"})
        response, first, last = connection.getresponse(), None, begun
        assert response.status == 200, response.read()
        for line in response:
            if line.startswith(b"data: {"):
                assert b'"error"' not in line, line
                last = time.perf_counter()
                first = first or last
        return first - begun, last - first, count

    def together(self, prompts: list[list[int]], count: int) -> int:
        threads = [threading.Thread(target=self.run, args=(tokens, count)) for tokens in prompts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return count * len(prompts)

    def memory(self) -> float:
        return 0.0


class GenAi:
    """ONNX Runtime GenAI, in this process."""

    def __init__(self, where: str, threads: int, _token_file: str) -> None:
        import onnxruntime_genai as og

        self.og = og
        config = og.Config(where)
        config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
        self.model = og.Model(config)

    def generator(self, length: int, count: int, batch: int):
        params = self.og.GeneratorParams(self.model)
        # It stops at no token before its longest.
        params.set_search_options(max_length=length + count, min_length=length + count, do_sample=False, batch_size=batch)
        return self.og.Generator(self.model, params)

    def run(self, tokens: list[int], count: int) -> tuple[float, float, int]:
        import numpy

        begun = time.perf_counter()
        generator = self.generator(len(tokens), count, 1)
        generator.append_tokens(numpy.array(tokens, dtype=numpy.int32))
        generator.generate_next_token()
        first, made = time.perf_counter(), 1
        while made < count:
            generator.generate_next_token()
            made += 1
        return first - begun, time.perf_counter() - first, made

    def together(self, prompts: list[list[int]], count: int) -> int:
        import numpy

        # One batch of one length: it has no other.
        length = sum(map(len, prompts)) // len(prompts)
        generator = self.generator(length, count, len(prompts))
        generator.append_tokens(numpy.array([prompt(length) for _ in prompts], dtype=numpy.int32))
        for _ in range(count):
            generator.generate_next_token()
        return count * len(prompts)

    def memory(self) -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class LlamaCpp:
    """llama.cpp, in this process."""

    def __init__(self, where: str, threads: int, _token_file: str) -> None:
        import llama_cpp

        self.model = llama_cpp.Llama(where, n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False)

    def run(self, tokens: list[int], count: int) -> tuple[float, float, int]:
        self.model.reset()
        begun, first, made = time.perf_counter(), None, 0
        for _ in self.model.generate(tokens, temp=0.0, reset=True):
            first = first or time.perf_counter()
            made += 1
            if made == count:
                break
        return first - begun, time.perf_counter() - first, made

    def together(self, prompts: list[list[int]], count: int) -> int:
        return sum(self.run(tokens, count)[2] for tokens in prompts)

    def memory(self) -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    kind, where, threads, token_file = [*sys.argv[1:], ""][:4]
    engine = {"ours": Ours, "genai": GenAi, "llamacpp": LlamaCpp}[kind](where, int(threads), token_file)
    engine.run(prompt(32), 4)
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        count = order["answer"]
        if order.get("streams", 1) > 1:
            streams = order["streams"]
            prompts = [prompt(order["prompt"] // 2 + order["prompt"] * n // (streams - 1)) for n in range(streams)]
            begun = time.perf_counter()
            made = engine.together(prompts, count)
            report = {"rate": made / (time.perf_counter() - begun)}
        else:
            tokens = prompt(order["prompt"])
            if order.get("again"):
                engine.run(tokens, 2)
                tokens += prompt(order["again"])
            begun = time.perf_counter()
            first, rest, made = engine.run(tokens, count)
            report = {"first": first, "each": rest / max(made - 1, 1), "rate": made / (time.perf_counter() - begun)}
        print(json.dumps({**report, "memory": engine.memory()}), flush=True)


if __name__ == "__main__":
    main()
