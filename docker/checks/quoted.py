#!/usr/bin/env python3
"""Whether the numbers quoted in documents are those of the results files.

    python3 docker/checks/quoted.py [--root FOLDER]

`data/results/quoted.txt` has a section for each document: passages as they stand in it, each with
the source of its numbers in an indented line.

    [README.md]
    from 04_globe_tsp_stand-in_5.csv
    {:.1f} % of test tours right
        = 100 * only(metric="accuracy", margin="α 0", epoch=100, split="test")
    the tests take 449 s
        by .ci/run
    costs collapse to a norm of 0.64 of 4.06
        given the paper, sec. 4.4

`=` is an expression, or several with commas, whose values take the place of the braces: what the
results give has to stand in the document. `by` is a measurement without a results file, and the command
that repeats it. `given` is no measurement of ours: the paper's number, a setting, a version. The
numbers of the last two are compared with nothing; how many there are is printed.

Errors are a passage that is not in its document, and a number that looks measured and is in no
passage: one with a decimal point or with a unit behind it, one beside those ("2.1 / 20", "from 3 to
5 %"), and one alone in a cell of a table. Code, the targets of links, sections ("sec. 4.1") and values
of symbols ("α = 0.2") are left out.

In an expression `only(column, **where)` is the number in the one row whose columns have these
values, and `numbers(column, **where)` are all of them, in the order of the file; `column` is "value"
where it is not named, `file="NAME.csv"` another file than `from`'s, and a list of values any of these.
`median`, `mean`, `min`, `max` are the usual ones, `deviation` is the sample's, and `spaced` writes 60038 as "60 038". It may go on
in further lines. Halves are rounded away from zero.
"""
import argparse
import csv
import functools
import json
import pathlib
import re
import statistics
import sys

REGISTER = "data/results/quoted.txt"
NUMBER = r"[-−+]?\d+(?:[ \u2009\u00a0]\d{3}(?!\d))*(?:\.\d+)?(?:e-?\d+)?"
UNITS = (r"%|[mµ]?s|(?:milli|micro)?seconds?|minutes?|hours?|k?m|[kMG]B|points?|nats|times"
         r"(?= as| faster| slower| the)")
# Not after "sec. ", nor after a symbol and "=": settings.
CHAIN = re.compile(rf"(?<![\w.,/^-])(?<!sec\. )(?<![a-zα-ω}}\d] = )({NUMBER}(?:(?:, | to | and | or | ?/ ?){NUMBER})*)"
                   rf"(?![\w]|\.\d)(\s?(?:{UNITS})(?!\w))?")
# The table of the comparisons is bench_table.py's.
HIDDEN = re.compile(r"^```.*?^```|<!-- bench -->.*?<!-- /bench -->|`[^`\n]*`|\]\([^)]*\)|<[^<>\s][^<>]*>|https?://\S+|\$\$.*?\$\$",
                    re.DOTALL | re.MULTILINE)


class Wrong(Exception):
    """What is wrong with a document or the register."""


class Passage:
    """Text of a document, where its numbers come from, and its line in the register."""

    def __init__(self, text, line, table):
        self.text, self.line, self.table = text, line, table
        self.kind, self.source = None, ""

    def written(self, results):
        """The text with the numbers of the results."""
        if self.kind != "=":
            return self.text
        values = results.evaluate(self.source, self.table)
        try:
            written = self.text.format(*values)
        except (IndexError, ValueError) as error:
            raise Wrong(f"{REGISTER}:{self.line}: {error}") from error
        if len(re.findall(r"\{", self.text)) != len(values):
            raise Wrong(f"{REGISTER}:{self.line}: {len(values)} values for {self.text!r}")
        return written


