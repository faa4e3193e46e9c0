//! An allocator whose price depends on nothing: each block costs the same few instructions, and
//! where it lies depends only on what was asked for before.
//!
//! What the C library's allocator takes depends on what lies in its lists, and that is different from
//! run to run, because the hash maps of the standard library begin with random keys. So memory is
//! handed out once and never taken back, and allocations are counted instead: a figure of its own.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

#[global_allocator]
static ONE_WAY: OneWay = OneWay {
    chunk: Mutex::new(Chunk { next: ptr::null_mut(), left: 0 }),
    allocations: AtomicU64::new(0),
};

/// Bytes that are taken from the system at once.
const CHUNK: usize = 64 * 1024 * 1024;

/// Where blocks begin: at multiples of a cache line, which is wider than any register, so that
/// copying a block takes the same wherever it lies.
const ALIGN: usize = 64;

/// How often memory was asked for so far; growing a block asks for a new one.
pub(super) fn allocations() -> u64 {
    ONE_WAY.allocations.load(Ordering::Relaxed)
}

struct OneWay {
    chunk: Mutex<Chunk>,
    allocations: AtomicU64,
}

/// What is left of the memory that was taken from the system.
struct Chunk {
    next: *mut u8,
    left: usize,
}

// SAFETY: what `next` points to belongs to nobody yet, and to one caller once it is handed out.
unsafe impl Send for Chunk {}

// SAFETY: a block is a part of a chunk of the system's, as long and as aligned as its layout says,
// and since nothing is taken back no two blocks overlap. Without memory the answer is null.
unsafe impl GlobalAlloc for OneWay {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocations.fetch_add(1, Ordering::Relaxed);
        if layout.align() > ALIGN {
            // SAFETY: the caller's promises about `layout` are passed on.
            return unsafe { System.alloc(layout) };
        }
        let size = layout.size().next_multiple_of(ALIGN);
        let mut chunk = self.chunk.lock().unwrap_or_else(PoisonError::into_inner);
        if size > chunk.left && !chunk.renew(size) {
            return ptr::null_mut();
        }
        chunk.take(size)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

impl Chunk {
    /// Takes a new chunk from the system, for at least `size` bytes; what was left of the old one
    /// stays unused. False if there is no memory.
    fn renew(&mut self, size: usize) -> bool {
        let size = size.max(CHUNK);
        let Ok(layout) = Layout::from_size_align(size, ALIGN) else { return false };
        // SAFETY: the layout is not empty.
        let next = unsafe { System.alloc(layout) };
        if next.is_null() {
            return false;
        }
        *self = Chunk { next, left: size };
        true
    }

    /// The next `size` bytes, of which there are enough.
    fn take(&mut self, size: usize) -> *mut u8 {
        let block = self.next;
        self.next = block.wrapping_add(size);
        self.left -= size;
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_apart_and_counted() {
        let before = allocations();
        let blocks: Vec<_> = [1, 64, 65, CHUNK + 1, 7].map(|size| vec![7u8; size]).into();
        assert!(allocations() >= before + 5);
        let mut places: Vec<_> =
            blocks.iter().map(|block| (block.as_ptr().addr(), block.len())).collect();
        places.sort_unstable();
        for (start, _) in &places {
            assert_eq!(start % ALIGN, 0);
        }
        for pair in places.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?}");
        }
    }
}
