//! Downloads: good ones, and those that break in every way.

use std::error::Error as StdError;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use solvergrad::Error;
use solvergrad::data::{
    FileSpec, InstanceSet, SPair71k, fetch_from, fetch_instances_from, fetch_spair_from, read_idx,
};
use tempfile::tempdir;

type Outcome = Result<(), Box<dyn StdError>>;

/// A small label file: what it is called, what it holds, and its compressed form.
fn published() -> Result<(FileSpec, Vec<u8>), Box<dyn StdError>> {
    let content = [0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&content)?;
    let compressed = encoder.finish()?;
    let digest = |bytes: &[u8]| -> &'static str { format!("{:x}", Sha256::digest(bytes)).leak() };
    let spec = FileSpec {
        name: "labels-idx1-ubyte",
        shape: &[3],
        sha256: digest(&content),
        gz_size: compressed.len() as u64,
        gz_sha256: digest(&compressed),
    };
    Ok((spec, compressed))
}

/// Serves `answer` to one request, closes the connection, and returns the address.
fn serve(answer: Vec<u8>) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            request.extend(&buffer[..count]);
        }
        stream.write_all(&answer)
    });
    Ok(address)
}

fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn fetches_once() -> Outcome {
    let folder = tempdir()?;
    let folder = folder.path().join("new/mnist");
    let (file, body) = published()?;
    let base = serve(answer("200 OK", body.len(), &body))?;
    let mut lines = Vec::new();
    fetch_from(&base, &[file], &folder, |line| lines.push(line.to_owned()))?;
    assert_eq!(read_idx(&folder.join(file.gz_name()))?.bytes, [1, 2, 3]);
    assert_eq!(fs::read_dir(&folder)?.count(), 1);

    // The server is gone: a second call must not need it.
    fetch_from(&base, &[file], &folder, |line| lines.push(line.to_owned()))?;
    assert!(lines[0].contains("fetching") && lines[1].contains("there already"), "{lines:?}");
    Ok(())
}

#[test]
fn replaces_a_damaged_file() -> Outcome {
    let folder = tempdir()?;
    let (file, body) = published()?;
    fs::write(folder.path().join(file.gz_name()), b"damaged")?;
    let base = serve(answer("200 OK", body.len(), &body))?;
    fetch_from(&base, &[file], folder.path(), |_| ())?;
    assert_eq!(read_idx(&folder.path().join(file.gz_name()))?.bytes, [1, 2, 3]);
    Ok(())
}

#[test]
fn leaves_nothing_of_a_failed_download() -> Outcome {
    let (file, body) = published()?;
    let mut wrong = body.clone();
    wrong[12] ^= 1;
    let longer = [&body[..], b"more"].concat();
    let half = &body[..body.len() / 2];
    for (answer, word) in [
        (answer("200 OK", body.len(), &wrong), "SHA-256"),
        (answer("200 OK", longer.len(), &longer), "more than"),
        (answer("200 OK", half.len(), half), "expected"),
        (answer("200 OK", body.len(), half), "broke after"),
        (answer("404 Not Found", 4, b"none"), "404 Not Found"),
        (Vec::new(), "cannot fetch"),
    ] {
        let folder = tempdir()?;
        let base = serve(answer)?;
        let error = fetch_from(&base, &[file], folder.path(), |_| ()).expect_err(word);
        assert!(matches!(error, Error::Fetch { .. }), "{error:?}");
        let message = error.to_string();
        let place = folder.path().display().to_string();
        for part in [word, &base, &file.gz_name(), &place, "by hand"] {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
        assert_eq!(fs::read_dir(folder.path())?.count(), 0, "{word}");
    }
    Ok(())
}

#[test]
fn tells_of_a_folder_that_cannot_be_made() -> Outcome {
    let folder = tempdir()?;
    let below = folder.path().join("file/mnist");
    File::create(folder.path().join("file"))?;
    let (file, _) = published()?;
    let error = fetch_from("http://127.0.0.1:9", &[file], &below, |_| ()).expect_err("no folder");
    assert!(matches!(error, Error::Io { action: "create", .. }), "{error:?}");
    Ok(())
}

/// A server of research data: the list of files, then the archive.
fn serve_archive(archive: &[u8], listed: (&str, u64, &str)) -> std::io::Result<String> {
    let (name, size, md5) = listed;
    let list = format!(
        r#"{{"status": "OK", "data": {{"latestVersion": {{"files": [
            {{"dataFile": {{"id": 1, "filename": "other.tar.gz", "filesize": 1, "md5": "00"}}}},
            {{"dataFile": {{"id": 7, "filename": "{name}", "filesize": {size}, "md5": "{md5}"}}}}
        ]}}}}}}"#
    );
    let answers = [
        ("/api/datasets/", answer("200 OK", list.len(), list.as_bytes())),
        ("/api/access/datafile/7 ", answer("200 OK", archive.len(), archive)),
    ];
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || -> std::io::Result<()> {
        for (path, answer) in answers {
            let (mut stream, _) = listener.accept()?;
            let mut request = [0; 4096];
            let count = stream.read(&mut request)?;
            assert!(String::from_utf8_lossy(&request[..count]).contains(path));
            stream.write_all(&answer)?;
        }
        Ok(())
    });
    Ok(address)
}

