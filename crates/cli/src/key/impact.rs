//! `conclave key impact`.

use conclave_client::{Client, v1};
use serde_json::{Value, json};

use super::registration::{registrations_json, registrations_text};
use crate::output::{Answer, Outcome};
use crate::table;
use crate::values::{time_json, time_text};

pub(super) async fn run(key: &str, client: &Client) -> Outcome {
    let impact = client.get_impact(key).await?;
    Ok(Answer::new(impact_json(&impact), impact_text(&impact)))
}

fn impact_json(impact: &v1::ImpactAnswer) -> Value {
    json!({
        "key_id": impact.key_id,
        "registrations": registrations_json(&impact.registrations),
        "recent": [],
        "blocked_by": impact.blocked_by,
        "destroys_at": time_json(impact.destroys_at.as_ref()),
        "purge_at": time_json(impact.purge_at.as_ref()),
        "log_index": impact.log_index,
    })
}

fn impact_text(impact: &v1::ImpactAnswer) -> String {
    let blocked_by = match impact.blocked_by.is_empty() {
        true => "nothing".to_owned(),
        false => impact.blocked_by.join(", "),
    };
    let mut text = table::fields(&[
        ("key", impact.key_id.clone()),
        ("blocked by", blocked_by),
        ("destroys", time_text(impact.destroys_at.as_ref()).unwrap_or_default()),
        ("purges", time_text(impact.purge_at.as_ref()).unwrap_or_default()),
    ]);
    if !impact.registrations.is_empty() {
        text.push('\n');
        text.push_str(&registrations_text(&impact.registrations));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::example::impact;

    #[test]
    fn an_impact_has_the_promised_fields() {
        let shown = impact_json(&impact());
        assert_eq!(shown["registrations"].as_array().unwrap().len(), 2);
        let expected = json!({
            "key_id": "0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10",
            "registrations": shown["registrations"],
            "recent": [],
            "blocked_by": ["retention"],
            "destroys_at": "2026-11-24T10:00:00Z",
            "purge_at": "2027-02-22T10:00:00Z",
            "log_index": 9,
        });
        assert_eq!(shown, expected);
        let none = impact_json(&v1::ImpactAnswer::default());
        assert_eq!((&none["blocked_by"], &none["purge_at"]), (&json!([]), &Value::Null));
    }

    #[test]
    fn an_impact_for_people() {
        let text = impact_text(&impact());
        let head = "key         0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10\n\
                    blocked by  retention\n\
                    destroys    2026-11-24T10:00:00Z\n\
                    purges      2027-02-22T10:00:00Z\n\
                    \nRESOURCE ";
        assert!(text.starts_with(head), "{text}");
        let none = impact_text(&v1::ImpactAnswer { key_id: "k".to_owned(), ..Default::default() });
        assert_eq!(none, "key         k\nblocked by  nothing\n");
    }
}
