#!/usr/bin/env python3
"""Tests of licences.py."""
import unittest

from licences import allowed


class Expressions(unittest.TestCase):
    def test_one_alternative_suffices_and_each_part_is_needed(self):
        for expression, answer in {
            "MIT": True, "MIT OR Apache-2.0": True, "MIT/Apache-2.0": True, "GPL-3.0-only": False,
            "GPL-3.0-only OR MIT": True, "MIT OR GPL-3.0-only": True, "MIT AND GPL-3.0-only": False,
            "(MIT OR Apache-2.0) AND Unicode-3.0": True, "(MIT OR GPL-3.0-only) AND AGPL-3.0-only": False,
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only": True, "GPL-2.0-only WITH Classpath-exception-2.0": False,
            "": False, None: False, "MIT OR": False, "(MIT": False, "MIT Apache-2.0": False,
        }.items():
            self.assertEqual(allowed(expression), answer, expression)


if __name__ == "__main__":
    unittest.main()
