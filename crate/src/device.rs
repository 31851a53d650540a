//! The device experiments run on.

use std::ffi::CStr;
use std::sync::OnceLock;

use tch::{Cuda, Device, Kind, Tensor};

use crate::{Error, Result};

/// The environment variable that chooses: `auto` (default), `cpu` or `cuda`.
pub const VARIABLE: &str = "SOLVERGRAD_DEVICE";

/// The device to use, by `SOLVERGRAD_DEVICE`: `auto` takes CUDA where libtorch and the machine
/// have it, `cpu` and `cuda` insist.
///
/// # Errors
/// [`Error::Configuration`] with the cure when `cuda` was asked for and cannot be had, and for any
/// other value.
///
/// ```
/// let device = solvergrad::device::device()?;
/// let zeros = tch::Tensor::zeros([3], (tch::Kind::Float, device));
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn device() -> Result<Device> {
    chosen(&std::env::var(VARIABLE).unwrap_or_default(), cuda_available)
        .map_err(|problem| Error::Configuration { variable: VARIABLE.into(), problem })
}

fn chosen(wanted: &str, available: impl Fn() -> bool) -> std::result::Result<Device, String> {
    match wanted {
        "cpu" => Ok(Device::Cpu),
        "" | "auto" => Ok(if available() { Device::Cuda(0) } else { Device::Cpu }),
        "cuda" if available() => Ok(Device::Cuda(0)),
        "cuda" if opened() => {
            Err("`cuda` was asked for, but no GPU is visible: install the NVIDIA \
             driver and container toolkit on the host and start with `docker compose --profile \
             cuda up`"
                .into())
        }
        "cuda" => Err("`cuda` was asked for, but this image has the CPU libtorch: start with \
             `docker compose --profile cuda up`"
            .into()),
        other => Err(format!("`{other}` is no device: use auto, cpu or cuda")),
    }
}

/// Whether tensors can live on a GPU.
pub fn cuda_available() -> bool {
    opened() && Cuda::is_available()
}

/// Calls libtorch's elementwise functions once, by one thread. Without it the first loss of a busy process
/// was sometimes another one, by 1e-5 of it: presumably where two threads made the first call of a function
/// that chooses its code there.
pub(crate) fn settle_mathematics() {
    static SETTLED: OnceLock<()> = OnceLock::new();
    SETTLED.get_or_init(|| {
        for kind in [Kind::Float, Kind::Double] {
            let x = Tensor::full([64], 0.5, (kind, Device::Cpu));
            let _ = [
                x.exp(),
                x.expm1(),
                x.log(),
                x.log1p(),
                x.log2(),
                x.log10(),
                x.sqrt(),
                x.sin(),
                x.cos(),
                x.tan(),
                x.asin(),
                x.acos(),
                x.atan(),
                x.sinh(),
                x.cosh(),
                x.tanh(),
                x.erf(),
                x.erfc(),
                x.erfinv(),
                x.lgamma(),
                x.sigmoid(),
                x.softmax(-1, None),
            ];
        }
    });
}

// Programs link only the CPU part of libtorch. Its CUDA part registers itself when opened, so one
// binary serves machines with and without it.
fn opened() -> bool {
    static OPENED: OnceLock<bool> = OnceLock::new();
    *OPENED.get_or_init(|| open(c"libtorch_cuda.so"))
}

fn open(library: &CStr) -> bool {
    // SAFETY: a library of libtorch; its initialisers run on open, as when linked.
    !unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) }.is_null()
}

/// The device in words, with the reason where a GPU is not used.
pub fn describe() -> String {
    match device() {
        Ok(Device::Cuda(index)) => format!("cuda:{index} ({} visible)", Cuda::device_count()),
        Ok(_) if cuda_available() => format!("cpu ({VARIABLE}=cpu; a GPU is present)"),
        Ok(_) => format!("cpu, {} threads", tch::get_num_threads()),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_decides() {
        assert_eq!(chosen("cpu", || true), Ok(Device::Cpu));
        assert_eq!(chosen("", || true), Ok(Device::Cuda(0)));
        assert_eq!(chosen("auto", || false), Ok(Device::Cpu));
        assert_eq!(chosen("cuda", || true), Ok(Device::Cuda(0)));
        let message = |wanted| chosen(wanted, || false).err().unwrap_or_default();
        assert!(message("cuda").contains("--profile cuda"));
        assert!(message("CPU").contains("use auto, cpu or cuda"));
    }
}
