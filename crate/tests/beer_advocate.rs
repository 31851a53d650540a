//! Reviews of beers: the published files with their peculiarities, files that are not right, the
//! stand-in, and the models.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use solvergrad::model::dropout;
use solvergrad::prelude::*;
use tempfile::{TempDir, tempdir};

const TRAIN: &str = "reviews.aspect1.train.txt.gz";
const HELD_OUT: &str = "reviews.aspect1.heldout.txt.gz";
const EMBEDDINGS: &str = "review+wiki.filtered.200.txt.gz";
const ANNOTATIONS: &str = "annotations.json";

fn gz(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn published() -> TempDir {
    let folder = tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let bytes = if name.ends_with(".gz") { gz(text) } else { text.as_bytes().to_vec() };
        fs::write(folder.path().join(name), bytes).unwrap();
    };
    write(TRAIN, "0.5 0.7 0.1\tgood hops good\n0.2 1.0 0.3\tbad malt and  hops good\n");
    write(HELD_OUT, "0 0.25 0\tmalt water good\n1 0 1\tgood\n0 1 0\thops\n");
    write(EMBEDDINGS, "good 1 2\nwater 9 9\nhops -1 0.5\nmalt 3 4\n");
    let first = r#"{"x": ["a", "hops", "good"], "y": [0.1, 0.9], "0": [], "1": [[1, 2]], "2": []}"#;
    let long = r#"{"x": ["good", "malt", "bad", "hops", "good", "and"], "0": [],
        "1": [[0, 2], [1, 3], [5, 99]], "2": [], "more": 1}"#;
    write(ANNOTATIONS, &format!("{first}\n{}\n", long.replace('\n', " ")));
    folder
}

fn load(folder: &TempDir) -> solvergrad::Result<BeerAdvocate> {
    BeerAdvocate::load(folder.path(), Aspect::Aroma, 5)
}

fn whole(tensor: &Tensor) -> Vec<i64> {
    Vec::try_from(tensor.to_kind(Kind::Int64).contiguous().view([-1])).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.contiguous().view([-1])).unwrap()
}

#[test]
fn reads_the_published_format_with_its_peculiarities() {
    let folder = published();
    let data = load(&folder).unwrap();
    // The end of a line belongs to its last word, and nothing stands between two blanks.
    let words = ["<PAD>", "<START>", "<UNK>", "good", "hops", "good\n", "bad", "malt", "and", ""];
    assert_eq!(data.vocabulary.len(), words.len());
    for (id, word) in (0..).zip(words) {
        assert_eq!((data.vocabulary.id(word), data.vocabulary.word(id)), (Some(id), Some(word)));
    }
    assert_eq!((data.vocabulary.id("water"), data.vocabulary.word(10)), (None, None));
    // Padded in front, and cut in front: `bad` is missing.
    assert_eq!(data.train.tokens.size(), [2, 5]);
    assert_eq!(whole(&data.train.tokens), [0, 0, 3, 4, 5, 7, 8, 9, 4, 5]);
    assert_eq!(floats(&data.train.ratings), [0.7, 1.0]);
    // Unknown words of held-out reviews: `water`, and `hops` at the end of a line.
    assert_eq!(whole(&data.held_out.tokens), [0, 0, 7, 2, 5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 2]);
    assert_eq!(floats(&data.held_out.ratings), [0.25, 0.0, 1.0]);
    assert_eq!(data.embeddings.size(), [10, 2]);
    let mut expected = [0.0; 20];
    expected[6..10].copy_from_slice(&[1.0, 2.0, -1.0, 0.5]);
    expected[14..16].copy_from_slice(&[3.0, 4.0]);
    assert_eq!(floats(&data.embeddings), expected);
    // Unknown words of annotated reviews are padding; ranges move with words that are cut.
    assert_eq!(whole(&data.annotated.tokens), [0, 0, 0, 4, 3, 7, 6, 4, 3, 8]);
    assert_eq!(whole(&data.annotated.annotated), [0, 0, 0, 1, 0, 1, 1, 0, 0, 1]);
    let ratings = floats(&data.annotated.ratings);
    assert!(ratings[0] == 0.9 && ratings[1].is_nan(), "{ratings:?}");
    assert_eq!(data.annotated.words[0], ["a", "hops", "good"]);

    // Uncompressed files, and ends of lines of another system, give the same.
    let text = "0.5 0.7 0.1\tgood hops good\r\n0.2 1.0 0.3\tbad malt and  hops good\r\n";
    fs::remove_file(folder.path().join(TRAIN)).unwrap();
    fs::write(folder.path().join(TRAIN.trim_end_matches(".gz")), text).unwrap();
    assert_eq!(whole(&load(&folder).unwrap().train.tokens), whole(&data.train.tokens));
}

