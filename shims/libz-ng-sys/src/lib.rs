//! The zlib interface that `flate2` links, served by zlib-rs instead of the C library zlib-ng.
//!
//! pingora-core switches on `flate2/zlib-ng` without a choice, and the C library behind it builds with cmake only.
//! This gateway never compresses, so nobody should have to install cmake for it; and what is linked at all should
//! rather be memory-safe. `[patch.crates-io]` in the package's manifest puts this crate in its place.
//!
//! All that differs from zlib-rs is [`z_stream`]: `flate2` writes its allocator without an `Option` around it.
//! It can go once pingora lets its user choose the backend of flate2.

#![allow(non_camel_case_types, non_snake_case)]

use core::ffi::{c_char, c_int};

pub use libz_rs_sys::{
    Bytef, Z_BLOCK, Z_BUF_ERROR, Z_DATA_ERROR, Z_DEFAULT_STRATEGY, Z_DEFLATED, Z_FINISH, Z_FULL_FLUSH, Z_MEM_ERROR,
    Z_NEED_DICT, Z_NO_FLUSH, Z_OK, Z_PARTIAL_FLUSH, Z_STREAM_END, Z_STREAM_ERROR, Z_SYNC_FLUSH, alloc_func, free_func,
    internal_state, uInt, uLong, voidpf, zlibVersion,
};

/// `libz_rs_sys::z_stream` with an allocator that is always there; the same bytes in memory, as the assertion holds.
#[repr(C)]
pub struct z_stream {
    pub next_in: *mut Bytef,
    pub avail_in: uInt,
    pub total_in: uLong,
    pub next_out: *mut Bytef,
    pub avail_out: uInt,
    pub total_out: uLong,
    pub msg: *mut c_char,
    pub state: *mut internal_state,
    pub zalloc: alloc_func,
    pub zfree: free_func,
    pub opaque: voidpf,
    pub data_type: c_int,
    pub adler: uLong,
    pub reserved: uLong,
}

const _: () = assert!(
    size_of::<z_stream>() == size_of::<libz_rs_sys::z_stream>()
        && core::mem::offset_of!(z_stream, zalloc) == core::mem::offset_of!(libz_rs_sys::z_stream, zalloc)
        && core::mem::offset_of!(z_stream, reserved) == core::mem::offset_of!(libz_rs_sys::z_stream, reserved)
);

/// Declares functions that differ from zlib-rs in the type of the stream alone.
macro_rules! served_by_zlib_rs {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {$(
        /// As in zlib.
        ///
        /// # Safety
        ///
        /// `strm` and what it points to follow zlib's manual.
        pub unsafe extern "C" fn $name(strm: *mut z_stream $(, $argument: $kind)*) -> c_int {
            // SAFETY: the caller's promise, and the equal layout asserted above.
            unsafe { libz_rs_sys::$name(strm.cast() $(, $argument)*) }
        }
    )*};
}

served_by_zlib_rs! {
    deflateInit2_(level: c_int, method: c_int, window_bits: c_int, memory_level: c_int, strategy: c_int, version: *const c_char, size: c_int);
    deflate(flush: c_int);
    deflateEnd();
    deflateReset();
    deflateParams(level: c_int, strategy: c_int);
    deflateSetDictionary(dictionary: *const Bytef, length: uInt);
    inflateInit2_(window_bits: c_int, version: *const c_char, size: c_int);
    inflate(flush: c_int);
    inflateEnd();
    inflateReset2(window_bits: c_int);
    inflateSetDictionary(dictionary: *const Bytef, length: uInt);
}
