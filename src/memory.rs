//! What keeps secrets from being found in the memory of this process: nobody of the same user may look into it,
//! no core dump is written, and memory is wiped when it is given back.
//!
//! Types that own a secret wipe it themselves. But a request with credentials also passes through the buffers of
//! HTTP and JSON libraries, which wipe nothing; an allocator that does catches all of them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// Shuts other processes of the same user out and turns core dumps off, for this process and, as far as dumps
/// go, for every one it starts.
///
/// # Errors
/// If the kernel refuses, which it does not do to a process about itself.
pub fn shut() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// The system's allocator, which overwrites memory with zeros before it is given back. Memory that is resized
/// moves, so that what it leaves behind is overwritten too.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wiping;

#[expect(unsafe_code, reason = "an allocator is an unsafe trait")]
// SAFETY: all memory comes from and goes back to the system's allocator with the layout it was asked for;
// `realloc` is the trait's own, which allocates, copies and deallocates.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of this trait, which are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the memory is the caller's, of this size, and nobody reads it after this.
        unsafe {
            memory.write_bytes(0, layout.size());
            // Without it the compiler may leave out what nobody reads.
            zeroize::optimization_barrier(std::slice::from_raw_parts(memory, layout.size()));
            System.dealloc(memory, layout);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "memory is looked at as it is given back")]
    fn grown_memory_has_moved_so_that_the_old_is_wiped() {
        let layout = Layout::array::<u8>(4096).unwrap();
        // SAFETY: the layout is not empty, and the memory is given back once with the layout it has.
        unsafe {
            let memory = Wiping.alloc(layout);
            memory.write_bytes(7, layout.size());
            let grown = Wiping.realloc(memory, layout, 8192);
            assert_ne!(memory, grown, "allocated while the old memory was still there");
            assert_eq!(std::slice::from_raw_parts(grown, 4096), [7; 4096]);
            Wiping.dealloc(grown, Layout::array::<u8>(8192).unwrap());
        }
    }
}