/// An archive with files of two sizes of the globe in a folder, and what must not be unpacked.
fn archive_of_tours() -> Result<Vec<u8>, Box<dyn StdError>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for name in [
        "globe_tsp/5_countries_from_100/train_indices.npy",
        "globe_tsp/10_countries_from_100/train_indices.npy",
        "globe_tsp/README",
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, &b"data"[..])?;
    }
    // A path that would lead out of the folder.
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().ok_or("no GNU header")?.name[..34]
        .copy_from_slice(b"../../5_countries_from_100/../evil");
    header.set_size(4);
    header.set_cksum();
    archive.append(&header, &b"evil"[..])?;
    Ok(archive.into_inner()?.finish()?)
}

#[test]
fn an_archive_is_unpacked_where_its_sum_is_right() -> Outcome {
    let archive = archive_of_tours()?;
    let digest = format!("{:x}", md5::Md5::digest(&archive));
    let size = archive.len() as u64;
    let folder = tempdir()?;
    let base = serve_archive(&archive, ("globe_tsp.tar.gz", size, &digest))?;
    let mut lines = Vec::new();
    let mut fetch = || {
        fetch_instances_from(&base, InstanceSet::GlobeTsp, folder.path(), |line| {
            lines.push(line.to_owned());
        })
    };
    fetch()?;
    // The server is gone: a second call must not need it.
    fetch()?;
    assert!(
        lines[0].contains("globe_tsp.tar.gz") && lines[2].contains("there already"),
        "{lines:?}"
    );
    let place = InstanceSet::GlobeTsp.locate(folder.path(), 10)?;
    assert_eq!(fs::read(place.join("train_indices.npy"))?, b"data");
    let found: Vec<_> = fs::read_dir(folder.path())?.collect::<Result<_, _>>()?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(!folder.path().join("globe_tsp/README").exists());
    assert!(!folder.path().join("globe_tsp/evil").exists());
    Ok(())
}

