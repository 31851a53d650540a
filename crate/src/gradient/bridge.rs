//! The bridge to libtorch's autograd: an operation whose backward pass is a Rust closure.
//!
//! tch has no custom autograd function; `crate/shim/autograd.cpp` adds one. This module is the
//! only one with `unsafe` code.

use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

type Backward = Box<dyn Fn(Tensor) -> Result<Tensor> + Send>;
type RawTensor = *mut c_void;
type Message = *mut c_char;

#[link(name = "solvergrad_shim", kind = "dylib")]
unsafe extern "C" {
    fn solvergrad_replace_gradient(
        input: RawTensor,
        output: RawTensor,
        closure: *mut c_void,
        backward: extern "C" fn(*mut c_void, RawTensor, *mut RawTensor) -> Message,
        drop: extern "C" fn(*mut c_void),
        release: extern "C" fn(Message),
        result: *mut RawTensor,
    ) -> Message;

    fn solvergrad_interrupt_requested() -> std::ffi::c_int;

    fn solvergrad_start_counting_waits() -> u64;

    fn solvergrad_stop_counting_waits(handle: u64) -> i64;

    fn solvergrad_clear_gradients(tensors: *const RawTensor, count: i64) -> Message;

    fn solvergrad_adam(
        parameters: *const RawTensor,
        gradients: *const RawTensor,
        first: *const RawTensor,
        second: *const RawTensor,
        steps: *const RawTensor,
        count: i64,
        learning_rate: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
    ) -> Message;
}

/// `output` as a differentiable function of `input` whose backward pass is `backward`.
///
/// `backward` receives dL/d`output` and returns dL/d`input`; it runs without recording a graph, on
/// the device and thread of autograd's choice, once per backward pass through this node. An error
/// or a panic in it fails the `backward()` call of the loss with its message. The closure is
/// dropped with the graph. The result shares the memory of `output`, which must not be a view of
/// `input`. There is no second derivative: a backward pass that records a graph is refused.
///
/// # Errors
/// [`Error::Torch`] when libtorch refuses the operation.
pub fn replace_gradient(
    input: &Tensor,
    output: &Tensor,
    backward: impl Fn(Tensor) -> Result<Tensor> + Send + 'static,
) -> Result<Tensor> {
    let shape = input.size();
    let boxed: Backward = Box::new(move |gradient| {
        let answer = backward(gradient)?;
        if answer.size() == shape {
            return Ok(answer);
        }
        Err(Error::Shape {
            what: "the answer of a gradient rule",
            got: format!("{:?}", answer.size()),
            expected: format!("{shape:?}, as the costs"),
        })
    });
    let closure = Box::into_raw(Box::new(boxed)).cast();
    let mut result: RawTensor = std::ptr::null_mut();
    // SAFETY: the tensors outlive the call. The shim owns `closure` from here on and passes it to
    // `drop_closure` exactly once, also on failure.
    let message = unsafe {
        solvergrad_replace_gradient(
            raw(input),
            raw(output),
            closure,
            call_closure,
            drop_closure,
            release_message,
            &mut result,
        )
    };
    check(message)?;
    // SAFETY: on success `result` is a tensor that the shim allocated and hands over.
    Ok(unsafe { Tensor::from_ptr(result.cast()) })
}

extern "C" fn call_closure(
    closure: *mut c_void,
    gradient: RawTensor,
    result: *mut RawTensor,
) -> Message {
    // SAFETY: the shim hands over ownership of `gradient`, and `closure` is the box made above.
    let (gradient, closure) =
        unsafe { (Tensor::from_ptr(gradient.cast()), &*closure.cast::<Backward>()) };
    let problem = match catch_unwind(AssertUnwindSafe(|| closure(gradient))) {
        Ok(Ok(answer)) => {
            // SAFETY: `result` points to a place for one tensor, which the shim then owns.
            unsafe { *result = raw(&answer) };
            std::mem::forget(answer);
            return std::ptr::null_mut();
        }
        Ok(Err(error)) => error.to_string(),
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            format!("a gradient rule panicked: {}", text.unwrap_or("no message"))
        }
    };
    CString::new(problem.replace('\0', " ")).unwrap_or_default().into_raw()
}

extern "C" fn drop_closure(closure: *mut c_void) {
    // SAFETY: called once, with the box made in `replace_gradient`.
    let closure = unsafe { Box::from_raw(closure.cast::<Backward>()) };
    // What a closure owns may panic on drop; there is nobody left to tell.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(closure)));
}

extern "C" fn release_message(message: Message) {
    // SAFETY: made by `CString::into_raw` in `call_closure`.
    drop(unsafe { CString::from_raw(message) });
}

