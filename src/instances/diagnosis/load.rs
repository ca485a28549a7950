//! Whether an instance is slow, and what makes it so: its CPU, its memory, or what it waits for. Pure.

use minimcp_actors::snapshot::Sample;

use crate::api::diagnosis::Check;
use crate::api::instance::DeclaredLimits;
use crate::machine::Machine;

/// Measurements in a row that count: one alone is a moment.
const ROW: usize = 3;
/// Percent of what it may have from which it is short of it.
const FULL: u32 = 80;
/// Health checks that take as long as this, in microseconds, are slow.
const SLOW_US: u64 = 1_000_000;

/// What was measured, and what it means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Load {
    cpu: Judged,
    memory: Judged,
    latency: Judged,
    /// What makes everything on this machine slow, if anything does.
    machine: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Judged {
    /// Null while there are too few measurements.
    short: Option<bool>,
    detail: String,
    advice: String,
}

impl Load {
    /// `samples` are those of the present run since it serves, the oldest first.
    pub(super) fn of(samples: &[Sample], limits: &DeclaredLimits, machine: Option<Machine>) -> Self {
        let row = samples.len().checked_sub(ROW).map(|from| &samples[from..]);
        let latest = samples.last();
        Self {
            cpu: cpu(row, latest, limits.max_cpu_percent),
            memory: memory(row, latest, limits.max_memory_mb, machine),
            latency: latency(row, latest),
            machine: machine.and_then(busy),
        }
    }

    pub(super) fn checks(&self) -> [Check; 3] {
        [("cpu", &self.cpu), ("memory", &self.memory), ("latency", &self.latency)].map(|(name, judged)| {
            let detail =
                if judged.detail.is_empty() { "nothing is measured at present" } else { &judged.detail };
            Check { name: name.into(), ok: judged.short.map(|short| !short), detail: detail.into() }
        })
    }

    /// What makes it slow, in words; nothing if it is not.
    pub(super) fn slow(&self) -> Option<&str> {
        self.short().next().map(|judged| judged.detail.as_str())
    }

    pub(super) fn advice(&self) -> Vec<String> {
        let is_busy = self.cpu.short == Some(true);
        // Whoever computes all the time answers late for that reason.
        let told = self.short().filter(|judged| !(is_busy && std::ptr::eq(*judged, &self.latency)));
        let mut advice: Vec<String> = told.map(|judged| judged.advice.clone()).collect();
        if !advice.is_empty() {
            advice.extend(self.machine.clone());
        }
        advice
    }

    fn short(&self) -> impl Iterator<Item = &Judged> {
        [&self.cpu, &self.memory, &self.latency].into_iter().filter(|judged| judged.short == Some(true))
    }
}

fn cpu(row: Option<&[Sample]>, latest: Option<&Sample>, limit: Option<u32>) -> Judged {
    let Some(latest) = latest else { return Judged::default() };
    let full = f64::from(limit.unwrap_or(100)) * f64::from(FULL) / 100.0;
    let short = row.map(|row| row.iter().all(|sample| f64::from(sample.usage.cpu_percent) > full));
    let used = latest.usage.cpu_percent;
    match limit {
        Some(limit) => Judged {
            short,
            detail: format!("it uses {used:.1} % of a core, of {limit} % that it may"),
            advice: "its CPU is what makes it slow: give it less to do at once, or have the type's CPU limit raised"
                .into(),
        },
        None => Judged {
            short,
            detail: format!("it uses {used:.1} % of a core, without a limit"),
            advice: "its CPU is what makes it slow: it keeps a core busy. Give it less to do at once or spread the calls \
                     over several instances, and have a CPU limit set for its type so that others do not suffer"
                .into(),
        },
    }
}

fn memory(
    row: Option<&[Sample]>,
    latest: Option<&Sample>,
    limit: Option<u32>,
    machine: Option<Machine>,
) -> Judged {
    let Some(latest) = latest else { return Judged::default() };
    let used = latest.usage.memory_bytes >> 20;
    let may = limit.map(|mib| u64::from(mib) << 20);
    let all = may.or(machine.map(|machine| machine.memory));
    let over = |all: u64| move |sample: &Sample| sample.usage.memory_bytes > all / 100 * u64::from(FULL);
    let short = row.zip(all).map(|(row, all)| row.iter().all(over(all)));
    match limit {
        Some(limit) => Judged {
            short,
            detail: format!("it holds {used} MiB, of {limit} that it may"),
            advice: "it is near its memory limit, at which it is ended: give it less to do at once, or have the type's \
                     memory limit raised; a new run frees what it does not give back"
                .into(),
        },
        None => Judged {
            short,
            detail: format!("it holds {used} MiB, without a limit"),
            advice: "it holds most of the memory of the machine: begin a new run, and have a memory limit set for its type"
                .into(),
        },
    }
}

