"""Makes one model of SmolLM2-135M's shape with random 4-bit weights, for everybody who is measured.

`OUT/smol/` is a folder as ONNX Runtime GenAI's model builder writes it with `-p int4 -e cpu` (the same
operators, block size 32, accuracy level 4); `OUT/smol.gguf` has the same weights as Q4_0.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import onnx
from onnx import TensorProto, helper

LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD, INNER, VOCAB, CONTEXT, BLOCK = 30, 576, 9, 3, 64, 1536, 49152, 2048, 32
EPSILON, THETA = 1e-5, 100_000.0
random = np.random.default_rng(135)


class Weight:
    """Rows of 4-bit numbers, -8 to 7, with a scale for each block of a row."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.numbers = random.integers(0, 16, (rows, columns // BLOCK, BLOCK), dtype=np.uint8)
        scales = random.uniform(0.5, 1.5, (rows, columns // BLOCK)) * 0.15 * columns**-0.5
        self.scales = scales.astype(np.float16)

    def onnx(self) -> tuple[np.ndarray, np.ndarray]:
        packed = self.numbers[:, :, 0::2] | (self.numbers[:, :, 1::2] << 4)
        return packed, self.scales.astype(np.float32)

    def gguf(self) -> np.ndarray:
        half = BLOCK // 2
        packed = self.numbers[:, :, :half] | (self.numbers[:, :, half:] << 4)
        scales = self.scales[:, :, None].view(np.uint8)
        return np.concatenate([scales, packed], axis=2).reshape(self.rows, -1)

    def part(self, start: int, stop: int) -> "Weight":
        part = object.__new__(Weight)
        part.rows, part.columns = stop - start, self.columns
        part.numbers, part.scales = self.numbers[start:stop], self.scales[start:stop]
        return part


def tokenizer() -> tuple[list[str], list[str]]:
    """Letters for bytes as GPT-2 has them, and pairs of them until there are enough."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {byte: chr(byte) for byte in plain}, 256
    for byte in range(256):
        if byte not in letters:
            letters[byte], extra = chr(extra), extra + 1
    letters = [letters[byte] for byte in range(256)]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    pairs = [(a, b) for a in letters for b in letters][: VOCAB - 256 - len(special)]
    return [*special, *letters, *(a + b for a, b in pairs)], [f"{a} {b}" for a, b in pairs]


def write_onnx(folder: Path, weights: dict[str, Weight], tokens: list[str], merges: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    nodes, initialisers, data = [], [], open(folder / "model.onnx.data", "wb")

    def constant(name: str, value: np.ndarray) -> str:
        tensor = TensorProto(name=name, dims=value.shape, data_type=helper.np_dtype_to_tensor_dtype(value.dtype))
        if value.nbytes < 1024:
            tensor.raw_data = value.tobytes()
        else:
            data.write(b"\0" * (-data.tell() % 4096))
            tensor.data_location = TensorProto.EXTERNAL
            for key, text in ("location", "model.onnx.data"), ("offset", data.tell()), ("length", value.nbytes):
                tensor.external_data.add(key=key, value=str(text))
            data.write(value.tobytes())
        initialisers.append(tensor)
        return name

    def node(operator: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes) -> str:
        nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))
        return outputs[0]

    def quantised(name: str, weight: Weight) -> tuple[str, str]:
        packed, scales = weight.onnx()
        return constant(f"{name}.weight_Q4", packed), constant(f"{name}.weight_scales", scales)

    def product(x: str, name: str, names: tuple[str, str] | None = None, output: str | None = None) -> str:
        weight = weights[name]
        return node("MatMulNBits", [x, *(names or quantised(name, weight))], [output or f"{name}.out"], "com.microsoft",
                    K=weight.columns, N=weight.rows, accuracy_level=4, bits=4, block_size=BLOCK)

    ones = np.ones(HIDDEN, np.float32)
    one, at_one = constant("one", np.array([1], np.int64)), constant("at_one", np.array(1, np.int64))
    lengths = node("Sub", [node("ReduceSum", ["attention_mask", one], ["seen"], keepdims=0), one], ["before"])
    lengths = node("Cast", [lengths], ["lengths"], to=TensorProto.INT32)
    total = node("Gather", [node("Shape", ["attention_mask"], ["mask_shape"]), at_one], ["all"])
    total = node("Cast", [total], ["total"], to=TensorProto.INT32)
    angles = np.arange(CONTEXT)[:, None] / THETA ** (np.arange(HEAD // 2) / (HEAD // 2))
    cos, sin = constant("cos", np.cos(angles).astype(np.float32)), constant("sin", np.sin(angles).astype(np.float32))
    head = quantised("head", weights["head"])
    table = node("Reshape", [head[0], constant("table_shape", np.array([VOCAB, HIDDEN // 2], np.int64))], ["table"])
    x = node("GatherBlockQuantized", [table, "input_ids", head[1]], ["embedded"], "com.microsoft",
             bits=4, block_size=BLOCK, gather_axis=0, quantize_axis=1)
    y = node("SimplifiedLayerNormalization", [x, constant("0.norm", ones)], ["0.normed"], axis=-1, epsilon=EPSILON, stash_type=1)
    for layer in range(LAYERS):
        qkv = product(y, f"{layer}.qkv")
        past, present = ([f"{kind}.{layer}.{part}" for part in ("key", "value")] for kind in ("past_key_values", "present"))
        y = node("GroupQueryAttention", [qkv, "", "", *past, lengths, total, cos, sin], [f"{layer}.attended", *present],
                 "com.microsoft", num_heads=HEADS, kv_num_heads=KV_HEADS, do_rotary=1, scale=HEAD**-0.5)
        y = product(y, f"{layer}.o")
        y, x = f"{layer}.middle", (x, f"{layer}.sum1", y)
        node("SkipSimplifiedLayerNormalization", [x[0], x[2], constant(f"{layer}.norm2", ones)], [y, "", "", x[1]],
             "com.microsoft", epsilon=EPSILON)
        x = x[1]
        gate = product(y, f"{layer}.gate")
        gate = node("Mul", [gate, node("Sigmoid", [gate], [f"{layer}.sigmoid"])], [f"{layer}.silu"])
        y = product(node("Mul", [gate, product(y, f"{layer}.up")], [f"{layer}.inner"]), f"{layer}.down")
        node("SkipSimplifiedLayerNormalization", [x, y, constant(f"{layer + 1}.norm", ones)],
             [f"{layer + 1}.normed", "", "", f"{layer}.sum2"], "com.microsoft", epsilon=EPSILON)
        y, x = f"{layer + 1}.normed", f"{layer}.sum2"
    product(y, "head", head, "logits")
    data.close()

    info, shape = helper.make_tensor_value_info, ["batch", KV_HEADS, "past", HEAD]
    inputs = [info(name, TensorProto.INT64, ["batch", axis]) for name, axis in (("input_ids", "sequence"), ("attention_mask", "total"))]
    outputs = [info("logits", TensorProto.FLOAT, ["batch", "sequence", VOCAB])]
    for layer in range(LAYERS):
        for part in ("key", "value"):
            inputs.append(info(f"past_key_values.{layer}.{part}", TensorProto.FLOAT, shape))
            outputs.append(info(f"present.{layer}.{part}", TensorProto.FLOAT, shape))
    graph = helper.make_graph(nodes, "smol", inputs, outputs, initialisers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "model.onnx")

    added = [{"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for index, token in enumerate(tokens[:3])]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": level,
        "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "vocab": {token: index for index, token in enumerate(tokens)}, "merges": merges}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "bos_token": "<|im_start|>"}))
    names = {"past_key_names": "past_key_values.%d.key", "past_value_names": "past_key_values.%d.value"}
    (folder / "genai_config.json").write_text(json.dumps({
        "model": {"type": "llama", "context_length": CONTEXT, "vocab_size": VOCAB, "bos_token_id": 1, "eos_token_id": 2,
                  "pad_token_id": 2,
                  "decoder": {"filename": "model.onnx", "head_size": HEAD, "hidden_size": HIDDEN, "num_attention_heads": HEADS,
                              "num_hidden_layers": LAYERS, "num_key_value_heads": KV_HEADS,
                              "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                              "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask", **names},
                              "outputs": {"logits": "logits", "present_key_names": "present.%d.key",
                                          "present_value_names": "present.%d.value"}}},
        "search": {"max_length": CONTEXT, "do_sample": False, "past_present_share_buffer": True}}))


def write_gguf(file: Path, weights: dict[str, Weight], tokens: list[str], merges: list[str]) -> None:
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(THETA)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_vocab_size(VOCAB)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (VOCAB - 3))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    def quantised(name: str, weight: Weight) -> None:
        writer.add_tensor(name, weight.gguf(), raw_dtype=gguf.GGMLQuantizationType.Q4_0)

    ones = np.ones(HIDDEN, np.float32)
    quantised("token_embd.weight", weights["head"])
    for layer in range(LAYERS):
        block, qkv, q, kv = f"blk.{layer}", weights[f"{layer}.qkv"], HEADS * HEAD, KV_HEADS * HEAD
        quantised(f"{block}.attn_q.weight", qkv.part(0, q))
        quantised(f"{block}.attn_k.weight", qkv.part(q, q + kv))
        quantised(f"{block}.attn_v.weight", qkv.part(q + kv, q + 2 * kv))
        for ours, theirs in ("o", "attn_output"), ("gate", "ffn_gate"), ("up", "ffn_up"), ("down", "ffn_down"):
            quantised(f"{block}.{theirs}.weight", weights[f"{layer}.{ours}"])
        for name in "attn_norm", "ffn_norm":
            writer.add_tensor(f"{block}.{name}.weight", ones)
    writer.add_tensor("output_norm.weight", ones)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    out = Path(sys.argv[1])
    weights = {"head": Weight(VOCAB, HIDDEN)}
    for layer in range(LAYERS):
        for name, rows, columns in (
            ("qkv", (HEADS + 2 * KV_HEADS) * HEAD, HIDDEN), ("o", HIDDEN, HEADS * HEAD),
            ("gate", INNER, HIDDEN), ("up", INNER, HIDDEN), ("down", HIDDEN, INNER),
        ):
            weights[f"{layer}.{name}"] = Weight(rows, columns)
    tokens, merges = tokenizer()
    write_onnx(out / "smol", weights, tokens, merges)
    write_gguf(out / "smol.gguf", weights, tokens, merges)


if __name__ == "__main__":
    main()
