//! What `top` shows, and how keys change it. Knows no terminal and no daemon.

use std::cmp::Ordering;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::api::actor::Actor;
use crate::api::instance::{Instance, Status};

/// What one look at the daemon gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    pub(super) instances: Vec<Instance>,
    /// None where the caller may not see actors.
    pub(super) actors: Option<Vec<Actor>>,
}

/// Which list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Instances,
    Actors,
}

/// What instances are sorted by, the greatest first where it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Cpu,
    Memory,
    Restarts,
    Lease,
    Name,
}

impl Sort {
    const ALL: [Self; 5] = [Self::Cpu, Self::Memory, Self::Restarts, Self::Lease, Self::Name];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Restarts => "restarts",
            Self::Lease => "lease",
            Self::Name => "name",
        }
    }

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    fn order(self, a: &Instance, b: &Instance) -> Ordering {
        let cpu = |instance: &Instance| instance.stats.cpu_percent.unwrap_or(-1.0);
        let first = match self {
            Self::Cpu => cpu(b).total_cmp(&cpu(a)).then(b.stats.memory_bytes.cmp(&a.stats.memory_bytes)),
            Self::Memory => b.stats.memory_bytes.cmp(&a.stats.memory_bytes),
            Self::Restarts => b.restarts.total.cmp(&a.restarts.total),
            Self::Lease => a.expires_at.cmp(&b.expires_at),
            Self::Name => label(a).cmp(label(b)),
        };
        first.then(a.id.cmp(&b.id))
    }
}

/// What an instance is called: its name, else its type.
pub(super) fn label(instance: &Instance) -> &str {
    instance.name.as_deref().unwrap_or(&instance.mcp_type)
}

/// What follows from a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Draw again.
    Draw,
    /// Ask the daemon at once.
    Ask,
    /// End.
    Quit,
}

/// The state of the screen.
#[derive(Debug)]
pub(super) struct Board {
    look: Look,
    pub(super) tab: Tab,
    pub(super) sort: Sort,
    pub(super) filter: String,
    /// Keys go into the filter.
    pub(super) typing: bool,
    /// The marked instance is shown in detail.
    pub(super) open: bool,
    pub(super) help: bool,
    /// What went wrong with the last look.
    pub(super) trouble: Option<String>,
    /// The marked row, by what stays the same when rows move.
    marked: Option<String>,
    /// Rows that fitted when it was drawn last.
    pub(super) page: usize,
}

impl Board {
    pub(super) fn new(look: Look) -> Self {
        Self {
            look,
            tab: Tab::Instances,
            sort: Sort::Cpu,
            filter: String::new(),
            typing: false,
            open: false,
            help: false,
            trouble: None,
            marked: None,
            page: 10,
        }
    }

