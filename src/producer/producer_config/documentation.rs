//! The definitions as a page for readers.

use std::fmt::{self, Write};

use crate::config::config_def::{Property, Support};
use crate::producer::producer_config::definitions::DEFINITIONS;

const INTRODUCTION: &str = "\
# Configuration

Every property of Kafka's Java producer, and what becomes of it here. Generated from the definitions in \
`src/producer/producer_config/`.

`ProducerConfig::builder()` has a method for each property that does something, \
`ProducerConfig::from_properties` and `ProducerConfig::from_file` take the names below. A name that is not \
here is refused, and so is a value that is not allowed; one error tells all of it. Text is trimmed, names and \
values are never looked up elsewhere: `${...}` stands for itself.
";

const WORKING: &str = "\n## Properties that do something\n";

const WITHOUT_EFFECT: &str = "
## Properties that are accepted without effect

Their values are checked; one line in the log says that they do nothing.
";

const REFUSED: &str = "
## Properties that are refused

They ask for what this version of the crate cannot do. The default is accepted, since it asks for nothing.
";

/// The page, as Markdown.
pub(super) fn page() -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page);
    page
}

fn write_page(page: &mut String) -> fmt::Result {
    page.push_str(INTRODUCTION);
    page.push_str(WORKING);
    for property in sorted(|support| support == Support::Works) {
        write_section(page, property)?;
    }
    page.push_str(WITHOUT_EFFECT);
    write_table(page, &sorted(|support| matches!(support, Support::Ignored(_))))?;
    page.push_str(REFUSED);
    write_table(page, &sorted(|support| matches!(support, Support::Refused { .. })))
}

/// The properties, and the prefixes of such, that are supported in this way, by name.
fn sorted(belongs: impl Fn(Support) -> bool) -> Vec<&'static Property> {
    let all = DEFINITIONS.iter().chain(DEFINITIONS.prefixes);
    let mut chosen: Vec<_> = all.filter(|property| belongs(property.support)).collect();
    chosen.sort_by_key(|property| property.name);
    chosen
}

fn write_section(page: &mut String, property: &Property) -> fmt::Result {
    let Property { name, kind, importance, doc, .. } = property;
    writeln!(page, "\n### {name}\n\n{doc}\n")?;
    writeln!(page, "- Type: {}", format!("{kind:?}").to_lowercase())?;
    writeln!(page, "- Default: {}", property.default)?;
    writeln!(page, "- Valid: {}", property.allowed())?;
    writeln!(page, "- Importance: {}", format!("{importance:?}").to_lowercase())
}

fn write_table(page: &mut String, properties: &[&Property]) -> fmt::Result {
    page.push_str("\n| Property | Type | Default | Valid | Importance | What it is | Here |\n");
    page.push_str("|---|---|---|---|---|---|---|\n");
    for property in properties {
        let Property { name, kind, default, importance, doc, .. } = property;
        let (Support::Ignored(reason) | Support::Refused { reason, .. }) = property.support else {
            continue;
        };
        writeln!(
            page,
            "| `{name}{}` | {} | {default} | {} | {} | {doc} | {reason} |",
            if name.ends_with('.') { "*" } else { "" },
            format!("{kind:?}").to_lowercase(),
            property.allowed(),
            format!("{importance:?}").to_lowercase(),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Set `UPDATE_DOCS` to write the page anew.
    #[test]
    fn the_documentation_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, page()).expect("a writable page");
        }
        let current = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");

        assert!(
            current == page(),
            "docs/CONFIGURATION.md is out of date: run the tests once with UPDATE_DOCS=1"
        );
    }
}