class Results:
    """The CSV files of a folder, read once."""

    def __init__(self, folder):
        self.folder = folder

    @functools.cache
    def rows(self, name):
        with open(self.folder / name, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def numbers(self, table, column, where):
        def fits(row):
            for name, wanted in where.items():
                if name not in row:
                    raise Wrong(f"{table} has no column {name!r}, but {', '.join(row)}")
                wanted = wanted if isinstance(wanted, (list, tuple)) else [wanted]
                if row[name] not in [str(value) for value in wanted]:
                    return False
            return True

        rows = self.rows(table)
        if column not in rows[0]:
            raise Wrong(f"{table} has no column {column!r}, but {', '.join(rows[0])}")
        found = [float(row[column]) for row in rows if fits(row)]
        if not found:
            raise Wrong(f"{table} has no row with {where}")
        return found

    def evaluate(self, expression, table):
        def numbers(column="value", file=table, **where):
            return self.numbers(file, column, where)

        def only(column="value", file=table, **where):
            found = numbers(column, file, **where)
            if len(found) != 1:
                raise Wrong(f"{file} has {len(found)} rows with {where}")
            return found[0]

        names = {"numbers": numbers, "only": only, "median": statistics.median,
                 "mean": statistics.fmean, "deviation": statistics.stdev, "min": min, "max": max, "__builtins__": {},
                 "spaced": lambda value: f"{value:,.0f}".replace(",", " ")}
        try:
            values = eval(expression, names)  # An expression of this repository, in its own test.
        except (OSError, Wrong):
            raise
        except Exception as error:
            raise Wrong(f"{expression}: {error!r}") from error
        values = values if isinstance(values, (tuple, list)) else [values]
        # 0.0605 is 0.06049999999999999 in a file.
        return [value * (1 + 1e-12) if isinstance(value, float) else value for value in values]


def register_of(text):
    """The documents of the register with their passages."""
    documents, table, passages = {}, None, None
    for line, raw in enumerate(text.splitlines(), start=1):
        if not raw.strip() or raw.startswith("#"):
            continue
        content = raw.strip()
        if re.fullmatch(r"\[[\w./-]+\]", content):
            passages = documents.setdefault(content[1:-1], [])
        elif passages is None:
            raise Wrong(f"{REGISTER}:{line}: no document is named")
        elif raw.startswith("from "):
            table = content[5:]
        elif raw[0] != " ":
            passages.append(Passage(content, line, table))
        elif not passages:
            raise Wrong(f"{REGISTER}:{line}: a source without a passage")
        elif passages[-1].kind == "=":
            passages[-1].source += " " + content
        else:
            kind, _, source = content.partition(" ")
            if kind not in ("=", "by", "given") or not source or passages[-1].kind:
                raise Wrong(f"{REGISTER}:{line}: '= EXPRESSION', 'by COMMAND' or 'given REASON' is wanted")
            passages[-1].kind, passages[-1].source = kind, source
    for name, passages in documents.items():
        for passage in passages:
            if not passage.kind:
                raise Wrong(f"{REGISTER}:{passage.line}: a passage of {name} without a source")
    return documents


def text_of(path):
    """A document's text; of a notebook its Markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def pattern(text, braces=None):
    """A regular expression for text, whatever its line breaks; braces stand for `braces`."""
    parts = re.split(r"\{[^}]*\}", text) if braces else [text]
    whole = (braces or "").join(
        re.sub(r"(?:\\\s|\s)+", lambda _: r"\s+", re.escape(part)) for part in parts)
    before = r"(?<![\d.])" if text[:1].isdigit() or text[:1] == "{" else ""
    after = r"(?!\.?\d)" if text[-1:].isdigit() or text[-1:] == "}" else ""
    return re.compile(before + whole + after)


def measured(text):
    """Spans of the numbers that look measured."""
    hidden = HIDDEN.sub(lambda match: re.sub(r"[^\n]", "\0", match[0]), text)
    for match in CHAIN.finditer(hidden):
        line = hidden[hidden.rfind("\n", 0, match.start()) + 1:]
        line = line[:line.find("\n")] if "\n" in line else line
        alone = line.lstrip().startswith("|") and not re.search(r"\w", re.sub(
            r"[\d., /−+±e-]", "", cell_of(hidden, match.start())))
        if match[2] or re.search(r"\.\d", match[1]) or alone:
            for number in re.finditer(NUMBER, match[1]):
                yield match.start(1) + number.start(), match.start(1) + number.end()


def cell_of(text, position):
    start = max(text.rfind("|", 0, position), text.rfind("\n", 0, position)) + 1
    ends = [end for end in (text.find("|", position), text.find("\n", position)) if end >= 0]
    return text[start:min(ends, default=len(text))]


def check(name, text, written):
    """What is wrong with a document, given its passages and their text with the results."""
    wrong, covered = [], []
    for passage, wanted in written:
        found = list(pattern(wanted).finditer(text))
        covered += [match.span() for match in found]
        if found:
            continue
        says = pattern(passage.text, NUMBER).search(text) if passage.kind == "=" else None
        if says:
            covered.append(says.span())
            place = text.count("\n", 0, says.start()) + 1
            wrong.append(f"{name}:{place}: says {' '.join(says[0].split())!r}, the results say {wanted!r}")
        else:
            wrong.append(f"{REGISTER}:{passage.line}: not in {name}: {wanted!r}")
    for start, end in measured(text):
        if not any(first <= start and end <= last for first, last in covered):
            line = text.count("\n", 0, start) + 1
            context = " ".join(text[max(0, start - 40):end + 30].split())
            wrong.append(f"{name}:{line}: {REGISTER} does not say where {text[start:end]} is from: ...{context}...")
    return wrong


def documents(root):
    """The documents that have to be in the register."""
    books = sorted((root / "notebooks").glob("*.ipynb"))
    return ["README.md", "data/results/README.md", *(str(book.relative_to(root)) for book in books)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parents[2])
    root = parser.parse_args().root
    wrong, kinds = [], {"=": 0, "by": 0, "given": 0}
    try:
        register = register_of((root / REGISTER).read_text(encoding="utf-8"))
        results = Results(root / "data/results")
        for name in documents(root):
            written = [(passage, passage.written(results)) for passage in register.pop(name, [])]
            wrong += check(name, text_of(root / name), written)
            for passage, _ in written:
                kinds[passage.kind] += passage.text.count("{") if passage.kind == "=" else 1
        wrong += [f"{REGISTER}: there is no document {name}" for name in register]
    except (OSError, Wrong) as error:
        wrong.append(str(error))
    print("\n".join(wrong), end="\n" if wrong else "")
    print(f"{kinds['=']} quoted numbers compared with results files; passages with a command only: "
          f"{kinds['by']}, given: {kinds['given']}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
