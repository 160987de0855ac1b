"""Check an exported model folder with ONNX Runtime.

    python evaluate.py small --count 100 [--checkpoint build/small/checkpoint.pt]

Prints exact-match accuracy on held-out tasks, by family and difficulty, and
checks that
  * the chat template gives the tokens that the model was trained on,
  * a batch of prompts of different lengths gives the same tokens as one prompt
    at a time, with growing key/value tensors and with one shared buffer,
  * the logits equal those of the PyTorch model (with --checkpoint).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

import jinja2
import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

import tasks

Cache = dict[str, np.ndarray]


class Folder:
    """A model folder, loaded."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.config = json.loads((path / "genai_config.json").read_text())["model"]
        self.tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
        environment = jinja2.Environment()
        # As chat-template renderers do it: plain JSON, without HTML escapes.
        environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
        template = json.loads((path / "tokenizer_config.json").read_text())["chat_template"]
        self.template = environment.from_string(template)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(
            path / self.config["decoder"]["filename"], options, providers=["CPUExecutionProvider"]
        )
        d = self.config["decoder"]
        self.past = [
            d["inputs"][f"past_{part}_names"].replace("%d", str(i))
            for i in range(d["num_hidden_layers"])
            for part in ("key", "value")
        ]
        self.present = [
            d["outputs"][f"present_{part}_names"].replace("%d", str(i))
            for i in range(d["num_hidden_layers"])
            for part in ("key", "value")
        ]
        self.eos = set(self.config["eos_token_id"])

    def prompt(self, messages: list[tasks.Message]) -> list[int]:
        text = self.template.render(messages=messages, add_generation_prompt=True)
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def empty_cache(self, batch: int, length: int = 0) -> Cache:
        d = self.config["decoder"]
        shape = (batch, d["num_key_value_heads"], length, d["head_size"])
        return {name: np.zeros(shape, np.float32) for name in self.past}

    def step(self, ids: np.ndarray, mask: np.ndarray, cache: Cache) -> tuple[np.ndarray, Cache]:
        logits, *present = self.session.run(
            ["logits", *self.present], {"input_ids": ids, "attention_mask": mask, **cache}
        )
        return logits, dict(zip(self.past, present))

    def generate(self, prompts: list[list[int]], limit: int = 64, shared: bool = False) -> list[list[int]]:
        """Greedy replies. Prompts are padded on the right.

        With `shared`, past and present are the same buffer of `context_length`.
        """
        batch = len(prompts)
        lengths = np.array([len(p) for p in prompts])
        longest = int(lengths.max())
        ids = np.zeros((batch, longest), np.int64)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = prompt
        replies: list[list[int]] = [[] for _ in prompts]
        open_rows = set(range(batch))
        context = self.config["context_length"]
        cache = self.empty_cache(batch, context if shared else 0)
        if shared:
            buffers = {n: ort.OrtValue.ortvalue_from_numpy(v) for n, v in cache.items()}
        total = longest
        while open_rows and total <= context:
            # A row's own length is the number of ones in its mask.
            mask = (np.arange(total) < lengths[:, None]).astype(np.int64)
            if shared:
                binding = self.session.io_binding()
                binding.bind_cpu_input("input_ids", ids)
                binding.bind_cpu_input("attention_mask", mask)
                binding.bind_output("logits")
                for past, present in zip(self.past, self.present):
                    binding.bind_ortvalue_input(past, buffers[past])
                    binding.bind_ortvalue_output(present, buffers[past])
                self.session.run_with_iobinding(binding)
                logits = binding.get_outputs()[0].numpy()
            else:
                logits, cache = self.step(ids, mask, cache)
            last = lengths - 1 if ids.shape[1] > 1 else np.zeros(batch, np.int64)
            best = logits[np.arange(batch), last].argmax(-1)
            for row in list(open_rows):
                token = int(best[row])
                if token in self.eos:
                    open_rows.discard(row)
                else:
                    replies[row].append(token)
                    if len(replies[row]) >= limit:
                        open_rows.discard(row)
            ids = best[:, None].astype(np.int64)
            lengths = lengths + 1
            total += 1
        return replies


