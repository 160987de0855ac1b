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
import signal
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
EMBEDDING_STD = 0.5

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

    def encode(self, messages: list[tasks.Message]) -> tuple[list[int], list[float]]:
        """Token ids, and how much each counts in the loss.

        Only the assistant's tokens count, those of long replies less, so that
        a "Yes" is not lost among replies of many tokens.
        """
        ids: list[int] = []
        weights: list[float] = []
        for message in messages:
            head = [self.start, *self.roles[message["role"]]]
            body = [*self.text(message["content"]), self.end]
            ids += head + body + self.newline
            weight = len(body) ** -0.5 if message["role"] == "assistant" else 0.0
            weights += [0.0] * len(head) + [weight] * len(body) + [0.0] * len(self.newline)
        return ids, weights

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
    "large": Config(hidden=192, layers=6, heads=6, kv_heads=3, ffn=512),
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
        # The embeddings are large enough to stay visible beside what the layers
        # add to them; the last norm scales down, as the output shares them.
        nn.init.normal_(self.embed_tokens.weight, std=EMBEDDING_STD)
        nn.init.constant_(self.norm.weight, config.hidden**-0.5 / EMBEDDING_STD)
        for name, p in self.layers.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(p)
            elif p.dim() == 2:
                nn.init.normal_(p, std=0.6 * config.hidden**-0.5)

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


def relate_embeddings(model: Model, tokenizer: Tokenizer) -> None:
    """Let the forms of a word ("lemon", " lemon", "Lemon", "LEMON") start close to each other.

    The model then need not find out from the data alone which tokens belong together.
    """
    groups: dict[str, list[int]] = {}
    for token, i in tokenizer.get_vocab().items():
        groups.setdefault(token.lstrip("\u0120").lower(), []).append(i)
    with torch.no_grad():
        for ids in groups.values():
            own = model.embed_tokens.weight[ids]
            model.embed_tokens.weight[ids] = 0.6 * own + 0.8 * own[:1]


# --- Data --------------------------------------------------------------------


def mix(size: str, progress: float) -> list[float]:
    """Shares of easy, medium and hard tasks: easy ones first, harder ones later."""
    start, end, speed = {
        "small": ([0.85, 0.13, 0.02], [0.70, 0.22, 0.08], 1.25),
        "large": ([0.85, 0.13, 0.02], [0.22, 0.43, 0.35], 1.6),
    }[size]
    p = min(1.0, progress * speed)
    return [a + (b - a) * p for a, b in zip(start, end)]


def family_weights(progress: float) -> list[float]:
    """Shares of the families: copying from the text first, then more of what is hard to learn."""
    early = {"copying": 3.0, "extraction": 2.0, "lookup": 2.0, "counting": 0.3, "comparing": 0.5}
    late = {"arithmetic": 3.0, "lookup": 2.5, "comparing": 1.5, "sorting": 1.3}
    late |= {"extraction": 0.8, "copying": 0.7, "counting": 0.5}
    weights = early if progress < 0.1 else late
    return [weights.get(f, 1.0) for f in tasks.FAMILIES]


def conversation(
    rng: random.Random, shares: list[float], family_shares: list[float], chat: Chat
) -> tuple[list[int], list[float]]:
    """One training conversation: mostly one task, at times several in a row."""
    families = list(tasks.FAMILIES)
    count = rng.randint(2, 6) if rng.random() < 0.12 else 1
    messages: list[tasks.Message] = []
    for _ in range(count):
        if rng.random() < 0.01:
            task = tasks.small_talk(rng)
        else:
            difficulty = rng.choices(tasks.DIFFICULTIES, shares)[0]
            family = rng.choices(families, family_shares)[0]
            task = tasks.generate_split(rng, difficulty, family, held_out=False, follow_rate=0.35)
        # A system message stands at the very beginning only.
        messages += [m for m in task.messages if m["role"] != "system" or not messages]
        messages.append({"role": "assistant", "content": task.answer})
    return chat.encode(messages)


