//! How `top` looks: a board drawn into the cells of a terminal of any size.

use chrono::{DateTime, Utc};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Borders, Cell, Clear, Paragraph, Row, Table, TableState, Wrap};

use super::board::{Board, Tab, label};
use crate::api::actor::Actor;
use crate::api::instance::{Instance, Status};
use crate::cli::harmless::harmless;
use crate::cli::{instances, table};

const KEYS: &str =
    " q quit   ↑↓ choose   enter details   s sort   / filter   tab actors   r refresh   ? help";
const HELP: &str = "\
 up, down, j, k      choose a row
 page up, page down  a screen further
 home, end           the first, the last
 enter               details of the instance
 s                   sort by the next column
 /                   filter by name, type, status, id
 tab                 instances, actors (operators)
 r                   ask the daemon now
 escape              close, or clear the filter
 q, ctrl-c           quit";

/// A column: its title, its width, the terminal's width from which on it is shown, whether it is a number.
struct Column<T> {
    title: &'static str,
    width: Constraint,
    from: u16,
    number: bool,
    value: fn(&T, DateTime<Utc>) -> String,
}

const INSTANCES: [Column<Instance>; 9] = [
    Column {
        title: "ID",
        width: Constraint::Length(13),
        from: 90,
        number: false,
        value: |one, _| one.id.to_string()[..13].to_owned(),
    },
    Column {
        title: "NAME",
        width: Constraint::Min(10),
        from: 0,
        number: false,
        value: |one, _| label(one).to_owned(),
    },
    Column {
        title: "STATUS",
        width: Constraint::Length(12),
        from: 0,
        number: false,
        value: |one, _| one.status.to_string(),
    },
    Column {
        title: "TYPE",
        width: Constraint::Length(12),
        from: 70,
        number: false,
        value: |one, _| one.mcp_type.clone(),
    },
    Column {
        title: "CPU",
        width: Constraint::Length(8),
        from: 0,
        number: true,
        value: |one, _| table::or_nothing(one.stats.cpu_percent.map(|cpu| format!("{cpu:.1}%"))),
    },
    Column {
        title: "MEMORY",
        width: Constraint::Length(9),
        from: 40,
        number: true,
        value: |one, _| table::or_nothing(one.stats.memory_bytes.map(table::bytes)),
    },
    Column {
        title: "RESTARTS",
        width: Constraint::Length(8),
        from: 80,
        number: true,
        value: |one, _| one.restarts.total.to_string(),
    },
    Column {
        title: "HEALTH",
        width: Constraint::Length(9),
        from: 100,
        number: true,
        value: |one, _| {
            table::or_nothing(one.stats.health.as_ref().map(|health| format!("{:.1} ms", health.latency_ms)))
        },
    },
    Column {
        title: "LEASE",
        width: Constraint::Length(8),
        from: 60,
        number: true,
        value: |one, now| table::left(one.expires_at, now),
    },
];

const ACTORS: [Column<Actor>; 7] = [
    Column {
        title: "ACTOR",
        width: Constraint::Min(24),
        from: 0,
        number: false,
        value: |one, _| one.path.clone(),
    },
    Column {
        title: "STATE",
        width: Constraint::Length(12),
        from: 50,
        number: false,
        value: |one, _| table::or_nothing(one.state),
    },
    Column {
        title: "RUN",
        width: Constraint::Length(5),
        from: 60,
        number: true,
        value: |one, _| one.generation.to_string(),
    },
    Column {
        title: "WAITING",
        width: Constraint::Length(7),
        from: 0,
        number: true,
        value: |one, _| one.mailbox_depth.to_string(),
    },
    Column {
        title: "HANDLED",
        width: Constraint::Length(9),
        from: 70,
        number: true,
        value: |one, _| one.messages_handled.to_string(),
    },
    Column {
        title: "LAST",
        width: Constraint::Length(9),
        from: 80,
        number: true,
        value: |one, _| table::or_nothing(one.last_message_age_ms.map(age)),
    },
    Column {
        title: "UP",
        width: Constraint::Length(8),
        from: 90,
        number: true,
        value: |one, _| table::span(i64::try_from(one.uptime_seconds).unwrap_or(i64::MAX)),
    },
];

fn age(milliseconds: u64) -> String {
    if milliseconds < 1_000 {
        format!("{milliseconds} ms")
    } else {
        table::span(i64::try_from(milliseconds / 1_000).unwrap_or(i64::MAX))
    }
}

