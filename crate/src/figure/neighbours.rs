//! What was retrieved for a picture, and whether it was right.

use tch::{Device, Kind, Tensor};

use super::{Figure, pictures, style};
use crate::error::{Error, Result};

/// Queries, a row each, and the pictures found for them, nearest first: in a green frame where they are
/// right, in a red one, that is broken at its corners, where not.
///
/// `queries` are bytes `[n, height, width, 3]`, `found` `[n, k, height, width, 3]`, red, green and blue;
/// `right` is 0/1 (or bool), `[n, k]`.
///
/// # Errors
/// [`Error::Shape`] for other shapes, or none.
pub fn neighbours(queries: &Tensor, found: &Tensor, right: &Tensor) -> Result<Figure> {
    let size = found.size();
    let [n, k, height, width, 3] = size[..] else {
        return Err(shape("the pictures found", found, "[n, k, height, width, 3]".into()));
    };
    if queries.size() != [n, height, width, 3] || found.numel() == 0 {
        let expected = format!("[{n}, {height}, {width}, 3], not empty, as what was found");
        return Err(shape("the queries", queries, expected));
    }
    if right.size() != [n, k] {
        return Err(shape("what is right", right, format!("[{n}, {k}], as what was found")));
    }
    let bytes = |pictures: &Tensor| -> Result<Tensor> {
        Ok(pictures.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Uint8)?)
    };
    let (queries, found) = (bytes(queries)?, bytes(found)?);
    let right = right.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
    let border = (height.max(width) / 12).max(1);
    let (tall, wide) = (height + 2 * border, width + 2 * border);
    // A column of the queries, an empty one, then what was found.
    let canvas = Tensor::f_full([n, k + 2, tall, wide, 3], 255, (Kind::Uint8, Device::Cpu))?;
    let corner = (height.min(width) / 4).max(1) + border;
    for row in 0..n {
        let cells = canvas.f_get(row)?;
        put(&cells.f_get(0)?, border, &queries.f_get(row)?)?;
        for column in 0..k {
            let cell = cells.f_get(column + 2)?;
            let is_right = right.f_double_value(&[row, column])? > 0.5;
            let (red, green, blue) = style::PALETTE[if is_right { 2 } else { 1 }];
            for (channel, level) in (0i64..).zip([red, green, blue]) {
                let _ = cell.f_select(2, channel)?.f_fill_(i64::from(level))?;
            }
            // Without its corners for who does not tell the colours apart.
            for (top, left) in [(0, 0), (0, wide - corner), (tall - corner, 0)]
                .into_iter()
                .chain([(tall - corner, wide - corner)])
                .filter(|_| !is_right)
            {
                let _ = cell.f_narrow(0, top, corner)?.f_narrow(1, left, corner)?.f_fill_(255)?;
            }
            put(&cell, border, &found.f_get(row)?.f_get(column)?)?;
        }
    }
    pictures(&canvas, &[], &[])
}

// Copies a picture into the middle of a cell.
fn put(cell: &Tensor, border: i64, picture: &Tensor) -> Result<()> {
    let (height, width, _) = picture.size3()?;
    let mut place = cell.f_narrow(0, border, height)?.f_narrow(1, border, width)?;
    place.f_copy_(picture)?;
    Ok(())
}

fn shape(what: &'static str, got: &Tensor, expected: String) -> Error {
    Error::Shape { what, got: format!("{:?}", got.size()), expected }
}
