//! What this machine has, and how much of it is left.

use sysinfo::{Error, MemoryRefreshKind, RefreshKind, System};

/// What this machine has. In a container that may have less memory, that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Processors that this program may use.
    pub cpus: usize,
    /// Memory, in bytes.
    pub memory: u64,
    /// Memory that processes can have without swapping, in bytes.
    pub available: u64,
    /// Processes that ran or wanted to, on average over the last minute.
    pub load: f64,
}

impl Machine {
    /// Looks, which takes some microseconds.
    ///
    /// # Errors
    /// What the system says where it does not tell.
    pub fn look() -> Result<Self, Error> {
        let memory = MemoryRefreshKind::nothing().with_ram();
        let system = System::new_with_specifics(RefreshKind::nothing().with_memory(memory))?;
        let (total, available) = (system.total_memory(), system.available_memory());
        let limits = system.cgroup_limits().filter(|limits| limits.total_memory < total);
        Ok(Self {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory: limits.as_ref().map_or(total, |limits| limits.total_memory),
            available: limits.map_or(available, |limits| limits.free_memory.min(available)),
            load: System::load_average()?.one,
        })
    }

    /// Whether less than a tenth of the memory is left: the kernel may soon end what is within its own limit.
    #[must_use]
    pub fn is_short_of_memory(&self) -> bool {
        self.available < self.memory / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_the_kernel_shows() {
        let machine = Machine::look().unwrap();
        let shown = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total =
            shown.lines().find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB")).unwrap();
        assert!(machine.memory <= total.trim().parse::<u64>().unwrap() * 1_024);
        assert!((1..=machine.memory).contains(&machine.available) && machine.cpus > 0);
        assert!(machine.load.is_finite());
    }

    #[test]
    fn memory_is_short_below_a_tenth() {
        let machine = Machine { cpus: 2, memory: 1_000, available: 100, load: 0.0 };
        assert!(!machine.is_short_of_memory());
        assert!(Machine { available: 99, ..machine }.is_short_of_memory());
    }
}
