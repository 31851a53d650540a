//! Whether two sets of seeds differ by more than chance.

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::{Error, Result};

/// Two-sided p-value of the permutation test of the difference of means (Fisher 1935): the share of all
/// ways to deal the numbers of both samples into two of their sizes whose means differ at least as much
/// as these. Exact up to 200 000 ways, by as many draws from `seed` above. It supposes that the runs
/// could be exchanged if the methods were alike, and nothing about the shape of their distribution. With
/// n seeds each it cannot be below 2 / (2n choose n): 0.1 for 3, 0.0079 for 5.
///
/// # Errors
/// [`Error::Parameter`] for an empty sample, or a number that is not finite.
///
/// ```
/// use solvergrad::sweep::permutation_test;
///
/// let p = permutation_test(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 0)?;
/// assert_eq!(p, 2.0 / 20.0);
/// # Ok::<(), solvergrad::Error>(())
/// ```
pub fn permutation_test(a: &[f64], b: &[f64], seed: u64) -> Result<f64> {
    const MOST: f64 = 200_000.0;
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    if a.is_empty() || b.is_empty() || all.iter().any(|value| !value.is_finite()) {
        let got = format!("{a:?} and {b:?}");
        return Err(Error::parameter(
            "the samples to compare",
            got,
            "finite numbers, at least one each",
        ));
    }
    let (n, total) = (a.len(), all.iter().sum::<f64>());
    let difference = |sum: f64| (sum / n as f64 - (total - sum) / b.len() as f64).abs();
    // Sums of the same numbers in another order differ by rounding.
    let observed = difference(a.iter().sum()) - 1e-12 * all.iter().map(|x| x.abs()).sum::<f64>();
    let ways = (0..n).fold(1.0, |ways, i| ways * (all.len() - i) as f64 / (i + 1) as f64);
    let (mut extreme, mut count) = (0_u64, 0_u64);
    let mut look = |sum: f64| {
        count += 1;
        extreme += u64::from(difference(sum) >= observed);
    };
    if ways <= MOST {
        each_choice(all.len(), n, |chosen| look(chosen.iter().map(|&i| all[i]).sum()));
        return Ok(extreme as f64 / count as f64);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..MOST as u64 {
        look(index::sample(&mut random, all.len(), n).iter().map(|i| all[i]).sum());
    }
    // The observed way is one of them (Phipson and Smyth 2010).
    Ok((extreme + 1) as f64 / (count + 1) as f64)
}

// Every choice of `k` of 0..n, in order.
fn each_choice(n: usize, k: usize, mut visit: impl FnMut(&[usize])) {
    let mut chosen: Vec<usize> = (0..k).collect();
    loop {
        visit(&chosen);
        let Some(place) = (0..k).rev().find(|&place| chosen[place] < n - k + place) else { break };
        chosen[place] += 1;
        for later in place + 1..k {
            chosen[later] = chosen[later - 1] + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_counting_by_hand() -> Result<()> {
        let mut seen = Vec::new();
        each_choice(4, 2, |chosen| seen.push(chosen.to_vec()));
        assert_eq!(seen, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        // Of the sums 4, 4, 6, 6, 8, 8 around 6 all but two are as far off as the sum 4.
        assert_eq!(permutation_test(&[1.0, 3.0], &[3.0, 5.0], 0)?, 4.0 / 6.0);
        assert_eq!(permutation_test(&[1.0], &[1.0], 0)?, 1.0);
        assert!(permutation_test(&[], &[1.0], 0).is_err());
        assert!(permutation_test(&[f64::NAN], &[1.0], 0).is_err());
        Ok(())
    }

    #[test]
    fn draws_agree_with_all_ways() -> Result<()> {
        // 12 of 24: 2.7 million ways. The normal approximation of this shift is p = 0.04 or so.
        let a: Vec<f64> = (0..12).map(f64::from).collect();
        let b: Vec<f64> = (0..12).map(|i| f64::from(i) + 3.1).collect();
        let p = permutation_test(&a, &b, 1)?;
        assert!((0.03..0.06).contains(&p), "{p}");
        assert_eq!(p, permutation_test(&a, &b, 1)?);
        Ok(())
    }
}
