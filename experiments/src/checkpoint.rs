//! Checkpoints: everything an interrupted run needs to go on, in one `safetensors` file.
//!
//! | entry | what |
//! |---|---|
//! | tensor `parameters` | the network's flat parameters, padding included |
//! | tensors `optimizer.<name>` | the optimiser's running averages, in the same layout |
//! | tensor `feedback` | feedback weights, if they are adaptive |
//! | metadata `optimizer-updates` | updates the optimiser has made |
//! | metadata `log-bytes` | length of `log.jsonl` at this moment; what is beyond is written again |
//! | metadata `progress` | counters and running means, as JSON |
//!
//! Full precision, little-endian. Written to a temporary file that then takes the old one's place, so there is always
//! a whole checkpoint, wherever the run is stopped.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use eligibility::{Error, Network, Optimizer, Scalar};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// An element type as it lies in a file.
pub(crate) trait Element: Scalar {
    const DTYPE: Dtype;
    fn to_bytes(values: &[Self]) -> Vec<u8>;
    /// `bytes` holds exactly as many elements as `values`.
    fn from_bytes(bytes: &[u8], values: &mut [Self]);
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;
    fn to_bytes(values: &[Self]) -> Vec<u8> {
        values.iter().flat_map(|x| x.to_le_bytes()).collect()
    }
    fn from_bytes(bytes: &[u8], values: &mut [Self]) {
        for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
            *value = Self::from_le_bytes(*bytes);
        }
    }
}

impl Element for f64 {
    const DTYPE: Dtype = Dtype::F64;
    fn to_bytes(values: &[Self]) -> Vec<u8> {
        values.iter().flat_map(|x| x.to_le_bytes()).collect()
    }
    fn from_bytes(bytes: &[u8], values: &mut [Self]) {
        for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
            *value = Self::from_le_bytes(*bytes);
        }
    }
}

/// Whatever is trained: what of it goes into a checkpoint beside its progress.
pub(crate) trait Trained<T: Element> {
    fn network(&self) -> &Network<T>;
    fn optimizer(&self) -> &dyn Optimizer<T>;
    /// The same, to be restored.
    fn parts_mut(&mut self) -> (&mut Network<T>, &mut dyn Optimizer<T>);
    /// Feedback weights that change with the updates, if there are any.
    fn adaptive_feedback(&self) -> Option<&[T]> {
        None
    }
    /// Puts such weights back, of the same size.
    fn set_adaptive_feedback(&mut self, _weights: &[T]) -> Result<(), Error> {
        Ok(())
    }
}

/// Writes a checkpoint to `path`.
pub(crate) fn save<T: Element>(
    path: &Path,
    trained: &impl Trained<T>,
    progress: &impl Serialize,
    log_bytes: u64,
) -> Result<(), Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("cannot encode a checkpoint: {error}"));
    let mut tensors = vec![("parameters".to_owned(), T::to_bytes(trained.network().parameters()))];
    for (name, average) in trained.optimizer().averages() {
        tensors.push((format!("optimizer.{name}"), T::to_bytes(average)));
    }
    if let Some(feedback) = trained.adaptive_feedback() {
        tensors.push(("feedback".to_owned(), T::to_bytes(feedback)));
    }
    let mut views = Vec::with_capacity(tensors.len());
    for (name, bytes) in &tensors {
        let length = bytes.len() / size_of::<T>();
        views.push((name, TensorView::new(T::DTYPE, vec![length], bytes).map_err(|error| wrong(&error))?));
    }
    let layers = trained.network().layers();
    let metadata = HashMap::from([
        ("progress".to_owned(), serde_json::to_string(progress).map_err(|error| wrong(&error))?),
        ("optimizer-updates".to_owned(), trained.optimizer().updates().to_string()),
        ("log-bytes".to_owned(), log_bytes.to_string()),
        ("input".to_owned(), layers[0].input().to_string()),
        ("hidden".to_owned(), layers[0].output().to_string()),
        ("layers".to_owned(), layers.len().to_string()),
        ("output".to_owned(), trained.network().output().to_string()),
    ]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| wrong(&error))?;
    replace(path, &bytes)
}

/// Replaces a file as a whole: whoever looks finds the old content or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let temporary = path.with_extension("tmp");
    File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(Failure::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(Failure::io("replace", path))
}

/// A checkpoint as read.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    bytes: Vec<u8>,
    metadata: HashMap<String, String>,
}

impl Checkpoint {
    /// The checkpoint at `path`, if there is one.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Failure::io("read", path))?,
        };
        let (_, header) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| unusable(&format!("{} is damaged ({error})", path.display())))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok(Some(Self { bytes, metadata }))
    }

    /// Length of the log when this was written.
    pub(crate) fn log_bytes(&self) -> Result<u64, Failure> {
        self.number("log-bytes")
    }

    /// Counters and running means, whatever they are of.
    pub(crate) fn progress<P: DeserializeOwned>(&self) -> Result<P, Failure> {
        serde_json::from_str(self.entry("progress")?).map_err(|error| {
            unusable(&format!("entry `progress` of the checkpoint is not readable ({error})"))
        })
    }

    /// Puts weights and averages back, and returns the progress.
    pub(crate) fn restore<T: Element, P: DeserializeOwned>(
        &self,
        trained: &mut impl Trained<T>,
    ) -> Result<P, Failure> {
        let tensors = SafeTensors::deserialize(&self.bytes)
            .map_err(|error| unusable(&format!("the checkpoint is damaged ({error})")))?;
        let read = |name: &str, values: &mut [T]| {
            let tensor = tensors
                .tensor(name)
                .map_err(|_| unusable(&format!("the checkpoint has no tensor `{name}`")))?;
            if tensor.dtype() != T::DTYPE || tensor.shape() != [values.len()] {
                let (expected, found) = (values.len(), tensor.shape());
                return Err(unusable(&format!(
                    "tensor `{name}` of the checkpoint should be {} x {expected}, but is {} x {found:?}",
                    T::DTYPE,
                    tensor.dtype(),
                )));
            }
            T::from_bytes(tensor.data(), values);
            Ok(())
        };
        let (network, optimizer) = trained.parts_mut();
        read("parameters", network.parameters_mut())?;
        let (updates, averages) = optimizer.averages_mut();
        *updates = self.number("optimizer-updates")?;
        for (name, average) in averages {
            read(&format!("optimizer.{name}"), average)?;
        }
        if let Some(feedback) = trained.adaptive_feedback() {
            let mut feedback = feedback.to_vec();
            read("feedback", &mut feedback)?;
            trained.set_adaptive_feedback(&feedback)?;
        }
        self.progress()
    }

    fn entry(&self, key: &str) -> Result<&String, Failure> {
        self.metadata.get(key).ok_or_else(|| unusable(&format!("the checkpoint has no entry `{key}`")))
    }

    fn number(&self, key: &str) -> Result<u64, Failure> {
        let text = self.entry(key)?;
        (text.parse()).map_err(|_| {
            unusable(&format!("entry `{key}` of the checkpoint should be a number, but is `{text}`"))
        })
    }
}

fn unusable(what: &str) -> Failure {
    Failure::new(format!("{what}: cannot resume; start over with --fresh, or give another --out"))
}
