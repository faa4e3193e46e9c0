//! `conclave token …`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest;
use clap::{Args, Subcommand};
use conclave_client::{Client, Error, Reason, v1};
use serde_json::{Value, json};
use x509_parser::pem::Pem;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files::{self, Existing, OutFile};
use crate::globals::Globals;
use crate::output::{Answer, Outcome};
use crate::table;
use crate::values::{parse_duration, text_json, time_json, time_text};

/// Verbs of `token`.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Create a token; it is written to a file and shown nowhere
    Create(CreateArgs),
    /// List tokens, of one principal or of all
    List(ListArgs),
    /// End a token at once
    Revoke(RevokeArgs),
}

/// Arguments of `token create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name or id of the principal
    principal: String,
    /// How long the token lives: 30s 15m 72h 30d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30d")]
    ttl: Duration,
    /// Client certificate beside which alone the token works
    #[arg(long, value_name = "FILE")]
    bind_cert: Option<PathBuf>,
    /// File for the token, mode 0600; never overwritten
    #[arg(long, value_name = "FILE")]
    token_out: PathBuf,
}

/// Arguments of `token list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Name or id of a principal
    principal: Option<String>,
}

/// Arguments of `token revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Id of the token
    token_id: String,
}

pub(crate) async fn run(verb: TokenVerb, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    match verb {
        TokenVerb::Create(args) => create(args, globals, &client).await,
        TokenVerb::List(args) => {
            let tokens = client.list_tokens(args.principal.as_deref()).await?;
            let shown: Vec<Value> = tokens.iter().map(|token| token_json(token, None)).collect();
            Ok(Answer::new(json!({ "tokens": shown }), list_text(&tokens)))
        }
        TokenVerb::Revoke(args) => {
            let request = v1::RevokeTokenRequest {
                request_id: globals.request_id(),
                token_id: args.token_id,
            };
            let answer = client.revoke_token(request).await?;
            let token = answer.token.unwrap_or_default();
            Ok(answer_of(&token, None, answer.log_index, answer.replayed))
        }
    }
}

async fn create(args: CreateArgs, globals: &Globals, client: &Client) -> Outcome {
    let bind_certificate_sha256 = match &args.bind_cert {
        Some(path) => certificate_digest(path)?,
        None => Vec::new(),
    };
    let mut file = OutFile::create(&args.token_out, Existing::Keep)?;
    let request = v1::CreateTokenRequest {
        request_id: globals.request_id(),
        principal: args.principal,
        ttl_s: args.ttl.as_secs(),
        bind_certificate_sha256,
    };
    let answer = client.create_token(request).await?;
    let secret = Zeroizing::new(answer.secret);
    let token = answer.token.unwrap_or_default();
    if secret.is_empty() {
        return Err(shown_before(&token.id));
    }
    file.write(secret.as_bytes())?;
    file.write(b"\n")?;
    let path = file.finish(Existing::Keep)?;
    Ok(answer_of(&token, Some(&path), answer.log_index, answer.replayed))
}

fn answer_of(token: &v1::Token, file: Option<&Path>, log_index: u64, replayed: bool) -> Answer {
    let json = json!({
        "token": token_json(token, file),
        "log_index": log_index,
        "replayed": replayed,
    });
    let text = table::fields(&[
        ("id", token.id.clone()),
        ("principal", token.principal.clone()),
        ("expires", expiry(token)),
        ("revoked", if token.revoked { "yes" } else { "" }.to_owned()),
        ("file", file.map(|path| path.display().to_string()).unwrap_or_default()),
    ]);
    Answer::new(json, text)
}

fn token_json(token: &v1::Token, file: Option<&Path>) -> Value {
    json!({
        "id": token.id,
        "principal": token.principal,
        "created_at": time_json(token.created_at.as_ref()),
        "expires_at": time_json(token.expires_at.as_ref()),
        "revoked": token.revoked,
        "bound_certificate": text_json(&token.bound_certificate),
        "file": file.map(|path| path.display().to_string()),
    })
}

fn list_text(tokens: &[v1::Token]) -> String {
    let rows = tokens.iter().map(|token| {
        let revoked = if token.revoked { "revoked" } else { "" };
        [token.id.clone(), token.principal.clone(), expiry(token), revoked.to_owned()]
    });
    table::table(["ID", "PRINCIPAL", "EXPIRES", ""], rows)
}

fn expiry(token: &v1::Token) -> String {
    time_text(token.expires_at.as_ref()).unwrap_or_else(|| "never".to_owned())
}

/// SHA-256 of the DER form of the first certificate in a PEM file.
fn certificate_digest(path: &Path) -> Result<Vec<u8>, Failure> {
    let pem = files::read(path)?;
    let first = Pem::iter_from_buffer(&pem).next();
    match first {
        Some(Ok(section)) if section.label == "CERTIFICATE" => {
            Ok(digest::digest(&digest::SHA256, &section.contents).as_ref().to_vec())
        }
        _ => Err(Failure::usage(
            format!("{} does not begin with a certificate in PEM form", path.display()),
            "give the certificate that the client will show",
        )),
    }
}

fn shown_before(id: &str) -> Failure {
    Error::new(
        Reason::AlreadyExists,
        format!("this request has created token {id} before; a token is shown only once"),
        format!("if it is lost: conclave token revoke {id}, then create another"),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_promised_fields() {
        let token = v1::Token {
            id: "t1".to_owned(),
            principal: "app".to_owned(),
            expires_at: Some(prost_types::Timestamp { seconds: 1_795_255_200, nanos: 0 }),
            ..Default::default()
        };
        assert_eq!(
            token_json(&token, Some(Path::new("/run/app.token"))),
            json!({"id": "t1", "principal": "app", "created_at": null,
                "expires_at": "2026-11-21T10:00:00Z", "revoked": false,
                "bound_certificate": null, "file": "/run/app.token"})
        );
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.pem");
        for content in ["", "text", "-----BEGIN X-----\nAAAA\n-----END X-----\n"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(certificate_digest(&path).unwrap_err().exit_code(), 2, "{content}");
        }
    }
}
