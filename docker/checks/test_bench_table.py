#!/usr/bin/env python3
"""Tests of bench_table.py, and of what bench.py makes of the measurements of others."""
import argparse
import csv
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

import bench_table

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docker"))
import bench  # noqa: E402
import bench_steps  # noqa: E402


def rows(who, values, exact="yes", size="8", **more):
    common = {"group": "tsp", "case": "tour of n", "version": "", "unit": "µs", "note": "", "date": "2026-01-02",
              "commit": "abc", "machine": "M", "load": "0.25"}
    return [common | {"who": who, "value": value, "exact": exact, "size": size, "round": turn} | more
            for turn, value in enumerate(values, start=1)]


class Table(unittest.TestCase):
    """Lines made of measurements."""

    def test_medians_and_the_ratio_to_the_fastest_peer(self):
        line = bench_table.line(rows("SolverGrad", [3, 1, 2]) + rows("slow", [40, 40, 40]) + rows("quick", [9, 8, 80]))
        self.assertEqual(line, "| tour of n: 8 | µs | 2 | slow 40, quick 9 | 0.222 |")

    def test_a_ratio_is_not_to_a_peer_that_proves_nothing(self):
        ours = rows("SolverGrad", [8], exact="no")
        line = bench_table.line(ours + rows("heuristic", [1], exact="no", note="+2.5 %"))
        self.assertEqual(line, "| tour of n: 8 | µs | 8* | *heuristic 1 (+2.5 %)* | - |")
        self.assertIn("| 0.5 |", bench_table.line(ours + rows("heuristic", [1], exact="no") + rows("exact", [16])))

    def test_sizes_are_side_by_side_and_a_peer_may_lack_some(self):
        line = bench_table.line(rows("SolverGrad", [1]) + rows("SolverGrad", [2], size="9") + rows("peer", [4]))
        self.assertEqual(line, "| tour of n: 8 / 9 | µs | 1 / 2 | peer 4 / - | 0.25 / - |")

    def test_a_peer_stopped_in_one_round_has_no_time(self):
        line = bench_table.line(rows("SolverGrad", [1, 1]) + rows("peer", [2, ""]) + rows("other", [4, 4]))
        self.assertEqual(line, "| tour of n: 8 | µs | 1 | peer -, other 4 | 0.25 |")

    def test_ours_in_another_way_is_no_peer(self):
        line = bench_table.line(rows("SolverGrad", [4]) + rows("SolverGrad, warm", [1]) + rows("peer", [8]))
        self.assertEqual(line, "| tour of n: 8 | µs | 4 (warm 1) | peer 8 | 0.5 |")

    def test_numbers_have_three_digits(self):
        self.assertEqual([bench_table.short(value) for value in (0.01234, 12.34, 999.6, 17260, None)],
                         ["0.0123", "12.3", "1 000", "17 260", "-"])

    def test_what_is_left_out_is_named_with_its_cure(self):
        text = bench_table.body(rows("SolverGrad", [1]) + [{"group": "recall", "case": "", "note": "no peer: clone it"}])
        self.assertIn("Left out: recall, no peer: clone it.", text)
        self.assertIn("tsp: 2026-01-02, commit abc, M, 1 round, load average 0.2 to 0.2.", text)


