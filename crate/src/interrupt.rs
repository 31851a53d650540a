//! Stopping a computation without losing what it has.
//!
//! Interrupting a cell of a notebook sets a flag. Training loops and solvers look at it after each
//! step; so can any loop of a notebook:
//!
//! ```
//! use solvergrad::interrupt;
//!
//! for step in 0..1000 {
//!     if interrupt::requested() {
//!         break;
//!     }
//!     // one step of the work
//! # let _ = step;
//! }
//! ```
//!
//! A cell that never looks is ended by force after three seconds, and its variables are lost.

use crate::{Error, Result};

/// Whether the running cell has been interrupted. The flag stays set until the cell ends. Takes
/// nanoseconds.
pub fn requested() -> bool {
    crate::gradient::bridge::interrupt_requested()
}

/// [`Error::Interrupted`] where [`requested`].
///
/// # Errors
/// Exactly then; `what` names what was going on.
pub fn check(what: &'static str) -> Result<()> {
    if requested() { Err(Error::Interrupted(what)) } else { Ok(()) }
}