#[test]
fn nothing_is_left_of_an_archive_that_is_wrong() -> Outcome {
    let archive = archive_of_tours()?;
    let digest = format!("{:x}", md5::Md5::digest(&archive));
    let (size, half) = (archive.len() as u64, &archive[..archive.len() / 2]);
    let name = "globe_tsp.tar.gz";
    let globe = InstanceSet::GlobeTsp;
    for (set, body, listed, word) in [
        (globe, &archive[..], (name, size, "00"), "MD5"),
        (globe, half, (name, size, digest.as_str()), "bytes; expected"),
        (globe, &archive[..], ("another.tar.gz", size, digest.as_str()), "another.tar.gz"),
        (globe, b"no archive", (name, 10, "00"), "MD5"),
        (InstanceSet::Warcraft, &archive[..], ("warcraft_maps.tar.gz", size, "00"), "915169563"),
    ] {
        let folder = tempdir()?;
        let base = serve_archive(body, listed)?;
        let error = fetch_instances_from(&base, set, folder.path(), |_| ()).expect_err(word);
        assert!(matches!(error, Error::Fetch { .. }), "{error:?}");
        let (message, place) = (error.to_string(), folder.path().display().to_string());
        for part in [word, &base, &place, "by hand"] {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
        assert_eq!(fs::read_dir(folder.path())?.count(), 0, "{word}");
    }
    Ok(())
}

/// An archive with these files.
fn archive_of(names: &[&str]) -> Result<Vec<u8>, Box<dyn StdError>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for name in names {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, &b"data"[..])?;
    }
    Ok(archive.into_inner()?.finish()?)
}

const LAYOUT: [&str; 3] = [
    "SPair-71k/Layout/large/trn.txt",
    "SPair-71k/Layout/large/val.txt",
    "SPair-71k/Layout/large/test.txt",
];

#[test]
fn an_archive_of_pairs_is_unpacked_where_its_size_is_right() -> Outcome {
    let more = ["SPair-71k/JPEGImages/cow/a.jpg", "SPair-71k/JPEGImages/cow/._a.jpg", "other/file"];
    let body = archive_of(&[&LAYOUT[..], &more[..]].concat())?;
    let size = body.len() as u64;
    let url = format!("{}/SPair-71k.tar.gz", serve(answer("200 OK", body.len(), &body))?);
    let folder = tempdir()?;
    let mut lines = Vec::new();
    fetch_spair_from(&url, size, folder.path(), |line| lines.push(line.to_owned()))?;
    // The server is gone: a second call must not need it.
    fetch_spair_from(&url, size, folder.path(), |line| lines.push(line.to_owned()))?;
    assert!(lines[1].contains("4 files") && lines[2].contains("there already"), "{lines:?}");
    let place = SPair71k::locate(folder.path())?;
    assert_eq!(fs::read(place.join("JPEGImages/cow/a.jpg"))?, b"data");
    assert!(!place.join("JPEGImages/cow/._a.jpg").exists());
    assert_eq!(fs::read_dir(folder.path())?.count(), 1);
    Ok(())
}

#[test]
fn nothing_is_left_of_an_archive_of_pairs_that_is_wrong() -> Outcome {
    let body = archive_of(&LAYOUT)?;
    let (size, half) = (body.len(), &body[..body.len() / 2]);
    // Whether the unpacking or the counting comes upon the break.
    let broken = format!("{} bytes", half.len());
    let part = archive_of(&LAYOUT[..2])?;
    for (answer, expected, word) in [
        (answer("200 OK", size, &body), SPair71k::ARCHIVE_SIZE, "expected 226961117"),
        (answer("200 OK", half.len(), half), size as u64, "bytes; expected"),
        (answer("200 OK", size, half), size as u64, &broken),
        (
            answer("200 OK", part.len(), &part),
            part.len() as u64,
            "no SPair-71k/Layout/large/test.txt",
        ),
        (answer("404 Not Found", 4, b"none"), size as u64, "404 Not Found"),
    ] {
        let folder = tempdir()?;
        let url = format!("{}/SPair-71k.tar.gz", serve(answer)?);
        let error = fetch_spair_from(&url, expected, folder.path(), |_| ()).expect_err(word);
        assert!(matches!(error, Error::Fetch { .. }), "{error:?}");
        let (message, place) = (error.to_string(), folder.path().display().to_string());
        for part in [word, &url, &place, "by hand"] {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
        assert_eq!(fs::read_dir(folder.path())?.count(), 0, "{word}");
    }
    Ok(())
}
