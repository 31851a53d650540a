//! Sets of problem instances: made, written, read; labels that are optimal; files that are not right.

use std::fs;
use std::path::{Path, PathBuf};

use solvergrad::data::{read_npy, write_npy};
use solvergrad::prelude::*;
use tempfile::{TempDir, tempdir};

const FEW: StandIn = StandIn { train: 24, validation: 5, test: 6, seed: 3 };

fn made(set: InstanceSet, k: usize, spec: StandIn) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let made = spec.make(set, folder.path(), k, |_| ()).unwrap();
    (folder, made)
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap()
}

fn globe(k: usize) -> (TempDir, PathBuf, GlobeTsp) {
    let (folder, made) = made(InstanceSet::GlobeTsp, k, FEW);
    let data = GlobeTsp::load(&made).unwrap();
    (folder, made, data)
}

fn permutations(items: Vec<usize>) -> Vec<Vec<usize>> {
    if items.len() < 2 {
        return vec![items];
    }
    let rest = |i: usize| items.iter().copied().filter(move |&other| other != i);
    let after = |&first: &usize| {
        let rests = permutations(rest(first).collect());
        rests.into_iter().map(move |rest| [vec![first], rest].concat()).collect::<Vec<_>>()
    };
    items.iter().flat_map(after).collect()
}

#[test]
fn tours_of_the_globe_are_shortest_among_all() {
    let (_folder, _, data) = globe(6);
    assert_eq!((data.k, data.train.len(), data.validation.len(), data.test.len()), (6, 24, 5, 6));
    let orders = permutations((1..6).collect());
    assert_eq!(orders.len(), 120);
    let points = data.countries.points();
    let lengths = points.square().sum_dim_intlist(1, false, None);
    assert!((lengths - 1.0).abs().max().double_value(&[]) < 1e-12);
    for set in [&data.train, &data.validation, &data.test] {
        for i in 0..set.len() as i64 {
            let chosen = points.index_select(0, &set.countries.get(i));
            // Straight through the Earth, by another formula than the generator's.
            let cosines = chosen.matmul(&chosen.tr()).clamp(-1.0, 1.0);
            let distances = (cosines * -2.0 + 2.0).sqrt() * 6371.0;
            let apart = (set.distances.get(i) - &distances).abs().max().double_value(&[]);
            assert!(apart < 0.5, "distances of instance {i} are {apart} km off");
            let distances = floats(&distances);
            let best = orders
                .iter()
                .map(|order| {
                    let tour = [vec![0], order.clone(), vec![0]].concat();
                    tour.windows(2).map(|pair| distances[pair[0] * 6 + pair[1]]).sum::<f64>()
                })
                .fold(f64::INFINITY, f64::min);
            let tour = floats(&set.tours.get(i));
            let length = tour.iter().zip(&distances).map(|(y, w)| y * w).sum::<f64>() / 2.0;
            assert!((length - best).abs() < 1e-6 * best, "instance {i}: {length} {best}");
        }
    }
}

#[test]
fn flags_are_of_many_countries_and_differ() {
    let (_folder, _, data) = globe(5);
    let Countries { flags, places, names } = &data.countries;
    assert_eq!((flags.size(), places.size()), (vec![100, 3, 20, 40], vec![100, 2]));
    let mut known = names.clone();
    known.sort();
    known.dedup();
    assert_eq!(known.len(), 100);
    let (least, most) = (flags.min().double_value(&[]), flags.max().double_value(&[]));
    assert!(least == 0.0 && most == 1.0, "{least} {most}");
    let flat = flags.flatten(1, -1);
    for i in 1..100 {
        let others = (flat.narrow(0, 0, i) - flat.get(i)).abs().mean_dim(1, false, None);
        assert!(
            others.min().double_value(&[]) > 0.02,
            "the flag of {} is not its own",
            names[i as usize]
        );
    }
}

#[test]
fn flipped_labels_stay_symmetric() {
    let (_folder, _, data) = globe(5);
    let same = data.train.flip_labels(0.0, 1).unwrap();
    assert!(same.tours.equal(&data.train.tours));
    let opposite = data.train.flip_labels(1.0, 1).unwrap();
    let sum = opposite.tours + &data.train.tours;
    let apart: Tensor = 1.0 - Tensor::eye(5, (Kind::Float, Device::Cpu));
    assert!(sum.equal(&apart.expand_as(&sum)));
    let some = data.train.flip_labels(0.2, 1).unwrap();
    assert!(some.tours.equal(&some.tours.transpose(1, 2)));
    assert!(some.tours.equal(&data.train.flip_labels(0.2, 1).unwrap().tours));
    let share = (some.tours - &data.train.tours).abs().sum(Kind::Float).double_value(&[]);
    assert!((share / (24.0 * 20.0) - 0.2).abs() < 0.1, "{share}");
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(data.train.flip_labels(bad, 1), Err(Error::Parameter { .. })));
    }
}

