//! An allocator that counts.

// Its interface is an unsafe one; the gateway itself has no such code.
#![allow(unsafe_code)]
// Each program that has this takes what it needs.
#![allow(dead_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which notes what each thread asks of it.
pub struct Counting;

thread_local! {
    /// How often this thread wanted memory.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
    /// How many bytes this thread took and has not given back.
    static HELD: Cell<i64> = const { Cell::new(0) };
}

/// How often this thread wanted memory so far.
pub fn taken() -> u64 {
    TAKEN.get()
}

/// How many bytes this thread took and has not given back.
pub fn held() -> i64 {
    HELD.get()
}

fn note(times: u64, bytes: i64) {
    TAKEN.set(TAKEN.get() + times);
    HELD.set(HELD.get() + bytes);
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as i64 - layout.size() as i64);
        unsafe { System.realloc(pointer, layout, size) }
    }
}