#[test]
fn held_out_reviews_are_split_by_seed() {
    let count = 101;
    let numbers = Tensor::arange(count, (Kind::Float, Device::Cpu));
    let reviews = Reviews { tokens: numbers.view([-1, 1]), ratings: numbers };
    let (validation, test) = reviews.split(3).unwrap();
    assert_eq!((validation.len(), test.len()), (50, 51));
    assert_eq!(whole(&test.tokens), whole(&test.ratings));
    let mut all = [whole(&validation.ratings), whole(&test.ratings)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..count).collect::<Vec<_>>());
    assert_eq!(whole(&reviews.split(3).unwrap().1.ratings), whole(&test.ratings));
    assert_ne!(whole(&reviews.split(4).unwrap().1.ratings), whole(&test.ratings));
    assert!(matches!(reviews.first(1).unwrap().split(1), Err(Error::Parameter { .. })));
}

/// Asserts that the set is refused when `name` holds `bytes`, with a message that has all of `words`.
fn assert_refused(name: &str, bytes: &[u8], words: &[&str]) {
    let folder = published();
    fs::write(folder.path().join(name), bytes).unwrap();
    let error = load(&folder).expect_err("a damaged file");
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    let message = error.to_string();
    for word in words.iter().chain([&name]) {
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
}

#[test]
fn refuses_damaged_files_with_the_number_of_the_line() {
    let fine = "0.5 0.7\tgood\n";
    for (line, problem) in [
        ("0.5 0.7 good\n", "no TAB"),
        ("0.5 1.5\tgood\n", "the rating 1.5, not in 0 to 1"),
        ("0.5 -0.1\tgood\n", "the rating -0.1, not in 0 to 1"),
        ("0.5 NaN\tgood\n", "the rating NaN, not in 0 to 1"),
        ("0.5 much\tgood\n", "the rating \"much\", no number"),
        ("0.5\tgood\n", "has 1 ratings, the first line 2"),
    ] {
        for name in [TRAIN, HELD_OUT] {
            assert_refused(name, &gz(&format!("{fine}{line}")), &["line 2 ", problem]);
        }
    }
    assert_refused(TRAIN, &gz("0.5\tgood\n"), &["line 1 ", "1 ratings, without aroma"]);
    assert_refused(TRAIN, &gz(""), &["no review", "solvergrad data make beer-advocate"]);
    assert_refused(TRAIN, b"0.5 0.7\tgood\n0 1\t\xff\xfe\n", &["line 2 ", "UTF-8"]);

    let whole = gz(&fine.repeat(2000));
    assert_refused(TRAIN, &whole[..whole.len() / 2], &["line ", "decompressed"]);
    let mut flipped = whole;
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 1;
    assert_refused(TRAIN, &flipped, &["line 2001 ", "decompressed"]);

    assert_refused(EMBEDDINGS, &gz("good 1 2\nhops 1\n"), &["line 2 ", "has 1 numbers"]);
    assert_refused(EMBEDDINGS, &gz("good 1 2\nhops 1 x\n"), &["line 2 ", "\"x\"", "\"hops\""]);
    assert_refused(EMBEDDINGS, &gz("good 1 inf\n"), &["line 1 ", "\"inf\""]);
    assert_refused(EMBEDDINGS, &gz("good 1 2\n\n"), &["line 2 ", "is empty"]);
    assert_refused(EMBEDDINGS, &gz("good\n"), &["line 1 ", "has 0 numbers"]);
    assert_refused(EMBEDDINGS, &gz(&format!("good{}\n", " 1".repeat(5000))), &["line 1 ", "4096"]);
    assert_refused(EMBEDDINGS, &gz("other 1 2\n"), &["none of the words"]);

    let fine = r#"{"x": ["good"], "1": [[0, 1]]}"#;
    for (line, problem) in [
        (r#"{"x": ["good"], "1": [[0, 1]"#, "no annotated review"),
        (r#"{"1": [[0, 1]]}"#, "missing field `x`"),
        (r#"{"x": ["good"], "0": []}"#, "no ranges 1 (aroma)"),
        (r#"{"x": ["good"], "1": [[1, 0]]}"#, "the range [1, 0]"),
        (r#"{"x": ["good"], "1": [[-1, 0]]}"#, "no annotated review"),
    ] {
        let text = format!("{fine}\n{line}\n");
        assert_refused(ANNOTATIONS, text.as_bytes(), &["line 2 ", problem]);
    }
}

#[test]
fn tells_how_to_get_what_is_missing() {
    for name in [TRAIN, HELD_OUT, EMBEDDINGS, ANNOTATIONS] {
        let folder = published();
        fs::remove_file(folder.path().join(name)).unwrap();
        let error = load(&folder).expect_err("a missing file");
        assert!(matches!(error, Error::MissingData { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains(name.trim_end_matches(".gz")), "{message}");
        assert!(message.contains("solvergrad data make beer-advocate"), "{message}");
    }
    let folder = tempdir().unwrap();
    assert!(matches!(BeerAdvocate::locate(folder.path()), Err(Error::MissingData { .. })));
    let folder = published();
    for length in [0, usize::MAX] {
        let error = BeerAdvocate::load(folder.path(), Aspect::Aroma, length);
        assert!(matches!(error, Err(Error::Parameter { .. })), "{error:?}");
    }
}

const FEW: ReviewStandIn = ReviewStandIn { train: 120, held_out: 21, annotated: 9, seed: 4 };

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().display().to_string(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_stand_in_is_in_the_published_format_and_decided_by_its_seed() {
    let folder = tempdir().unwrap();
    let made = FEW.make(Aspect::Aroma, folder.path(), |_| ()).unwrap();
    let data = BeerAdvocate::load(&made, Aspect::Aroma, 350).unwrap();
    assert_eq!((data.train.len(), data.held_out.len()), (120, 21));
    assert_eq!(data.annotated.tokens.size(), [9, 350]);
    assert_eq!(data.embeddings.size(), [data.vocabulary.len() as i64, 200]);
    for row in 0..9 {
        let annotated = data.annotated.annotated.get(row).sum(Kind::Int64).int64_value(&[]);
        let words = data.annotated.words[row as usize].len() as i64;
        assert!((2..words / 2).contains(&annotated), "{annotated} of {words} words");
    }
    let names: Vec<String> = files(&made).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [ANNOTATIONS, EMBEDDINGS, HELD_OUT, TRAIN]);

    // Made elsewhere by one thread: the same bytes. By another seed: others.
    let elsewhere = tempdir().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let again = pool.install(|| FEW.make(Aspect::Aroma, elsewhere.path(), |_| ())).unwrap();
    assert_eq!(made.file_name(), again.file_name());
    assert!(files(&made) == files(&again), "same seed, other files");
    let other = ReviewStandIn { seed: 5, ..FEW };
    let other = other.make(Aspect::Aroma, elsewhere.path(), |_| ()).unwrap();
    for ((name, a), (_, b)) in files(&made).into_iter().zip(files(&other)) {
        assert!(a != b, "{name} is the same for another seed");
    }
    // What is there is not made again, and nothing lies beside it.
    FEW.make(Aspect::Aroma, folder.path(), |line| panic!("{line}")).unwrap();
    assert_eq!(fs::read_dir(folder.path().join("stand-ins")).unwrap().count(), 1);
    for bad in [ReviewStandIn { train: 0, ..FEW }, ReviewStandIn { held_out: 1, ..FEW }] {
        let error = bad.make(Aspect::Aroma, elsewhere.path(), |_| ());
        assert!(matches!(error, Err(Error::Parameter { .. })), "{error:?}");
    }
}

#[test]
fn aspects_have_names_and_taste_has_no_annotations() {
    for aspect in Aspect::ALL {
        assert_eq!(aspect.name().parse::<Aspect>().unwrap(), aspect);
        assert_eq!(serde_json::to_string(&aspect).unwrap(), format!("\"{aspect}\""));
    }
    let message = "price".parse::<Aspect>().expect_err("unknown").to_string();
    assert!(message.contains("appearance, aroma, palate, taste"), "{message}");
    let folder = tempdir().unwrap();
    let made = FEW.make(Aspect::Taste, folder.path(), |_| ()).unwrap();
    let data = BeerAdvocate::load(&made, Aspect::Taste, 40).unwrap();
    assert_eq!((data.annotated.tokens.size(), data.annotated.words.len()), (vec![0, 40], 0));
}

fn embeddings() -> Tensor {
    Tensor::arange(30, (Kind::Float, Device::Cpu)).sin().view([6, 5])
}

/// Texts with 0 to 20 words of padding in front, and with a 0 within.
fn texts() -> Tensor {
    let rows = (0..=20).flat_map(|padding| {
        (0..20).map(move |t| if t < padding { 0 } else { (t * t + padding) % 6 })
    });
    Tensor::from_slice(&rows.collect::<Vec<i64>>()).view([21, 20])
}

#[test]
fn scores_are_those_of_the_published_layers_on_all_of_the_padding() {
    let variables = nn::VarStore::new(Device::Cpu);
    let selector = WordSelector::new(&variables.root(), &embeddings(), 1).unwrap();
    // Biases and a padding that are not 0, as after training.
    let (weights, table) = (variables.variables(), embeddings());
    tch::no_grad(|| {
        for (name, parameter) in &weights {
            if name.ends_with("bias") {
                let ramp = Tensor::arange(parameter.numel() as i64, (Kind::Float, Device::Cpu));
                let mut parameter = parameter.shallow_clone();
                parameter.copy_(&(ramp.cos() * 0.1));
            }
        }
    });
    let tokens = texts();
    let weight = |name: &str| &weights[&format!("{name}.weight")];
    let bias = |name: &str| Some(&weights[&format!("{name}.bias")]);
    let convolution = |x: &Tensor, n: &str| x.conv1d(weight(n), bias(n), 1, 1, 1, 1).relu();
    let words = Tensor::embedding(&table, &tokens, -1, false, false).transpose(1, 2);
    let first = convolution(&words, "first");
    let global = first.amax(2, false).linear(weight("global"), bias("global")).relu();
    let local = convolution(&convolution(&first, "local0"), "local1").transpose(1, 2);
    let both = Tensor::cat(&[global.unsqueeze(1).expand_as(&local), local], 2);
    let hidden = both.linear(weight("last0"), bias("last0")).relu();
    let expected = hidden.linear(weight("last1"), bias("last1")).squeeze_dim(-1);

    let scores = selector.scores(&tokens.to_kind(Kind::Int), None).unwrap();
    assert_eq!(scores.size(), [21, 20]);
    let apart = (&scores - &expected).abs().max().double_value(&[]);
    assert!(apart < 1e-5, "{apart}");
    // Gradients, too: what stands for all of the padding counts for all of it.
    let factors = Tensor::arange(420, (Kind::Float, Device::Cpu)).cos().view([21, 20]);
    let gradients = |scores: &Tensor| {
        let names = ["first.weight", "local0.bias", "local1.weight", "global.weight"];
        let inputs = names.map(|name| &weights[name]);
        let sum = (scores * &factors).sum(Kind::Float);
        Tensor::run_backward(&[sum], &inputs, true, false)
    };
    for (ours, theirs) in gradients(&scores).iter().zip(gradients(&expected)) {
        let scale = theirs.abs().max().double_value(&[]);
        let apart = (ours - &theirs).abs().max().double_value(&[]);
        assert!(scale > 0.0 && apart < 1e-4 * scale, "{apart} of {scale}");
    }
}

#[test]
fn ratings_come_from_the_mean_of_selected_words() {
    let variables = nn::VarStore::new(Device::Cpu);
    let predictor = RatingPredictor::new(&variables.root(), &embeddings(), 3, 1).unwrap();
    let tokens = texts();
    let mask = Tensor::arange(420, (Kind::Float, Device::Cpu)).sin().view([21, 20]);
    let mask = mask.set_requires_grad(true);
    let dense = Tensor::embedding(&embeddings(), &tokens, -1, false, false);
    let expected = (dense * mask.unsqueeze(-1)).sum_dim_intlist(1, false, Kind::Float) / 3.0;
    let mean = predictor.mean_embedding(&tokens.to_kind(Kind::Int), &mask).unwrap();
    assert!((&mean - &expected).abs().max().double_value(&[]) < 1e-5);
    let gradient = |mean: &Tensor| {
        let sum = mean.square().sum(Kind::Float);
        Tensor::run_backward(&[sum], &[&mask], true, false).remove(0)
    };
    let apart = (gradient(&mean) - gradient(&expected)).abs().max().double_value(&[]);
    assert!(apart < 1e-5, "{apart}");
    let ratings = predictor.ratings(&tokens, &mask).unwrap();
    assert_eq!(ratings.size(), [21]);
    assert!(floats(&ratings.detach()).iter().all(|rating| (0.0..=1.0).contains(rating)));
    assert!(RatingPredictor::new(&variables.root(), &embeddings(), 0, 1).is_err());
    let short = mask.narrow(1, 0, 5);
    assert!(matches!(predictor.ratings(&tokens, &short), Err(Error::Shape { .. })));
}

#[test]
fn models_refuse_what_are_no_texts() {
    let variables = nn::VarStore::new(Device::Cpu);
    let selector = WordSelector::new(&variables.root(), &embeddings(), 1).unwrap();
    let flat = texts().view([-1]);
    for bad in [&flat, &texts().to_kind(Kind::Float), &texts().narrow(1, 0, 0)] {
        assert!(matches!(selector.scores(bad, None), Err(Error::Shape { .. })));
    }
    for number in [6, -1] {
        let bad = texts().fill(number);
        assert!(matches!(selector.scores(&bad, None), Err(Error::Parameter { .. })));
    }
    let integers = texts();
    assert!(dropout(&integers, 0.2, 1).is_err());
}

#[test]
fn a_training_step_lowers_the_loss() {
    let folder = tempdir().unwrap();
    let made = FEW.make(Aspect::Aroma, folder.path(), |_| ()).unwrap();
    let data = BeerAdvocate::load(&made, Aspect::Aroma, 60).unwrap();
    let variables = nn::VarStore::new(Device::Cpu);
    let root = variables.root();
    let selector = WordSelector::new(&(&root / "selector"), &data.embeddings, 1).unwrap();
    let predictor = RatingPredictor::new(&(&root / "predictor"), &data.embeddings, 5, 2).unwrap();
    let mut adam = Adam::new(&variables, 1e-3).unwrap();
    let batch = data.train.first(40).unwrap();
    let loss = || {
        // A soft selection of 5, so that the loss is smooth and both models take part.
        let mask = selector.scores(&batch.tokens, Some(3)).unwrap().softmax(-1, None) * 5.0;
        let ratings = predictor.ratings(&batch.tokens, &mask).unwrap();
        (ratings - &batch.ratings).square().mean(Kind::Float)
    };
    let before = loss();
    adam.minimise(&before).unwrap();
    let after = loss();
    assert!(after.double_value(&[]) < before.double_value(&[]), "{before:?} {after:?}");
}

/// The most memory that this process has had, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn embeddings_of_a_batch_are_summed_without_being_copied() {
    let (batch, length, dimension) = (4000, 350, 200);
    let table = Tensor::ones([50, dimension], (Kind::Float, Device::Cpu));
    let variables = nn::VarStore::new(Device::Cpu);
    let predictor = RatingPredictor::new(&variables.root(), &table, 7, 1).unwrap();
    let tokens = Tensor::ones([batch, length], (Kind::Int, Device::Cpu));
    let mask = Tensor::ones([batch, length], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let before = peak();
    let mean = predictor.mean_embedding(&tokens, &mask).unwrap();
    mean.sum(Kind::Float).backward();
    assert_eq!(mean.max().double_value(&[]), 50.0);
    let gradient = mask.grad();
    let apart = (gradient - dimension as f64 / 7.0).abs().max().double_value(&[]);
    assert!(apart < 1e-3, "{apart}");
    // The embeddings of all words of the batch would take 1.1 GB.
    let more = peak() - before;
    assert!(more < 400 << 20, "{} MiB", more >> 20);
}

/// What a word of a stand-in says, by its first part; none for other words.
fn is_rating(word: &str) -> bool {
    let verdicts = ["superb", "great", "decent", "average", "poor", "awful"];
    word.contains('-') || verdicts.contains(&word)
}

#[test]
fn annotations_of_a_stand_in_are_the_planted_words() {
    let folder = tempdir().unwrap();
    let spec = ReviewStandIn { train: 2000, held_out: 2, annotated: 300, seed: 2 };
    let made = spec.make(Aspect::Aroma, folder.path(), |_| ()).unwrap();
    let data = BeerAdvocate::load(&made, Aspect::Aroma, 350).unwrap();
    let aroma: Vec<&str> =
        "hop malt citrus caramel coffee chocolate pine grass yeast clove banana \
        honey bread smoke vanilla cherry pear spice earth flower toffee orange"
            .split_whitespace()
            .collect();
    let (mut compounds, mut ends) = (0, 0);
    for (row, words) in data.annotated.words.iter().enumerate() {
        let marks = floats(&data.annotated.annotated.get(row as i64));
        let length = words.len().min(350);
        let (marks, words) = (&marks[350 - length..], &words[words.len() - length..]);
        for (place, (word, mark)) in words.iter().zip(marks).enumerate() {
            // Compounds of the aroma are annotated, always, and those of other aspects never.
            if let Some((_, noun)) = word.split_once('-') {
                compounds += 1;
                assert_eq!(*mark == 1.0, aroma.contains(&noun), "{word}");
            }
            // A range ends with a word that rates.
            if *mark == 1.0 && marks.get(place + 1) != Some(&1.0) {
                ends += usize::from(is_rating(word));
            }
        }
    }
    assert!(compounds > 3000 && ends > 900, "{compounds} {ends}");
    let truth = &data.annotated.annotated;
    assert_eq!(metric::subset_precision(truth, truth, 1).unwrap(), 1.0);
    let none: Tensor = 1.0 - truth;
    assert_eq!(metric::subset_precision(&none, truth, 1).unwrap(), 0.0);

    // As described: lengths, the share of long ones, and ratings that are neither all the same nor
    // without a middle.
    let lengths = data.train.tokens.ne(0).sum_dim_intlist(-1, false, Kind::Float);
    let mean = lengths.mean(Kind::Double).double_value(&[]);
    assert!((130.0..165.0).contains(&mean), "{mean}");
    let long = lengths.eq(350.0).to_kind(Kind::Float).mean(Kind::Double).double_value(&[]);
    assert!((0.005..0.06).contains(&long), "{long}");
    let ratings = &data.train.ratings;
    let (mean, deviation) =
        (ratings.mean(Kind::Double).double_value(&[]), ratings.std(true).double_value(&[]));
    assert!(
        (0.55..0.65).contains(&mean) && (0.15..0.25).contains(&deviation),
        "{mean} {deviation}"
    );
    assert!(floats(ratings).iter().all(|rating| (10.0 * rating).fract().abs() < 1e-5));
}

#[test]
fn a_review_shorter_than_k_gets_padding_which_says_nothing() {
    let variables = nn::VarStore::new(Device::Cpu);
    let root = variables.root();
    let table = Tensor::cat(&[embeddings().narrow(0, 0, 1) * 0.0, embeddings().narrow(0, 1, 5)], 0);
    let selector = WordSelector::new(&(&root / "selector"), &table, 1).unwrap();
    let predictor = RatingPredictor::new(&(&root / "predictor"), &table, 4, 2).unwrap();
    let tokens = Tensor::from_slice2(&[[0, 0, 0, 0, 0, 0, 3, 4]]).to_kind(Kind::Int);
    let scores = selector.scores(&tokens, None).unwrap();
    let layer = SolverLayer::new(KSubset::new(8, 4).unwrap(), Identity);
    let mask = layer.forward(&-&scores).unwrap();
    assert_eq!(mask.sum(Kind::Float).double_value(&[]), 4.0);
    // At least two of the four are padding; the rating is that of the words alone.
    let words = &mask * tokens.ne(0);
    assert!(words.sum(Kind::Float).double_value(&[]) <= 2.0);
    let ratings = predictor.ratings(&tokens, &mask).unwrap();
    assert!(ratings.equal(&predictor.ratings(&tokens, &words).unwrap()));
}
