#!/usr/bin/env python3
"""Tests of quoted.py: what it must not let pass."""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import quoted

ROOT = pathlib.Path(__file__).parents[2]
CSV = "rule,epoch,value\nours,1,0.5\nours,2,0.2345\nother,2,0.0605\n"
REGISTER = """[README.md]
from r.csv
Ours has {:.1f} %
    = 100 * only(rule="ours",
                 epoch=2)
the other {:.1f} %
    = 100 * only(rule="other")
on 2.5 kg
    given a weight
[data/results/README.md]
"""
DOCUMENT = "Ours has\n23.5 %, the other 6.1 %, on 2.5 kg.\n"


class Folder(unittest.TestCase):
    """A repository with one results file and one document."""

    def said(self, document=DOCUMENT, register=REGISTER, table=CSV):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "data/results").mkdir(parents=True)
            (root / "data/results/r.csv").write_text(table)
            (root / "data/results/README.md").write_text("")
            (root / quoted.REGISTER).write_text(register)
            (root / "README.md").write_text(document)
            script = [sys.executable, ROOT / "docker/checks/quoted.py", "--root", root]
            run = subprocess.run(script, capture_output=True, text=True, check=False)
        return run.returncode, run.stdout

    def fails(self, words, **changed):
        code, said = self.said(**changed)
        self.assertEqual(code, 1, said)
        self.assertIn(words, said)

    def test_right_numbers_pass_across_a_line_break_and_a_half_is_rounded_up(self):
        code, said = self.said()
        self.assertEqual((code, said.split()[0]), (0, "2"), said)

    def test_a_wrong_number_fails(self):
        self.fails("README.md:1: says 'Ours has 23.4 %', the results say 'Ours has 23.5 %'",
                   document=DOCUMENT.replace("23.5", "23.4"))

    def test_a_changed_result_fails(self):
        self.fails("the results say 'Ours has 23.6 %'", table=CSV.replace("0.2345", "0.2355"))

    def test_a_number_that_nobody_accounts_for_fails(self):
        for sentence in ("It takes 3 ms.", "It is 1.5 long.", "| a | 7 |", "From 3 to 5 %.", "2.1 / 20 of it."):
            self.fails("does not say where", document=f"{DOCUMENT}\n{sentence}\n")

    def test_numbers_that_are_no_measurements_pass(self):
        for sentence in ("12 epochs", "`3.5 ms`", "```\n1.5\n```", "[x](a_2.5.csv)", "PyEPO 2.2.7", "α = 0.2", "sec. 4.1"):
            self.assertEqual(self.said(document=f"{DOCUMENT}\n{sentence}\n")[0], 0, sentence)

    def test_a_passage_that_is_gone_fails(self):
        self.fails("not in README.md: 'on 2.5 kg'", document=DOCUMENT.replace("on 2.5 kg", "heavy"))

    def test_a_mistake_in_an_expression_fails(self):
        for right, wrong, words in (("epoch=2", "epoch=3", "no row"), ("epoch=2", "epok=2", "no column 'epok'"),
                                    ("epoch=2", "epoch=[1, 2]", "2 rows"), ("rule=", "rule=(", "SyntaxError"),
                                    ("only(", "open(", "NameError"), ("r.csv", "s.csv", "s.csv")):
            self.fails(words, register=REGISTER.replace(right, wrong))

    def test_a_passage_without_a_source_fails(self):
        self.fails("without a source", register=REGISTER.replace("    given a weight\n", ""))


class Repository(unittest.TestCase):
    """This repository's own documents."""

    def test_every_compared_number_is_really_compared(self):
        register = quoted.register_of((ROOT / quoted.REGISTER).read_text())
        results = quoted.Results(ROOT / "data/results")
        for name, passages in register.items():
            text = quoted.text_of(ROOT / name)
            written = [(passage, passage.written(results)) for passage in passages]
            self.assertEqual(quoted.check(name, text, written), [])
            for passage, wanted in written:
                if passage.kind != "=":
                    continue
                found = quoted.pattern(wanted).search(text)
                for digit in re.finditer(r"\d(?!\d)", found[0]):
                    place = found.start() + digit.start()
                    other = text[:place] + str((int(digit[0]) + 1) % 10) + text[place + 1:]
                    self.assertTrue(quoted.check(name, other, written), f"{name}: {found[0]} at {digit.start()}")


if __name__ == "__main__":
    unittest.main()
