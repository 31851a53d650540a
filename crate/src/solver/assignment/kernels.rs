//! The passes over one row of the matrix that take nearly all of the time.
//!
//! Each works on blocks of a fixed size with one accumulator per lane, which compiles to packed
//! arithmetic on every target.

const LANES: usize = 8;

fn smaller(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// Pairs the lanes up, to keep the chain of dependent operations short.
fn fold(lanes: [f64; LANES], choose: impl Fn(f64, f64) -> f64) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    choose(choose(choose(a, e), choose(c, g)), choose(choose(b, f), choose(d, h)))
}

/// min over j of row_j - price_j, and max over j of |row_j|.
pub(super) fn smallest_and_magnitude(row: &[f64], price: &[f64]) -> (f64, f64) {
    let (row_blocks, row_rest) = row.as_chunks::<LANES>();
    let (price_blocks, price_rest) = price.as_chunks::<LANES>();
    let mut least = [f64::INFINITY; LANES];
    let mut largest = [0.0; LANES];
    for (row, price) in row_blocks.iter().zip(price_blocks) {
        for lane in 0..LANES {
            least[lane] = smaller(row[lane] - price[lane], least[lane]);
            largest[lane] = larger(row[lane].abs(), largest[lane]);
        }
    }
    let start = (fold(least, smaller), fold(largest, larger));
    row_rest.iter().zip(price_rest).fold(start, |(least, largest), (cost, price)| {
        (smaller(cost - price, least), larger(cost.abs(), largest))
    })
}

/// least_j := min(least_j, row_j - offset).
pub(super) fn lower_to(least: &mut [f64], row: &[f64], offset: f64) {
    for (least, &value) in least.iter_mut().zip(row) {
        *least = smaller(value - offset, *least);
    }
}

/// min over j of row_j - price_j.
pub(super) fn smallest(row: &[f64], price: &[f64]) -> f64 {
    let (row_blocks, row_rest) = row.as_chunks::<LANES>();
    let (price_blocks, price_rest) = price.as_chunks::<LANES>();
    let mut least = [f64::INFINITY; LANES];
    for (row, price) in row_blocks.iter().zip(price_blocks) {
        for lane in 0..LANES {
            least[lane] = smaller(row[lane] - price[lane], least[lane]);
        }
    }
    let rest = row_rest.iter().zip(price_rest).map(|(cost, price)| cost - price);
    rest.fold(fold(least, smaller), |least, value| smaller(value, least))
}

/// reduced_j := row_j - price_j; returns the smallest and the second smallest of them, infinite
/// where there is none.
pub(super) fn reduce(reduced: &mut [f64], row: &[f64], price: &[f64]) -> (f64, f64) {
    let (blocks, rest) = reduced.as_chunks_mut::<LANES>();
    let (row_blocks, row_rest) = row.as_chunks::<LANES>();
    let (price_blocks, price_rest) = price.as_chunks::<LANES>();
    let mut first = [f64::INFINITY; LANES];
    let mut second = [f64::INFINITY; LANES];
    for ((reduced, row), price) in blocks.iter_mut().zip(row_blocks).zip(price_blocks) {
        for lane in 0..LANES {
            let value = row[lane] - price[lane];
            reduced[lane] = value;
            second[lane] = smaller(larger(value, first[lane]), second[lane]);
            first[lane] = smaller(value, first[lane]);
        }
    }
    // Halve the lanes: of two sorted pairs, the second smallest is the larger of the first two or
    // one of the second two.
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let others = smaller(second[lane], second[lane + half]);
            second[lane] = smaller(larger(first[lane], first[lane + half]), others);
            first[lane] = smaller(first[lane], first[lane + half]);
        }
        half /= 2;
    }
    let (mut least, mut next) = (first[0], second[0]);
    for ((reduced, cost), price) in rest.iter_mut().zip(row_rest).zip(price_rest) {
        *reduced = cost - price;
        next = smaller(larger(*reduced, least), next);
        least = smaller(*reduced, least);
    }
    (least, next)
}

/// distance_j := min(distance_j, row_j - price_j - offset); returns the smallest of all.
pub(super) fn relax(distance: &mut [f64], row: &[f64], price: &[f64], offset: f64) -> f64 {
    let (blocks, rest) = distance.as_chunks_mut::<LANES>();
    let (row_blocks, row_rest) = row.as_chunks::<LANES>();
    let (price_blocks, price_rest) = price.as_chunks::<LANES>();
    let mut least = [f64::INFINITY; LANES];
    for ((distance, row), price) in blocks.iter_mut().zip(row_blocks).zip(price_blocks) {
        for lane in 0..LANES {
            let value = smaller(row[lane] - price[lane] - offset, distance[lane]);
            distance[lane] = value;
            least[lane] = smaller(value, least[lane]);
        }
    }
    let mut smallest = fold(least, smaller);
    for ((distance, cost), price) in rest.iter_mut().zip(row_rest).zip(price_rest) {
        *distance = smaller(cost - price - offset, *distance);
        smallest = smaller(*distance, smallest);
    }
    smallest
}

/// Of the places that hold `target`, the smallest value: the first `preferred` one, else the first.
pub(super) fn find(
    values: &[f64],
    target: f64,
    preferred: impl Fn(usize) -> bool,
) -> Option<usize> {
    let (blocks, rest) = values.as_chunks::<LANES>();
    let mut found = None;
    for (block, values) in blocks.iter().enumerate() {
        // Most blocks hold none: a test that does not ask where skips them.
        if fold(*values, smaller) == target {
            let mut hits = hits_of(values, target);
            while hits != 0 {
                let place = block * LANES + hits.trailing_zeros() as usize;
                if preferred(place) {
                    return Some(place);
                }
                found = found.or(Some(place));
                hits &= hits - 1;
            }
        }
    }
    let start = values.len() - rest.len();
    for (lane, _) in rest.iter().enumerate().filter(|(_, value)| **value == target) {
        if preferred(start + lane) {
            return Some(start + lane);
        }
        found = found.or(Some(start + lane));
    }
    found
}

/// One bit per lane that holds `target`; without branches, since which one it is cannot be
/// predicted.
fn hits_of(values: &[f64; LANES], target: f64) -> u32 {
    let bits = values.iter().enumerate().map(|(lane, &value)| u32::from(value == target) << lane);
    bits.fold(0, |hits, bit| hits | bit)
}