def accuracies(folder: Folder, count: int, seed: int, batch: int = 50) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for family in tasks.FAMILIES:
        table[family] = {}
        for difficulty in tasks.DIFFICULTIES:
            rng = random.Random(f"{seed}/{family}/{difficulty}")
            some = [tasks.generate_split(rng, difficulty, family, held_out=True) for _ in range(count)]
            right = 0
            for start in range(0, count, batch):
                part = some[start : start + batch]
                replies = folder.generate([folder.prompt(list(t.messages)) for t in part])
                right += sum(folder.tokenizer.decode(r) == t.answer for t, r in zip(part, replies))
            table[family][difficulty] = right / count
    return table


def print_table(table: dict[str, dict[str, float]]) -> None:
    print("| Family | " + " | ".join(tasks.DIFFICULTIES) + " |")
    print("|---|" + "---:|" * len(tasks.DIFFICULTIES))
    for family, row in table.items():
        print(f"| {family} | " + " | ".join(f"{100 * row[d]:.0f} %" for d in tasks.DIFFICULTIES) + " |")
    means = {d: sum(row[d] for row in table.values()) / len(table) for d in tasks.DIFFICULTIES}
    print("| **mean** | " + " | ".join(f"**{100 * means[d]:.0f} %**" for d in tasks.DIFFICULTIES) + " |")


def held_out_mix(count: int, seed: int) -> list[tasks.Task]:
    rng = random.Random(seed)
    return [tasks.generate_split(rng, rng.choice(tasks.DIFFICULTIES), held_out=True) for _ in range(count)]


def check_batches(folder: Folder) -> bool:
    prompts = [folder.prompt(list(t.messages)) for t in held_out_mix(24, seed=7)]
    alone = [folder.generate([p])[0] for p in prompts]
    together = folder.generate(prompts)
    shared = folder.generate(prompts, shared=True)
    print(f"prompts of {min(map(len, prompts))} to {max(map(len, prompts))} tokens")
    print(f"batch equals one at a time: {together == alone}")
    print(f"shared buffer equals one at a time: {shared == alone}")
    return together == alone and shared == alone


def check_template(folder: Folder) -> bool:
    from train import Chat

    chat = Chat(folder.tokenizer)
    same = all(
        folder.prompt(list(t.messages)) == chat.prompt(list(t.messages)) for t in held_out_mix(300, seed=8)
    )
    print(f"chat template gives the training tokens: {same}")
    return same


def check_torch(folder: Folder, checkpoint: Path) -> bool:
    import torch

    from train import Config, Model

    saved = torch.load(checkpoint, weights_only=True)
    model = Model(Config(**saved["config"]))
    # The export rounds weights to float16; do the same here.
    model.load_state_dict({k: v.half().float() for k, v in saved["model"].items()})
    worst = 0.0
    for task in held_out_mix(8, seed=9):
        ids = folder.prompt(list(task.messages))
        with torch.no_grad():
            expected = model(torch.tensor([ids])).numpy()
        # All but the last two tokens at once, then these one by one with the cache.
        cut = len(ids) - 2
        logits, cache = folder.step(np.array([ids[:cut]]), np.ones((1, cut), np.int64), folder.empty_cache(1))
        parts = [logits]
        for i in range(cut, len(ids)):
            logits, cache = folder.step(np.array([[ids[i]]]), np.ones((1, i + 1), np.int64), cache)
            parts.append(logits)
        worst = max(worst, float(np.abs(np.concatenate(parts, axis=1) - expected).max()))
    print(f"largest difference to the PyTorch logits: {worst:.1e}")
    return worst < 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100, help="held-out tasks per family and difficulty")
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the accuracies to this file too")
    parser.add_argument("--checkpoint", type=Path, help="compare logits with this PyTorch checkpoint")
    args = parser.parse_args()

    folder = Folder(args.folder, args.threads)
    good = check_template(folder) & check_batches(folder)
    if args.checkpoint:
        good &= check_torch(folder, args.checkpoint)
    if args.count:
        table = accuracies(folder, args.count, args.seed)
        print_table(table)
        if args.json:
            args.json.write_text(json.dumps(table, indent=2) + "\n")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
