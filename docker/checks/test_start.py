#!/usr/bin/env python3
"""Tests of the lab's start page (docker/lab/solvergrad_start.py)."""
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lab"))
import solvergrad_start as start  # noqa: E402

PNG = {"output_type": "execute_result", "data": {"image/png": "QUJD\n"}}


def card(text, outputs=(), files=(), data=None):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "notebooks", "07_name.ipynb")
        path.parent.mkdir()
        cells = [{"cell_type": "markdown", "source": text}, {"cell_type": "code", "source": [], "outputs": list(outputs)}]
        path.write_text(text if isinstance(text, str) else json.dumps({"cells": cells, "metadata": {"solvergrad": {"data": data}}}))
        for name in files:
            file = pathlib.Path(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"content")
        return start.card(path, "/base/", {"warcraft": "its stand-in is there"})


class Cards(unittest.TestCase):
    def test_a_card_has_title_claim_state_and_address(self):
        made = card(["# Paths\n", "\n", "**Claim of the paper.** A *network* finds $y$ in $y(w) = 3$. More. And more.\n", "\nElse."],
                    data="warcraft")
        for part in ("<h2>Paths</h2>", "<p>A network finds y in. More.</p>", "not run yet; its stand-in is there",
                     'href="/base/lab/tree/notebooks/07_name.ipynb"', 'data-path="notebooks/07_name.ipynb"', ">07<"):
            self.assertIn(part, made)

    def test_a_picture_is_the_file_beside_it_then_an_output_then_an_export(self):
        export = "data/figures/07_name_curves.png"
        self.assertIn("svg+xml;base64,Y29udGVudA==", card(["# T"], [PNG], ["notebooks/07_name.svg", export]))
        self.assertIn("png;base64,QUJD\"", card(["# T"], [PNG], [export]))
        self.assertIn("png;base64,Y29udGVudA==", card(["# T"], [], [export]))
        self.assertIn("has outputs; makes its own data", card(["# T"], [PNG]))

    def test_text_is_no_html_and_a_broken_notebook_has_a_card(self):
        self.assertIn("&lt;script&gt;", card(["# <script>"]))
        self.assertIn("07_name.ipynb</h2>", card("no JSON"))

    def test_the_status_of_a_data_set_is_that_of_its_best_size(self):
        self.assertEqual(start.data_status(
            "fashion-mnist   31 MB  /usr/share/x\n               MIT, from y\n"
            "mnist           12 MB  mnist is not present\n"
            "warcraft        12     stand-in /lab/data/x\nwarcraft        18     not present; `make`\n"
            "cub-200-2011           not present; `make`\n"),
            {"fashion-mnist": "its data is there", "mnist": "its stand-in will be made when it runs",
             "warcraft": "its stand-in is there", "cub-200-2011": "its stand-in will be made when it runs"})


if __name__ == "__main__":
    unittest.main()
