//! Pairs of pictures with keypoints: read from the layout of SPair-71k, loaded ahead, and what is wrong.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use solvergrad::prelude::*;
use tch::vision::image;
use tempfile::{TempDir, tempdir};

const SMALL: PairLoading =
    PairLoading { side: 40, threads: 2, ahead: 4, undecodable: Undecodable::Stop };

fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// 20 x 10 pixels, each of its own colour.
fn picture(number: usize) -> Tensor {
    let bytes: Vec<u8> = (0..3 * 10 * 20).map(|at| ((at * 5 + number * 37) % 256) as u8).collect();
    Tensor::from_slice(&bytes).view([3, 10, 20])
}

fn annotation(category: &str, source: usize, target: usize) -> Value {
    json!({
        "category": category,
        "src_imname": format!("{category}{source}.png"),
        "trg_imname": format!("{category}{target}.png"),
        "src_imsize": [20, 10, 3],
        "trg_imsize": [20, 10, 3],
        "src_kps": [[1, 2], [4.5, 6], [20, 10]],
        "trg_kps": [[11, 2], [14, 6], [0, 0]],
        "kps_ids": ["0", "3", "12"],
    })
}

fn line(category: &str, pair: usize) -> String {
    format!("{pair:03}-{category}{pair}-{category}{}:{category}", pair + 1)
}

/// Per part four pairs of cows and two of buses among five and three pictures.
fn written() -> TempDir {
    let folder = tempdir().unwrap();
    let at = |name: String| folder.path().join(name);
    for (category, pairs) in [("cow", 4), ("bus", 2)] {
        for number in 0..=pairs {
            let name = format!("{category}{number}");
            let file = at(format!("JPEGImages/{category}/{name}.png"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            image::save(&picture(number), &file).unwrap();
            // Keypoint 7 is in even pictures, 8 in none.
            let seventh = (number % 2 == 0).then_some([9.0, 9.0]);
            let kps = json!({"0": [1, 2], "3": [4.5, 6], "12": [20, 10], "7": seventh, "8": null});
            let content = json!({"filename": name, "kps": kps});
            write(&at(format!("ImageAnnotation/{category}/{name}.json")), content.to_string());
        }
        for part in SPair71k::PARTS {
            let mut layout = at(format!("Layout/large/{part}.txt"));
            let mut lines = fs::read_to_string(&layout).unwrap_or_default();
            for pair in 0..pairs {
                lines += &(line(category, pair) + "\n");
                let name = line(category, pair);
                let content = annotation(category, pair, pair + 1);
                write(&at(format!("PairAnnotation/{part}/{name}.json")), content.to_string());
            }
            layout.set_extension("txt");
            write(&layout, lines);
        }
    }
    folder
}

fn change(folder: &TempDir, pair: usize, change: impl Fn(&mut Value)) -> std::path::PathBuf {
    let name = format!("PairAnnotation/trn/{}.json", line("cow", pair));
    let path = folder.path().join(name);
    let mut content: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut content);
    fs::write(&path, content.to_string()).unwrap();
    path
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor.contiguous().view([-1])).unwrap()
}

/// Everything of a batch that can be compared.
fn described(batch: &[KeypointPair]) -> Vec<(usize, [Vec<u8>; 2], String)> {
    let one = |pair: &KeypointPair| {
        let rest = format!("{:?} {:?} {:?}", pair.keypoints, pair.names, pair.truth);
        (pair.category, pair.pictures.each_ref().map(bytes), rest)
    };
    batch.iter().map(one).collect()
}

fn places(pair: &KeypointPair, which: usize) -> HashMap<String, [f32; 2]> {
    pair.names[which].iter().cloned().zip(pair.keypoints[which].iter().copied()).collect()
}