/// The least sum of vertex costs over paths of eight neighbours, by relaxing until nothing changes.
fn shortest(costs: &[f64], k: usize) -> f64 {
    let mut sums = vec![f64::INFINITY; k * k];
    sums[0] = costs[0];
    loop {
        let before = sums.clone();
        for at in 0..k * k {
            let near = |other: &usize| {
                (at / k).abs_diff(other / k) <= 1 && (at % k).abs_diff(other % k) <= 1
            };
            let reached = (0..k * k).filter(near).map(|other| before[other]);
            let least = reached.fold(f64::INFINITY, f64::min) + costs[at];
            sums[at] = sums[at].min(least);
        }
        if sums == before {
            return sums[k * k - 1];
        }
    }
}

#[test]
fn paths_across_the_terrain_are_shortest() {
    // From size 18 on in parts.
    for (k, part) in [(7, false), (18, true)] {
        let (_folder, made) = made(InstanceSet::Warcraft, k, FEW);
        assert_eq!(made.join("train_maps_part1.npy").is_file(), part);
        assert_eq!(made.join("train_maps.npy").is_file(), !part);
        let data = Warcraft::load(&made).unwrap();
        let side = 8 * k as i64;
        assert_eq!(data.k, k);
        for (set, count) in [(&data.train, 24), (&data.validation, 5), (&data.test, 6)] {
            assert_eq!(set.pixels.size(), [count, side, side, 3]);
            for i in 0..count {
                let (costs, path) = (floats(&set.costs.get(i)), floats(&set.paths.get(i)));
                let found: f64 = costs.iter().zip(&path).map(|(cost, entry)| cost * entry).sum();
                let best = shortest(&costs, k);
                assert!((found - best).abs() < 1e-6 * best, "map {i} of {k}: {found} {best}");
                let (least, most) = (0.8 - 1e-3, 9.2 + 5e-3);
                assert!(costs.iter().all(|cost| (least..most).contains(cost)));
            }
            assert_eq!(metric::optimal_share(&set.costs, &set.paths, &set.paths).unwrap(), 1.0);
        }
    }
}

#[test]
fn tiles_of_a_class_look_alike_but_are_not_equal() {
    let (_folder, made) = made(InstanceSet::Warcraft, 12, FEW);
    let data = Warcraft::load(&made).unwrap();
    // Tiles as rows: [maps · 12 · 12, 8, 8, 3].
    let tiles = data.train.pixels.view([24, 12, 8, 12, 8, 3]).permute([0, 1, 3, 2, 4, 5]);
    let tiles = tiles.reshape([-1, 8, 8, 3]).to_kind(Kind::Float);
    let costs = data.train.costs.view([-1]);
    let mut names = floats(&costs);
    names.sort_by(f64::total_cmp);
    names.dedup();
    assert_eq!(names.len(), 5, "{names:?}");
    let mut means = Vec::new();
    for cost in names {
        let of_class = tiles.index_select(0, &costs.eq(cost).nonzero().view([-1]));
        let colours = of_class.mean_dim([1i64, 2].as_slice(), false, None);
        let spread = colours.std_dim(0, true, false).min().double_value(&[]);
        assert!(spread > 2.0, "all tiles of cost {cost} have the same colour");
        let grain = of_class.std_dim([1i64, 2].as_slice(), true, false).min().double_value(&[]);
        assert!(grain > 1.0, "a tile of cost {cost} has no texture");
        assert!(!of_class.get(0).equal(&of_class.get(1)), "two tiles of cost {cost} are equal");
        means.push(colours.mean_dim(0, false, None));
    }
    for (i, a) in means.iter().enumerate() {
        for b in &means[..i] {
            assert!((a - b).abs().max().double_value(&[]) > 4.0, "two classes have one colour");
        }
    }
}

#[test]
fn the_seed_decides_and_the_number_of_threads_and_instances_does_not() {
    for (set, k) in [(InstanceSet::GlobeTsp, 5), (InstanceSet::Warcraft, 4)] {
        let (_a, first) = made(set, k, FEW);
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (_b, again) = one.install(|| made(set, k, FEW));
        let (_c, other) = made(set, k, StandIn { seed: 4, ..FEW });
        let (_d, fewer) = made(set, k, StandIn { train: 7, ..FEW });
        let mut names: Vec<_> =
            fs::read_dir(&first).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in &names {
            let read = |folder: &Path| fs::read(folder.join(name)).unwrap();
            assert_eq!(read(&first), read(&again), "{name:?}");
        }
        let name = match set {
            InstanceSet::GlobeTsp => "train_indices.npy",
            InstanceSet::Warcraft => "train_maps.npy",
        };
        let read = |folder: &Path| read_npy(&folder.join(name)).unwrap();
        assert!(!read(&first).equal(&read(&other)));
        assert!(read(&first).narrow(0, 0, 7).equal(&read(&fewer)));
    }
}

