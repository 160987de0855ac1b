"""Writes texts of an exact length in tokens, for the benchmark.

usage: texts.py TOKENIZER OUT LENGTH...

Writes OUT/texts-LENGTH.json, a list of 64 different texts, each LENGTH tokens long with the tokens
that the model puts at the beginning and the end.
"""

import json
import pathlib
import random
import sys

import tokenizers

tokenizer_file, out, *lengths = sys.argv[1:]
tokenizer = tokenizers.Tokenizer.from_file(tokenizer_file)
tokenizer.no_padding()
tokenizer.no_truncation()

words = """the water rises slowly and falls again while boats wait in the harbor for wind that comes
from west under a pale moon people walk along the shore and talk about old storms lost ships and
small fish children build walls of sand which no wave has ever spared every morning begins cold but
by noon light covers the whole bay with gold""".split()
words = sorted({word for word in words if len(tokenizer.encode(word, add_special_tokens=False)) == 1})

chance = random.Random(7)
for length in map(int, lengths):
    room = length - len(tokenizer.encode(""))
    texts = []
    while len(texts) < 64:
        text = " ".join(chance.choice(words) for _ in range(room))
        if len(tokenizer.encode(text)) == length:
            texts.append(text)
    pathlib.Path(out, f"texts-{length}.json").write_text(json.dumps(texts))