#[test]
fn common_keypoints_are_scaled_along_and_shuffled_with_their_truth() {
    let folder = written();
    let data = SPair71k::load(folder.path(), KeypointChoice::Common).unwrap();
    assert_eq!(data.train.categories(), ["bus", "cow"]);
    assert_eq!((data.train.len(), data.validation.len(), data.test.len()), (6, 6, 6));
    assert_eq!(data.train.left_out(), LeftOut::default());
    assert_eq!(data.test.of_category(0), [4, 5]);
    assert_eq!(data.test.first_of_each(1).len(), 2);

    let batches = data.test.in_order(SMALL).unwrap();
    let mut orders = Vec::new();
    for pair in batches.select(&[0, 1, 2, 3, 4, 5]).unwrap() {
        assert_eq!(pair.pictures.each_ref().map(|picture| picture.size()), [[40, 40, 3]; 2]);
        assert_eq!((pair.truth.len(), pair.partners()), (3, 3));
        // 20 columns and 10 rows became 40 and 40.
        let [first, second] = [places(&pair, 0), places(&pair, 1)];
        assert_eq!([first["0"], first["3"], first["12"]], [[2.0, 8.0], [9.0, 24.0], [40.0, 40.0]]);
        assert_eq!(
            [second["0"], second["3"], second["12"]],
            [[22.0, 8.0], [28.0, 24.0], [0.0, 0.0]]
        );
        let matrix = pair.truth_matrix().unwrap();
        assert_eq!(matrix.size(), [3, 3]);
        for axis in [0i64, 1] {
            let sums = matrix.sum_dim_intlist([axis].as_slice(), false, Kind::Float);
            assert!(sums.eq(1.0).all().int64_value(&[]) == 1);
        }
        for (from, to) in pair.truth.iter().enumerate() {
            assert_eq!(pair.names[0][from], pair.names[1][to.unwrap()]);
        }
        orders.push(format!("{:?}", pair.names));
    }
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 2, "the keypoints are not shuffled: {orders:?}");

    // The same pixels as the file where nothing is resized.
    let square = tempdir().unwrap();
    let pixels = picture(0).repeat([1, 2, 1]);
    image::save(&pixels, square.path().join("a.png")).unwrap();
    let folder = written();
    for name in ["cow0", "cow1"] {
        let place = folder.path().join(format!("JPEGImages/cow/{name}.png"));
        fs::copy(square.path().join("a.png"), place).unwrap();
    }
    let path = change(&folder, 0, |content| {
        content["src_imsize"] = json!([20, 20, 3]);
        content["trg_imsize"] = json!([20, 20, 3]);
    });
    assert!(path.is_file());
    let one =
        SPair71k::pair(folder.path(), "trn", &line("cow", 0), KeypointChoice::Common).unwrap();
    let pair = &one.in_order(PairLoading { side: 20, ..SMALL }).unwrap().select(&[0]).unwrap()[0];
    assert_eq!(bytes(&pair.pictures[1]), bytes(&pixels.permute([1, 2, 0])));
    let stacked = KeypointPair::stacked(std::slice::from_ref(pair)).unwrap();
    assert_eq!(stacked.size(), [2, 20, 20, 3]);
}

#[test]
fn all_visible_keypoints_leave_some_without_a_partner() {
    let folder = written();
    let data = SPair71k::load(folder.path(), KeypointChoice::All).unwrap();
    let pairs = data.test.in_order(SMALL).unwrap().select(&[0, 1]).unwrap();
    // Pictures 0 and 2 have keypoint 7, picture 1 does not.
    assert_eq!([0, 1].map(|which| pairs[0].names[which].len()), [4, 3]);
    assert_eq!([0, 1].map(|which| pairs[1].names[which].len()), [3, 4]);
    assert_eq!(places(&pairs[0], 0)["7"], [18.0, 36.0]);
    for pair in &pairs {
        assert_eq!(pair.partners(), 3);
        for (name, partner) in pair.names[0].iter().zip(&pair.truth) {
            assert_eq!(partner.is_none(), name == "7");
        }
        let matrix = pair.truth_matrix().unwrap();
        let [rows, columns] = [0, 1].map(|which| pair.names[which].len() as i64);
        assert_eq!(matrix.size(), [rows, columns]);
        assert_eq!(matrix.sum(Kind::Float).double_value(&[]), 3.0);
    }
}

#[test]
fn the_number_of_threads_changes_nothing_and_a_test_is_always_the_same() {
    let folder = written();
    let data = SPair71k::load(folder.path(), KeypointChoice::All).unwrap();
    let epoch = |batches: &PairBatches, seed| -> Vec<_> {
        let plan = batches.plan(4, seed).unwrap();
        let loaded = batches.load(&plan, seed).unwrap();
        loaded.map(|batch| described(&batch.unwrap())).collect()
    };
    let with = |threads| data.train.drawn(PairLoading { threads, ..SMALL }, 10).unwrap();
    let (one, three) = (with(1), with(3));
    let first = epoch(&one, 7);
    assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    assert_eq!(first, epoch(&three, 7));
    assert_ne!(first, epoch(&one, 8));
    assert!((1..=SMALL.ahead).contains(&three.times().most_ahead()));

    let test = data.test.in_order(SMALL).unwrap();
    let plan = test.plan_in_order(4);
    assert_eq!(plan, [vec![0, 1, 2, 3], vec![4, 5]]);
    let pass = |seed| -> Vec<_> {
        test.load(&plan, seed).unwrap().flat_map(|batch| described(&batch.unwrap())).collect()
    };
    assert_eq!(pass(1), pass(2));
    assert_eq!(pass(1), described(&test.select(&[0, 1, 2, 3, 4, 5]).unwrap()));
}

