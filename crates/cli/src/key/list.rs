//! `conclave key list`.

use clap::Args;
use conclave_client::{Client, v1};
use serde_json::{Value, json};

use super::json::key as key_json;
use super::state::{STATES, State};
use super::text;
use crate::output::{Answer, Outcome};
use crate::table;
use crate::values::text_json;

/// Arguments of `key list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only keys in this key ring
    #[arg(long, default_value = "", hide_default_value = true)]
    ring: String,
    /// Only keys in one of these states [default: all but Destroyed]
    #[arg(long = "state", value_name = "STATE[,…]", value_delimiter = ',', value_enum)]
    states: Vec<State>,
    /// Keys in every state, Destroyed too
    #[arg(long, conflicts_with = "states")]
    all: bool,
    /// At most this many keys, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// `next_cursor` of the page before
    #[arg(long, default_value = "", hide_default_value = true)]
    cursor: String,
}

pub(super) async fn run(args: ListArgs, client: &Client) -> Outcome {
    let states = match args.all {
        true => STATES.to_vec(),
        false => args.states.into_iter().map(v1::KeyState::from).collect(),
    };
    let request = v1::ListKeysRequest {
        states: states.into_iter().map(i32::from).collect(),
        limit: args.limit,
        cursor: args.cursor,
        ring: args.ring,
    };
    let page = client.list_keys(request).await?;
    Ok(Answer::new(list_json(&page), list_text(&page)))
}

fn list_json(page: &v1::ListKeysAnswer) -> Value {
    json!({
        "keys": page.keys.iter().map(key_json).collect::<Vec<_>>(),
        "next_cursor": text_json(&page.next_cursor),
        "log_index": page.log_index,
    })
}

fn list_text(page: &v1::ListKeysAnswer) -> String {
    if page.keys.is_empty() {
        return "no keys\n".to_owned();
    }
    let rows = page.keys.iter().map(|key| {
        [
            key.id.clone(),
            key.aliases.join(","),
            text::state(key),
            key.ring.clone(),
            key.algorithm.clone(),
            key.primary_version.to_string(),
        ]
    });
    let header = ["ID", "ALIASES", "STATE", "RING", "ALGORITHM", "VERSION"];
    let mut text = table::table(header, rows);
    if !page.next_cursor.is_empty() {
        text.push_str(&format!("there are more: --cursor {}\n", page.next_cursor));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::example::example;

    #[test]
    fn lists_are_never_absent_and_the_last_page_has_no_cursor() {
        let empty = v1::ListKeysAnswer { log_index: 3, ..Default::default() };
        assert_eq!(list_json(&empty), json!({"keys": [], "next_cursor": null, "log_index": 3}));
        assert_eq!(list_text(&empty), "no keys\n");
    }

    #[test]
    fn a_page_for_people() {
        let page = v1::ListKeysAnswer {
            keys: vec![v1::Key { id: "k1".to_owned(), ..example() }],
            next_cursor: "c2".to_owned(),
            log_index: 3,
        };
        assert_eq!(
            list_text(&page),
            "ID  ALIASES  STATE     RING     ALGORITHM        VERSION\n\
             k1  orders   Disabled  default  aes-256-gcm-siv  2\n\
             there are more: --cursor c2\n"
        );
    }
}
