//! Tensors as a line of facts, a small table or a picture.

use serde_json::{Value, json};
use tch::{Kind, Tensor};

use super::{Forms, Rich, base64, bytes, escape};
use crate::Result;
use crate::figure::style::significant;

const MOST_ENTRIES: i64 = 144;
const MOST_SIDE: i64 = 12;
const SMALLEST_PICTURE: i64 = 13;
const LARGEST_PICTURE: i64 = 1024;

impl Rich for Tensor {
    /// Shape, kind, device and a summary (least, mean and greatest entry, number of entries that
    /// are not finite); the entries of a small tensor, a picture of a matrix from 13 × 13 on.
    fn forms(&self) -> Forms {
        match describe(self) {
            Ok(forms) => forms,
            Err(error) => vec![("text/plain", json!(format!("{self:?} ({error})")))],
        }
    }
}

fn describe(tensor: &Tensor) -> Result<Forms> {
    if !tensor.defined() {
        return Ok(vec![("text/plain", json!("Tensor, undefined"))]);
    }
    let (size, kind, device) = (tensor.size(), tensor.kind(), tensor.device());
    let gradient = if tensor.requires_grad() { ", requires grad" } else { "" };
    let mut facts = format!("Tensor {size:?} {kind:?} on {device:?}{gradient}");
    let complex = [Kind::ComplexHalf, Kind::ComplexFloat, Kind::ComplexDouble].contains(&kind);
    if complex || tensor.numel() == 0 {
        return Ok(vec![("text/plain", json!(facts))]);
    }
    let values = tensor.f_detach()?.f_to_kind(Kind::Double)?.f_to_device(tch::Device::Cpu)?;
    let finite = values.f_isfinite()?;
    let odd = values.numel() as i64 - f64::try_from(finite.f_sum(Kind::Double)?)? as i64;
    let regular = values.f_masked_select(&finite)?;
    if regular.numel() > 0 {
        let [least, mean, most] =
            [regular.f_min()?, regular.f_mean(Kind::Double)?, regular.f_max()?].map(f64::try_from);
        let number = |value: f64| significant(value, 6);
        let (least, mean, most) = (number(least?), number(mean?), number(most?));
        facts.push_str(&format!("; least {least}, mean {mean}, greatest {most}"));
    }
    if odd > 0 {
        facts.push_str(&format!("; {odd} NaN or infinite"));
    }
    let mut forms: Vec<(&'static str, Value)> = Vec::new();
    let mut html = format!("<small>{}</small>", escape(&facts));
    match *size {
        [] => facts.push_str(&format!("\n{}", significant(values.f_double_value(&[])?, 6))),
        [rows, columns]
            if rows.min(columns) >= SMALLEST_PICTURE && rows.max(columns) <= LARGEST_PICTURE =>
        {
            let png = base64(&picture(&values, columns)?);
            let width = (columns * 4).clamp(140, 560);
            html.push_str(&format!(
                "<br><img alt=\"the matrix, black least, white greatest\" \
                 style=\"width: {width}px; image-rendering: pixelated\" \
                 src=\"data:image/png;base64,{png}\">"
            ));
        }
        [columns] if columns <= MOST_ENTRIES => {
            let row = numbers(&values)?;
            facts.push_str(&format!("\n{}", row.join("  ")));
            html.push_str(&table(&[row]));
        }
        [rows, columns] if rows <= MOST_SIDE && columns <= MOST_SIDE => {
            let mut lines = Vec::new();
            for row in 0..rows {
                lines.push(numbers(&values.f_select(0, row)?)?);
            }
            for line in &lines {
                facts.push_str(&format!("\n{}", line.join("  ")));
            }
            html.push_str(&table(&lines));
        }
        _ => {}
    }
    if html.contains("<table") || html.contains("<img") {
        forms.push(("text/html", json!(format!("<div>{html}</div>"))));
    }
    forms.push(("text/plain", json!(facts)));
    Ok(forms)
}

fn numbers(values: &Tensor) -> Result<Vec<String>> {
    let values = Vec::<f64>::try_from(values.f_contiguous()?)?;
    Ok(values.into_iter().map(|value| significant(value, 4)).collect())
}

fn table(lines: &[Vec<String>]) -> String {
    let cell = |text: &String| format!("<td style=\"text-align: right\">{text}</td>");
    let row =
        |line: &Vec<String>| format!("<tr>{}</tr>", line.iter().map(cell).collect::<String>());
    format!("<table>{}</table>", lines.iter().map(row).collect::<String>())
}

fn picture(values: &Tensor, columns: i64) -> Result<Vec<u8>> {
    let clean = values.f_nan_to_num(0.0, None, None)?;
    let (least, most) = (f64::try_from(clean.f_min()?)?, f64::try_from(clean.f_max()?)?);
    let scale = if most > least { 255.0 / (most - least) } else { 0.0 };
    let scaled = ((clean - least) * scale).f_clamp(0.0, 255.0)?.f_to_kind(Kind::Uint8)?;
    let pixels = Vec::<u8>::try_from(scaled.f_contiguous()?.f_view([-1])?)?;
    Ok(bytes::png(&pixels, usize::try_from(columns).unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tensor: &Tensor, mime: &str) -> String {
        let forms = tensor.forms();
        let form = forms.iter().find(|(other, _)| *other == mime);
        form.and_then(|(_, form)| form.as_str()).unwrap_or_default().to_owned()
    }

    #[test]
    fn a_summary_counts_what_is_not_a_number() {
        let tensor = Tensor::from_slice(&[1.0_f32, f32::NAN, 3.0, f32::INFINITY]);
        let plain = text(&tensor, "text/plain");
        assert!(plain.starts_with("Tensor [4] Float on Cpu; least 1, mean 2, greatest 3; 2 NaN"));
        assert!(plain.ends_with("\n1  NaN  3  inf"), "{plain}");
        assert!(text(&tensor, "text/html").contains("<td style=\"text-align: right\">NaN</td>"));
    }

    #[test]
    fn small_ones_are_tables_matrices_pictures_others_a_line() {
        let options = (Kind::Float, tch::Device::Cpu);
        assert_eq!(text(&Tensor::ones([3, 2], options), "text/html").matches("<tr>").count(), 3);
        assert!(text(&Tensor::ones([20, 30], options), "text/html").contains("image/png"));
        assert_eq!(text(&Tensor::ones([2, 3, 4], options), "text/html"), "");
        assert!(text(&Tensor::from(2.5), "text/plain").ends_with("\n2.5"));
        assert!(text(&Tensor::zeros([0, 3], options), "text/plain").starts_with("Tensor [0, 3]"));
        let flags = Tensor::from_slice(&[true, false]);
        assert!(text(&flags, "text/plain").contains("Bool"));
    }
}
