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

/// What `solvergrad data` prints of the data in a folder.
fn data(folder: &str, arguments: &[&str]) -> String {
    let output = solvergrad(&[&["data", "--folder", folder], arguments].concat(), &[]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_stand_in_is_made_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let run = |arguments: &[&str]| data(path, arguments);
    assert!(run(&["list"]).contains("not present; `solvergrad data make warcraft --size 30`"));
    let few = ["--train", "3", "--validation", "2", "--test", "2", "--seed", "7"];
    let made = run(&[&["make", "globe-tsp", "--size", "4"], &few[..]].concat());
    let folder_made = made.trim().rsplit(' ').next().unwrap();
    assert!(folder_made.ends_with("globe-tsp-v1-seed7-3-2-2/4_countries_from_100"), "{made}");
    let data = solvergrad::data::GlobeTsp::load(folder_made.as_ref()).unwrap();
    assert_eq!(data.k, 4);
    std::fs::create_dir_all(folder.path().join("globe_tsp/5_countries_from_100")).unwrap();
    assert!(run(&["list"]).contains("globe_tsp/5_countries_from_100"));
    let message = fails(&["data", "--folder", path, "make", "warcraft", "--size", "1"], &[]);
    assert!(message.contains("the size of the instances is 1"), "{message}");
}

#[test]
fn a_stand_in_of_reviews_is_made_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let run = |arguments: &[&str]| data(path, arguments);
    assert!(run(&["list"]).contains("not present; `solvergrad data make beer-advocate`"));
    let few = ["--train", "3", "--held-out", "2", "--annotated", "1", "--seed", "7"];
    let made = run(&[&["make", "beer-advocate", "--aspect", "palate"], &few[..]].concat());
    let folder_made = made.trim().rsplit(' ').next().unwrap();
    assert!(folder_made.ends_with("beer-advocate-v1-seed7-palate-3-2-1"), "{made}");
    use solvergrad::data::{Aspect, BeerAdvocate};
    let data = BeerAdvocate::load(folder_made.as_ref(), Aspect::Palate, 350).unwrap();
    assert_eq!(data.train.ratings.size(), [3]);
    std::fs::create_dir(folder.path().join("beer_advocate")).unwrap();
    assert!(run(&["list"]).contains(&folder.path().join("beer_advocate").display().to_string()));
    let none = &["--held-out", "0"];
    let message =
        fails(&[&["data", "--folder", path, "make", "beer-advocate"], &none[..]].concat(), &[]);
    assert!(message.contains("0 (held out)"), "{message}");
}

#[test]
fn a_stand_in_of_pairs_is_made_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let run = |arguments: &[&str]| data(path, arguments);
    let listed = run(&["list"]);
    for words in
        ["not present; `solvergrad data make spair-71k`", "227 MB", "docker/convert_voc_pairs.py"]
    {
        assert!(listed.contains(words), "{listed} lacks {words}");
    }
    let few = ["--train", "3", "--validation", "1", "--test", "2", "--size", "32", "--seed", "7"];
    let made = run(&[&["make", "spair-71k"], &few[..]].concat());
    let folder_made = made.trim().rsplit(' ').next().unwrap();
    assert!(folder_made.ends_with("spair-71k-v1-seed7-3-1-2/32x32"), "{made}");
    use solvergrad::data::{KeypointChoice, SPair71k};
    let data = SPair71k::load(folder_made.as_ref(), KeypointChoice::All).unwrap();
    assert_eq!((data.train.len(), data.validation.len(), data.test.len()), (3, 1, 2));
    std::fs::create_dir(folder.path().join("SPair-71k")).unwrap();
    assert!(run(&["list"]).contains(&folder.path().join("SPair-71k").display().to_string()));
    assert!(run(&["fetch", "spair-71k"]).contains("is there already"));
    let message = fails(&["data", "--folder", path, "make", "spair-71k", "--test", "0"], &[]);
    assert!(message.contains("pairs to test on is 0"), "{message}");
}

#[test]
fn what_is_no_notebook_is_named() {
    let message = fails(&["notebook", "check", "/nowhere.ipynb"], &[]);
    assert!(message.contains("/nowhere.ipynb"), "{message}");
}