    /// Takes the result of another look. What was seen before stays where there is none.
    pub(super) fn saw(&mut self, look: Result<Look, String>) {
        match look {
            Ok(look) => {
                self.look = look;
                self.trouble = None;
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    pub(super) fn all(&self) -> &[Instance] {
        &self.look.instances
    }

    pub(super) fn has_actors(&self) -> bool {
        self.look.actors.is_some()
    }

    /// The instances that the filter leaves, in order.
    pub(super) fn instances(&self) -> Vec<&Instance> {
        let wanted = self.filter.to_lowercase();
        let fits = |instance: &&Instance| {
            [label(instance), &instance.mcp_type, instance.status.as_str(), &instance.id.to_string()]
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
        };
        let mut shown: Vec<&Instance> = self.look.instances.iter().filter(fits).collect();
        shown.sort_by(|a, b| self.sort.order(a, b));
        shown
    }

    /// The actors that the filter leaves, by path.
    pub(super) fn actors(&self) -> Vec<&Actor> {
        let wanted = self.filter.to_lowercase();
        let actors = self.look.actors.iter().flatten();
        let fits = |actor: &&Actor| {
            actor.path.contains(&wanted)
                || actor.kind.contains(&wanted)
                || actor.state.is_some_and(|state: Status| state.as_str().contains(&wanted))
        };
        let mut shown: Vec<&Actor> = actors.filter(fits).collect();
        shown.sort_by(|a, b| a.path.cmp(&b.path));
        shown
    }

    fn rows(&self) -> Vec<String> {
        match self.tab {
            Tab::Instances => self.instances().iter().map(|instance| instance.id.to_string()).collect(),
            Tab::Actors => self.actors().iter().map(|actor| actor.path.clone()).collect(),
        }
    }

    /// The marked row of what is shown; the first where the marked one is gone.
    pub(super) fn marked(&self) -> Option<usize> {
        let rows = self.rows();
        let at = self.marked.as_ref().and_then(|marked| rows.iter().position(|row| row == marked));
        at.or_else(|| (!rows.is_empty()).then_some(0))
    }

    /// The instance to show in detail.
    pub(super) fn detail(&self) -> Option<&Instance> {
        let at = self.marked().filter(|_| self.open && self.tab == Tab::Instances)?;
        self.instances().get(at).copied()
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Step {
        if key.kind == KeyEventKind::Release {
            return Step::Draw;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if matches!(key.code, KeyCode::Char('c')) { Step::Quit } else { Step::Draw };
        }
        if self.help {
            self.help = false;
            return if matches!(key.code, KeyCode::Char('q')) { Step::Quit } else { Step::Draw };
        }
        if self.typing { self.write(key.code) } else { self.command(key.code) }
    }

    fn write(&mut self, key: KeyCode) -> Step {
        match key {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => self.travel(key),
        }
        Step::Draw
    }

    fn command(&mut self, key: KeyCode) -> Step {
        match key {
            KeyCode::Char('q') => return Step::Quit,
            KeyCode::Char('r') => return Step::Ask,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Tab | KeyCode::BackTab if self.has_actors() => {
                self.tab = if self.tab == Tab::Instances { Tab::Actors } else { Tab::Instances };
                self.marked = None;
                self.open = false;
            }
            KeyCode::Enter => self.open = !self.open,
            KeyCode::Esc => {
                // One thing at a time, the nearest first.
                if self.open {
                    self.open = false;
                } else if self.filter.is_empty() {
                    return Step::Quit;
                } else {
                    self.filter.clear();
                }
            }
            KeyCode::Char('j') => self.travel(KeyCode::Down),
            KeyCode::Char('k') => self.travel(KeyCode::Up),
            _ => self.travel(key),
        }
        Step::Draw
    }

    fn travel(&mut self, key: KeyCode) {
        let rows = self.rows();
        let Some(at) = self.marked() else { return };
        let last = rows.len() - 1;
        let to = match key {
            KeyCode::Up => at.saturating_sub(1),
            KeyCode::Down => at + 1,
            KeyCode::PageUp => at.saturating_sub(self.page),
            KeyCode::PageDown => at + self.page,
            KeyCode::Home => 0,
            KeyCode::End => last,
            _ => return,
        };
        self.marked = rows.get(to.min(last)).cloned();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::instances::tests::instance;

    pub(in crate::cli::top) fn named(name: &str, cpu: Option<f32>, restarts: u64) -> Instance {
        let mut instance = instance(Status::Running);
        instance.id = uuid::Uuid::from_u128(u128::from(name.as_bytes()[0]) << 96);
        instance.name = Some(name.into());
        instance.stats.cpu_percent = cpu;
        instance.restarts.total = restarts;
        instance
    }

    pub(in crate::cli::top) fn board() -> Board {
        let instances =
            vec![named("alpha", None, 9), named("beta", Some(2.0), 1), named("gamma", Some(50.0), 0)];
        Board::new(Look { instances, actors: Some(Vec::new()) })
    }

    fn press(board: &mut Board, keys: &[KeyCode]) -> Step {
        keys.iter().map(|key| board.press(KeyEvent::from(*key))).last().unwrap()
    }

    fn names(board: &Board) -> Vec<&str> {
        board.instances().into_iter().map(label).collect()
    }

    #[test]
    fn the_busiest_come_first_and_each_s_sorts_by_the_next_thing() {
        let mut board = board();
        assert_eq!(names(&board), ["gamma", "beta", "alpha"]);
        press(&mut board, &[KeyCode::Char('s'), KeyCode::Char('s')]);
        assert_eq!(board.sort, Sort::Restarts);
        assert_eq!(names(&board), ["alpha", "beta", "gamma"]);
        press(&mut board, &[KeyCode::Char('s'), KeyCode::Char('s'), KeyCode::Char('s')]);
        assert_eq!(board.sort, Sort::Cpu);
    }

    #[test]
    fn the_mark_stays_on_its_instance_when_the_order_changes() {
        let mut board = board();
        press(&mut board, &[KeyCode::Down]);
        assert_eq!(board.marked(), Some(1));
        let mut instances = board.look.instances.clone();
        instances[1].stats.cpu_percent = Some(99.0);
        board.saw(Ok(Look { instances, actors: None }));
        assert_eq!(names(&board)[board.marked().unwrap()], "beta");
        assert_eq!(board.marked(), Some(0));
        board.saw(Ok(Look::default()));
        assert_eq!(board.marked(), None);
        press(&mut board, &[KeyCode::Down, KeyCode::Enter]);
        assert!(board.detail().is_none());
    }

    #[test]
    fn travelling_ends_at_the_first_and_the_last_row() {
        let mut board = board();
        press(&mut board, &[KeyCode::PageDown]);
        assert_eq!(board.marked(), Some(2));
        press(&mut board, &[KeyCode::Down]);
        assert_eq!(board.marked(), Some(2));
        press(&mut board, &[KeyCode::Home, KeyCode::Up]);
        assert_eq!(board.marked(), Some(0));
    }

    #[test]
    fn what_is_typed_filters_by_name_type_status_and_id() {
        let mut board = board();
        press(&mut board, &[KeyCode::Char('/'), KeyCode::Char('E'), KeyCode::Char('t'), KeyCode::Char('q')]);
        assert_eq!(names(&board), Vec::<&str>::new());
        press(&mut board, &[KeyCode::Backspace]);
        assert_eq!(names(&board), ["beta"]);
        press(&mut board, &[KeyCode::Enter]);
        assert!(!board.typing);
        assert_eq!(press(&mut board, &[KeyCode::Esc]), Step::Draw);
        assert_eq!(names(&board).len(), 3);
        board.filter = "running".into();
        assert_eq!(names(&board).len(), 3);
    }

    #[test]
    fn escape_closes_one_thing_at_a_time_and_q_ends_at_once() {
        let mut board = board();
        press(&mut board, &[KeyCode::Enter]);
        assert_eq!(board.detail().map(label), Some("gamma"));
        assert_eq!(press(&mut board, &[KeyCode::Esc]), Step::Draw);
        assert_eq!(press(&mut board, &[KeyCode::Esc]), Step::Quit);
        assert_eq!(press(&mut board, &[KeyCode::Char('q')]), Step::Quit);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        board.typing = true;
        assert_eq!(board.press(interrupt), Step::Quit);
    }

    #[test]
    fn a_failed_look_keeps_what_was_seen() {
        let mut board = board();
        board.saw(Err("nobody answers".into()));
        assert_eq!(board.instances().len(), 3);
        assert_eq!(board.trouble.as_deref(), Some("nobody answers"));
        board.saw(Ok(Look::default()));
        assert_eq!(board.trouble, None);
    }

    #[test]
    fn actors_are_shown_to_those_who_may_see_them() {
        let mut board = board();
        press(&mut board, &[KeyCode::Tab]);
        assert_eq!(board.tab, Tab::Actors);
        let mut board = Board::new(Look::default());
        press(&mut board, &[KeyCode::Tab]);
        assert_eq!(board.tab, Tab::Instances);
    }
}
