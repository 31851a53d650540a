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

/// Items of any struct, several sets to measure on, metrics beside the loss, a rate that falls.
#[derive(Debug)]
struct Points {
    x: Tensor,
}

impl Items for Points {
    fn len(&self) -> usize {
        self.x.size()[0] as usize
    }

    fn try_map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { x: change(&self.x)? })
    }
}

fn fit(
    folder: Option<PathBuf>,
    epochs: u32,
    patience: Option<u32>,
    names: [&str; 2],
    seen: &mut Vec<(Step, usize, f64)>,
) -> Result<Outcome> {
    let points = |values: &[f32]| Points { x: Tensor::from_slice(values) };
    let (train, near, far) =
        (points(&[1.0, 2.0, 3.0, 4.0, 5.0]), points(&[3.0, 4.0, 8.0]), points(&[-100.0, 7.0]));
    let variables = nn::VarStore::new(Device::Cpu);
    let w = variables.root().var("w", &[1], nn::Init::Const(0.0));
    let optimizer = Adam::new(&variables, 0.1)?.milestones(&[2, 3], 0.5)?;
    let training = Training {
        label: Row { seed: 9, ..Row::default() },
        metric: "loss".into(),
        epochs,
        batch: 2,
        patience,
        folder,
        resume: true,
        configuration: String::new(),
    };
    let loss = |batch: &Points| (&batch.x - &w).square().mean(Kind::Float);
    let mut learner = Learner { variables, optimizer };
    let rows = training.run_splits(
        &mut learner,
        &train,
        &[(names[0], &near), (names[1], &far)],
        |optimizer, batch, step| {
            seen.push((step, batch.len(), optimizer.learning_rate()));
            let loss = loss(batch);
            optimizer.minimise(&loss)?;
            Ok(Measures::new(loss).with("items", batch.len() as f64))
        },
        |batch, _| {
            Ok(Measures::new(loss(batch)).with("x", batch.x.mean(Kind::Float)).with("one", 1.0))
        },
    )?;
    Ok(Outcome { rows, weights: vec![("w".into(), w)] })
}

#[test]
fn several_sets_and_metrics_are_recorded_per_epoch() {
    let mut seen = Vec::new();
    let whole = fit(None, 5, None, ["val", "test"], &mut seen).unwrap();
    let of = |epoch: u32, split: &str, metric: &str| {
        let fits = |row: &&Row| row.epoch == epoch && row.split == split && row.metric == metric;
        let found: Vec<f64> = whole.rows.iter().filter(fits).map(|row| row.value).collect();
        assert_eq!(found.len(), 1, "{epoch} {split} {metric}");
        found[0]
    };
    assert_eq!(whole.rows.len(), 5 * 8);
    for epoch in 1..=5 {
        // Means over items, not over batches: 3, 4 | 8 and 2, 2 | 1.
        assert!((of(epoch, "val", "x") - 5.0).abs() < 1e-6);
        assert!((of(epoch, "test", "x") + 46.5).abs() < 1e-5);
        assert!((of(epoch, "train", "items") - 9.0 / 5.0).abs() < 1e-12);
        assert_eq!(of(epoch, "test", "one"), 1.0);
    }
    assert!(of(5, "val", "loss") < of(1, "val", "loss"));
    let rates: Vec<f64> = (0..5).map(|epoch| seen[3 * epoch].2).collect();
    assert_eq!(rates, [0.1, 0.1, 0.05, 0.025, 0.025]);
    let (step, items, _) = seen[5];
    assert_eq!((step.epoch, step.batch, items), (2, 2, 1));
    assert_eq!(step.seed, derive_seed(&[9, 2, 2]));

    // Resumed between the milestones: the same bits, and the same rates.
    let folder = tempfile::tempdir().unwrap();
    let path = || Some(folder.path().to_path_buf());
    let mut again = Vec::new();
    fit(path(), 2, None, ["val", "test"], &mut again).unwrap();
    same_bits(&fit(path(), 5, None, ["val", "test"], &mut again).unwrap(), &whole);
    assert_eq!(again, seen);

    // The first set decides when to stop: far from the second one, the loss there only rises.
    let epochs = |names| {
        let rows = fit(None, 4, Some(1), names, &mut Vec::new()).unwrap().rows;
        rows.iter().map(|row| row.epoch).max()
    };
    assert_eq!(epochs(["val", "test"]), Some(4));
    for names in [["val", "val"], ["train", "test"]] {
        let message = fit(None, 1, None, names, &mut Vec::new()).err().unwrap().to_string();
        assert!(message.contains("the name of a test set"), "{message}");
    }
}

