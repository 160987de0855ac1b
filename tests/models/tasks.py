"""Small, checkable tasks for training and testing tiny chat models.

Every task has exactly one right answer, so a reply is graded by comparing
strings. `generate` makes one task; `generate_split` makes one that belongs to
the training split or to the held-out split. The split is decided by a hash of
the user's words, so a held-out question is never trained on.

Run `python tasks.py` to print a few examples of each family, and
`python tasks.py FILE N` to write N held-out tasks of each family and difficulty.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from dataclasses import dataclass
from typing import Callable

Message = dict[str, str]

DIFFICULTIES = ("easy", "medium", "hard")
HELD_OUT_PERCENT = 10


@dataclass(frozen=True)
class Task:
    """A conversation that ends with a user message, and its only right reply."""

    messages: tuple[Message, ...]
    answer: str
    family: str
    difficulty: str


# --- Words -----------------------------------------------------------------

NAMES = (
    "Anna Ben Clara David Emma Frank Grace Henry Ines Jonas Karin Leo Maria Nina Oscar Paula "
    "Quinn Rosa Sam Tara Uma Victor Wendy Xavier Yara Zoe Adam Bella Carlos Dora Eric Fatima "
    "Greta Hugo Ivan Julia"
).split()
SURNAMES = (
    "Berg Costa Diaz Evans Fischer Garcia Hansen Ito Jensen Klein Lopez Meyer Novak Olsen "
    "Petrov Rossi Silva Tanaka Weber Young"
).split()
CITIES = (
    "Berlin Paris London Madrid Rome Vienna Oslo Lisbon Dublin Prague Athens Tokyo Cairo Lima "
    "Boston Chicago Denver Seattle Toronto Sydney Delhi Nairobi Warsaw Zurich"
).split()
WORDS = (
    "apple banana cherry grape lemon mango orange peach pear plum bread butter cheese honey milk "
    "rice salt soup sugar tea table chair lamp door window river island harbor bridge castle "
    "garden forest mountain ocean desert tiger zebra horse rabbit eagle dog cat fish train "
    "rocket bicycle engine anchor candle pencil paper book music piano violin drum silver gold "
    "copper iron winter summer spring autumn cloud storm thunder rain snow wind star moon"
).split()
ITEMS = (
    "apples bananas cherries lemons pears plums pens books cups plates chairs lamps keys coins "
    "boxes stamps eggs nuts shirts socks"
).split()
MONTHS = (
    "January February March April May June July August September October November December"
).split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DOMAINS = ("example.com", "example.org", "mail.test")

SYSTEM_MESSAGES = (
    "You are a helpful assistant.",
    "Answer briefly.",
    "Answer with the result only.",
    "You are a careful assistant. Keep answers short.",
    "Give only the answer, without explanation.",
)


# A question, its answer, and (if there is one) a follow-up question and answer.
Exchange = tuple[str, str, "tuple[str, str] | None"]


def _level(difficulty: str, easy: int, medium: int, hard: int) -> int:
    return {"easy": easy, "medium": medium, "hard": hard}[difficulty]


# --- Families --------------------------------------------------------------


def _arithmetic(rng: random.Random, difficulty: str) -> Exchange:
    if difficulty == "easy":
        op = rng.choice("+-")
        a, b = rng.randint(0, 9), rng.randint(0, 9)
    elif difficulty == "medium":
        op = rng.choice("++--*")
        a, b = rng.randint(10, 99), rng.randint(1, rng.choice((9, 99)))
        if op == "*":
            a, b = rng.randint(2, 10), rng.randint(2, 10)
    else:
        op = rng.choice("++--*")
        a, b = rng.randint(100, 999), rng.randint(10, 999)
        if op == "*":
            a, b = rng.randint(11, 99), rng.randint(2, 9)
    if op == "-" and b > a:
        a, b = b, a
    result = {"+": a + b, "-": a - b, "*": a * b}[op]

    word = {"+": "plus", "-": "minus", "*": "times"}[op]
    wordings = [
        f"What is {a} {op} {b}?",
        f"{a} {op} {b} =",
        f"Calculate {a} {op} {b}.",
        f"What is {a} {word} {b}?",
        f"How much is {a} {word} {b}?",
    ]
    name, item = rng.choice(NAMES), rng.choice(ITEMS)
    if op == "+":
        wordings.append(f"Add {a} and {b}.")
        if a != 1:
            wordings.append(f"{name} has {a} {item} and gets {b} more. How many {item} does {name} have now?")
    elif op == "-":
        wordings.append(f"Subtract {b} from {a}.")
        if a != 1:
            wordings.append(f"{name} has {a} {item} and gives away {b}. How many {item} are left?")
    else:
        wordings += [
            f"Multiply {a} by {b}.",
            f"{name} has {a} boxes with {b} {item} in each. How many {item} is that?",
        ]
    step = rng.randint(1, 9)
    if result >= step and rng.random() < 0.5:
        follow = (rng.choice((f"Now subtract {step}.", f"Take away {step} from that.")), str(result - step))
    else:
        follow = (rng.choice((f"Now add {step}.", f"Add {step} to that.")), str(result + step))
    return rng.choice(wordings), str(result), follow


def _extraction(rng: random.Random, difficulty: str) -> Exchange:
    def person() -> dict[str, str]:
        first, last = rng.choice(NAMES), rng.choice(SURNAMES)
        amount = str(rng.randint(2, 99)) if difficulty == "easy" else f"{rng.randint(2, 99)}.{rng.randint(0, 9)}0"
        digits = _level(difficulty, 2, 3, 4)
        number = "".join(rng.choice("0123456789") for _ in range(digits))
        return {
            "name": first,
            "city": rng.choice(CITIES),
            "amount": "$" + amount,
            "id": f"{rng.choice(LETTERS).upper()}-{number}",
            "email": f"{first.lower()}.{last.lower()}@{rng.choice(DOMAINS)}",
        }

    ask = {
        "name": ("Who is named in the text?", "What is the name of the person?", "Extract the name."),
        "city": ("Which city is named?", "What city is in the text?", "Extract the city."),
        "amount": ("What is the amount?", "How much money is named?", "Extract the amount."),
        "id": ("What is the order number?", "Which order is it?", "Extract the order number."),
        "email": ("What is the email address?", "Which email address is given?", "Extract the email address."),
    }
    p = person()
    if difficulty == "easy":
        sentences = {
            ("name", "city"): ("{name} lives in {city}.", "{name} is travelling to {city} tomorrow."),
            ("name", "amount"): ("{name} paid {amount} for lunch.", "The bill for {name} was {amount}."),
            ("name", "id"): ("{name} is waiting for order {id}.", "Order {id} belongs to {name}."),
            ("email",): ("Please write to {email} today.", "You can reach us at {email}."),
        }
    elif difficulty == "medium":
        sentences = {
            ("name", "city", "amount"): (
                "{name} from {city} paid {amount} last week.",
                "In {city}, {name} spent {amount} on books.",
            ),
            ("name", "city", "id"): (
                "Order {id} was sent to {name} in {city}.",
                "{name} asked us to ship order {id} to {city}.",
            ),
            ("name", "email", "city"): ("{name} has moved to {city}; the new address is {email}.",),
            ("id", "amount"): ("Order {id} comes to {amount} in total.",),
        }
    else:
        sentences = {
            ("name", "city", "amount", "id", "email"): (
                "{name} ({email}) from {city} paid {amount} for order {id}.",
                "Order {id} over {amount} goes to {name} in {city}. Questions go to {email}.",
            ),
        }
    fields = rng.choice(list(sentences))
    text = rng.choice(sentences[fields]).format(**p)

    if difficulty == "hard" and rng.random() < 0.5:
        # Two people: the question says which one is meant.
        q = person()
        while q["name"] == p["name"] or q["city"] == p["city"]:
            q = person()
        text = "{name} from {city} paid {amount} for order {id}.".format(**p) + " " + rng.choice(
            (
                "{name} from {city} paid {amount} for order {id}.",
                "{name}, who lives in {city}, got order {id} for {amount}.",
            )
        ).format(**q)
        questions = {
            "city": "Where does {name} live?",
            "amount": "How much did {name} pay?",
            "id": "What is the order number of {name}?",
        }
        (first, about), (second, about2) = rng.sample([(f, x) for f in questions for x in (p, q)], 2)
        follow = (questions[second].format(**about2), about2[second])
        return f"{text} {questions[first].format(**about)}", about[first], follow

    first, *rest = rng.sample(fields, min(2, len(fields)))
    follow = (rng.choice(ask[rest[0]]), p[rest[0]]) if rest else None
    question = rng.choice(ask[first])
    layout = rng.choice(("{t} {q}", "{q} {t}", "{q}\n{t}", "Text: {t}\n{q}"))
    return layout.format(t=text, q=question), p[first], follow


def _formatting(rng: random.Random, difficulty: str) -> Exchange:
    kinds = {
        "easy": ("upper", "lower", "title"),
        "medium": ("upper", "title", "date", "json"),
        "hard": ("title", "date_us", "json", "json3"),
    }[difficulty]
    kind = rng.choice(kinds)
    if kind in ("upper", "lower", "title"):
        words = rng.sample(WORDS, _level(difficulty, 1, rng.randint(2, 3), rng.randint(4, 5)))
        plain = " ".join(words)
        forms = {"upper": plain.upper(), "lower": plain, "title": plain.title()}
        asks = {
            "upper": ("Write in upper case: {}", "Put this in capital letters: {}", "Convert to upper case: {}"),
            "lower": ("Write in lower case: {}", "Put this in small letters: {}", "Convert to lower case: {}"),
            "title": ("Write in title case: {}", "Capitalize each word: {}", "Convert to title case: {}"),
        }
        source = forms[rng.choice(("upper", "title"))] if kind == "lower" else plain
        other = rng.choice([k for k in forms if k != kind])
        names = {"upper": "upper case", "lower": "lower case", "title": "title case"}
        follow = (rng.choice((f"Now in {names[other]}.", f"And in {names[other]}?")), forms[other])
        return rng.choice(asks[kind]).format(source), forms[kind], follow
    if kind in ("date", "date_us"):
        year, month, day = rng.randint(1990, 2039), rng.randint(1, 12), rng.randint(1, 28)
        name = MONTHS[month - 1]
        text = f"{day} {name} {year}" if kind == "date" else f"{name} {day}, {year}"
        ask = rng.choice(("Write as an ISO date: {}", "Convert to YYYY-MM-DD: {}", "Give this date in ISO format: {}"))
        follow = (rng.choice(("Which month is that?", "What is the name of the month?")), name)
        return ask.format(text), f"{year}-{month:02}-{day:02}", follow
    record: dict[str, object] = {"name": rng.choice(NAMES), "age": rng.randint(10, 99)}
    if kind == "json3":
        record["city"] = rng.choice(CITIES)
    text = ", ".join(f"{k}: {v}" for k, v in record.items())
    ask = rng.choice(("Write as JSON: {}", "Turn this into a JSON object: {}", "Convert to JSON: {}"))
    field = rng.choice(list(record))
    return ask.format(text), json.dumps(record), (f"What is the {field}?", str(record[field]))


def _sorting(rng: random.Random, difficulty: str) -> Exchange:
    count = _level(difficulty, rng.randint(2, 3), rng.randint(3, 4), rng.randint(5, 6))
    if rng.random() < 0.6:
        pool = range(0, 10) if difficulty == "easy" else range(10, 100)
        numbers = rng.sample(pool, count)
        text = ", ".join(map(str, numbers))
        up = ", ".join(map(str, sorted(numbers)))
        down = ", ".join(map(str, sorted(numbers, reverse=True)))
        if rng.random() < 0.75:
            ask = rng.choice(
                ("Sort these numbers: {}", "Sort from smallest to largest: {}", "Put these numbers in order: {}")
            )
            return ask.format(text), up, ("Now from largest to smallest.", down)
        ask = rng.choice(("Sort from largest to smallest: {}", "Sort these numbers in descending order: {}"))
        return ask.format(text), down, ("Now from smallest to largest.", up)
    words = rng.sample(WORDS, count)
    ask = rng.choice(("Sort these words: {}", "Sort alphabetically: {}", "Put these words in alphabetical order: {}"))
    answer = sorted(words)
    follow = rng.choice((("Which word comes first?", answer[0]), ("Which word comes last?", answer[-1])))
    return ask.format(", ".join(words)), ", ".join(answer), follow


def _lookup(rng: random.Random, difficulty: str) -> Exchange:
    rows = _level(difficulty, 2, rng.randint(3, 4), rng.randint(5, 7))
    theme = rng.choice(("stock", "age", "city"))
    if theme == "city":
        values = rng.sample(CITIES, rows)
    else:
        high = 9 if difficulty == "easy" else 99
        values = [str(v) for v in rng.sample(range(1, high + 1), rows)]
    keys = rng.sample(ITEMS if theme == "stock" else NAMES, rows)
    pairs = list(zip(keys, values))
    style = rng.randrange(3)
    if style == 0:
        table = ", ".join(f"{k}: {v}" for k, v in pairs) + "."
    elif style == 1:
        table = "\n".join(f"{k}: {v}" for k, v in pairs) + "\n"
    else:
        table = "\n".join(f"| {k} | {v} |" for k, v in pairs) + "\n"
    asks = {
        "stock": ("How many {} are there?", "What is the number of {}?"),
        "age": ("How old is {}?", "What is the age of {}?"),
        "city": ("Where does {} live?", "What is the city of {}?"),
    }[theme]
    reverse_asks = {
        "stock": "Which item has the number {}?",
        "age": "Who is {} years old?",
        "city": "Who lives in {}?",
    }[theme]
    space = " " if style == 0 else ""
    (k1, v1), (k2, v2) = rng.sample(pairs, 2)
    follow = (rng.choice(("And {}?", rng.choice(asks))).format(k2), v2)
    if difficulty != "easy" and rng.random() < 0.3:
        return f"{table}{space}{reverse_asks.format(v1)}", k1, (reverse_asks.format(v2), k2)
    return f"{table}{space}{rng.choice(asks).format(k1)}", v1, follow


def _counting(rng: random.Random, difficulty: str) -> Exchange:
    if difficulty == "hard":
        # Count one word among others.
        target, *others = rng.sample(WORDS, 3)
        hits = rng.randint(1, 5)
        items = [target] * hits + [rng.choice(others) for _ in range(rng.randint(2, 4))]
        rng.shuffle(items)
        ask = rng.choice(("How often is {t} in this list: {l}", "How many times does {t} appear: {l}"))
        follow = (f"And {others[0]}?", str(items.count(others[0])))
        return ask.format(t=target, l=", ".join(items)), str(hits), follow
    count = _level(difficulty, rng.randint(1, 4), rng.randint(5, 9), 0)
    kind = rng.choice(("items", "words", "letters"))
    if kind == "items":
        text = ", ".join(rng.sample(WORDS, count))
        asks = ("How many items are in this list: {}", "Count the items: {}")
    elif kind == "words":
        text = " ".join(rng.sample(WORDS, count))
        asks = ("How many words are here: {}", "Count the words: {}")
    else:
        text = " ".join(rng.choice(LETTERS) for _ in range(count))
        asks = ("How many letters are here: {}", "Count the letters: {}")
    follow = ("And with one more?", str(count + 1))
    return rng.choice(asks).format(text), str(count), follow


def _copying(rng: random.Random, difficulty: str) -> Exchange:
    if difficulty == "easy":
        if rng.random() < 0.6:
            text = " ".join(rng.sample(WORDS, rng.randint(1, 3)))
            ask = rng.choice(("Repeat: {}", "Say this again: {}", "Copy this text: {}"))
            return ask.format(text), text, ("Say it again.", text)
        count = rng.randint(2, 3)
    else:
        count = _level(difficulty, 0, rng.randint(4, 5), rng.randint(6, 8))
    kind = rng.choice(("letters", "letters", "words"))
    if kind == "words":
        items = rng.sample(WORDS, count)
        asks = ("Reverse the order of these words: {}", "Say these words backwards: {}")
    else:
        items = rng.sample(LETTERS, count)
        asks = ("Reverse these letters: {}", "Write these letters backwards: {}")
    text, back = " ".join(items), " ".join(reversed(items))
    return rng.choice(asks).format(text), back, ("Now reverse that again.", text)


def _comparing(rng: random.Random, difficulty: str) -> Exchange:
    low, high = {"easy": (0, 9), "medium": (10, 99), "hard": (100, 999)}[difficulty]

    def pair() -> tuple[int, int]:
        a, b = rng.sample(range(low, high + 1), 2)
        if difficulty == "hard" and rng.random() < 0.4:
            b = a // 100 * 100 + rng.randint(0, 99)  # the first digit does not decide
        return (a, b) if a != b else pair()

    def yes(value: bool) -> str:
        return "Yes" if value else "No"

    a, b = pair()
    c, d = pair()
    kind = rng.randrange(4)
    if kind == 0:
        ask = rng.choice(("Is {} greater than {}?", "Is {} larger than {}?", "Is {} more than {}?"))
        return ask.format(a, b), yes(a > b), (f"And is {c} greater than {d}?", yes(c > d))
    if kind == 1:
        ask = rng.choice(("Is {} less than {}?", "Is {} smaller than {}?"))
        return ask.format(a, b), yes(a < b), (f"And is {c} less than {d}?", yes(c < d))
    if kind == 2:
        ask = rng.choice(("Which is larger, {} or {}?", "Which number is greater: {} or {}?"))
        return ask.format(a, b), str(max(a, b)), ("And which is smaller?", str(min(a, b)))
    # Membership.
    size = _level(difficulty, rng.randint(2, 3), rng.randint(4, 5), rng.randint(6, 8))
    words = rng.sample(WORDS, size + 1)
    inside = rng.random() < 0.5
    asked = rng.choice(words[:size]) if inside else words[size]
    ask = rng.choice(("Is {} in this list: {}", "Does this list contain {}: {}"))
    then = rng.choice(words)
    return ask.format(asked, ", ".join(words[:size])), yes(inside), (f"And {then}?", yes(then in words[:size]))


FAMILIES: dict[str, Callable[[random.Random, str], Exchange]] = {
    "arithmetic": _arithmetic,
    "extraction": _extraction,
    "formatting": _formatting,
    "sorting": _sorting,
    "lookup": _lookup,
    "counting": _counting,
    "copying": _copying,
    "comparing": _comparing,
}

# A few fixed pleasantries: trained on, never graded.
SMALL_TALK = (
    ("Hello", "Hello! How can I help?"),
    ("Hello!", "Hello! How can I help?"),
    ("Hi", "Hello! How can I help?"),
    ("Good morning.", "Good morning! How can I help?"),
    ("Thank you.", "You are welcome."),
    ("Thanks!", "You are welcome."),
    ("Who are you?", "I am a small test model."),
    ("What can you do?", "I can do small tasks with numbers, words and lists."),
    ("What is the capital of France?", "I do not know. I only do small tasks."),
    ("Tell me a story.", "I cannot do that. I only do small tasks."),
)


# --- Making tasks ----------------------------------------------------------


def generate(
    rng: random.Random, difficulty: str, family: str | None = None, follow_rate: float = 0.15
) -> Task:
    """Make one task. Without a `family`, each is as likely as another.

    `follow_rate` is the share of tasks that are two-turn conversations.
    """
    family = family or rng.choice(list(FAMILIES))
    question, answer, follow = FAMILIES[family](rng, difficulty)
    messages: list[Message] = []
    if rng.random() < 0.25:
        messages.append({"role": "system", "content": rng.choice(SYSTEM_MESSAGES)})
    messages.append({"role": "user", "content": question})
    if follow is not None and rng.random() < follow_rate:
        messages.append({"role": "assistant", "content": answer})
        messages.append({"role": "user", "content": follow[0]})
        answer = follow[1]
    return Task(tuple(messages), answer, family, difficulty)


def small_talk(rng: random.Random) -> Task:
    question, answer = rng.choice(SMALL_TALK)
    return Task(({"role": "user", "content": question},), answer, "small_talk", "easy")


def _hash_says_held_out(user_texts: list[str]) -> bool:
    digest = hashlib.sha256("\x00".join(user_texts).encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def held_out_turns(task: Task) -> list[bool]:
    """For each user turn: is the conversation up to it in the held-out split?

    Only the user's words count, so another system message does not turn a
    held-out question into a training one.
    """
    texts: list[str] = []
    turns: list[bool] = []
    for message in task.messages:
        if message["role"] == "user":
            texts.append(message["content"])
            turns.append(_hash_says_held_out(texts))
    return turns


def generate_split(
    rng: random.Random,
    difficulty: str,
    family: str | None = None,
    *,
    held_out: bool,
    follow_rate: float = 0.15,
) -> Task:
    """Make one task of the wanted split.

    Training tasks have no held-out turn at all; held-out tasks end with one.
    """
    family = family or rng.choice(list(FAMILIES))
    while True:
        task = generate(rng, difficulty, family, follow_rate)
        turns = held_out_turns(task)
        if (held_out and turns[-1]) or (not held_out and not any(turns)):
            return task


def write_held_out(path: str, per_cell: int, seed: int = 77) -> None:
    """Write held-out tasks, as many of each family and difficulty, mixed, one a line."""
    rng = random.Random(seed)
    chosen = [
        generate_split(rng, difficulty, family, held_out=True)
        for difficulty in DIFFICULTIES
        for family in FAMILIES
        for _ in range(per_cell)
    ]
    rng.shuffle(chosen)
    with open(path, "w") as file:
        for task in chosen:
            record = {
                "family": task.family,
                "difficulty": task.difficulty,
                "messages": task.messages,
                "answer": task.answer,
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def main() -> None:
    if len(sys.argv) == 3:
        write_held_out(sys.argv[1], int(sys.argv[2]))
        return
    rng = random.Random(1)
    for family in FAMILIES:
        for difficulty in DIFFICULTIES:
            task = generate(rng, difficulty, family)
            print(f"--- {family}, {difficulty}")
            for message in task.messages:
                print(f"{message['role']}: {message['content']}")
            print(f"=> {task.answer}")


if __name__ == "__main__":
    main()
