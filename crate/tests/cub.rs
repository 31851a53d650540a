//! Pictures in files: read by index files, loaded ahead, sampled by class; stand-in and networks.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use solvergrad::data::Prefetch;
use solvergrad::prelude::*;
use tch::vision::image;
use tempfile::{TempDir, tempdir};

const SMALL: Loading = Loading {
    resize: 12,
    crop: 8,
    flip: true,
    threads: 2,
    ahead: 8,
    undecodable: Undecodable::Stop,
};

fn colour(class: usize, picture: usize) -> Tensor {
    let count = 3 * 12 * 12;
    let pixels: Vec<u8> =
        (0..count).map(|at| ((at * 7 + class * 31 + picture * 13) % 256) as u8).collect();
    Tensor::from_slice(&pixels).view([3, 12, 12])
}

/// Four classes of three pictures; classes in reversed order of lines.
fn written() -> TempDir {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("images")).unwrap();
    let (mut images, mut labels) = (String::new(), String::new());
    for class in 0..4 {
        for picture in 0..3 {
            let number = class * 3 + picture + 1;
            image::save(&colour(class, picture), at(&format!("images/{number}.png"))).unwrap();
            images += &format!("{number} {number}.png\n");
            labels += &format!("{number} {}\n", class + 1);
        }
    }
    fs::write(at("images.txt"), images).unwrap();
    fs::write(at("image_class_labels.txt"), labels).unwrap();
    fs::write(at("classes.txt"), "4 d\n3 c\n2 b\n1 a\n").unwrap();
    folder
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor.contiguous().view([-1])).unwrap()
}

fn epoch(batches: &PictureBatches, size: usize, seed: u64) -> Vec<(Vec<u8>, Vec<i64>)> {
    let plan = batches.plan(size, seed).unwrap();
    let loaded = batches.load(&plan, seed).unwrap();
    loaded
        .map(|batch| batch.unwrap())
        .map(|batch| (bytes(&batch.pixels), Vec::try_from(&batch.labels).unwrap()))
        .collect()
}

#[test]
fn classes_are_split_by_their_numbers() {
    let folder = written();
    let Cub { train, test } = Cub::load(folder.path()).unwrap();
    assert_eq!(
        (train.classes, train.labels),
        (vec!["a".into(), "b".into()], vec![0, 0, 0, 1, 1, 1])
    );
    assert_eq!(
        (&test.classes[..], &test.labels[..]),
        (&["c".into(), "d".into()][..], &[0, 0, 0, 1, 1, 1][..])
    );
    assert!(test.paths[0].ends_with("images/7.png"));

    let whole = Loading { crop: 12, ..SMALL };
    let picture = test.in_order(whole).unwrap().select(&[4]).unwrap();
    assert_eq!(picture.pixels.size(), [1, 12, 12, 3]);
    assert_eq!(bytes(&picture.pixels), bytes(&colour(3, 1).permute([1, 2, 0])));
    let cut = test.in_order(SMALL).unwrap().select(&[4]).unwrap();
    let middle = picture.pixels.narrow(1, 2, 8).narrow(2, 2, 8);
    assert_eq!(bytes(&cut.pixels), bytes(&middle));
}

#[test]
fn greyscale_becomes_red_green_and_blue() {
    let folder = written();
    let grey = colour(0, 0).narrow(0, 0, 1);
    image::save(&grey, folder.path().join("images/1.png")).unwrap();
    let train = Cub::load(folder.path()).unwrap().train;
    let read = train.in_order(Loading { crop: 12, ..SMALL }).unwrap().select(&[0]).unwrap();
    for channel in 0..3 {
        assert_eq!(bytes(&read.pixels.select(3, channel)), bytes(&grey));
    }
}

