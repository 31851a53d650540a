#!/usr/bin/env python3
"""Tests of lint_notebooks.py: each fault is found in a notebook that has only it."""
import copy
import json
import unittest

import lint_notebooks as lint

CODE = {"cell_type": "code", "execution_count": 1, "id": "b", "metadata": {}, "source": ["1"], "outputs": [
    {"output_type": "execute_result", "execution_count": 1, "metadata": {},
     "data": {lint.FIGURE: {}, lint.PICTURE: "", "text/plain": ["Figure"]}}]}
BOOK = {"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Title"]}, CODE],
        "metadata": {"kernelspec": lint.KERNEL, "language_info": lint.LANGUAGE, "solvergrad": {"smoke": {"epochs": 1}}},
        "nbformat": 4, "nbformat_minor": 5}


def faults(change):
    book = copy.deepcopy(BOOK)
    change(book, book["cells"][1], book["cells"][1]["outputs"][0])
    return list(lint.faults(json.dumps(book, indent=1, ensure_ascii=False) + "\n"))


class Faults(unittest.TestCase):
    def test_a_tidy_notebook_has_none(self):
        self.assertEqual(faults(lambda *_: None), [])

    def test_each_fault_is_found(self):
        def remove(mapping, key):
            del mapping[key]

        for words, change in {
            "26 cells": lambda book, *_: book["cells"].extend(
                {"cell_type": "markdown", "id": str(n), "metadata": {}, "source": ["x"]} for n in range(24)),
            "bytes": lambda book, *_: book["cells"][0]["source"].append("x" * lint.BYTES),
            "format 4.4": lambda book, *_: book.update(nbformat_minor=4),
            "not of the kernel": lambda book, *_: book["metadata"].update(kernelspec={"name": "rust"}),
            "short run": lambda book, *_: remove(book["metadata"], "solvergrad"),
            "metadata of a tool: widgets": lambda book, *_: book["metadata"].update(widgets={}),
            "title": lambda book, *_: book["cells"][0].update(source=["Title"]),
            "id of their own": lambda book, code, _: code.update(id="a"),
            "out of order": lambda book, code, output: (code.update(execution_count=7), output.update(execution_count=7)),
            "another execution": lambda book, code, output: output.update(execution_count=4),
            "metadata of a tool: scrolled": lambda book, code, _: code.update(metadata={"scrolled": True}),
            "empty": lambda book, code, _: code.update(source=[]),
            "outputs without": lambda book, code, output: (code.update(execution_count=None), remove(output, "execution_count")),
            "an error: panic": lambda book, code, _: code.update(outputs=[{"output_type": "error", "ename": "panic"}]),
            "without its figure": lambda book, code, output: remove(output["data"], lint.FIGURE),
            "path of the machine": lambda book, code, output: output["data"].update({"text/plain": ["/tmp/x"]}),
            "colour": lambda book, code, output: output["data"].update({"text/plain": ["\x1b[31mred"]}),
            "redrawn": lambda book, code, _: code.update(outputs=[{"output_type": "stream", "text": ["1 %\r2 %"]}]),
        }.items():
            found = faults(change)
            self.assertTrue(len(found) == 1 and words in found[0], f"{words}: {found}")


if __name__ == "__main__":
    unittest.main()
