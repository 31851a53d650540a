//! The training loop: it learns, and a killed run resumes to the same bits.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use solvergrad::prelude::*;

const EPOCHS: u32 = 6;

// Not from libtorch's generator: it is shared by all tests, which run at the same time.
fn uniform(shape: [i64; 2], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| rng.random()).collect();
    Tensor::from_slice(&values).view(shape)
}

fn set(count: i64, seed: u64) -> Images {
    // Two prototypes with noise: something a small code can learn.
    let prototypes = uniform([2, 784], 1).round();
    let labels = uniform([1, count], seed).round().to_kind(Kind::Int64).view(-1);
    let noise = uniform([count, 784], seed + 1) * 0.2;
    let images = (prototypes.index_select(0, &labels) * 0.8 + noise).clamp(0.0, 1.0);
    Images { images, labels, height: 28, width: 28 }
}

struct Outcome {
    rows: Vec<Row>,
    weights: Vec<(String, Tensor)>,
}

fn train(
    folder: Option<PathBuf>,
    epochs: u32,
    seed: u64,
    patience: Option<u32>,
    rate: f64,
) -> Result<Outcome> {
    let (train, test) = (set(600, 10), set(100, 20));
    let variables = nn::VarStore::new(Device::Cpu);
    let encoder = Mlp::new(&(variables.root() / "encoder"), &[784, 64, 8 * 6], seed)?;
    let decoder = Mlp::new(&(variables.root() / "decoder"), &[8 * 6, 64, 784], seed + 1)?;
    let layer = SolverLayer::new(KSubset::new(6, 3)?, Identity);
    let noise =
        Noise::SumOfGamma { k: 3, temperature: 1.0, terms: 10, scale: SumOfGammaScale::Paper };
    let loss = |batch: &Images, seed: u64| -> Result<Tensor> {
        let logits = encoder.forward(&batch.images).view([-1, 8, 6]);
        let costs = Projection::Std.apply(&noise.perturb(&(-&logits), seed)?)?;
        let decoded = decoder.forward(&layer.forward(&costs)?.flatten(1, -1));
        Ok(bernoulli_negative_log_likelihood(&decoded, &batch.images)?
            + categorical_kl_to_uniform(&logits)?)
    };
    let training = Training {
        label: Row {
            experiment: "test".into(),
            rule: "identity".into(),
            projection: "std".into(),
            seed,
            ..Row::default()
        },
        metric: "n_elbo".into(),
        epochs,
        batch: 20,
        patience,
        folder,
        resume: true,
        configuration: format!("rate {rate}"),
    };
    let optimizer = Adam::new(&variables, rate)?;
    let mut learner = Learner { variables, optimizer };
    let rows = training.run(
        &mut learner,
        &train,
        &test,
        |optimizer, batch, seed| {
            let loss = loss(batch, seed)?;
            optimizer.minimise(&loss)?;
            Ok(loss)
        },
        |batch, seed| loss(batch, seed),
    )?;
    let mut weights: Vec<(String, Tensor)> = learner.variables.variables().into_iter().collect();
    weights.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Outcome { rows, weights })
}

fn same_bits(a: &Outcome, b: &Outcome) {
    assert_eq!(a.rows.len(), b.rows.len());
    for (a, b) in a.rows.iter().zip(&b.rows) {
        assert_eq!(a, b);
        assert_eq!(a.value.to_bits(), b.value.to_bits());
    }
    same_tensors(&a.weights, &b.weights);
}

fn same_tensors(a: &[(String, Tensor)], b: &[(String, Tensor)]) {
    assert_eq!(a.len(), b.len());
    for ((name, a), (other, b)) in a.iter().zip(b) {
        assert!(name == other && a.equal(b), "{name} and {other} differ");
    }
}

#[test]
fn a_short_fit_lowers_the_loss_and_the_seed_decides_everything() {
    let first = train(None, 3, 1, None, 1e-3).unwrap();
    let test: Vec<f64> =
        first.rows.iter().filter(|row| row.split == "test").map(|row| row.value).collect();
    assert_eq!(test.len(), 3);
    assert!(test[2] < 0.9 * test[0], "{test:?}");
    same_bits(&first, &train(None, 3, 1, None, 1e-3).unwrap());
    assert_ne!(first.rows[0].value, train(None, 1, 2, None, 1e-3).unwrap().rows[0].value);
}