#[test]
fn a_stand_in_is_made_once_and_only_with_sense() {
    let folder = tempdir().unwrap();
    let mut lines = Vec::new();
    let mut make = |k, spec: StandIn| {
        spec.make(InstanceSet::Warcraft, folder.path(), k, |line| lines.push(line.to_owned()))
    };
    let path = make(3, FEW).unwrap();
    assert_eq!(make(3, FEW).unwrap(), path);
    assert!(matches!(make(1, FEW), Err(Error::Parameter { .. })));
    assert!(matches!(make(65, FEW), Err(Error::Parameter { .. })));
    assert!(matches!(make(3, StandIn { test: 0, ..FEW }), Err(Error::Parameter { .. })));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn colours_are_normalised_over_the_training_maps() {
    let (_folder, made) = made(InstanceSet::Warcraft, 5, FEW);
    let data = Warcraft::load(&made).unwrap();
    let input = data.channels.apply(&data.train.pixels).unwrap();
    assert_eq!((input.size(), input.kind()), (vec![24, 3, 40, 40], Kind::Float));
    for channel in 0..3 {
        let values = input.select(1, channel);
        assert!(values.mean(Kind::Double).double_value(&[]).abs() < 1e-4);
        assert!((values.std(false).double_value(&[]) - 1.0).abs() < 1e-4);
    }
    let black = Tensor::zeros([2, 8, 8, 3], (Kind::Uint8, Device::Cpu));
    assert_eq!(Channels::of(&black).unwrap().deviation, [1.0; 3]);
}

/// Overwrites one array of a set with a changed one.
fn change(folder: &Path, name: &str, change: impl Fn(&Tensor) -> Tensor) {
    let path = folder.join(name);
    let array = read_npy(&path).unwrap();
    write_npy(&path, &change(&array)).unwrap();
}

fn set(array: &Tensor, place: &[i64], value: f64) -> Tensor {
    let copy = array.copy();
    let mut entry = place.iter().fold(copy.shallow_clone(), |entry, &index| entry.get(index));
    let _ = entry.fill_(value);
    copy
}

fn refused<T: std::fmt::Debug>(result: Result<T>, parts: &[&str]) {
    let message = result.expect_err("it should be refused").to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn arrays_of_any_kind_are_read() {
    let (_folder, path) = made(InstanceSet::Warcraft, 4, FEW);
    let first = Warcraft::load(&path).unwrap();
    change(&path, "train_maps.npy", |maps| maps.to_kind(Kind::Float));
    change(&path, "val_maps.npy", |maps| maps.to_kind(Kind::Int64));
    change(&path, "train_vertex_weights.npy", |costs| costs.to_kind(Kind::Double));
    change(&path, "train_shortest_paths.npy", |paths| paths.to_kind(Kind::Half));
    change(&path, "test_shortest_paths.npy", |paths| paths.to_kind(Kind::Double));
    let again = Warcraft::load(&path).unwrap();
    for (a, b) in [(&first.train, &again.train), (&first.validation, &again.validation)] {
        assert!(a.pixels.equal(&b.pixels) && a.paths.equal(&b.paths) && a.costs.equal(&b.costs));
    }
}

#[test]
fn maps_that_are_not_right_are_refused() {
    let (_folder, path) = made(InstanceSet::Warcraft, 18, StandIn { train: 4, ..FEW });
    let load = || Warcraft::load(&path);
    let broken = |name: &str, with: &dyn Fn(&Tensor) -> Tensor, parts: &[&str]| {
        let file = path.join(name);
        let kept = fs::read(&file).unwrap();
        change(&path, name, with);
        refused(load(), &[parts, &[name.trim_end_matches("_part1.npy"), "unpack"]].concat());
        fs::write(&file, kept).unwrap();
    };
    let corner = [2, 17, 17];
    broken(
        "val_shortest_paths.npy",
        &|paths| set(paths, &corner, 0.0),
        &["instance 2", "bottom right"],
    );
    broken(
        "val_shortest_paths.npy",
        &|paths| set(paths, &[1, 0, 0], 0.0),
        &["instance 1", "top left"],
    );
    broken("val_shortest_paths.npy", &|paths| paths * 2, &["neither 0 nor 1"]);
    // A row of the path taken out.
    let gap = |paths: &Tensor| set(paths, &[3, 9], 0.0);
    broken(
        "val_shortest_paths.npy",
        &gap,
        &["instance 3", "nothing connects", "solvergrad data make"],
    );
    broken(
        "val_shortest_paths.npy",
        &|paths| paths.narrow(0, 0, 4),
        &["[4, 18, 18]", "[5, 18, 18]"],
    );
    let negative = |costs: &Tensor| set(costs, &[0, 0, 0], -1.0);
    broken("test_vertex_weights.npy", &negative, &["negative"]);
    broken("test_vertex_weights.npy", &|costs| set(costs, &[0, 0, 0], f64::NAN), &["not finite"]);
    broken("test_vertex_weights.npy", &|costs| costs.narrow(2, 0, 9), &["[6, 18, 9]"]);
    broken(
        "test_maps.npy",
        &|maps| maps.narrow(3, 0, 2),
        &["[6, 144, 144, 2]", "[6, 144, 144, 3]"],
    );
    broken("test_maps.npy", &|maps| maps.to_kind(Kind::Float) * 2, &["0 to 255"]);
    let narrow = |maps: &Tensor| maps.narrow(1, 0, 8);
    broken("train_maps_part1.npy", &narrow, &["part1", "part 0 has"]);
    load().unwrap();

    for (absent, there) in [("part0", "part1"), ("part1", "part0")] {
        let name = |part: &str| path.join(format!("train_shortest_paths_{part}.npy"));
        fs::rename(name(absent), path.join("aside")).unwrap();
        refused(load(), &[&format!("{absent}.npy"), "is missing", there, "unpack"]);
        fs::rename(path.join("aside"), name(absent)).unwrap();
    }
    fs::remove_file(path.join("test_maps.npy")).unwrap();
    refused(load(), &["test_maps.npy", "warcraft_maps.tar.gz", "data make warcraft"]);
    let nowhere = InstanceSet::Warcraft.locate(&path, 12);
    refused(nowhere, &["12x12", "10.17617/3.YJCQ5S", "data make warcraft"]);
}

#[test]
fn tours_that_are_none_are_refused() {
    let (_folder, path, data) = globe(6);
    let load = || GlobeTsp::load(&path);
    let name = "val_tsp_tours.npy";
    let kept = fs::read(path.join(name)).unwrap();
    let triangles: Vec<u8> = (0..36)
        .map(|entry| u8::from(entry / 6 != entry % 6 && entry / 18 == entry % 6 / 3))
        .collect();
    let triangles = Tensor::from_slice(&triangles).view([6, 6]);
    let with = |matrix: &Tensor| {
        change(&path, name, |tours| {
            let tours = tours.copy();
            tours.get(4).copy_(matrix);
            tours
        });
    };
    with(&triangles);
    refused(load(), &[name, "instance 4", "comes back after 3 of 6"]);
    with(&data.validation.tours.get(4).triu(0).to_kind(Kind::Uint8));
    refused(load(), &["instance 4", "differ"]);
    with(&Tensor::eye(6, (Kind::Uint8, Device::Cpu)));
    refused(load(), &["instance 4", "to itself"]);
    with(&Tensor::zeros([6, 6], (Kind::Uint8, Device::Cpu)));
    refused(load(), &["instance 4", "0 neighbours"]);
    fs::write(path.join(name), kept).unwrap();
    load().unwrap();

    let kept = fs::read(path.join("test_indices.npy")).unwrap();
    change(&path, "test_indices.npy", |indices| set(indices, &[0, 0], 100.0));
    refused(load(), &["test_indices.npy", "outside 0 to 99"]);
    change(&path, "test_indices.npy", |indices| indices.narrow(1, 0, 5));
    refused(load(), &["[6, 5]", "[any, 6]"]);
    fs::write(path.join("test_indices.npy"), kept).unwrap();

    // As published: pickled, with nothing plain beside.
    for plain in ["flags.npy", "places.npy", "names.txt"] {
        fs::rename(path.join(format!("countries_{plain}")), path.join(plain)).unwrap();
    }
    refused(load(), &["countries_flags.npy", "globe_tsp.tar.gz"]);
    let header = "{'descr': '|O', 'fortran_order': False, 'shape': (100,), }\n";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    fs::write(path.join("countries.npy"), bytes).unwrap();
    refused(load(), &["countries.npy", "pickled", "docker/convert_countries.py"]);
    for plain in ["flags.npy", "places.npy", "names.txt"] {
        fs::rename(path.join(plain), path.join(format!("countries_{plain}"))).unwrap();
    }
    load().unwrap();
    fs::write(path.join("countries_names.txt"), "Atlantis\n").unwrap();
    refused(load(), &["1 names for 100 flags"]);
}
