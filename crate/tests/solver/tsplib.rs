//! The reader of TSPLIB files, on small files in the temporary folder.

use solvergrad::Error;
use solvergrad::solver::{Tsplib, read_tsplib};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn read(name: &str, text: &str) -> Result<Tsplib, Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("solvergrad-tsplib-{name}.tsp"));
    std::fs::write(&path, text)?;
    let result = read_tsplib(&path);
    std::fs::remove_file(&path)?;
    Ok(result?)
}

fn coordinates(kind: &str, cities: &str) -> String {
    let k = cities.lines().count();
    format!(
        "NAME: x\nTYPE: TSP\nDIMENSION: {k}\nEDGE_WEIGHT_TYPE: {kind}\nNODE_COORD_SECTION\n{cities}\nEOF\n"
    )
}

#[test]
fn distances_are_rounded_as_tsplib_says() -> Outcome {
    // The exact distance is √(1.5² + 2²) = 2.5.
    let cities = "1 0 0\n2 1.5 -2";
    for (kind, distance) in
        [("EUC_2D", 3.0), ("CEIL_2D", 3.0), ("MAN_2D", 4.0), ("MAX_2D", 2.0), ("ATT", 1.0)]
    {
        let instance = read(kind, &coordinates(kind, cities))?;
        assert_eq!(instance.costs, [0.0, distance, distance, 0.0], "{kind}");
    }
    // √5 = 2.24 goes down, or up; √(5/10) = 0.71 goes up by ATT, and √(17/10) = 1.30, too.
    for (kind, city, distance) in [
        ("EUC_2D", "1 2", 2.0),
        ("CEIL_2D", "1 2", 3.0),
        ("ATT", "1 2", 1.0),
        ("ATT", "1 4", 2.0),
        ("MAN_2D", "1.2 2.4", 4.0),
        ("MAX_2D", "1.2 2.4", 2.0),
    ] {
        let instance = read("rounding", &coordinates(kind, &format!("1 0 0\n2 {city}")))?;
        assert_eq!(instance.costs[1], distance, "{kind} of {city}");
    }
    Ok(())
}

#[test]
fn geographical_coordinates_are_degrees_and_minutes() -> Outcome {
    // Half a degree of latitude, and one of the equator: 6378.388 π / 180 = 111.3 km.
    let instance = read("geo", &coordinates("GEO", "1 0.30 0\n2 0 0\n3 0.00 -1.00"))?;
    assert_eq!(&instance.costs[3..6], [56.0, 0.0, 112.0]);
    Ok(())
}

#[test]
fn all_layouts_of_a_matrix_agree() -> Outcome {
    let matrix = [
        0.0, 1.0, 2.0, 3.0, //
        1.0, 0.0, 4.0, 5.0, //
        2.0, 4.0, 0.0, 6.0, //
        3.0, 5.0, 6.0, 0.0,
    ];
    for (format, numbers) in [
        ("FULL_MATRIX", "0 1 2 3\n1 0 4 5\n2 4 0 6\n3 5 6 0"),
        ("UPPER_ROW", "1 2 3\n4 5\n6"),
        ("LOWER_ROW", "1\n2 4\n3 5 6"),
        ("UPPER_DIAG_ROW", "0 1 2 3 0 4 5 0\n6 0"),
        ("LOWER_DIAG_ROW", "0 1 0 2 4\n0 3 5 6 0"),
    ] {
        let text = format!(
            "NAME : four\r\nCOMMENT : a: b\nTYPE : TSP (M.~Hofmeister)\nDIMENSION :4\n\
             EDGE_WEIGHT_TYPE : EXPLICIT\nEDGE_WEIGHT_FORMAT: {format}\n\
             DISPLAY_DATA_TYPE : TWOD_DISPLAY\nEDGE_WEIGHT_SECTION\n{numbers}\n\
             DISPLAY_DATA_SECTION\n1 0 0\n2 0 0\n3 0 0\n4 1 1\nEOF\n"
        );
        let instance = read(format, &text)?;
        let expected = Tsplib { name: "four".into(), k: 4, costs: matrix.to_vec() };
        assert_eq!(instance, expected, "{format}");
    }
    Ok(())
}

