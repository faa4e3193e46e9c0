//! `conclave key history`.

use conclave_client::{Client, v1};
use serde_json::{Value, json};

use super::state_name;
use crate::output::{Answer, Outcome};
use crate::table;
use crate::values::{text_json, time_json, time_text};

pub(super) async fn run(key: &str, client: &Client) -> Outcome {
    let history = client.get_history(key).await?;
    let entries: Vec<Value> = history.entries.iter().map(entry_json).collect();
    let json = json!({"entries": entries, "log_index": history.log_index});
    Ok(Answer::new(json, text(&history.entries)))
}

fn entry_json(entry: &v1::HistoryEntry) -> Value {
    json!({
        "at": time_json(entry.at.as_ref()),
        "principal": text_json(&entry.principal),
        "action": entry.action,
        "verdict": if entry.refused.is_empty() { "ok" } else { "refused" },
        "reason": text_json(&entry.refused),
        "from": state_name(entry.from()),
        "to": state_name(entry.to()),
        "version": entry.version,
        "request_id": text_json(&entry.request_id),
        "approvals": [],
    })
}

fn text(entries: &[v1::HistoryEntry]) -> String {
    let rows = entries.iter().map(|entry| {
        let principal = if entry.principal.is_empty() { "(cluster)" } else { &entry.principal };
        let verdict = if entry.refused.is_empty() { "ok" } else { &entry.refused };
        [
            time_text(entry.at.as_ref()).unwrap_or_default(),
            principal.to_owned(),
            entry.action.clone(),
            verdict.to_owned(),
            change(entry),
            entry.version.to_string(),
        ]
    });
    table::table(["AT", "PRINCIPAL", "ACTION", "VERDICT", "STATE", "VERSION"], rows)
}

/// `Enabled -> Disabled`, or the one state if it stayed.
fn change(entry: &v1::HistoryEntry) -> String {
    match (state_name(entry.from()), state_name(entry.to())) {
        (Some(from), Some(to)) if from != to => format!("{from} -> {to}"),
        (Some(only), _) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> [v1::HistoryEntry; 3] {
        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let created = v1::HistoryEntry {
            at: time(1_795_255_200),
            principal: "admin".to_owned(),
            action: "CreateKey".to_owned(),
            to: v1::KeyState::Enabled.into(),
            version: 1,
            request_id: "7b".to_owned(),
            ..Default::default()
        };
        let rotated = v1::HistoryEntry {
            at: time(1_795_255_201),
            principal: String::new(),
            action: "ScheduledRotation".to_owned(),
            from: v1::KeyState::Enabled.into(),
            to: v1::KeyState::Enabled.into(),
            version: 2,
            request_id: String::new(),
            ..Default::default()
        };
        let refused = v1::HistoryEntry {
            at: time(1_795_255_202),
            action: "DeleteKey".to_owned(),
            refused: "RETENTION".to_owned(),
            from: v1::KeyState::Enabled.into(),
            version: 2,
            ..created.clone()
        };
        [created, rotated, refused]
    }

    #[test]
    fn an_entry_has_the_promised_fields() {
        let [created, rotated, refused] = examples();
        assert_eq!(
            entry_json(&created),
            json!({"at": "2026-11-21T10:00:00Z", "principal": "admin", "action": "CreateKey",
                "verdict": "ok", "reason": null, "from": null, "to": "Enabled", "version": 1,
                "request_id": "7b", "approvals": []})
        );
        assert_eq!(
            entry_json(&rotated),
            json!({"at": "2026-11-21T10:00:01Z", "principal": null,
                "action": "ScheduledRotation", "verdict": "ok", "reason": null,
                "from": "Enabled", "to": "Enabled", "version": 2, "request_id": null,
                "approvals": []})
        );
        let refused = entry_json(&refused);
        assert_eq!(refused["verdict"], "refused");
        assert_eq!(refused["reason"], "RETENTION");
    }

    #[test]
    fn a_history_for_people() {
        assert_eq!(
            text(&examples()),
            "AT                    PRINCIPAL  ACTION             VERDICT    STATE    VERSION\n\
             2026-11-21T10:00:00Z  admin      CreateKey          ok         Enabled  1\n\
             2026-11-21T10:00:01Z  (cluster)  ScheduledRotation  ok         Enabled  2\n\
             2026-11-21T10:00:02Z  admin      DeleteKey          RETENTION  Enabled  2\n"
        );
        let mut moved = examples()[2].clone();
        moved.set_to(v1::KeyState::PendingDeletion);
        assert_eq!(change(&moved), "Enabled -> PendingDeletion");
    }
}
