//! The global allocator: wipes every block before it is freed.
//!
//! Plaintext passes through buffers of the network stack that no type of ours owns; measured without
//! this, hundreds of copies were left in freed memory. What is still in use, on stacks or in the
//! kernel is not covered.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::asm;

/// Wipes each block before `A` frees it. A block that grows or shrinks moves (the provided
/// `realloc`), so that the old one is wiped too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wiping<A>(
    /// What really allocates.
    pub A,
);

// SAFETY: every call is handed on unchanged to `A`, which keeps the contract of `GlobalAlloc`; the
// block is written to only while it still belongs to this allocator's caller, within its layout.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller gives up a block of `layout.size()` bytes that nothing else uses. The
        // empty `asm!` takes the pointer and may read the memory as far as the compiler knows, so
        // the writes before it cannot be left out as dead.
        unsafe {
            block.write_bytes(0, layout.size());
            asm!("/* {0} */", in(reg) block, options(nostack, preserves_flags));
            self.0.dealloc(block, layout);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;
    use std::io::{Read, Seek, SeekFrom};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts what reaches the allocator below, looking at each block just before it is freed.
    #[derive(Default)]
    struct Inspecting {
        freed: AtomicUsize,
        not_wiped: AtomicUsize,
    }

    // SAFETY: hands every call on to `System`; reads a block only before it is freed, and tests
    // write all of each block before they free it.
    unsafe impl GlobalAlloc for Inspecting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: passed on.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the block has `layout.size()` initialised bytes until the call below.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            self.freed.fetch_add(1, Ordering::Relaxed);
            if bytes.iter().any(|byte| *byte != 0) {
                self.not_wiped.fetch_add(1, Ordering::Relaxed);
            }
            // SAFETY: passed on.
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[test]
    fn blocks_are_zero_when_they_are_freed_also_when_they_move() {
        let allocator = Wiping(Inspecting::default());
        for size in [1, 7, 64, 4_096, 1 << 20] {
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: sizes are not zero; each block is freed with the layout it has then.
            unsafe {
                let block = allocator.alloc(layout);
                block.write_bytes(0xa5, size);
                let moved = allocator.realloc(block, layout, size * 2);
                assert_eq!(moved.add(size - 1).read(), 0xa5);
                moved.write_bytes(0xa5, size * 2);
                allocator.dealloc(moved, Layout::from_size_align(size * 2, 8).unwrap());
            }
        }
        assert_eq!(allocator.0.freed.load(Ordering::Relaxed), 10);
        assert_eq!(allocator.0.not_wiped.load(Ordering::Relaxed), 0);
        // The same look finds a block that was not wiped.
        let layout = Layout::from_size_align(64, 8).unwrap();
        // SAFETY: as above.
        unsafe {
            let block = allocator.0.alloc(layout);
            block.write_bytes(0xa5, 64);
            allocator.0.dealloc(block, layout);
        }
        assert_eq!(allocator.0.not_wiped.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_memory_of_this_process_holds_no_freed_copy() {
        let copies = copies_in_heap;
        let mut live: Vec<Vec<u8>> = (0..200).map(|at| pattern(64 + at)).collect();
        assert!(copies() >= 200, "the scan finds what is still there");
        for buffer in &mut live {
            buffer.reserve(4_096);
        }
        drop(live);
        assert_eq!(copies(), 0);
    }

    /// `length` bytes that begin with the marker, made on the heap.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(marker).collect()
    }

    /// The marker, byte by byte, so that no whole copy of it is in the binary.
    fn marker(at: usize) -> u8 {
        (at as u8).wrapping_mul(37) ^ 0x5c
    }

    /// How often the first 32 bytes of the marker are in writable memory that is not a stack.
    fn copies_in_heap() -> usize {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut found = 0;
        // One buffer, wiped by hand after each use: a copy in it would be found as well.
        let mut chunk = vec![0u8; 1 << 20];
        for line in maps.lines().filter(|line| line.contains(" rw-p ") && !line.contains("stack")) {
            let (range, _) = line.split_once(' ').unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let mut at = u64::from_str_radix(from, 16).unwrap();
            let to = u64::from_str_radix(to, 16).unwrap();
            while at < to {
                let length = chunk.len().min((to - at) as usize);
                memory.seek(SeekFrom::Start(at)).unwrap();
                if memory.read_exact(&mut chunk[..length]).is_ok() {
                    let own = chunk.as_ptr() as u64;
                    for offset in 0..length.saturating_sub(32) {
                        let inside = (own..own + (1 << 20)).contains(&(at + offset as u64));
                        if !inside && (0..32).all(|step| chunk[offset + step] == marker(step)) {
                            found += 1;
                        }
                    }
                }
                chunk.fill(0);
                at += length as u64;
            }
        }
        found
    }
}
