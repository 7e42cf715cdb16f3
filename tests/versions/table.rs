//! What was seen, as a table for `docs/COMPATIBILITY.md`.

use std::fmt::Write as _;

use crate::combination::{CODECS, Combination};
use crate::release::Release;

/// What was seen of one release.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) release: Release,
    pub(crate) combinations: Vec<Combination>,
    pub(crate) sent: usize,
    pub(crate) acknowledged: usize,
    pub(crate) read_by_console_consumer: usize,
    /// `None` where kcat is not installed.
    pub(crate) read_by_kcat: Option<usize>,
}

/// One row for each release.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = String::from("| Kafka | Produce |");
    for codec in CODECS {
        let _ = write!(table, " {codec} |");
    }
    table.push_str(" sent | acknowledged | read by console consumer | read by kcat |\n");
    table.push_str("|---|---|---|---|---|---|---|---:|---:|---:|---:|\n");
    for row in rows {
        write_row(&mut table, row);
    }
    table
}

fn write_row(table: &mut String, row: &Row) {
    let _ = write!(table, "| {} | v{} |", row.release.version(), row.release.produce);
    for codec in CODECS {
        let of_codec = row.combinations.iter().filter(|each| each.codec == codec);
        let deliveries: Vec<_> = of_codec.map(|each| each.delivery.to_string()).collect();
        let cell = if deliveries.is_empty() { "refused" } else { &deliveries.join(", ") };
        let _ = write!(table, " {cell} |");
    }
    let kcat = row.read_by_kcat.map_or_else(|| "not installed".to_owned(), |n| n.to_string());
    let Row { sent, acknowledged, read_by_console_consumer, .. } = row;
    let _ = writeln!(table, " {sent} | {acknowledged} | {read_by_console_consumer} | {kcat} |");
}
