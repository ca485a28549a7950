//! The processors of this machine, and which of them those share that take more than they may.
//!
//! The kernel shares processors fairly in the long run, but whoever runs on one may stay there for milliseconds while
//! another that was just woken waits, and priorities do not always shorten that. A processor on which none of them may
//! run is the one sure remedy. So what takes too much is kept in a corner: the upper half of the processors.

use std::collections::HashSet;
use std::io;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Looks at the threads of one process, of which it may begin more meanwhile.
const LOOKS: u32 = 4;

/// The processors that this program may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cpus {
    all: CpuSet,
    corner: CpuSet,
}

impl Cpus {
    /// Those of the calling thread. `None` where there is but one, or the kernel does not say.
    pub(crate) fn of_this_thread() -> Option<Self> {
        Self::divided(sched_getaffinity(None).ok()?)
    }

    fn divided(all: CpuSet) -> Option<Self> {
        let (count, mut corner) = (all.count(), CpuSet::new());
        let present = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu));
        for cpu in present.skip(usize::try_from(count.div_ceil(2)).ok()?) {
            corner.set(cpu);
        }
        (corner.count() > 0).then_some(Self { all, corner })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.all.count()
    }

    /// How many are in the corner.
    pub(crate) fn in_corner(&self) -> u32 {
        self.corner.count()
    }

    /// Keeps the calling thread in the corner.
    pub(crate) fn confine_this_thread(&self) {
        // It goes on as it is where the kernel refuses.
        let _ = sched_setaffinity(None, &self.corner);
    }

    /// Keeps the process in the corner, with all threads and whatever it will begin.
    ///
    /// # Errors
    /// `EPERM` for a process of another user without `CAP_SYS_NICE`.
    pub(crate) fn confine(&self, pid: u32) -> io::Result<()> {
        place(pid, &self.corner)
    }

    /// Lets the process run everywhere again.
    ///
    /// # Errors
    /// As [`Self::confine`].
    pub(crate) fn release(&self, pid: u32) -> io::Result<()> {
        place(pid, &self.all)
    }

    /// Whether the first thread of the process is kept in the corner.
    pub(crate) fn is_confined(&self, pid: u32) -> bool {
        thread(pid).is_some_and(|pid| sched_getaffinity(Some(pid)).is_ok_and(|set| set == self.corner))
    }
}

/// Puts every thread of a process on these processors. One that ends meanwhile needs none.
fn place(pid: u32, cpus: &CpuSet) -> io::Result<()> {
    let mut placed = HashSet::new();
    for _ in 0..LOOKS {
        let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let threads: Vec<u32> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let fresh: Vec<u32> = threads.into_iter().filter(|id| placed.insert(*id)).collect();
        if fresh.is_empty() {
            break;
        }
        for id in fresh.into_iter().filter_map(thread) {
            match sched_setaffinity(Some(id), cpus) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn thread(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cpus: &[usize]) -> CpuSet {
        let mut set = CpuSet::new();
        cpus.iter().for_each(|cpu| set.set(*cpu));
        set
    }

    #[test]
    fn the_corner_is_the_upper_half_and_never_all() {
        let corner = |cpus: &[usize]| Cpus::divided(set(cpus)).map(|cpus| cpus.corner);
        assert_eq!(corner(&[0]), None);
        assert_eq!(corner(&[]), None);
        assert_eq!(corner(&[0, 1]), Some(set(&[1])));
        assert_eq!(corner(&[1, 3, 8]), Some(set(&[8])), "by what this program may use");
        assert_eq!(corner(&[0, 1, 2, 3]), Some(set(&[2, 3])));
    }

    #[test]
    fn every_thread_of_a_process_is_confined_and_released() {
        let cpus = Cpus::of_this_thread().expect("a machine with more than one processor");
        let script = "import threading, time\n\
                      for _ in range(3): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n\
                      print('ready', flush=True); time.sleep(60)";
        let mut child = std::process::Command::new("python3")
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        let threads = || -> Vec<CpuSet> {
            let entries = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
            let ids = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap());
            ids.map(|id: u32| sched_getaffinity(thread(id)).unwrap()).collect()
        };
        assert!(!cpus.is_confined(child.id()));
        cpus.confine(child.id()).unwrap();
        assert!(cpus.is_confined(child.id()));
        assert_eq!(threads(), vec![cpus.corner; 4]);
        cpus.release(child.id()).unwrap();
        assert_eq!(threads(), vec![cpus.all; 4]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