def pack(
    rng: random.Random, shares: list[float], family_shares: list[float], chat: Chat, rows: int, length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Fill `rows` sequences with whole conversations: ids, loss weights, segment numbers.

    A conversation sees nothing of the others in its row: the segment numbers
    make the attention mask.
    """
    ids: list[list[int]] = [[] for _ in range(rows)]
    weights: list[list[float]] = [[] for _ in range(rows)]
    segments: list[list[int]] = [[] for _ in range(rows)]
    misses = 0
    number = 0
    while misses < 3:
        new_ids, new_weights = conversation(rng, shares, family_shares, chat)
        row = next((r for r in range(rows) if len(ids[r]) + len(new_ids) <= length), None)
        if row is None:
            misses += 1
            continue
        number += 1
        ids[row] += new_ids
        weights[row] += new_weights
        segments[row] += [number] * len(new_ids)
    for r in range(rows):
        gap = length - len(ids[r])
        ids[r] += [0] * gap
        weights[r] += [0.0] * gap
        segments[r] += [0] * gap
    return torch.tensor(ids), torch.tensor(weights), torch.tensor(segments)


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
            right = 0
            for row, p, a in zip(best, prompts, answers):
                right += row[len(p) - 1 : len(p) - 1 + len(a)].tolist() == a
            table[difficulty][family] = right / per_cell
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
    parser.add_argument("--lr", type=float, default=5e-3, help="peak learning rate of AdamW")
    parser.add_argument("--muon-lr", type=float, default=0.01, help="peak learning rate of Muon")
    parser.add_argument("--checkpoint-minutes", type=float, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16, if the processor is faster with it")
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
    relate_embeddings(model, chat.tokenizer)
    # Muon for the matrices of the layers, AdamW for the embeddings and norms:
    # with so few steps this learns clearly more than AdamW for all of them.
    matrices = [p for p in model.layers.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizers = [
        torch.optim.Muon(matrices, lr=args.muon_lr, weight_decay=0.05, momentum=0.95),
        torch.optim.AdamW([*vectors, model.embed_tokens.weight], lr=args.lr, weight_decay=0.0, betas=(0.9, 0.98)),
    ]
    peaks = [args.muon_lr, args.lr]
    step, tokens, spent = 0, 0, 0.0
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        step, tokens, spent = state["step"], state["tokens"], state["seconds"]
        print(f"going on from step {step}", flush=True)
    rng = random.Random(f"{args.seed}/{step}")
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    def store() -> None:
        save(
            checkpoint,
            model=model.state_dict(),
            optimizers=[optimizer.state_dict() for optimizer in optimizers],
            config=asdict(config),
            size=args.size,
            step=step,
            tokens=tokens,
            seconds=spent,
        )

    total = args.minutes * 60
    since_log, losses, next_store = time.monotonic(), [], spent + args.checkpoint_minutes * 60
    logged_tokens = tokens
    stopping: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))  # stop with a checkpoint
    while spent < total and not stopping:
        began = time.monotonic()
        progress = spent / total
        # Every 16th step has rows of twice the length, to learn the later positions.
        rows, length = (args.rows // 2, CONTEXT_LENGTH) if step % 16 == 15 else (args.rows, CONTEXT_LENGTH // 2)
        ids, weights, segments = pack(rng, mix(args.size, progress), family_weights(progress), chat, rows, length)
        for optimizer, peak in zip(optimizers, peaks):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(progress, step, peak, warmup=50)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            x = model.features(ids, segment_mask(segments))
            learned = weights[:, 1:] > 0  # logits are needed at these positions only
            logits = F.linear(x[:, :-1][learned], model.embed_tokens.weight)
        each = F.cross_entropy(logits.float(), ids[:, 1:][learned], reduction="none")
        counts = weights[:, 1:][learned]
        loss = (each * counts).sum() / counts.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
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
