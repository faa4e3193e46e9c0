//! Encryption, decryption, data keys, random bytes.

use serde_json::{Value, json};

use super::{World, pattern};

#[tokio::test]
async fn small_data_becomes_one_line_of_text_and_comes_back() {
    let world = World::new().await;
    world.run("key create orders").await;
    for len in [0, 1, 1024, 65_536] {
        world.write("plain", pattern(len));
        assert_eq!(world.run("encrypt orders @plain --out @c --aad inv").await.code, 0);
        let text = String::from_utf8(world.read("c")).unwrap();
        assert!(text.starts_with("conclave:v1:") && text.ends_with('\n'));
        assert_eq!(text.lines().count(), 1);
        let ran = world.run("decrypt @c --out @back --aad inv --key orders").await;
        assert_eq!(ran.code, 0, "{}", ran.message);
        assert_eq!(world.read("back"), pattern(len));
    }
    assert_eq!(world.files(), ["back", "c", "plain"]);
}

#[tokio::test]
async fn large_data_becomes_a_stream_and_comes_back() {
    let world = World::new().await;
    world.run("key create orders").await;
    for (len, flag) in
        [(65_537, ""), (1_000_000, ""), (0, "--format binary"), (9, "--format binary")]
    {
        world.write("plain", pattern(len));
        let json =
            world.run(&format!("encrypt orders @plain --out @c {flag} -o json")).await.json();
        assert_eq!((&json["format"], &json["ciphertext"]), (&json!("binary"), &Value::Null));
        assert!(world.read("c").starts_with(b"CNCS"));
        let json = world.run("decrypt @c --out @back -o json").await.json();
        assert_eq!((&json["plaintext"], &json["version"]), (&Value::Null, &json!(1)));
        assert_eq!(world.read("back"), pattern(len));
    }
    world.write("plain", pattern(65_537));
    let forced = world.run("encrypt orders @plain --out @d --format text").await;
    assert_eq!((forced.code, forced.reason.as_str()), (1, "TOO_LARGE"));
    assert_eq!(world.files(), ["back", "c", "plain"]);
}

#[tokio::test]
async fn json_holds_small_results() {
    let world = World::new().await;
    world.run("key create orders").await;
    world.write("plain", "hello");
    let json = world.run("encrypt orders @plain -o json").await.json();
    assert_eq!((&json["format"], &json["version"]), (&json!("text"), &json!(1)));
    world.write("c", json["ciphertext"].as_str().unwrap());
    assert_eq!(world.run("decrypt @c -o json").await.json()["plaintext"], "aGVsbG8=");

    world.write("plain", pattern(65_536));
    world.run("encrypt orders @plain --out @c --format binary").await;
    let json = world.run("decrypt @c -o json").await.json();
    let plain = data_encoding::BASE64.decode(json["plaintext"].as_str().unwrap().as_bytes());
    assert_eq!(plain.unwrap(), pattern(65_536));

    world.write("plain", pattern(65_537));
    let ran = world.run("encrypt orders @plain -o json").await;
    assert_eq!((ran.code, ran.reason.as_str()), (1, "TOO_LARGE"));
    world.run("encrypt orders @plain --out @c").await;
    let ran = world.run("decrypt @c -o json").await;
    assert_eq!((ran.code, ran.reason.as_str()), (1, "TOO_LARGE"));
}

#[tokio::test]
async fn what_is_not_authentic_leaves_nothing() {
    let world = World::new().await;
    world.run("key create orders").await;
    world.run("key create other").await;
    world.write("small", "x");
    world.write("large", pattern(300_000));
    world.run("encrypt orders @small --out @text --aad a").await;
    world.run("encrypt orders @large --out @stream --aad a").await;
    let mut text = world.read("text");
    text[60] = if text[60] == b'A' { b'B' } else { b'A' };
    world.write("text2", text);
    let mut stream = world.read("stream");
    let last = stream.len() - 1;
    stream[last] ^= 1;
    world.write("stream2", &stream);
    world.write("short", &world.read("stream")[..200_000]);
    let before = world.files();
    for (line, reason) in [
        ("decrypt @text --aad b --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @text --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @text2 --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @stream --aad b --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @stream2 --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @short --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @large --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @small --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @text --aad a --key other --out @out", "CIPHERTEXT_WRONG_KEY"),
        ("decrypt @stream --aad a --key other --out @out", "CIPHERTEXT_WRONG_KEY"),
    ] {
        let ran = world.run(line).await;
        assert_eq!((ran.code, ran.reason.as_str()), (1, reason), "{line}: {}", ran.message);
        assert_eq!(world.files(), before, "{line}");
    }
    for line in ["decrypt @text --aad a --out @out", "decrypt @stream --aad a --out @out"] {
        assert_eq!(world.run(line).await.code, 0, "{line}");
    }
}

#[tokio::test]
async fn a_disabled_key_leaves_no_file() {
    let world = World::new().await;
    world.run("key create orders").await;
    world.run("key disable orders --yes").await;
    world.write("big", pattern(100_000));
    for line in ["encrypt orders @big --out @x", "encrypt orders @big --out @x -o json"] {
        let ran = world.run(line).await;
        assert_eq!((ran.code, ran.reason.as_str()), (1, "KEY_STATE"));
        assert_eq!(world.files(), ["big"]);
    }
}

#[tokio::test]
async fn a_data_key_goes_to_files_and_comes_back_from_its_wrapping() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await;
    world.run("key create orders").await;
    let line = "data-key orders --bytes 48 --plain-out @p --wrapped-out @w --aad a -o json";
    let json = world.run(line).await.json();
    assert_eq!(world.read("p"), vec![5; 48]);
    assert_eq!(std::fs::metadata(world.path("p")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(format!("{}\n", json["wrapped"].as_str().unwrap()).into_bytes(), world.read("w"));
    assert_eq!(json.as_object().unwrap().len(), 3);
    world.run("decrypt @w --aad a --out @back").await;
    assert_eq!(world.read("back"), vec![5; 48]);
}

#[tokio::test]
async fn random_bytes_are_base64_or_raw() {
    let world = World::new().await;
    assert_eq!(world.run("random --bytes 3").await.stdout, "BgYG\n");
    assert_eq!(world.run("random --bytes 3 -o json").await.json(), json!({"bytes": "BgYG"}));
    assert_eq!(world.run("random --out @r").await.stdout, "");
    assert_eq!(world.read("r"), vec![6; 32]);
}
