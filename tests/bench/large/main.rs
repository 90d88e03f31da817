//! Whether all stays as fast as it was when the file has grown: a small file and a large one side by side, in the same run.
//!
//! `cargo bench --bench large [-- DELIVERIES [FOLDER]]`: the large file has that many deliveries (100,000 when not said), the
//! small one a thousandth. With a folder they are kept there and used again. It asserts nothing: what counts is each line's
//! second figure beside its first, and no screen's question should take longer than 50 ms.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at the first trouble")]

#[path = "../common/receiver.rs"]
mod receiver;

#[path = "../deliver/rig.rs"]
#[expect(dead_code, reason = "it is shared with another bench")]
mod rig;

mod make;

mod prune;

mod rates;

mod screens;

use std::path::PathBuf;

use crate::make::{Size, make};
use crate::rates::Rates;

/// A screen's question may take that long, in milliseconds.
const SCREEN_MAX: f64 = 50.0;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let deliveries = match arguments.next().as_deref() {
        Some("receive") => return receiver::run(),
        given => given.map_or(100_000, |count| count.parse().unwrap()),
    };
    let folder = arguments.next().map(PathBuf::from);
    let runtime = bellboard::cli::threads::runtime().unwrap();
    runtime.block_on(measure(deliveries, folder));
}

async fn measure(deliveries: i64, folder: Option<PathBuf>) {
    let vanishing = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = folder.unwrap_or_else(|| vanishing.path().to_owned());
    let large = Size { deliveries };
    let small = Size { deliveries: (deliveries / 1000).max(1000) };
    let files = [small, large].map(|size| (folder.join(format!("bellboard-{}.db", size.deliveries)), size));
    for (path, size) in &files {
        make(path, *size).await;
    }
    let receiver = receiver::Process::start();
    let [small, large] = [Rates::open(&files[0].0, &receiver).await, Rates::open(&files[1].0, &receiver).await];
    println!("{:<34} {:>22} {:>24}", "", "small", "large");
    let asked = [screens::ask(small.store(), files[0].1).await, screens::ask(large.store(), files[1].1).await];
    for (small, large) in asked[0].iter().zip(&asked[1]) {
        let mark = if large.max() > SCREEN_MAX { "  over" } else { "" };
        println!(
            "{:<34} p50 {:>6.2} max {:>7.2} ms   p50 {:>6.2} max {:>7.2} ms{mark}",
            small.what,
            small.p50(),
            small.max(),
            large.p50(),
            large.max()
        );
    }
    rates::side_by_side(&small, &large, &receiver).await;
    prune::side_by_side(&large, &receiver).await;
}
