//! Rules about the source itself, which no compiler holds: who may import whom, what a file must and must not hold,
//! and that documents name everything that exists. Each rule is tested with small bad inputs beside it; this file runs
//! all of them over the files that git knows, and prints each breach as `file:line: what: the rule`.

#[path = "tidy/behaviour.rs"]
mod behaviour;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/style.rs"]
mod style;
#[path = "tidy/vocabulary.rs"]
mod vocabulary;

use source::{Breach, File, tracked};

/// A rule looks at all files and tells what breaks it.
type Rule = fn(&[File]) -> Vec<Breach>;

const RULES: [(&str, Rule); 17] = [
    ("floors", floors::imports_point_down),
    ("mentions", floors::libraries_stay_where_they_belong),
    ("headers", style::every_file_says_what_it_is),
    ("length", style::files_are_one_thought),
    ("names", style::names_say_something),
    ("marks", style::nothing_is_left_for_later),
    ("exports", style::exports_are_named),
    ("ignored tests", style::no_test_is_ignored_or_sleeps),
    ("places", style::no_machine_is_named),
    ("codes", vocabulary::every_code_is_documented),
    ("metrics", vocabulary::every_metric_is_documented),
    ("settings", vocabulary::every_setting_is_documented),
    ("decisions", documents::every_decision_is_in_the_index),
    ("headings", documents::every_document_has_one_title),
    ("links", documents::every_link_leads_somewhere),
    ("tests", documents::every_test_that_is_named_exists),
    ("paragraphs", behaviour::every_paragraph_is_shown),
];

#[test]
fn the_source_keeps_its_rules() {
    let files = tracked();
    assert!(files.len() > 20, "git lists only {} files", files.len());
    let breaches: Vec<String> = RULES
        .iter()
        .flat_map(|(name, rule)| rule(&files).into_iter().map(move |breach| format!("{breach} [{name}]")))
        .collect();
    assert!(breaches.is_empty(), "{} breaches of the rules:\n{}", breaches.len(), breaches.join("\n"));
}