#[test]
fn malformed_files_are_named_with_their_line() -> Outcome {
    let good = coordinates("EUC_2D", "1 0 0\n2 1 1\n3 2 2");
    assert!(read("good", &good).is_ok());
    let full = "DIMENSION: 2\nEDGE_WEIGHT_TYPE: EXPLICIT\nEDGE_WEIGHT_FORMAT: FULL_MATRIX\n\
                EDGE_WEIGHT_SECTION\n0 1\n1 0\n";
    assert!(read("full", full).is_ok());
    for (text, problem) in [
        (good.replace("TYPE: TSP\n", "TYPE: ATSP\n"), "line 2: TYPE is 'ATSP'"),
        (good.replace("DIMENSION: 3\n", ""), "DIMENSION is missing"),
        (good.replace("DIMENSION: 3", "DIMENSION: three"), "line 3: DIMENSION is 'three'"),
        (good.replace("DIMENSION: 3", "DIMENSION: 0"), "line 3: DIMENSION is '0'"),
        (good.replace("DIMENSION: 3", "DIMENSION: 99999999999"), "line 3: DIMENSION is"),
        (good.replace("DIMENSION: 3", "DIMENSION: 4"), "holds 3 cities, and DIMENSION is 4"),
        (good.replace("EUC_2D", "XRAY1"), "line 4: EDGE_WEIGHT_TYPE is 'XRAY1'"),
        (good.replace("2 1 1", "2 1 one"), "line 7: 'one' is not"),
        (good.replace("2 1 1", "2 1 NaN"), "'NaN'"),
        (good.replace("2 1 1", "2 1 inf"), "'inf'"),
        (good.replace("2 1 1", "2 1 1e999"), "line 7: '1e999' is not"),
        (good.replace("3 2 2", "3 2"), "line 8: a city without two coordinates"),
        (good.replace("3 2 2", "2 2 2"), "line 8: city 2 comes a second time"),
        (good.replace("3 2 2", "0 2 2"), "line 8: 0 is no city of 1..=3"),
        (good.replace("3 2 2", "-1 2 2"), "line 8: -1 is no city"),
        (good.replace("3 2 2", "1.5 2 2"), "line 8: 1.5 is no city"),
        (good.replace("NODE_COORD_SECTION", "TOUR_SECTION"), "unknown section 'TOUR_SECTION'"),
        ("DIMENSION: 3\nEDGE_WEIGHT_TYPE: GEO\n".into(), "NODE_COORD_SECTION is missing"),
        (full.replace("1 0\n", "2 0\n"), "line 6: the weight of (2, 1) is not symmetric"),
        (full.replace("1 0\n", "1\n"), "line 6: EDGE_WEIGHT_SECTION ends with 3 numbers"),
        (full.replace("FULL_MATRIX", "LOWER_COL"), "line 3: EDGE_WEIGHT_FORMAT is 'LOWER_COL'"),
        (full.replace("EDGE_WEIGHT_FORMAT: FULL_MATRIX\n", ""), "EDGE_WEIGHT_FORMAT is missing"),
        (String::new(), "DIMENSION is missing"),
    ] {
        let message = match read("malformed", &text) {
            Ok(instance) => format!("{instance:?}"),
            Err(error) => error.to_string(),
        };
        assert!(message.contains(problem), "{problem}: {message}");
        assert!(message.contains("solvergrad-tsplib-malformed.tsp: "), "{message}");
    }
    Ok(())
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = std::env::temp_dir().join("solvergrad-tsplib-nowhere.tsp");
    assert!(matches!(read_tsplib(&path), Err(Error::Io { action: "read", .. })));
}
