//! The bare proxy as it is: the system's allocator.

mod proxy;

fn main() {
    proxy::main();
}
