"""Train a tiny Llama-style chat model on the tasks of `tasks.py`.

    python train.py --size small --minutes 40 --out build/small

Writes tokenizer.json (once) and checkpoint.pt (every few minutes) to --out.
Running the same command again goes on from the checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn

import tasks

END_OF_TEXT, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = [END_OF_TEXT, IM_START, IM_END]  # ids 0, 1, 2
VOCAB_SIZE = 1536
CONTEXT_LENGTH = 512

# The split pattern of Qwen2: every digit is a token of its own.
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


# --- Tokenizer ---------------------------------------------------------------


def train_tokenizer() -> Tokenizer:
    """Byte-level BPE: the 256 bytes are in the vocabulary, so any text encodes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    rng = random.Random(0)
    texts: list[str] = []
    for _ in range(60_000):
        task = tasks.generate_split(rng, rng.choice(tasks.DIFFICULTIES), held_out=False)
        texts += [f"{m['role']}\n{m['content']}\n" for m in task.messages] + [task.answer]
    texts += [text for pair in tasks.SMALL_TALK for text in pair] * 50
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class Chat:
    """Turns messages into token ids, in the same way as the ChatML template."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.start = tokenizer.token_to_id(IM_START)
        self.end = tokenizer.token_to_id(IM_END)
        self.newline = self.text("\n")
        self.roles = {role: self.text(role + "\n") for role in ("system", "user", "assistant")}

    def text(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def encode(self, messages: list[tasks.Message]) -> tuple[list[int], list[bool]]:
        """Token ids, and which of them an assistant has to produce."""
        ids: list[int] = []
        learn: list[bool] = []
        for message in messages:
            head = [self.start, *self.roles[message["role"]]]
            body = [*self.text(message["content"]), self.end]
            ids += head + body + self.newline
            learn += [False] * len(head) + [message["role"] == "assistant"] * len(body)
            learn += [False] * len(self.newline)
        return ids, learn

    def prompt(self, messages: list[tasks.Message]) -> list[int]:
        return self.encode(messages)[0] + [self.start, *self.roles["assistant"]]


# --- Model -------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    head_dim: int = 32
    vocab: int = VOCAB_SIZE
    context: int = CONTEXT_LENGTH
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5


SIZES = {
    "small": Config(hidden=128, layers=4, heads=4, kv_heads=2, ffn=352),
    "large": Config(hidden=256, layers=6, heads=8, kv_heads=4, ffn=640),
}


def rope_tables(config: Config) -> tuple[Tensor, Tensor]:
    """Cosine and sine, each [context, head_dim / 2]."""
    half = config.head_dim // 2
    frequencies = config.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(config.context, dtype=torch.float64)[:, None] * frequencies
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding, the two halves of a head being the pairs (not interleaved)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        c = config
        self.q_proj = nn.Linear(c.hidden, c.heads * c.head_dim, bias=False)
        self.k_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.v_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_dim, c.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        b, t, _ = x.shape
        c = self.config
        q = rotate(self.q_proj(x).view(b, t, c.heads, c.head_dim).transpose(1, 2), cos, sin)
        k = rotate(self.k_proj(x).view(b, t, c.kv_heads, c.head_dim).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(b, t, c.kv_heads, c.head_dim).transpose(1, 2)
        groups = c.heads // c.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, c.heads * c.head_dim))


class Mlp(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.ffn, bias=False)
        self.up_proj = nn.Linear(config.hidden, config.ffn, bias=False)
        self.down_proj = nn.Linear(config.ffn, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        self.mlp = Mlp(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab, config.hidden)  # tied with the output
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        cos, sin = rope_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * config.layers) if last else 0.02)

    def features(self, ids: Tensor, mask: Tensor) -> Tensor:
        t = ids.shape[1]
        cos, sin = self.cos[:t], self.sin[:t]
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        t = ids.shape[1]
        if mask is None:
            mask = torch.ones(t, t, dtype=torch.bool).tril()
        return F.linear(self.features(ids, mask), self.embed_tokens.weight)


# --- Data --------------------------------------------------------------------


def mix(size: str, progress: float) -> list[float]:
    """Shares of easy, medium and hard tasks: easy ones first, harder ones later."""
    start, end = {
        "small": ([0.80, 0.18, 0.02], [0.60, 0.30, 0.10]),
        "large": ([0.70, 0.25, 0.05], [0.30, 0.38, 0.32]),
    }[size]
    p = min(1.0, progress * 2)
    return [a + (b - a) * p for a, b in zip(start, end)]


# Harder to learn, so more of them.
FAMILY_WEIGHTS = {"arithmetic": 2.5, "sorting": 1.3, "counting": 1.2, "copying": 1.2, "extraction": 1.0}


def conversation(rng: random.Random, shares: list[float], chat: Chat) -> tuple[list[int], list[bool]]:
    """One training conversation: mostly one task, at times several in a row."""
    families = list(tasks.FAMILIES)
    weights = [FAMILY_WEIGHTS.get(f, 1.0) for f in families]
    count = rng.randint(2, 6) if rng.random() < 0.12 else 1
    messages: list[tasks.Message] = []
    for _ in range(count):
        if rng.random() < 0.01:
            task = tasks.small_talk(rng)
        else:
            difficulty = rng.choices(tasks.DIFFICULTIES, shares)[0]
            family = rng.choices(families, weights)[0]
            task = tasks.generate_split(rng, difficulty, family, held_out=False, follow_rate=0.35)
        # A system message stands at the very beginning only.
        messages += [m for m in task.messages if m["role"] != "system" or not messages]
        messages.append({"role": "assistant", "content": task.answer})
    return chat.encode(messages)


def pack(
    rng: random.Random, shares: list[float], chat: Chat, rows: int, length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Fill `rows` sequences with whole conversations: ids, segment numbers, targets.

    A conversation sees nothing of the others in its row (the segment numbers
    make the attention mask). A target of -100 is not learned.
    """
    ids = [[] for _ in range(rows)]
    learn = [[] for _ in range(rows)]
    segments = [[] for _ in range(rows)]
    misses = 0
    number = 0
    while misses < 3:
        new_ids, new_learn = conversation(rng, shares, chat)
        row = next((r for r in range(rows) if len(ids[r]) + len(new_ids) <= length), None)
        if row is None:
            misses += 1
            continue
        number += 1
        ids[row] += new_ids
        learn[row] += new_learn
        segments[row] += [number] * len(new_ids)
    for r in range(rows):
        gap = length - len(ids[r])
        ids[r] += [0] * gap
        learn[r] += [False] * gap
        segments[r] += [0] * gap
    x = torch.tensor(ids)
    targets = torch.full_like(x, -100)
    learned = torch.tensor(learn)[:, 1:]
    targets[:, :-1][learned] = x[:, 1:][learned]
    return x, torch.tensor(segments), targets


