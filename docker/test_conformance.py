#!/usr/bin/env python3
"""The kernel against Jupyter's own conformance tests."""
import unittest

import jupyter_kernel_test


class Conformance(jupyter_kernel_test.KernelTests):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The package waits 15 s for an answer, and the first one takes the longest.
        cls.kc.execute_interactive("let first = 1;", timeout=300, output_hook=lambda message: None)

    kernel_name = "solvergrad"
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("test");'
    complete_code_samples = ["1 + 1", "let x = 1;", "fn f() {}"]
    incomplete_code_samples = ["fn f() {", 'println!("', "let x ="]
    invalid_code_samples = ["let = }"]
    code_page_something = None
    code_generate_error = "panic!(\"on purpose\");"
    code_execute_result = [
        {"code": "1 + 2 + 3", "result": "6"},
        {"code": "vec![1, 2]", "result": "[1, 2]"},
    ]
    code_display_data = [
        {"code": 'display(&Html::new("<b>x</b>", "x"));', "mime": "text/html"},
        {"code": "display(&Tensor::ones([20, 20], (Kind::Float, Device::Cpu)));", "mime": "text/html"},
    ]
    code_history_pattern = "1*2*"
    supported_history_operations = ("tail", "range")
    code_inspect_sample = "Tensor::zeros"
    code_clear_output = "clear_output(false);"

    def test_completion(self):
        # The protocol's own check wants exact sets; rust-analyzer answers with calls.
        self.flush_channels()
        message = self.kc.complete("let v = Tensor::zer")
        reply = self.kc.get_shell_msg(timeout=60)
        self.assertEqual(reply["parent_header"]["msg_id"], message)
        matches = reply["content"]["matches"]
        self.assertTrue(any(match.startswith("zeros") for match in matches), matches)


if __name__ == "__main__":
    unittest.main(verbosity=2)
