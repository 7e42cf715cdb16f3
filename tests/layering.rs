//! The layering of `src`, as a test. Think hard before you widen a line of `MAY_NAME` or `HOMES`.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the other modules of this crate that it may name. Lowest first.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("utils", &[]),
    ("java_oracle", &["utils"]), // in tests only
    ("common", &["utils"]),
    ("error", &["common"]),
    ("config", &["error", "utils"]),
    ("serialization", &["common", "error"]),
    ("compress", &["error", "utils"]),
    ("record", &["common", "compress", "error", "java_oracle", "utils"]),
    ("protocol", &["common", "error", "java_oracle", "utils"]),
    ("network", &["common", "error", "utils"]),
    ("client", &["common", "error", "network", "protocol", "utils"]),
    (
        "producer",
        &[
            "client",
            "common",
            "compress",
            "config",
            "error",
            "network",
            "protocol",
            "record",
            "serialization",
            "utils",
        ],
    ),
    ("mock_cluster", &["common", "error", "protocol", "utils"]),
    (
        "simulation",
        &[
            "client",
            "common",
            "compress",
            "error",
            "mock_cluster",
            "network",
            "producer",
            "protocol",
            "record",
            "utils",
        ],
    ),
    (
        "bench",
        &["client", "common", "network", "producer", "record", "utils"], // what it measures
    ),
    ("lib", &[]),
];

/// The crates from outside that have a home, and the modules that may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("arc_swap", &["bench", "client", "producer", "simulation"]),
    ("byteorder", &["protocol", "record"]),
    ("crc32fast", &["utils"]),
    ("crc_fast", &["utils"]),
    ("crossbeam_channel", &["client"]),
    ("flate2", &["compress", "mock_cluster"]),
    ("lz4_flex", &["compress", "mock_cluster"]),
    ("mio", &["network"]),
    ("parking_lot", &["utils"]),
    ("raw_cpuid", &["utils"]),
    ("snap", &["compress", "mock_cluster"]),
    ("socket2", &["network"]),
    ("spin", &["utils"]),
    ("tick_counter", &["utils"]),
    ("zstd", &["compress", "mock_cluster"]),
];

#[test]
fn modules_name_only_what_lies_beneath_them() {
    let strays: Vec<_> = each_line_of_code()
        .flat_map(|line| {
            let allowed = allowed_for(&line.module);
            let named = line.code.split("crate::").skip(1).map(first_name).map(str::to_owned);
            let strays = named.filter(|named| {
                *named != line.module && !allowed.iter().any(|allowed| allowed == named)
            });
            strays
                .map(|named| format!("{}: {} names {named}", line.place, line.module))
                .collect::<Vec<_>>()
        })
        .collect();

    assert!(strays.is_empty(), "\n{}", strays.join("\n"));
}

#[test]
fn outside_crates_are_named_at_home_only() {
    let strays: Vec<_> = each_line_of_code()
        .flat_map(|line| {
            let away = HOMES.iter().filter(|(_, homes)| !homes.contains(&line.module.as_str()));
            let strays = away.filter(|(name, _)| names_crate(&line.code, name));
            strays
                .map(|(name, _)| format!("{}: {} names {name}", line.place, line.module))
                .collect::<Vec<_>>()
        })
        .collect();

    assert!(strays.is_empty(), "\n{}", strays.join("\n"));
}

struct Line {
    /// The module of the crate's root that it belongs to.
    module: String,
    /// File and line number, as an editor opens them.
    place: String,
    code: String,
}

/// Every line of `src` but whole-line comments.
fn each_line_of_code() -> impl Iterator<Item = Line> {
    rust_files(Path::new("src")).into_iter().flat_map(|file| {
        let module = file.iter().nth(1).expect("a file in src").to_str().expect("ASCII");
        let module = module.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&file).expect("a readable file");
        let lines =
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        lines
            .map(|(index, line)| Line {
                module: module.clone(),
                place: format!("{}:{}", file.display(), index + 1),
                code: line.to_owned(),
            })
            .collect::<Vec<_>>()
    })
}

fn allowed_for(module: &str) -> &'static [&'static str] {
    let layer = MAY_NAME.iter().find(|(name, _)| *name == module);
    layer.unwrap_or_else(|| panic!("src/{module} has no line in MAY_NAME")).1
}

/// Whether `code` has a path that begins with the crate `name`: not one of our own modules of that name.
fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn first_name(path: &str) -> &str {
    path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let files = paths.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")).collect()
}