#[test]
fn patience_ends_a_run_that_stopped_improving() {
    let rows = train(None, 50, 1, Some(2), 0.0).unwrap().rows;
    assert_eq!(
        rows.iter().map(|row| row.epoch).max(),
        Some(3),
        "no step, no improvement after epoch 1"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let message = train(Some(file.join("run")), 1, 1, None, 1e-3).err().unwrap().to_string();
    assert!(message.contains("file/run") && message.contains("choose another"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // A folder where the rows should be: refused before the first epoch, nothing half-written.
    let run = folder.path().join("run");
    std::fs::create_dir_all(run.join("rows.csv/x")).unwrap();
    let message = train(Some(run.clone()), 1, 1, None, 1e-3).err().unwrap().to_string();
    assert!(message.contains("cannot write") && message.contains("rows.csv"), "{message}");
    assert_eq!(std::fs::read_dir(run).unwrap().count(), 1);
}

#[test]
fn a_damaged_or_foreign_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train(Some(run.clone()), 1, 1, None, 1e-3).unwrap();
    let message = train(Some(run.clone()), 2, 1, None, 1e-2).err().unwrap().to_string();
    assert!(
        message.contains("another configuration") && message.contains("remove the file"),
        "{message}"
    );
    let checkpoint = run.join("checkpoint.safetensors");
    let bytes = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    let message = train(Some(run), 2, 1, None, 1e-3).err().unwrap().to_string();
    assert!(
        message.contains("checkpoint.safetensors") && message.contains("remove the file"),
        "{message}"
    );
}

const CHILD: &str = "SOLVERGRAD_TEST_RUN";

/// Not a test of its own: the process that the next test kills.
#[test]
#[ignore = "started by killed_and_resumed_equals_unbroken"]
fn child_run() {
    // Without it, nobody started this to kill it.
    if let Some(folder) = std::env::var_os(CHILD) {
        train(Some(folder.into()), EPOCHS, 5, None, 1e-3).unwrap();
    }
}

fn child(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "child_run"]).env(CHILD, folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn killed_and_resumed_equals_unbroken() {
    let folder = tempfile::tempdir().unwrap();
    let (unbroken, broken) = (folder.path().join("unbroken"), folder.path().join("broken"));
    assert!(child(&unbroken).status().unwrap().success());

    // Killed three times at odd moments, wherever that is: in a step, in a write, between epochs.
    for kill in 1..=3u64 {
        let mut process = child(&broken).spawn().unwrap();
        let start = Instant::now();
        while rows_of(&broken) < 2 * kill as usize && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(3));
        }
        std::thread::sleep(Duration::from_millis(7 * kill));
        process.kill().unwrap();
        process.wait().unwrap();
        let rows = rows_of(&broken);
        assert!(
            rows >= 2 && rows < 2 * EPOCHS as usize,
            "killed too late to test anything: {rows} rows"
        );
    }
    assert!(child(&broken).status().unwrap().success());

    let read = |run: &Path| std::fs::read(run.join("rows.csv")).unwrap();
    assert_eq!(rows_of(&broken), 2 * EPOCHS as usize);
    assert_eq!(read(&broken), read(&unbroken), "rows differ");
    let tensors = |run: &Path| {
        let mut tensors = Tensor::read_safetensors(run.join("checkpoint.safetensors")).unwrap();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tensors
    };
    same_tensors(&tensors(&broken), &tensors(&unbroken));
    let mut left: Vec<_> =
        std::fs::read_dir(&broken).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["checkpoint.safetensors", "rows.csv"], "something half-written stayed");
}

#[test]
fn a_finished_run_gives_its_rows_again_and_mends_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let run = || train(Some(folder.path().to_path_buf()), 2, 1, None, 1e-3).unwrap();
    let first = run();
    std::fs::remove_file(folder.path().join("rows.csv")).unwrap();
    same_bits(&first, &run());
    assert_eq!(rows_of(folder.path()), first.rows.len());
    let message = train(Some(folder.path().to_path_buf()), 1, 1, None, 1e-3).err().unwrap();
    assert!(message.to_string().contains("at least 2"), "{message}");
}

#[test]
fn a_resumed_run_equals_an_unbroken_one_where_a_parameter_rests() {
    // `b` takes part in the first epoch only.
    let run = |folder: Option<PathBuf>, epochs: u32| {
        let variables = nn::VarStore::new(Device::Cpu);
        let [a, b] = ["a", "b"].map(|name| variables.root().var(name, &[3], nn::Init::Const(1.0)));
        let set = set(40, 1);
        let training = Training {
            label: Row { seed: 1, ..Row::default() },
            metric: "loss".into(),
            epochs,
            batch: 20,
            patience: None,
            folder,
            resume: true,
            configuration: String::new(),
        };
        let optimizer = Adam::new(&variables, 0.1).unwrap();
        let mut learner = Learner { variables, optimizer };
        let first_epoch: Vec<u64> = (0..2).map(|step| derive_seed(&[1, 1, step])).collect();
        let rows = training.run(
            &mut learner,
            &set,
            &set,
            |optimizer, _, seed| {
                let both = a.square().sum(Kind::Float) + b.square().sum(Kind::Float);
                let loss =
                    if first_epoch.contains(&seed) { both } else { a.square().sum(Kind::Float) };
                optimizer.minimise(&loss)?;
                Ok(loss)
            },
            |_, _| Ok(a.square().sum(Kind::Float) + b.square().sum(Kind::Float)),
        );
        Outcome { rows: rows.unwrap(), weights: vec![("a".into(), a), ("b".into(), b)] }
    };
    let folder = tempfile::tempdir().unwrap();
    run(Some(folder.path().to_path_buf()), 1);
    same_bits(&run(Some(folder.path().to_path_buf()), 3), &run(None, 3));
}

