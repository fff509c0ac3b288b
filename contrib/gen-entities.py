#!/usr/bin/env python3
"""Writes src/html/entities.inc: the named character references of HTML.

The list is https://html.spec.whatwg.org/entities.json; Python's standard
library carries the same facts in html.entities.html5, which is what this
script reads, so that it needs no network.

    contrib/gen-entities.py > src/html/entities.inc
"""
import sys
from html.entities import html5

WHATWG_COUNT = 2231

if len(html5) != WHATWG_COUNT:
    sys.exit(f"gen-entities: expected {WHATWG_COUNT} names, this Python has {len(html5)}")

print("/* Named character references: https://html.spec.whatwg.org/entities.json")
print(" * Written by contrib/gen-entities.py; sorted by bytes. Names without ';' are the legacy ones. */")
for name in sorted(html5, key=lambda n: n.encode("ascii")):
    text = "".join(f"\\{b:03o}" for b in html5[name].encode("utf-8"))
    print(f'{{ "{name}", "{text}" }},')
