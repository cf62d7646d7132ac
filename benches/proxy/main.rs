//! The gate beside a bare Pingora proxy, HAProxy and Envoy: CPU time per request, latency and memory of whole processes.
//!
//! `cargo bench --bench proxy` starts each contender as a process of its own on one core, load and upstream on the others,
//! in turn and in rounds; the medians over all rounds are what counts, and ratios are taken within a round. A contender
//! that does not do what it must is thrown out before it counts, and every answer of a turn is counted by both ends.
//! Linux only, because `/proc` says what a process used. BENCHMARKS.md tells how to read what it prints.

mod cache;
mod check;
mod client;
mod contender;
mod foreign;
mod gate;
mod idle;
mod latency;
mod load;
mod machine;
mod options;
mod paced;
mod place;
mod process;
mod quiet;
mod raw;
mod report;
mod resources;
mod rounds;
mod spread;
mod tokens;
mod upstream;

use clap::Parser;

use machine::{ENVOY, H2LOAD, HAPROXY, Machine, WRK};
use options::{Options, Part};
use place::{Bare, Folder, Place};
use tokens::Provider;
use upstream::Upstream;

/// As in the program: the cache is measured in this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((role, _)) if role == upstream::ROLE => upstream::serve(),
        Some((role, rest)) if role == raw::ROLE => raw::serve(rest),
        Some((role, rest)) if role == cache::ROLE => cache::serve(rest),
        // Test runners list and run benches too; only `cargo bench` says `--bench`.
        _ if arguments.iter().any(|argument| argument == "--bench") => compare(&Options::parse().settled()),
        _ => {}
    }
}

fn compare(options: &Options) {
    let bare = Bare::build();
    let machine = Machine::read();
    let provider = Provider::new();
    let mut upstream = Upstream::start(&machine);
    let folder = Folder::new(&provider);
    let mut place = Place { machine, folder, bare, upstream: upstream.address(), protocol: options.protocol };
    println!("## {}\n", Machine::description());
    for tool in [WRK, H2LOAD, HAPROXY, ENVOY] {
        println!("- {}", tool.version().unwrap_or_else(|| tool.missing()));
    }
    if options.part.contains(&Part::Requests) {
        report::print(&rounds::run(&place, &provider, &mut upstream, options), options);
    }
    place.machine.step_aside();
    for part in &options.part {
        let done = match part {
            Part::Requests => Ok(()),
            Part::Latency => latency::run(&place, &provider, options),
            Part::Resources => resources::run(&place, &provider, options),
            Part::Idle => idle::run(&mut place, &provider, options),
            Part::Cache => cache::run(options),
        };
        if let Err(why) = done {
            println!("\nLeft out: {part:?}: {why}");
        }
    }
}
