use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Learner;
use crate::record::{Row, replace_file};
use crate::{Error, Result};

/// Everything a run needs to go on: one safetensors file with the parameters, the optimiser's
/// moments, and this struct as JSON. The random state is the epoch (see the module's page).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub epoch: u32,
    pub rows: Vec<Row>,
    configuration: String,
}

const STATE: &str = "state.json";

impl Checkpoint {
    pub fn new(configuration: &str) -> Self {
        Self { epoch: 0, rows: Vec::new(), configuration: configuration.to_owned() }
    }

    /// Writes beside `path`, then renames: a reader sees the old file or the new one.
    pub fn save(&self, path: &Path, learner: &Learner) -> Result<()> {
        let mut tensors = tensors_of(learner);
        tensors.push((STATE.to_owned(), Tensor::from_slice(&serde_json::to_vec(self)?)));
        replace_file(path, |beside| {
            // tch reports a full disk, or a folder that may not be written, without its name.
            std::fs::File::create(beside).map_err(Error::io("create", beside))?;
            Tensor::write_safetensors(&tensors, beside).map_err(|error| Error::File {
                path: beside.to_path_buf(),
                problem: error.to_string(),
                cure: "free some space, or choose another folder".into(),
            })
        })
    }

    /// Reads `path` into `learner`.
    pub fn load(path: &Path, learner: &mut Learner, configuration: &str) -> Result<Self> {
        let damaged = |problem: String| Error::File {
            path: path.to_path_buf(),
            problem,
            cure: "remove the file, or start the run again without resuming it".into(),
        };
        // What the system refuses to read is not damaged.
        std::fs::File::open(path).map_err(Error::io("read", path))?;
        let read = Tensor::read_safetensors(path).map_err(|error| damaged(error.to_string()))?;
        let mut stored: HashMap<String, Tensor> = read.into_iter().collect();
        let state = stored.remove(STATE).ok_or_else(|| damaged(format!("no {STATE}")))?;
        let checkpoint: Self = serde_json::from_slice(&Vec::<u8>::try_from(&state)?)
            .map_err(|error| damaged(format!("{STATE}: {error}")))?;
        if checkpoint.configuration != configuration {
            return Err(damaged(format!(
                "made with another configuration ({} instead of {configuration})",
                checkpoint.configuration
            )));
        }
        let _no_grad = tch::no_grad_guard();
        for (name, mut tensor) in tensors_of(learner) {
            let source = stored.get(&name).ok_or_else(|| damaged(format!("no tensor {name}")))?;
            if source.size() != tensor.size() {
                return Err(damaged(format!("tensor {name} has shape {:?}", source.size())));
            }
            tensor.f_copy_(source)?;
        }
        Ok(checkpoint)
    }
}

fn tensors_of(learner: &Learner) -> Vec<(String, Tensor)> {
    let model = learner.variables.variables().into_iter();
    let mut tensors: Vec<_> =
        model.map(|(name, tensor)| (format!("model.{name}"), tensor)).collect();
    tensors.extend(learner.optimizer.state());
    tensors
}