#[test]
fn categories_are_drawn_alike_whatever_their_size() {
    let folder = written();
    let data = SPair71k::load(folder.path(), KeypointChoice::Common).unwrap();
    let batches = data.train.drawn(SMALL, 4000).unwrap();
    let drawn: Vec<i64> = batches.plan(8, 3).unwrap().into_iter().flatten().collect();
    assert_eq!(drawn.len(), 4000);
    // Of the deviation of 32 the seventh part of the range.
    let buses = drawn.iter().filter(|item| **item >= 4).count();
    assert!((1840..2160).contains(&buses), "{buses} of 4000");
    for item in 0..6 {
        assert!(drawn.contains(&item), "pair {item} is never drawn");
    }
}

#[test]
fn what_is_no_parameter_is_refused() {
    let folder = written();
    let train = SPair71k::load(folder.path(), KeypointChoice::Common).unwrap().train;
    for bad in [
        PairLoading { side: 0, ..SMALL },
        PairLoading { threads: 0, ..SMALL },
        PairLoading { ahead: 0, ..SMALL },
    ] {
        assert!(matches!(train.in_order(bad), Err(Error::Parameter { .. })));
    }
    assert!(matches!(train.drawn(SMALL, 0), Err(Error::Parameter { .. })));
    assert!(matches!(train.first_of_each(0).in_order(SMALL), Err(Error::Parameter { .. })));
    let batches = train.in_order(SMALL).unwrap();
    for bad in [-1, 6] {
        assert!(matches!(batches.select(&[bad]), Err(Error::Parameter { .. })));
        assert!(matches!(batches.load(&[vec![bad]], 1).err(), Some(Error::Parameter { .. })));
    }
    let named = SPair71k::pair(folder.path(), "trn", "cow", KeypointChoice::Common);
    assert!(matches!(named, Err(Error::Parameter { .. })));
}

#[test]
fn annotations_that_are_not_right_are_named() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 9] = [
        (|content| content["kps_ids"] = json!(["0", "1"]), "trg_kps 3 keypoints, kps_ids 2 names"),
        (|content| content["trg_kps"] = json!([[1, 1]]), "src_kps has 3, trg_kps 1"),
        (|content| content["kps_ids"] = json!(["0", "0", "1"]), "names \"0\" twice"),
        (|content| drop(content.as_object_mut().unwrap().remove("src_kps")), "`src_kps`"),
        (|content| content["src_kps"][1] = json!(null), "is no such annotation"),
        (|content| content["src_imname"] = json!("cow9.png"), "there is no picture"),
        (|content| content["src_imname"] = json!("../cow/cow0.png"), "there is no picture"),
        (|content| content["trg_imsize"] = json!([20]), "trg_imsize is no width and height"),
        (|content| content["category"] = json!("bus"), "another category than \"cow\""),
    ];
    for (wrong, words) in cases {
        let folder = written();
        let path = change(&folder, 1, wrong);
        let error = SPair71k::load(folder.path(), KeypointChoice::Common).unwrap_err();
        assert!(matches!(&error, Error::File { path: named, .. } if *named == path), "{error:?}");
        assert!(error.to_string().contains(words), "{error} lacks {words:?}");
    }
    let folder = written();
    let path = change(&folder, 1, |_| ());
    fs::write(&path, "{\"src_kps\": [").unwrap();
    let error = SPair71k::load(folder.path(), KeypointChoice::Common).unwrap_err().to_string();
    assert!(error.contains("line 1 column"), "{error}");
    fs::remove_file(&path).unwrap();
    let error = SPair71k::load(folder.path(), KeypointChoice::Common).unwrap_err().to_string();
    assert!(error.contains("trn.txt: line 2: there is no file"), "{error}");
}

