//! Downloads: each file is written beside its target, checked, and only then given its name.

use std::error::Error as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use sha2::{Digest, Sha256};

use super::verify::{content_problem, hex};
use super::{FileSpec, ImageSet, verify};
use crate::record::write_atomically;
use crate::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest time without a single byte.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes `set` present in `data_folder`, with one line to `report` for each file.
///
/// Files that are there and intact are left alone. The address of MNIST can be replaced by the
/// environment variable `SOLVERGRAD_MNIST_URL`; proxies are taken from the environment.
///
/// # Errors
/// [`Error::Fetch`] with the manual steps, [`Error::Io`] when the folder cannot be written, and
/// [`Error::MissingData`] for a set that is installed rather than downloaded.
///
/// ```no_run
/// use solvergrad::data::{ImageSet, data_folder, fetch};
///
/// fetch(ImageSet::Mnist, &data_folder(), |line| println!("{line}"))?;
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn fetch(set: ImageSet, data_folder: &Path, mut report: impl FnMut(&str)) -> Result<()> {
    match set {
        ImageSet::FashionMnist => {
            for file in verify(set, data_folder)? {
                match (file.path, file.problem) {
                    (Some(path), Some(problem)) => {
                        let cure = "delete it: the image has an intact one".to_owned();
                        return Err(Error::File { path, problem, cure });
                    }
                    (None, _) => return Err(set.missing(data_folder)),
                    _ => {}
                }
            }
            report("fashion-mnist is part of the image and intact: nothing to fetch");
            Ok(())
        }
        ImageSet::Mnist => {
            let base = std::env::var("SOLVERGRAD_MNIST_URL").ok().filter(|url| !url.is_empty());
            let base = base.as_deref().unwrap_or(set.source());
            fetch_from(base, set.files(), &data_folder.join(set.name()), report)
        }
    }
}

/// Downloads the compressed form of `files` from below `base` into `folder`.
///
/// # Errors
/// [`Error::Fetch`] with the manual steps, [`Error::Io`] when the folder cannot be written. Files
/// completed before the error stay; nothing is left of the others.
pub fn fetch_from(
    base: &str,
    files: &[FileSpec],
    folder: &Path,
    mut report: impl FnMut(&str),
) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let client = client(base).map_err(|error| failure(base, folder, chain(&error)))?;
    for file in files {
        if let Some(path) = file.find(folder)
            && content_problem(file, &path)?.is_none()
        {
            report(&format!("{} is there already", path.display()));
            continue;
        }
        let name = file.gz_name();
        let url = format!("{}/{name}", base.trim_end_matches('/'));
        report(&format!("fetching {url} ({} bytes)", file.gz_size));
        download(&client, &url, file, folder)?;
    }
    Ok(())
}

pub(super) fn client(base: &str) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(STALL_TIMEOUT)
        .user_agent(concat!("solvergrad/", env!("CARGO_PKG_VERSION")));
    // A proxy is no way to a server on this machine.
    let local = ["http://127.0.0.1", "http://localhost"].iter().any(|host| base.starts_with(host));
    if local { builder.no_proxy() } else { builder }.build()
}

fn download(client: &Client, url: &str, file: &FileSpec, folder: &Path) -> Result<()> {
    let fail = |problem: String| failure(url, folder, problem);
    let response = client.get(url).send().map_err(|error| fail(chain(&error.without_url())))?;
    if !response.status().is_success() {
        return Err(fail(format!("the server answers {}", response.status())));
    }
    let target = folder.join(file.gz_name());
    write_atomically(&target, |part| {
        let digest = receive(response, file, part, &target, &fail)?;
        if digest == file.gz_sha256 {
            return Ok(());
        }
        let expected = file.gz_sha256;
        Err(fail(format!("the content has SHA-256 {digest}; expected {expected}")))
    })
}

/// Writes the body of `response` to `part` and returns its digest; `path` is its later name.
fn receive(
    mut response: Response,
    file: &FileSpec,
    part: &mut File,
    path: &Path,
    fail: &dyn Fn(String) -> Error,
) -> Result<String> {
    let mut hash = Sha256::new();
    let mut received = 0_u64;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = response.read(&mut buffer).map_err(|error| {
            let reason = error.source().map_or_else(|| error.to_string(), chain);
            fail(format!("the connection broke after {received} bytes: {reason}"))
        })?;
        if count == 0 {
            break;
        }
        received += count as u64;
        if received > file.gz_size {
            return Err(fail(format!("the server sends more than {} bytes", file.gz_size)));
        }
        hash.update(&buffer[..count]);
        part.write_all(&buffer[..count]).map_err(Error::io("write", path))?;
    }
    if received < file.gz_size {
        return Err(fail(format!("got {received} bytes; expected {}", file.gz_size)));
    }
    Ok(hex(hash))
}

pub(super) fn failure(url: &str, folder: &Path, problem: String) -> Error {
    let cure = format!(
        "try again, set HTTPS_PROXY if there is a proxy, or download it by hand into {}",
        folder.display()
    );
    Error::Fetch { url: url.to_owned(), problem, cure }
}

/// The messages of an error and its causes, as reqwest's own says little.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