#[test]
fn jpeg_files_are_decoded_in_colour_and_in_grey() {
    // Written by libjpeg at quality 85, 12 x 12: red 20x, green 20y, blue 10(x + y), with colour at half
    // the resolution; and 10(x + y) in grey, progressive.
    let files: [(&[u8], bool); 2] = [
        (include_bytes!("pictures/colour.jpg"), false),
        (include_bytes!("pictures/grey.jpg"), true),
    ];
    for (encoded, grey) in files {
        let folder = written();
        let index = folder.path().join("images.txt");
        let listed = fs::read_to_string(&index).unwrap().replace("1 1.png\n", "1 1.jpg\n");
        fs::write(&index, listed).unwrap();
        fs::write(folder.path().join("images/1.jpg"), encoded).unwrap();
        let train = Cub::load(folder.path()).unwrap().train;
        assert!(train.paths[0].ends_with("images/1.jpg"));
        let read = train.in_order(Loading { crop: 12, ..SMALL }).unwrap().select(&[0]).unwrap();
        assert_eq!(read.pixels.size(), [1, 12, 12, 3]);
        let errors: Vec<i32> = bytes(&read.pixels)
            .into_iter()
            .zip(0..)
            .map(|(value, at)| {
                let (x, y) = (at / 3 % 12, at / 36);
                let true_value = match at % 3 {
                    0 if !grey => 20 * x,
                    1 if !grey => 20 * y,
                    _ => 10 * (x + y),
                };
                (i32::from(value) - true_value).abs()
            })
            .collect();
        let (most, sum) = (errors.iter().max().unwrap(), errors.iter().sum::<i32>());
        assert!(*most <= 20 && sum <= 4 * 432, "off by up to {most}, {sum} in all");
    }
}

#[test]
fn index_files_that_are_not_right_are_named_with_the_line() {
    for (file, content, words) in [
        ("classes.txt", "1 a\nb\n", "line 2"),
        ("classes.txt", "1 a\n", "fewer than two"),
        ("images.txt", "1 1.png\n1 2.png\n", "line 2: number 1 was in line 1"),
        ("image_class_labels.txt", "1 1\n2 9\n", "line 2: class \"9\""),
        ("image_class_labels.txt", "1 1\n\n77 1\n", "line 3: picture 77"),
        ("image_class_labels.txt", "1 1\n", "picture 2 has no class"),
    ] {
        let folder = written();
        fs::write(folder.path().join(file), content).unwrap();
        let error = Cub::load(folder.path()).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error} lacks {words:?}");
    }
    // A file that is there, but outside.
    let folder = written();
    let index = folder.path().join("images.txt");
    let listed = fs::read_to_string(&index).unwrap().replace(" 2.png", " ../images.txt");
    fs::write(&index, listed).unwrap();
    let error = Cub::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("line 2: there is no file images/../images.txt"), "{error}");

    let folder = written();
    fs::remove_file(folder.path().join("images/5.png")).unwrap();
    let error = Cub::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("line 5: there is no file images/5.png"), "{error}");
    fs::remove_file(folder.path().join("images.txt")).unwrap();
    assert!(matches!(Cub::load(folder.path()), Err(Error::MissingData { .. })));
    assert!(matches!(Cub::locate(folder.path()), Err(Error::MissingData { .. })));
}

#[test]
fn a_file_that_cannot_be_decoded_stops_or_is_left_out() {
    let folder = written();
    let bad = folder.path().join("images/2.png");
    fs::write(&bad, "no picture").unwrap();
    let train = Cub::load(folder.path()).unwrap().train;
    let stops = train.in_order(SMALL).unwrap();
    let plan = stops.plan_in_order(3);
    let error = stops.load(&plan, 1).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(&error, Error::File { path, .. } if *path == bad), "{error:?}");

    let skips = train.in_order(Loading { undecodable: Undecodable::Skip, ..SMALL }).unwrap();
    let labels: Vec<Vec<i64>> = skips
        .load(&plan, 1)
        .unwrap()
        .map(|batch| Vec::try_from(&batch.unwrap().labels).unwrap())
        .collect();
    assert_eq!(labels, [vec![0, 0], vec![1, 1, 1]]);
    assert_eq!(skips.skipped(), [&*bad]);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = written();
    let train = Cub::load(folder.path()).unwrap().train;
    let with = |threads| train.by_class(Loading { threads, ..SMALL }, 2).unwrap();
    let (one, four) = (with(1), with(4));
    assert_eq!(epoch(&one, 4, 5), epoch(&four, 4, 5));
    assert_ne!(epoch(&one, 4, 5), epoch(&one, 4, 6));
    assert!((1..=SMALL.ahead).contains(&four.times().most_ahead()));
    assert!(four.times().waited() > Duration::ZERO);
    assert!((0.0..=1.0).contains(&four.times().waiting_share()));
}

