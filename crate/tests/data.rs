//! Data sets: damaged files and missing files.

use std::error::Error as StdError;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use solvergrad::Error;
use solvergrad::data::{ImageSet, Images, Items, read_idx, verify};
use tempfile::tempdir;

type Outcome = Result<(), Box<dyn StdError>>;

fn idx(shape: &[u32], entries: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|length| bytes.extend(length.to_be_bytes()));
    bytes.extend(entries);
    bytes
}

fn gz(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, bytes)?;
    Ok(path)
}

/// Asserts that `content` is refused, compressed or not, with a message that has all of `words`.
fn assert_refused(content: &[u8], words: &[&str]) -> Outcome {
    let folder = tempdir()?;
    for bytes in [content.to_vec(), gz(content)?] {
        let path = write(folder.path(), "file", &bytes)?;
        let error = read_idx(&path).expect_err("a damaged file");
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        let message = error.to_string();
        for word in words {
            assert!(message.contains(word), "{message:?} lacks {word:?}");
        }
    }
    Ok(())
}

#[test]
fn reads_what_was_written() -> Outcome {
    let folder = tempdir()?;
    let content = idx(&[2, 3, 1], &[0, 51, 102, 153, 204, 255]);
    let labels = write(folder.path(), "labels", &idx(&[2], &[9, 0]))?;
    for bytes in [content.clone(), gz(&content)?] {
        let path = write(folder.path(), "images", &bytes)?;
        let read = read_idx(&path)?;
        assert_eq!(read.shape, [2, 3, 1]);
        assert_eq!(read.bytes, [0, 51, 102, 153, 204, 255]);

        let images = Images::read(&path, &labels)?;
        assert_eq!((images.len(), images.height, images.width), (2, 3, 1));
        let pixels = Vec::<f32>::try_from(&images.images.view([-1]))?;
        assert_eq!(pixels, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(Vec::<i64>::try_from(&images.labels)?, [9, 0]);
    }
    Ok(())
}

#[test]
fn selects_images() -> Outcome {
    let folder = tempdir()?;
    let images = write(folder.path(), "images", &idx(&[3, 1, 1], &[0, 255, 0]))?;
    let labels = write(folder.path(), "labels", &idx(&[3], &[4, 5, 6]))?;
    let images = Images::read(&images, &labels)?;
    let selected = images.select(&[2, 1, 1])?;
    assert_eq!(Vec::<i64>::try_from(&selected.labels)?, [6, 5, 5]);
    assert_eq!(Vec::<f32>::try_from(&selected.images.view([-1]))?, [0.0, 1.0, 1.0]);
    assert_eq!(Vec::<i64>::try_from(&images.first(2)?.labels)?, [4, 5]);
    for error in [images.select(&[3]), images.select(&[-1]), images.first(0), images.first(4)] {
        assert!(matches!(error, Err(Error::Parameter { .. })), "{error:?}");
    }
    Ok(())
}

#[test]
fn refuses_damaged_files() -> Outcome {
    assert_refused(&idx(&[4], &[1, 2]), &["promises 4 bytes", "has 2", "get it again"])?;
    assert_refused(&idx(&[2], &[1, 2, 3]), &["promises 2 bytes", "has more"])?;
    assert_refused(b"<html></html>", &["first bytes", "IDX"])?;
    assert_refused(b"", &["first bytes"])?;
    assert_refused(&[0, 0, 8, 2, 0, 0, 0, 1, 0], &["within its header"])?;
    assert_refused(&[0, 0, 0x0d, 1, 0, 0, 0, 1, 7], &["0x0d"])?;
    assert_refused(&idx(&[], &[]), &["0 axes"])?;
    assert_refused(&idx(&[1; 200], &[1]), &["200 axes"])?;
    assert_refused(&idx(&[u32::MAX; 4], &[1]), &["4294967295"])?;
    assert_refused(&idx(&[u32::MAX], &[1]), &["1 GiB"])?;
    assert_refused(&idx(&[0, 28, 28], &[]), &["[0, 28, 28]"])?;
    assert_refused(&idx(&[1 << 30], &[1]), &["has 1;"])
}

#[test]
fn refuses_damaged_compression() -> Outcome {
    let folder = tempdir()?;
    let entries: Vec<u8> = (0..5000_u32).map(|i| (i * i % 251) as u8).collect();
    let whole = gz(&idx(&[5000], &entries))?;
    let cut = write(folder.path(), "cut", &whole[..whole.len() / 2])?;
    let message = read_idx(&cut).expect_err("half a file").to_string();
    assert!(message.contains("promises 5000 bytes"), "{message}");

    let mut flipped = whole;
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 1;
    let flipped = write(folder.path(), "flipped", &flipped)?;
    let message = read_idx(&flipped).expect_err("a wrong checksum").to_string();
    assert!(message.contains("compressed data"), "{message}");
    Ok(())
}

#[test]
fn refuses_files_that_do_not_fit() -> Outcome {
    let folder = tempdir()?;
    let images = write(folder.path(), "images", &idx(&[2, 1, 1], &[1, 2]))?;
    let three = write(folder.path(), "three", &idx(&[3], &[1, 2, 3]))?;
    let ten = write(folder.path(), "ten", &idx(&[2], &[1, 10]))?;
    for (images, labels, word) in [
        (&images, &three, "3 labels for the 2 images"),
        (&images, &ten, "label 1 is 10"),
        (&images, &images, "expected labels"),
        (&three, &three, "expected images"),
    ] {
        let message = Images::read(images, labels).expect_err("unfit files").to_string();
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
    let absent = folder.path().join("absent");
    assert!(matches!(Images::read(&absent, &ten), Err(Error::Io { .. })));
    Ok(())
}

#[test]
fn loads_a_folder_and_finds_wrong_checksums() -> Outcome {
    let folder = tempdir()?;
    let mnist = folder.path().join("mnist");
    fs::create_dir(&mnist)?;
    for (prefix, count) in [("train", 3), ("t10k", 2)] {
        let images = idx(&[count, 2, 2], &vec![7; 4 * count as usize]);
        let labels = idx(&[count], &vec![1; count as usize]);
        write(&mnist, &format!("{prefix}-images-idx3-ubyte.gz"), &gz(&images)?)?;
        write(&mnist, &format!("{prefix}-labels-idx1-ubyte"), &labels)?;
    }
    let data = ImageSet::Mnist.load(folder.path())?;
    assert_eq!((data.name.as_str(), data.train.len(), data.test.len()), ("mnist", 3, 2));
    assert_eq!(data.train.images.size(), [3, 4]);

    let files = verify(ImageSet::Mnist, folder.path())?;
    assert!(files.iter().all(|file| file.is_present() && !file.is_intact()), "{files:?}");
    Ok(())
}

#[test]
fn tells_how_to_get_a_missing_set() -> Outcome {
    let folder = tempdir()?;
    let message = ImageSet::Mnist.load(folder.path()).expect_err("no data").to_string();
    assert!(message.contains("solvergrad data fetch mnist"), "{message}");
    assert!(message.contains(&folder.path().join("mnist").display().to_string()), "{message}");
    for file in ImageSet::Mnist.files() {
        assert!(message.contains(&format!("{}{}", ImageSet::Mnist.source(), file.gz_name())));
    }
    let files = verify(ImageSet::Mnist, folder.path())?;
    assert!(files.iter().all(|file| !file.is_present()), "{files:?}");
    Ok(())
}

#[test]
fn names_round_trip() -> Outcome {
    for set in ImageSet::ALL {
        assert_eq!(set.name().parse::<ImageSet>()?, set);
        assert_eq!(serde_json::to_string(&set)?, format!("{:?}", set.name()));
    }
    let message = "cifar".parse::<ImageSet>().expect_err("unknown").to_string();
    assert!(message.contains("fashion-mnist, mnist"), "{message}");
    Ok(())
}
