//! Where the points of a thing are in a picture: turned, scaled, sheared and bent.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Control points along one axis.
const GRID: usize = 4;
const POINTS: usize = GRID * GRID;

/// How far from the middle of a thing its bending is controlled; a thing itself ends at 0.5.
const REACH: f64 = 0.55;

/// Where not even the greatest displacement leads to the thing.
const FAR: f64 = 1.0;

/// Deviation of the displacement of a control point, in units of the longer side of the thing.
const BENDING: f64 = 0.05;

/// The least that a place may shrink or grow in area by bending: less would be close to a fold.
const LEAST_AREA: f64 = 0.35;

/// A one-to-one map between places in a picture, in pixels, and places of a thing, in units of its longer
/// side around its middle: u = v + d(v), v = M⁻¹ (picture − centre), where d is the thin-plate spline
/// (Bookstein 1989) through random displacements of 4 x 4 control points.
#[derive(Clone, Debug)]
pub(super) struct Warp {
    centre: [f64; 2],
    matrix: [[f64; 2]; 2],
    // For each control point, then for 1, x and y: what it adds to d.
    weights: [[f64; 2]; POINTS + 3],
}

impl Warp {
    /// Turned by up to ±40°, its longer side `length` pixels times 0.7 to 1.3 long, stretched by up to
    /// 15 % and sheared by up to 0.25, its middle up to `shift` pixels from that of the picture along
    /// each axis; and bent.
    pub fn draw(side: f64, length: f64, shift: f64, rng: &mut ChaCha8Rng) -> Self {
        let (sine, cosine) = rng.random_range(-40f64..40.0).to_radians().sin_cos();
        // Scales are even on a logarithmic scale.
        let scale = length * rng.random_range(0.7f64.ln()..1.3f64.ln()).exp();
        let stretch: f64 = rng.random_range(0.85f64.ln()..1.15f64.ln()).exp();
        let shear: f64 = rng.random_range(-0.25..0.25);
        let [wide, tall] = [scale * stretch, scale / stretch];
        let matrix = [
            [cosine * wide, (cosine * shear - sine) * tall],
            [sine * wide, (sine * shear + cosine) * tall],
        ];
        let centre = [(); 2].map(|()| side / 2.0 + rng.random_range(-shift..=shift));
        let mut warp = Self { centre, matrix, weights: [[0.0; 2]; POINTS + 3] };
        // Few draws fold; after so many that do, what is left is not bent.
        for _ in 0..100 {
            warp.weights = bending(rng);
            if warp.is_sound() {
                return warp;
            }
        }
        warp.weights = [[0.0; 2]; POINTS + 3];
        warp
    }

    /// The place of the thing that a place of the picture shows.
    pub fn of_thing(&self, picture: [f64; 2]) -> [f64; 2] {
        let [[a, b], [c, d]] = self.matrix;
        let [x, y] = [picture[0] - self.centre[0], picture[1] - self.centre[1]];
        let determinant = a * d - b * c;
        let v = [(d * x - b * y) / determinant, (a * y - c * x) / determinant];
        // Far from the thing nothing is shown of it, however it is bent.
        if v[0].abs().max(v[1].abs()) > FAR {
            return v;
        }
        let bent = self.displacement(v);
        [v[0] + bent[0], v[1] + bent[1]]
    }

    /// Where in the picture a place of the thing is: the inverse, by Newton's method.
    pub fn in_picture(&self, thing: [f64; 2]) -> [f64; 2] {
        let mut v = thing;
        for _ in 0..50 {
            let bent = self.displacement(v);
            let error = [v[0] + bent[0] - thing[0], v[1] + bent[1] - thing[1]];
            if error[0].hypot(error[1]) < 1e-12 {
                break;
            }
            let [[a, b], [c, d]] = self.jacobian(v);
            let determinant = a * d - b * c;
            v[0] -= (d * error[0] - b * error[1]) / determinant;
            v[1] -= (a * error[1] - c * error[0]) / determinant;
        }
        let [row, other] = self.matrix.map(|row| row[0] * v[0] + row[1] * v[1]);
        [self.centre[0] + row, self.centre[1] + other]
    }

    fn displacement(&self, v: [f64; 2]) -> [f64; 2] {
        let basis = basis(v);
        std::array::from_fn(|axis| {
            basis.iter().zip(&self.weights).map(|(basis, weight)| basis * weight[axis]).sum()
        })
    }

    // Of v + d(v), by central differences.
    fn jacobian(&self, v: [f64; 2]) -> [[f64; 2]; 2] {
        const STEP: f64 = 1e-5;
        let mut jacobian = [[1.0, 0.0], [0.0, 1.0]];
        for axis in 0..2 {
            let [mut more, mut less] = [v, v];
            more[axis] += STEP;
            less[axis] -= STEP;
            let [more, less] = [more, less].map(|v| self.displacement(v));
            for (row, jacobian) in jacobian.iter_mut().enumerate() {
                jacobian[axis] += (more[row] - less[row]) / (2.0 * STEP);
            }
        }
        jacobian
    }