#[test]
fn batches_hold_four_of_a_class_in_a_row() {
    let files = PictureFiles {
        paths: (0..60).map(|at| format!("{at}.png").into()).collect(),
        labels: (0..60).map(|at| at % 10).collect(),
        classes: (0..10).map(|class| class.to_string()).collect(),
    };
    let batches = files.by_class(SMALL, 4).unwrap();
    let plan = batches.plan(16, 3).unwrap();
    assert_eq!((plan.len(), &plan), (3, &batches.plan(16, 3).unwrap()));
    assert_ne!(plan, batches.plan(16, 4).unwrap());
    for batch in &plan {
        assert_eq!(batch.iter().collect::<HashSet<_>>().len(), 16);
        let classes: Vec<i64> = batch.iter().map(|&item| files.labels[item as usize]).collect();
        let firsts: HashSet<i64> = classes.iter().step_by(4).copied().collect();
        assert_eq!(firsts.len(), 4);
        assert!(classes.chunks(4).all(|four| four.iter().all(|class| *class == four[0])));
    }
    for size in [0, 6, 44] {
        assert!(matches!(batches.plan(size, 1), Err(Error::Parameter { .. })), "{size}");
    }
    for per_class in [0, 7] {
        assert!(files.by_class(SMALL, per_class).is_err(), "{per_class}");
    }
    for bad in [Loading { crop: 13, ..SMALL }, Loading { crop: 0, ..SMALL }] {
        assert!(files.in_order(bad).is_err());
    }
    for bad in [Loading { threads: 0, ..SMALL }, Loading { ahead: 0, ..SMALL }] {
        assert!(files.in_order(bad).is_err());
    }
}

#[test]
fn what_is_loaded_ahead_is_bounded_in_order_and_ends_with_an_error() {
    for (threads, ahead) in [(1, 1), (1, 5), (4, 4), (4, 7), (8, 3)] {
        let begun = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&begun);
        let mut items = Prefetch::new(200, threads, ahead, move |item| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(item)
        })
        .unwrap();
        for expected in 0..20 {
            assert_eq!(items.next().unwrap().unwrap(), expected);
        }
        std::thread::sleep(Duration::from_millis(30));
        assert!(begun.load(Ordering::SeqCst) <= 20 + ahead, "{threads} threads, {ahead} ahead");
        assert!(items.most_ahead() <= ahead, "{} of {ahead}", items.most_ahead());
        // Dropped with most of it to come: it waits for its threads, and they stop.
        drop(items);
        let after = begun.load(Ordering::SeqCst);
        assert!(after <= 20 + ahead);
        assert_eq!(Arc::strong_count(&begun), 1, "a thread is still there");
    }
    let fails = |item| match item {
        7 => Err(Error::parameter("item", item, "not 7")),
        _ => Ok(item),
    };
    let seen: Vec<Result<usize>> = Prefetch::new(50, 4, 8, fails).unwrap().collect();
    assert_eq!(seen.len(), 8);
    assert!(seen[..7].iter().all(Result::is_ok));
    assert!(matches!(&seen[7], Err(Error::Parameter { .. })));
    assert!(Prefetch::new(1, 0, 1, Ok).is_err() && Prefetch::new(1, 1, 0, Ok).is_err());
}

#[test]
fn weight_decay_is_in_the_gradient_and_rates_are_by_name() {
    let (rate, decay, factor) = (0.05, 0.1, 0.25);
    let variables = nn::VarStore::new(Device::Cpu);
    let root = variables.root();
    let own = (&root / "own").var("w", &[1], nn::Init::Const(2.0));
    let slow = (&root / "slow").var("w", &[1], nn::Init::Const(-3.0));
    let mut adam = Adam::new(&variables, rate).unwrap();
    adam = adam.weight_decay(decay).unwrap().rate_factor("slow", factor).unwrap();
    let mut expected = [(2.0_f64, rate, 0.0, 0.0), (-3.0, rate * factor, 0.0, 0.0)];
    for step in 1..=5 {
        adam.minimise(&(own.square() + slow.square() * 0.5).sum(Kind::Float)).unwrap();
        for ((w, rate, m, v), curvature) in expected.iter_mut().zip([2.0, 1.0]) {
            let gradient = curvature * *w + decay * *w;
            *m = 0.9 * *m + 0.1 * gradient;
            *v = 0.999 * *v + 0.001 * gradient * gradient;
            let (first, second) =
                (*m / (1.0 - 0.9_f64.powi(step)), *v / (1.0 - 0.999_f64.powi(step)));
            *w -= *rate * first / (second.sqrt() + 1e-8);
        }
        for (got, (w, ..)) in [&own, &slow].into_iter().zip(expected) {
            assert!((got.double_value(&[0]) - w).abs() < 1e-5, "{got:?} {w} at step {step}");
        }
    }
    for bad in [-1.0, f64::NAN] {
        assert!(Adam::new(&variables, rate).unwrap().weight_decay(bad).is_err());
        assert!(Adam::new(&variables, rate).unwrap().rate_factor("slow", bad).is_err());
    }
    assert!(Adam::new(&variables, rate).unwrap().rate_factor("none", 1.0).is_err());
}

