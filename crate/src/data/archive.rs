//! Archives, of problem instances in a repository of research data and of pairs of pictures: downloaded,
//! checked and unpacked in one go.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use md5::{Digest, Md5};
use reqwest::blocking::Response;
use serde_json::Value;

use super::fetch::{chain, client, failure};
use super::{InstanceSet, SPair71k};
use crate::record::make_folder;
use crate::{Error, Result};

/// What the repository says of a file.
#[derive(Debug)]
struct Listed {
    name: String,
    id: u64,
    size: u64,
    md5: String,
}

/// Makes the published instances of all sizes of `set` present in `data_folder`, with lines to
/// `report`. Instances that are there are left alone.
///
/// The repository (Dataverse) is asked for the address, size and MD5 of the archive, which is unpacked
/// as it arrives and takes its place only if both are right; those of Warcraft also have to be the
/// ones known. `SOLVERGRAD_EDMOND_URL` names a mirror; proxies are taken from the environment.
///
/// # Errors
/// [`Error::Fetch`] with the manual steps, [`Error::Io`] when the folder cannot be written. Nothing is
/// left of a download that failed.
///
/// ```no_run
/// use solvergrad::data::{InstanceSet, data_folder, fetch_instances};
///
/// fetch_instances(InstanceSet::Warcraft, &data_folder(), |line| println!("{line}"))?;
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn fetch_instances(
    set: InstanceSet,
    data_folder: &Path,
    report: impl FnMut(&str),
) -> Result<()> {
    let mirror = std::env::var("SOLVERGRAD_EDMOND_URL").ok().filter(|url| !url.is_empty());
    fetch_instances_from(mirror.as_deref().unwrap_or(SERVER), set, data_folder, report)
}

const SERVER: &str = "https://edmond.mpg.de";

/// The same from the Dataverse server at `base`.
///
/// # Errors
/// As [`fetch_instances`].
pub fn fetch_instances_from(
    base: &str,
    set: InstanceSet,
    data_folder: &Path,
    mut report: impl FnMut(&str),
) -> Result<()> {
    let folder = set.folder(data_folder);
    if folder.is_dir() {
        report(&format!("{} is there already", folder.display()));
        return Ok(());
    }
    let base = base.trim_end_matches('/');
    let client = client(base).map_err(|error| failure(base, data_folder, chain(&error)))?;
    let get = |url: &str| {
        let fail = |problem: String| failure(url, data_folder, problem);
        let response = client.get(url).send().map_err(|error| fail(chain(&error.without_url())))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(fail(format!("the server answers {status}"))),
        }
    };

    let listing =
        format!("{base}/api/datasets/:persistentId/?persistentId=doi:{}", InstanceSet::DOI);
    let text = get(&listing)?
        .text()
        .map_err(|error| failure(&listing, data_folder, chain(&error.without_url())))?;
    let file = choose(set, &text).map_err(|problem| failure(&listing, data_folder, problem))?;

    let url = format!("{base}/api/access/datafile/{}", file.id);
    report(&format!("fetching {url}: {} ({} bytes)", file.name, file.size));
    let response = get(&url)?;
    let sizes = set.sizes().map(|k| set.size_folder(k));
    let wanted = |names: &[PathBuf]| {
        let start = names.iter().position(|name| sizes.iter().any(|size| Path::new(size) == name));
        start.map(|start| names[start..].iter().collect())
    };
    let needed = |_: &Path, count: usize| match count {
        0 => Err(format!("{} holds no {}", file.name, sizes[0])),
        _ => Ok(()),
    };
    let expected = Expected { url: &url, size: file.size, md5: Some(&file.md5) };
    let count = install(response, &expected, data_folder, &folder, wanted, needed)?;
    report(&format!("{count} files in {}", folder.display()));
    Ok(())
}

/// Makes the pairs of SPair-71k present in `data_folder`, with lines to `report`. A folder that is there
/// is left alone.
///
/// The archive is unpacked as it arrives and takes its place only if it has the size that is known; no
/// sum of it is published. `SOLVERGRAD_SPAIR_URL` names a mirror of the archive; proxies are taken from
/// the environment.
///
/// # Errors
/// [`Error::Fetch`] with the manual steps, [`Error::Io`] when the folder cannot be written. Nothing is
/// left of a download that failed.
///
/// ```no_run
/// use solvergrad::data::{data_folder, fetch_spair};
///
/// fetch_spair(&data_folder(), |line| println!("{line}"))?;
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn fetch_spair(data_folder: &Path, report: impl FnMut(&str)) -> Result<()> {
    let mirror = std::env::var("SOLVERGRAD_SPAIR_URL").ok().filter(|url| !url.is_empty());
    let published = format!("{}data/{}", SPair71k::SOURCE, SPair71k::ARCHIVE);
    let url = mirror.unwrap_or(published);
    fetch_spair_from(&url, SPair71k::ARCHIVE_SIZE, data_folder, report)
}