fn latency(row: Option<&[Sample]>, latest: Option<&Sample>) -> Judged {
    let Some(took) = latest.and_then(|latest| latest.health_latency_us) else { return Judged::default() };
    let is_slow = |sample: &Sample| sample.health_latency_us.is_some_and(|us| us >= SLOW_US);
    Judged {
        short: row.map(|row| row.iter().all(is_slow)),
        detail: format!("its health checks take {} ms", took / 1_000),
        advice: "it answers late though it computes little, so it waits for something, most often its vendor: see which \
                 calls its log says are slow, and whether the vendor limits how often it may be asked"
            .into(),
    }
}

/// What makes everything on a machine slow.
fn busy(machine: Machine) -> Option<String> {
    let Machine { cpus, load, .. } = machine;
    if machine.is_short_of_memory() {
        let words = "the machine is short of memory: `minimcp top` shows who has it; have fewer servers, or add memory";
        return Some(words.into());
    }
    let cores = f64::from(u32::try_from(cpus).unwrap_or(u32::MAX));
    (load > cores * 1.5).then(|| {
        format!(
            "the machine is busy, with a load of {load:.1} on {cpus} processors: `minimcp top` shows by whom"
        )
    })
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use minimcp_actors::state::Usage;

    use super::*;

    const IDLE: Machine = Machine { cpus: 2, memory: 8 << 30, available: 4 << 30, load: 0.1 };

    fn samples(cpu_percent: f32, mib: u64, latency_ms: u64) -> Vec<Sample> {
        let usage = Usage { cpu_percent, memory_bytes: mib << 20, processes: 1, ..Usage::default() };
        vec![Sample { at: Utc::now(), usage, health_latency_us: Some(latency_ms * 1_000) }; ROW]
    }

    fn limits(max_memory_mb: Option<u32>, max_cpu_percent: Option<u32>) -> DeclaredLimits {
        DeclaredLimits { max_memory_mb, max_cpu_percent, max_processes: None }
    }

    #[test]
    fn each_reason_for_being_slow_is_told_from_the_others() {
        for (cpu, mib, ms, limits, advised) in [
            (5.0, 60, 3, limits(Some(100), Some(50)), vec![]),
            (41.0, 60, 3, limits(Some(100), Some(50)), vec!["have the type's CPU limit raised"]),
            (41.0, 60, 3, limits(None, None), vec![]),
            (99.0, 60, 3, limits(None, None), vec!["it keeps a core busy"]),
            (5.0, 81, 3, limits(Some(100), None), vec!["near its memory limit"]),
            (5.0, 7_000, 3, limits(None, None), vec!["most of the memory of the machine"]),
            (5.0, 60, 1_000, limits(None, None), vec!["it waits for something"]),
            (99.0, 60, 2_000, limits(None, None), vec!["it keeps a core busy"]),
            (99.0, 99, 3, limits(Some(100), None), vec!["it keeps a core busy", "near its memory limit"]),
        ] {
            let load = Load::of(&samples(cpu, mib, ms), &limits, Some(IDLE));
            let advice = load.advice();
            assert_eq!(advice.len(), advised.len(), "{cpu} {mib} {ms}: {advice:?}");
            assert!(advice.iter().zip(&advised).all(|(is, words)| is.contains(words)), "{advice:?}");
            assert_eq!(load.slow().is_some(), !advised.is_empty());
        }
    }

    #[test]
    fn one_moment_is_no_load_and_a_busy_machine_is_blamed_only_for_what_is_slow() {
        let mut some = samples(99.0, 60, 3);
        some[0].usage.cpu_percent = 1.0;
        assert_eq!(Load::of(&some, &limits(None, None), None).slow(), None);
        let few = Load::of(&some[1..], &limits(None, None), None);
        assert_eq!((few.slow(), few.checks()[0].ok), (None, None));
        let machine = Some(Machine { load: 9.0, ..IDLE });
        assert_eq!(Load::of(&samples(1.0, 60, 3), &limits(None, None), machine).advice(), [""; 0]);
        let advice = Load::of(&samples(99.0, 60, 3), &limits(None, None), machine).advice();
        assert!(advice[1].contains("load of 9.0 on 2 processors"), "{advice:?}");
        assert_eq!(
            Load::of(&[], &limits(None, None), None).checks()[1].detail,
            "nothing is measured at present"
        );
    }
}