/// Draws the board as it is at `now`.
pub(super) fn draw(frame: &mut Frame<'_>, board: &mut Board, colors: bool, now: DateTime<Utc>) {
    let look = Looks { colors };
    let below = if board.detail().is_some() { (frame.area().height / 2).min(14) } else { 0 };
    let [head, tabs, list, detail, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(below),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    // The head of the list takes one line.
    board.page = usize::from(list.height.saturating_sub(1)).max(1);
    frame.render_widget(Paragraph::new(summary(board.all())).style(look.strong()), head);
    frame.render_widget(Paragraph::new(chooser(board, look)), tabs);
    match board.tab {
        Tab::Instances => {
            let rows = board.instances();
            let empty =
                if board.all().is_empty() { "There are no instances yet." } else { "None fits the filter." };
            let style = |one: &Instance| look.status(one.status);
            draw_list(frame, list, &INSTANCES, &rows, empty, board.marked(), style, look, now);
        }
        Tab::Actors => {
            let rows = board.actors();
            let style = |one: &Actor| one.state.map_or(Style::new(), |state| look.status(state));
            draw_list(frame, list, &ACTORS, &rows, "None fits the filter.", board.marked(), style, look, now);
        }
    }
    if let Some(instance) = board.detail() {
        let block = Block::new().borders(Borders::TOP).title(format!(" {} ", harmless(label(instance))));
        let text = Paragraph::new(described(instance, now)).wrap(Wrap { trim: false }).block(block);
        frame.render_widget(text, detail);
    }
    frame.render_widget(footer(board, look), foot);
    if board.help {
        let area = middle(frame.area(), 56, 12);
        frame.render_widget(Clear, area);
        frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title(" Keys ")), area);
    }
}

#[expect(clippy::too_many_arguments, reason = "one place for what both lists have in common")]
fn draw_list<T>(
    frame: &mut Frame<'_>,
    area: Rect,
    columns: &[Column<T>],
    rows: &[&T],
    empty: &str,
    marked: Option<usize>,
    style: impl Fn(&T) -> Style,
    look: Looks,
    now: DateTime<Utc>,
) {
    if rows.is_empty() {
        frame.render_widget(Paragraph::new(empty).alignment(Alignment::Center), area);
        return;
    }
    let columns: Vec<&Column<T>> = columns.iter().filter(|column| column.from <= area.width).collect();
    let text = |column: &Column<T>, text: String| {
        let side = if column.number { Alignment::Right } else { Alignment::Left };
        Text::from(harmless(&text).into_owned()).alignment(side)
    };
    let head = Row::new(columns.iter().map(|column| text(column, column.title.to_owned())));
    let lines = rows.iter().map(|row| {
        Row::new(columns.iter().map(|column| {
            let cell = Cell::new(text(column, (column.value)(row, now)));
            if matches!(column.title, "STATUS" | "STATE") { cell.style(style(row)) } else { cell }
        }))
    });
    let list = Table::new(lines, columns.iter().map(|column| column.width))
        .header(head.style(look.strong()))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(marked);
    frame.render_stateful_widget(list, area, &mut state);
}

/// One line on all instances.
pub(super) fn summary(instances: &[Instance]) -> String {
    // The sum of no floats is minus zero, which would show.
    let cpu = instances.iter().filter_map(|one| one.stats.cpu_percent).fold(0.0, |sum, one| sum + one);
    let memory = instances.iter().filter_map(|one| one.stats.memory_bytes).sum();
    let with = |status| instances.iter().filter(|one| one.status == status).count();
    format!(
        "{} instance{}: {} running, {} asleep, {} disconnected; CPU {cpu:.1}% of a core, memory {}",
        instances.len(),
        if instances.len() == 1 { "" } else { "s" },
        with(Status::Running),
        with(Status::Hibernated),
        with(Status::Disconnected),
        table::bytes(memory)
    )
}

fn chooser(board: &Board, look: Looks) -> Line<'static> {
    let tab = |name: &'static str, tab| {
        let style =
            if board.tab == tab { look.strong().add_modifier(Modifier::UNDERLINED) } else { Style::new() };
        Span::styled(name, style)
    };
    let mut spans = vec![tab("Instances", Tab::Instances)];
    if board.has_actors() {
        spans.extend([Span::raw("  "), tab("Actors", Tab::Actors)]);
    }
    if board.tab == Tab::Instances {
        spans.push(Span::raw(format!("    by {}", board.sort.name())));
    }
    if board.typing || !board.filter.is_empty() {
        let caret = if board.typing { "_" } else { "" };
        spans.push(Span::raw(format!("    filter: {}{caret}", harmless(&board.filter))));
    }
    Line::from(spans)
}

