use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::Tensor;

use crate::{Error, Result};

/// Each entry of `input` is 0 with probability `share`, to the nearest 1/65536, else divided by
/// 1 − `share`: for training only, where it keeps the mean.
///
/// The same `seed` drops the same entries on every device and with any number of threads.
///
/// ```
/// use solvergrad::{model::dropout, prelude::*};
///
/// let ones = Tensor::ones([100, 100], (Kind::Float, Device::Cpu));
/// let dropped = dropout(&ones, 0.2, 7)?;
/// assert_eq!(dropped.max().double_value(&[]), 1.25);
/// assert!((dropped.mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.05);
/// # Ok::<(), solvergrad::Error>(())
/// ```
///
/// Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014.
///
/// # Errors
/// [`Error::Parameter`] unless 0 <= `share` < 1 and `input` is of a floating-point kind.
pub fn dropout(input: &Tensor, share: f64, seed: u64) -> Result<Tensor> {
    if !(0.0..1.0).contains(&share) {
        return Err(Error::parameter("the share of a dropout", share, "0 <= share < 1"));
    }
    crate::gradient::check_floating("the kind of what a dropout takes", input.kind())?;
    // Every block has its own stream of the generator: the values do not depend on who draws them.
    const BLOCK: usize = 1 << 14;
    let bound = (share * 65536.0).round() as u32;
    let kept = (1.0 / (1.0 - share)) as f32;
    let mut factors = vec![0f32; input.numel()];
    factors.par_chunks_mut(BLOCK).enumerate().for_each(|(stream, block)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream as u64);
        let mut bytes = vec![0; 2 * block.len()];
        rng.fill_bytes(&mut bytes);
        let (pairs, _) = bytes.as_chunks::<2>();
        for (factor, &pair) in block.iter_mut().zip(pairs) {
            *factor = if u32::from(u16::from_le_bytes(pair)) < bound { 0.0 } else { kept };
        }
    });
    let factors = Tensor::f_from_slice(&factors)?.f_view_as(input)?;
    let factors = factors.f_to_kind(input.kind())?.f_to_device(input.device())?;
    Ok(input.f_mul(&factors)?)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn drops_its_share_by_seed_and_has_a_gradient() -> Result<()> {
        let ones = Tensor::ones([200, 500], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let dropped = dropout(&ones, 0.3, 1)?;
        let share = dropped.eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        // Five deviations of a mean of 100 000.
        assert!((share - 0.3).abs() < 5.0 * (0.3 * 0.7 / 1e5_f64).sqrt(), "{share}");
        dropped.sum(Kind::Float).backward();
        assert!(ones.grad().equal(&dropped.detach()));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
        let alone = pool.install(|| {
            let ones = Tensor::ones([200, 500], (Kind::Float, Device::Cpu));
            dropout(&ones, 0.3, 1)
        })?;
        assert!(alone.equal(&dropped));
        assert!(!dropout(&ones, 0.3, 2)?.equal(&dropped));
        assert!(dropout(&ones, 0.0, 1)?.equal(&ones));
        for bad in [-0.1, 1.0, f64::NAN] {
            assert!(matches!(dropout(&ones, bad, 1), Err(Error::Parameter { .. })));
        }
        Ok(())
    }
}
