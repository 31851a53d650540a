//! The integers that the algorithm runs on.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Shr, Sub, SubAssign};

/// `i64`, or `i128` for costs that span too many magnitudes.
pub(super) trait Number:
    Copy
    + Debug
    + Ord
    + Add<Output = Self>
    + AddAssign
    + Shr<u32, Output = Self>
    + Sub<Output = Self>
    + SubAssign
{
    const ZERO: Self;
    const MAX: Self;
    /// Bits of the magnitude.
    const BITS: i32;
    /// Most bits that [`round`](Self::round) can bring.
    const MAX_COST_BITS: i32;

    /// The integer nearest to `value`, and whether it is `value` itself.
    fn round(value: f64) -> (Self, bool);

    fn wide(self) -> i128;
}

/// 1.5 · 2^52: adding it to a number of at most 2^51 rounds that number to an integer, which the
/// last bits of the sum then hold.
const ROUNDING: f64 = 6_755_399_441_055_744.0;

impl Number for i64 {
    const ZERO: Self = 0;
    const MAX: Self = Self::MAX;
    const BITS: i32 = 63;
    const MAX_COST_BITS: i32 = 51;

    #[inline]
    fn round(value: f64) -> (Self, bool) {
        let shifted = value + ROUNDING;
        let integer = shifted.to_bits() as Self - ROUNDING.to_bits() as Self;
        (integer, shifted - ROUNDING == value)
    }

    fn wide(self) -> i128 {
        self.into()
    }
}

impl Number for i128 {
    const ZERO: Self = 0;
    const MAX: Self = Self::MAX;
    const BITS: i32 = 127;
    const MAX_COST_BITS: i32 = 120;

    fn round(value: f64) -> (Self, bool) {
        let integer = value.round();
        (integer as Self, integer == value)
    }

    fn wide(self) -> i128 {
        self
    }
}