fn footer(board: &Board, look: Looks) -> Paragraph<'_> {
    match &board.trouble {
        Some(trouble) => Paragraph::new(format!(" {}; trying again", harmless(trouble))).style(look.bad()),
        None => Paragraph::new(KEYS).style(look.faint()),
    }
}

fn described(instance: &Instance, now: DateTime<Utc>) -> String {
    let mut rows = vec![
        ("id", instance.id.to_string()),
        ("url", instance.access_url.clone()),
        ("why", table::or_nothing(instance.status_reason.as_ref())),
        ("process", table::or_nothing(instance.process_id)),
        ("lease", table::moment(instance.expires_at, now)),
        ("limits", instances::limits(&instance.limits.declared, &instance.limits.enforced_by)),
    ];
    rows.extend(instance.last_exit.as_ref().map(|exit| ("last exit", instances::last_exit(exit, now))));
    harmless(&table::details(&rows)).into_owned()
}

/// A place of this size in the middle, or as much of it as there is.
fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// Colours, where they are wanted.
#[derive(Debug, Clone, Copy)]
struct Looks {
    colors: bool,
}

impl Looks {
    fn color(self, color: Color) -> Style {
        if self.colors { Style::new().fg(color) } else { Style::new() }
    }

    fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn faint(self) -> Style {
        self.color(Color::DarkGray)
    }

    fn bad(self) -> Style {
        self.color(Color::Red)
    }

    /// The same colours as in tables.
    fn status(self, status: Status) -> Style {
        self.color(match status {
            Status::Running => Color::Green,
            Status::Pending | Status::Starting | Status::Restarting | Status::Stopping => Color::Yellow,
            Status::Unhealthy | Status::Disconnected | Status::Failed => Color::Red,
            Status::Hibernated => Color::Cyan,
            Status::Stopped | Status::Expired => Color::DarkGray,
        })
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::board::tests::{board, named};
    use super::*;
    use crate::cli::instances::tests::now;
    use crate::cli::top::board::Look;

    fn drawn(board: &mut Board, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, board, true, now())).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_wide_screen_shows_every_column_and_a_narrow_one_what_matters() {
        let wide = drawn(&mut board(), 120, 12);
        for title in ["ID", "NAME", "STATUS", "TYPE", "CPU", "MEMORY", "RESTARTS", "HEALTH", "LEASE"] {
            assert!(wide.contains(title), "{title} in\n{wide}");
        }
        assert!(
            wide.contains("3 instances: 3 running, 0 asleep, 0 disconnected; CPU 52.0% of a core"),
            "{wide}"
        );
        let narrow = drawn(&mut board(), 36, 12);
        assert!(narrow.contains("NAME") && narrow.contains("CPU") && narrow.contains("gamma"), "{narrow}");
        assert!(!narrow.contains("RESTARTS"), "{narrow}");
    }

    #[test]
    fn the_marked_row_is_always_on_the_screen() {
        let instances = ('a'..='z').map(|name| named(&name.to_string(), Some(1.0), 0)).collect();
        let mut board = Board::new(Look { instances, actors: None });
        assert!(!drawn(&mut board, 80, 10).contains(" z "));
        board.press(KeyEvent::from(KeyCode::End));
        assert!(drawn(&mut board, 80, 10).contains("z "), "{}", drawn(&mut board, 80, 10));
    }

    #[test]
    fn no_size_is_too_small_and_help_covers_what_it_needs() {
        let mut board = board();
        board.press(KeyEvent::from(KeyCode::Enter));
        board.press(KeyEvent::from(KeyCode::Char('?')));
        for (width, height) in [(1, 1), (3, 2), (20, 5), (200, 60)] {
            drawn(&mut board, width, height);
        }
        assert!(drawn(&mut board, 80, 24).contains("sort by the next column"));
    }

    #[test]
    fn details_and_trouble_are_told_and_control_characters_are_not() {
        let mut board = board();
        board.press(KeyEvent::from(KeyCode::Enter));
        board.saw(Err("the daemon \u{1b}]0;title\u{7} does not answer".into()));
        let shown = drawn(&mut board, 100, 30);
        assert!(shown.contains("does not answer; trying again"), "{shown}");
        assert!(shown.contains("url") && shown.contains("lease"), "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'));
    }
}