/// The same from the archive at `url`, which has `size` bytes.
///
/// # Errors
/// As [`fetch_spair`].
pub fn fetch_spair_from(
    url: &str,
    size: u64,
    data_folder: &Path,
    mut report: impl FnMut(&str),
) -> Result<()> {
    let folder = data_folder.join("SPair-71k");
    if folder.is_dir() {
        report(&format!("{} is there already", folder.display()));
        return Ok(());
    }
    let fail = |problem: String| failure(url, data_folder, problem);
    let client = client(url).map_err(|error| fail(chain(&error)))?;
    report(&format!("fetching {url} ({size} bytes)"));
    let response = client.get(url).send().map_err(|error| fail(chain(&error.without_url())))?;
    if !response.status().is_success() {
        return Err(fail(format!("the server answers {}", response.status())));
    }
    let wanted = |names: &[PathBuf]| {
        let start = names.iter().position(|name| name == Path::new("SPair-71k"))? + 1;
        let last = names.last()?.to_string_lossy();
        // What another system leaves beside the files of an archive.
        (start < names.len() && !last.starts_with("._")).then(|| names[start..].iter().collect())
    };
    let needed = |folder: &Path, _: usize| {
        let absent = SPair71k::PARTS
            .map(|part| format!("Layout/large/{part}.txt"))
            .into_iter()
            .find(|name| !folder.join(name).is_file());
        absent.map_or(Ok(()), |name| Err(format!("the archive holds no SPair-71k/{name}")))
    };
    let expected = Expected { url, size, md5: None };
    let count = install(response, &expected, data_folder, &folder, wanted, needed)?;
    report(&format!("{count} files in {}", folder.display()));
    Ok(())
}

// What an archive has to be.
struct Expected<'a> {
    url: &'a str,
    size: u64,
    md5: Option<&'a str>,
}

// Unpacks what is wanted of the archive that `response` brings, and returns the number of files.
fn install(
    response: Response,
    expected: &Expected<'_>,
    data_folder: &Path,
    folder: &Path,
    wanted: impl Fn(&[PathBuf]) -> Option<PathBuf>,
    needed: impl Fn(&Path, usize) -> std::result::Result<(), String>,
) -> Result<usize> {
    let fail = |problem: String| failure(expected.url, data_folder, problem);
    let mut files = 0;
    make_folder(folder, |beside| {
        let mut body = Hashed { reader: response, hash: Md5::new(), size: 0 };
        // A broken connection looks like a broken archive from inside: the sum tells them apart.
        let unpacked = unpack(&mut body, beside, wanted);
        let rest = std::io::copy(&mut body, &mut std::io::sink());
        if let Err(error) = rest {
            return Err(fail(format!("the connection broke after {} bytes: {error}", body.size)));
        }
        if body.size != expected.size {
            return Err(fail(format!("got {} bytes; expected {}", body.size, expected.size)));
        }
        let digest = format!("{:x}", body.hash.finalize());
        if let Some(md5) = expected.md5.filter(|md5| *md5 != digest) {
            return Err(fail(format!("the content has MD5 {digest}; expected {md5}")));
        }
        files = unpacked?;
        needed(beside, files).map_err(fail)
    })?;
    Ok(files)
}

// The archive among the files that the repository lists.
fn choose(set: InstanceSet, listing: &str) -> std::result::Result<Listed, String> {
    let listing: Value =
        serde_json::from_str(listing).map_err(|error| format!("the list is no JSON: {error}"))?;
    let files = listing["data"]["latestVersion"]["files"].as_array();
    let files: Vec<Listed> = files
        .into_iter()
        .flatten()
        .filter_map(|file| {
            let file = &file["dataFile"];
            Some(Listed {
                name: file["filename"].as_str()?.to_owned(),
                id: file["id"].as_u64()?,
                size: file["filesize"].as_u64()?,
                md5: file["md5"].as_str()?.to_lowercase(),
            })
        })
        .collect();
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let file = files.into_iter().find(|file| file.name == set.archive()).ok_or_else(|| {
        format!("there is no {} among its files: {}", set.archive(), names.join(", "))
    })?;
    match set.known_archive() {
        Some((size, md5)) if (file.size, file.md5.as_str()) != (size, md5) => Err(format!(
            "{} has {} bytes and MD5 {}; expected {size} bytes and {md5}",
            file.name, file.size, file.md5
        )),
        _ => Ok(file),
    }
}

// Unpacks the files for which `wanted` has a name within `folder`, and returns their number.
fn unpack(
    archive: &mut impl Read,
    folder: &Path,
    wanted: impl Fn(&[PathBuf]) -> Option<PathBuf>,
) -> Result<usize> {
    let fault = Error::io("unpack an archive into", folder);
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let mut count = 0;
    let mut write = || -> std::io::Result<usize> {
        for entry in archive.entries()? {
            let mut entry = entry?;
            // Names alone: no path leads out of the folder.
            let names: Vec<PathBuf> = entry
                .path()?
                .components()
                .filter_map(|part| match part {
                    Component::Normal(name) => Some(name.into()),
                    _ => None,
                })
                .collect();
            let (Some(target), true) = (wanted(&names), entry.header().entry_type().is_file())
            else {
                continue;
            };
            let target = folder.join(target);
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::io::copy(&mut entry, &mut std::fs::File::create(&target)?)?;
            count += 1;
        }
        Ok(count)
    };
    write().map_err(fault)
}

// Counts and sums what is read through it.
struct Hashed<R> {
    reader: R,
    hash: Md5,
    size: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
