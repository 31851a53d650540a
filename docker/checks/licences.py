#!/usr/bin/env python3
"""Whether every crate of the lock file has a licence that this project may be distributed with.

    python3 docker/checks/licences.py          # inside the image: reads `cargo metadata --offline`

Licences are expressions ("MIT OR Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0"): one alternative of
each has to be allowed. Advisories about crates are not looked up: their database is in the network.
"""
import collections
import json
import re
import subprocess
import sys

# Without conditions on what is distributed beside them; the last two concern changed files alone.
ALLOWED = {"0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
           "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "Unicode-3.0", "Unlicense", "Zlib",
           "MPL-2.0"}
TOKEN = re.compile(r"\(|\)|\bAND\b|\bOR\b|/|[\w.+-]+(?: WITH [\w.+-]+)?")


def allowed(expression):
    """Whether an SPDX expression can be satisfied; "/" is an old way to write OR."""
    tokens = TOKEN.findall(expression or "")

    def alternatives():
        value = parts()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            value = parts() or value
        return value

    def parts():
        value = part()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = part() and value
        return value

    def part():
        token = tokens.pop(0)
        if token != "(":
            return token in ALLOWED
        value = alternatives()
        return tokens.pop(0) == ")" and value

    try:
        return alternatives() and not tokens
    except IndexError:
        return False


def main():
    command = ["cargo", "metadata", "--offline", "--locked", "--format-version=1"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    packages = json.loads(run.stdout)["packages"]
    wrong = [f"{package['name']} {package['version']}: {package['license'] or 'no licence expression'}"
             for package in packages if not allowed(package["license"])]
    used = collections.Counter(package["license"] for package in packages)
    print("\n".join(wrong), end="\n" if wrong else "")
    print(f"licences of {len(packages)} crates: {len(wrong)} not allowed; {len(used)} expressions, most often "
          + ", ".join(f"{name} ({count})" for name, count in used.most_common(2)))
    sys.exit(1 if wrong or not packages else 0)


if __name__ == "__main__":
    main()
