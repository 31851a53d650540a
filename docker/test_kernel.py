#!/usr/bin/env python3
"""The kernel as a notebook sees it: isolation, edits of the library, displays, honest failures."""
import os
import shutil
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

import nbformat
import notebook
from jupyter_client.manager import start_new_kernel

HERE = os.path.dirname(os.path.abspath(__file__))


class Kernel:
    """A running kernel; `run` returns stdout and the mime bundles of one cell."""

    def __init__(self, env=None):
        env = {**os.environ, **(env or {})}
        self.manager, self.client = start_new_kernel(
            kernel_name="solvergrad", startup_timeout=300, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel()

    def run(self, code, timeout=300):
        text, errors, bundles = [], [], []

        def collect(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                (text if content["name"] == "stdout" else errors).append(content["text"])
            elif message["msg_type"] in ("execute_result", "display_data"):
                bundles.append(content["data"])
            elif message["msg_type"] == "error":
                errors.append(f"{content['ename']}: {content['evalue']}")

        self.client.execute_interactive(code, timeout=timeout, output_hook=collect)
        errors += [output.text for output in notebook.late(self.client)]
        return "".join(text), "".join(errors), bundles


def replace(source, target, old, new):
    """Copies a file with one text in it replaced."""
    with open(source) as file:
        text = file.read()
    assert old in text, f"{source} has no {old}"
    with open(target, "w") as file:
        file.write(text.replace(old, new))


class KernelTest(unittest.TestCase):
    def test_prelude_is_in_effect_and_types_are_inferred(self):
        with Kernel() as kernel:
            _, errors, _ = kernel.run("let t = Tensor::randn([3, 4], (Kind::Float, Device::Cpu));")
            self.assertEqual(errors, "")
            text, errors, _ = kernel.run('println!("{:?}", t.size());')
            self.assertEqual((text.strip(), errors), ("[3, 4]", ""))
            # A DataFrame is a table, with a plain form beside it.
            _, errors, bundles = kernel.run('df!("a" => [1, 2], "b" => ["x", "<y>"])?')
            self.assertEqual(errors, "")
            self.assertIn("<table", bundles[0]["text/html"])
            self.assertIn("&lt;y&gt;", bundles[0]["text/html"])
            self.assertIn("text/plain", bundles[0])
            # A figure is interactive, with a static picture beside it.
            _, errors, bundles = kernel.run(
                "figure::image_grid(&Tensor::rand([2, 8, 8], (Kind::Float, Device::Cpu)), &[])?")
            self.assertEqual(errors, "")
            self.assertIn("application/vnd.plotly.v1+json", bundles[0])
            self.assertIn("image/png", bundles[0])

    def test_two_kernels_do_not_mix(self):
        def session(number):
            with Kernel() as kernel:
                kernel.run(f"let n: i64 = {number};")
                return [kernel.run(f'println!("{{}}", n * {i});')[0].strip() for i in range(1, 5)]

        with ThreadPoolExecutor() as pool:
            one, two = pool.map(session, [1, 1000])
        self.assertEqual(one, ["1", "2", "3", "4"])
        self.assertEqual(two, ["1000", "2000", "3000", "4000"])

    def test_an_edit_of_the_library_shows_in_the_next_cell_with_variables_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            # The library moves, the shared stack below it stays where it is.
            shutil.copytree("/lab/crate", f"{folder}/crate")
            shutil.copy("/lab/Cargo.lock", folder)
            replace("/lab/Cargo.toml", f"{folder}/Cargo.toml", ', "docker/kernel/stack"', "")
            manifest = f"{folder}/crate/Cargo.toml"
            replace(manifest, manifest, "../docker", "/lab/docker")
            with Kernel({"SOLVERGRAD_CRATE": f"{folder}/crate"}) as kernel:
                _, errors, _ = kernel.run("let kept: Tensor = Tensor::from(41i64);")
                self.assertEqual(errors, "")
                with open(f"{folder}/crate/src/metric.rs", "a") as file:
                    file.write("\n/// Added.\npub fn one_more(t: &Tensor) -> Tensor { t + 1 }\n")
                text, errors, _ = kernel.run(
                    'println!("{}", metric::one_more(&kept).int64_value(&[]));')
                self.assertEqual((text.strip(), errors), ("42", ""))

    def test_a_failing_cell_fails_the_notebook(self):
        cases = {
            'println!("fine");': None,
            "assert_eq!(1, 2);": "left == right",
            'Err::<(), _>("gone wrong")?;': "gone wrong",
            "let x: i32 = true;": "mismatched types",
            "KSubset::new(3, 4)?;": "k of the k-subset solver is 4",
        }
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cases])
        client = notebook.client_of(book, HERE, 300)
        with client.setup_kernel():
            for index, (cell, expected) in enumerate(zip(book.cells, cases.values())):
                if expected is None:
                    notebook.execute(client, cell, index, index)
                    continue
                with self.assertRaisesRegex(notebook.Failure, expected, msg=cell.source):
                    notebook.execute(client, cell, index, index)


if __name__ == "__main__":
    unittest.main(verbosity=2)