def segment_mask(segments: Tensor) -> Tensor:
    t = segments.shape[1]
    causal = torch.ones(t, t, dtype=torch.bool).tril()
    return (causal & (segments[:, :, None] == segments[:, None, :]))[:, None]


@torch.no_grad()
def accuracy(model: Model, chat: Chat, per_cell: int) -> dict[str, dict[str, float]]:
    """Exact-match accuracy on held-out tasks, by difficulty and family.

    One forward pass over prompt and answer: the greedy reply is the answer if
    every answer token is the most likely one.
    """
    rng = random.Random(12345)
    table: dict[str, dict[str, float]] = {}
    for difficulty in tasks.DIFFICULTIES:
        table[difficulty] = {}
        for family in tasks.FAMILIES:
            prompts, answers = [], []
            for _ in range(per_cell):
                task = tasks.generate_split(rng, difficulty, family, held_out=True)
                prompts.append(chat.prompt(list(task.messages)))
                answers.append([*chat.text(task.answer), chat.end])
            longest = max(len(p) + len(a) for p, a in zip(prompts, answers))
            ids = torch.tensor([p + a + [0] * (longest - len(p) - len(a)) for p, a in zip(prompts, answers)])
            best = model(ids).argmax(-1)
            right = [
                best[i, len(p) - 1 : len(p) - 1 + len(a)].tolist() == a for i, (p, a) in enumerate(zip(prompts, answers))
            ]
            table[difficulty][family] = sum(right) / per_cell
    return table


# --- Training ----------------------------------------------------------------


def learning_rate(progress: float, step: int, peak: float, warmup: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def save(path: Path, **state: object) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--minutes", type=float, default=40, help="training time, earlier runs included")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=12, help="sequences of 256 tokens in a step")
    parser.add_argument("--lr", type=float, help="peak learning rate")
    parser.add_argument("--checkpoint-minutes", type=float, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16, if the processor is faster with it")
    parser.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer_path = args.out / "tokenizer.json"
    if not tokenizer_path.exists():
        train_tokenizer().save(str(tokenizer_path))
    chat = Chat(Tokenizer.from_file(str(tokenizer_path)))

    config = SIZES[args.size]
    model = Model(config)
    peak = args.lr or {"small": 3e-3, "large": 1.5e-3}[args.size]
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
        lr=peak,
        betas=(0.9, 0.98),
        fused=True,
    )
    step, tokens, spent = 0, 0, 0.0
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step, tokens, spent = state["step"], state["tokens"], state["seconds"]
        print(f"going on from step {step}", flush=True)
    rng = random.Random(f"{args.seed}/{step}")
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    features = torch.compile(model.features) if args.compile else model.features

    def store() -> None:
        save(
            checkpoint,
            model=model.state_dict(),
            optimizer=optimizer.state_dict(),
            config=asdict(config),
            size=args.size,
            step=step,
            tokens=tokens,
            seconds=spent,
        )

    total = args.minutes * 60
    since_log, losses, next_store = time.monotonic(), [], spent + args.checkpoint_minutes * 60
    logged_tokens = tokens
    while spent < total:
        began = time.monotonic()
        progress = spent / total
        # Every 16th step has rows of twice the length, to learn the later positions.
        rows, length = (args.rows // 2, CONTEXT_LENGTH) if step % 16 == 15 else (args.rows, CONTEXT_LENGTH // 2)
        ids, segments, targets = pack(rng, mix(args.size, progress), chat, rows, length)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress, step, peak, warmup=100)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            x = features(ids, segment_mask(segments))
            learned = targets != -100  # logits are needed at these positions only
            logits = F.linear(x[learned], model.embed_tokens.weight)
        loss = F.cross_entropy(logits.float(), targets[learned])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        step += 1
        tokens += ids.numel()
        spent += time.monotonic() - began

        if step % 50 == 0:
            now = time.monotonic()
            print(
                f"step {step} minute {spent / 60:.1f} loss {sum(losses) / len(losses):.3f} "
                f"tokens {tokens / 1e6:.2f} M, {(tokens - logged_tokens) / (now - since_log):.0f}/s",
                flush=True,
            )
            since_log, losses, logged_tokens = now, [], tokens
        if spent >= next_store:
            store()
            table = accuracy(model, chat, per_cell=24)
            print(json.dumps({d: {f: round(v, 2) for f, v in row.items()} for d, row in table.items()}), flush=True)
            for d, row in table.items():
                print(f"  {d}: {sum(row.values()) / len(row):.3f}", flush=True)
            since_log, logged_tokens = time.monotonic(), tokens
            next_store = spent + args.checkpoint_minutes * 60
    store()


if __name__ == "__main__":
    main()