#[test]
fn a_metric_that_is_no_number_ends_the_run() {
    let variables = nn::VarStore::new(Device::Cpu);
    let w = variables.root().var("w", &[1], nn::Init::Const(0.0));
    let optimizer = Adam::new(&variables, 0.1).unwrap();
    let mut learner = Learner { variables, optimizer };
    let training = Training {
        label: Row::default(),
        metric: "loss".into(),
        epochs: 1,
        batch: 2,
        patience: None,
        folder: None,
        resume: false,
        configuration: String::new(),
    };
    let set = Points { x: Tensor::from_slice(&[1.0f32, 2.0]) };
    for (value, part) in [
        (Tensor::from(f64::NAN), "NaN after epoch 1 (ratio, test)"),
        (Tensor::from_slice(&[1.0, 2.0]), "a metric has shape [2]"),
    ] {
        let result = training.run(
            &mut learner,
            &set,
            &set,
            |_, _, _| Ok(w.square().sum(Kind::Float)),
            |_, _| Ok(Measures::new(Tensor::from(0.0)).with("ratio", value.shallow_clone())),
        );
        let message = result.unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
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

    // Two paths of equal cost, a dearer one, the best.
    let costs = Tensor::from_slice(&[1.0, 2.0, 3.0]).expand([3, 3], false);
    let best = Tensor::from_slice(&[1.0, 1.0, 0.0]).expand([3, 3], false);
    let found = Tensor::from_slice(&[0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0]).view([3, 3]);
    let share = metric::optimal_share(&costs, &found, &best).unwrap();
    assert!((share - 2.0 / 3.0).abs() < 1e-12);
    assert!((metric::exact_accuracy(&found, &best).unwrap() - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn the_likelihood_is_libtorchs_with_its_gradient() {
    for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::Double, 1e-12)] {
        // Undecided, as good as decided, and beyond what exp holds.
        let logits = [0.0, -0.0, 0.3, -2.0, 17.5, -17.5, 60.0, -60.0, 200.0, -200.0];
        let logits = Tensor::from_slice(&logits).to_kind(kind).view([2, 5]).set_requires_grad(true);
        let target = uniform([2, 5], 3).to_kind(kind);
        let ours = bernoulli_negative_log_likelihood(&logits, &target).unwrap();
        let theirs = logits.binary_cross_entropy_with_logits::<Tensor>(
            &target,
            None,
            None,
            tch::Reduction::Sum,
        ) / 2.0;
        assert!(ours.allclose(&theirs, tolerance, 0.0, false), "{ours:?} {theirs:?}");
        let gradient = |loss: &Tensor| {
            Tensor::run_backward(&[&(loss * 3.0)], &[&logits], true, false).remove(0)
        };
        assert!(gradient(&ours).allclose(&gradient(&theirs), tolerance, 1e-6 * tolerance, false));
        // A target that learns gets its gradient, too.
        let learned = target.set_requires_grad(true);
        bernoulli_negative_log_likelihood(&logits, &learned).unwrap().backward();
        assert!(learned.grad().defined());
    }
}

#[test]
fn points_are_aligned_by_rotation_and_reflection() {
    for kind in [Kind::Float, Kind::Double] {
        let truth = (uniform([7, 3], 4) - 0.5).to_kind(kind);
        let (sine, cosine) = 0.7f64.sin_cos();
        // Turned about one axis, and mirrored.
        let motion = [cosine, -sine, 0.0, sine, cosine, 0.0, 0.0, 0.0, -1.0];
        let motion = Tensor::from_slice(&motion).view([3, 3]).to_kind(kind);
        let aligned = metric::align(&truth.matmul(&motion), &truth).unwrap();
        assert_eq!(aligned.kind(), kind);
        assert!((aligned - &truth).abs().max().double_value(&[]) < 1e-5);
        // Of other points too no motion comes closer: the derivative at the answer is 0, as Pᵀ T is
        // symmetric there.
        let other = (uniform([7, 3], 5) - 0.5).to_kind(kind);
        let product = metric::align(&other, &truth).unwrap().tr().matmul(&truth);
        assert!((&product - product.tr()).abs().max().double_value(&[]) < 1e-5);
        let before = (&other - &truth).square().sum(kind).double_value(&[]);
        let aligned = metric::align(&other, &truth).unwrap();
        assert!((aligned - &truth).square().sum(kind).double_value(&[]) <= before + 1e-6);
        assert!(metric::align(&truth.get(0), &truth.get(0)).is_err());
        assert!(metric::align(&truth, &truth.narrow(0, 0, 6)).is_err());
    }
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

#[test]
fn networks_have_their_shapes_bounds_and_seeds() {
    let flags = uniform([4, 3 * 20 * 40], 2).view([4, 3, 20, 40]);
    let maps = uniform([3, 3 * 40 * 40], 3).view([3, 3, 40, 40]);
    let of = |seed| {
        let (a, b) = (nn::VarStore::new(Device::Cpu), nn::VarStore::new(Device::Cpu));
        let flag_network = FlagNetwork::new(&a.root(), seed).unwrap();
        let trunk = ResNetTrunk::new(&b.root(), 5, seed).unwrap();
        let named = |store: &nn::VarStore| {
            let mut named: Vec<_> = store.variables().into_iter().collect();
            named.sort_by(|a, b| a.0.cmp(&b.0));
            named
        };
        let trained = trunk.forward_t(&maps, true);
        (flag_network.forward(&flags), trained, trunk.forward_t(&maps, false), named(&a), named(&b))
    };
    let (points, trained, tested, flag_weights, weights) = of(1);
    assert_eq!((points.size(), trained.size()), (vec![4, 3], vec![3, 5, 5]));
    let lengths = points.norm_scalaropt_dim(2.0, [1i64], false);
    assert!((lengths - 1.0).abs().max().double_value(&[]) < 1e-5);
    // Batch norms use the batch in training, and what they have seen of it after.
    assert!(!trained.equal(&tested));
    let count = |named: &[(String, Tensor)]| {
        let trainable = named.iter().filter(|(_, tensor)| tensor.requires_grad());
        trainable.map(|(_, tensor)| tensor.numel()).sum::<usize>()
    };
    assert_eq!(count(&flag_weights), 3 * 20 * 16 + 20 + 20 * 50 * 16 + 50 + 800 * 500 + 500 + 1503);
    assert_eq!(count(&weights), 64 * 3 * 49 + 4 * 64 * 64 * 9 + 5 * 128);
    for (name, tensor) in &flag_weights {
        // Weights and biases alike, by what comes in.
        let inputs = match name.split('.').next() {
            Some("convolution0") => 3 * 16,
            Some("convolution1") => 20 * 16,
            Some("dense0") => 800,
            _ => 500,
        };
        let largest = tensor.abs().max().double_value(&[]) * f64::from(inputs).sqrt();
        assert!(largest <= 1.0 + 1e-6 && largest > 0.3, "{name} {largest}");
    }
    let (_, stem) = weights.iter().find(|(_, w)| w.size() == [64, 3, 7, 7]).unwrap();
    let deviation = stem.std(true).double_value(&[]) / (2.0f64 / (64.0 * 49.0)).sqrt();
    assert!((deviation - 1.0).abs() < 0.05, "{deviation}");
    let again = of(1);
    assert!(again.0.equal(&points) && again.2.equal(&tested));
    assert!(!of(2).0.equal(&points));
    let variables = nn::VarStore::new(Device::Cpu);
    assert!(ResNetTrunk::new(&variables.root(), 0, 1).is_err());
}

fn rows_of(run: &Path) -> usize {
    std::fs::read_to_string(run.join("rows.csv"))
        .map_or(0, |text| text.lines().count().saturating_sub(1))
}
