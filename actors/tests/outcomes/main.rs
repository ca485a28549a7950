//! The table of outcomes: what each event makes of each instance, by name and to the last effect.
//!
//! The table is `outcomes.md`, written to be read by people; these tests read it too and say what the line
//! should be where it does not hold. Properties keep an instance safe, this table keeps the words right.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod words;

use std::collections::BTreeSet;

use minimcp_actors::lifecycle::admit;

use crate::words::{Scene, answer, command, rules};

const DOCUMENT: &str = include_str!("outcomes.md");

/// The cells of the table under this heading; the first row holds the names of the columns.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let section = DOCUMENT.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows: Vec<Vec<_>> = section
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'))
        .filter(|line| !line.starts_with("---"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{heading}: every row fills every column");
    rows
}

/// Plays the history of the instance with this name.
fn instance(name: &str) -> Scene {
    let histories = table("Instances");
    let row = histories
        .iter()
        .find(|row| row[0] == name)
        .unwrap_or_else(|| panic!("no history leads to an instance `{name}`"));
    let mut scene = Scene::default();
    row[2].split(';').for_each(|event| {
        scene.play(&rules(row[1]), event.trim());
    });
    scene
}

fn compare(wrong: &[String]) {
    assert!(wrong.is_empty(), "these lines of outcomes.md should be\n{}", wrong.join("\n"));
}

#[test]
fn every_instance_of_the_table_is_what_its_name_says() {
    for row in table("Instances").iter().skip(1) {
        let state = instance(row[0]).state();
        assert!(row[0].starts_with(&state), "`{}` is {state}", row[0]);
    }
}

#[test]
fn every_event_leads_to_the_state_the_cause_and_the_effects_of_the_table() {
    let rows = table("Outcomes");
    assert!(rows.len() > 100, "the table has {} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows.iter().skip(1) {
        let mut scene = if row[0] == "-" { Scene::default() } else { instance(row[0]) };
        let effects = scene.play(&rules(row[1]), row[2]);
        let is = [row[0], row[1], row[2], &scene.state(), scene.cause(), &effects];
        if row[..] != is {
            wrong.push(format!("| {} |", is.join(" | ")));
        }
    }
    compare(&wrong);
}

#[test]
fn every_command_is_answered_in_every_state_as_the_table_says() {
    let rows = table("Commands");
    let mut wrong = Vec::new();
    for row in rows.iter().skip(1) {
        let scene = instance(row[0]);
        let mut is = vec![row[0]];
        for name in &rows[0][1..] {
            let (life, now) = scene.moment();
            is.push(answer(admit(life, command(name, now), now)));
        }
        if row != &is {
            wrong.push(format!("| {} |", is.join(" | ")));
        }
    }
    compare(&wrong);
}

#[test]
fn the_tables_leave_no_instance_out() {
    let first =
        |heading: &str| -> BTreeSet<&str> { table(heading).iter().skip(1).map(|row| row[0]).collect() };
    let outcomes = first("Outcomes");
    let commands = first("Commands");
    let missing: Vec<_> = first("Instances")
        .into_iter()
        .filter(|name| !outcomes.contains(name) || !commands.contains(name))
        .collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
}