class Check(unittest.TestCase):
    """The command, on a folder of its own."""

    def said(self, root, *more):
        run = subprocess.run([sys.executable, ROOT / "docker/checks/bench_table.py", "--root", root, *more],
                             capture_output=True, text=True, check=False)
        return run.returncode, run.stdout

    def test_a_changed_number_fails_and_is_put_right(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "data/results").mkdir(parents=True)
            self.assertEqual(self.said(root)[0], 1)
            with open(root / "data/results/bench.csv", "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, bench_table.COLUMNS)
                writer.writeheader()
                writer.writerows(rows("SolverGrad", [1]) + rows("peer", [2]))
            (root / "README.md").write_text("before\n<!-- bench -->\n<!-- /bench -->\nafter\n")
            self.assertEqual(self.said(root, "--write"), (0, ""))
            self.assertEqual(self.said(root), (0, ""))
            right = (root / "README.md").read_text()
            self.assertTrue(right.startswith("before\n<!-- bench -->\n| task") and right.endswith("<!-- /bench -->\nafter\n"))
            (root / "README.md").write_text(right.replace("| 0.5 |", "| 0.4 |"))
            code, words = self.said(root)
            self.assertTrue(code == 1 and "README.md quotes another table" in words, words)
            (root / "README.md").write_text("no block")
            self.assertIn("no block", self.said(root)[1])
            page = root / "data/results/bench.md"
            page.write_text(page.read_text().replace("peer 2", "peer 3"))
            self.assertIn("bench.md is not the table", self.said(root)[1])


class Harness(unittest.TestCase):
    """Groups, and the measurements of the other scripts."""

    def test_rows_of_solvers(self):
        options = argparse.Namespace(rounds=1, installed=[])
        header = "case,instances,solver,version,exact,round,microseconds,objective,note\n"
        measured = (header + "tour of 5,20,SolverGrad,,,1,0.5,100.0,optimal\n"
                    "tour of 5,20,elkai Lin-Kernighan-Helsgaun (not exact),2.0.1,False,1,200.0,102.5,\n")
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(bench, "called"):
            (pathlib.Path(folder) / "solver_benchmark.csv").write_text(measured)
            ours, elkai = bench.solvers("tsp", options, folder)
        self.assertEqual((ours["case"], ours["size"], ours["exact"], ours["value"]), ("tour of n", 5, "yes", "0.5"))
        self.assertEqual((elkai["who"], elkai["exact"], elkai["note"]), ("elkai Lin-Kernighan-Helsgaun", "no", "+2.5 %"))

    def test_every_case_of_the_solvers_has_a_title(self):
        self.assertEqual(set(bench.TITLES), {build.__name__ for build in bench.bench_solvers.CASES})

    def test_a_group_that_cannot_run_is_a_row_and_no_failure(self):
        options = argparse.Namespace(rounds=1, installed=[], recall_peer="/nowhere")
        row, = bench.measured("recall", options)[0]
        self.assertTrue("PyPI" in row["note"] and not row.get("case"))
        options.installed = ["pyepo"]
        (row,), failed = bench.measured("recall", options)
        self.assertTrue("git clone" in row["note"] and not failed, row)

    def test_a_group_that_fails_says_why_and_counts(self):
        options = argparse.Namespace(rounds=1, installed=["solvers"])
        with mock.patch.object(bench, "HERE", pathlib.Path("/nowhere")):
            (row,), failed = bench.measured("tsp", options)
        self.assertTrue(failed and "nowhere" in row["note"], row)

    def test_groups_that_are_not_measured_again_stay(self):
        row = lambda group, date: {"group": group, "date": date}  # noqa: E731
        found = bench.merged([row("kernel", 1), row("grid", 1)], [row("grid", 2)])
        self.assertEqual(found, [row("grid", 2), row("kernel", 1)])

    def test_results_that_differ_are_no_comparison(self):
        case = types.SimpleNamespace(case="loss")
        bench_steps.agree(case, "peer", [1.0001, None], [1.0, None])
        bench_steps.agree(case, "peer", [1.0001, 2.0], [1.0, 2.0])
        with self.assertRaisesRegex(ValueError, "peer computes something else"):
            bench_steps.agree(case, "peer", [1.1, 2.0], [1.0, 2.0])

    def test_the_benchmarks_are_not_the_command_line(self):
        messages = [{"reason": "build-script-executed"}, {"executable": None, "target": {"kind": ["lib"]}},
                    {"executable": "a/solver-1", "target": {"kind": ["bench"]}},
                    {"executable": "a/solvergrad", "target": {"kind": ["bin"]}}]
        self.assertEqual(bench_steps.benchmark(messages), "a/solver-1")

    def test_ours_comes_first_in_every_case(self):
        for case in bench_steps.cases():
            self.assertEqual(next(iter(case.entries)), "SolverGrad")


if __name__ == "__main__":
    unittest.main()
