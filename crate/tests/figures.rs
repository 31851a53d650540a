//! Figures: their content, their errors and their files.

use serde_json::Value;
use solvergrad::error::{Error, Result};
use solvergrad::figure::{
    Figure, MatchedPair, bars, codes, curves, globe, heat, image_grid, matches, neighbours,
    pictures,
};
use solvergrad::record::{Row, to_frame};
use tch::{Device, Kind, Tensor};

fn row(rule: &str, projection: &str, seed: u64, epoch: u32, value: f64) -> Row {
    Row {
        experiment: "toy".into(),
        rule: rule.into(),
        projection: projection.into(),
        margin: "none".into(),
        seed,
        epoch,
        split: "test".into(),
        metric: "loss".into(),
        value,
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for epoch in 0..20 {
        for seed in 0..3 {
            let spread = 0.1 * seed as f64;
            let decay = 1.0 / f64::from(epoch + 1);
            rows.push(row("identity", "std", seed, epoch, decay + spread));
            rows.push(row("blackbox", "none", seed, epoch, 2.0 * decay + spread));
        }
        rows.push(row("i-mle", "none", 0, epoch, 0.5));
    }
    rows
}

fn json(figure: &Figure) -> Result<Value> {
    Ok(serde_json::from_str(&figure.json()?)?)
}

fn traces(figure: &Figure) -> Result<Vec<Value>> {
    Ok(json(figure)?["data"].as_array().cloned().unwrap_or_default())
}

#[test]
fn curves_have_a_line_per_rule_and_projection() -> Result<()> {
    let figure = curves(&to_frame(&rows())?, "test", "loss", "loss")?;
    let traces = traces(&figure)?;
    let names: Vec<&str> = traces.iter().filter_map(|trace| trace["name"].as_str()).collect();
    assert_eq!(names, ["identity + std", "blackbox", "i-mle"]);
    // Bands only where there are several seeds.
    assert_eq!(traces.iter().filter(|trace| trace["fill"] == "toself").count(), 2);
    let line = &traces[2];
    assert_eq!(line["x"][1], 1);
    assert!(line["y"][0].as_f64().is_some_and(|mean| (mean - 1.1).abs() < 1e-12));
    let layout = &json(&figure)?["layout"];
    assert_eq!(layout["xaxis"]["title"]["text"], "epoch");
    assert_eq!((&layout["width"], &layout["height"]), (&720.into(), &450.into()));
    Ok(())
}

#[test]
fn curves_name_margins_where_they_differ_and_leave_gaps() -> Result<()> {
    let mut rows = vec![row("identity", "std", 0, 0, 1.0), row("identity", "std", 0, 1, f64::NAN)];
    rows.push(Row { margin: "noise 0.1".into(), ..rows[0].clone() });
    let traces = traces(&curves(&to_frame(&rows)?, "test", "loss", "loss")?)?;
    assert_eq!(traces[0]["name"], "identity + std");
    assert_eq!(traces[0]["y"][1], Value::Null);
    assert_eq!(traces[1]["name"], "identity + std + noise 0.1");
    Ok(())
}

#[test]
fn curves_name_what_is_missing() -> Result<()> {
    let frame = to_frame(&rows())?;
    let message = |split: &str, metric: &str| {
        let error = curves(&frame, split, metric, "").err();
        assert!(matches!(error, Some(Error::Parameter { .. })), "{error:?}");
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    let metric = message("test", "accuracy");
    assert!(metric.contains("accuracy") && metric.contains("one of: loss"), "{metric}");
    let split = message("val", "loss");
    assert!(split.contains("val") && split.contains("one of: test"), "{split}");
    assert!(curves(&to_frame(&[])?, "test", "loss", "").is_err());
    let twice = to_frame(&[row("identity", "std", 0, 0, 1.0), row("identity", "std", 0, 0, 2.0)])?;
    assert!(curves(&twice, "test", "loss", "").is_err());
    Ok(())
}

#[test]
fn image_grid_places_its_tiles() -> Result<()> {
    let images = Tensor::arange(8, (Kind::Float, Device::Cpu)).reshape([2, 1, 2, 2]) / 8.0;
    let trace = &traces(&image_grid(&images, &["data", "model"])?)?[0];
    // Two tiles of 2 rows with one empty row between them.
    assert_eq!(trace["z"].as_array().map(Vec::len), Some(5));
    assert_eq!(trace["z"][0], serde_json::json!([0, 32]));
    assert_eq!(trace["z"][2], serde_json::json!([null, null]));
    assert_eq!(trace["z"][4], serde_json::json!([191, 223]));
    Ok(())
}

#[test]
fn image_grid_refuses_other_shapes() {
    let images = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let cases: [(&[i64], &[&str]); 5] = [
        (&[4, 4], &[]),
        (&[2, 3, 4, 4], &["only one"]),
        (&[5, 4, 4], &["a", "b"]),
        (&[0, 4, 4], &[]),
        (&[0, 4, 4], &["a"]),
    ];
    for (shape, labels) in cases {
        let error = image_grid(&images(shape), labels).err();
        assert!(matches!(error, Some(Error::Shape { .. })), "{shape:?}: {error:?}");
    }
    assert!(image_grid(&images(&[11, 4, 4]), &[]).is_ok());
}

#[test]
fn codes_are_zeros_and_ones() -> Result<()> {
    let ones = Tensor::ones([3, 4, 5], (Kind::Int64, Device::Cpu));
    assert_eq!(traces(&codes(&ones)?)?[0]["z"][0][0], 1);
    assert!(matches!(codes(&(&ones * 2)), Err(Error::Parameter { .. })));
    assert!(matches!(codes(&ones.get(0)), Err(Error::Shape { .. })));
    Ok(())
}

#[test]
fn bars_show_their_values() -> Result<()> {
    let labels = ["identity".to_owned(), "i-mle".to_owned()];
    let trace = &traces(&bars(&labels, &[0.123_456, f64::NAN], "loss")?)?[0];
    assert_eq!(trace["text"], serde_json::json!(["0.1235", "NaN"]));
    assert_eq!(trace["x"][1].as_f64(), Some(0.0));
    assert!(matches!(bars(&labels, &[1.0], "loss"), Err(Error::Shape { .. })));
    Ok(())
}

#[test]
fn exports_every_format() -> Result<()> {
    let folder = tempfile::tempdir().map_err(Error::io("create", "temporary folder"))?;
    let figure = curves(&to_frame(&rows())?, "test", "loss", "loss")?.size(600, 400);
    let paths = figure.export(folder.path().join("new/k=0.5"))?;
    let names: Vec<_> = paths.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, ["k=0.5.html", "k=0.5.svg", "k=0.5.png", "k=0.5.pdf"]);
    let read =
        |place: usize| std::fs::read(&paths[place]).map_err(Error::io("read", &paths[place]));

    let html = String::from_utf8_lossy(&read(0)?).into_owned();
    assert!(html.contains("Plotly.newPlot"));
    for tag in html.match_indices("<script").map(|(start, _)| &html[start..]) {
        let tag = tag.split('>').next().unwrap_or_default();
        assert!(!tag.contains("src="), "{tag}");
    }
    let svg = String::from_utf8_lossy(&read(1)?).into_owned();
    assert!(svg.starts_with("<svg") && svg.contains("identity + std"));
    let png = read(2)?;
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(png[16..24], [0, 0, 4, 176, 0, 0, 3, 32]);
    let pdf = read(3)?;
    assert!(pdf.starts_with(b"%PDF-"));
    assert!(!pdf.windows(6).any(|window| window == b"/Image"));
    assert!(matches!(figure.png(0.0), Err(Error::Parameter { .. })));
    Ok(())
}

#[test]
fn pictures_carry_marks_at_their_cells() -> Result<()> {
    let cpu = (Kind::Uint8, Device::Cpu);
    let two = Tensor::full([2, 1, 8, 16, 3], 200, cpu);
    let mask = Tensor::zeros([2, 1, 2, 4], cpu);
    let _ = mask.get(1).get(0).get(1).get(2).fill_(1.0);
    let _ = mask.get(0).get(0).get(0).get(3).fill_(1.0);
    let figure = pictures(&two, &["a", "b"], &[("path", &mask), ("none", &mask.zeros_like())])?;
    let traces = traces(&figure)?;
    assert_eq!(traces.len(), 3);
    assert!(
        traces[0]["source"]
            .as_str()
            .is_some_and(|url| url.starts_with("data:image/png;base64,iVBORw0KGgo"))
    );
    // The second picture begins a gap of 1 below the first: row 9; its cells have 4 x 4 pixels.
    assert_eq!(
        (&traces[1]["x"], &traces[1]["y"]),
        (&serde_json::json!([13.5, 9.5]), &serde_json::json!([1.5, 14.5]))
    );
    assert_eq!(traces[2]["x"].as_array().map(Vec::len), Some(0));
    assert!(figure.svg()?.contains("data:image/png"));
    assert!(matches!(pictures(&two, &["a"], &[]), Err(Error::Shape { .. })));
    assert!(matches!(pictures(&two.get(0), &[], &[]), Err(Error::Shape { .. })));
    assert!(matches!(pictures(&two, &[], &[("path", &mask.get(0))]), Err(Error::Shape { .. })));
    Ok(())
}

#[test]
fn heat_is_light_for_the_least_and_dark_for_the_largest() -> Result<()> {
    let values = Tensor::from_slice(&[3.0, 5.0, 4.0, 9.0]).view([1, 2, 2]);
    let colours = heat(&values, 3)?;
    assert_eq!((colours.size(), colours.kind()), (vec![1, 6, 6, 3], Kind::Uint8));
    let light = |y: i64, x: i64| colours.get(0).get(y).get(x).sum(Kind::Int64).int64_value(&[]);
    assert!(light(0, 0) > light(3, 0) && light(3, 0) > light(2, 3) && light(2, 3) > light(5, 5));
    assert_eq!(light(0, 0), light(2, 2));
    let equal = heat(&Tensor::ones([2, 2], (Kind::Float, Device::Cpu)), 1)?;
    assert_eq!(equal.min().int64_value(&[]), 214);
    assert!(matches!(heat(&Tensor::from_slice(&[1.0]), 1), Err(Error::Shape { .. })));
    Ok(())
}

#[test]
fn a_globe_has_arcs_on_its_surface_and_is_drawn_without_a_screen() -> Result<()> {
    let points = Tensor::from_slice(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).view([3, 3]);
    let arcs = Tensor::stack(&[&points, &points.roll([1], [0])], 1);
    let names = ["A", "B", "C"].map(str::to_owned);
    let figure = globe(&[("places", &points)], &[("tour", &arcs)], &names)?;
    let traces = traces(&figure)?;
    assert_eq!(traces.len(), 5);
    let line = &traces[2];
    assert_eq!(line["name"], "tour");
    let numbers = |axis: &str| -> Vec<Option<f64>> {
        line[axis].as_array().into_iter().flatten().map(Value::as_f64).collect()
    };
    let (x, y, z) = (numbers("x"), numbers("y"), numbers("z"));
    assert!(x.len() > 20 && x.iter().filter(|x| x.is_none()).count() == 3);
    for place in 0..x.len() {
        if let (Some(x), Some(y), Some(z)) = (x[place], y[place], z[place]) {
            let height = (x * x + y * y + z * z).sqrt();
            assert!((height - 1.01).abs() < 2e-3, "{height}");
        }
    }
    for texts in &traces[3..] {
        assert_eq!(texts["text"], serde_json::json!(["A", "B", "C"]));
    }
    // A scene is a picture within the SVG.
    assert!(figure.svg()?.contains("<image"));
    assert!(matches!(globe(&[("p", &points.get(0))], &[], &[]), Err(Error::Shape { .. })));
    assert!(matches!(globe(&[], &[("a", &points)], &[]), Err(Error::Shape { .. })));
    assert!(matches!(globe(&[("p", &points)], &[], &names[..2]), Err(Error::Shape { .. })));
    assert!(matches!(globe(&[("p", &(points / 0.0))], &[], &[]), Err(Error::Parameter { .. })));
    Ok(())
}

#[test]
fn neighbours_have_frames_that_say_whether_they_are_right() -> Result<()> {
    let cpu = (Kind::Uint8, Device::Cpu);
    let (queries, found) =
        (Tensor::full([1, 12, 12, 3], 90, cpu), Tensor::full([1, 2, 12, 12, 3], 200, cpu));
    let right = Tensor::from_slice(&[1i64, 0]).view([1, 2]);
    let png = neighbours(&queries, &found, &right)?.png(1.0)?;
    let image = tch::vision::image::load_from_memory(&png)?;
    let pixels = image.permute([1, 2, 0]).contiguous().view([-1, 3]);
    let count = |colour: [u8; 3]| {
        let wanted = Tensor::from_slice(&colour);
        let equal = pixels.eq_tensor(&wanted).all_dim(1, false);
        equal.sum(Kind::Int64).int64_value(&[])
    };
    let [right_frame, wrong_frame] = [count([0, 158, 115]), count([213, 94, 0])];
    // The broken frame lacks its corners.
    assert!(0 < wrong_frame && wrong_frame < right_frame, "{wrong_frame} {right_frame}");
    let (query, results) = (count([90; 3]), count([200; 3]));
    assert!(query > 0 && results > query, "{query} {results}");
    for (queries, found, right) in [
        (&queries.get(0), &found, &right),
        (&queries, &found.get(0), &right),
        (&queries, &found, &right.tr()),
    ] {
        assert!(matches!(neighbours(queries, found, right), Err(Error::Shape { .. })));
    }
    Ok(())
}

fn matched(found: &[[i64; 3]; 2], truth: &[[i64; 3]; 2]) -> MatchedPair {
    let cpu = (Kind::Uint8, Device::Cpu);
    MatchedPair {
        category: "cat".into(),
        pictures: [90, 200].map(|grey| Tensor::full([23, 23, 3], grey, cpu)),
        keypoints: [vec![[2.0, 3.0], [20.0, 10.0]], vec![[1.0, 1.0], [22.0, 5.0], [11.0, 20.0]]],
        edges: [vec![(0, 1), (1, 0)], vec![]],
        found: Tensor::from_slice2(found),
        truth: Tensor::from_slice2(truth),
    }
}

#[test]
fn matches_are_right_wrong_or_missed() -> Result<()> {
    let truth = [[1, 0, 0], [0, 1, 0]];
    let pair = || matched(&[[1, 0, 0], [0, 0, 1]], &truth);
    let figure = matches(&[pair(), matched(&truth, &truth)], 2)?;
    let all = traces(&figure)?;
    let lines = |name: &str| {
        let trace = all.iter().find(|trace| trace["name"] == name);
        trace.map(|trace| (trace["x"].clone(), trace["y"].clone(), trace["line"].clone()))
    };
    let (x, y, line) = lines("wrong").unwrap_or_default();
    // At zoom 10: 3 pixels of title, 1 between the pictures; a keypoint at 20 is within pixel 19 and 20.
    assert_eq!(x, serde_json::json!([19.5, 23.0 + 1.0 + 11.0 - 0.5, null]));
    assert_eq!(y, serde_json::json!([3.0 + 10.0 - 0.5, 3.0 + 20.0 - 0.5, null]));
    assert_eq!((&line["dash"], &line["color"]), (&"dash".into(), &"rgb(213, 94, 0)".into()));
    let (x, _, line) = lines("missed").unwrap_or_default();
    assert_eq!(x, serde_json::json!([19.5, 23.0 + 1.0 + 22.0 - 0.5, null]));
    assert_eq!(line["dash"], "dot");
    // One of the first pair and two of the second.
    let (x, _, line) = lines("right").unwrap_or_default();
    assert_eq!(x.as_array().map(Vec::len), Some(9));
    assert_eq!(line["color"], "rgb(0, 158, 115)");
    let titles = json(&figure)?["layout"]["annotations"].clone();
    assert_eq!(titles[0]["text"], "cat: 1 of 2 right (50 %)");
    assert_eq!(titles[1]["text"], "cat: 2 of 2 right (100 %)");
    let points = all.last().map(|trace| trace["x"].as_array().map(Vec::len));
    assert_eq!(points, Some(Some(10)));
    assert!(figure.svg()?.contains("data:image/png"));

    for columns in [1, 2, 3] {
        assert!(matches(&[pair(), pair(), pair()], columns).is_ok());
    }
    assert!(matches!(matches(&[pair()], 0), Err(Error::Parameter { .. })));
    let outside = MatchedPair { edges: [vec![], vec![(0, 3)]], ..pair() };
    assert!(matches!(matches(&[outside], 1), Err(Error::Parameter { .. })));
    let one = Tensor::ones([5, 5, 3], (Kind::Uint8, Device::Cpu));
    let other = MatchedPair { pictures: [one.shallow_clone(), one], ..pair() };
    let turned = MatchedPair { found: pair().found.tr(), ..pair() };
    let unknown = MatchedPair { truth: pair().truth.narrow(1, 0, 2), ..pair() };
    for wrong in [vec![], vec![pair(), other], vec![turned], vec![unknown]] {
        assert!(matches!(matches(&wrong, 1), Err(Error::Shape { .. })));
    }
    Ok(())
}
