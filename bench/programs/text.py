"""What scripts do: regular expressions, dictionaries, JSON, hashes, string building."""
import collections
import hashlib
import json
import re
import sys

line = re.compile(r"^(\d+)\s+(\w+)\s+\[(\w+)\]\s+(.*)$")
levels = collections.Counter()
words = collections.Counter()
records = []
with open(sys.argv[1]) as source:
    for text in source:
        match = line.match(text)
        if not match:
            continue
        number, host, level, rest = match.groups()
        levels[level] += 1
        words.update(re.findall(r"[a-z]{4,}", rest))
        records.append({"n": int(number), "host": host, "level": level, "words": rest.split()})
packed = json.dumps(records, sort_keys=True)
again = json.loads(packed)
assert again == records
again.sort(key=lambda r: (r["host"], -r["n"]))
print(len(again), hashlib.sha256(packed.encode()).hexdigest(), hashlib.md5(repr(again[:1000]).encode()).hexdigest())
print(sorted(levels.items()), words.most_common(10))
