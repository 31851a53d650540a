//! The source of a cell as the compiler gets it: less to compile, and a failing `?` tells its place.

use std::collections::HashSet;

// evcxr's store of variables stands in every cell; the library has it compiled. No line moves.
pub(super) fn with_compiled_store(source: String) -> String {
    let (start, end) =
        ("pub struct VariableStore {", "Box::into_raw(Box::new(VariableStore::new()))\n}");
    let Some(from) = source.find(start) else { return source };
    let Some(length) = source[from..].find(end).map(|at| at + end.len()) else { return source };
    let (before, rest) = source.split_at(from);
    let (store, after) = rest.split_at(length);
    let lines = "\n".repeat(store.matches('\n').count());
    format!(
        "{before}pub use ::solvergrad::cell::{{VariableStore, create_variable_store}};{lines}{after}"
    )
}

// Every cell takes all variables out of the store and puts them back. Those it does not name may
// stay: they need not be compiled. Whether they still have their type is asked as before.
pub(super) fn with_used_variables(source: &str) -> String {
    let handed = |line: &str| -> Option<String> {
        let call = line.split_once("evcxr_variable_store.")?.1;
        if !call.starts_with("take_variable::") && !call.starts_with("put_variable::") {
            return None;
        }
        let name = call.rsplit_once("(stringify!(")?.1.split(')').next()?;
        Some(name.to_owned())
    };
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let generated = |line: &&str| line.contains("(stringify!(") && line.contains("variable_store");
    let own = source.lines().filter(|line| !generated(line));
    let named: HashSet<&str> = own.flat_map(|line| line.split(|c| !is_part(c))).collect();
    let taken: HashSet<String> =
        source.lines().filter(|line| line.contains("take_variable::")).filter_map(handed).collect();
    let mut result = String::with_capacity(source.len());
    for line in source.lines() {
        // A new variable is put, but not taken.
        let rests = handed(line).is_some_and(|name| {
            taken.contains(&name) && !named.contains(name.trim_start_matches("r#"))
        });
        if !rests {
            result.push_str(line);
        }
        result.push('\n');
    }
    result
}

// evcxr's error type, taught to report the place of the `?` and the type of the error. No line moves.
pub(super) fn with_places(source: &str) -> String {
    let mark = std::env::var("SOLVERGRAD_MARK").unwrap_or_default();
    let report = format!(
        "#[track_caller] fn from(error: T) -> Self {{ eprint!(\"\\0failed {mark}\\n{{}}\\n{{}}\\n{{}}\\0\", \
         std::panic::Location::caller().line(), std::any::type_name::<T>(), error); if false {{"
    );
    match source.split_once("fn from(error: T) -> Self {") {
        Some((before, after)) => {
            let after = after.replacen("eprintln!(\"{}\", error);", "}", 1);
            format!("{before}{report}{after}")
        }
        None => source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_takes_only_the_variables_it_names() {
        let source = "fn run() {\n\
            vars_ok &= evcxr_variable_store.check_variable::<i32>(stringify!(a));\n\
            let mut a = evcxr_variable_store.take_variable::<i32>(stringify!(a));\n\
            let b = evcxr_variable_store.take_variable::<Vec<u8>>(stringify!(b));\n\
            println!(\"{b:?}\");\nlet c = 1;\n\
            evcxr_variable_store.put_variable::<i32>(stringify!(a), a);\n\
            evcxr_variable_store.put_variable::<Vec<u8>>(stringify!(b), b);\n\
            evcxr_variable_store.put_variable::<i32>(stringify!(c), c);\n}\n";
        let kept = with_used_variables(source);
        assert_eq!(kept.lines().count(), source.lines().count());
        let count = |text: &str| kept.matches(text).count();
        assert_eq!((count("(a)"), count("(b)"), count("(c)")), (1, 2, 1));
        assert!(kept.contains("check_variable::<i32>(stringify!(a))"));
    }

    #[test]
    fn the_store_comes_from_the_library_and_no_line_moves() {
        let source = "mod m {\npub struct VariableStore {\n}\n\
            pub fn create_variable_store() {\n\
            \x20   Box::into_raw(Box::new(VariableStore::new()))\n}\n}\nfn last() {}\n";
        let short = with_compiled_store(source.to_owned());
        assert_eq!(short.lines().count(), source.lines().count());
        assert!(short.contains("solvergrad::cell") && !short.contains("into_raw"), "{short}");
    }
}
