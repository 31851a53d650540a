//! The command line: exit status and one line with the cure.

use std::process::{Command, Output};

fn solvergrad(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_solvergrad"));
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn fails(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = solvergrad(arguments, environment);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.lines().count(), 1, "{message}");
    message + &String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_missing_gpu_is_a_problem_with_a_cure() {
    if solvergrad::device::cuda_available() {
        return;
    }
    let report = fails(&["doctor"], &[("SOLVERGRAD_DEVICE", "cuda")]);
    assert!(report.contains("PROBLEM  device") && report.contains("--profile cuda"), "{report}");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_a_problem_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let data = file.join("data");
    let data = data.to_str().unwrap();
    let report = fails(&["doctor"], &[("SOLVERGRAD_DATA", data)]);
    assert!(report.contains("PROBLEM  data folder"), "{report}");
    let message = fails(&["data", "--folder", data, "fetch", "mnist"], &[]);
    assert!(message.contains("cannot create") && message.contains(data), "{message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_data_set_is_named_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("mnist");
    std::fs::create_dir(&own).unwrap();
    let file = own.join("t10k-labels-idx1-ubyte");
    std::fs::write(&file, [0, 0, 8, 1, 0, 0]).unwrap();
    let folder = folder.path().to_str().unwrap();
    let message = fails(&["data", "--folder", folder, "verify", "mnist"], &[]);
    assert!(message.contains("t10k-labels") && message.contains("delete the wrong"), "{message}");
}

#[test]
fn what_is_no_notebook_is_named() {
    let message = fails(&["notebook", "check", "/nowhere.ipynb"], &[]);
    assert!(message.contains("/nowhere.ipynb"), "{message}");
}