/// One step of Adam, in place and on all tensors at once.
///
/// With t = `steps` + 1: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²,
/// w ← w − η · (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε). The five slices are parallel: parameters,
/// gradients, first moments, second moments, and step counts (float32 scalars). Nothing happens
/// for empty lists.
///
/// # Errors
/// [`Error::Shape`] for lists that are not parallel, [`Error::Torch`] when libtorch refuses, for
/// instance for tensors on different devices.
#[allow(clippy::too_many_arguments)]
pub(crate) fn adam_step(
    parameters: &[Tensor],
    gradients: &[Tensor],
    first: &[Tensor],
    second: &[Tensor],
    steps: &[Tensor],
    learning_rate: f64,
    betas: (f64, f64),
    epsilon: f64,
) -> Result<()> {
    // The fused kernel walks raw memory: it checks neither shapes nor strides.
    let gradients: Vec<Tensor> = gradients.iter().map(Tensor::contiguous).collect();
    let unlike = |list: &[Tensor]| {
        let pairs = parameters.iter().zip(list);
        list.len() != parameters.len()
            || pairs
                .into_iter()
                .any(|(a, b)| a.size() != b.size() || a.kind() != b.kind() || !b.is_contiguous())
    };
    if [parameters, &gradients, first, second].into_iter().any(unlike)
        || steps.len() != parameters.len()
    {
        return Err(Error::Shape {
            what: "the lists of Adam",
            got: format!("{:?}", gradients.iter().map(Tensor::size).collect::<Vec<_>>()),
            expected: format!(
                "{:?}, contiguous, as the parameters",
                parameters.iter().map(Tensor::size).collect::<Vec<_>>()
            ),
        });
    }
    if parameters.is_empty() {
        return Ok(());
    }
    let lists = [parameters, &gradients, first, second, steps]
        .map(|list| list.iter().map(raw).collect::<Vec<_>>());
    // SAFETY: the lists hold `parameters.len()` live tensors each.
    check(unsafe {
        solvergrad_adam(
            lists[0].as_ptr(),
            lists[1].as_ptr(),
            lists[2].as_ptr(),
            lists[3].as_ptr(),
            lists[4].as_ptr(),
            parameters.len() as i64,
            learning_rate,
            betas.0,
            betas.1,
            epsilon,
        )
    })
}

/// Whether the running cell has been interrupted; counts as looking at it.
pub(crate) fn interrupt_requested() -> bool {
    // SAFETY: no arguments; reads one int of the shim and writes another.
    unsafe { solvergrad_interrupt_requested() != 0 }
}

/// `body` on the numbers of two contiguous float32 tensors in the host's memory, of equal length, where
/// they are: without a copy. `output` must be new, so that nobody else reads it.
///
/// # Errors
/// [`Error::Shape`] for other tensors, and what `body` reports.
pub(crate) fn on_floats(
    input: &Tensor,
    output: &Tensor,
    body: impl FnOnce(&[f32], &mut [f32]) -> Result<()>,
) -> Result<()> {
    let plain = |tensor: &Tensor| {
        tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous()
    };
    let count = input.numel();
    if !(plain(input) && plain(output) && output.numel() == count) {
        return Err(Error::Shape {
            what: "the tensors of a solver on the host",
            got: format!("{input:?} and {output:?}"),
            expected: "contiguous float32 of equal length".into(),
        });
    }
    if count == 0 {
        return body(&[], &mut []);
    }
    // SAFETY: both tensors are alive and hold `count` contiguous floats; `output` is new, so that its
    // memory is neither `input`'s nor anyone else's.
    let (input, output) = unsafe {
        (
            std::slice::from_raw_parts(input.data_ptr().cast::<f32>(), count),
            std::slice::from_raw_parts_mut(output.data_ptr().cast::<f32>(), count),
        )
    };
    body(input, output)
}

/// Counts the times that the host waits for a device, see [`crate::check::host_waits`].
pub(crate) struct WaitCounter(u64);

impl WaitCounter {
    pub(crate) fn start() -> Self {
        // SAFETY: no arguments; registers a callback that lives in the shim.
        Self(unsafe { solvergrad_start_counting_waits() })
    }

    pub(crate) fn stop(self) -> i64 {
        let handle = self.0;
        std::mem::forget(self);
        // SAFETY: the handle is that of `start`, given back once.
        unsafe { solvergrad_stop_counting_waits(handle) }
    }
}

impl Drop for WaitCounter {
    fn drop(&mut self) {
        // SAFETY: as in `stop`, which forgets the counter; here what was counted panicked.
        unsafe { solvergrad_stop_counting_waits(self.0) };
    }
}

/// Unsets the gradients of `tensors`: one that takes no part in the next graph has none then.
///
/// # Errors
/// [`Error::Torch`] when libtorch refuses.
pub(crate) fn clear_gradients(tensors: &[Tensor]) -> Result<()> {
    let list: Vec<RawTensor> = tensors.iter().map(raw).collect();
    // SAFETY: the list holds `list.len()` live tensors.
    check(unsafe { solvergrad_clear_gradients(list.as_ptr(), list.len() as i64) })
}

fn raw(tensor: &Tensor) -> RawTensor {
    tensor.as_ptr().cast_mut().cast()
}

fn check(message: Message) -> Result<()> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: the shim returns null or a string from strdup, released here.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        libc::free(message.cast());
        text
    };
    Err(Error::Torch(tch::TchError::Torch(text)))
}