#[test]
fn adam_is_its_formula() {
    let variables = nn::VarStore::new(Device::Cpu);
    let mut w = variables.root().var("w", &[2], nn::Init::Const(1.0));
    let (rate, beta, epsilon) = (0.03, (0.8, 0.95), 1e-3);
    let mut adam =
        Adam::new(&variables, rate).unwrap().betas(beta).unwrap().epsilon(epsilon).unwrap();
    let (mut x, mut m, mut v) = ([1.0f64, 1.0], [0.0; 2], [0.0; 2]);
    for t in 1..=5 {
        let scale = Tensor::from_slice(&[2.0f32, -0.5]) * f64::from(t);
        adam.minimise(&(w.square() * &scale).sum(Kind::Float)).unwrap();
        for i in 0..2 {
            let g = 2.0 * x[i] * [2.0, -0.5][i] * f64::from(t);
            m[i] = beta.0 * m[i] + (1.0 - beta.0) * g;
            v[i] = beta.1 * v[i] + (1.0 - beta.1) * g * g;
            let (first, second) = (m[i] / (1.0 - beta.0.powi(t)), v[i] / (1.0 - beta.1.powi(t)));
            x[i] -= rate * first / (second.sqrt() + epsilon);
            assert!((w.double_value(&[i as i64]) - x[i]).abs() < 1e-5, "step {t}");
        }
    }
    let _ = tch::no_grad(|| w.fill_(0.0));
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(Adam::new(&variables, bad).is_err());
        assert!(Adam::new(&variables, 0.1).unwrap().epsilon(bad).is_err());
        assert!(Adam::new(&variables, 0.1).unwrap().betas((0.9, bad)).is_err());
    }
}

#[test]
fn losses_and_metrics_have_their_values() {
    // −Σ x log p + (1 − x) log(1 − p) with p = sigmoid(logit), by hand; the mean over two items.
    let logits = Tensor::from_slice(&[0.5f64, -1.0, 2.0, 0.0]).view([2, 2]);
    let target = Tensor::from_slice(&[1.0f64, 0.25, 0.5, 0.0]).view([2, 2]);
    let term = |logit: f64, x: f64| {
        let p = 1.0 / (1.0 + (-logit).exp());
        -(x * p.ln() + (1.0 - x) * (1.0 - p).ln())
    };
    let expected = (term(0.5, 1.0) + term(-1.0, 0.25) + term(2.0, 0.5) + term(0.0, 0.0)) / 2.0;
    let loss = bernoulli_negative_log_likelihood(&logits, &target).unwrap();
    assert!((loss.double_value(&[]) - expected).abs() < 1e-12);
    // KL(softmax([ln 3, 0]) ‖ uniform) = 3/4 ln(3/2) + 1/4 ln(1/2), two rows in one item.
    let logits = Tensor::from_slice(&[3f64.ln(), 0.0, 3f64.ln(), 0.0]).view([1, 2, 2]);
    let expected = 2.0 * (0.75 * 1.5f64.ln() + 0.25 * 0.5f64.ln());
    let divergence = categorical_kl_to_uniform(&logits).unwrap().double_value(&[]);
    assert!((divergence - expected).abs() < 1e-12);
    let empty = Tensor::zeros([0, 3], (Kind::Float, Device::Cpu));
    assert!(bernoulli_negative_log_likelihood(&empty, &empty).is_err());
    assert!(categorical_kl_to_uniform(&empty).is_err());

    let (a, b) =
        (Tensor::from_slice(&[1.0, 0.0, 1.0, 1.0]), Tensor::from_slice(&[1.0, 1.0, 1.0, 0.0]));
    assert_eq!(metric::hamming_distance(&a, &b).unwrap(), 0.5);
    assert!((metric::cosine(&a, &b).unwrap() - 2.0 / 3.0).abs() < 1e-12);
    assert!(metric::cosine(&a, &empty).is_err());
}

#[test]
fn glorot_bounds_and_the_seed_decide_about_weights() {
    let weights = |seed| {
        let variables = nn::VarStore::new(Device::Cpu);
        Mlp::new(&variables.root(), &[30, 50, 4], seed).unwrap();
        let mut named: Vec<_> = variables.variables().into_iter().collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named
    };
    same_tensors(&weights(3), &weights(3));
    let first = |seed| weights(seed).into_iter().find(|(_, w)| w.size() == [50, 30]).unwrap().1;
    assert!(!first(3).equal(&first(4)));
    let (bound, largest) = ((6.0f64 / 80.0).sqrt(), first(3).abs().max().double_value(&[]));
    assert!(largest <= bound && largest > 0.98 * bound, "{largest} {bound}");
}

fn rows_of(run: &Path) -> usize {
    std::fs::read_to_string(run.join("rows.csv"))
        .map_or(0, |text| text.lines().count().saturating_sub(1))
}
