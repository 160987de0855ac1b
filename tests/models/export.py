"""Write a training checkpoint as an ONNX Runtime GenAI folder.

    python export.py --checkpoint build/small/checkpoint.pt --out small

tokenizer.json is taken from the checkpoint's folder. The graph is put together
by hand and has the form that the onnxruntime-genai model builder gives to Llama
models on CPU: GroupQueryAttention with rotary embedding inside, and key/value
tensors that may share one buffer.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from train import END_OF_TEXT, IM_END, IM_START, SPECIAL_TOKENS, Config, rope_tables

# ChatML. Tool definitions go, as a JSON list, into the system message; a tool's
# reply is a message with the role "tool".
CHAT_TEMPLATE = """\
{%- if messages and messages[0].role == 'system' -%}
    {%- set system = messages[0].content -%}
    {%- set rest = messages[1:] -%}
{%- else -%}
    {%- set system = '' -%}
    {%- set rest = messages -%}
{%- endif -%}
{%- if tools -%}
    {{- '<|im_start|>system\\n' -}}
    {%- if system -%}{{- system + '\\n\\n' -}}{%- endif -%}
    {{- 'You can call these tools:\\n' -}}{{- tools | tojson -}}{{- '<|im_end|>\\n' -}}
{%- elif system -%}
    {{- '<|im_start|>system\\n' + system + '<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in rest -%}
    {{- '<|im_start|>' + message.role + '\\n' -}}
    {%- if message.content -%}{{- message.content -}}{%- endif -%}
    {%- if message.tool_calls -%}
        {%- for call in message.tool_calls -%}
            {%- set f = call.function if call.function else call -%}
            {{- '<tool_call>{"name": "' + f.name + '", "arguments": ' -}}
            {%- if f.arguments is string -%}{{- f.arguments -}}{%- else -%}{{- f.arguments | tojson -}}{%- endif -%}
            {{- '}</tool_call>' -}}
        {%- endfor -%}
    {%- endif -%}
    {{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


class Graph:
    """Collects the nodes and weights of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, op: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, outputs, name="/" + outputs[0], domain=domain, **attributes))
        return outputs[0]

    def constant(self, name: str, value: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, value: torch.Tensor) -> str:
        """Stored as float16 to be small, used as float32. The runtime folds the Cast when it loads the model."""
        self.constant(name + ".fp16", np.ascontiguousarray(value.numpy().astype(np.float16)))
        return self.node("Cast", [name + ".fp16"], [name], to=TensorProto.FLOAT)

    def linear(self, x: str, name: str, value: torch.Tensor) -> str:
        return self.node("MatMul", [x, self.weight(name, value.T)], [name + ".out"])


def build(config: Config, state: dict[str, torch.Tensor]) -> onnx.ModelProto:
    g = Graph()

    # Lengths, as GroupQueryAttention wants them.
    one = g.constant("one", np.array([1], np.int64))
    g.node("ReduceSum", ["attention_mask", one], ["mask_sum"], keepdims=1)
    g.node("Sub", ["mask_sum", one], ["mask_sum_minus_one"])
    seqlens = g.node("Cast", ["mask_sum_minus_one"], ["seqlens_k"], to=TensorProto.INT32)
    g.node("Shape", ["attention_mask"], ["mask_shape"])
    axis = g.constant("axis_one", np.array(1, np.int64))
    g.node("Gather", ["mask_shape", axis], ["total_length"], axis=0)
    total = g.node("Cast", ["total_length"], ["total_sequence_length_int32"], to=TensorProto.INT32)

    cos, sin = (g.constant(n, t.numpy()) for n, t in zip(("cos_cache", "sin_cache"), rope_tables(config)))

    embed = g.weight("embed_tokens.weight", state["embed_tokens.weight"])
    x = g.node("Gather", [embed, "input_ids"], ["embed_tokens.out"], axis=0)
    gamma = g.weight("layers.0.input_layernorm.weight", state["layers.0.input_layernorm.weight"])
    y = g.node(
        "SimplifiedLayerNormalization",
        [x, gamma],
        ["layers.0.input_layernorm.out"],
        axis=-1,
        epsilon=config.norm_eps,
        stash_type=1,
    )

    def add_and_norm(x: str, added: str, name: str) -> tuple[str, str]:
        """Returns the norm of the sum, and the sum."""
        g.node(
            "SkipSimplifiedLayerNormalization",
            [x, added, g.weight(name, state[name])],
            [name + ".out", "", "", name + ".sum"],
            domain="com.microsoft",
            epsilon=config.norm_eps,
        )
        return name + ".out", name + ".sum"

    for i in range(config.layers):
        p = f"layers.{i}."

        def linear(x: str, name: str) -> str:
            return g.linear(x, p + name, state[p + name + ".weight"])

        q, k, v = (linear(y, f"self_attn.{n}_proj") for n in "qkv")
        attention = g.node(
            "GroupQueryAttention",
            [q, k, v, f"past_key_values.{i}.key", f"past_key_values.{i}.value", seqlens, total, cos, sin],
            [p + "self_attn.out", f"present.{i}.key", f"present.{i}.value"],
            domain="com.microsoft",
            num_heads=config.heads,
            kv_num_heads=config.kv_heads,
            scale=config.head_dim**-0.5,
            do_rotary=1,
            rotary_interleaved=0,
            local_window_size=-1,
        )
        y, x = add_and_norm(x, linear(attention, "self_attn.o_proj"), p + "post_attention_layernorm.weight")
        gate = linear(y, "mlp.gate_proj")
        sigmoid = g.node("Sigmoid", [gate], [p + "mlp.sigmoid"])
        silu = g.node("Mul", [gate, sigmoid], [p + "mlp.silu"])
        product = g.node("Mul", [silu, linear(y, "mlp.up_proj")], [p + "mlp.product"])
        down = linear(product, "mlp.down_proj")
        following = f"layers.{i + 1}.input_layernorm.weight" if i + 1 < config.layers else "norm.weight"
        y, x = add_and_norm(x, down, following)

    g.node("Transpose", [embed], ["lm_head.weight"], perm=[1, 0])
    g.node("MatMul", [y, "lm_head.weight"], ["logits"])

    def value(name: str, kind: int, shape: list[str | int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    def cache(prefix: str, length: str) -> list[onnx.ValueInfoProto]:
        shape: list[str | int] = ["batch_size", config.kv_heads, length, config.head_dim]
        return [
            value(f"{prefix}.{i}.{part}", TensorProto.FLOAT, shape)
            for i in range(config.layers)
            for part in ("key", "value")
        ]

    graph = helper.make_graph(
        g.nodes,
        "tideline-test-model",
        [
            value("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"]),
            value("attention_mask", TensorProto.INT64, ["batch_size", "total_sequence_length"]),
            *cache("past_key_values", "past_sequence_length"),
        ],
        [
            value("logits", TensorProto.FLOAT, ["batch_size", "sequence_length", config.vocab]),
            *cache("present", "total_sequence_length"),
        ],
        g.weights,
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)],
        ir_version=10,
        producer_name="tideline-tests",
    )


def genai_config(config: Config) -> dict[str, object]:
    token = {t: i for i, t in enumerate(SPECIAL_TOKENS)}
    return {
        "model": {
            "bos_token_id": token[END_OF_TEXT],
            "context_length": config.context,
            "decoder": {
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "filename": "model.onnx",
                "head_size": config.head_dim,
                "hidden_size": config.hidden,
                "inputs": {
                    "input_ids": "input_ids",
                    "attention_mask": "attention_mask",
                    "past_key_names": "past_key_values.%d.key",
                    "past_value_names": "past_key_values.%d.value",
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": "present.%d.key",
                    "present_value_names": "present.%d.value",
                },
                "num_attention_heads": config.heads,
                "num_hidden_layers": config.layers,
                "num_key_value_heads": config.kv_heads,
            },
            "eos_token_id": [token[IM_END], token[END_OF_TEXT]],
            "pad_token_id": token[END_OF_TEXT],
            "type": "llama",
            "vocab_size": config.vocab,
        },
        "search": {
            "diversity_penalty": 0.0,
            "do_sample": False,
            "early_stopping": True,
            "length_penalty": 1.0,
            "max_length": config.context,
            "min_length": 0,
            "no_repeat_ngram_size": 0,
            "num_beams": 1,
            "num_return_sequences": 1,
            "past_present_share_buffer": True,
            "repetition_penalty": 1.0,
            "temperature": 1.0,
            "top_k": 1,
            "top_p": 1.0,
        },
    }


def side_files(config: Config) -> dict[str, dict[str, object]]:
    token = {t: i for i, t in enumerate(SPECIAL_TOKENS)}
    ids = {
        "bos_token_id": token[END_OF_TEXT],
        "eos_token_id": [token[IM_END], token[END_OF_TEXT]],
        "pad_token_id": token[END_OF_TEXT],
    }
    return {
        "genai_config.json": genai_config(config),
        "generation_config.json": {**ids, "do_sample": False, "max_length": config.context},
        "config.json": {
            **ids,
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "eos_token_id": token[IM_END],
            "head_dim": config.head_dim,
            "hidden_act": "silu",
            "hidden_size": config.hidden,
            "intermediate_size": config.ffn,
            "max_position_embeddings": config.context,
            "mlp_bias": False,
            "model_type": "llama",
            "num_attention_heads": config.heads,
            "num_hidden_layers": config.layers,
            "num_key_value_heads": config.kv_heads,
            "rms_norm_eps": config.norm_eps,
            "rope_scaling": None,
            "rope_theta": config.rope_theta,
            "tie_word_embeddings": True,
            "torch_dtype": "float32",
            "vocab_size": config.vocab,
        },
        "tokenizer_config.json": {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": {
                str(i): {
                    "content": t,
                    "lstrip": False,
                    "normalized": False,
                    "rstrip": False,
                    "single_word": False,
                    "special": True,
                }
                for t, i in token.items()
            },
            "additional_special_tokens": [IM_START, IM_END],
            "bos_token": None,
            "chat_template": CHAT_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": IM_END,
            "errors": "replace",
            "model_max_length": config.context,
            "pad_token": END_OF_TEXT,
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        },
    }


def write(path: Path, data: bytes) -> None:
    """Write under another name first, so that no reader sees half a file."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    os.replace(partial, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    saved = torch.load(args.checkpoint, weights_only=True, map_location="cpu")
    config = Config(**saved["config"])
    args.out.mkdir(parents=True, exist_ok=True)
    for name, content in side_files(config).items():
        write(args.out / name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    write(args.out / "tokenizer.json", (args.checkpoint.parent / "tokenizer.json").read_bytes())
    write(args.out / "model.onnx", build(config, saved["model"]).SerializeToString())
    size = sum(f.stat().st_size for f in args.out.iterdir()) / 1e6
    print(f"{args.out}: step {saved['step']}, {size:.1f} MB")


if __name__ == "__main__":
    main()
