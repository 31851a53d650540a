//! Weights from files that PyTorch wrote.

use std::collections::HashMap;
use std::path::Path;

use tch::Tensor;

use crate::{Error, Result};

/// Replaces the values of `weights`, each under its name in the file: `.safetensors`, or `.pt`, `.pth`
/// or `.bin` as PyTorch writes it since 1.6 (a zip archive). `model` is what torchvision calls it.
///
/// All or none are replaced.
pub(super) fn replace(weights: Vec<(String, Tensor)>, file: &Path, model: &str) -> Result<()> {
    std::fs::File::open(file).map_err(Error::io("read", file))?;
    let wrong = |problem: String| Error::File {
        path: file.to_path_buf(),
        problem,
        cure: format!(
            "give the state_dict of torchvision.models.{model}, as .safetensors for instance \
             (in Python: safetensors.torch.save_file(model.state_dict(), path))"
        ),
    };
    let extension = file.extension().and_then(|extension| extension.to_str());
    let read = if matches!(extension, Some("pt" | "pth" | "bin")) {
        Tensor::loadz_multi(file)
    } else {
        Tensor::read_safetensors(file)
    };
    let read = read.map_err(|error| wrong(crate::error::first_line(&error)))?;
    let stored: HashMap<String, Tensor> = read.into_iter().collect();
    let mut pairs = Vec::new();
    for (name, weights) in weights {
        let Some(source) = stored.get(&name) else {
            return Err(wrong(format!("holds no tensor {name}")));
        };
        if source.size() != weights.size() {
            let (got, expected) = (source.size(), weights.size());
            return Err(wrong(format!("{name} has shape {got:?}; expected {expected:?}")));
        }
        pairs.push((weights, source));
    }
    let _no_grad = tch::no_grad_guard();
    for (mut weights, source) in pairs {
        weights.f_copy_(&source.f_to_kind(weights.kind())?)?;
    }
    Ok(())
}
