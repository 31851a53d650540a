//! Corners of a picture: places that look different when moved in any direction.

/// Smallest share of the strongest corner's strength that counts as a corner.
const WEAKEST: f32 = 0.02;

/// The strongest corners, at most `most`, none nearer than `distance` pixels to a stronger one, as columns
/// and rows of the middles of their pixels; the strongest first.
///
/// The strength of a pixel is the smaller eigenvalue of the structure tensor
/// Σ G ∗ (∇c ∇cᵀ), summed over the channels c, with gradients by Sobel's filter and the binomial
/// window G of 5 x 5 pixels (Shi, Tomasi 1994; over several channels: Di Zenzo 1986). `channels` hold
/// numbers of one scale, row by row; beyond the border a picture goes on as it ends.
pub(super) fn corners(
    channels: &[Vec<f32>],
    width: usize,
    height: usize,
    distance: f32,
    most: usize,
) -> Vec<[f32; 2]> {
    let strength = strengths(channels, width, height);
    let at = |x: usize, y: usize| strength[y * width + x];
    let strongest = strength.iter().copied().fold(0.0, f32::max);
    let mut peaks: Vec<(f32, usize, usize)> = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let around = (y.saturating_sub(1)..=(y + 1).min(height - 1))
                .flat_map(|y| (x.saturating_sub(1)..=(x + 1).min(width - 1)).map(move |x| (x, y)));
            let own = at(x, y);
            let peak = around.into_iter().all(|(x, y)| at(x, y) <= own);
            if peak && own > WEAKEST * strongest {
                peaks.push((own, x, y));
            }
        }
    }
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut chosen: Vec<[f32; 2]> = Vec::new();
    for (_, x, y) in peaks {
        let place = [x as f32 + 0.5, y as f32 + 0.5];
        let far = |other: &[f32; 2]| (place[0] - other[0]).hypot(place[1] - other[1]) >= distance;
        if chosen.len() < most && chosen.iter().all(far) {
            chosen.push(place);
        }
    }
    chosen
}

fn strengths(channels: &[Vec<f32>], width: usize, height: usize) -> Vec<f32> {
    let mut tensor = vec![[0.0; 3]; width * height];
    for channel in channels {
        let at = |x: isize, y: isize| {
            let [x, y] = [x.clamp(0, width as isize - 1), y.clamp(0, height as isize - 1)];
            channel[y as usize * width + x as usize]
        };
        for (place, entries) in tensor.iter_mut().enumerate() {
            let [x, y] = [(place % width) as isize, (place / width) as isize];
            let across = |y| at(x + 1, y) - at(x - 1, y);
            let down = |x| at(x, y + 1) - at(x, y - 1);
            let dx = (across(y - 1) + 2.0 * across(y) + across(y + 1)) / 8.0;
            let dy = (down(x - 1) + 2.0 * down(x) + down(x + 1)) / 8.0;
            entries[0] += dx * dx;
            entries[1] += dx * dy;
            entries[2] += dy * dy;
        }
    }
    let [xx, xy, yy] = [0, 1, 2].map(|entry| {
        let values: Vec<f32> = tensor.iter().map(|entries| entries[entry]).collect();
        smoothed(&smoothed(&values, width, true), width, false)
    });
    let smaller = |place: usize| {
        let (mean, half) = ((xx[place] + yy[place]) / 2.0, (xx[place] - yy[place]) / 2.0);
        (mean - half.hypot(xy[place])).max(0.0)
    };
    (0..width * height).map(smaller).collect()
}

// Along rows or columns.
fn smoothed(values: &[f32], width: usize, rows: bool) -> Vec<f32> {
    let height = values.len() / width;
    let value = |place: usize| {
        let (x, y) = ((place % width) as isize, (place / width) as isize);
        let weighted =
            [1.0, 4.0, 6.0, 4.0, 1.0].into_iter().zip(-2isize..=2).map(|(weight, step)| {
                let (x, y) = if rows { (x + step, y) } else { (x, y + step) };
                let [x, y] = [x.clamp(0, width as isize - 1), y.clamp(0, height as isize - 1)];
                weight * values[y as usize * width + x as usize]
            });
        weighted.sum::<f32>() / 16.0
    };
    (0..values.len()).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // White inside a rectangle.
    fn rectangle(from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
        let inside = |place: usize| {
            let at = [place % 40, place / 40];
            (0..2).all(|axis| (from[axis]..to[axis]).contains(&at[axis]))
        };
        (0..40 * 30).map(|place| f32::from(u8::from(inside(place)))).collect()
    }

    #[test]
    fn a_rectangle_has_its_four_corners_and_an_edge_none() {
        let found = corners(&[rectangle([8, 6], [30, 22])], 40, 30, 5.0, 10);
        assert_eq!(found.len(), 4, "{found:?}");
        for corner in [[8.0, 6.0], [30.0, 6.0], [8.0, 22.0], [30.0, 22.0]] {
            // The window, of 5 pixels, pulls it inside.
            let near = |place: &[f32; 2]| (place[0] - corner[0]).hypot(place[1] - corner[1]) <= 2.5;
            assert!(found.iter().any(near), "{corner:?} is not among {found:?}");
        }
        assert!(corners(&[rectangle([0, 0], [17, 30])], 40, 30, 5.0, 10).is_empty());
        assert!(corners(&[vec![0.5; 1200]], 40, 30, 5.0, 10).is_empty());
    }

    #[test]
    fn of_corners_side_by_side_the_stronger_is_kept() {
        let weak: Vec<f32> = rectangle([12, 6], [30, 22]).iter().map(|white| 0.5 * white).collect();
        let both = [rectangle([8, 6], [30, 22]), weak];
        assert_eq!(corners(&both, 40, 30, 6.0, 10).len(), 4);
        assert!(corners(&both, 40, 30, 1.0, 10).len() > 4);
        assert_eq!(corners(&both, 40, 30, 6.0, 2).len(), 2);
    }
}
