//! The bare proxy with the allocator of the gate.

mod proxy;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    proxy::main();
}