#[test]
fn resnet50_has_the_names_and_the_size_of_torchvision() {
    let count = |outputs| {
        let variables = nn::VarStore::new(Device::Cpu);
        let network = ResNet50::new(&variables.root(), outputs, 1).unwrap();
        let parameters: usize = variables.trainable_variables().iter().map(Tensor::numel).sum();
        (parameters, variables, network)
    };
    let (parameters, variables, mut network) = count(1000);
    assert_eq!(parameters, 25_557_032);
    let stored = variables.variables();
    // 53 convolutions, 53 norms of four tensors, a dense layer of two.
    assert_eq!(stored.len(), 53 + 4 * 53 + 2);
    for (name, shape) in [
        ("conv1.weight", &[64, 3, 7, 7][..]),
        ("bn1.running_var", &[64]),
        ("layer1.0.downsample.0.weight", &[256, 64, 1, 1]),
        ("layer1.0.downsample.1.bias", &[256]),
        ("layer3.5.conv2.weight", &[256, 256, 3, 3]),
        ("layer4.2.bn3.running_mean", &[2048]),
        ("fc.weight", &[1000, 2048]),
    ] {
        assert_eq!(stored.get(name).map(Tensor::size).as_deref(), Some(shape), "{name}");
    }
    let (parameters, _other, other) = count(512);
    assert_eq!(parameters, 25_557_032 - 2049 * 1000 + 2049 * 512);

    let folder = tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    let marked: Vec<(String, Tensor)> =
        other.weights().into_iter().map(|(name, tensor)| (name, tensor.detach() * 0.5)).collect();
    Tensor::write_safetensors(&marked, &file).unwrap();
    network.load_weights(&file).unwrap();
    for ((name, got), (_, expected)) in network.weights().iter().zip(&marked) {
        assert!(got.equal(expected), "{name}");
        assert!(stored[name].equal(expected), "{name} of the store");
    }
    Tensor::write_safetensors(&marked[1..], &file).unwrap();
    let error = network.load_weights(&file).unwrap_err().to_string();
    assert!(error.contains("conv1.weight"), "{error}");
}

fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let data = Cub::load(folder).unwrap();
    let all = data.train.paths.iter().chain(&data.test.paths);
    all.map(|path| (path.file_name().unwrap().to_string_lossy().into(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn the_stand_in_is_a_set_of_characters_in_the_same_layout() {
    let spec = Glyphs { per_class: 3, side: 24, ..Glyphs::default() };
    let folders = [tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap()];
    let made = |at: usize, spec: Glyphs| spec.make(folders[at].path(), |_| ()).unwrap();
    let first = made(0, spec);
    let Cub { train, test } = Cub::load(&first).unwrap();
    assert_eq!((train.len(), test.len()), (300, 300));
    let classes: HashSet<&str> =
        train.classes.iter().chain(&test.classes).map(|name| &name[4..]).collect();
    assert_eq!(classes.len(), 200, "each character is one class, of one half");

    let pictures = files_of(&first);
    let different: HashSet<&[u8]> = pictures.iter().map(|(_, bytes)| &bytes[..]).collect();
    assert_eq!(different.len(), 600);
    assert_eq!(pictures, files_of(&made(1, spec)));
    assert_ne!(pictures, files_of(&made(2, Glyphs { seed: 2, ..spec })));
    let read =
        test.in_order(Loading { resize: 24, crop: 24, ..SMALL }).unwrap().select(&[0]).unwrap();
    assert_eq!(read.pixels.size(), [1, 24, 24, 3]);
    assert!(read.pixels.to_kind(Kind::Float).std(true).double_value(&[]) > 5.0);

    for bad in
        [Glyphs { classes: 1, ..spec }, Glyphs { per_class: 0, ..spec }, Glyphs { side: 8, ..spec }]
    {
        assert!(matches!(bad.make(folders[0].path(), |_| ()), Err(Error::Parameter { .. })));
    }
    let too_many = Glyphs { classes: 900, ..spec }.make(folders[0].path(), |_| ());
    assert!(matches!(too_many, Err(Error::MissingData { .. })));
}
