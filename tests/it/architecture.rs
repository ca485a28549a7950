//! The invariants of ARCHITECTURE.md that are about which code knows what.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a directory.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn manifest(name: &str) -> toml::Table {
    std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap().parse().unwrap()
}

#[test]
fn a1_the_pure_core_imports_no_clock_no_actor_and_no_process() {
    for name in ["state", "status", "lifecycle", "lifecycle/life", "lifecycle/replacement", "policy"] {
        let text = std::fs::read_to_string(root().join(format!("actors/src/{name}.rs"))).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let imports: Vec<&str> = code.lines().filter(|line| line.starts_with("use ")).collect();
        assert!(!imports.is_empty());
        for import in imports {
            let allowed = [
                "use std::collections",
                "use std::time::Duration",
                "use serde::",
                "use crate::policy",
                "use life::",
                "use super::",
                "use crate::state",
            ];
            assert!(allowed.iter().any(|start| import.starts_with(start)), "{name}.rs: {import}");
        }
        for word in ["Instant", "SystemTime", "actix", "tokio", "std::process", "chrono"] {
            assert!(!code.contains(word), "{name}.rs names {word}");
        }
    }
}

#[test]
fn a3_the_three_crates_do_not_know_each_other() {
    for name in ["actors", "entities", "migrations"] {
        let manifest = manifest(name);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let names =
                manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
            for dependency in names {
                assert!(!dependency.starts_with("minimcp"), "{name} depends on {dependency}");
            }
        }
    }
    let actors = manifest("actors");
    for stranger in ["sea-orm", "warp", "sqlx"] {
        assert!(!actors["dependencies"].as_table().unwrap().contains_key(stranger), "actors know {stranger}");
    }
}

#[test]
fn a4_only_the_store_asks_the_database_and_only_the_edge_speaks_http() {
    let src = root().join("src");
    for file in sources(&src) {
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let is_store = path.starts_with("store");
        // The JSON column type is the one word of sea-orm that rows carry about.
        let asks = text.replace("sea_orm::prelude::Json", "").contains("sea_orm");
        assert!(is_store || !asks, "{path} names sea-orm");
        let is_edge = ["http", "gateway", "problem"].iter().any(|edge| path.starts_with(edge));
        assert!(is_edge || !text.contains("warp::"), "{path} names warp");
    }
}

#[test]
fn the_map_names_only_what_is_there() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named = text.split('`').skip(1).step_by(2);
    let paths: Vec<&str> = named
        .filter(|word| {
            ["actors/", "src/", "tests/", "entities/", "migrations/", "mcp-servers/"]
                .iter()
                .any(|top| word.starts_with(top))
        })
        .filter(|word| !word.contains('*') && !word.contains(' '))
        .collect();
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        assert!(root().join(path).exists(), "ARCHITECTURE.md names {path}");
    }
}

/// All code in which there are tests.
fn code_with_tests() -> String {
    let folders = ["src", "tests", "actors", "migrations"];
    let files = folders.iter().flat_map(|folder| sources(&root().join(folder)));
    files.map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn a41_every_fault_has_an_outcome_and_names_tests_that_exist_or_says_that_there_are_none() {
    let page = std::fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let code = code_with_tests();
    let mut faults = Vec::new();
    for row in page.lines().filter(|line| line.starts_with("| F")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _, outcome, tests] = cells.as_slice() else { panic!("four cells: {row}") };
        assert!(!outcome.is_empty(), "{id} says what comes of it");
        faults.push((*id).to_owned());
        if tests.starts_with("none: ") {
            continue;
        }
        for test in tests.split(", ") {
            let name = test.trim_matches('`');
            assert!(code.contains(&format!("fn {name}(")), "{id}: there is no test {name}");
        }
    }
    let all: Vec<String> = (1..=31).map(|n| format!("F{n}")).collect();
    assert_eq!(faults, all);
}

#[test]
fn each_cause_of_the_page_of_troubles_says_what_to_do_and_names_tests_that_exist() {
    let page = std::fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let code = code_with_tests();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| cause"));
    let mut causes = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [cause, advice, tests] = cells.as_slice() else { panic!("three cells: {row}") };
        assert!(!advice.is_empty(), "{cause} says what to do");
        for test in tests.split(", ") {
            let name = test.trim_matches('`');
            assert!(code.contains(&format!("fn {name}(")), "{cause}: there is no test {name}");
        }
        causes += 1;
    }
    assert_eq!(causes, 12);
}

#[test]
fn what_answers_the_rows_that_it_writes_is_part_of_a_transaction() {
    for file in sources(&root().join("src/store")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in ["insert(&self.writer)", "update(&self.writer)", "save(&self.writer)"] {
            assert!(!code.contains(word), "{} has {word}", file.display());
        }
        for (at, _) in code.match_indices("::insert") {
            let statement = code[at..].split(';').next().unwrap();
            let alone = statement.contains(".exec(&self.writer)");
            assert!(!alone, "{}: {statement}", file.display());
        }
    }
}

#[test]
fn every_statement_of_the_security_page_names_tests_that_exist() {
    let page = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let code = code_with_tests();
    let mut statements = 0;
    let mut holds = false;
    for row in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        match cells.as_slice() {
            ["what holds", "shown by"] => holds = true,
            ["to do", _] => holds = false,
            [statement, tests] if holds && !statement.starts_with('-') => {
                statements += 1;
                for test in tests.split(", ") {
                    let name = test.trim_matches('`');
                    assert!(code.contains(&format!("fn {name}(")), "{statement}: there is no test {name}");
                }
            }
            _ => {}
        }
    }
    assert!(statements > 30, "the tables were read: {statements}");
}

#[test]
fn the_comparison_names_tests_that_exist_and_the_readme_says_the_same() {
    let rows = |file: &str| {
        let page = std::fs::read_to_string(root().join(file)).unwrap();
        let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let rows = page.lines().filter(|line| line.starts_with('|')).map(cells);
        rows.collect::<Vec<Vec<String>>>()
    };
    let compared = rows("docs/compared.md");
    let begin = compared.iter().position(|row| row[0] == "what" && row[1] == "MiniMCP").unwrap() + 2;
    let compared: Vec<_> = compared[begin..].iter().take_while(|row| row.len() == 9).collect();
    assert!(compared.len() > 5, "{compared:?}");
    let code = code_with_tests();
    for row in &compared {
        for test in row[8].split(", ") {
            assert!(
                code.contains(&format!("fn {}(", test.trim_matches('`'))),
                "{}: there is no test {test}",
                row[0]
            );
        }
    }
    let readme = rows("README.md");
    let begin = readme.iter().position(|row| row.get(1).is_some_and(|cell| cell == "MiniMCP")).unwrap() + 2;
    let readme: Vec<_> = readme[begin..].iter().take_while(|row| row.len() == 8).collect();
    let short: Vec<_> = compared.iter().map(|row| &row[..8]).collect();
    assert_eq!(readme, short);
}
