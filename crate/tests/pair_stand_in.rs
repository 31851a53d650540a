//! The stand-in for pairs of photographs: of the published layout, of a seed, hard and not hopeless.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use solvergrad::prelude::*;
use tempfile::tempdir;

const FEW: PairStandIn = PairStandIn { train: 30, validation: 15, test: 45, side: 48, seed: 3 };

const LOADING: PairLoading =
    PairLoading { side: 48, threads: 1, ahead: 4, undecodable: Undecodable::Stop };

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn it_has_the_published_layout_with_partial_overlap() {
    let folder = tempdir().unwrap();
    let mut lines = Vec::new();
    let made = FEW.make(folder.path(), |line| lines.push(line.to_owned())).unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(FEW.make(folder.path(), |_| panic!("it is there already")).unwrap(), made);

    let common = SPair71k::load(&made, KeypointChoice::Common).unwrap();
    let all = SPair71k::load(&made, KeypointChoice::All).unwrap();
    for data in [&common, &all] {
        assert_eq!((data.train.len(), data.validation.len(), data.test.len()), (30, 15, 45));
        assert_eq!(data.train.categories().len(), 15);
        for category in 0..15 {
            assert_eq!(data.test.of_category(category).len(), 3);
        }
        for part in [&data.train, &data.validation, &data.test] {
            assert_eq!(part.left_out(), LeftOut::default());
        }
    }
    let items: Vec<i64> = (0..45).collect();
    let (mut partial, mut counts) = (0, Vec::new());
    let common = common.test.in_order(LOADING).unwrap().select(&items).unwrap();
    let all = all.test.in_order(LOADING).unwrap().select(&items).unwrap();
    for (common, all) in common.iter().zip(&all) {
        let count = common.partners();
        assert_eq!([0, 1].map(|which| common.keypoints[which].len()), [count; 2]);
        assert!((4..=14).contains(&count), "{count}");
        assert_eq!(all.partners(), count);
        let visible = [0, 1].map(|which| all.keypoints[which].len());
        assert!(visible.iter().all(|visible| (count..=14).contains(visible)), "{visible:?}");
        partial += usize::from(visible.iter().any(|visible| *visible > count));
        counts.push(count);
        // Two keypoints of a picture are never the same place.
        for keypoints in &all.keypoints {
            for (at, one) in keypoints.iter().enumerate() {
                for other in &keypoints[..at] {
                    let apart = (one[0] - other[0]).hypot(one[1] - other[1]);
                    assert!(apart > 0.5, "{one:?} {other:?}");
                }
            }
        }
    }
    assert!((10..45).contains(&partial), "{partial} of 45 pairs overlap in part");
    assert!(counts.iter().collect::<HashSet<_>>().len() > 3, "{counts:?}");
}

#[test]
fn a_seed_decides_about_all_of_it_and_the_number_of_pairs_about_none() {
    let folders = [tempdir().unwrap(), tempdir().unwrap()];
    let made =
        |at: usize, spec: PairStandIn| files(&spec.make(folders[at].path(), |_| ()).unwrap());
    let first = made(0, FEW);
    assert_eq!(first, made(1, FEW));
    let more = made(1, PairStandIn { train: 32, ..FEW });
    for (name, content) in &first {
        if !name.starts_with("Layout") {
            assert_eq!(Some(content), more.get(name), "{name}");
        }
    }
    assert_ne!(first, made(1, PairStandIn { seed: 4, ..FEW }));
    let pictures: HashSet<&[u8]> = first
        .iter()
        .filter(|(name, _)| name.ends_with(".png"))
        .map(|(_, bytes)| &bytes[..])
        .collect();
    assert_eq!(pictures.len(), 2 * (30 + 15 + 45));
}

#[test]
fn what_cannot_be_made_is_refused() {
    let folder = tempdir().unwrap();
    for bad in [
        PairStandIn { train: 0, ..FEW },
        PairStandIn { validation: 0, ..FEW },
        PairStandIn { test: 0, ..FEW },
        PairStandIn { side: 31, ..FEW },
        PairStandIn { side: 513, ..FEW },
    ] {
        assert!(matches!(bad.make(folder.path(), |_| ()), Err(Error::Parameter { .. })));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// What is around a keypoint, 9 x 9 pixels, with mean 0 and length 1 per colour.
fn patch(picture: &Tensor, place: [f32; 2]) -> Tensor {
    let at = |axis: usize| (place[axis] as i64).clamp(4, 43) - 4;
    let patch = picture.narrow(0, at(1), 9).narrow(1, at(0), 9).to_kind(Kind::Float);
    let centred = &patch - patch.mean_dim([0i64, 1].as_slice(), true, Kind::Float);
    let length = centred.square().sum_dim_intlist([0i64, 1].as_slice(), true, Kind::Float).sqrt();
    (centred / length.clamp_min(1e-3)).reshape([-1])
}

/// Raw pixels around keypoints match better than chance, and far from well: there is something to learn.
#[test]
fn pixels_alone_match_some_keypoints() {
    let folder = tempdir().unwrap();
    let made = FEW.make(folder.path(), |_| ()).unwrap();
    let test = SPair71k::load(&made, KeypointChoice::Common).unwrap().test;
    let (mut right, mut chance, mut all) = (0.0, 0.0, 0.0);
    for pair in test.in_order(LOADING).unwrap().select(&(0..45).collect::<Vec<_>>()).unwrap() {
        let patches = [0, 1].map(|which| {
            let places = pair.keypoints[which].iter();
            Tensor::stack(
                &places.map(|place| patch(&pair.pictures[which], *place)).collect::<Vec<_>>(),
                0,
            )
        });
        let costs = -patches[0].matmul(&patches[1].tr());
        let count = pair.partners();
        let solver = Assignment::new(count).unwrap();
        let layer = SolverLayer::new(solver, Identity);
        let matched = layer.forward(&costs.reshape([1, -1])).unwrap();
        let truth = pair.truth_matrix().unwrap().reshape([1, -1]);
        right += (matched * truth).sum(Kind::Float).double_value(&[]);
        chance += 1.0;
        all += count as f64;
    }
    let (right, chance) = (right / all, chance / all);
    println!("right {right:.3}, by chance {chance:.3}");
    assert!(right > 1.5 * chance && right < 0.7, "right {right}, by chance {chance}");
}