/// Runs `solve` with `input` as text; the solution, too, is text.
fn solve(arguments: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_solvergrad"))
        .arg("solve")
        .args(arguments)
        .args(["--cost", "-", "--out", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn solution(arguments: &[&str], input: &str) -> String {
    let output = solve(arguments, input);
    assert!(output.status.success(), "{arguments:?} {output:?}");
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("objective") && report.contains("us per instance"), "{report}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_problem_is_solved_for_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let edges = file("edges", "0 1\n1 2\n\n0,2\n");
    assert_eq!(solution(&["subset", "--k", "2"], "0.5 -1 3\n2 2 2\n"), "1 1 0\n1 1 0\n");
    assert_eq!(solution(&["ranking"], "0.5, -1, 3"), "2 3 1\n");
    assert_eq!(solution(&["grid"], "1 9 9\n1 9 9\n9 1 1\n"), "1 0 0\n1 0 0\n0 1 1\n");
    assert_eq!(solution(&["grid"], "1 2 3"), "1 1 1\n");
    let ends = ["grid", "--neighbours", "4", "--source", "0,2", "--sink", "0,0"];
    assert_eq!(solution(&ends, "1 9 1\n1 1 1\n"), "1 0 1\n1 1 1\n");
    let path = ["path", "--edges", &edges, "--source", "0", "--sink", "2"];
    assert_eq!(solution(&path, "1 1 3"), "1 1 0\n");
    assert_eq!(solution(&["tree", "--edges", &edges], "5 1 -1"), "0 1 1\n");
    assert_eq!(solution(&["assignment"], "4 1 2\n2 0 5\n"), "0 0 1\n0 1 0\n");
    assert_eq!(solution(&["matching"], "9 1 9 9 1 9"), "0 1 0 0 1 0\n");
    assert_eq!(solution(&["matching", "--edges", &file("two", "3 0\n2 1\n")], "5 5"), "1 1\n");
    let square = "0 1 3 1\n1 0 1 3\n3 1 0 1\n1 3 1 0\n";
    assert_eq!(solution(&["tsp"], square), "0 1 0 1\n1 0 1 0\n0 1 0 1\n1 0 1 0\n");
    let askew = square.replacen("3", "5", 1);
    assert!(solution(&["tsp", "--symmetrise"], &askew).starts_with("0 1 0 1\n"));
    // Two triangles, of which the second is turned by one.
    let (first, second) = (file("first", "0 1\n1 2\n"), file("second", "1 2\n2 0\n"));
    let matching =
        ["graph-matching", "--nodes", "3,3", "--edges1", &first, "--edges2", &second, "--complete"];
    let costs = "0 0 0 0 0 0 0 0 0 -1 0 0 -1";
    assert_eq!(solution(&matching, costs), "0 1 0 0 0 1 1 0 0 1 0 0 1\n");
    let weights = file("weights", "2 3 4\n1 1 1\n");
    let knapsack = ["knapsack", "--weights", &weights, "--capacities", "5,9"];
    assert_eq!(solution(&knapsack, "-3 -4 -5"), "1 1 0\n");
    let sets = file("sets", "0 1\n1 2\n0 1 2\n");
    assert_eq!(solution(&["set-cover", "--sets", &sets], "1 1 3"), "1 1 0\n");
}

#[test]
fn arrays_of_numpy_are_read_and_written_and_pickled_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (costs, out) = (path("costs.npy"), path("new/out.npy"));
    for kind in [tch::Kind::Float, tch::Kind::Double] {
        let array = tch::Tensor::from_slice(&[0.3, 0.1, 0.2, 5.0, 5.0, 5.0]).view([2, 1, 3]);
        array.to_kind(kind).write_npy(&costs).unwrap();
        let arguments = ["solve", "subset", "--k", "1", "--cost", &costs, "--out", &out];
        let output = solvergrad(&arguments, &[]);
        assert!(output.status.success(), "{output:?}");
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains("mean of 2 instances") && report.contains("proof"), "{report}");
        let solution = tch::Tensor::read_npy(&out).unwrap();
        assert_eq!(solution.size(), [2, 1, 3]);
        assert_eq!(
            Vec::<f64>::try_from(solution.flatten(0, -1)).unwrap(),
            [0., 1., 0., 1., 0., 0.]
        );
    }
    // What numpy writes for an array of objects.
    let header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(((header.len() + 1) as u16).to_le_bytes());
    bytes.extend(format!("{header}\n").as_bytes());
    std::fs::write(&costs, &bytes).unwrap();
    let arguments = ["solve", "ranking", "--cost", &costs];
    let message = fails(&arguments, &[]);
    assert!(message.contains("pickled") && message.contains("np.save"), "{message}");
    for damaged in [&bytes[..4], &bytes[..20], b"", b"not an array at all"] {
        std::fs::write(&costs, damaged).unwrap();
        let message = fails(&arguments, &[]);
        assert!(message.contains("costs.npy"), "{message}");
    }
    assert!(
        fails(&["solve", "ranking", "--cost", &path("absent.npy")], &[]).contains("cannot read")
    );
}

#[test]
fn costs_and_graphs_that_make_no_sense_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let edges = folder.path().join("edges");
    std::fs::write(&edges, "0 1.5\n").unwrap();
    let edges = edges.to_str().unwrap();
    let far = folder.path().join("far");
    std::fs::write(&far, "0 3999999999\n").unwrap();
    let far = far.to_str().unwrap();
    for (arguments, input, part) in [
        (vec!["ranking"], "1 two 3", "line 1 has \"two\""),
        (vec!["ranking"], "1 2\n3\n", "line 2 has 1 numbers"),
        (vec!["ranking"], "1 NaN", "cost 1 of instance 0 is NaN"),
        (vec!["ranking"], "", "ranking solver is 0"),
        (vec!["grid"], "1 -2\n3 4\n", "cost 1 of instance 0 is -2"),
        (vec!["grid", "--source", "7,7"], "1 2\n3 4\n", "(7, 7)"),
        (vec!["grid", "--source", "7"], "1 2\n3 4\n", "two numbers"),
        (vec!["subset", "--k", "4"], "1 2 3", "is 4"),
        (vec!["tree", "--edges", far], "1", "cannot connect"),
        (vec!["path", "--source", "0", "--sink", "1", "--edges", far], "1", "without gaps"),
        (vec!["set-cover", "--sets", far], "1", "without gaps"),
        (vec!["matching"], "1 2", "n(n - 1)/2"),
        (vec!["matching"], "1 2 3", "even"),
        (vec!["tsp"], "0 1 2\n1 0 1\n9 1 0\n", "cost (0, 2) is 2, but cost (2, 0) is 9"),
        (vec!["tsp", "--time-limit", "-1"], "0 1\n1 0\n", "--time-limit -1"),
        (vec!["tree", "--edges", edges], "1", "is no edge"),
    ] {
        let output = solve(&arguments, input);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains(part) && message.lines().count() == 1, "{arguments:?} {message}");
    }
}