#[test]
fn absent_and_wrong_parts_of_the_layout_are_named() {
    let folder = written();
    let load = |choice| SPair71k::load(folder.path(), choice);
    let layout = folder.path().join("Layout/large/val.txt");
    let lines = fs::read_to_string(&layout).unwrap();
    for (bad, words) in [
        ("000-cow0:cow", "line 7: \"000-cow0:cow\" is not"),
        ("000-cow0-cow1", "is not <number>-<source>-<target>:<category>"),
        ("000-cow0-cow1:../cow", "is not <number>"),
    ] {
        fs::write(&layout, format!("{lines}{bad}\n")).unwrap();
        let error = load(KeypointChoice::Common).unwrap_err();
        assert!(matches!(&error, Error::File { path, .. } if *path == layout), "{error:?}");
        assert!(error.to_string().contains(words), "{error} lacks {words:?}");
    }
    fs::write(&layout, format!("\n{lines}\n\n")).unwrap();
    assert_eq!(load(KeypointChoice::Common).unwrap().validation.len(), 6);
    // Read for all keypoints only.
    fs::remove_file(folder.path().join("ImageAnnotation/cow/cow2.json")).unwrap();
    assert!(load(KeypointChoice::Common).is_ok());
    let error = load(KeypointChoice::All).unwrap_err().to_string();
    assert!(error.contains("cow2.png: has no annotation"), "{error}");
    fs::remove_file(&layout).unwrap();
    assert!(matches!(load(KeypointChoice::Common), Err(Error::MissingData { .. })));
    let error = SPair71k::locate(folder.path()).unwrap_err().to_string();
    for words in ["data fetch spair-71k", "data make spair-71k", "SPair-71k.tar.gz"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn keypoints_outside_and_pairs_with_too_few_are_left_out_with_a_count() {
    let folder = written();
    // 21 of 20 columns: of three common keypoints two are left.
    change(&folder, 0, |content| content["src_kps"][0] = json!([21, 1]));
    // Two: one is left.
    change(&folder, 1, |content| {
        content["src_kps"][0] = json!([-1, 1]);
        content["trg_kps"][2] = json!([1, 10.5]);
    });
    change(&folder, 2, |content| {
        for field in ["src_kps", "trg_kps", "kps_ids"] {
            content[field].as_array_mut().unwrap().truncate(1);
        }
    });
    let train = SPair71k::load(folder.path(), KeypointChoice::Common).unwrap().train;
    assert_eq!(train.left_out(), LeftOut { outside: 3, pairs: 2, ..LeftOut::default() });
    let said = train.left_out().to_string();
    assert!(said.contains("2 pairs") && said.contains("3 keypoints outside"), "{said}");
    assert_eq!(train.len(), 4);
    let pair = &train.in_order(SMALL).unwrap().select(&[0]).unwrap()[0];
    assert_eq!(pair.partners(), 2);
    assert!(pair.names[0].iter().all(|name| name != "0"));
    // Named directly, each is an error.
    for (number, words) in [
        (0, "has 1 keypoints outside"),
        (1, "has 2 keypoints outside"),
        (2, "fewer than 2 common keypoints"),
    ] {
        let named =
            SPair71k::pair(folder.path(), "trn", &line("cow", number), KeypointChoice::Common);
        let error = named.unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(&line("cow", number)), "{error}");
    }
}

#[test]
fn pictures_that_cannot_be_used_stop_or_are_left_out() {
    let folder = written();
    let bad = folder.path().join("JPEGImages/cow/cow1.png");
    fs::write(&bad, "no picture").unwrap();
    let test = SPair71k::load(folder.path(), KeypointChoice::Common).unwrap().test;
    let stops = test.in_order(SMALL).unwrap();
    let plan = stops.plan_in_order(3);
    let error = stops.load(&plan, 1).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(&error, Error::File { path, .. } if *path == bad), "{error:?}");

    let skips = test.in_order(PairLoading { undecodable: Undecodable::Skip, ..SMALL }).unwrap();
    let sizes: Vec<usize> =
        skips.load(&plan, 1).unwrap().map(|batch| batch.unwrap().len()).collect();
    // Pairs 0 and 1 have the picture.
    assert_eq!(sizes, [1, 3]);
    assert_eq!(skips.skipped(), [&*bad]);
    let none = skips.load(&[vec![0, 1]], 1).unwrap().next().unwrap();
    assert!(matches!(none, Err(Error::Parameter { .. })));

    // A picture of another size is not the annotated one.
    image::save(&picture(0).repeat([1, 2, 1]), &bad).unwrap();
    let error = stops.select(&[0]).unwrap_err().to_string();
    assert!(error.contains("20 x 20 pixels; 20 x 10 are annotated"), "{error}");
}
