#!/usr/bin/env python3
"""The kernel as a notebook sees it. Each test is a thing that plain evcxr_jupyter 0.22 gets wrong,
or that a notebook relies on."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import jupyter_kernel_test
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BASE = pathlib.Path(f"/var/tmp/solvergrad-{os.getuid()}")


class Result:
    """What one cell sent."""

    def __init__(self, reply, messages):
        self.status = reply["content"]["status"]
        self.count = reply["content"]["execution_count"]
        self.messages = messages

    def of(self, kind):
        return [content for _, message, content in self.messages if message == kind]

    def text(self, name="stdout"):
        return "".join(c["text"] for c in self.of("stream") if c["name"] == name)

    def error(self):
        return self.of("error")[0] if self.of("error") else None

    def traceback(self):
        return COLOUR.sub("", "\n".join(self.error()["traceback"])) if self.error() else ""

    def data(self):
        return [c["data"] for kind in ("display_data", "execute_result") for c in self.of(kind)]


class Kernel:
    """A running kernel."""

    def __init__(self, name="solvergrad", env=None, cwd=None):
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(env={**os.environ, **(env or {})}, cwd=cwd)
        self.client = self.manager.client()
        self.client.start_channels()
        start = time.monotonic()
        self.client.wait_for_ready(timeout=120)
        self.ready = time.monotonic() - start

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel()

    def send(self, code, **options):
        return self.client.execute(code, **options)

    def wait(self, request, timeout=120):
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=timeout)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                break
            messages.append((time.monotonic(), message["msg_type"], content))
        while True:
            reply = self.client.get_shell_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == request:
                return Result(reply, messages)

    def run(self, code, timeout=120, **options):
        return self.wait(self.send(code, **options), timeout)

    def interrupt_after(self, seconds, times=1):
        def work():
            for _ in range(times):
                time.sleep(seconds)
                self.manager.interrupt_kernel()
        threading.Thread(target=work, daemon=True).start()


def processes(word):
    """Processes whose command line holds `word`."""
    found = []
    for place in pathlib.Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (place / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if word in line and state != "Z" and "python" not in line:
                found.append(line)
    return found


def eventually(condition, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


class Shared(unittest.TestCase):
    """Tests that share one kernel."""

    @classmethod
    def setUpClass(cls):
        cls.kernel = Kernel()

    @classmethod
    def tearDownClass(cls):
        cls.kernel.__exit__()

    def ok(self, code, **options):
        result = self.kernel.run(code, **options)
        self.assertEqual(result.status, "ok", f"{code}\n{result.traceback()}")
        return result

    def fails(self, code):
        result = self.kernel.run(code)
        self.assertEqual(result.status, "error", code)
        self.assertEqual(len(result.of("error")), 1, code)
        return result


class Honest(Shared):
    def test_failures_are_errors_with_the_line_of_the_cell(self):
        cases = {
            "let a = 1;\nassert_eq!(a, 2);": ("Panic", "left == right", "line 2"),
            "let b = 1;\n\npanic!(\"on purpose {b}\");": ("Panic", "on purpose 1", "line 3"),
            "let c = 1;\nErr::<(), _>(\"gone wrong\")?;": ("&str", "gone wrong", "line 2"),
            "KSubset::new(3, 4)?;": ("Error", "k of the k-subset solver is 4", "line 1"),
            "let x: i32 = true;": ("CompileError", "mismatched types", "true"),
            "Tensor::zeros([2], (Kind::Float, Device::Cpu)).view([3]);":
                ("Panic", "shape '[3]' is invalid", "line 1"),
        }
        for code, (name, value, place) in cases.items():
            with self.subTest(code):
                result = self.fails(code)
                self.assertEqual(result.error()["ename"], name)
                self.assertIn(value, result.error()["evalue"])
                self.assertIn(place, result.traceback())

    def test_a_panic_in_an_earlier_cells_function_names_both_places(self):
        first = self.ok("fn pick(v: &[i32], at: usize) -> i32 {\n    let wanted = at + 1;\n    v[wanted]\n}")
        result = self.fails("let w: Vec<i32> = (0..1).collect();\nlet z = 3;\npick(&w, z)")
        self.assertIn(f"cell {first.count}, line 3", result.traceback())
        self.assertIn(f"cell {result.count}, line 3", result.traceback())

    def test_a_caught_panic_is_no_error(self):
        result = self.ok("let caught = std::panic::catch_unwind(|| panic!(\"tamed\")).is_err();")
        self.assertIn("tamed", result.text("stderr"))
        self.assertIn("true", str(self.ok("caught").data()))

    def test_queued_cells_are_aborted_after_an_error(self):
        requests = [self.kernel.send(code) for code in
                    ["let before = 1;", "panic!()", "println!(\"never\");", "println!(\"nor this\");"]]
        results = [self.kernel.wait(request) for request in requests]
        self.assertEqual([r.status for r in results], ["ok", "error", "aborted", "aborted"])
        self.assertEqual("".join(r.text() for r in results), "")
        self.ok("println!(\"again\");")

    def test_a_process_that_ends_is_an_error_and_the_kernel_goes_on(self):
        for code, word in [
            ("std::process::exit(3);", "exit status: 3"),
            ("std::process::abort();", "SIGABRT"),
            ("let v: Vec<u8> = Vec::with_capacity(1 << 50);", "memory allocation"),
            ("fn deep(n: u64) -> u64 { if n == 0 { 0 } else { 1 + deep(n + 1) + std::hint::black_box(n) } }\ndeep(1)",
             "SIG"),
        ]:
            with self.subTest(code):
                self.ok("let kept_until_now = 7;")
                result = self.fails(code)
                self.assertIn(word, result.traceback() + result.text("stderr"))
                self.assertIn("kept_until_now", result.traceback())
                self.assertEqual(self.ok("println!(\"alive\");").text(), "alive\n")

    def test_prompt_numbers_silence_and_history(self):
        with Kernel() as kernel:
            self.assertEqual(kernel.run("1").count, 1)
            silent = kernel.run("println!(\"x\");", silent=True)
            self.assertEqual((silent.status, silent.messages[1:]), ("ok", []))
            self.assertEqual(kernel.run("2").count, 2)
            self.assertEqual(kernel.run("3", store_history=False).count, 2)
            reply = kernel.client.history(hist_access_type="tail", n=10, output=False, raw=True,
                                          reply=True, timeout=20)
            self.assertEqual([entry[2] for entry in reply["content"]["history"]], ["1", "2"])


    def test_a_variable_of_a_struct_defined_anew_is_lost_and_said(self):
        self.ok("#[derive(Debug)] struct Point { x: i32 }\nlet point = Point { x: 1 };")
        self.ok("let other = 5;")
        self.kernel.run("#[derive(Debug)] struct Point { y: f64 }")
        result = self.kernel.run('println!("{}", other);')
        self.assertEqual(result.text(), "5\n", result.traceback())
        self.fails("point")

    def test_the_first_compile_error_is_as_quick_as_later_ones(self):
        with Kernel() as kernel:
            kernel.run("1")
            start = time.monotonic()
            self.assertIn("nothing_of_that_name", str(kernel.run("nothing_of_that_name + 1").traceback()))
            self.assertLess(time.monotonic() - start, 8)

    def test_a_notebook_that_fails_ends_with_an_error(self):
        cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
        book = {"cells": [{**cell, "source": "let a = 1;\nassert_eq!(a, 2);"}], "nbformat": 4,
                "nbformat_minor": 5, "metadata": {"kernelspec": {
                    "name": "solvergrad", "display_name": "Rust", "language": "rust"}}}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "failing.ipynb")
            path.write_text(json.dumps(book))
            ran = subprocess.run(["solvergrad", "notebook", "run", path, "--out", f"{folder}/out"],
                                 capture_output=True, text=True, timeout=300)
            self.assertEqual(ran.returncode, 1, ran.stderr)
            self.assertIn("left == right", ran.stdout + ran.stderr)
            self.assertIn("left == right", pathlib.Path(folder, "out/failing.failed.ipynb").read_text())
            self.assertFalse(pathlib.Path(folder, "out/failing.ipynb").exists())


class Live(Shared):
    def test_outputs_come_in_order_while_the_cell_runs(self):
        result = self.ok("""
            print!("no line end ");
            display(&Html::new("<b>one</b>", "one"));
            println!("between");
            display(&Html::new("<b>two</b>", "two"));
            "the result"
        """)
        kinds = [(kind, content.get("text") or content["data"]["text/plain"])
                 for _, kind, content in result.messages if kind not in ("status", "execute_input")]
        self.assertEqual(kinds, [
            ("stream", "no line end "), ("display_data", "one"), ("stream", "between\n"),
            ("display_data", "two"), ("execute_result", '"the result"')])

    def test_text_arrives_while_it_is_written_and_a_bar_moves(self):
        result = self.ok("""
            for i in 0..5 {
                print!("\\rstep {i}");
                std::io::Write::flush(&mut std::io::stdout())?;
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
        """)
        times = [at for at, kind, _ in result.messages if kind == "stream"]
        self.assertEqual(result.text(), "".join(f"\rstep {i}" for i in range(5)))
        self.assertGreater(times[-1] - times[0], 0.8)
        self.assertGreaterEqual(len(times), 4)

    def test_an_output_is_replaced_in_place(self):
        result = self.ok("""
            let live = display_live();
            for i in 0..3 {
                live.update(&Html::new(format!("<b>{i}</b>"), i.to_string()));
            }
        """)
        first = result.of("display_data")[0]["transient"]["display_id"]
        updates = result.of("update_display_data")
        self.assertEqual([u["data"]["text/plain"] for u in updates], ["0", "1", "2"])
        self.assertEqual({u["transient"]["display_id"] for u in updates}, {first})
        # In a later cell, too.
        later = self.ok("live.update(&Html::new(\"<b>9</b>\", \"9\"));")
        self.assertEqual(later.of("update_display_data")[0]["transient"]["display_id"], first)

    def test_clear_output(self):
        self.assertEqual(self.ok("clear_output(true);").of("clear_output"), [{"wait": True}])

    def test_a_training_shows_a_bar_and_a_curve(self):
        result = self.ok("""let rows: Vec<Row> = {
            let images = Tensor::rand([600, 4], (Kind::Float, Device::Cpu));
            let labels = Tensor::zeros([600], (Kind::Int64, Device::Cpu));
            let set = Images { images, labels, height: 2, width: 2 };
            let variables = nn::VarStore::new(Device::Cpu);
            let model = nn::linear(variables.root(), 4, 4, Default::default());
            let optimizer = Adam::new(&variables, 1e-2)?;
            let training = Training {
                label: Row { rule: "r".into(), ..Row::default() }, metric: "loss".into(), epochs: 4,
                batch: 10, patience: None, folder: None, resume: false, configuration: "".into() };
            let loss = |batch: &Images| -> Result<Tensor> {
                Ok((model.forward(&batch.images) - &batch.images).square().mean(Kind::Float)) };
            training.run(&mut Learner { variables, optimizer }, &set, &set,
                |optimizer, batch, _| {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    let value = loss(batch)?; optimizer.minimise(&value)?; Ok(value)
                }, |batch, _| loss(batch))?
        };""")
        pages = [u["data"]["text/html"] for u in result.of("update_display_data")]
        self.assertGreater(len(pages), 6)
        self.assertTrue(any("items/s" in page and "left" in page for page in pages))
        self.assertIn("<progress", pages[0])
        self.assertIn("polyline", pages[-1])
        self.assertIn("epoch   4/4", result.of("update_display_data")[-1]["data"]["text/plain"])

    def test_a_flood_is_few_messages(self):
        start = time.monotonic()
        result = self.ok("for i in 0..20_000 { println!(\"line {i}\"); }")
        self.assertEqual(result.text(), "".join(f"line {i}\n" for i in range(20_000)))
        self.assertLess(len(result.of("stream")), 100)
        self.assertLess(time.monotonic() - start, 10)

    def test_no_output_hangs_the_kernel(self):
        for code in [
            "print!(\"flushed, no line end\"); std::io::Write::flush(&mut std::io::stdout())?;",
            "std::io::Write::write_all(&mut std::io::stdout(), &vec![0u8; 3_000_000])?;",
            "print!(\"EVCXR_EXECUTION_COMPLETE\"); println!(\"\\nEVCXR_EXECUTION_COMPLETE\");",
            "println!(\"EVCXR_BEGIN_CONTENT text/html\");",
            "eprint!(\"\\0end \\0\");",
            "let mut line = String::new(); std::io::stdin().read_line(&mut line)?;",
        ]:
            with self.subTest(code):
                self.ok(code, timeout=30)
        self.assertEqual(self.ok("println!(\"here\");").text(), "here\n")

    def test_a_thread_is_heard_after_its_cell(self):
        request = self.kernel.send("""std::thread::spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(700));
            println!("late");
        });""")
        self.kernel.wait(request)
        message = self.kernel.client.get_iopub_msg(timeout=5)
        self.assertEqual(message["content"].get("text"), "late\n")

    def test_displays_of_other_crates(self):
        result = self.ok("""
            print!("before ");
            println!("EVCXR_BEGIN_CONTENT text/html\\n<i>x</i>\\nEVCXR_END_CONTENT");
            println!("EVCXR_BEGIN_CONTENT text/plain\\nx\\nEVCXR_END_CONTENT");
        """)
        self.assertEqual(result.text(), "before ")
        self.assertEqual(result.data(), [{"text/html": "<i>x</i>", "text/plain": "x"}])


class Tables(Shared):
    def test_values_show_as_html_and_text(self):
        self.ok('let frame = df!("a" => [1, 2], "b" => ["x", "<y>"])?;')
        cases = {
            "frame": ["<table", "&lt;y&gt;"],
            'Series::new("s".into(), [1.5, 2.5])': ["<table", "2.5"],
            "Tensor::from_slice(&[1.0f32, f32::NAN])": ["<table", "1 NaN or infinite", "on Cpu"],
            "Tensor::rand([20, 20], (Kind::Float, Device::Cpu))": ["image/png;base64"],
            'vec![Row { rule: "identity".into(), ..Row::default() }]': ["<table", "identity"],
        }
        for code, words in cases.items():
            with self.subTest(code):
                data = self.ok(code).data()[0]
                self.assertIn("text/plain", data)
                for word in words:
                    self.assertIn(word, data["text/html"])

    def test_a_figure_is_interactive_with_a_picture_beside_and_saves(self):
        self.ok("let drawn = figure::image_grid(&Tensor::rand([2, 8, 8], (Kind::Float, Device::Cpu)), &[])?;")
        data = self.ok("drawn").data()[0]
        self.assertEqual(set(data), {"application/vnd.plotly.v1+json", "image/png", "text/plain"})
        with tempfile.TemporaryDirectory() as folder:
            for name in ["a.pdf", "a.svg", "a.png", "a.html"]:
                self.ok(f'drawn.save("{folder}/{name}")?;')
            self.ok(f'drawn.save_png("{folder}/fine.png", 300.0)?;')
            head = {path.name: path.read_bytes()[:8] for path in pathlib.Path(folder).iterdir()}
            self.assertTrue(head["a.pdf"].startswith(b"%PDF"))
            self.assertTrue(head["a.svg"].startswith(b"<svg"))
            self.assertTrue(head["a.png"].startswith(b"\x89PNG"))
            self.assertGreater(os.path.getsize(f"{folder}/fine.png"), os.path.getsize(f"{folder}/a.png"))
            self.assertIn("pdf", self.fails(f'drawn.save("{folder}/a.jpg")?;').traceback())

    def test_latex(self):
        text = self.ok("""
            let runs = df!("rule" => ["a", "a", "b"], "k" => [5, 5, 5], "loss" => [1.0, 2.0, 3.0])?;
            println!("{}", LatexTable::new("rule", "k", "loss").best(Best::Lowest).render(&runs)?);
        """).text()
        self.assertIn("\\toprule", text)
        self.assertIn("a & $\\mathbf{1.50 \\pm 0.71}$", text)


class Helpful(Shared):
    def test_completion_and_documentation_of_the_crate(self):
        self.ok("let solver = KSubset::new(3, 1)?;")
        for code, expected in [("solver.dim", "dimension"), ("Projection::", "Std"), ("figure::cur", "curves")]:
            with self.subTest(code):
                start = time.monotonic()
                reply = self.kernel.client.complete(code, reply=True, timeout=30)["content"]
                self.assertTrue(any(m.startswith(expected) for m in reply["matches"]), reply["matches"][:9])
                self.assertLess(time.monotonic() - start, 3)
        for code, position, word in [
            ("KSubset::new(3, 1)", 10, "subset"), ("let p = Projection::Std;", 10, "projection"),
            ("Tensor::zeros(", 14, "zeros"),
        ]:
            with self.subTest(code):
                reply = self.kernel.client.inspect(code, position, reply=True, timeout=30)["content"]
                self.assertTrue(reply["found"], code)
                self.assertIn(word, reply["data"]["text/plain"].lower())

    def test_code_that_is_being_typed_hangs_nothing(self):
        self.fails("let a = std::")
        self.assertEqual(self.ok("println!(\"still\");").text(), "still\n")

    def test_widgets_are_closed_politely(self):
        client = self.kernel.client
        message = client.session.msg("comm_open", {"comm_id": "c", "target_name": "x", "data": {}})
        client.shell_channel.send(message)
        self.assertTrue(eventually(
            lambda: client.get_iopub_msg(timeout=10)["msg_type"] == "comm_close"))

    def test_statics_of_the_crates_are_one_for_all_cells(self):
        threads = []
        for _ in range(4):
            text = self.ok("""
                solve_batch(&KSubset::new(2, 1)?, &vec![0.5; 200_000])?;
                println!("{}", std::fs::read_dir("/proc/self/task")?.count());
            """).text()
            threads.append(int(text))
        self.assertEqual(len(set(threads[1:])), 1, threads)

    def test_a_debug_printed_value_costs_one_compilation(self):
        with tempfile.NamedTemporaryFile() as log, \
                Kernel(env={"SOLVERGRAD_FRONT_LOG": log.name}) as kernel:
            kernel.run("let x = Some(1);")
            before = pathlib.Path(log.name).read_text().count(" build ")
            kernel.run("x")
            kernel.run("(x, x.is_some())")
            self.assertEqual(pathlib.Path(log.name).read_text().count(" build ") - before, 2)


class Interrupts(Shared):
    def test_a_loop_that_looks_stops_with_its_variables(self):
        self.ok("let mut steps = 0u64;")
        self.kernel.interrupt_after(1.5)
        start = time.monotonic()
        result = self.fails("""
            while !interrupt::requested() {
                steps += 1;
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            let reached = steps;
        """)
        self.assertLess(time.monotonic() - start, 6)
        self.assertEqual(result.error()["ename"], "Interrupted")
        self.assertIn("kept", result.error()["evalue"])
        self.assertGreater(int(self.ok("println!(\"{}\", reached);").text()), 10)

    def test_a_solver_stops_too(self):
        self.ok("let mine = 5;")
        self.kernel.interrupt_after(1.5)
        result = self.fails("""
            let costs: Vec<f64> = vec![0.5; 3_000_000];
            loop { solve_batch(&KSubset::new(3, 1)?, &costs)?; }
        """)
        self.assertIn("interrupted", result.traceback().lower())
        self.assertEqual(self.ok("println!(\"{mine}\");").text(), "5\n")

    def test_long_solvers_stop_inside_a_solve(self):
        # Each takes many minutes.
        self.ok("""
            let kept_too = 6;
            fn random(i: u64) -> f64 {
                f64::from((i.wrapping_mul(6364136223846793005) >> 33) as u32 % 1000)
            }
        """)
        for problem in ("""
            let weights: Vec<Vec<f64>> =
                (0..10u64).map(|d| (0..250).map(|i| 1.0 + random(d * 1009 + i * 7919 + i * i)).collect()).collect();
            let values: Vec<f64> = (0..250usize)
                .map(|i| -weights.iter().map(|row| row[i]).sum::<f64>() / 10.0 - random(i as u64 * 31) / 2.0)
                .collect();
            solve_batch(&LinearProgramme::knapsack(&weights, &[62_000.5; 10])?, &values)?;
        """, """
            let points: Vec<(f64, f64)> = (0..400u64).map(|i| (random(i * 77 + 1), random(i * 91 + 5))).collect();
            let costs: Vec<f64> = points
                .iter()
                .flat_map(|a| points.iter().map(|b| (a.0 - b.0).hypot(a.1 - b.1)))
                .collect();
            solve_batch(&TravellingSalesman::new(400)?, &costs)?;
        """, """
            let matching: GraphMatching = GraphMatching::complete_graphs(18, 18)?.complete().exact_up_to(18);
            let costs: Vec<f64> = (0..matching.dimension() as u64).map(|i| random(i * i + 3)).collect();
            solve_batch(&matching, &costs)?;
        """):
            with self.subTest(problem):
                self.kernel.interrupt_after(4)
                start = time.monotonic()
                result = self.fails(problem)
                self.assertLess(time.monotonic() - start, 12)
                self.assertIn("interrupted", result.traceback().lower())
                self.assertEqual(self.ok("println!(\"{kept_too}\");").text(), "6\n")

    def test_code_that_does_not_look_is_ended_and_what_is_lost_is_said(self):
        self.ok("let lost_one = 1;")
        self.kernel.interrupt_after(1.0)
        start = time.monotonic()
        result = self.fails("loop { std::hint::black_box(1); }")
        self.assertLess(time.monotonic() - start, 12)
        self.assertEqual(result.error()["ename"], "Interrupted")
        self.assertIn("lost_one", result.traceback())
        self.ok("println!(\"on\");")

    def test_a_second_interrupt_ends_at_once(self):
        self.kernel.interrupt_after(1.0, times=2)
        start = time.monotonic()
        result = self.fails("""
            loop { if interrupt::requested() { std::hint::black_box(1); } }
        """)
        self.assertLess(time.monotonic() - start, 6)
        self.assertEqual(result.error()["ename"], "Interrupted")

    def test_a_compilation_can_be_interrupted(self):
        self.ok("let here = 3;")
        items = "\n".join(
            f"fn f{i}<T: std::fmt::Debug + Clone>(t: T) -> String {{ let v: Vec<T> = vec![t; {i} + 1]; "
            f"let mut s = String::new(); for x in &v {{ s += &format!(\"{{x:?}} {i}\"); }} s }}"
            for i in range(400))
        calls = "\n".join(f"println!(\"{{}}\", f{i}(1u8) + &f{i}({i}u64));" for i in range(400))
        self.kernel.interrupt_after(2.5)
        start = time.monotonic()
        result = self.fails(items + "\n" + calls)
        self.assertEqual(result.error()["ename"], "Interrupted", result.traceback()[:500])
        self.assertLess(time.monotonic() - start, 20)
        self.assertEqual(self.ok("println!(\"{here}\");").text(), "3\n")


    def test_a_dependency_that_compiles_can_be_interrupted(self):
        self.ok("let here_too = 4;")
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(f"{folder}/src")
            pathlib.Path(folder, "Cargo.toml").write_text(
                '[package]\nname = "slow"\nversion = "0.1.0"\nedition = "2024"\n')
            pathlib.Path(folder, "src/lib.rs").write_text("pub fn one() -> i32 { 1 }\n")
            pathlib.Path(folder, "build.rs").write_text(
                "fn main() { std::thread::sleep(std::time::Duration::from_secs(100)); }\n")
            self.kernel.interrupt_after(15)
            start = time.monotonic()
            result = self.fails(f':dep slow = {{ path = "{folder}" }}\nslow::one()')
            self.assertLess(time.monotonic() - start, 60)
            self.assertEqual(result.error()["ename"], "Interrupted", result.traceback()[:500])
        self.assertEqual(self.ok("println!(\"{here_too}\");").text(), "4\n")


class Many(unittest.TestCase):
    def test_a_configuration_beside_the_notebook_cannot_hang_the_start(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "evcxr.toml").write_text(
                "[evcxr]\nprelude = 'println!(\"hello\");'\n")
            with Kernel(cwd=folder) as kernel:
                self.assertLess(kernel.ready, 4)
                self.assertEqual(kernel.run("println!(\"on\");").text(), "on\n")

    def test_every_fact_of_the_readme_names_a_test(self):
        text = pathlib.Path("/lab/docker/kernel/README.md").read_text()
        # Some of the tests of conformance are those of the package itself.
        files = [__file__, "/lab/docker/test_conformance.py", jupyter_kernel_test.__file__]
        here = "".join(pathlib.Path(file).read_text() for file in files)
        named = re.findall(r"`(test_\w+)`", text)
        self.assertGreater(len(named), 20)
        self.assertEqual([name for name in named if f"def {name}(" not in here], [])

    def test_ready_at_once(self):
        with Kernel() as kernel:
            self.assertLess(kernel.ready, 4)

    def test_three_kernels_at_once_do_not_mix(self):
        def session(number):
            with Kernel() as kernel:
                kernel.run(f"let n: i64 = {number};")
                return [kernel.run(f'println!("{{}}", n * {i});').text().strip() for i in range(1, 5)]

        with ThreadPoolExecutor() as pool:
            results = list(pool.map(session, [1, 1000, 1_000_000]))
        self.assertEqual(results, [[str(n * i) for i in range(1, 5)] for n in (1, 1000, 1_000_000)])

    def test_twenty_starts_leave_nothing_behind(self):
        before = set(BASE.glob("kernel-*"))
        for number in range(20):
            with Kernel() as kernel:
                if number % 5 == 0:
                    kernel.run("let x = 1;")
        self.assertTrue(eventually(lambda: not processes("solvergrad-kernel")), processes("solvergrad-kernel"))
        self.assertEqual(set(BASE.glob("kernel-*")) - before, set())

    def test_a_killed_kernel_leaves_no_process_and_the_next_one_removes_its_folder(self):
        kernel = Kernel()
        kernel.run("1")
        left = set(BASE.glob("kernel-*"))
        self.assertEqual(len(left), 1)
        kernel.client.stop_channels()
        os.kill(kernel.manager.provisioner.pid, signal.SIGKILL)
        kernel.manager.shutdown_kernel(now=True)
        self.assertTrue(eventually(lambda: not processes("solvergrad-kernel child")))
        with Kernel():
            self.assertEqual(left & set(BASE.glob("kernel-*")), set())

    def test_an_edit_of_the_library_shows_in_the_next_cell(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            # The library moves, the shared stack below it stays where it is.
            shutil.copytree("/lab/crate", f"{folder}/crate")
            shutil.copy("/lab/Cargo.lock", folder)
            root = pathlib.Path("/lab/Cargo.toml").read_text()
            members = 'members = ["crate", "docker/kernel", "docker/kernel/stack"]'
            self.assertIn(members, root)
            pathlib.Path(folder, "Cargo.toml").write_text(root.replace(members, 'members = ["crate"]'))
            manifest = pathlib.Path(folder, "crate/Cargo.toml")
            manifest.write_text(manifest.read_text().replace("../docker", "/lab/docker"))
            with Kernel(env={"SOLVERGRAD_CRATE": f"{folder}/crate"}) as kernel:
                result = kernel.run("let kept: Tensor = Tensor::from(41i64);", timeout=300)
                self.assertEqual(result.status, "ok", result.traceback())
                source = pathlib.Path(folder, "crate/src/metric.rs")
                text = source.read_text()
                source.write_text(text + "\n/// Added.\npub fn one_more(t: &Tensor) -> Tensor { t + 1 }\n")
                # No type is given: rust-analyzer has to know the new function.
                result = kernel.run("let more = metric::one_more(&kept);", timeout=300)
                self.assertEqual(result.status, "ok", result.traceback())
                result = kernel.run('println!("{}", more.int64_value(&[]));')
                self.assertEqual(result.text(), "42\n", result.traceback())
                source.write_text(text + "\npub fn broken(")
                result = kernel.run("1")
                self.assertEqual(result.error()["ename"], "LibraryError")
                source.write_text(text)
                result = kernel.run("kept")
                self.assertEqual(result.status, "ok", result.traceback())

    def test_plain_evcxr_can_still_be_chosen(self):
        self.assertIn("evcxr", KernelSpecManager().find_kernel_specs())
        with Kernel("evcxr") as kernel:
            self.assertIn("3", str(kernel.run("1 + 2").data()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