    // Nowhere near the thing does it fold.
    fn is_sound(&self) -> bool {
        let along = (0..=12).map(|step| REACH * (f64::from(step) / 6.0 - 1.0));
        along.clone().all(|x| {
            along.clone().all(|y| {
                let [[a, b], [c, d]] = self.jacobian([x, y]);
                (LEAST_AREA..1.0 / LEAST_AREA).contains(&(a * d - b * c)) && a > 0.0 && d > 0.0
            })
        })
    }
}

fn control(point: usize) -> [f64; 2] {
    [point % GRID, point / GRID].map(|place| REACH * (2.0 * place as f64 / (GRID - 1) as f64 - 1.0))
}

// r² ln r for each control point; 1, x, y.
fn basis(v: [f64; 2]) -> [f64; POINTS + 3] {
    std::array::from_fn(|function| match function.checked_sub(POINTS) {
        Some(0) => 1.0,
        Some(axis) => v[axis - 1],
        None => {
            let [x, y] = control(function);
            let square = (v[0] - x).powi(2) + (v[1] - y).powi(2);
            if square > 0.0 { 0.5 * square * square.ln() } else { 0.0 }
        }
    })
}

// The weights of the spline through random displacements of the control points.
fn bending(rng: &mut ChaCha8Rng) -> [[f64; 2]; POINTS + 3] {
    const SIZE: usize = POINTS + 3;
    let mut rows = [[0.0; SIZE + 2]; SIZE];
    for (point, row) in rows.iter_mut().enumerate().take(POINTS) {
        row[..SIZE].copy_from_slice(&basis(control(point)));
        for value in &mut row[SIZE..] {
            let normal: f64 = StandardNormal.sample(rng);
            *value = BENDING * normal;
        }
    }
    // The radial parts carry nothing that 1, x and y can.
    let (radial, others) = rows.split_at_mut(POINTS);
    for (function, row) in others.iter_mut().enumerate() {
        for (entry, of_point) in row.iter_mut().zip(&*radial) {
            *entry = of_point[POINTS + function];
        }
    }
    solve(rows)
}

// Gauss with the greatest pivot of a column; the right-hand sides are the last two columns.
fn solve<const N: usize, const M: usize>(mut rows: [[f64; M]; N]) -> [[f64; 2]; N] {
    for column in 0..N {
        let greatest = (column..N)
            .max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))
            .unwrap_or(column);
        rows.swap(column, greatest);
        let pivot = rows[column];
        for (_, row) in rows.iter_mut().enumerate().filter(|(place, _)| *place != column) {
            let factor = row[column] / pivot[column];
            for (entry, of_pivot) in row.iter_mut().zip(pivot) {
                *entry -= factor * of_pivot;
            }
        }
    }
    std::array::from_fn(|row| [0, 1].map(|side| rows[row][N + side] / rows[row][row]))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_two_directions_are_inverse() {
        let (mut furthest, mut bent) = (0.0f64, 0.0f64);
        for seed in 0..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let warp = Warp::draw(64.0, 44.0, 4.0, &mut rng);
            for _ in 0..20 {
                let thing: [f64; 2] = [(); 2].map(|()| rng.random_range(-0.5..0.5));
                let back = warp.of_thing(warp.in_picture(thing));
                furthest = furthest.max((back[0] - thing[0]).hypot(back[1] - thing[1]));
                let by = warp.displacement(thing);
                bent = bent.max(by[0].hypot(by[1]));
            }
        }
        assert!(furthest < 1e-9, "{furthest}");
        assert!(bent > 0.05, "nothing is bent: {bent}");
    }

    #[test]
    fn the_spline_goes_through_its_control_points() {
        let weights = bending(&mut ChaCha8Rng::seed_from_u64(3));
        let warp = Warp { centre: [0.0; 2], matrix: [[1.0, 0.0], [0.0, 1.0]], weights };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for point in 0..POINTS {
            for value in warp.displacement(control(point)) {
                let normal: f64 = StandardNormal.sample(&mut rng);
                assert!((value - BENDING * normal).abs() < 1e-9, "{value} at {point}");
            }
        }
    }

    #[test]
    fn a_system_is_solved_with_a_zero_on_its_diagonal() {
        // y = 2, x + y = 5; y = -1, x + y = 1.
        let solved = solve([[0.0, 1.0, 2.0, -1.0], [1.0, 1.0, 5.0, 1.0]]);
        assert_eq!(solved, [[3.0, 2.0], [2.0, -1.0]]);
    }
}
